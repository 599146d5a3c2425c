"""Agreement of one more annotator, such as a model, with all the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.agreement._counts import Floats, UnitCounts, ratio_distances
from bead_sklearn.agreement._ratings import label_values


def model_agreement(
    counts: UnitCounts,
    model: NDArray[np.intp],
    coefficient: str,
    level: str,
    weights: Floats | None = None,
) -> Floats:
    r"""Compare a model with annotators, on the units that two of them rated.

    The disagreement of the model with the ratings of the same unit is put in relation
    to that with the ratings of all units:

    .. math::
        1 - \frac{\sum_u \sum_k n_{uk} \delta^2(c_u, k)}
        {\frac{1}{n} \sum_u \sum_v m_u \sum_k n_{vk} \delta^2(c_u, k)}

    with :math:`c_u` the label of the model. A model with the errors of an annotator
    has the value that the annotators have with each other.

    Parameters
    ----------
    counts : UnitCounts
        Ratings of the annotators.
    model : ndarray of int of shape (n_units,)
        Labels of the model, as positions in ``counts.labels``.
    coefficient : {"krippendorff_alpha", "fleiss_kappa", "percent_agreement"}
        As which the annotators' own agreement is measured. Kappa and percentage weigh
        units alike, alpha ratings.
    level : str
        Level of measurement.
    weights : ndarray of shape (n_samples, n_units) or None, default=None
        How often each unit stands in each sample.

    Returns
    -------
    agreement : ndarray of shape (n_samples,)
        The agreement; NaN where chance leaves no disagreement.
    """
    paired = counts.totals > 1
    ratings, totals = counts.counts[paired], counts.totals[paired]
    chosen = model[paired]
    w = np.ones((1, len(totals))) if weights is None else weights[:, paired]
    rows = np.arange(len(chosen))
    if coefficient != "krippendorff_alpha":
        shares = np.asarray(ratings[rows, chosen]).ravel() / totals
        n = w.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            same = (w @ shares) / n
            if coefficient == "percent_agreement":
                return np.asarray(same)
            others = (w @ ratings.multiply(1.0 / totals[:, None]).tocsr()) / n[:, None]
            own = _margins(w, chosen, len(counts.labels)) / n[:, None]
            chance = np.sum(others * own, axis=1)
            return np.where(chance < 1.0, (same - chance) / (1.0 - chance), np.nan)
    theirs = w @ ratings
    own = _margins(w * totals, chosen, len(counts.labels))
    n = theirs.sum(axis=1)
    if level == "nominal":
        within = totals - np.asarray(ratings[rows, chosen]).ravel()
        observed, expected = w @ within, n**2 - np.sum(theirs * own, axis=1)
    elif level == "ratio":
        distances = ratio_distances(label_values(counts.labels, level))
        within = np.asarray(ratings.multiply(distances[chosen]).sum(axis=1)).ravel()
        observed, expected = w @ within, np.sum((own @ distances) * theirs, axis=1)
    else:
        values = (
            np.cumsum(theirs, axis=1) - theirs / 2.0
            if level == "ordinal"
            else label_values(counts.labels, level)[None, :]
        )
        first, second = ratings @ values.T, ratings @ np.square(values).T
        mine = values[:, chosen].T
        apart = totals[:, None] * mine**2 - 2.0 * mine * first + second
        observed = w @ apart[:, 0] if len(values) == 1 else np.sum(w.T * apart, axis=0)
        sums = [np.sum(m * values, axis=1) for m in (own, theirs)]
        squares = [np.sum(m * values**2, axis=1) for m in (own, theirs)]
        expected = n * (squares[0] + squares[1]) - 2.0 * sums[0] * sums[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(expected > 0, 1.0 - n * observed / expected, np.nan)


def _margins(w: Floats, codes: NDArray[np.intp], n_labels: int) -> Floats:
    """Sum of the weights of each label, sample by sample."""
    indicators = np.zeros((len(codes), n_labels))
    indicators[np.arange(len(codes)), codes] = 1.0
    return np.asarray(w @ indicators)
