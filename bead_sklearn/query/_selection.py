"""Picking the best rows by a score."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def select_top_k(scores: ArrayLike, k: int) -> NDArray[np.intp]:
    """Select the k rows with the highest scores, best first.

    Equal scores keep their order: the lower index comes first, so the first j of the
    best k are the best j.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Scores, higher is better. Infinite scores are allowed, NaN is not.
    k : int
        How many rows. Zero or less selects none, more than n_samples selects all.

    Returns
    -------
    indices : ndarray of shape (min(k, n_samples),)
        Positions in ``scores``, from the highest score down.

    Raises
    ------
    TypeError
        If ``k`` is not an integer.
    ValueError
        If ``scores`` is not one-dimensional or contains NaN.

    Examples
    --------
    >>> from bead_sklearn.query import select_top_k
    >>> select_top_k([0.1, 0.9, 0.9, 0.2], k=3)
    array([1, 2, 3])
    """
    check_integer(k, "k")
    values = check_utilities(scores, "scores")
    n_samples = len(values)
    if k <= 0:
        return np.empty(0, dtype=np.intp)
    if k >= n_samples:
        return np.argsort(-values, kind="stable")
    threshold = np.partition(values, n_samples - k)[n_samples - k]
    above = np.flatnonzero(values > threshold)
    above = above[np.argsort(-values[above], kind="stable")]
    level = np.flatnonzero(values == threshold)
    return np.concatenate([above, level[: k - len(above)]])


def check_utilities(
    values: ArrayLike, name: str, n_samples: int | None = None
) -> NDArray[np.float64]:
    """Check that every row has one score that is a number.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Scores.
    name : str
        What they are called in error messages.
    n_samples : int or None, default=None
        The length they must have; None accepts any.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        The scores as float64.

    Raises
    ------
    ValueError
        If they are not one-dimensional, of another length, or contain NaN.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}.")
    if n_samples is not None and len(array) != n_samples:
        raise ValueError(
            f"{name} must hold one value per row, got {len(array)} for {n_samples} "
            "rows."
        )
    missing = np.flatnonzero(np.isnan(array))
    if len(missing):
        raise ValueError(
            f"{name} must be numbers, got NaN at {len(missing)} of {len(array)} rows, "
            f"first at row {missing[0]}."
        )
    return array


def check_integer(value: Any, name: str) -> None:
    """Refuse what is not an integer; True and False are not."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}.")


def check_batch_size(n: Any, name: str) -> int:
    """Check a number of rows to pick: a positive integer."""
    check_integer(n, name)
    if n < 1:
        raise ValueError(f"{name} must be at least 1, got {n}.")
    return int(n)
