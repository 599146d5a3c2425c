"""Penalised normal equations with the largest factor eliminated.

In standard units the negative Hessian of the joint log-density is

    H = [[D, C], [C', S]],   D = L'Z'WZL + I block diagonal over levels,

and everything follows from D and the Schur complement A = S - C' D^-1 C
(Bates, Alday, Kleinschmidt, Calderon et al., MixedModels.jl, use the same order of
elimination).
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from bead_sklearn.solvers._crossproducts import Products
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._scales import Scales


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
        cross = first.T @ products.cross
        if len(first) == 1:
            self.inverse_own = 1.0 / own
            half = cross * np.sqrt(self.inverse_own)
            self.log_det_own = float(np.log(own).sum())
        else:
            lower = np.linalg.cholesky(own)
            half = np.linalg.solve(lower, cross)
            self.inverse_own = np.linalg.inv(own)
            diagonal = np.diagonal(lower, axis1=1, axis2=2)
            self.log_det_own = 2.0 * float(np.log(diagonal).sum())
        self.solved = self.inverse_own @ cross
        half = half.reshape(half.shape[0] * half.shape[1], m)
        self.schur = products.rest - half.T @ half
        scaled = scales.rest(scales.rest(self.schur, transpose=True).T, transpose=True)
        scaled[np.diag_indices(m)] += scales.penalty[:m]
        self._lower = linalg.cholesky(scaled, lower=True, check_finite=False)

    def log_det(self, n_rest: int) -> float:
        """Return log|H| over the eliminated factor and the first ``n_rest`` others."""
        diagonal = np.diagonal(self._lower)[:n_rest]
        return self.log_det_own + 2.0 * float(np.log(diagonal).sum())

    def solve(
        self, own: np.ndarray, rest: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Solve H x = (own, rest) in standard units."""
        partial = (self.inverse_own @ own[:, :, None])[:, :, 0]
        back = np.tensordot(self.solved, own, axes=([0, 1], [0, 1]))
        right = rest - self.scales.rest(back, transpose=True)
        x_rest = linalg.cho_solve((self._lower, True), right, check_finite=False)
        x_own = partial - self.solved @ self.scales.rest(x_rest)
        return x_own, x_rest

    def rest_covariance(self, n_rest: int) -> np.ndarray:
        """Return Lambda A^-1 Lambda' over the first ``n_rest`` columns of the rest."""
        return self.scales.rest(self.half_covariance(n_rest).T)

    def half_covariance(self, n_rest: int) -> np.ndarray:
        """Return Lambda A^-1 over the first ``n_rest`` columns of the rest."""
        lower = self._lower[:n_rest, :n_rest]
        inverse = linalg.cho_solve((lower, True), np.eye(n_rest), check_finite=False)
        return self.scales.rest(inverse)

    def log_det_gradient(self, n_rest: int) -> list[np.ndarray]:
        """Return half the derivative of log|H| in each L, then in tau.

        W is held fixed. Block k is the sum over levels of Z'W G H^-1, the rows of
        that level's covariates and the columns of its standardised effects.
        """
        design, scales, products = self.design, self.scales, self.products
        half = self.half_covariance(n_rest)
        gradients = []
        if design.factors:
            covariance = scales.rest(half.T)
            solved = self.solved[:, :, :n_rest]
            spread = solved @ covariance
            inverse = self.inverse_own + spread @ solved.transpose(0, 2, 1)
            direct = np.einsum("gab,gbc->ac", products.own @ scales.first, inverse)
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
            gradients.append(np.array([[(schur[ridge] * half[:, ridge].T).sum()]]))
        return gradients
