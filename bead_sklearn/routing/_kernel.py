"""The squared-exponential kernel over items, exact or from landmarks."""

from __future__ import annotations

import numpy as np
from scipy import linalg

#: Up to this many items the kernel matrix is held; beyond, landmarks span it.
MAX_EXACT = 3000
_N_LANDMARKS = 1000
_CHUNK = 4096
_JITTER = 1e-8


def squared_distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return squared Euclidean distances, (n_left, n_right)."""
    sizes = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    return np.maximum(sizes - 2.0 * (left @ right.T), 0.0)


class Kernel:
    """k(x, x') = exp(-|x - x'|^2 / (2 l^2)) among the items of a fit.

    With more than ``MAX_EXACT`` items it is that of the projections on random
    landmarks (Williams & Seeger 2001).

    Parameters
    ----------
    items : ndarray of shape (n_items, d)
        The items.
    length : float
        l, in units of the features.
    rng : RandomState
        Draws landmarks.
    """

    def __init__(
        self, items: np.ndarray, length: float, rng: np.random.RandomState
    ) -> None:
        self.length = length
        self.items = items
        self.root: np.ndarray | None = None
        if len(items) > MAX_EXACT:
            chosen = rng.permutation(len(items))[:_N_LANDMARKS]
            self.items = items[np.sort(chosen)]
            own = self._between(self.items, self.items)
            self.root = linalg.cholesky(own + _JITTER * np.eye(len(own)), lower=True)
        self.matrix = self._features(items)

    def product(self, values: np.ndarray) -> np.ndarray:
        """Return the kernel matrix of the items times ``values`` (n_items, k)."""
        if self.root is None:
            return self.matrix @ values
        return self.matrix @ (self.matrix.T @ values)

    def squares(self, values: np.ndarray) -> np.ndarray:
        """Return the matrix of squared kernel values times ``values`` (n_items, k)."""
        result = np.empty_like(values)
        for start in range(0, len(self.matrix), _CHUNK):
            rows = slice(start, start + _CHUNK)
            block = self.matrix[rows]
            if self.root is not None:
                block = block @ self.matrix.T
            result[rows] = block**2 @ values
        return result

    def weights(self, values: np.ndarray) -> np.ndarray:
        """Return what :meth:`at` needs to evaluate sums of kernels."""
        return values if self.root is None else self.matrix.T @ values

    def at(self, features: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the sums of kernels at new items, (n_new, k)."""
        result = np.empty((len(features), weights.shape[1]))
        for start in range(0, len(features), _CHUNK):
            rows = slice(start, start + _CHUNK)
            result[rows] = self._features(features[rows]) @ weights
        return result

    def _features(self, features: np.ndarray) -> np.ndarray:
        between = self._between(features, self.items)
        if self.root is None:
            return between
        return linalg.solve_triangular(self.root, between.T, lower=True).T

    def _between(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.exp(squared_distances(left, right) / (-2.0 * self.length**2))
