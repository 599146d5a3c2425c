"""Numeric columns as a dense matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

#: Largest number of cells of a sparse matrix that is made dense.
_MAX_DENSE_CELLS = 500_000_000


def dense_matrix(x: Any) -> np.ndarray:
    """Return a matrix as an array.

    Parameters
    ----------
    x : ndarray or sparse matrix of shape (n_rows, n_columns)
        The matrix.

    Raises
    ------
    ValueError
        If a sparse matrix is too large to be made dense.
    """
    if not sparse.issparse(x):
        return np.asarray(x)
    n_rows, n_columns = x.shape
    if n_rows * n_columns > _MAX_DENSE_CELLS:
        raise ValueError(
            f"X is a sparse matrix of {n_rows} rows and {n_columns} columns, too large "
            "to be made dense, which the solver needs. Reduce the columns first, for "
            "instance by sklearn.decomposition.TruncatedSVD, or pass the text itself."
        )
    return np.asarray(x.toarray())
