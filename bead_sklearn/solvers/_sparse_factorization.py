"""Penalised normal equations with a dense Schur complement and sparse cross-products.

The same algebra as `Factorization`, for crossed factors whose levels meet rarely: what
belongs to the eliminated factor is computed, and kept, only where levels meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy import sparse

from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._eliminated import (
    EliminatedBlocks,
    times_entries,
    times_table,
)
from bead_sklearn.solvers._scales import Scales
from bead_sklearn.solvers._schur import SchurComplement
from bead_sklearn.solvers._sparse_crossproducts import (
    Pattern,
    SparseCrossproducts,
    SparseProducts,
    cross_matvec,
    cross_rmatvec,
)
from bead_sklearn.solvers._variances import (
    Covariances,
    level_bilinear,
    level_blocks,
    own_variances,
    present_parts,
    rest_variances,
)

#: Elements of the dense scratch tables over some levels.
_CHUNK_ELEMENTS = 500_000


@dataclass(frozen=True)
class SparseCovariances:
    """Covariance of all effects; that of first factor and rest is made when needed.

    Attributes
    ----------
    own : ndarray of shape (q, r, r)
        Of the effects of each level of the eliminated factor.
    rest : ndarray of shape (m, m)
        Of the rest.
    starts, columns, entries : ndarray
        Sparse columns of B, (r, n_entries), level by level; the covariance of a level
        with the rest is -B times ``rest``.
    dense : ndarray of shape (q, r, m_dense)
        The other columns of B.
    """

    own: np.ndarray
    rest: np.ndarray
    starts: np.ndarray
    columns: np.ndarray
    entries: np.ndarray
    dense: np.ndarray

    @property
    def side(self) -> int:
        """Side of the largest dense matrix."""
        return len(self.rest)

    def scaled(self, variance: float) -> Self:
        """Return the covariances times ``variance``."""
        return replace(self, own=variance * self.own, rest=variance * self.rest)

    def fixed_block(self, n_fixed: int) -> np.ndarray:
        """Return the covariance of the last ``n_fixed`` columns of the rest."""
        start = len(self.rest) - n_fixed
        return self.rest[start:, start:]

    def level_blocks(self, start: int, n_levels: int, size: int) -> np.ndarray:
        """Return the diagonal blocks of a factor of the rest; see `level_blocks`."""
        return level_blocks(self.rest, start, n_levels, size)

    def predictor_variances(self, design: Design) -> np.ndarray:
        """Return Var(eta_i) of the rows of a design; see `predictor_variances`."""
        variances = rest_variances(design, self.rest)
        first = design.eliminated
        assert first is not None
        variances += own_variances(first, self.own)
        parts = present_parts(design, len(self.rest))
        known = np.flatnonzero(first.codes >= 0)
        known = known[np.argsort(first.codes[known], kind="stable")]
        present, codes = np.unique(first.codes[known], return_inverse=True)
        bounds = np.searchsorted(codes, np.arange(len(present) + 1))
        step = max(1, _CHUNK_ELEMENTS // max(1, self.entries.shape[0] * self.side))
        for begin in range(0, len(present), step):
            levels = present[begin : begin + step]
            rows = slice(bounds[begin], bounds[begin + len(levels)])
            table = -self._times_rest(levels)
            some = known[rows]
            for part, part_slice in parts:
                variances[some] += 2.0 * level_bilinear(
                    first.z[some],
                    codes[rows] - begin,
                    table[:, :, part_slice],
                    part,
                    some,
                )
        return np.maximum(variances, 0.0)

    def at_levels(self, levels: np.ndarray) -> Covariances:
        """Return the covariances of some levels and the rest as matrices."""
        return Covariances(self.own[levels], -self._times_rest(levels), self.rest)

    def _times_rest(self, levels: np.ndarray) -> np.ndarray:
        """Return B times ``rest`` for some levels, (n, r, m)."""
        n_sparse = len(self.rest) - self.dense.shape[2]
        result = self.dense[levels] @ self.rest[n_sparse:]
        for effect in range(len(self.entries)):
            matrix = sparse.csr_array(
                (self.entries[effect], self.columns, self.starts),
                shape=(len(self.starts) - 1, n_sparse),
            )
            result[:, effect] += matrix[levels] @ self.rest[:n_sparse]
        return result


class SparseFactorization:
    """Factorised H for given row weights and scales.

    Parameters
    ----------
    crossproducts : SparseCrossproducts
        Of the design.
    products : SparseProducts
        The cross-products under the row weights.
    scales : Scales
        Prior scales.
    """

    def __init__(
        self,
        crossproducts: SparseCrossproducts,
        products: SparseProducts,
        scales: Scales,
    ) -> None:
        self.design = crossproducts.design
        self.scales = scales
        self._crossproducts = crossproducts
        self._pattern = pattern = crossproducts.pattern
        self._products = products
        self._own = own = EliminatedBlocks(products.own, scales.first)
        n_sparse, m = pattern.n_columns, pattern.n_columns + products.dense.shape[1]
        half = pattern.matrix(times_entries(own.root, pattern.levels, products.cross))
        half_dense = pattern.rows(times_table(own.root, products.cross_dense))
        schur = np.zeros((m, m))
        through = (half.T @ half).tocoo()
        schur[through.coords] = -through.data
        for factor, part, blocks in zip(
            crossproducts.large, self.design.rest_slices, products.blocks, strict=False
        ):
            q, r = factor.n_levels, factor.size
            index = part.start + np.arange(q * r).reshape(q, r)
            schur[index[:, :, None], index[:, None, :]] += blocks
        slices = self.design.rest_slices
        for (k, j), between in products.between.items():
            dense = between.toarray()
            schur[slices[k], slices[j]] += dense
            schur[slices[j], slices[k]] += dense.T
        schur[:n_sparse, n_sparse:] = products.sparse_dense - half.T @ half_dense
        schur[n_sparse:, :n_sparse] = schur[:n_sparse, n_sparse:].T
        schur[n_sparse:, n_sparse:] = products.dense - half_dense.T @ half_dense
        self.schur = SchurComplement(self.design, schur, scales)
        self._kept: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def log_det(self, n_rest: int) -> float:
        """Return log|H| over the eliminated factor and the first ``n_rest`` others."""
        return self._own.log_det + self.schur.log_det(n_rest)

    def log_det_error(self, n_rest: int) -> float:
        """Return the standard error of :meth:`log_det`, which is exact."""
        return 0.0

    def solve(self, own: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solve H x = (own, rest) in standard units."""
        partial = (self._own.inverse @ own[:, :, None])[:, :, 0]
        table = (partial @ self.scales.first.T)[:, :, None]
        back = cross_rmatvec(self._pattern, self._products, table, len(rest))[:, 0]
        x_rest = self.schur.solve(rest - self.scales.rest(back, transpose=True))
        scaled = self.scales.rest(x_rest)[:, None]
        forward = cross_matvec(self._pattern, self._products, scaled)
        x_own = partial - (self._own.solved @ forward)[:, :, 0]
        return x_own, x_rest

    def covariances(self, n_rest: int) -> SparseCovariances:
        """Return the inverse of H, in the unit of the effects.

        Parameters
        ----------
        n_rest : int
            Number of columns of the rest that are unknowns; the others are known.
        """
        first, pattern = self.scales.first, self._pattern
        blocks = first @ self._own.solved
        n_dense = n_rest - pattern.n_columns
        return SparseCovariances(
            own=first @ self._inverse_blocks(n_rest) @ first.T,
            rest=self.schur.inverse(n_rest)[1],
            starts=pattern.starts,
            columns=pattern.columns,
            entries=times_entries(blocks, pattern.levels, self._products.cross),
            dense=blocks @ self._products.cross_dense[:, :, :n_dense],
        )

    def fixed_covariance(self) -> np.ndarray:
        """Return the covariance of the fixed effects."""
        fixed = self.design.rest_slices[-1]
        return self.schur.inverse(self.design.n_rest)[1][fixed, fixed]

    def own_inverse(self) -> np.ndarray:
        """Return D^-1 of a factor with one effect, (q,)."""
        return self._own.inverse[:, 0, 0]

    def cross_squares(self) -> tuple[np.ndarray, np.ndarray]:
        """Return B'D^-2 B and B'D^-3 B of a factor with one effect, B = L'Z'WT."""
        pattern, solved = self._pattern, self._own.solved
        entries = times_entries(solved, pattern.levels, self._products.cross)
        table = times_table(solved, self._products.cross_dense)[:, 0]
        matrix, n = pattern.single(entries[0]), pattern.n_columns
        results = []
        for weights in (np.ones(len(table)), self.own_inverse()):
            m = n + table.shape[1]
            result = np.empty((m, m))
            weighted = sparse.diags_array(weights) @ matrix
            result[:n, :n] = (matrix.T @ weighted).toarray()
            result[:n, n:] = weighted.T @ table
            result[n:, :n] = result[:n, n:].T
            result[n:, n:] = table.T @ (weights[:, None] * table)
            results.append(result)
        return results[0], results[1]

    def row_variances(self, n_rest: int) -> np.ndarray:
        """Return Var(eta_i) of the rows of the design; see :meth:`covariances`."""
        design, pattern, scale = self.design, self._pattern, self.scales.first
        spread, spread_dense, _ = self._spread(n_rest)
        variances = rest_variances(design, self.schur.inverse(n_rest)[1])
        variances += own_variances(
            pattern.first, scale @ self._inverse_blocks(n_rest) @ scale.T
        )
        own_z = pattern.first.z @ scale
        large = zip(pattern.others, pattern.pairs, pattern.positions, strict=True)
        for factor, pairs, position in large:
            for b in range(factor.size):
                entries = spread[:, position[pairs.of_row, b]]
                products = np.einsum("ia,ai->i", own_z, entries)
                variances -= 2.0 * factor.z[:, b] * products
        rows = np.arange(design.n_rows)
        for part, part_slice in present_parts(design, n_rest)[len(pattern.others) :]:
            shift = pattern.n_columns
            table = spread_dense[
                :, :, part_slice.start - shift : part_slice.stop - shift
            ]
            variances -= 2.0 * level_bilinear(
                own_z, pattern.first.codes, table, part, rows
            )
        return np.maximum(variances, 0.0)

    def _spread(self, n_rest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """D^-1 L'Z'WT times the covariance of the rest, where it is needed.

        Returns its entries (r, n_entries), its dense columns (q, r, n_dense) and the
        sum over all columns of its products with D^-1 L'Z'WT, (q, r, r).
        """
        if n_rest not in self._kept:
            pattern, solved = self._pattern, self._own.solved
            n_sparse = pattern.n_columns
            entries = times_entries(solved, pattern.levels, self._products.cross)
            dense = times_table(
                solved, self._products.cross_dense[:, :, : n_rest - n_sparse]
            )
            _, rest = self.schur.inverse(n_rest)
            spread = np.empty_like(entries)
            spread_dense = np.empty_like(dense)
            matrices = [
                sparse.csr_array(
                    (row, pattern.columns, pattern.starts),
                    shape=(len(dense), n_sparse),
                )
                for row in entries
            ]
            for levels, part in self._chunks(n_rest):
                local = pattern.levels[part] - levels.start
                for effect, matrix in enumerate(matrices):
                    table = matrix[levels] @ rest[:n_sparse]
                    table += dense[levels, effect] @ rest[n_sparse:]
                    spread[effect, part] = table[local, pattern.columns[part]]
                    spread_dense[levels, effect] = table[:, n_sparse:]
            own = spread_dense @ dense.transpose(0, 2, 1)
            for a, b in np.ndindex(own.shape[1:]):
                own[:, a, b] += pattern.level_sums(spread[a] * entries[b])
            self._kept[n_rest] = spread, spread_dense, own
        return self._kept[n_rest]

    def _chunks(self, n_rest: int) -> Iterator[tuple[slice, slice]]:
        """Levels, and their entries, whose rows of a table are handled at once."""
        starts = self._pattern.starts
        step = max(1, _CHUNK_ELEMENTS // max(1, n_rest))
        for begin in range(0, len(starts) - 1, step):
            end = min(begin + step, len(starts) - 1)
            yield slice(begin, end), slice(starts[begin], starts[end])

    def _inverse_blocks(self, n_rest: int) -> np.ndarray:
        """Blocks of H^-1 for each level of the eliminated factor."""
        return self._own.inverse + self._spread(n_rest)[2]

    def log_det_gradient(self, n_rest: int) -> list[np.ndarray]:
        """Return half the derivative of log|H| in each L, then in tau.

        See `Factorization.log_det_gradient`.
        """
        return [self._own_gradient(n_rest), *self.schur.log_det_gradient(n_rest)]

    def _own_gradient(self, n_rest: int) -> np.ndarray:
        """Return half the derivative of log|H| in L of the eliminated factor.

        With D^-1 L'Z'WT = B and E = I - Z'WZ L D^-1 L' it is the sum over levels of

            Z'WZ L D^-1 - E Z'WT Cov(rest) B',

        where the covariance is met only at pairs of effects that share a level.
        """
        products, pattern, solved = self._products, self._pattern, self._own.solved
        if n_rest not in self._kept and not pattern.meets_rarely:
            self._spread(n_rest)
        scaled = products.own @ self.scales.first
        cross_dense = products.cross_dense[:, :, : n_rest - pattern.n_columns]
        if n_rest in self._kept:
            spread, spread_dense, _ = self._kept[n_rest]
            through_rest = products.cross @ spread.T
            through_rest += np.tensordot(cross_dense, spread_dense, ([0, 2], [0, 2]))
            inverse = self._inverse_blocks(n_rest)
            return _sum_of_products(scaled, inverse) - through_rest
        rest = self.schur.inverse(n_rest)[1]
        left = np.eye(len(self.scales.first)) - scaled @ solved
        through_rest = _over_rest(
            pattern,
            self._times_cross(left, cross_dense),
            self._times_cross(solved, cross_dense),
            rest,
        )
        return _sum_of_products(scaled, self._own.inverse) - through_rest

    def _times_cross(
        self, blocks: np.ndarray, cross_dense: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Multiply Z'WT, its entries and its dense columns, by blocks (q, r, r)."""
        entries = times_entries(blocks, self._pattern.levels, self._products.cross)
        return entries, times_table(blocks, cross_dense)


def _sum_of_products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Sum the products of matrices (q, r, r) over levels."""
    return np.tensordot(left, right, axes=([0, 2], [0, 1]))


def _over_rest(
    pattern: Pattern,
    left: tuple[np.ndarray, np.ndarray],
    right: tuple[np.ndarray, np.ndarray],
    rest: np.ndarray,
) -> np.ndarray:
    """Return the sum over levels of A R B', for A and B of entries and dense columns.

    Parameters
    ----------
    pattern : Pattern
        Where the entries are.
    left, right : tuple of ndarray
        Entries (r, n_entries) and dense columns (q, r, n_dense) of A and of B.
    rest : ndarray of shape (m, m)
        R, symmetric.
    """
    n, size = pattern.n_columns, len(left[0])
    result = np.empty((size, size))
    for a, b in np.ndindex(size, size):
        entries = pattern.single(left[0][a]), pattern.single(right[0][b])
        dense = left[1][:, a], right[1][:, b]
        meeting = (entries[0].T @ entries[1]).tocoo()
        mixed = entries[0].T @ dense[1] + entries[1].T @ dense[0]
        result[a, b] = (
            meeting.data @ rest[meeting.coords]
            + np.vdot(mixed, rest[:n, n:])
            + np.vdot(dense[0].T @ dense[1], rest[n:, n:])
        )
    return result
