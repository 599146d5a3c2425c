"""Penalised normal equations with the largest factor eliminated.

In standard units the negative Hessian of the joint log-density is

    H = [[D, C], [C', S]],   D = L'Z'WZL + I block diagonal over levels,

and everything follows from D and the Schur complement A = S - C' D^-1 C
(Bates, Alday, Kleinschmidt, Calderon et al., MixedModels.jl, use the same order of
elimination).
"""

from __future__ import annotations

import numpy as np

from bead_sklearn.solvers._crossproducts import Products
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._eliminated import EliminatedBlocks, times_table
from bead_sklearn.solvers._scales import Scales
from bead_sklearn.solvers._schur import SchurComplement
from bead_sklearn.solvers._small_blocks import (
    SMALL,
    congruence,
    times_matrix,
    times_rows,
    times_vectors,
)
from bead_sklearn.solvers._variances import Covariances, predictor_variances


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
    schur : SchurComplement
        Of the rest.
    """

    def __init__(self, design: Design, products: Products, scales: Scales) -> None:
        self.design = design
        self.products = products
        self.scales = scales
        blocks = EliminatedBlocks(products.own, scales.first)
        self.inverse_own, self.log_det_own = blocks.inverse, blocks.log_det
        self.solved = times_table(blocks.solved, products.cross)
        half = times_table(blocks.root, products.cross)
        q, r, m = half.shape
        half = half.reshape(q * r, m)
        self.schur = SchurComplement(design, products.rest - half.T @ half, scales)
        self._spreads: dict[int, np.ndarray] = {}
        self._inverses: dict[int, np.ndarray] = {}

    def log_det(self, n_rest: int) -> float:
        """Return log|H| over the eliminated factor and the first ``n_rest`` others."""
        return self.log_det_own + self.schur.log_det(n_rest)

    def log_det_error(self, n_rest: int) -> float:
        """Return the standard error of :meth:`log_det`, which is exact."""
        return 0.0

    def solve(self, own: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solve H x = (own, rest) in standard units."""
        partial = times_vectors(self.inverse_own, own)
        back = times_rows(self.solved, own)
        x_rest = self.schur.solve(rest - self.scales.rest(back, transpose=True))
        x_own = partial - times_matrix(self.solved, self.scales.rest(x_rest))
        return x_own, x_rest

    def covariances(self, n_rest: int) -> Covariances:
        """Return the inverse of H, in the unit of the effects.

        Parameters
        ----------
        n_rest : int
            Number of columns of the rest that are unknowns; the others are known.
        """
        first = self.scales.first
        spread = self._spread(n_rest)
        return Covariances(
            own=congruence(self._inverse_blocks(n_rest), first.T),
            cross=-(first @ spread if len(first) > 1 else first[0, 0] * spread),
            rest=self.schur.inverse(n_rest)[1],
        )

    def fixed_covariance(self) -> np.ndarray:
        """Return the covariance of the fixed effects."""
        fixed = self.design.rest_slices[-1]
        return self.schur.inverse(self.design.n_rest)[1][fixed, fixed]

    def row_variances(self, n_rest: int) -> np.ndarray:
        """Return Var(eta_i) of the rows of the design; see :meth:`covariances`."""
        return predictor_variances(self.design, self.covariances(n_rest))

    def _spread(self, n_rest: int) -> np.ndarray:
        """Return ``solved`` times the covariance of the rest, kept."""
        if n_rest not in self._spreads:
            _, rest = self.schur.inverse(n_rest)
            self._spreads[n_rest] = times_matrix(self.solved[:, :, :n_rest], rest)
        return self._spreads[n_rest]

    def _inverse_blocks(self, n_rest: int) -> np.ndarray:
        """Blocks of H^-1 for each level of the eliminated factor, kept."""
        if n_rest not in self._inverses:
            through_rest = level_products(
                self._spread(n_rest), self.solved[:, :, :n_rest]
            )
            self._inverses[n_rest] = self.inverse_own + through_rest
        return self._inverses[n_rest]

    def log_det_gradient(self, n_rest: int) -> list[np.ndarray]:
        """Return half the derivative of log|H| in each L, then in tau.

        W is held fixed. Block k is the sum over levels of Z'W G H^-1, the rows of
        that level's covariates and the columns of its standardised effects.
        """
        products = self.products
        gradients = []
        if self.design.n_eliminated:
            direct = np.tensordot(
                times_matrix(products.own, self.scales.first),
                self._inverse_blocks(n_rest),
                axes=([0, 2], [0, 1]),
            )
            through_rest = np.tensordot(
                products.cross[:, :, :n_rest],
                self._spread(n_rest),
                axes=([0, 2], [0, 2]),
            )
            gradients.append(direct - through_rest)
        return gradients + self.schur.log_det_gradient(n_rest)


def level_products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Multiply (r, m) by (m, r) for each of q levels."""
    q, r, _ = left.shape
    if r > SMALL:
        return left @ right.transpose(0, 2, 1)
    result = np.empty((q, r, r))
    for a, b in np.ndindex(r, r):
        result[:, a, b] = np.einsum("gm,gm->g", left[:, a], right[:, b])
    return result
