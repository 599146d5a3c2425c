"""Positions of the best scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from bead_sklearn.query._selection import check_batch_size, select_top_k

Picks = tuple[NDArray[np.intp], NDArray[np.float64]]


def multi_argmax(values: ArrayLike, n_instances: int = 1) -> Picks:
    """Return the positions and values of the highest values, best first.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Values.
    n_instances : int, default=1
        How many; all if there are fewer.

    Returns
    -------
    indices : ndarray of shape (min(n_instances, n_samples),)
        Positions; of equal values the first.
    values : ndarray of the same shape
        Their values.

    Examples
    --------
    >>> from bead_sklearn.modal.utils import multi_argmax
    >>> multi_argmax([0.1, 0.9, 0.5], n_instances=2)
    (array([1, 2]), array([0.9, 0.5]))
    """
    scores = np.asarray(values, dtype=np.float64)
    indices = select_top_k(scores, check_batch_size(n_instances, "n_instances"))
    return indices, scores[indices]


def multi_argmin(values: ArrayLike, n_instances: int = 1) -> Picks:
    """Return the positions and values of the lowest values; see `multi_argmax`.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Values.
    n_instances : int, default=1
        How many; all if there are fewer.

    Returns
    -------
    indices : ndarray of shape (min(n_instances, n_samples),)
        Positions, best first.
    values : ndarray of the same shape
        Their values.
    """
    indices, scores = multi_argmax(-np.asarray(values, dtype=np.float64), n_instances)
    return indices, -scores


def shuffled_argmax(values: ArrayLike, n_instances: int = 1) -> Picks:
    """As `multi_argmax`, with equal values in random order (of ``numpy.random``).

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Values.
    n_instances : int, default=1
        How many; all if there are fewer.

    Returns
    -------
    indices : ndarray of shape (min(n_instances, n_samples),)
        Positions, best first.
    values : ndarray of the same shape
        Their values.
    """
    scores = np.asarray(values, dtype=np.float64)
    order = check_random_state(None).permutation(len(scores))
    picks, found = multi_argmax(scores[order], n_instances)
    return order[picks], found


def shuffled_argmin(values: ArrayLike, n_instances: int = 1) -> Picks:
    """As `multi_argmin`, with equal values in random order (of ``numpy.random``).

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Values.
    n_instances : int, default=1
        How many; all if there are fewer.

    Returns
    -------
    indices : ndarray of shape (min(n_instances, n_samples),)
        Positions, best first.
    values : ndarray of the same shape
        Their values.
    """
    indices, scores = shuffled_argmax(
        -np.asarray(values, dtype=np.float64), n_instances
    )
    return indices, -scores


def weighted_random(weights: ArrayLike, n_instances: int = 1) -> NDArray[np.intp]:
    """Draw positions in proportion to weights, without replacement.

    Parameters
    ----------
    weights : array-like of shape (n_samples,)
        Weights, not negative.
    n_instances : int, default=1
        How many; at most as many as have a weight.

    Returns
    -------
    indices : ndarray of shape (n_instances,)
        Positions, in the order drawn (by ``numpy.random``).

    Raises
    ------
    ValueError
        If fewer positions have a weight.
    """
    shares = np.asarray(weights, dtype=np.float64)
    n = check_batch_size(n_instances, "n_instances")
    if np.count_nonzero(shares) < n:
        raise ValueError(
            f"weights must be positive for {n} positions at least, got "
            f"{np.count_nonzero(shares)}."
        )
    rng = check_random_state(None)
    return np.asarray(
        rng.choice(len(shares), n, replace=False, p=shares / shares.sum())
    )
