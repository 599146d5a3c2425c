"""The linear predictor as the solvers see it.

    eta = offset + X beta + F b + sum_k Z_k u_k

with X the fixed part, F features under a ridge, b ~ N(0, tau^2 I), one Z_k per
grouping factor, and perhaps a known offset.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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
        """Return the product with a vector of coefficients, per row."""
        product = self.values @ coefficients
        return product if self.index is None else product[self.index]

    def distinct_sums(self, x: np.ndarray) -> np.ndarray:
        """Sum ``x`` over the rows that share a distinct row."""
        if self.index is None:
            return x
        return np.bincount(self.index, weights=x, minlength=len(self.values))

    def rmatvec(self, x: np.ndarray) -> np.ndarray:
        """Return the product of the transposed block with a vector of rows."""
        return self.values.T @ self.distinct_sums(x)


@dataclass(frozen=True)
class Design:
    """All parts of the linear predictor.

    The factor with most effects comes first: it is the one that the solvers eliminate
    (its block of the normal equations is block diagonal). The others, the ridge
    features and the fixed part together are "the rest". ``offset`` (n_rows,) is a
    known part of the linear predictor, None is zero.
    """

    n_rows: int
    fixed: DenseBlock
    ridge: DenseBlock | None = None
    factors: tuple[RandomFactor, ...] = field(default=())
    offset: np.ndarray | None = None

    def __post_init__(self) -> None:
        order = sorted(self.factors, key=lambda factor: -factor.n_effects)
        object.__setattr__(self, "factors", tuple(order))

    @property
    def eliminated(self) -> RandomFactor | None:
        """The factor whose effects are eliminated first."""
        return self.factors[0] if self.factors else None

    @property
    def rest_factors(self) -> tuple[RandomFactor, ...]:
        """The factors after the first."""
        return self.factors[1:]

    @property
    def rest_slices(self) -> list[slice]:
        """Columns of each part of the rest: factors, ridge, fixed."""
        sizes = [factor.n_effects for factor in self.rest_factors]
        sizes.append(self.ridge.n_columns if self.ridge is not None else 0)
        sizes.append(self.fixed.n_columns)
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
        """Number of columns of the fixed part."""
        return self.fixed.n_columns

    def rest_matvec(self, coefficients: np.ndarray) -> np.ndarray:
        """Return the contribution of the rest to each row.

        ``coefficients`` has ``n_rest`` entries, or lacks those of the fixed part.
        """
        *factor_slices, ridge, fixed = self.rest_slices
        total = np.zeros(self.n_rows)
        for factor, part in zip(self.rest_factors, factor_slices, strict=True):
            effects = coefficients[part].reshape(factor.n_levels, factor.size)
            total += factor.matvec(effects)
        if self.ridge is not None:
            total += self.ridge.matvec(coefficients[ridge])
        if len(coefficients) > fixed.start:
            total += self.fixed.matvec(coefficients[fixed])
        return total

    def rest_rmatvec(self, x: np.ndarray, *, with_fixed: bool) -> np.ndarray:
        """Return the product of the transposed rest with ``x``."""
        parts = [factor.rmatvec(x).ravel() for factor in self.rest_factors]
        if self.ridge is not None:
            parts.append(self.ridge.rmatvec(x))
        if with_fixed:
            parts.append(self.fixed.rmatvec(x))
        return np.concatenate(parts) if parts else np.zeros(0)
