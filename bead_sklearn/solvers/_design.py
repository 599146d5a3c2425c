"""The linear predictor as the solvers see it.

    eta = offset + X beta + F b + sum_k Z_k u_k

with X the fixed part, F features under a ridge, b ~ N(0, tau^2 I), and one Z_k per
grouping factor; the offset is known. With several outputs per row each of them has its
own beta, b and u; the coefficients of a column stand together, one per output, and
``eta`` is flat: the outputs of the first row, then those of the second.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from bead_sklearn.effects import RandomFactor


@dataclass(frozen=True)
class DenseBlock:
    """Dense columns, stored once per distinct row.

    Attributes
    ----------
    values : ndarray of shape (n_distinct, n_columns)
        The distinct rows.
    index : ndarray of shape (n_rows,) or None
        Row i of the block is ``values[index[i]]``; None means ``values[i]``.
    """

    values: np.ndarray
    index: np.ndarray | None = None

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])

    def rows(self) -> np.ndarray:
        """Return the block row by row."""
        return self.values if self.index is None else self.values[self.index]

    def matvec(self, coefficients: np.ndarray) -> np.ndarray:
        """Return the product with coefficients (n_columns,) or (n_columns, J)."""
        product = self.values @ coefficients
        return product if self.index is None else product[self.index]

    def distinct_sums(self, x: np.ndarray) -> np.ndarray:
        """Sum ``x`` over the rows that share a distinct row."""
        if self.index is None:
            return x
        n_distinct = len(self.values)
        if x.ndim == 1:
            return np.bincount(self.index, weights=x, minlength=n_distinct)
        sums = [np.bincount(self.index, column, n_distinct) for column in x.T]
        return np.stack(sums, axis=1)

    def rmatvec(self, x: np.ndarray) -> np.ndarray:
        """Return the product of the transposed block with (n_rows,) or (n_rows, J)."""
        return self.values.T @ self.distinct_sums(x)

    def take(self, rows: np.ndarray) -> DenseBlock:
        """Return the block at some rows."""
        return DenseBlock(self.values, rows if self.index is None else self.index[rows])


@dataclass(frozen=True)
class Design:
    """All parts of the linear predictor.

    The factor with most effects comes first: it is the one that the solvers eliminate
    (its block of the normal equations is block diagonal). The others, the ridge
    features and the fixed part together are "the rest".

    Attributes
    ----------
    n_rows : int
        Number of rows.
    fixed : DenseBlock
        Fixed part.
    ridge : DenseBlock or None
        Features under a ridge.
    factors : tuple of RandomFactor
        Grouping factors.
    n_outputs : int
        Number of linear predictors per row, J.
    ridge_contrast : ndarray of shape (J, J) or None
        L such that the ridge coefficients of a feature have the covariance
        tau^2 L L' over the outputs; None is the identity.
    sets : ndarray of shape (n_rows,) or None
        Set of each row where the rows of a set compete. A factor that is not constant
        within sets cannot be eliminated.
    offset : ndarray of shape (n_eta,) or None
        Known part of eta.
    """

    n_rows: int
    fixed: DenseBlock
    ridge: DenseBlock | None = None
    factors: tuple[RandomFactor, ...] = field(default=())
    n_outputs: int = 1
    ridge_contrast: np.ndarray | None = None
    sets: np.ndarray | None = None
    offset: np.ndarray | None = None

    def __post_init__(self) -> None:
        marked = (
            factor
            if self._is_constant(factor)
            else replace(factor, varies_in_sets=True)
            for factor in self.factors
        )
        order = sorted(
            marked, key=lambda factor: (factor.varies_in_sets, -factor.n_effects)
        )
        object.__setattr__(self, "factors", tuple(order))

    def _is_constant(self, factor: RandomFactor) -> bool:
        """Whether all rows of a set have the same level of a factor."""
        if self.sets is None:
            return True
        same_set = self.sets[1:] == self.sets[:-1]
        return bool((factor.codes[1:] == factor.codes[:-1])[same_set].all())

    @cached_property
    def n_eliminated(self) -> int:
        """Number of factors that are eliminated, 0 or 1."""
        return int(bool(self.factors) and not self.factors[0].varies_in_sets)

    @property
    def eliminated(self) -> RandomFactor | None:
        """The factor whose effects are eliminated first."""
        return self.factors[0] if self.n_eliminated else None

    @property
    def rest_factors(self) -> tuple[RandomFactor, ...]:
        """The factors that are not eliminated."""
        return self.factors[self.n_eliminated :]

    @cached_property
    def rest_slices(self) -> list[slice]:
        """Columns of each part of the rest: factors, ridge, fixed."""
        sizes = [factor.n_effects for factor in self.rest_factors]
        n_ridge = self.ridge.n_columns if self.ridge is not None else 0
        sizes += [n_ridge * self.n_outputs, self.n_fixed]
        ends = np.cumsum(sizes)
        return [
            slice(int(end - size), int(end))
            for end, size in zip(ends, sizes, strict=True)
        ]

    @property
    def n_rest(self) -> int:
        """Number of columns of the rest, the fixed part included."""
        return self.rest_slices[-1].stop

    @property
    def n_fixed(self) -> int:
        """Number of coefficients of the fixed part."""
        return self.fixed.n_columns * self.n_outputs

    @property
    def n_eta(self) -> int:
        """Number of entries of eta."""
        return self.n_rows * self.n_outputs

    def dense_matvec(self, block: DenseBlock, coefficients: np.ndarray) -> np.ndarray:
        """Return the contribution of a dense block to eta."""
        if self.n_outputs == 1:
            return block.matvec(coefficients)
        return block.matvec(coefficients.reshape(-1, self.n_outputs)).ravel()

    def dense_rmatvec(self, block: DenseBlock, x: np.ndarray) -> np.ndarray:
        """Return the product of a transposed dense block with ``x`` (n_eta,)."""
        if self.n_outputs == 1:
            return block.rmatvec(x)
        return block.rmatvec(x.reshape(-1, self.n_outputs)).ravel()

    def rest_matvec(self, coefficients: np.ndarray) -> np.ndarray:
        """Return the contribution of the rest to each row.

        ``coefficients`` has ``n_rest`` entries, or lacks those of the fixed part.
        """
        *factor_slices, ridge, fixed = self.rest_slices
        total = np.zeros(self.n_eta)
        for factor, part in zip(self.rest_factors, factor_slices, strict=True):
            effects = coefficients[part].reshape(factor.n_levels, factor.size)
            total += factor.matvec(effects)
        if self.ridge is not None:
            total += self.dense_matvec(self.ridge, coefficients[ridge])
        if len(coefficients) > fixed.start:
            total += self.dense_matvec(self.fixed, coefficients[fixed])
        return total

    def rest_rmatvec(self, x: np.ndarray, *, with_fixed: bool) -> np.ndarray:
        """Return the product of the transposed rest with ``x``."""
        parts = [factor.rmatvec(x).ravel() for factor in self.rest_factors]
        if self.ridge is not None:
            parts.append(self.dense_rmatvec(self.ridge, x))
        if with_fixed:
            parts.append(self.dense_rmatvec(self.fixed, x))
        return np.concatenate(parts) if parts else np.zeros(0)

    def take(self, rows: np.ndarray) -> Design:
        """Return the design at some rows."""
        offset = self.offset
        if offset is not None:
            offset = offset.reshape(self.n_rows, -1)[rows].ravel()
        return replace(
            self,
            n_rows=len(rows),
            fixed=self.fixed.take(rows),
            ridge=None if self.ridge is None else self.ridge.take(rows),
            factors=tuple(factor.take(rows) for factor in self.factors),
            sets=None,
            offset=offset,
        )

    def per_output(self) -> Design:
        """Return the design as it acts on one output."""
        return replace(
            self,
            n_outputs=1,
            ridge_contrast=None,
            offset=None,
            factors=tuple(factor.per_output() for factor in self.factors),
        )
