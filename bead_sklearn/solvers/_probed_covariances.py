"""Variances of effects and predictions from random vectors.

The covariance of all effects given the responses is

    [K, 0; 0, 0] + [-K C; I] V [-K C; I]',   K = L D^-1 L',

with V that of the rest, and V = Lambda A^-1 Lambda'. Of A^-1 some parts are exact: the
inverse diagonal blocks R^-T R^-1, and what belongs to given columns. What is left is
the mean of x w' - u u' over random vectors with E[x w'] = A^-1 and E[u u'] = R^-T R^-1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from bead_sklearn.effects import RandomFactor
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._entries import PlainQuadratic
from bead_sklearn.solvers._variances import own_variances, present_parts

#: Rows handled at once: their scratch memory should fit into the cache.
_CHUNK_ROWS = 8192


class Vectors(NamedTuple):
    """Effects, one vector per column, in the unit of eta.

    Attributes
    ----------
    own : ndarray of shape (q, r, t)
        Of the eliminated factor.
    rest : ndarray of shape (n_rest, t)
        Of the rest, with or without the fixed part.
    """

    own: np.ndarray
    rest: np.ndarray


@dataclass(frozen=True)
class ProbedVariances:
    """What the variances of linear predictors are computed from.

    Attributes
    ----------
    known : ndarray of shape (q, r, r)
        K: covariance of the first factor's effects if the rest were known.
    root : ndarray of shape (q, r, r)
        Its root: K = root' root.
    quadratic : PlainQuadratic
        Exact quadratic forms; u has their Q as its covariance.
    blocks : list of ndarray of shape (q_k, r_k, r_k)
        Lambda R^-T of each large factor of the rest.
    left, right, plain : Vectors
        x, w and u.
    exact : Vectors
        Columns whose products with themselves are another exact part of V.
    exact_weights : ndarray of shape (k,)
        Weights of these products.
    """

    known: np.ndarray
    root: np.ndarray
    quadratic: PlainQuadratic
    blocks: list[np.ndarray]
    left: Vectors
    right: Vectors
    plain: Vectors
    exact: Vectors
    exact_weights: np.ndarray

    def rows(self, design: Design) -> np.ndarray:
        """Return Var(eta_i) of the rows of a design; unknown levels add nothing."""
        first = design.eliminated
        assert first is not None
        variances = own_variances(first, self.known) + self._plain_squares(design)
        left, right, plain, exact = (
            _Predictor(design, vectors)
            for vectors in (self.left, self.right, self.plain, self.exact)
        )
        for start in range(0, design.n_rows, _CHUNK_ROWS):
            rows = slice(start, start + _CHUNK_ROWS)
            products = left.rows(rows) * right.rows(rows)
            products -= plain.rows(rows) ** 2
            variances[rows] += products.mean(axis=1)
            variances[rows] += exact.rows(rows) ** 2 @ self.exact_weights
        return np.maximum(variances, 0.0)

    def _plain_squares(self, design: Design) -> np.ndarray:
        """Return g'Qg with g' = [-z'K C, t'] Lambda R^-T of each row."""
        first = design.eliminated
        assert first is not None
        quadratic = self.quadratic
        zeta = np.einsum("iab,ib->ia", self.root[first.codes], _known_z(first))
        squares = np.einsum(
            "ia,iab,ib->i", zeta, quadratic.grams[first.codes], zeta, optimize=True
        )
        parts = []
        offset = 0
        for factor, blocks in zip(design.rest_factors, self.blocks, strict=False):
            tau = np.einsum("ib,ibc->ic", _known_z(factor), blocks[factor.codes])
            level = np.maximum(factor.codes, 0)
            for b in range(factor.size):
                parts.append((tau[:, b], offset + factor.size * level + b))
            offset += factor.n_effects
        levels = np.maximum(first.codes, 0)
        for k, (tau, column) in enumerate(parts):
            through = quadratic.cross.find(levels, column)
            squares -= 2.0 * tau * np.einsum("ia,ai->i", zeta, through)
            squares += tau**2 * self._inner(column, column)
            for other, other_column in parts[:k] if quadratic.inner else []:
                squares += 2.0 * tau * other * self._inner(column, other_column)
        return squares

    def _inner(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Elements of Q in the coordinates of R."""
        if self.quadratic.inner is None:
            return (rows == columns).astype(np.float64)
        return self.quadratic.inner.find(rows, columns)[0]

    def own_blocks(self) -> np.ndarray:
        """Covariance of the effects of each level of the first factor."""
        through = self.root.transpose(0, 2, 1) @ self.quadratic.grams @ self.root
        estimated = self.known + through + self._level_grams(lambda v: v.own)
        # Nothing is known better than if the rest were known.
        return _at_least(estimated, self.known)

    def level_blocks(
        self, part: slice, n_levels: int, without_mean: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """Covariance of the effects of each level of a large factor of the rest.

        Parameters
        ----------
        part : slice
            Columns of the factor.
        n_levels : int
            Number of its levels.
        without_mean : tuple of ndarray of shape (n_sparse, t)
            Effects whose products average to zero and are taken off.
        """
        starts = np.cumsum([0] + [blocks[:, 0].size for blocks in self.blocks])
        [index] = np.flatnonzero(starts == part.start)
        blocks = self.blocks[index]
        r = blocks.shape[1]
        columns = part.start + np.arange(n_levels * r).reshape(n_levels, r)
        inner = np.empty_like(blocks)
        for b, c in np.ndindex(r, r):
            inner[:, b, c] = self._inner(columns[:, b], columns[:, c])

        def cut(x: np.ndarray) -> np.ndarray:
            return x[part].reshape(n_levels, r, -1)

        known = blocks @ inner @ blocks.transpose(0, 2, 1)
        left, right = map(cut, without_mean)
        products = _symmetric(left @ right.transpose(0, 2, 1)) / left.shape[2]
        estimated = known + self._level_grams(lambda v: cut(v.rest)) - products
        return _at_least(estimated, np.zeros_like(known))

    def _level_grams(self, select: Callable[[Vectors], np.ndarray]) -> np.ndarray:
        """Mean of left right' - plain plain', plus the exact part, by level."""
        left, right, plain, exact = (
            select(v) for v in (self.left, self.right, self.plain, self.exact)
        )
        products = left @ right.transpose(0, 2, 1) - plain @ plain.transpose(0, 2, 1)
        known = (exact * self.exact_weights) @ exact.transpose(0, 2, 1)
        return _symmetric(products) / left.shape[2] + known


@dataclass(frozen=True)
class ProbedCovariances:
    """Covariance of all effects given the responses.

    Attributes
    ----------
    variances : ProbedVariances
        For linear predictors.
    own : ndarray of shape (q, r, r)
        Of the effects of each level of the eliminated factor.
    rest : list of ndarray of shape (q_k, r_k, r_k)
        Of the effects of each level of each other factor.
    fixed : ndarray of shape (p, p)
        Of the fixed effects.
    unit : float
        Unit of ``variances``.
    """

    variances: ProbedVariances
    own: np.ndarray
    rest: list[np.ndarray]
    fixed: np.ndarray
    unit: float = 1.0

    @property
    def side(self) -> int:
        """Side of the largest dense matrix."""
        return int(self.variances.exact.rest.shape[1])

    def scaled(self, variance: float) -> Self:
        """Return the covariances times ``variance``."""
        return replace(
            self,
            own=variance * self.own,
            rest=[variance * blocks for blocks in self.rest],
            fixed=variance * self.fixed,
            unit=variance * self.unit,
        )

    def fixed_block(self, n_fixed: int) -> np.ndarray:
        """Return the covariance of the ``n_fixed`` fixed effects."""
        assert len(self.fixed) == n_fixed
        return self.fixed

    def level_blocks(self, start: int, n_levels: int, size: int) -> np.ndarray:
        """Return the diagonal blocks of a factor of the rest, (n_levels, size, size).

        ``start`` is its first column.
        """
        sizes = [blocks.shape[0] * blocks.shape[1] for blocks in self.rest]
        blocks = self.rest[[sum(sizes[:k]) for k in range(len(sizes))].index(start)]
        assert blocks.shape == (n_levels, size, size)
        return blocks

    def predictor_variances(self, design: Design) -> np.ndarray:
        """Return Var(eta_i) of the rows of a design; unknown levels add nothing."""
        return self.unit * self.variances.rows(design)


def _at_least(blocks: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Raise variances that random errors made too small."""
    index = np.arange(blocks.shape[1])
    blocks[:, index, index] = np.maximum(
        blocks[:, index, index], least[:, index, index]
    )
    return blocks


def _symmetric(blocks: np.ndarray) -> np.ndarray:
    return 0.5 * (blocks + blocks.transpose(0, 2, 1))


#: Which entry of a table belongs to each row, covariates to multiply with, the table.
_Table = tuple[np.ndarray | None, np.ndarray | None, np.ndarray]


class _Predictor:
    """Contribution of vectors of effects to the rows of a design."""

    def __init__(self, design: Design, vectors: Vectors) -> None:
        first = design.eliminated
        assert first is not None
        self._tables: list[_Table] = [_factor_table(first, vectors.own)]
        for part, columns in present_parts(design, len(vectors.rest)):
            block = vectors.rest[columns]
            if isinstance(part, RandomFactor):
                table = block.reshape(part.n_levels, part.size, -1)
                self._tables.append(_factor_table(part, table))
            else:
                product = (part.values.astype(block.dtype) @ block)[:, None]
                self._tables.append((part.index, None, product))

    def rows(self, rows: slice) -> np.ndarray:
        """Return the values of some rows, (n, t)."""
        parts = []
        for index, z, table in self._tables:
            chosen = table[rows] if index is None else table[index[rows]]
            if z is None:
                values = chosen[:, 0]
            elif z.shape[1] == 1:
                values = chosen[:, 0] * z[rows]
            else:
                values = np.einsum("ia,iat->it", z[rows], chosen)
            parts.append(values)
        return sum(parts[1:], start=parts[0])


def _factor_table(factor: RandomFactor, table: np.ndarray) -> _Table:
    """Levels, covariates, zero where the level is unknown, and effects."""
    return factor.codes, _known_z(factor).astype(table.dtype), table


def _known_z(factor: RandomFactor) -> np.ndarray:
    """Covariates, zero where the level is unknown."""
    return np.where(factor.codes[:, None] >= 0, factor.z, 0.0)
