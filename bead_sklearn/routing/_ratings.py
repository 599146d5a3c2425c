"""Ratings of annotators: who gave which reward to which item."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Ratings:
    """Rewards in long form, beside the features of what was rated.

    Attributes
    ----------
    features : ndarray of shape (n_rows, d)
        One row per presentation of an item.
    row, annotator : ndarray of intp of shape (n_ratings,)
        Presentation and position of the annotator of each rating.
    reward, weight : ndarray of shape (n_ratings,)
        The rating, and how many times it counts; weights are positive.
    """

    features: np.ndarray
    row: np.ndarray
    annotator: np.ndarray
    reward: np.ndarray
    weight: np.ndarray

    @property
    def n_ratings(self) -> int:
        """Number of ratings."""
        return len(self.reward)

    def joined(self, other: Ratings) -> Ratings:
        """Return these ratings followed by others."""
        return Ratings(
            np.vstack([self.features, other.features]),
            np.concatenate([self.row, other.row + len(self.features)]),
            np.concatenate([self.annotator, other.annotator]),
            np.concatenate([self.reward, other.reward]),
            np.concatenate([self.weight, other.weight]),
        )

    def relabelled(self, positions: np.ndarray) -> Ratings:
        """Return ratings of annotators at new positions; -1 leaves them out."""
        annotator = positions[self.annotator]
        kept = np.flatnonzero(annotator >= 0)
        rows, row = np.unique(self.row[kept], return_inverse=True)
        return Ratings(
            self.features[rows],
            row,
            annotator[kept],
            self.reward[kept],
            self.weight[kept],
        )

    def cells(self) -> Cells:
        """Merge items with the same features and repeated ratings of them."""
        item, first = distinct_rows(self.features)
        n_items = len(first)
        key = item[self.row] * (self.annotator.max() + 1) + self.annotator
        _, start, cell = np.unique(key, return_index=True, return_inverse=True)
        weight = np.bincount(cell, self.weight)
        mean = np.bincount(cell, self.weight * self.reward) / weight
        spread = self.weight * (self.reward - mean[cell]) ** 2
        return Cells(
            self.features[first],
            item[self.row[start]],
            self.annotator[start],
            mean,
            weight,
            np.bincount(cell, spread),
            n_items,
        )


@dataclass(frozen=True)
class Cells:
    """Mean reward of each pair of an item and an annotator that was rated.

    Attributes
    ----------
    features : ndarray of shape (n_items, d)
        Distinct items, in an order that does not depend on that of the ratings.
    item, annotator : ndarray of intp of shape (n_cells,)
        The pair.
    reward, weight : ndarray of shape (n_cells,)
        Mean of its ratings, and their total weight.
    within : ndarray of shape (n_cells,)
        Weighted sum of squares of the ratings of a cell about its mean.
    n_items : int
        Number of distinct items.
    """

    features: np.ndarray
    item: np.ndarray
    annotator: np.ndarray
    reward: np.ndarray
    weight: np.ndarray
    within: np.ndarray
    n_items: int

    def tables(self, n_annotators: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rewards (0 where not rated) and weights, (n_items, n_annotators)."""
        reward = np.zeros((self.n_items, n_annotators))
        weight = np.zeros_like(reward)
        reward[self.item, self.annotator] = self.reward
        weight[self.item, self.annotator] = self.weight
        return reward, weight


def distinct_rows(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each row among the distinct ones, and where these are.

    The order of the distinct rows is that of their values.
    """
    values = np.ascontiguousarray(features) + 0.0  # -0.0 is 0.0
    if not values.shape[1]:
        return np.zeros(len(values), dtype=np.intp), np.zeros(1, dtype=np.intp)
    as_bytes = np.dtype((np.void, values.shape[1] * values.itemsize))
    _, first, number = np.unique(
        values.view(as_bytes).ravel(), return_index=True, return_inverse=True
    )
    return number, first


def wide_ratings(
    features: np.ndarray, rewards: np.ndarray, weights: np.ndarray
) -> Ratings:
    """Read a table of rewards, NaN where an annotator was not asked."""
    row, annotator = np.nonzero(~np.isnan(rewards) & (weights > 0)[:, None])
    return Ratings(features, row, annotator, rewards[row, annotator], weights[row])


def long_ratings(
    features: np.ndarray,
    rewards: np.ndarray,
    annotators: np.ndarray,
    weights: np.ndarray,
) -> Ratings:
    """Read one rating per row; rows with the same features are one presentation."""
    kept = np.flatnonzero(~np.isnan(rewards) & (weights > 0))
    number, first = distinct_rows(features[kept])
    order = np.argsort(first)  # presentations in the order in which they came
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return Ratings(
        features[kept][first[order]],
        rank[number],
        annotators[kept],
        rewards[kept],
        weights[kept],
    )


def column_names(Y: Any, n_columns: int) -> list[Hashable]:
    """Return the names of the columns of a table of rewards, else their positions."""
    names: Sequence[Any] | None = getattr(Y, "columns", None)
    return list(range(n_columns)) if names is None else list(names)
