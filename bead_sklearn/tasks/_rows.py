"""Judgments as rows of the linear predictor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bead_sklearn.effects import MixedEffects
from bead_sklearn.families import Family
from bead_sklearn.inputs import Judgments, read_groups

#: Modes that make no sense without grouping factors.
_NEED_IDS = ("random_intercepts", "random_slopes")


@dataclass(frozen=True)
class Rows:
    """What stands in the rows of the linear predictor: judgments, or alternatives.

    Attributes
    ----------
    judgments : Judgments
        Texts and numbers of each row.
    ids : dict of str to ndarray of shape (n_rows,)
        Ids by factor.
    family : Family
        Response distribution; knows which rows compete with each other.
    target : ndarray or None
        Encoded responses; None in prediction.
    weights : ndarray of shape (n_rows,) or None
        How many times each row counts; None in prediction.
    """

    judgments: Judgments
    ids: dict[str, np.ndarray]
    family: Family
    target: np.ndarray | None = None
    weights: np.ndarray | None = None

    @property
    def shares(self) -> np.ndarray | None:
        """Share of each row in its judgment; None where rows are judgments."""
        return None

    @property
    def n_judgments(self) -> float:
        """Sum of the weights of the judgments."""
        assert self.weights is not None
        return float(self.weights.sum())


@dataclass(frozen=True)
class AlternativeRows(Rows):
    """Alternatives of choices, those of one judgment next to each other.

    Attributes
    ----------
    judgment : ndarray of int of shape (n_rows,)
        Judgment that each row belongs to, 0, 1, ... in this order.
    option : ndarray of int of shape (n_rows,)
        Position of the alternative among all options.
    n_options : int
        Number of options.
    """

    judgment: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    option: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    n_options: int = 0

    @property
    def shares(self) -> np.ndarray:
        """Share of each row in its judgment, one over the number of alternatives."""
        shares: np.ndarray = (1.0 / np.bincount(self.judgment))[self.judgment]
        return shares

    @property
    def n_judgments(self) -> float:
        """Sum of the weights of the judgments."""
        assert self.weights is not None
        first = np.flatnonzero(np.diff(self.judgment, prepend=-1))
        return float(self.weights[first].sum())

    def arrange(self, values: np.ndarray, fill: float) -> np.ndarray:
        """Return values of rows as a table of judgments by options.

        Parameters
        ----------
        values : ndarray of shape (n_rows,)
            One value per alternative.
        fill : float
            What stands where a judgment lacks an option.

        Returns
        -------
        table : ndarray of shape (n_judgments, n_options)
            Options in their own order.
        """
        n_judgments = int(self.judgment[-1]) + 1
        table = np.full((n_judgments, self.n_options), fill)
        table[self.judgment, self.option] = values
        return table


def read_ids(groups: Any, n_rows: int) -> dict[str, np.ndarray]:
    """Return ids passed as ``groups``, by factor name."""
    return {} if groups is None else read_groups(groups, n_rows)


def row_ids(ids: Any, n_rows: int) -> np.ndarray:
    """Return names of rows for a table, their positions by default."""
    if ids is None:
        return np.arange(n_rows)
    names = np.asarray(ids)
    if names.shape != (n_rows,):
        raise ValueError(
            f"ids must name each of the {n_rows} rows. Got shape {names.shape}."
        )
    return names


def check_ids_given(mixed_effects: MixedEffects, ids: dict[str, np.ndarray]) -> None:
    """Raise if effects were asked for without ids."""
    if mixed_effects.formula is None and not ids and mixed_effects.mode in _NEED_IDS:
        raise ValueError(
            f"mixed_effects={mixed_effects.mode!r} needs participant ids. Pass them "
            "as fit(X, y, groups=participant_ids), or name a column of X in a "
            "formula such as mixed_effects='(1 | participant)'. Under metadata "
            "routing pass params={'groups': participant_ids}."
        )
