"""Weighted cross-products of the design, the raw material of the normal equations."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import sparse

from bead_sklearn.effects import RandomFactor
from bead_sklearn.solvers._design import DenseBlock, Design

#: Number of effects per level from which dense products level by level are faster
#: than one sparse product per effect.
_DENSE_FROM = 6

#: Rows of a dense block that are weighted at once.
_CHUNK = 4096

#: Sums of squares with which single precision can do, and the least share of a column
#: that the columns before it leave unexplained.
_SINGLE_RANGE = (1e-20, 1e20)
_LEAST_PIVOT = 1e-3


class Products(NamedTuple):
    """Cross-products under one set of row weights W.

    Attributes
    ----------
    own : ndarray of shape (q, r, r)
        Z'WZ of each level of the eliminated factor.
    cross : ndarray of shape (q, r, m)
        Z'WT of each level with the rest T.
    rest : ndarray of shape (m, m)
        T'WT.
    """

    own: np.ndarray
    cross: np.ndarray
    rest: np.ndarray


class Crossproducts:
    """Cross-products of a design, with all index work done once.

    Parameters
    ----------
    design : Design
        The linear predictor.
    right : Design, default=None
        The same columns at other rows: products are sums over pairs of rows, row i of
        ``design`` and row i of ``right``. The level of the eliminated factor must be
        the same in both. None takes the same rows.
    """

    def __init__(self, design: Design, right: Design | None = None) -> None:
        self.design = design
        left_parts = rest_parts(design)
        right_parts = left_parts if right is None else rest_parts(right)
        first = design.eliminated
        self._own: Product | None = None
        self._cross: list[Product] = []
        if first is not None:
            other = first if right is None else right.factors[0]
            self._own = own_products(first, other)
            self._cross = [
                factor_products(first, part, by_level=True) for part in right_parts
            ]
        self._with_rest = [
            [part_products(left, part) for part in right_parts[i:]]
            for i, left in enumerate(left_parts)
        ]

    def compute(self, weights: np.ndarray, *, with_fixed: bool) -> Products:
        """Return the cross-products under ``weights`` (n_rows,).

        Without ``with_fixed`` the columns of the fixed part are left out of the rest.
        """
        rest = self.compute_rest(weights, with_fixed=with_fixed)
        first, m = self.design.eliminated, len(rest)
        if first is None or self._own is None:
            return Products(np.zeros((0, 1, 1)), np.zeros((0, 1, m)), rest)
        cross = np.empty((first.n_levels, first.size, m))
        slices = self.design.rest_slices if with_fixed else self.design.rest_slices[:-1]
        for part, product in zip(slices, self._cross, strict=False):
            cross[:, :, part] = product(weights)
        return Products(self._own(weights), cross, rest)

    def compute_rest(self, weights: np.ndarray, *, with_fixed: bool) -> np.ndarray:
        """Return the products of the rest alone, T'WT; see `compute`."""
        slices = self.design.rest_slices
        n_parts = len(slices) if with_fixed else len(slices) - 1
        m = slices[n_parts - 1].stop
        rest = np.empty((m, m))
        for i in range(n_parts):
            for j in range(i, n_parts):
                rest[slices[i], slices[j]] = self._with_rest[i][j - i](weights)
                if i != j:
                    rest[slices[j], slices[i]] = rest[slices[i], slices[j]].T
        return rest


_Part = RandomFactor | DenseBlock
Product = Callable[[np.ndarray], np.ndarray]


def rest_parts(design: Design) -> list[_Part]:
    empty = DenseBlock(np.zeros((design.n_rows, 0)))
    ridge = design.ridge if design.ridge is not None else empty
    return [*design.rest_factors, ridge, design.fixed]


def own_products(factor: RandomFactor, other: RandomFactor) -> Product:
    """Z'WZ of each level, for two sets of rows with the same levels."""
    z, codes, q, r = factor.z, factor.codes, factor.n_levels, factor.size
    right = other.z
    if r >= _DENSE_FROM:
        levels = _Levels(codes, q)
        return lambda weights: levels.products(z, right, weights)

    def products(weights: np.ndarray) -> np.ndarray:
        result = np.empty((q, r, r))
        for a in range(r):
            weighted = weights * z[:, a]
            for b in range(a, r):
                sums = np.bincount(codes, weights=weighted * right[:, b], minlength=q)
                result[:, a, b] = result[:, b, a] = sums
        return result

    return products


def factor_products(factor: RandomFactor, part: _Part, *, by_level: bool) -> Product:
    """Z'W(part): (q, r, columns) by level, or flat (q r, columns)."""
    q, r, z = factor.n_levels, factor.size, factor.z
    shape = (q, r, -1) if by_level else (q * r, -1)
    if isinstance(part, DenseBlock):
        if part.n_columns == 0:
            return lambda weights: np.zeros((q, r, 0)).reshape(
                (q, r, 0) if by_level else (q * r, 0)
            )
        if r >= _DENSE_FROM:
            levels = _Levels(factor.codes, q)
            rows = part.rows()
            return lambda weights: levels.products(z, rows, weights).reshape(shape)
        index = np.arange(len(z)) if part.index is None else part.index
        pairs = _Pairs(factor.codes, index, q, len(part.values))
        values = part.values

        def with_dense(weights: np.ndarray) -> np.ndarray:
            products = [pairs.sums(weights * column) @ values for column in z.T]
            return np.stack(products, axis=1).reshape(shape)

        return with_dense

    other = part
    pairs = _Pairs(factor.codes, other.codes, q, other.n_levels)

    def with_factor(weights: np.ndarray) -> np.ndarray:
        result = np.empty((q, r, other.n_levels, other.size))
        for a in range(r):
            for b in range(other.size):
                sums = pairs.sums(weights * z[:, a] * other.z[:, b])
                result[:, a, :, b] = sums.toarray()
        return result.reshape(shape)

    return with_factor


def part_products(left: _Part, right: _Part) -> Product:
    """(left)'W(right) as a dense matrix."""
    if isinstance(left, RandomFactor):
        if left is right:
            return _block_diagonal(left)
        return factor_products(left, right, by_level=False)
    assert isinstance(right, DenseBlock)  # factors come first
    if left.n_columns == 0 or right.n_columns == 0:
        return lambda weights: np.zeros((left.n_columns, right.n_columns))
    if left is right:
        values = left.values

        def gram(weights: np.ndarray) -> np.ndarray:
            return _gram(values, left.distinct_sums(weights))

        return gram
    if left.index is None and right.index is None:
        return lambda weights: (left.values.T * weights) @ right.values
    left_index = np.arange(len(left.values)) if left.index is None else left.index
    right_index = np.arange(len(right.values)) if right.index is None else right.index
    pairs = _Pairs(left_index, right_index, len(left.values), len(right.values))
    return lambda weights: left.values.T @ (pairs.sums(weights) @ right.values)


def _gram(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return X'WX, by halves of the work where the weights have a root.

    Weights of single precision ask for a product of single precision.
    """
    if (weights < 0).any():
        return (values.T * weights) @ values
    if weights.dtype == np.float32:
        rough = _rough_gram(values, weights)
        if rough is not None:
            return rough
    roots = np.sqrt(weights)[:, None]
    result = np.zeros((values.shape[1], values.shape[1]))
    for start in range(0, len(values), _CHUNK):
        scaled = values[start : start + _CHUNK] * roots[start : start + _CHUNK]
        result += scaled.T @ scaled
    return result


def _rough_gram(values: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
    """Return X'WX in single precision, or None where that is too rough."""
    roots = np.sqrt(weights)[:, None]
    result = np.zeros((values.shape[1], values.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(values), _CHUNK):
            scaled = values[start : start + _CHUNK].astype(np.float32)
            scaled *= roots[start : start + _CHUNK]
            result += scaled.T @ scaled
    diagonal = np.diagonal(result)
    if (
        not (diagonal > _SINGLE_RANGE[0]).all()
        or not (diagonal < _SINGLE_RANGE[1]).all()
    ):
        return None
    try:
        pivots = np.diagonal(np.linalg.cholesky(result)) ** 2
    except np.linalg.LinAlgError:
        return None
    return result if (pivots > _LEAST_PIVOT * diagonal).all() else None


def _block_diagonal(factor: RandomFactor) -> Product:
    own = own_products(factor, factor)
    q, r = factor.n_levels, factor.size

    def products(weights: np.ndarray) -> np.ndarray:
        result = np.zeros((q, r, q, r))
        levels = np.arange(q)
        result[levels, :, levels, :] = own(weights)
        return result.reshape(q * r, q * r)

    return products


class _Pairs:
    """Sums over the rows that share a pair of codes, as a sparse matrix."""

    def __init__(
        self, left: np.ndarray, right: np.ndarray, n_left: int, n_right: int
    ) -> None:
        key = left.astype(np.int64) * n_right + right
        distinct, self._inverse = np.unique(key, return_inverse=True)
        rows, self._columns = np.divmod(distinct, n_right)
        self._starts = np.searchsorted(rows, np.arange(n_left + 1))
        self._shape = (n_left, n_right)

    def sums(self, x: np.ndarray) -> sparse.csr_array:
        data = np.bincount(self._inverse, weights=x, minlength=len(self._columns))
        return sparse.csr_array((data, self._columns, self._starts), shape=self._shape)


class _Levels:
    """Dense products level by level, over rows sorted by level."""

    def __init__(self, codes: np.ndarray, n_levels: int) -> None:
        self._order = np.argsort(codes, kind="stable")
        self._bounds = np.searchsorted(codes[self._order], np.arange(n_levels + 1))

    def products(
        self, left: np.ndarray, right: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        n_levels = len(self._bounds) - 1
        result = np.empty((n_levels, left.shape[1], right.shape[1]))
        for level in range(n_levels):
            rows = self._order[self._bounds[level] : self._bounds[level + 1]]
            result[level] = (left[rows].T * weights[rows]) @ right[rows]
        return result
