"""Mean reward among the most similar items."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

from bead_sklearn.routing._ratings import Cells

#: Ratings that the mean of an annotator counts for, and that of all for an annotator.
_PRIOR = 3.0
_PRIOR_OF_MEAN = 5.0


class NeighborHead:
    """Mean rewards among the nearest items, shrunk to the mean of the annotator.

    Parameters
    ----------
    cells : Cells
        Mean rewards.
    n_annotators : int
        Number of annotators.
    n_neighbors : int
        Number of items.
    """

    def __init__(self, cells: Cells, n_annotators: int, n_neighbors: int) -> None:
        self.reward, self.weight = cells.tables(n_annotators)
        self.mean = float(np.average(cells.reward, weights=cells.weight))
        sums, counts = (self.weight * self.reward).sum(axis=0), self.weight.sum(axis=0)
        self.means = (sums + _PRIOR_OF_MEAN * self.mean) / (counts + _PRIOR_OF_MEAN)
        self.nearest = NearestNeighbors(n_neighbors=min(n_neighbors, cells.n_items))
        self.nearest.fit(cells.features)

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rewards of each annotator (n, A), and of a new one (n,)."""
        found = self.nearest.kneighbors(features, return_distance=False)
        weights = self.weight[found]
        sums = (weights * self.reward[found]).sum(axis=1)
        counts = weights.sum(axis=1)
        rewards = (sums + _PRIOR * self.means) / (counts + _PRIOR)
        of_all = sums.sum(axis=1) + _PRIOR * self.mean
        return rewards, of_all / (counts.sum(axis=1) + _PRIOR)
