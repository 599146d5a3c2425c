"""Bootstrap intervals of coefficients of agreement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.utils import check_random_state

from bead_sklearn.agreement._coefficients import (
    Coefficient,
    check_coefficient,
    coefficient_of,
)
from bead_sklearn.agreement._ratings import read_ratings

#: Numbers held at a time in a block of resamples.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class AgreementInterval:
    """A coefficient with its interval.

    Attributes
    ----------
    estimate : float
        The coefficient.
    low, high : float
        Ends of the interval.
    standard_error : float
        Standard deviation over the resamples.
    confidence : float
        Level of the interval.
    resamples : ndarray of shape (n_resamples,)
        The coefficient of every resample; NaN where it is not defined. Those do not
        count.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    confidence: float
    resamples: NDArray[np.float64] = field(repr=False)


def agreement_interval(
    ratings: ArrayLike,
    coefficient: str = "krippendorff_alpha",
    *,
    level: str = "nominal",
    weights: str | None = None,
    confidence: float = 0.95,
    method: str = "bca",
    n_resamples: int = 2000,
    random_state: int | np.random.RandomState | None = None,
) -> AgreementInterval:
    """Give a coefficient a bootstrap interval over units.

    Units are drawn with replacement, with all their ratings [1]_: the interval is for
    other units rated by these annotators. All resamples are computed together, as
    products with how often each unit was drawn.

    Parameters
    ----------
    ratings : array-like of shape (n_annotators, n_units)
        What each annotator said about each unit; None and NaN are missing.
    coefficient : str, default="krippendorff_alpha"
        ``"krippendorff_alpha"``, ``"fleiss_kappa"``, ``"cohen_kappa"`` (of two
        annotators) or ``"percent_agreement"``.
    level : {"nominal", "ordinal", "interval", "ratio"}, default="nominal"
        See `krippendorff_alpha`.
    weights : {None, "linear", "quadratic"}, default=None
        See `cohen_kappa`.
    confidence : float, default=0.95
        Level of the interval.
    method : {"bca", "percentile"}, default="bca"
        Quantiles of the resamples, with or without correction of bias and skewness.
    n_resamples : int, default=2000
        Number of resamples.
    random_state : int, RandomState instance or None, default=None
        Source of the draws.

    Returns
    -------
    interval : AgreementInterval
        The coefficient, its interval and standard error. NaN where the coefficient is
        not defined.

    Raises
    ------
    ValueError
        If a name is unknown, an option has no effect or a number is out of range.

    References
    ----------
    .. [1] Efron and Tibshirani (1993). An introduction to the bootstrap, chapter 14.

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.agreement import agreement_interval
    >>> rng = np.random.RandomState(0)
    >>> truth = rng.randint(3, size=200)
    >>> wrong = rng.uniform(size=(4, 200)) < 0.2
    >>> ratings = np.where(wrong, rng.randint(3, size=(4, 200)), truth)
    >>> interval = agreement_interval(ratings, random_state=0)
    >>> f"{interval.estimate:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
    '0.64 [0.58, 0.70]'
    """
    check_coefficient(coefficient, level, weights)
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}.")
    if method not in ("bca", "percentile"):
        raise ValueError(f"method must be 'bca' or 'percentile', got {method!r}.")
    if n_resamples < 2:
        raise ValueError(f"n_resamples must be at least 2, got {n_resamples}.")
    codes, labels = read_ratings(ratings)
    value = coefficient_of(codes, labels, coefficient, level, weights)
    estimate = float(value(None)[0])
    n_units = codes.shape[1]
    resamples = resample(value, n_units, n_resamples, random_state)
    defined = resamples[~np.isnan(resamples)]
    if np.isnan(estimate) or len(defined) < 2:
        nan = float("nan")
        return AgreementInterval(estimate, nan, nan, nan, confidence, resamples)
    levels = np.array([(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    if method == "bca":
        levels = bca_levels(value, n_units, estimate, defined, levels)
    low, high = np.quantile(defined, levels)
    error = float(defined.std(ddof=1))
    return AgreementInterval(
        estimate, float(low), float(high), error, confidence, resamples
    )


def resample(
    value: Coefficient, n_units: int, n_resamples: int, random_state: Any
) -> NDArray[np.float64]:
    """Compute a coefficient on units drawn with replacement, block by block."""
    rng = check_random_state(random_state)
    block = max(1, _BLOCK // max(1, n_units))
    parts = []
    for start in range(0, n_resamples, block):
        n = min(block, n_resamples - start)
        drawn = rng.randint(n_units, size=(n, n_units)) if n_units else np.empty((n, 0))
        drawn = (drawn + n_units * np.arange(n)[:, None]).astype(np.intp)
        weights = np.bincount(drawn.ravel(), minlength=n * n_units)
        parts.append(value(weights.reshape(n, n_units).astype(np.float64)))
    return np.concatenate(parts)


def bca_levels(
    value: Coefficient,
    n_units: int,
    estimate: float,
    resamples: NDArray[np.float64],
    levels: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Correct the levels of the quantiles for bias and skewness (BCa).

    Parameters
    ----------
    value : callable
        The coefficient for weights of the units.
    n_units : int
        Number of units.
    estimate : float
        The coefficient.
    resamples : ndarray of shape (n_resamples,)
        The coefficient of resamples.
    levels : ndarray of shape (n_levels,)
        Levels, between 0 and 1.

    Returns
    -------
    corrected : ndarray of shape (n_levels,)
        At which levels of the resamples the quantiles are to be taken.
    """
    below = (
        np.mean(resamples < estimate) + np.mean(resamples <= estimate)
    ) / 2.0  # ties count half
    half = 0.5 / len(resamples)
    bias = stats.norm.ppf(np.clip(below, half, 1.0 - half))
    left_out = _jackknife(value, n_units)
    centred = left_out.mean() - left_out
    spread = np.square(centred).sum()
    skew = float(np.sum(centred**3) / (6.0 * spread**1.5)) if spread > 0 else 0.0
    z = bias + stats.norm.ppf(levels)
    corrected: NDArray[np.float64] = stats.norm.cdf(bias + z / (1.0 - skew * z))
    return corrected


def _jackknife(value: Coefficient, n_units: int) -> NDArray[np.float64]:
    block = max(1, _BLOCK // n_units)
    parts = []
    for start in range(0, n_units, block):
        rows = np.arange(start, min(start + block, n_units))
        weights = np.ones((len(rows), n_units))
        weights[np.arange(len(rows)), rows] = 0.0
        parts.append(value(weights))
    left_out = np.concatenate(parts)
    return left_out[~np.isnan(left_out)]
