"""The posterior of a linear regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import BayesianRidge, LinearRegression, Ridge, RidgeCV

from bead_sklearn.query._features import Matrix
from bead_sklearn.query._model_parts import at_last_step

Floats = NDArray[np.float64]

_BLOCK = 4_000_000


@dataclass
class LinearPosterior:
    """Covariance of the coefficients in units of the noise variance.

    Attributes
    ----------
    covariance : ndarray of shape (D, D)
        S = (X'X + lambda)^-1, the intercept last.
    """

    covariance: Floats

    @classmethod
    def read(cls, estimator: Any, labeled: Matrix) -> LinearPosterior:
        """Read a fitted linear regression and the rows it was fitted to."""
        inner, _ = at_last_step(estimator, labeled, transform=False)
        if isinstance(inner, BayesianRidge):
            strength = float(inner.lambda_ / inner.alpha_)
        elif isinstance(inner, RidgeCV):
            strength = float(np.mean(inner.alpha_))
        elif isinstance(inner, Ridge):
            if np.size(inner.alpha) > 1:
                raise ValueError(
                    "A Ridge with an alpha per target has no single posterior; give it "
                    "one alpha."
                )
            strength = float(np.ravel(inner.alpha)[0])
        elif isinstance(inner, LinearRegression):
            strength = 0.0
        else:
            raise ValueError(
                f"{type(inner).__name__} is no linear regression with a penalty of the "
                "squared length."
            )
        rows = _with_ones(labeled)
        precision = rows.T @ rows
        d = len(precision)
        precision[np.arange(d - 1), np.arange(d - 1)] += strength
        if not inner.fit_intercept:
            precision[-1, -1] += 1e12
        # Directions that no row and no penalty determines say nothing (minimum norm).
        return cls(np.asarray(np.linalg.pinv(precision, hermitian=True), np.float64))

    def variances(self, rows: Matrix) -> Floats:
        """Return x'Sx of rows."""
        values = _with_ones(rows)
        return np.asarray(np.einsum("ij,ij->i", values @ self.covariance, values))

    def lengths(self, rows: Matrix) -> Floats:
        """Return the length of Sx of rows."""
        return np.asarray(np.linalg.norm(_with_ones(rows) @ self.covariance, axis=1))

    def variance_reduction(self, rows: Matrix, reference: Matrix) -> Floats:
        """Return by how much each row lowers the mean variance of others."""
        others = _with_ones(reference)
        spread = others.T @ others / len(others)
        values = _with_ones(rows)
        moved = values @ self.covariance
        size = np.einsum("ij,ij->i", moved @ spread, moved)
        return np.asarray(size / (1.0 + np.einsum("ij,ij->i", moved, values)))


def _with_ones(rows: Matrix) -> Floats:
    values = rows.toarray() if sparse.issparse(rows) else np.asarray(rows)
    return np.column_stack([values.astype(np.float64), np.ones(len(values))])
