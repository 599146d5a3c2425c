"""Squared Euclidean distances between many rows and a few, in little memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bead_sklearn.query._features import Matrix

#: Entries of a block of distances.
_BLOCK = 2**20


def squared_norms(rows: Matrix) -> NDArray[Any]:
    """Return the squared length of each row."""
    if sparse.issparse(rows):
        return np.asarray(rows.multiply(rows).sum(axis=1)).ravel()
    return np.asarray(np.einsum("ij,ij->i", rows, rows))


def products(rows: Matrix, with_row: Matrix, out: NDArray[Any] | None = None) -> Any:
    """Return the inner product of every row with one, a 1-row matrix if sparse."""
    if sparse.issparse(rows):
        return np.asarray((rows @ with_row.T).todense()).ravel()
    return np.dot(rows, with_row, out=out)


class Distances:
    """Squared distances of the rows of a pool.

    Parameters
    ----------
    rows : ndarray or csr of shape (n_pool, d)
        The pool; float32 stays float32.
    """

    def __init__(self, rows: Matrix) -> None:
        self.rows = rows
        self.norms = squared_norms(rows)
        self._buffer = (
            None if sparse.issparse(rows) else np.empty(len(self.norms), rows.dtype)
        )

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.norms)

    def to_row(self, row: int) -> NDArray[Any]:
        """Return the squared distances to a row; overwritten by the next call."""
        distances = products(self.rows, self.rows[row], out=self._buffer)
        distances *= -2
        distances += self.norms
        distances += self.norms[row]
        np.maximum(distances, 0, out=distances)
        distances[row] = 0
        return np.asarray(distances)

    def nearest(self, others: Matrix) -> NDArray[Any]:
        """Return the squared distance of each row to the nearest of others.

        Infinite if there are none.
        """
        n = len(self)
        dtype = self.norms.dtype
        if others.shape[0] == 0:
            return np.full(n, np.inf, dtype=dtype)
        lengths = squared_norms(others)
        result = np.empty(n, dtype=dtype)
        size = max(1, _BLOCK // others.shape[0])
        for start in range(0, n, size):
            part = slice(start, start + size)
            block = self.rows[part] @ others.T
            if sparse.issparse(block):
                block = block.toarray()
            block = np.asarray(block)
            block *= -2
            block += lengths
            result[part] = block.min(axis=1)
        result += self.norms
        # What is left of equal rows is rounding.
        result[result < 16 * np.finfo(dtype).eps * self.norms] = 0
        return result

    def to_mean(self) -> NDArray[Any]:
        """Return the squared distances to the mean of the rows."""
        mean = np.asarray(self.rows.mean(axis=0)).ravel()
        distances = np.asarray(self.rows @ mean)
        distances = self.norms - 2 * distances + mean @ mean
        return np.maximum(distances, 0)
