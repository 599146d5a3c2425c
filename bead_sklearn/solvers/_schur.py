"""The Schur complement that remains when the first factor is eliminated, dense."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._scales import Scales


class SchurComplement:
    """A = Lambda' (T'WT - C' L D^-1 L' C) Lambda + penalty, factorised.

    Parameters
    ----------
    design : Design
        The linear predictor.
    matrix : ndarray of shape (m, m)
        T'WT - C' L D^-1 L' C over all, or all but the fixed, columns of the rest.
    scales : Scales
        Prior scales, Lambda.

    Raises
    ------
    LinAlgError
        If A is not positive definite.
    """

    def __init__(self, design: Design, matrix: np.ndarray, scales: Scales) -> None:
        self._design = design
        self._scales = scales
        self._matrix = matrix
        m = len(matrix)
        scaled = scales.rest(scales.from_right(matrix), transpose=True)
        scaled[np.diag_indices(m)] += scales.penalty[:m]
        self._lower = _cholesky(scaled)
        self._kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def log_det(self, n_rest: int) -> float:
        """Return log|A| of the first ``n_rest`` columns."""
        diagonal = np.diagonal(self._lower)[:n_rest]
        return 2.0 * float(np.log(diagonal).sum())

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Solve A x = right."""
        if not len(right):
            return right
        solution, _ = lapack.dpotrs(self._lower, right, lower=1)
        return np.asarray(solution)

    def inverse(self, n_rest: int) -> tuple[np.ndarray, np.ndarray]:
        """Return A^-1 Lambda' and Lambda A^-1 Lambda' of the first columns."""
        if n_rest not in self._kept:
            inverse = inverse_from_cholesky(self._lower, n_rest)
            half = self._scales.from_right(inverse, transpose=True)
            self._kept[n_rest] = half, self._scales.rest(half)
        return self._kept[n_rest]

    def spread(self, rows: np.ndarray, n_rest: int) -> np.ndarray:
        """Return Y with Y Y' = X Lambda A^-1 Lambda' X' for rows X, (n, n_rest).

        The other columns of X are known.
        """
        if n_rest == 0:
            return rows[:, :0]
        scaled = self._scales.from_right(rows[:, :n_rest])
        lower = np.asfortranarray(self._lower[:n_rest, :n_rest])
        solved, _ = lapack.dtrtrs(lower, scaled.T, lower=1)
        return np.asarray(solved).T

    def log_det_gradient(self, n_rest: int) -> list[np.ndarray]:
        """Return half the derivative of log|A| in the L of the rest, then in tau."""
        design = self._design
        right, _ = self.inverse(n_rest)
        schur = self._matrix[:n_rest, :n_rest]
        gradients = []
        *factor_slices, ridge, _ = design.rest_slices
        for factor, part in zip(design.rest_factors, factor_slices, strict=True):
            shape = (factor.n_levels, factor.size, n_rest)
            gradients.append(
                _level_dots(schur[part].reshape(shape), right[part].reshape(shape))
            )
        if design.ridge is not None:
            shape = (-1, design.n_outputs, n_rest)
            gradients.append(
                _level_dots(schur[ridge].reshape(shape), right[ridge].reshape(shape))
            )
        return gradients


def _cholesky(matrix: np.ndarray) -> np.ndarray:
    """Return the lower triangular root of a positive definite matrix."""
    if not len(matrix):
        return matrix
    lower, info = lapack.dpotrf(matrix, lower=1, clean=1)
    if info:
        raise np.linalg.LinAlgError("H is indefinite")
    return np.asarray(lower)


def _level_dots(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Sum the products of (r, m) with (m, r) over levels."""
    r = left.shape[1]
    result = np.empty((r, r))
    for a, b in np.ndindex(r, r):
        result[a, b] = np.einsum("jk,jk->", left[:, a], right[:, b])
    return result


def inverse_from_cholesky(lower: np.ndarray, size: int) -> np.ndarray:
    """Return the inverse of the leading block of a matrix from its Cholesky factor."""
    if size == 0:
        return np.zeros((0, 0))
    inverse, _ = lapack.dpotri(np.array(lower[:size, :size], order="F"), lower=1)
    # The other triangle is still the zeros of the factor.
    inverse[np.diag_indices(size)] *= 0.5
    full: np.ndarray = inverse.T + inverse
    return full
