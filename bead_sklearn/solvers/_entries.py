"""Elements of sparse matrices that are looked up rather than multiplied."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse


class Entries(NamedTuple):
    """Entries of sparse matrices with one pattern.

    Attributes
    ----------
    starts : ndarray of shape (n_rows + 1,)
        Entries ``starts[i]:starts[i + 1]`` are those of row i.
    columns : ndarray of shape (n_entries,)
        Their columns, in order.
    data : ndarray of shape (k, n_entries)
        Their values in k matrices.
    n_columns : int
        Number of columns.
    """

    starts: np.ndarray
    columns: np.ndarray
    data: np.ndarray
    n_columns: int

    @classmethod
    def from_matrix(cls, matrix: sparse.csr_array, k: int) -> Entries:
        """Cut a matrix, k matrices below each other, into entries."""
        matrix = sparse.csr_array(matrix)
        matrix.sort_indices()
        n = matrix.nnz // k
        starts = matrix.indptr[: matrix.shape[0] // k + 1]
        data = matrix.data.reshape(k, n)
        return cls(starts, matrix.indices[:n], data, matrix.shape[1])

    def find(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the values at some places, (k, n); zero beside the pattern."""
        n_rows = len(self.starts) - 1
        keys = np.repeat(np.arange(n_rows) * self.n_columns, np.diff(self.starts))
        keys += self.columns
        wanted = rows * self.n_columns + columns
        position = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[position] == wanted, self.data[:, position], 0.0)


class PlainQuadratic(NamedTuple):
    """g'Qg of sparse columns, Q = (R R')^-1 or (R U U' R')^-1.

    Attributes
    ----------
    cross : Entries
        B Q, B = D^-1/2 L' C, in the coordinates of R on the right.
    inner : Entries or None
        Q in the coordinates of R; None is the identity.
    grams : ndarray of shape (q, r, r)
        B Q B' of each level of the eliminated factor.
    """

    cross: Entries
    inner: Entries | None
    grams: np.ndarray
