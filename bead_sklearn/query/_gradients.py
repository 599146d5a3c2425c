"""Gradients of the last layer as products of two vectors, never formed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bead_sklearn._sklearn import _num_samples, _safe_indexing
from bead_sklearn.query._distances import squared_norms
from bead_sklearn.query._features import Matrix
from bead_sklearn.query._members import chunks
from bead_sklearn.query._responses import class_probabilities

#: Probabilities that are kept; of larger pools they are worked out when needed.
_KEPT = 2**21
#: Rows and inner products worked out together.
_ROWS, _BLOCK = 2**14, 2**19


class Residuals:
    """Probabilities less one at the label that the model believes in.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier.
    X : array-like of shape (n_pool, ...)
        The pool.
    groups : array-like of shape (n_pool,) or None
        Participant ids.
    name : str
        Name under which they travel.
    who : str
        Who asks, for errors.
    dtype : dtype
        Type of the residuals.
    """

    def __init__(
        self, estimator: Any, X: Any, groups: Any, name: str, who: str, dtype: Any
    ) -> None:
        self._given = estimator, X, groups
        self._names = name, who
        self._dtype = dtype
        n = _num_samples(X)
        self._table: NDArray[Any] | None = None
        # Reading texts and frames has a cost per call.
        can_cut = isinstance(X, np.ndarray) or sparse.issparse(X)
        classes = len(getattr(estimator, "classes_", ()))
        if not can_cut or n * classes <= _KEPT:
            self._table = self._of(None)

    def _of(self, rows: slice | NDArray[np.intp] | None) -> NDArray[Any]:
        estimator, X, groups = self._given
        if rows is not None:
            X = X[rows]
            if groups is not None:
                if isinstance(rows, slice):
                    rows = np.arange(rows.start, rows.stop)
                groups = _safe_indexing(groups, rows)
        p = class_probabilities(estimator, X, groups, *self._names)
        residuals = p.astype(self._dtype)
        residuals[np.arange(len(p)), p.argmax(axis=1)] -= 1.0
        return residuals

    def at(self, rows: slice | NDArray[np.intp]) -> NDArray[Any]:
        """Return the residuals of some rows, (n_rows, n_classes)."""
        return self._of(rows) if self._table is None else self._table[rows]


class Gradients:
    """Inner products of gradients, which are those of residuals times those of rows.

    Parameters
    ----------
    rows : ndarray or csr of shape (n_pool, d)
        Features.
    residuals : Residuals
        Of the same rows.

    Attributes
    ----------
    lengths : ndarray of shape (n_pool,)
        Squared lengths.
    """

    def __init__(self, rows: Matrix, residuals: Residuals) -> None:
        self.rows = rows
        self.residuals = residuals
        self.lengths = squared_norms(rows)
        for part in self._parts(_ROWS):
            self.lengths[part] *= squared_norms(residuals.at(part))

    def _parts(self, size: int) -> Iterator[slice]:
        return chunks(self.rows.shape[0], size)

    def nearest(
        self, rows: slice | NDArray[np.intp], others: list[int]
    ) -> NDArray[Any]:
        """Return the squared distance of each row to the nearest of others."""
        there = np.array(others)
        block = self.rows[rows] @ self.rows[there].T
        if sparse.issparse(block):
            block = block.toarray()
        block = np.asarray(block)
        block *= self.residuals.at(rows) @ self.residuals.at(there).T
        block *= -2
        block += self.lengths[there]
        found = block.min(axis=1)
        found += self.lengths[rows]
        if isinstance(rows, slice):
            inside = there[(there >= rows.start) & (there < rows.stop)]
            found[inside - rows.start] = 0
        else:
            found[np.isin(rows, there)] = 0
        return np.asarray(np.maximum(found, 0))

    def lower(self, gap: NDArray[Any], others: list[int]) -> None:
        """Lower squared distances to the nearest of some, in place, by others."""
        for part in self._parts(max(1, min(_ROWS, _BLOCK // len(others)))):
            np.minimum(gap[part], self.nearest(part, others), out=gap[part])
