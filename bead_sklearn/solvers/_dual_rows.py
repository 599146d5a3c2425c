"""The rows that dual equations are in: those of one level next to each other.

A judgment has a row for each of its outputs, or for each of its alternatives but the
last, as the difference to that one: adding a constant to all utilities changes
nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise

import numpy as np

from bead_sklearn.effects import RandomFactor
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._levelwise_products import rest_rows
from bead_sklearn.solvers._roots import CurvatureRoots, curvature_roots


class DualRows(ABC):
    """Rows of a design with an eliminated factor, sorted by its levels.

    Parameters
    ----------
    design : Design
        The linear predictor.

    Attributes
    ----------
    counts : ndarray of shape (q,)
        Number of rows of each level.
    """

    counts: np.ndarray

    def __init__(self, design: Design) -> None:
        first = design.eliminated
        assert first is not None
        self.design = design
        self.first: RandomFactor = first

    @property
    def levels(self) -> list[slice]:
        """Rows of each level."""
        ends = np.concatenate([[0], np.cumsum(self.counts)]).tolist()
        return [slice(start, stop) for start, stop in pairwise(ends)]

    @abstractmethod
    def from_eta(self, eta: np.ndarray) -> np.ndarray:
        """Return flat ``eta`` as rows."""

    @abstractmethod
    def to_eta(self, x: np.ndarray) -> np.ndarray:
        """Return the transpose of `from_eta`."""

    @abstractmethod
    def roots(self, curvature: np.ndarray) -> CurvatureRoots:
        """Return the roots of a curvature in its own layout."""

    @abstractmethod
    def rest(self, roots: CurvatureRoots, m: int) -> np.ndarray:
        """Return V'T of the first ``m`` columns of the rest, (n_rows, m)."""

    @abstractmethod
    def effects(self, roots: CurvatureRoots) -> np.ndarray:
        """Return V'Z of the effects of the level of each row, (n_rows, r)."""

    @abstractmethod
    def like_curvature(
        self, roots: CurvatureRoots, blocks: list[np.ndarray]
    ) -> np.ndarray:
        """Return (n, size, size) blocks of the judgments in the curvature's layout."""

    @abstractmethod
    def scaled(self, effects: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Multiply V'Z by L."""


class OutputRows(DualRows):
    """A row for each output of each judgment."""

    def __init__(self, design: Design) -> None:
        super().__init__(design)
        n_outputs = design.n_outputs
        self._order = np.argsort(self.first.codes, kind="stable")
        self._rows = np.arange(design.n_eta).reshape(-1, n_outputs)
        self.counts = n_outputs * np.bincount(
            self.first.codes, minlength=self.first.n_levels
        )
        single = design.per_output()
        self._z = self.first.z[self._order]
        self._rest = rest_rows(single, self._order, single.n_rest)

    def from_eta(self, eta: np.ndarray) -> np.ndarray:
        """Return flat ``eta`` as rows."""
        return eta.reshape(self._rows.shape)[self._order].ravel()

    def to_eta(self, x: np.ndarray) -> np.ndarray:
        """Return the transpose of `from_eta`."""
        result = np.empty(self._rows.shape)
        result[self._order] = x.reshape(self._rows.shape)
        return result.ravel()

    def roots(self, curvature: np.ndarray) -> CurvatureRoots:
        """Return the roots of a curvature (n, J, J), (n, J) or (n,)."""
        own = curvature[self._order]
        if own.ndim < 3:
            own = own.reshape(len(own), -1, 1) * np.eye(self._rows.shape[1])
        return curvature_roots([self._rows], [own])

    def rest(self, roots: CurvatureRoots, m: int) -> np.ndarray:
        """Return V'T of the first ``m`` columns of the rest."""
        return self._expand(roots, self._rest[:, : m // self._rows.shape[1]])

    def effects(self, roots: CurvatureRoots) -> np.ndarray:
        """Return V'Z."""
        return self._expand(roots, self._z)

    def _expand(self, roots: CurvatureRoots, columns: np.ndarray) -> np.ndarray:
        """V' times one column per column and output, the output fastest."""
        [lower] = roots.lower
        turned = lower.transpose(0, 2, 1)
        result = turned[:, :, None, :] * columns[:, None, :, None]
        return result.reshape(self._rows.size, -1)

    def scaled(self, effects: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Multiply V'Z by L, whose effects covary over the outputs only."""
        n_outputs = self._rows.shape[1]
        k = len(scale) // n_outputs
        at = np.arange(k)
        own = scale.reshape(k, n_outputs, k, n_outputs)[at, :, at]
        by_effect = effects.reshape(-1, k, n_outputs).transpose(1, 0, 2)
        result = (by_effect @ own).transpose(1, 0, 2)
        return result.reshape(effects.shape)

    def like_curvature(
        self, roots: CurvatureRoots, blocks: list[np.ndarray]
    ) -> np.ndarray:
        """Return the blocks in the order of the judgments."""
        [sorted_blocks] = blocks
        result = np.empty_like(sorted_blocks)
        result[self._order] = sorted_blocks
        return result.ravel() if self._rows.shape[1] == 1 else result


class SetRows(DualRows):
    """A row for each alternative of a judgment but its last."""

    def __init__(self, design: Design) -> None:
        super().__init__(design)
        assert design.sets is not None
        starts = np.flatnonzero(np.diff(design.sets, prepend=-1))
        sizes = np.diff(np.append(starts, design.n_rows))
        codes = self.first.codes[starts]
        order = np.argsort(codes, kind="stable")
        starts, sizes, codes = starts[order], sizes[order], codes[order]
        n_others = sizes - 1
        self.counts = np.bincount(
            codes, weights=n_others, minlength=self.first.n_levels
        ).astype(np.intp)
        first_row = np.cumsum(n_others) - n_others
        within = np.arange(n_others.sum()) - np.repeat(first_row, n_others)
        self._own = np.repeat(starts, n_others) + within
        self._last = np.repeat(starts + n_others, n_others)
        # Pairs of rows of a set stand in one block, sorted by the first.
        all_starts = np.flatnonzero(np.diff(design.sets, prepend=-1))
        all_sizes = np.diff(np.append(all_starts, design.n_rows))
        first_pair = (np.cumsum(all_sizes**2) - all_sizes**2)[order]
        self._n_pairs = int((all_sizes**2).sum())
        self._rows, self._pairs = [], []
        for size in np.unique(sizes[sizes > 1]):
            which = np.flatnonzero(sizes == size)
            self._rows.append(first_row[which][:, None] + np.arange(size - 1))
            grid = np.add.outer(size * np.arange(size - 1), np.arange(size - 1))
            self._pairs.append(first_pair[which][:, None, None] + grid)
        self._z = self.first.z[self._own] - self.first.z[self._last]
        self._rest = rest_rows(design, self._own, design.n_rest)
        self._rest -= rest_rows(design, self._last, design.n_rest)

    def from_eta(self, eta: np.ndarray) -> np.ndarray:
        """Return differences of ``eta`` to that of the last alternative."""
        return eta[self._own] - eta[self._last]

    def to_eta(self, x: np.ndarray) -> np.ndarray:
        """Return the transpose of `from_eta`."""
        n = self.design.n_rows
        return np.bincount(self._own, x, n) - np.bincount(self._last, x, n)

    def roots(self, curvature: np.ndarray) -> CurvatureRoots:
        """Return the roots of a curvature at the pairs of rows."""
        return curvature_roots(self._rows, [curvature[at] for at in self._pairs])

    def rest(self, roots: CurvatureRoots, m: int) -> np.ndarray:
        """Return V'T of the first ``m`` columns of the rest."""
        return roots.times_transposed(self._rest[:, :m])

    def effects(self, roots: CurvatureRoots) -> np.ndarray:
        """Return V'Z."""
        return roots.times_transposed(self._z)

    def scaled(self, effects: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Multiply V'Z by L."""
        sds = np.diagonal(scale)
        if (scale == np.diag(sds)).all():
            return effects * sds
        return effects @ scale

    def like_curvature(
        self, roots: CurvatureRoots, blocks: list[np.ndarray]
    ) -> np.ndarray:
        """Return the blocks at the pairs of rows, 0 for the last alternatives."""
        result = np.zeros(self._n_pairs)
        for at, block in zip(self._pairs, blocks, strict=True):
            result[at] = block
        return result


def dual_rows(design: Design) -> DualRows:
    """Return the rows of dual equations of a design with an eliminated factor."""
    return OutputRows(design) if design.sets is None else SetRows(design)
