"""What makers and loaders of judgments return."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, repr=False, eq=False)
class JudgmentTruth:
    """The model that judgments were drawn from, with all its numbers.

    With ``s`` outputs (1 for binary, ordinal, slider and magnitude judgments; one
    per label, option, filler or style otherwise) and ``i``, ``p`` and ``t`` the item,
    participant and progress of a judgment,

        eta = intercept + slope t + text_effects[i]
              + item_effects[i] + participant_effects[p] + participant_slopes[p] t.

    Arrays of effects have shape (n,) when there is one output and (n, s) when there
    are several.

    Attributes
    ----------
    family, link : str
        Distribution of the response and the function that maps its mean to ``eta``.
    intercept, slope : float or ndarray of shape (s,)
        Fixed effects of the constant and of ``progress``.
    words : tuple of str
        The words that the task's texts are made of.
    word_weights : ndarray of shape (n_words,) or (n_words, s)
        Fixed effect of each word. For a forced choice the one utility weight of each
        word, the same in all positions.
    text_effects : ndarray
        For each item, the sum of the weights of its words (fixed).
    participant_effects, participant_slopes : ndarray
        Random intercepts and slopes in ``progress``, in the order of
        ``participant_ids``.
    item_effects : ndarray
        Random intercepts of the items, in the order of ``item_ids``.
    participant_ids, item_ids : ndarray of str
        Levels of the two factors.
    participant_covariance : ndarray of shape (2 s, 2 s)
        G of the participants: first the intercepts of all outputs, then the slopes.
    item_covariance : ndarray of shape (s, s)
        G of the items.
    eta_fixed, eta : ndarray
        Linear predictor of each judgment, without and with the random effects.
    probabilities : ndarray or None
        Probability of each class given the random effects: shape (n, n_classes), in
        the order of the data set's ``classes``. None for slider and magnitude.
    mean : ndarray or None
        Expected response given the random effects: slider and magnitude only.
    thresholds : ndarray or None
        Cut points on the scale of ``eta``: ordinal, and the slider's ordered beta.
    sigma : float or None
        Residual standard deviation, in the unit of ``eta``.
    precision : float or None
        Precision phi of the beta distribution.
    candidates : ndarray of shape (n_items, n_styles) or None
        The text of each style for each item: free text only.
    """

    family: str
    link: str
    intercept: float | np.ndarray
    slope: float | np.ndarray
    words: tuple[str, ...]
    word_weights: np.ndarray
    text_effects: np.ndarray
    participant_effects: np.ndarray
    participant_slopes: np.ndarray
    item_effects: np.ndarray
    participant_ids: np.ndarray
    item_ids: np.ndarray
    participant_covariance: np.ndarray
    item_covariance: np.ndarray
    eta_fixed: np.ndarray
    eta: np.ndarray
    probabilities: np.ndarray | None = None
    mean: np.ndarray | None = None
    thresholds: np.ndarray | None = None
    sigma: float | None = None
    precision: float | None = None
    candidates: np.ndarray | None = None

    def __repr__(self) -> str:
        return f"JudgmentTruth(family={self.family!r}, link={self.link!r})"


@dataclass(frozen=True, repr=False, eq=False)
class Judgments:
    """Judgments of participants about items.

    Attributes
    ----------
    X : DataFrame or list of dict
        The text column or columns, and the further columns that were asked for. One
        row per judgment.
    y : ndarray of shape (n,) or (n, n_options)
        Responses: labels, numbers or strings; an indicator matrix with one column
        per entry of ``classes`` for multi-select.
    groups : ndarray of shape (n,) or None
        Participant ids (str), None when the data name no participants.
    items : ndarray of shape (n,) or None
        Item ids (str), None when the data name no items.
    frame : DataFrame or list of dict
        The whole tidy table, in the container of ``X``.
    task : str or None
        Name of the task.
    classes : tuple or None
        Labels, options, ordered categories, fillers or styles; None for numbers, and
        for texts that were loaded.
    truth : JudgmentTruth or None
        The model the data were drawn from, None for data that were loaded.
    DESCR : str
        A description to read.
    """

    X: Any
    y: np.ndarray
    groups: np.ndarray | None
    items: np.ndarray | None
    frame: Any
    task: str | None
    classes: tuple[Any, ...] | None = None
    truth: JudgmentTruth | None = None
    DESCR: str = field(default="")

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        parts = [f"task={self.task!r}", f"n_judgments={len(self)}"]
        if self.items is not None:
            parts.append(f"n_items={len(set(self.items.tolist()))}")
        if self.groups is not None:
            parts.append(f"n_participants={len(set(self.groups.tolist()))}")
        return f"Judgments({', '.join(parts)})"
