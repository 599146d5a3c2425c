"""What can be measured about how well people annotate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.agreement._krippendorff import alpha_of
from bead_sklearn.agreement._participant_effects import (
    ParticipantEffects,
    participant_effects,
)
from bead_sklearn.agreement._quality_flags import flagged
from bead_sklearn.agreement._quality_measures import measure
from bead_sklearn.agreement._quality_records import AnnotationQuality
from bead_sklearn.agreement._quality_table import JudgmentTable, read_table


def annotation_quality(
    answers: Sequence[Any],
    *,
    items: Sequence[Any],
    participants: Sequence[Any],
    order: Sequence[float] | None = None,
    occasion: Sequence[int] | None = None,
    confidence: Sequence[float | None] | None = None,
    response_time: Sequence[float | None] | None = None,
    gold: Mapping[Any, Any] | None = None,
    level: str = "nominal",
) -> AnnotationQuality:
    r"""Measure agreement, accuracy, consistency, calibration, drift and fatigue.

    Answers are compared by the squared distances :math:`\delta^2` of Krippendorff's
    alpha [1]_, so that labels, scales and numbers are treated alike: an agreement is
    :math:`1 - \bar{\delta^2} / D_e`, with :math:`D_e` the mean over all pairs of
    answers. Trends over trials are Kendall's tau and Theil-Sen slopes [2]_, which
    outliers do not move; their p-values are corrected over participants (Holm).

    Parameters
    ----------
    answers : sequence of shape (n_judgments,)
        What was said: labels, numbers, or lists of options, which agree if they are
        the same.
    items, participants : sequence of shape (n_judgments,)
        What was judged, and by whom.
    order : sequence of shape (n_judgments,), default=None
        Position of the judgment in the participant's session. None: as given.
    occasion : sequence of int of shape (n_judgments,), default=None
        1 for the first judgment of the item by the participant, 2 for a repetition.
        None: counted in the order given.
    confidence : sequence of shape (n_judgments,), default=None
        In [0, 1]; None where it was not said.
    response_time : sequence of shape (n_judgments,), default=None
        In seconds; None where it was not measured.
    gold : mapping, default=None
        Right answers by item.
    level : {"nominal", "ordinal", "interval", "ratio"}, default="nominal"
        Level of measurement, see `krippendorff_alpha`.

    Returns
    -------
    quality : AnnotationQuality
        For all together and for each participant.

    Raises
    ------
    ValueError
        If lengths differ, the level is unknown or a confidence is out of range.

    References
    ----------
    .. [1] Krippendorff (2011). Computing Krippendorff's alpha-reliability.
    .. [2] Sen (1968). Estimates of the regression coefficient based on Kendall's tau.
       Journal of the American Statistical Association 63, 1379-1389.

    Examples
    --------
    >>> from bead_sklearn.agreement import annotation_quality
    >>> quality = annotation_quality(
    ...     ["yes", "no", "yes", "yes", "no", "no"],
    ...     items=["a", "b", "c", "a", "b", "c"],
    ...     participants=["anna"] * 3 + ["ben"] * 3,
    ... )
    >>> round(quality.alpha, 3)
    0.444
    """
    table = read_table(
        answers,
        items,
        participants,
        order,
        occasion,
        confidence,
        response_time,
        gold or {},
        level,
    )
    first = table.occasion == 1
    people = sorted(set(table.people.tolist()), key=str)
    effects = _effects(table, people)
    measured = [
        replace(
            measure(table, person),
            effect=float(effects.effects[k]),
            effect_error=float(effects.errors[k]),
        )
        for k, person in enumerate(people)
    ]
    return AnnotationQuality(
        alpha=_alpha(table, first, table.items, level),
        retest_alpha=_retest_alpha(table, level),
        gold_accuracy=_weighted(
            [p.gold_accuracy for p in measured], [p.n_gold for p in measured]
        ),
        participant_sd=effects.sd,
        participants=tuple(flagged(measured)),
    )


def _alpha(
    table: JudgmentTable, rows: NDArray[np.bool_], units: NDArray[Any], level: str
) -> float:
    chosen = np.flatnonzero(rows)
    position: dict[Any, int] = {}
    numbers = [position.setdefault(units[row], len(position)) for row in chosen]
    values = [table.values[row] for row in chosen]
    return alpha_of(values, np.array(numbers, dtype=np.intp), level)


def _retest_alpha(table: JudgmentTable, level: str) -> float:
    units = np.empty(len(table.items), dtype=object)
    units[:] = list(zip(table.people, table.items, strict=True))
    return _alpha(table, np.ones(len(units), dtype=bool), units, level)


def _effects(table: JudgmentTable, people: list[Any]) -> ParticipantEffects:
    """Effects of participants on the scale of the answers, if they have one."""
    rows = np.flatnonzero(table.occasion == 1)
    if table.scale is None:
        rows, scale = rows[:0], np.empty(0)
    else:
        scale = table.scale
    number = {person: k for k, person in enumerate(people)}
    item: dict[Any, int] = {}
    return participant_effects(
        scale[table.codes[rows]],
        np.array([item.setdefault(table.items[r], len(item)) for r in rows], np.intp),
        np.array([number[table.people[r]] for r in rows], np.intp),
        len(people),
    )


def _weighted(values: list[float], weights: list[int]) -> float:
    pairs = [(v, w) for v, w in zip(values, weights, strict=True) if w]
    total = sum(w for _, w in pairs)
    return sum(v * w for v, w in pairs) / total if total else math.nan
