"""How much a click, or its absence, says."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

_SMALL = 1e-9


def constant_confidences(ranks: Any, clicks: Any) -> np.ndarray:
    """Return 1 for every item.

    Parameters
    ----------
    ranks, clicks : array-like of shape (n_items,)
        Similarities and clicks of the items of a session, in the order shown.

    Returns
    -------
    confidences : ndarray of shape (n_items,)
        Ones.
    """
    return np.ones(len(_pair(ranks, clicks)[0]))


def click_confidences(ranks: Any, clicks: Any, window_size: Any = 3) -> np.ndarray:
    r"""Return confidences from the neighbourhood of each item in the list shown.

    In a window of ``window_size`` items (made odd by rounding up, cut at the ends of
    the list) around item i, let a be the mean rank, p the share of clicks and
    :math:`s = |r_i - a| / a`. The confidence is :math:`(1-s)p + (1-p)s` for a click
    and :math:`(1-p)(1-s) + ps` without, times :math:`e^{-3(i+1)/n - 0.3} + 1/4` for
    position i of n, scaled to [0, 1] over the list [1]_.

    Parameters
    ----------
    ranks : array-like of shape (n_items,)
        Similarities of the items, in the order shown.
    clicks : array-like of shape (n_items,)
        1 for a click, else 0.
    window_size : int, default=3
        Items in the window, above 1.

    Returns
    -------
    confidences : ndarray of shape (n_items,)
        In [0, 1]; all 1 where the confidences before scaling do not differ, as for a
        single item.

    Raises
    ------
    ValueError
        If lengths differ, a rank is not finite or the window has fewer than 2 items.

    References
    ----------
    .. [1] EulerSearch (2024). embedding_studio 1.0.0, calculate_confidences.

    Examples
    --------
    >>> click_confidences([0.9, 0.8, 0.7, 0.6, 0.5], [1, 0, 0, 1, 0]).round(5)
    array([1.     , 0.94219, 0.64062, 0.     , 0.16943])
    """
    is_whole = isinstance(window_size, Integral) and not isinstance(window_size, bool)
    if not is_whole or window_size <= 1:
        raise ValueError(
            "window_size should be an integer with value more than 1. Got "
            f"{window_size!r}."
        )
    r, c = _pair(ranks, clicks)
    n = len(r)
    if not n:
        return np.zeros(0)
    half = int(window_size) // 2
    start = np.maximum(np.arange(n) - half, 0)
    stop = np.minimum(np.arange(n) + half + 1, n)
    size = stop - start
    sums, counts = (np.concatenate([[0.0], np.cumsum(v)]) for v in (r, c))
    mean = (sums[stop] - sums[start]) / size + _SMALL
    share = (counts[stop] - counts[start]) / size
    distance = np.abs(r - mean) / mean
    clicked = (1.0 - distance) * share + (1.0 - share) * distance
    passed = (1.0 - share) * (1.0 - distance) + share * distance
    position = np.exp(-3.0 * (np.arange(n) + 1.0) / n - 0.3) + 0.25
    values = np.where(c > 0, clicked, passed) * position
    low, high = values.min(), values.max()
    if high - low <= _SMALL:
        return np.ones(n)
    return np.asarray((values - low) / (high - low + _SMALL))


def _pair(ranks: Any, clicks: Any) -> tuple[np.ndarray, np.ndarray]:
    r, c = (np.asarray(v, dtype=np.float64) for v in (ranks, clicks))
    if r.ndim != 1 or r.shape != c.shape:
        raise ValueError(
            "ranks and clicks must be vectors of one length. Got shapes "
            f"{r.shape} and {c.shape}."
        )
    if not np.isfinite(r).all():
        raise ValueError("ranks must be finite.")
    return r, c
