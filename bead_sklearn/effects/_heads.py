"""Participant-specific coefficients of many features, where judgments tell of them.

A level whose rows X_g have the coefficients b ~ N(0, tau^2 I) adds

    X_g b = (X_g Q)(Q'b),   Q'b ~ N(0, tau^2 I) for every tau,

to the linear predictor, the columns of Q being an orthonormal basis of the span of the
rows: as many effects as the level has distinct rows take the place of one per feature,
and the likelihood stays the same. (Rows in place of columns are the dual form of a
ridge; Saunders, Gammerman & Vovk 1998, Proceedings of ICML 15, 515-521.) Judgments
say nothing about the rest of b: if Q'b has mean a and covariance C given them, b has
mean Q a and covariance Q C Q' + tau^2 (I - Q Q').
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bead_sklearn.effects._factor import rows_by_level

#: Squared lengths outside of a span below this share of the whole are rounding.
_ROUNDING = 1e-12

#: Largest share of the elements of all levels' covariance matrices, one effect per
#: feature, that bases may need to be worth having.
_WORTHWHILE = 0.75


class LevelMatrices(Protocol):
    """A square matrix for each level: an array (q, r, r), or of sizes of their own."""

    def __len__(self) -> int: ...

    def __getitem__(self, level: int, /) -> np.ndarray: ...

    def __iter__(self) -> Iterator[np.ndarray]: ...


@dataclass(frozen=True)
class LevelBases:
    """An orthonormal basis of the rows of each level of a factor.

    Attributes
    ----------
    vectors : ndarray of shape (n_vectors, d)
        Basis vectors, level after level.
    starts : ndarray of shape (q + 1,)
        Those of level g are ``vectors[starts[g]:starts[g + 1]]``.
    """

    vectors: np.ndarray
    starts: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Number of vectors of each level, (q,)."""
        return np.diff(self.starts)

    @property
    def size(self) -> int:
        """Largest number of vectors of a level, k."""
        return int(self.counts.max())

    @property
    def n_levels(self) -> int:
        """Number of levels, q."""
        return len(self.starts) - 1

    def basis(self, level: int) -> np.ndarray:
        """Return the basis vectors of one level, (at most k, d)."""
        return self.vectors[self.starts[level] : self.starts[level + 1]]

    def coordinates(self, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return rows in the bases of their levels.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, d)
            Any rows.
        codes : ndarray of shape (n_rows,)
            Their levels; -1 is an unknown level, which spans nothing.

        Returns
        -------
        coordinates : ndarray of shape (n_rows, k)
            Zero beyond the vectors of the level.
        """
        result = np.zeros((len(rows), self.size))
        for level, of_level in rows_by_level(codes):
            basis = self.basis(level)
            result[of_level, : len(basis)] = rows[of_level] @ basis.T
        return result

    def outside(
        self, rows: np.ndarray, codes: np.ndarray, coordinates: np.ndarray
    ) -> np.ndarray:
        """Return what the bases leave of each row, (n_rows, d)."""
        result = rows.copy()
        for level, of_level in rows_by_level(codes):
            basis = self.basis(level)
            result[of_level] -= coordinates[of_level, : len(basis)] @ basis
        return result

    def unspanned(self, rows: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
        """Return the squared length of what the bases leave of each row, (n_rows,)."""
        whole = np.einsum("ij,ij->i", rows, rows)
        left = whole - np.einsum("ij,ij->i", coordinates, coordinates)
        return np.where(left > _ROUNDING * whole, left, 0.0)

    def coefficients(self, effects: np.ndarray) -> np.ndarray:
        """Return the coefficients of all features, (q, d), from (q, k) effects."""
        result = np.empty((self.n_levels, self.vectors.shape[1]))
        for level in range(self.n_levels):
            basis = self.basis(level)
            result[level] = effects[level, : len(basis)] @ basis
        return result

    def variances(self, level: int, covariance: np.ndarray, prior: float) -> np.ndarray:
        """Return the variances of the coefficients of all features of one level.

        Parameters
        ----------
        level : int
            The level.
        covariance : ndarray of shape (k, k)
            Covariance of its effects; those beyond its basis are not read.
        prior : float
            tau^2, the variance of what judgments say nothing about.

        Returns
        -------
        variances : ndarray of shape (d,)
            Diagonal of Q C Q' + tau^2 (I - Q Q').
        """
        basis = self.basis(level)
        known = covariance[: len(basis), : len(basis)]
        change = known - prior * np.eye(len(basis))
        return prior + np.einsum("ij,ij->j", change @ basis, basis)


def level_bases(rows: np.ndarray, codes: np.ndarray) -> LevelBases | None:
    """Return bases of the rows of each level, None if these would save little.

    A level with as many distinct rows as features, or more, has one effect per
    feature. Where most levels are like this, bases are not worth their memory.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, d)
        The rows of all levels.
    codes : ndarray of shape (n_rows,)
        Their levels, each of which has a row.
    """
    numbers, n_distinct = _number_rows(rows)
    pairs, first = np.unique(
        codes.astype(np.int64) * n_distinct + numbers, return_index=True
    )
    n_rows = np.bincount(pairs // n_distinct)
    d = rows.shape[1]
    counts = np.minimum(n_rows, d)
    if (counts**2).mean() > _WORTHWHILE * d**2:
        return None
    starts = np.concatenate([[0], np.cumsum(counts)])
    first_pairs = np.cumsum(n_rows) - n_rows
    vectors = np.empty((starts[-1], d))
    for count in np.unique(counts):
        levels = np.flatnonzero(counts == count)
        places = starts[levels][:, None] + np.arange(count)
        if count == d:
            vectors[places] = np.eye(d)
            continue
        # Where rows are linearly dependent, Q has directions beyond their span, in
        # which the coefficients have their prior: no rank need be found.
        own = first[first_pairs[levels][:, None] + np.arange(count)]
        q = np.linalg.qr(rows[own].transpose(0, 2, 1)).Q
        vectors[places] = q.transpose(0, 2, 1)
    return LevelBases(vectors, starts)


def _number_rows(rows: np.ndarray) -> tuple[np.ndarray, int]:
    """Give distinct rows numbers; return each row's number and how many there are."""
    as_bytes = np.dtype((np.void, rows.shape[1] * rows.itemsize))
    whole = np.ascontiguousarray(rows).view(as_bytes).ravel()
    distinct, numbers = np.unique(whole, return_inverse=True)
    return numbers, len(distinct)
