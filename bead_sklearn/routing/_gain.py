"""How good predicted rewards, and a choice of annotators, were."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_array

from bead_sklearn._sklearn import _check_sample_weight


def routing_gain(rewards: Any, chosen: Any) -> float:
    """Return the share of the gap between random and best annotators that is closed.

    Parameters
    ----------
    rewards : array-like of shape (n_items, n_annotators)
        Rewards, or expected rewards, of all annotators; NaN where there is none.
    chosen : array-like of int of shape (n_items,) or (n_items, n_per_item)
        Columns of the annotators asked.

    Returns
    -------
    gain : float
        (mean reward of those asked - mean of all) / (mean of the best - mean of all):
        1 for an oracle, 0 for choice at random.

    Raises
    ------
    ValueError
        If shapes do not fit, somebody asked has no reward, or all rewards of every
        item are the same.

    Examples
    --------
    >>> routing_gain([[1.0, 0.0], [0.0, 1.0]], [0, 1])
    1.0
    """
    table = check_array(
        rewards, dtype=np.float64, ensure_all_finite="allow-nan", input_name="rewards"
    )
    columns = np.asarray(chosen)
    if columns.ndim == 1:
        columns = columns[:, None]
    if (
        columns.ndim != 2
        or len(columns) != len(table)
        or columns.dtype.kind not in "iu"
    ):
        raise ValueError(
            f"chosen must hold columns of the {len(table)} items. Got shape "
            f"{columns.shape} of {columns.dtype}."
        )
    if ((columns < 0) | (columns >= table.shape[1])).any():
        raise ValueError(
            f"chosen must hold columns from 0 to {table.shape[1] - 1}. Got "
            f"{columns.min()} to {columns.max()}."
        )
    asked = np.take_along_axis(table, columns, axis=1)
    if np.isnan(asked).any():
        raise ValueError("An annotator that was chosen has no reward for the item.")
    best = -np.sort(-table, axis=1)[:, : columns.shape[1]].mean()
    random = np.nanmean(table, axis=1).mean()
    if not best > random:
        raise ValueError("All annotators have the same rewards: nothing can be gained.")
    return float((asked.mean() - random) / (best - random))


def masked_r2(y: Any, predicted: np.ndarray, sample_weight: Any) -> float:
    """Return R2 over all rewards that are not NaN.

    Parameters
    ----------
    y : array-like of shape (n_rows, n_annotators) or (n_rows,)
        Rewards.
    predicted : ndarray of the same shape
        Expected rewards.
    sample_weight : array-like of shape (n_rows,) or None
        Weights of the rows.

    Raises
    ------
    ValueError
        If shapes differ or there is no reward.
    """
    rewards = np.asarray(y, dtype=np.float64)
    if rewards.ndim == 2 and predicted.ndim == 1:
        predicted = predicted[:, None]
    if rewards.shape != predicted.shape:
        raise ValueError(
            f"y has the shape {rewards.shape} and the predictions have "
            f"{predicted.shape}. In long form pass groups too."
        )
    weights = _check_sample_weight(sample_weight, rewards, dtype=np.float64)
    weights = weights.reshape(-1, *(1,) * (rewards.ndim - 1))
    weights = np.where(np.isnan(rewards), 0.0, weights)
    if not weights.any():
        raise ValueError("y holds no rating: all of it is NaN.")
    rewards = np.where(np.isnan(rewards), 0.0, rewards)
    mean = np.average(rewards, weights=weights)
    residual = float((weights * (rewards - predicted) ** 2).sum())
    total = float((weights * (rewards - mean) ** 2).sum())
    if total == 0.0:
        return 1.0 if residual == 0.0 else 0.0
    return 1.0 - residual / total
