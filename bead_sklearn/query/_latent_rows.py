"""Linear predictors as vectors whose inner products are their covariances."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class OwnTerms:
    """What the predictors of one level of a factor share.

    Attributes
    ----------
    factor : str
        Name of the factor.
    kind : {"known", "new", "outside"}
        Whether these are effects of levels seen in fit, of new levels, or coefficients
        outside of the bases of the levels.
    codes : ndarray of shape (n,)
        Level of each predictor; -1 where it has no such term.
    values : ndarray of shape (n, r)
        Coefficients of the r standard normal variables of the level.
    """

    factor: str
    kind: str
    codes: Ints
    values: Floats

    def take(self, rows: Ints) -> OwnTerms:
        """Return the terms of some predictors."""
        return replace(self, codes=self.codes[rows], values=self.values[rows])

    def covariance(self, other: OwnTerms) -> Floats:
        """Return the part of the covariance, (n, n_other)."""
        same = (self.codes[:, None] == other.codes) & (other.codes >= 0)
        product: Floats = self.values @ other.values.T
        return np.where(same, product, 0.0)

    def weighted(self, weights: Floats, to: OwnTerms) -> Floats:
        """Return sum_t weights_t cov(t, a) for the predictors a of other terms."""
        n_levels = 1 + int(max(self.codes.max(initial=0), to.codes.max(initial=0)))
        known = self.codes >= 0
        sums = np.stack(
            [
                np.bincount(self.codes[known], weights[known] * column[known], n_levels)
                for column in self.values.T
            ],
            axis=1,
        )
        result: Floats = np.einsum("ij,ij->i", sums[to.codes], to.values)
        return np.where(to.codes >= 0, result, 0.0)


@dataclass(frozen=True)
class LatentRows:
    """Linear predictors as vectors of standard normal variables.

    Attributes
    ----------
    mean : ndarray of shape (n,)
        Posterior mean of each predictor.
    shared : ndarray of shape (n, k)
        Coefficients of the variables that all share.
    own : tuple of OwnTerms
        Terms of levels.
    """

    mean: Floats
    shared: Floats
    own: tuple[OwnTerms, ...]

    def __len__(self) -> int:
        """Count the predictors."""
        return len(self.mean)

    def take(self, rows: Ints) -> LatentRows:
        """Return some of the predictors."""
        own = tuple(terms.take(rows) for terms in self.own)
        return LatentRows(self.mean[rows], self.shared[rows], own)

    def variance(self) -> Floats:
        """Return the variance of each predictor."""
        total: Floats = np.einsum("ij,ij->i", self.shared, self.shared)
        for terms in self.own:
            squares = np.square(terms.values).sum(axis=1)
            total = total + np.where(terms.codes >= 0, squares, 0.0)
        return total

    def joined(self, *others: LatentRows) -> LatentRows:
        """Return these predictors and others, whose terms are of the same kinds."""
        every = (self, *others)
        own = tuple(
            replace(
                first,
                codes=np.concatenate([rows.own[k].codes for rows in every]),
                values=np.concatenate([rows.own[k].values for rows in every]),
            )
            for k, first in enumerate(self.own)
        )
        mean = np.concatenate([rows.mean for rows in every])
        return LatentRows(mean, np.concatenate([rows.shared for rows in every]), own)

    def covariance(self, other: LatentRows) -> Floats:
        """Return the covariances with other predictors, (n, n_other)."""
        total: Floats = self.shared @ other.shared.T
        for terms, others in zip(self.own, other.own, strict=True):
            total = total + terms.covariance(others)
        return total
