"""A grouping factor with the covariates whose effects vary over its levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy import sparse

from bead_sklearn.effects._covariance import CovarianceStructure, diagonal_covariance

#: Number of covariates from which one product over all is faster than one for each.
_SPARSE_FROM = 4

#: Elements of the effects of the levels of rows that are brought together at once.
_CHUNK_ELEMENTS = 1_000_000


@dataclass(frozen=True)
class RandomFactor:
    """A grouping factor and what varies over its levels.

    Attributes
    ----------
    name : str
        Name of the factor.
    codes : ndarray of shape (n_rows,)
        Level of each row; -1 is an unknown level (only in prediction).
    n_levels : int
        Number of levels, q.
    z : ndarray of shape (n_rows, r)
        Covariates of the random effects; a column of ones is an intercept.
    structure : CovarianceStructure
        How the effects of one level vary together: r of them, or r times the number
        of outputs, ordered by covariate and then by output.
    effect_names : tuple of str
        Names of the effects; of the coefficients of all features where the effects are
        coordinates of these in a basis.
    varies_in_sets : bool
        Whether rows of one choice set may have different levels, as the items that
        are chosen among have.
    sizes : ndarray of shape (q,) or None
        Number of effects of each level that its rows in the fit tell of, the first of
        the r; the covariates of the others are zero there. None: all.
    unspanned : ndarray of shape (n_rows,) or None
        Squared length of what the basis of its level leaves of each row. Its
        coefficients have the variance of the last effect. None: nothing is left.
    outside : ndarray of shape (n_rows, d) or None
        That part of each row itself, if asked for.
    """

    name: str
    codes: np.ndarray
    n_levels: int
    z: np.ndarray
    structure: CovarianceStructure
    effect_names: tuple[str, ...]
    varies_in_sets: bool = False
    sizes: np.ndarray | None = None
    unspanned: np.ndarray | None = None
    outside: np.ndarray | None = None

    @property
    def size(self) -> int:
        """Number of effects per level."""
        return self.structure.size

    @property
    def n_outputs(self) -> int:
        """Number of linear predictors per row, J."""
        return self.size // self.z.shape[1]

    @property
    def n_effects(self) -> int:
        """Number of effects of all levels."""
        return self.n_levels * self.size

    def matvec(self, effects: np.ndarray) -> np.ndarray:
        """Return the contribution of ``effects`` (q, r J) to eta, (n J,).

        An unknown level contributes nothing.
        """
        n_rows, r = self.z.shape
        if self.n_outputs == 1 and r < _SPARSE_FROM:
            product = self.z[:, 0] * effects[:, 0][self.codes]
            for column in range(1, r):
                product += self.z[:, column] * effects[:, column][self.codes]
        elif self.n_outputs == 1:
            product = np.einsum("ij,ij->i", self.z, effects[self.codes])
        else:
            by_output = effects.reshape(self.n_levels, r, self.n_outputs)
            product = np.empty((n_rows, self.n_outputs))
            step = max(1, _CHUNK_ELEMENTS // max(1, self.size))
            for start in range(0, n_rows, step):
                rows = slice(start, start + step)
                own = by_output[self.codes[rows]]
                product[rows] = (self.z[rows, None, :] @ own)[:, 0]
        product = product.reshape(n_rows, -1)
        if not self._all_known:
            product = np.where(self.codes[:, None] >= 0, product, 0.0)
        return product.ravel()

    def rmatvec(self, x: np.ndarray) -> np.ndarray:
        """Return the sums of ``x`` times the covariates per level, (q, r J)."""
        by_output = x.reshape(-1, self.n_outputs).T
        n_rows, r = self.z.shape
        if r >= _SPARSE_FROM:
            starts, shape = np.arange(n_rows + 1), (self.n_levels, n_rows)
            products = [
                sparse.csc_array((output.copy(), self.codes, starts), shape) @ self.z
                for output in by_output
            ]
            return np.stack(products, axis=2).reshape(self.n_levels, self.size)
        if self.size == 1:
            sums: np.ndarray = self._by_level[0] @ x
            return sums[:, None]
        if len(by_output) == 1:
            return np.stack([matrix @ x for matrix in self._by_level], axis=1)
        products = [matrix @ by_output.T for matrix in self._by_level]
        return np.stack(products, axis=1).reshape(self.n_levels, self.size)

    @cached_property
    def _all_known(self) -> bool:
        return bool((self.codes >= 0).all())

    @cached_property
    def _by_level(self) -> list[sparse.csr_array]:
        """Each covariate as a matrix (q, n_rows); its rows are gathered, not added to.

        Adding up row by row, as bincount does, waits for the last sum wherever
        neighbouring rows share a level.
        """
        order = np.argsort(self.codes, kind="stable")
        order = order[np.searchsorted(self.codes[order], 0) :]
        starts = np.searchsorted(self.codes[order], np.arange(self.n_levels + 1))
        shape = self.n_levels, len(self.codes)
        index = np.int32 if len(order) < 2**31 else np.int64
        order, starts = order.astype(index), starts.astype(index)
        return [
            sparse.csr_array((column[order], order, starts), shape=shape)
            for column in self.z.T
        ]

    def take(self, rows: np.ndarray) -> RandomFactor:
        """Return the factor at some rows."""
        unspanned, outside = (
            None if part is None else part[rows]
            for part in (self.unspanned, self.outside)
        )
        return replace(
            self,
            codes=self.codes[rows],
            z=self.z[rows],
            unspanned=unspanned,
            outside=outside,
        )

    def per_output(self) -> RandomFactor:
        """Return the factor as it acts on one output."""
        structure = diagonal_covariance(np.ones(self.z.shape[1]))
        return replace(self, structure=structure)


def rows_by_level(codes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each known level with the positions of its rows."""
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    levels, starts = np.unique(codes[order], return_index=True)
    bounds = pairwise([*starts.tolist(), len(order)])
    for level, (start, stop) in zip(levels.tolist(), bounds, strict=True):
        yield level, order[start:stop]
