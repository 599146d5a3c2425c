"""Weighted cross-products of a design, level by level in the size of each level."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bead_sklearn.effects import RandomFactor
from bead_sklearn.solvers._crossproducts import Crossproducts
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._level_groups import LevelRows, batch_rows, group_levels

#: Elements of the rest that are brought together at once.
_CHUNK_ELEMENTS = 4_000_000


class LevelwiseProducts(NamedTuple):
    """Cross-products under one set of row weights W.

    Attributes
    ----------
    own : list of ndarray of shape (n_members, size, size)
        Z'WZ of the levels of each group of the eliminated factor.
    cross : list of ndarray of shape (n_members, size, m)
        Their Z'WT with the rest T.
    rest : ndarray of shape (m, m)
        T'WT.
    """

    own: list[np.ndarray]
    cross: list[np.ndarray]
    rest: np.ndarray


class LevelwiseCrossproducts:
    """Cross-products of a design whose eliminated factor has levels of many sizes.

    Parameters
    ----------
    design : Design
        The linear predictor.

    Attributes
    ----------
    groups : LevelGroups
        Levels of the eliminated factor.
    batches : list of LevelRows
        Its rows.
    """

    def __init__(self, design: Design) -> None:
        first = design.eliminated
        assert first is not None
        assert first.sizes is not None
        self.design = design
        self.groups = group_levels(first.sizes)
        self.batches = batch_rows(self.groups, first.codes, first.z)
        self._rest = Crossproducts(design)

    def compute(self, weights: np.ndarray, *, with_fixed: bool) -> LevelwiseProducts:
        """Return the cross-products under ``weights`` (n_rows,).

        Without ``with_fixed`` the columns of the fixed part are left out of the rest.
        """
        m = self.design.n_rest - (0 if with_fixed else self.design.n_fixed)
        own, cross = self._zeros(None), self._zeros(m)
        for batch in self.batches:
            weighted = (batch.z * weights[batch.rows][:, :, None]).transpose(0, 2, 1)
            own[batch.group][batch.places] = weighted @ batch.z
            for part in chunks(batch, m):
                rows = rest_rows(self.design, batch.rows[part], m)
                cross[batch.group][batch.places[part]] = weighted[part] @ rows
        rest = self._rest.compute_rest(weights, with_fixed=with_fixed)
        return LevelwiseProducts(own, cross, rest)

    def _zeros(self, n_columns: int | None) -> list[np.ndarray]:
        return [
            np.zeros((len(levels), size, size if n_columns is None else n_columns))
            for levels, size in zip(self.groups.members, self.groups.sizes, strict=True)
        ]


def chunks(batch: LevelRows, n_columns: int) -> Iterator[slice]:
    """Yield parts of the levels of a batch whose rows of the rest fit in memory."""
    n_levels, n_rows = batch.rows.shape
    step = max(1, _CHUNK_ELEMENTS // max(1, n_rows * n_columns))
    for start in range(0, n_levels, step):
        yield slice(start, start + step)


def rest_rows(design: Design, rows: np.ndarray, m: int) -> np.ndarray:
    """Return the first ``m`` columns of the rest at some rows, (*rows.shape, m)."""
    at = rows.ravel()
    result = np.zeros((len(at), m))
    *factor_slices, ridge, fixed = design.rest_slices
    for factor, part in zip(design.rest_factors, factor_slices, strict=True):
        _scatter(factor, at, result[:, part])
    dense = [(design.ridge, ridge)] if design.ridge is not None else []
    if m > fixed.start:
        dense.append((design.fixed, fixed))
    for block, part in dense:
        index = at if block.index is None else block.index[at]
        result[:, part] = block.values[index]
    return result.reshape(*rows.shape, m)


def _scatter(factor: RandomFactor, rows: np.ndarray, result: np.ndarray) -> None:
    """Write the columns of a factor; unknown levels have none."""
    known = np.flatnonzero(factor.codes[rows] >= 0)
    columns = factor.codes[rows[known]][:, None] * factor.size + np.arange(factor.size)
    result[known[:, None], columns] = factor.z[rows[known]]
