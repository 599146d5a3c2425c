"""Penalised normal equations whose eliminated factor has levels of many sizes.

The same algebra as `Factorization`, for effects that are independent in the
population: those that a level has no rows for stay out of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._eliminated import EliminatedBlocks
from bead_sklearn.solvers._level_groups import (
    LevelBlocks,
    LevelGroups,
    LevelRows,
    batch_rows,
)
from bead_sklearn.solvers._levelwise_products import (
    LevelwiseCrossproducts,
    LevelwiseProducts,
    chunks,
    rest_rows,
)
from bead_sklearn.solvers._scales import Scales
from bead_sklearn.solvers._schur import SchurComplement
from bead_sklearn.solvers._small_blocks import times_matrix
from bead_sklearn.solvers._variances import (
    Covariances,
    level_blocks,
    rest_variances,
)


@dataclass(frozen=True)
class LevelwiseCovariances:
    """Covariance of all effects, without that between levels of the first factor.

    Attributes
    ----------
    own : LevelBlocks
        Of the effects of each level of the eliminated factor.
    cross : tuple of ndarray of shape (n_members, size, m)
        Between those of each group of levels and the rest.
    rest : ndarray of shape (m, m)
        Of the rest.
    prior : ndarray of shape (r,)
        Variances of the effects of a level in the population.
    """

    own: LevelBlocks
    cross: tuple[np.ndarray, ...]
    rest: np.ndarray
    prior: np.ndarray

    @property
    def side(self) -> int:
        """Side of the largest dense matrix."""
        return len(self.rest)

    def scaled(self, variance: float) -> Self:
        """Return the covariances times ``variance``."""
        own = replace(
            self.own, arrays=tuple(variance * array for array in self.own.arrays)
        )
        return replace(
            self,
            own=own,
            cross=tuple(variance * array for array in self.cross),
            rest=variance * self.rest,
            prior=variance * self.prior,
        )

    def fixed_block(self, n_fixed: int) -> np.ndarray:
        """Return the covariance of the last ``n_fixed`` columns of the rest."""
        start = len(self.rest) - n_fixed
        return self.rest[start:, start:]

    def level_blocks(self, start: int, n_levels: int, size: int) -> np.ndarray:
        """Return the diagonal blocks of a factor of the rest; see `level_blocks`."""
        return level_blocks(self.rest, start, n_levels, size)

    def predictor_variances(self, design: Design) -> np.ndarray:
        """Return Var(eta_i) of the rows of a design; unknown levels add nothing."""
        first = design.eliminated
        assert first is not None
        return self.row_variances(
            design, batch_rows(self.own.groups, first.codes, first.z)
        )

    def row_variances(self, design: Design, batches: list[LevelRows]) -> np.ndarray:
        """Return Var(eta_i) of the rows of a design, given in batches."""
        variances = rest_variances(design, self.rest)
        for batch in batches:
            z, present = batch.z, batch.present
            own = self.own.arrays[batch.group][batch.places]
            added = np.einsum("gna,gna->gn", z @ own, z)
            for part in chunks(batch, len(self.rest)):
                cross = self.cross[batch.group][batch.places[part]]
                rest = rest_rows(design, batch.rows[part], len(self.rest))
                added[part] += 2.0 * np.einsum("gnm,gnm->gn", z[part] @ cross, rest)
            variances[batch.rows[present]] += added[present]
        return np.maximum(variances, 0.0)

    def dense(self, levels: np.ndarray) -> Covariances:
        """Return the covariances of some levels of the first factor as arrays.

        Effects that a level has no rows for have their prior.
        """
        r, m = len(self.prior), len(self.rest)
        own = np.broadcast_to(np.diag(self.prior), (len(levels), r, r)).copy()
        cross = np.zeros((len(levels), r, m))
        groups: LevelGroups = self.own.groups
        for number, size in enumerate(groups.sizes):
            at = np.flatnonzero(groups.group[levels] == number)
            places = groups.place[levels[at]]
            own[at, :size, :size] = self.own.arrays[number][places]
            cross[at, :size] = self.cross[number][places]
        return Covariances(own, cross, self.rest)


class LevelwiseFactorization:
    """Factorised H for given row weights and scales.

    Parameters
    ----------
    crossproducts : LevelwiseCrossproducts
        Of the design.
    products : LevelwiseProducts
        Its cross-products under the row weights.
    scales : Scales
        Prior scales; that of the eliminated factor is diagonal.
    """

    def __init__(
        self,
        crossproducts: LevelwiseCrossproducts,
        products: LevelwiseProducts,
        scales: Scales,
    ) -> None:
        self.design = crossproducts.design
        self.scales = scales
        self._groups = crossproducts.groups
        self._batches = crossproducts.batches
        self._products = products
        self._sds = np.diagonal(scales.first)
        self._inverse, self._solved = [], []
        self._log_det_own = 0.0
        schur = products.rest.copy()
        for own, cross in zip(products.own, products.cross, strict=True):
            blocks = EliminatedBlocks(own, np.diag(self._sds[: own.shape[1]]))
            half = _stacked(blocks.root @ cross)
            schur -= half.T @ half
            self._inverse.append(blocks.inverse)
            self._solved.append(blocks.solved @ cross)
            self._log_det_own += blocks.log_det
        self.schur = SchurComplement(self.design, schur, scales)
        self._spreads: dict[int, list[np.ndarray]] = {}

    def log_det(self, n_rest: int) -> float:
        """Return log|H| over the eliminated factor and the first ``n_rest`` others."""
        return self._log_det_own + self.schur.log_det(n_rest)

    def log_det_error(self, n_rest: int) -> float:
        """Return the standard error of :meth:`log_det`, which is exact."""
        return 0.0

    def solve(self, own: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solve H x = (own, rest) in standard units."""
        members, sizes = self._groups.members, self._groups.sizes
        parts = [
            own[levels, :size] for levels, size in zip(members, sizes, strict=True)
        ]
        back = np.zeros(len(rest))
        for solved, part in zip(self._solved, parts, strict=True):
            back += part.ravel() @ _stacked(solved)
        x_rest = self.schur.solve(rest - self.scales.rest(back, transpose=True))
        through = self.scales.rest(x_rest)
        x_own = own.copy()
        groups = zip(members, sizes, self._inverse, self._solved, parts, strict=True)
        for levels, size, inverse, solved, part in groups:
            x_own[levels, :size] = (inverse @ part[:, :, None])[:, :, 0]
            x_own[levels, :size] -= solved @ through
        return x_own, x_rest

    def covariances(self, n_rest: int) -> LevelwiseCovariances:
        """Return the inverse of H, in the unit of the effects.

        Parameters
        ----------
        n_rest : int
            Number of columns of the rest that are unknowns; the others are known.
        """
        own, cross = [], []
        for inverse, solved, spread in zip(
            self._inverse, self._solved, self._spread(n_rest), strict=True
        ):
            sds = self._sds[: inverse.shape[1], None]
            blocks = inverse + spread @ solved[:, :, :n_rest].transpose(0, 2, 1)
            own.append(sds * blocks * sds.T)
            cross.append(-sds * spread)
        return LevelwiseCovariances(
            own=LevelBlocks(self._groups, tuple(own)),
            cross=tuple(cross),
            rest=self.schur.inverse(n_rest)[1],
            prior=self._sds**2,
        )

    def fixed_covariance(self) -> np.ndarray:
        """Return the covariance of the fixed effects."""
        fixed = self.design.rest_slices[-1]
        return self.schur.inverse(self.design.n_rest)[1][fixed, fixed]

    def row_variances(self, n_rest: int) -> np.ndarray:
        """Return Var(eta_i) of the rows of the design; see :meth:`covariances`."""
        return self.covariances(n_rest).row_variances(self.design, self._batches)

    def log_det_gradient(self, n_rest: int) -> list[np.ndarray]:
        """Return half the derivative of log|H| in each L, then in tau.

        W is held fixed. Of the eliminated factor only the diagonal is made, which is
        all that its scale has.
        """
        diagonal = np.zeros(len(self._sds))
        parts = zip(
            self._products.own,
            self._products.cross,
            self._inverse,
            self._solved,
            self._spread(n_rest),
            strict=True,
        )
        for own, cross, inverse, solved, spread in parts:
            size = own.shape[1]
            scaled = own * self._sds[:size]
            left = scaled @ solved[:, :, :n_rest] - cross[:, :, :n_rest]
            diagonal[:size] += np.einsum("gab,gab->a", scaled, inverse)
            diagonal[:size] += np.einsum("gam,gam->a", left, spread)
        return [np.diag(diagonal), *self.schur.log_det_gradient(n_rest)]

    def _spread(self, n_rest: int) -> list[np.ndarray]:
        """Return ``solved`` times the covariance of the rest, kept."""
        if n_rest not in self._spreads:
            _, rest = self.schur.inverse(n_rest)
            self._spreads[n_rest] = [
                times_matrix(solved[:, :, :n_rest], rest) for solved in self._solved
            ]
        return self._spreads[n_rest]


def _stacked(levels: np.ndarray) -> np.ndarray:
    """Stack the rows of matrices (n, size, m)."""
    n_levels, size, m = levels.shape
    return levels.reshape(n_levels * size, m)
