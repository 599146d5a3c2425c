"""Log-probability of an interval that moves with eta, and its derivatives.

    l = log(F(U) - F(L)),   U = upper - eta,   L = lower - eta,

with F the standard logistic or normal distribution function. One bound may be
infinite.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit, log_expit

from bead_sklearn.families._truncation import truncate_normal


class IntervalDerivatives(NamedTuple):
    """Log-probability and its derivatives in eta and in the upper bound.

    A move of both bounds is one of eta in the other direction, so that these are all
    derivatives there are.

    Attributes
    ----------
    log_probability, gradient, curvature, third : ndarray of shape (n,)
        l, l', W = -l'' and -l''' in eta.
    by_upper, gradient_by_upper, curvature_by_upper : ndarray of shape (n,)
        Derivatives of l, l' and W in the upper bound; 0 where it is infinite.
    """

    log_probability: np.ndarray
    gradient: np.ndarray
    curvature: np.ndarray
    third: np.ndarray
    by_upper: np.ndarray
    gradient_by_upper: np.ndarray
    curvature_by_upper: np.ndarray


def logistic_interval(
    upper: np.ndarray, lower: np.ndarray, width: np.ndarray
) -> IntervalDerivatives:
    """Interval of the logistic distribution.

    f = F(1 - F) makes everything closed: P = F(U) F(-L) (1 - exp(-width)),
    l' = F(L) - F(-U), W = f(U) + f(L).
    """
    f_upper, f_lower = expit(upper), expit(lower)
    above_upper, above_lower = expit(-upper), expit(-lower)
    d_upper, d_lower = f_upper * above_upper, f_lower * above_lower
    slope_upper = -d_upper * np.tanh(0.5 * upper)
    slope_lower = -d_lower * np.tanh(0.5 * lower)
    drop, share = np.exp(-width), -np.expm1(-width)
    with np.errstate(divide="ignore"):  # a width that underflows: P = 0
        log_share = np.where(drop < 0.5, np.log1p(-drop), np.log(share))
        odds = drop / share
    return IntervalDerivatives(
        log_expit(upper) + log_expit(-lower) + log_share,
        f_lower - above_upper,
        d_upper + d_lower,
        -(slope_upper + slope_lower),
        above_upper + odds,
        d_upper,
        slope_upper,
    )


def normal_interval(
    upper: np.ndarray, lower: np.ndarray, width: np.ndarray
) -> IntervalDerivatives:
    """Interval of the normal distribution, by the cumulants of its truncation.

    l' is the mean k1, l'' = k2 - 1 and l''' = k3. With a = f(U)/P, dk1/dU = a (U - k1)
    and dk2/dU = a ((U - k1)^2 - k2).
    """
    inside = truncate_normal(upper, lower, width)
    density, distance = inside.upper_density, inside.below_upper
    with np.errstate(invalid="ignore"):  # a width that underflows
        by_upper = density * distance, -density * (distance**2 - inside.variance)
    return IntervalDerivatives(
        inside.log_probability,
        inside.mean,
        inside.information,
        -inside.third,
        density,
        *by_upper,
    )
