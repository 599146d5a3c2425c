"""Judgments as rows of the linear predictor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bead_sklearn.families import Family
from bead_sklearn.inputs import Judgments, read_groups


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


def read_ids(groups: Any, n_rows: int) -> dict[str, np.ndarray]:
    """Return ids passed as ``groups``, by factor name."""
    return {} if groups is None else read_groups(groups, n_rows)
