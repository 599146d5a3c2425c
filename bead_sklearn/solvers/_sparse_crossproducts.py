"""Weighted cross-products of a design whose crossed factors meet rarely.

The rest of the design is cut in two: effects of its large factors, whose products with
the eliminated factor are stored where a level of the one meets a level of the other,
and dense columns: small factors, ridge, fixed part.
"""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import sparse

from bead_sklearn.effects import RandomFactor
from bead_sklearn.solvers._crossproducts import (
    factor_products,
    own_products,
    part_products,
    rest_parts,
)
from bead_sklearn.solvers._design import Design

#: Factors with at most this many effects are treated as dense columns.
DENSE_UP_TO = 128

#: Share of the products with a dense matrix below which sums over the pairs of columns
#: that share a level are faster: their memory is met at random.
_RARE = 0.1


class SparseProducts(NamedTuple):
    """Cross-products under one set of row weights W.

    The sparse columns come first in the rest: m = m_sparse + m_dense.

    Attributes
    ----------
    own : ndarray of shape (q, r, r)
        Z'WZ of each level of the eliminated factor.
    cross : ndarray of shape (r, n_entries)
        Its products with the sparse columns, in the order of the pattern.
    cross_dense : ndarray of shape (q, r, m_dense)
        Its products with the dense columns.
    blocks : list of ndarray of shape (q_k, r_k, r_k)
        Z_k'WZ_k of each level of each large factor of the rest.
    between : dict of (int, int) to csr_array
        Products of two large factors of the rest, (q_k r_k, q_j r_j), k < j.
    sparse_dense : ndarray of shape (m_sparse, m_dense)
        Products of the sparse with the dense columns.
    dense : ndarray of shape (m_dense, m_dense)
        Products of the dense columns.
    """

    own: np.ndarray
    cross: np.ndarray
    cross_dense: np.ndarray
    blocks: list[np.ndarray]
    between: dict[tuple[int, int], sparse.csr_array]
    sparse_dense: np.ndarray
    dense: np.ndarray


class FactorPairs:
    """Pairs of levels of two factors that meet in a row.

    Parameters
    ----------
    left, right : RandomFactor
        The factors; no level unknown.

    Attributes
    ----------
    left_levels, right_levels : ndarray of shape (n_pairs,)
        The pairs in the order of their left level.
    of_row : ndarray of shape (n_rows,)
        The pair of each row.
    """

    def __init__(self, left: RandomFactor, right: RandomFactor) -> None:
        self._left, self._right = left, right
        key = left.codes.astype(np.int64) * right.n_levels + right.codes
        distinct, self.of_row = np.unique(key, return_inverse=True)
        self.left_levels, self.right_levels = np.divmod(distinct, right.n_levels)

    def __len__(self) -> int:
        return len(self.left_levels)

    def products(self, weights: np.ndarray) -> np.ndarray:
        """Return Z_left'W Z_right of each pair, (n_pairs, r_left, r_right)."""
        left, right = self._left, self._right
        result = np.empty((len(self), left.size, right.size))
        for a in range(left.size):
            weighted = weights * left.z[:, a]
            for b in range(right.size):
                result[:, a, b] = np.bincount(
                    self.of_row, weights=weighted * right.z[:, b], minlength=len(self)
                )
        return result

    def matrix(self, products: np.ndarray) -> sparse.csr_array:
        """Return blocks (n_pairs, r_left, r_right) as one sparse matrix."""
        left, right = self._left, self._right
        starts = np.searchsorted(self.left_levels, np.arange(left.n_levels + 1))
        return sparse.bsr_array(
            (products, self.right_levels, starts),
            shape=(left.n_effects, right.n_effects),
        ).tocsr()


class Pattern:
    """Which effects of the large factors meet which level of the eliminated factor.

    Parameters
    ----------
    first : RandomFactor
        The eliminated factor, with q levels and r effects per level.
    others : sequence of RandomFactor
        The large factors of the rest.

    Attributes
    ----------
    starts : ndarray of shape (q + 1,)
        Entries ``starts[g]:starts[g + 1]`` are those of level g.
    columns : ndarray of shape (n_entries,)
        Column of each entry among the sparse columns.
    levels : ndarray of shape (n_entries,)
        Level of each entry.
    pairs : list of FactorPairs
        Pairs of levels, by factor.
    positions : list of ndarray of shape (n_pairs, r_k)
        Entries of the effects of a pair's level, by factor.
    """

    def __init__(self, first: RandomFactor, others: tuple[RandomFactor, ...]) -> None:
        self.first, self.others = first, others
        q = first.n_levels
        self.pairs = [FactorPairs(first, factor) for factor in others]
        counts = [np.bincount(pairs.left_levels, minlength=q) for pairs in self.pairs]
        total = np.zeros(q, dtype=np.intp)
        for factor, count in zip(others, counts, strict=True):
            total += factor.size * count
        self.starts = np.append(0, np.cumsum(total))
        self.columns = np.empty(self.starts[-1], dtype=np.intp)
        self.levels = np.repeat(np.arange(q), total)
        self.positions = []
        free = self.starts[:-1].copy()
        offset = 0
        for factor, pairs, count in zip(others, self.pairs, counts, strict=True):
            within = np.arange(len(pairs)) - np.repeat(np.cumsum(count) - count, count)
            effects = np.arange(factor.size)
            position = (free[pairs.left_levels] + factor.size * within)[:, None]
            self.positions.append(position + effects)
            columns = (offset + factor.size * pairs.right_levels)[:, None] + effects
            self.columns[self.positions[-1]] = columns
            free += factor.size * count
            offset += factor.n_effects
        self.n_columns = offset

    def __len__(self) -> int:
        return len(self.columns)

    def products(self, weights: np.ndarray) -> np.ndarray:
        """Return the products of the eliminated factor with the entries, (r, n)."""
        result = np.empty((self.first.size, len(self)))
        for pairs, position in zip(self.pairs, self.positions, strict=True):
            result[:, position] = pairs.products(weights).transpose(1, 0, 2)
        return result

    @cached_property
    def _tiled(self) -> tuple[np.ndarray, np.ndarray]:
        """Column indices and row starts of r copies of the pattern."""
        copies = np.arange(self.first.size)[:, None]
        starts = (copies * len(self) + self.starts[:-1]).ravel()
        starts = np.append(starts, self.first.size * len(self))
        index = np.int32 if starts[-1] < 2**31 else np.int64
        columns = np.tile(self.columns, self.first.size)
        return columns.astype(index), starts.astype(index)

    def matrix(self, data: np.ndarray) -> sparse.csr_array:
        """Return data (r, n_entries) as a matrix of shape (r q, m_sparse).

        Its rows are ordered by effect, then level.
        """
        shape = self.first.n_effects, self.n_columns
        return sparse.csr_array((data.ravel(), *self._tiled), shape=shape)

    def single(self, entries: np.ndarray) -> sparse.csr_array:
        """Return entries (n_entries,) of one effect as a matrix (q, m_sparse)."""
        n = len(self)
        index, starts = self._tiled
        shape = self.first.n_levels, self.n_columns
        return sparse.csr_array(
            (entries, index[:n], starts[: self.first.n_levels + 1]), shape=shape
        )

    @cached_property
    def meets_rarely(self) -> bool:
        """Whether pairs of columns that share a level are far fewer than could be.

        Then sums over pairs cost less than products with a dense matrix.
        """
        counts = np.diff(self.starts).astype(float)
        pairs = self.first.size * float(counts @ counts)
        return pairs <= _RARE * len(self) * self.n_columns

    def level_sums(self, x: np.ndarray) -> np.ndarray:
        """Sum entries (n_entries,) over each level, (q,)."""
        return np.bincount(self.levels, weights=x, minlength=self.first.n_levels)

    def rows(self, table: np.ndarray) -> np.ndarray:
        """Turn (q, r, k) into the rows of :meth:`matrix`, (r q, k)."""
        q, r, k = table.shape
        return table[:, 0] if r == 1 else table.transpose(1, 0, 2).reshape(r * q, k)

    def table(self, rows: np.ndarray) -> np.ndarray:
        """Undo :meth:`rows`."""
        r = self.first.size
        if r == 1:
            return rows[:, None, :]
        return rows.reshape(r, self.first.n_levels, rows.shape[1]).transpose(1, 0, 2)


def cross_matvec(
    pattern: Pattern, products: SparseProducts, x: np.ndarray
) -> np.ndarray:
    """Return Z'WT x for x (n_rest, t), as a table (q, r, t)."""
    n, n_dense = pattern.n_columns, len(x) - pattern.n_columns
    sparse_part = pattern.table(pattern.matrix(products.cross) @ x[:n])
    return sparse_part + products.cross_dense[:, :, :n_dense] @ x[n:]


def cross_rmatvec(
    pattern: Pattern, products: SparseProducts, own: np.ndarray, n_rest: int
) -> np.ndarray:
    """Return (Z'WT)' times a table (q, r, t), (n_rest, t)."""
    rows, n_dense = pattern.rows(own), n_rest - pattern.n_columns
    dense = pattern.rows(products.cross_dense[:, :, :n_dense])
    return np.vstack([pattern.matrix(products.cross).T @ rows, dense.T @ rows])


class SparseCrossproducts:
    """Cross-products of a design, with all index work done once.

    Parameters
    ----------
    design : Design
        The linear predictor, with an eliminated factor.
    dense_up_to : int, default=DENSE_UP_TO
        Number of effects up to which a factor of the rest is a dense column.
    """

    def __init__(self, design: Design, dense_up_to: int = DENSE_UP_TO) -> None:
        first = design.eliminated
        assert first is not None
        self.design = design
        self.large = large_factors(design, dense_up_to)
        self.pattern = Pattern(first, self.large)
        self.between = {
            (k, j): FactorPairs(self.large[k], self.large[j])
            for k, j in itertools.combinations(range(len(self.large)), 2)
        }
        parts = rest_parts(design)[len(self.large) :]
        self._own = own_products(first, first)
        self._blocks = [own_products(factor, factor) for factor in self.large]
        self._cross = [factor_products(first, part, by_level=True) for part in parts]
        self._sparse_dense = [
            [factor_products(factor, part, by_level=False) for part in parts]
            for factor in self.large
        ]
        self._dense = [
            [part_products(left, right) for right in parts[i:]]
            for i, left in enumerate(parts)
        ]

    def compute(self, weights: np.ndarray, *, with_fixed: bool) -> SparseProducts:
        """Return the cross-products under ``weights`` (n_rows,).

        Without ``with_fixed`` the columns of the fixed part are left out.
        """
        design, m_sparse = self.design, self.pattern.n_columns
        slices = [
            slice(part.start - m_sparse, part.stop - m_sparse)
            for part in design.rest_slices[len(self.large) :]
        ]
        slices = slices if with_fixed else slices[:-1]
        m = slices[-1].stop
        first = self.pattern.first
        cross_dense = np.empty((first.n_levels, first.size, m))
        sparse_dense = np.empty((m_sparse, m))
        dense = np.empty((m, m))
        for i, part in enumerate(slices):
            cross_dense[:, :, part] = self._cross[i](weights)
            start = 0
            for factor, products in zip(self.large, self._sparse_dense, strict=True):
                stop = start + factor.n_effects
                sparse_dense[start:stop, part] = products[i](weights)
                start = stop
            for j in range(i, len(slices)):
                block = self._dense[i][j - i](weights)
                dense[part, slices[j]] = block
                dense[slices[j], part] = block.T
        return SparseProducts(
            own=self._own(weights),
            cross=self.pattern.products(weights),
            cross_dense=cross_dense,
            blocks=[products(weights) for products in self._blocks],
            between={
                key: pairs.matrix(pairs.products(weights))
                for key, pairs in self.between.items()
            },
            sparse_dense=sparse_dense,
            dense=dense,
        )


def large_factors(
    design: Design, dense_up_to: int = DENSE_UP_TO
) -> tuple[RandomFactor, ...]:
    """Return the factors of the rest that are not dense columns; they come first."""
    return tuple(
        factor for factor in design.rest_factors if factor.n_effects > dense_up_to
    )
