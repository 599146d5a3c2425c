"""Log-probability of an interval that moves with eta, and its derivatives.

    l = log(F(U) - F(L)),   U = upper - eta,   L = lower - eta,

with F the standard logistic or normal distribution function. Bounds may be infinite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import erfcx, expit, log_expit, log_ndtr

_LOG_SQRT_2PI = 0.5 * np.log(2.0 * np.pi)
_SQRT_2 = np.sqrt(2.0)


class IntervalDerivatives(NamedTuple):
    """Log-probability and its derivatives in eta and in the two bounds.

    Attributes
    ----------
    log_probability, gradient, curvature, third : ndarray of shape (n,)
        l, l', W = -l'' and -l''' in eta.
    by_bound : ndarray of shape (2, n)
        Derivatives of l in the upper and lower bound.
    gradient_by_bound, curvature_by_bound : ndarray of shape (2, n)
        The same of l' and W.
    """

    log_probability: np.ndarray
    gradient: np.ndarray
    curvature: np.ndarray
    third: np.ndarray
    by_bound: np.ndarray
    gradient_by_bound: np.ndarray
    curvature_by_bound: np.ndarray


def logistic_interval(upper: np.ndarray, lower: np.ndarray) -> IntervalDerivatives:
    """Interval of the logistic distribution.

    f = F(1 - F) makes everything closed: l' = F(U) + F(L) - 1, W = f(U) + f(L).
    """
    log_p = _log_difference(log_expit, upper, lower)
    cdf = expit(np.stack([upper, lower]))
    density = cdf * expit(-np.stack([upper, lower]))
    slope = density * (1.0 - 2.0 * cdf)
    with np.errstate(divide="ignore"):
        log_density = log_expit(np.stack([upper, lower])) + log_expit(
            -np.stack([upper, lower])
        )
    by_bound = np.exp(log_density - log_p) * np.array([[1.0], [-1.0]])
    return IntervalDerivatives(
        log_p,
        cdf[0] - expit(-lower),
        density.sum(axis=0),
        -slope.sum(axis=0),
        by_bound,
        density,
        slope,
    )


def normal_interval(upper: np.ndarray, lower: np.ndarray) -> IntervalDerivatives:
    """Interval of the normal distribution, by the partial derivatives of l.

    With a = f(U)/P and b = f(L)/P: l_U = a, l_L = -b, l_UU = -U a - a^2, l_UL = a b,
    l_LL = L b - b^2, and so on; eta moves both bounds down.
    """
    log_p = _log_difference(log_ndtr, upper, lower)
    a, b = _normal_ratios(upper, lower, log_p)
    u = np.where(np.isfinite(upper), upper, 0.0)
    v = np.where(np.isfinite(lower), lower, 0.0)
    uu, ul, ll = -a * (u + a), a * b, -b * (b - v)
    uuu = a * (u * u - 1.0) + 3.0 * u * a * a + 2.0 * a**3
    uul = -u * a * b - 2.0 * a * a * b
    ull = 2.0 * a * b * b - v * a * b
    lll = -b * (v * v - 1.0) + 3.0 * v * b * b - 2.0 * b**3
    curvature_by_bound = -np.stack([uuu + 2.0 * uul + ull, uul + 2.0 * ull + lll])
    return IntervalDerivatives(
        log_p,
        b - a,
        np.maximum(-(uu + 2.0 * ul + ll), 0.0),
        -curvature_by_bound.sum(axis=0),
        np.stack([a, -b]),
        -np.stack([uu + ul, ul + ll]),
        curvature_by_bound,
    )


def _normal_ratios(
    upper: np.ndarray, lower: np.ndarray, log_p: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return f(U)/P and f(L)/P.

    Where both bounds lie in one tail, the exponentials cancel: with the nearer bound
    n and the farther one m, f(n)/P is the hazard at n, from the scaled complementary
    error function, over one minus the ratio of the tails.
    """
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        direct = [
            np.where(np.isfinite(x), np.exp(-0.5 * x * x - _LOG_SQRT_2PI - log_p), 0.0)
            for x in (upper, lower)
        ]
        right, left = lower > 0, upper < 0
        near = np.where(right, lower, -upper)
        far = np.where(right, upper, -lower)
        drop = np.where(
            np.isfinite(far), np.exp(-0.5 * (far - near) * (far + near)), 0.0
        )
        tails = drop * erfcx(far / _SQRT_2) / erfcx(near / _SQRT_2)
        at_near = np.sqrt(2.0 / np.pi) / erfcx(near / _SQRT_2) / (1.0 - tails)
        at_far = at_near * drop
        a = np.where(right, at_far, np.where(left, at_near, direct[0]))
        b = np.where(right, at_near, np.where(left, at_far, direct[1]))
    return a, b


def _log_difference(
    log_cdf: Callable[[np.ndarray], np.ndarray], upper: np.ndarray, lower: np.ndarray
) -> np.ndarray:
    """Return log(F(upper) - F(lower)) for a symmetric F, from the smaller tail."""
    flip = lower + upper > 0
    high = log_cdf(np.where(flip, -lower, upper))
    low = log_cdf(np.where(flip, -upper, lower))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(high + np.log(-np.expm1(low - high)))
