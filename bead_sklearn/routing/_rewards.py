"""Reading rewards in wide or long form, and the ids of annotators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from bead_sklearn._sklearn import _check_sample_weight
from bead_sklearn.inputs import encode_levels, match_levels, read_groups
from bead_sklearn.inputs._ids import read_ids
from bead_sklearn.routing._ratings import (
    Ratings,
    column_names,
    long_ratings,
    wide_ratings,
)


@dataclass(frozen=True)
class Rewards:
    """What was read.

    Attributes
    ----------
    ratings : Ratings
        The ratings; annotators by their position in ``ids``.
    ids : list
        The annotators known before, and new ones.
    is_single : bool
        Whether the rewards were a vector without groups.
    """

    ratings: Ratings
    ids: list[Any]
    is_single: bool


def read_rewards(
    estimator: Any,
    features: np.ndarray,
    y: Any,
    groups: Any,
    sample_weight: Any,
    *,
    ids: list[Any],
    fixed: bool,
) -> Rewards:
    """Read rewards in either form.

    Parameters
    ----------
    estimator : estimator
        Named in messages; its ``loss`` says which rewards there may be.
    features : ndarray of shape (n_rows, d)
        What was rated.
    y : array-like of shape (n_rows, n_annotators) or (n_rows,)
        Rewards, NaN where there is none.
    groups : array-like of shape (n_rows,) or None
        Annotator of each row, in long form.
    sample_weight : array-like of shape (n_rows,) or None
        How many times each row counts.
    ids : list
        Annotators known so far.
    fixed : bool
        Whether there may be no others.

    Returns
    -------
    rewards : Rewards
        Ratings and ids.

    Raises
    ------
    ValueError
        If rewards are infinite or outside the range of the loss, lengths differ, or
        there is an annotator who may not be.
    """
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but "
            "the target y is None."
        )
    rewards = check_array(
        y,
        ensure_2d=False,
        dtype=np.float64,
        ensure_all_finite="allow-nan",
        input_name="y",
        estimator=estimator,
    )
    check_consistent_length(features, rewards)
    if rewards.ndim > 2:
        raise ValueError(f"y must have 1 or 2 dimensions. Got {rewards.ndim}.")
    if estimator.loss == "log_loss":
        bad = rewards[(rewards < 0) | (rewards > 1)]
        if len(bad):
            raise ValueError(
                "loss='log_loss' needs rewards between 0 and 1. Got "
                f"{len(bad)} outside, first {bad[0]:g}."
            )
    weights = _check_sample_weight(
        sample_weight, features, dtype=np.float64, ensure_non_negative=True
    )
    if groups is not None:
        if rewards.ndim == 2 and rewards.shape[1] == 1:
            rewards = rewards[:, 0]
        if rewards.ndim != 1:
            raise ValueError(
                f"With groups, y holds one reward per row. Got y of shape "
                f"{rewards.shape}."
            )
        ids, codes = _long_codes(one_annotator(groups, len(rewards)), ids, fixed)
        return Rewards(long_ratings(features, rewards, codes, weights), ids, False)
    single = rewards.ndim == 1
    table = rewards[:, None] if single else rewards
    ids, columns = _wide_codes(y, table.shape[1], ids, fixed)
    ratings = wide_ratings(features, table, weights)
    if ratings.n_ratings:
        ratings = ratings.relabelled(columns)
    return Rewards(ratings, ids, single)


def _long_codes(
    names: np.ndarray, ids: list[Any], fixed: bool
) -> tuple[list[Any], np.ndarray]:
    """Return all annotators, and the position of that of each row."""
    levels, codes = encode_levels(names)
    if not ids and not fixed:
        return list(levels), codes
    found = match_levels(ids, levels)
    new = [level for level, code in zip(levels, found, strict=True) if code < 0]
    if new and fixed:
        raise ValueError(
            f"groups has annotators that the parameter annotators lacks: {new[:5]}."
        )
    ids = [*ids, *new]
    return ids, np.asarray(match_levels(ids, levels)[codes])


def _wide_codes(
    y: Any, n_columns: int, ids: list[Any], fixed: bool
) -> tuple[list[Any], np.ndarray]:
    """Return all annotators, and the position of that of each column."""
    named = getattr(y, "columns", None) is not None
    if ids and not named:
        if n_columns != len(ids):
            raise ValueError(
                f"y has {n_columns} column(s) and there are {len(ids)} annotators. "
                "Pass a column for each, or a DataFrame whose columns are named after "
                "them."
            )
        return ids, np.arange(n_columns)
    names = column_names(y, n_columns)
    check_ids(names, "The columns of y")
    return _long_codes(np.fromiter(names, object, n_columns), ids, fixed)


def one_annotator(groups: Any, n_rows: int) -> np.ndarray:
    """Return the annotator of each row, (n_rows,)."""
    factors = read_groups(groups, n_rows)
    if len(factors) != 1:
        raise ValueError(
            f"groups must hold one annotator per row. Got {len(factors)} columns."
        )
    return next(iter(factors.values()))


def check_ids(ids: Any, name: str) -> list[Any]:
    """Return ids that all differ, as a list; none for None."""
    if ids is None:
        return []
    if isinstance(ids, str):
        raise ValueError(f"{name} must be a list of annotators. Got {ids!r}.")
    listed = list(read_ids(list(ids), name=name))
    if len(set(listed)) < len(listed):
        repeated = next(key for key in listed if listed.count(key) > 1)
        raise ValueError(f"{name} must all differ. Got {repeated!r} more than once.")
    return listed


def as_array(ids: list[Any]) -> np.ndarray:
    """Return ids as an array, of strings or integers where all of them are."""
    kinds = {type(key) for key in ids}
    if kinds <= {str} or kinds <= {int}:
        return np.array(ids)
    return np.fromiter(ids, object, len(ids))
