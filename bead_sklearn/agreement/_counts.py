"""How often each label was given to each unit: all that most coefficients read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bead_sklearn.agreement._ratings import check_level, label_values

Floats = NDArray[np.float64]


class UnitCounts:
    """Labels of units, without who gave them.

    Every coefficient takes ``weights`` of shape (n_samples, n_units), how often each
    unit stands in each of several samples, and returns one value per sample: resampled
    units cost one product of matrices. None is a single sample, the units as they are.

    Parameters
    ----------
    codes : ndarray of shape (n_ratings,)
        Positions in ``labels``.
    units : ndarray of shape (n_ratings,)
        The unit of each rating.
    labels : list
        Labels in their order.
    n_units : int
        Number of units.
    """

    def __init__(
        self,
        codes: NDArray[np.intp],
        units: NDArray[np.intp],
        labels: list[Any],
        n_units: int,
    ) -> None:
        self.labels = labels
        shape = (n_units, len(labels))
        counts = sparse.coo_matrix((np.ones(len(codes)), (units, codes)), shape=shape)
        self.counts = sparse.csr_matrix(counts)
        self.totals: Floats = np.asarray(self.counts.sum(axis=1)).ravel()

    @classmethod
    def from_codes(cls, codes: NDArray[np.intp], labels: list[Any]) -> UnitCounts:
        """Count a table of codes, annotators by units, -1 where one is missing."""
        rows, units = np.nonzero(codes >= 0)
        return cls(codes[rows, units], units, labels, codes.shape[1])

    def alpha(self, level: str, weights: Floats | None = None) -> Floats:
        """Return Krippendorff's alpha; NaN where chance leaves no disagreement."""
        check_level(level)
        paired = self.totals > 1
        counts = self.counts[paired]
        totals = self.totals[paired]
        w = np.ones((1, len(totals))) if weights is None else weights[:, paired]
        margins = w @ counts
        n = margins.sum(axis=1)
        if level == "nominal":
            within = np.square(totals) - _row_sums(counts.multiply(counts))
            observed = w @ (within / (totals - 1.0))
            expected = np.square(n) - np.square(margins).sum(axis=1)
        elif level == "ratio":
            distances = ratio_distances(label_values(self.labels, level))
            within = _row_sums(counts.multiply(counts @ distances))
            observed = w @ (within / (totals - 1.0))
            expected = np.sum((margins @ distances) * margins, axis=1)
        else:
            values = (
                np.cumsum(margins, axis=1) - margins / 2.0
                if level == "ordinal"
                else self._centred(level)[None, :]
            )
            observed, expected = _squares(counts, totals, w, margins, values)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (n - 1.0) * observed / expected
        varied = (np.count_nonzero(margins, axis=1) > 1) & (expected > 0)
        return np.where(varied, 1.0 - ratio, np.nan)

    def percent(self, weights: Floats | None = None) -> Floats:
        """Return the mean over units of the share of pairs that agree."""
        paired = self.totals > 1
        totals = self.totals[paired]
        squares = _row_sums(self.counts[paired].multiply(self.counts[paired]))
        shares = (squares - totals) / (totals * (totals - 1.0))
        w = np.ones((1, len(totals))) if weights is None else weights[:, paired]
        with np.errstate(divide="ignore", invalid="ignore"):
            result: Floats = (w @ shares) / w.sum(axis=1)
        return result

    def kappa(self, weights: Floats | None = None) -> Floats:
        """Return Fleiss' kappa; NaN where all labels are the same."""
        rated = self.totals > 0
        shares = sparse.diags(1.0 / self.totals[rated]) @ self.counts[rated]
        w = np.ones((1, int(rated.sum()))) if weights is None else weights[:, rated]
        with np.errstate(divide="ignore", invalid="ignore"):
            margins = (w @ shares) / w.sum(axis=1, keepdims=True)
            chance = np.square(margins).sum(axis=1)
            result = (self.percent(weights) - chance) / (1.0 - chance)
        return np.where(np.count_nonzero(margins, axis=1) > 1, result, np.nan)

    def _centred(self, level: str) -> Floats:
        values = label_values(self.labels, level)
        margins = np.asarray(self.counts.sum(axis=0)).ravel()
        return values - np.average(values, weights=margins) if len(values) else values


def ratio_distances(values: Floats) -> Floats:
    """Return squared differences over sums, 0 for two zeros."""
    difference = values[:, None] - values[None, :]
    total = values[:, None] + values[None, :]
    ratio = np.divide(
        difference, total, out=np.zeros_like(difference), where=total != 0
    )
    return np.square(ratio)


def _squares(
    counts: Any, totals: Floats, w: Floats, margins: Floats, values: Floats
) -> tuple[Floats, Floats]:
    """Return sums of squared differences, within units and over all pairs.

    ``values`` has one row per sample, or one for all; the ranks of an ordinal scale
    depend on the sample.
    """
    first, second = counts @ values.T, counts @ np.square(values).T
    within = 2.0 * (totals[:, None] * second - np.square(first))
    within /= (totals - 1.0)[:, None]
    observed = w @ within[:, 0] if len(values) == 1 else np.sum(w.T * within, axis=0)
    n = margins.sum(axis=1)
    means, squares = (margins * values).sum(axis=1), (margins * values**2).sum(axis=1)
    return observed, 2.0 * (n * squares - np.square(means))


def _row_sums(matrix: Any) -> Floats:
    return np.asarray(matrix.sum(axis=1)).ravel()
