"""Penalised normal equations with the largest factor eliminated.

In standard units the negative Hessian of the joint log-density is

    H = [[D, C], [C', S]],   D = L'Z'WZL + I block diagonal over levels,

and everything follows from D and the Schur complement A = S - C' D^-1 C
(Bates, Alday, Kleinschmidt, Calderon et al., MixedModels.jl, use the same order of
elimination).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from bead_sklearn.solvers._crossproducts import Products
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._scales import Scales


class Covariances(NamedTuple):
    """Covariance of all effects, without that between levels of the first factor.

    Attributes
    ----------
    own : ndarray of shape (q, r, r)
        Of the effects of each level of the eliminated factor.
    cross : ndarray of shape (q, r, m)
        Between these and the rest.
    rest : ndarray of shape (m, m)
        Of the rest: other factors, ridge, fixed part.
    """

    own: np.ndarray
    cross: np.ndarray
    rest: np.ndarray


class Factorization:
    """Factorised H for given row weights and scales.

    Parameters
    ----------
    design : Design
        The linear predictor.
    products : Products
        Its cross-products under the row weights.
    scales : Scales
        Prior scales.

    Attributes
    ----------
    inverse_own : ndarray of shape (q, r, r)
        D^-1.
    solved : ndarray of shape (q, r, m)
        D^-1 L' Z'WT: effects of the rest on the eliminated factor (rest unscaled).
    schur : ndarray of shape (m, m)
        T'WT - (Z'WT)' L D^-1 L' (Z'WT), unscaled.
    """

    def __init__(self, design: Design, products: Products, scales: Scales) -> None:
        self.design = design
        self.products = products
        self.scales = scales
        first = scales.first
        m = products.rest.shape[0]
        own = first.T @ products.own @ first + np.eye(len(first))
        if len(first) == 1:
            if (own <= 0).any():
                raise np.linalg.LinAlgError("H is indefinite")
            cross = first[0, 0] * products.cross
            self.inverse_own = 1.0 / own
            half = cross * np.sqrt(self.inverse_own)
            self.solved = cross * self.inverse_own
            self.log_det_own = float(np.log(own).sum())
        else:
            cross = first.T @ products.cross
            lower = np.linalg.cholesky(own)
            half = np.linalg.solve(lower, cross)
            self.inverse_own = np.linalg.inv(own)
            diagonal = np.diagonal(lower, axis1=1, axis2=2)
            self.solved = self.inverse_own @ cross
            self.log_det_own = 2.0 * float(np.log(diagonal).sum())
        half = half.reshape(half.shape[0] * half.shape[1], m)
        self.schur = products.rest - half.T @ half
        scaled = scales.rest(scales.rest(self.schur, transpose=True).T, transpose=True)
        scaled[np.diag_indices(m)] += scales.penalty[:m]
        self._lower = _cholesky(scaled)
        self._kept: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def log_det(self, n_rest: int) -> float:
        """Return log|H| over the eliminated factor and the first ``n_rest`` others."""
        diagonal = np.diagonal(self._lower)[:n_rest]
        return self.log_det_own + 2.0 * float(np.log(diagonal).sum())

    def solve(self, own: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solve H x = (own, rest) in standard units."""
        partial = (self.inverse_own @ own[:, :, None])[:, :, 0]
        back = np.tensordot(self.solved, own, axes=([0, 1], [0, 1]))
        right = rest - self.scales.rest(back, transpose=True)
        x_rest = right
        if len(right):
            x_rest, _ = lapack.dpotrs(self._lower, right, lower=True)
        x_own = partial - self.solved @ self.scales.rest(x_rest)
        return x_own, x_rest

    def covariances(self, n_rest: int) -> Covariances:
        """Return the inverse of H, in the unit of the effects.

        Parameters
        ----------
        n_rest : int
            Number of columns of the rest that are unknowns; the others are known.
        """
        first = self.scales.first
        _, rest, spread = self._solved(n_rest)
        return Covariances(
            own=first @ self._inverse_blocks(n_rest) @ first.T,
            cross=-(first @ spread if len(first) > 1 else first[0, 0] * spread),
            rest=rest,
        )

    def fixed_covariance(self) -> np.ndarray:
        """Return the block of the inverse of H that belongs to the fixed part."""
        start = self.design.rest_slices[-1].start
        half = np.linalg.inv(self._lower[start:, start:])
        return half.T @ half

    def _solved(self, n_rest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lambda A^-1, Lambda A^-1 Lambda' and the latter times ``solved``, kept."""
        if n_rest not in self._kept:
            inverse = _inverse(self._lower[:n_rest, :n_rest])
            half = self.scales.rest(inverse)
            rest = self.scales.rest(half.T)
            spread = times_rest(self.solved[:, :, :n_rest], rest)
            self._kept[n_rest] = half, rest, spread
        return self._kept[n_rest]

    def _inverse_blocks(self, n_rest: int) -> np.ndarray:
        """Blocks of H^-1 for each level of the eliminated factor."""
        _, _, spread = self._solved(n_rest)
        return self.inverse_own + level_products(spread, self.solved[:, :, :n_rest])

    def log_det_gradient(self, n_rest: int) -> list[np.ndarray]:
        """Return half the derivative of log|H| in each L, then in tau.

        W is held fixed. Block k is the sum over levels of Z'W G H^-1, the rows of
        that level's covariates and the columns of its standardised effects.
        """
        design, scales, products = self.design, self.scales, self.products
        half, _, spread = self._solved(n_rest)
        gradients = []
        if design.n_eliminated:
            direct = np.einsum(
                "gab,gbc->ac",
                products.own @ scales.first,
                self._inverse_blocks(n_rest),
            )
            through_rest = np.tensordot(
                products.cross[:, :, :n_rest], spread, axes=([0, 2], [0, 2])
            )
            gradients.append(direct - through_rest)
        schur = self.schur[:n_rest, :n_rest]
        *factor_slices, ridge, _ = design.rest_slices
        for factor, part in zip(design.rest_factors, factor_slices, strict=True):
            shape = (factor.n_levels, factor.size, n_rest)
            left = schur[part].reshape(shape)
            right = half[:, part].T.reshape(shape)
            gradients.append(np.einsum("jak,jbk->ab", left, right, optimize=True))
        if design.ridge is not None:
            shape = (-1, design.n_outputs, n_rest)
            left, right = schur[ridge].reshape(shape), half[:, ridge].T.reshape(shape)
            gradients.append(np.einsum("jak,jbk->ab", left, right, optimize=True))
        return gradients


def _cholesky(matrix: np.ndarray) -> np.ndarray:
    """Return the lower triangular root of a positive definite matrix."""
    if not len(matrix):
        return matrix
    lower, info = lapack.dpotrf(matrix, lower=True, clean=True)
    if info:
        raise np.linalg.LinAlgError("H is indefinite")
    return lower


def _inverse(lower: np.ndarray) -> np.ndarray:
    """Return the inverse of a matrix from its lower triangular root."""
    if not len(lower):
        return lower
    half, _ = lapack.dpotri(lower, lower=True)
    return np.tril(half) + np.tril(half, -1).T


def times_rest(levels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Multiply (q, r, m) by (m, m) as one product of matrices."""
    q, r, m = levels.shape
    return (levels.reshape(q * r, m) @ matrix).reshape(q, r, matrix.shape[1])


def level_products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Multiply (r, m) by (m, r) for each of q levels."""
    if left.shape[1] == 1:
        return np.einsum("gam,gam->ga", left, right)[:, :, None]
    return left @ right.transpose(0, 2, 1)
