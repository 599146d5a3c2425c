"""Squared Euclidean distances between many rows and a few, in little memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bead_sklearn.query._features import Matrix

#: Entries of a block of distances, and rows at most.
_BLOCK = 2**20
_ROWS = 2**13


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

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.norms)

    def to(self, whole: Distances, row: int) -> NDArray[Any]:
        """Return the squared distances to a row of another pool."""
        distances = np.asarray(products(self.rows, whole.rows[row]))
        distances *= -2
        distances += self.norms
        distances += whole.norms[row]
        return np.maximum(distances, 0, out=distances)

    def lower(self, gap: NDArray[Any], to_rows: list[int]) -> None:
        """Lower squared distances to the nearest of some, in place, by further rows.

        Parameters
        ----------
        gap : ndarray of shape (n_pool,)
            Squared distances.
        to_rows : list of int
            Rows that are near as well.
        """
        others, lengths = self.rows[to_rows], self.norms[to_rows]
        size = max(1, min(_BLOCK // max(len(to_rows), 1), _ROWS))
        for start in range(0, len(gap), size):
            part = slice(start, min(start + size, len(gap)))
            block = _block(self.rows[part], others, lengths)
            nearest = block.min(axis=1)
            nearest += self.norms[part]
            np.maximum(nearest, 0, out=nearest)
            np.minimum(gap[part], nearest, out=gap[part])

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
            result[part] = _block(self.rows[part], others, lengths).min(axis=1)
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


def _block(rows: Matrix, others: Matrix, lengths: NDArray[Any]) -> NDArray[Any]:
    """Return squared distances less the squared lengths of the rows."""
    block = rows @ others.T
    if sparse.issparse(block):
        block = block.toarray()
    block = np.asarray(block)
    block *= -2
    block += lengths
    return block
