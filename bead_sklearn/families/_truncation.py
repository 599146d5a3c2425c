"""The standard normal distribution on an interval: probability, densities, cumulants.

Where the interval holds the centre or is not far from it, everything follows from the
distribution function. In a tail, or where the interval is narrow, those formulas
subtract nearly equal numbers; there the density relative to its value at the nearer
bound, exp(-edge x - x^2 / 2) at distance x from it, is integrated by a Gauss-Legendre
rule, whose terms are all positive.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

_LOG_SQRT_2PI = 0.5 * np.log(2.0 * np.pi)

#: Distance of the nearer bound from the centre from which the rule is used.
TAIL_EDGE = 4.0
#: Width of an interval below which the rule is used.
NARROW_WIDTH = 0.5
#: Twice the fall of the log-density after which the rest of a tail is left out.
_FALL = 90.0
#: Nodes for a narrow interval near the centre and for a tail.
_NARROW_RULE = np.polynomial.legendre.leggauss(10)
_TAIL_RULE = np.polynomial.legendre.leggauss(28)


class TailMoments(NamedTuple):
    """Moments of the distance from the nearer bound, each of shape (n,).

    Attributes
    ----------
    hazard : ndarray
        Density at the nearer bound over the probability of the interval.
    mean, variance, third : ndarray
        First three cumulants of the distance.
    """

    hazard: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    third: np.ndarray


class Truncation(NamedTuple):
    """A standard normal variable inside (lower, upper), each of shape (n,).

    Attributes
    ----------
    log_probability : ndarray
        log P(lower < Z < upper).
    upper_density, lower_density : ndarray
        Density at the bounds over the probability; 0 at an infinite bound.
    mean, variance, third : ndarray
        First three cumulants.
    below_upper, above_lower : ndarray
        Distance of the mean from the bounds; 0 for an infinite bound.
    information : ndarray
        1 - variance, what is lost against the whole line.
    """

    log_probability: np.ndarray
    upper_density: np.ndarray
    lower_density: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    third: np.ndarray
    below_upper: np.ndarray
    above_lower: np.ndarray
    information: np.ndarray


def tail_moments(edge: np.ndarray, width: np.ndarray) -> TailMoments:
    """Return moments for a variable with density exp(-edge x - x^2 / 2) on (0, width).

    Parameters
    ----------
    edge : ndarray of shape (n,)
        Nearer bound of the interval, at least ``-width / 2``.
    width : ndarray of shape (n,)
        Width of the interval; may be infinite.
    """
    reach = _FALL / (edge + np.sqrt(edge**2 + _FALL))
    reach = np.minimum(width, reach)
    short = reach * (edge + 0.5 * reach) < 3.0
    result = np.empty((4, len(edge)))
    for rows, rule in ((short, _NARROW_RULE), (~short, _TAIL_RULE)):
        if rows.any():
            result[:, rows] = _integrate(edge[rows], reach[rows], *rule)
    return TailMoments(*result)


def _integrate(
    edge: np.ndarray, reach: np.ndarray, nodes: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return hazard, mean, variance and third cumulant, (4, n)."""
    x = 0.5 * (1.0 + nodes)[:, None] * reach
    mass = 0.5 * weights[:, None] * np.exp(-x * (edge + 0.5 * x))
    total = mass.sum(axis=0)
    mass /= total
    mean = (mass * x).sum(axis=0)
    x -= mean
    square = mass * x**2
    with np.errstate(divide="ignore"):  # a width that underflows: no probability
        hazard = 1.0 / (reach * total)
    return np.stack([hazard, mean, square.sum(axis=0), (square * x).sum(axis=0)])


def truncate_normal(
    upper: np.ndarray, lower: np.ndarray, width: np.ndarray
) -> Truncation:
    """Truncate the standard normal distribution.

    Parameters
    ----------
    upper, lower : ndarray of shape (n,)
        Bounds; may be infinite.
    width : ndarray of shape (n,)
        ``upper - lower``, which rounding would spoil in a narrow interval far out.
    """
    flip = lower + upper < 0
    edge, far = np.where(flip, -upper, lower), np.where(flip, -lower, upper)
    hard = (edge > TAIL_EDGE) | (width < NARROW_WIDTH)
    result = _by_distribution(np.where(hard, 0.0, edge), np.where(hard, np.inf, far))
    rows = np.flatnonzero(hard)
    if len(rows):
        hard_result = _by_quadrature(edge[rows], width[rows])
        for whole, part in zip(result, hard_result, strict=True):
            whole[rows] = part
    (
        log_probability,
        far_density,
        near_density,
        mean,
        variance,
        third,
        below_far,
        above_near,
        information,
    ) = result
    return Truncation(
        log_probability,
        np.where(flip, near_density, far_density),
        np.where(flip, far_density, near_density),
        np.where(flip, -mean, mean),
        variance,
        np.where(flip, -third, third),
        np.where(flip, above_near, below_far),
        np.where(flip, below_far, above_near),
        information,
    )


def _by_distribution(lower: np.ndarray, upper: np.ndarray) -> Truncation:
    """Truncate where the nearer bound, the lower one, is not far out."""
    outside = ndtr(-upper)
    below = ndtr(-np.abs(lower))
    positive = lower > 0
    p = np.where(positive, below - outside, 1.0 - (below + outside))
    log_p = np.where(
        positive, np.log(p), np.log1p(-np.where(positive, 0.0, below + outside))
    )
    finite = np.isfinite(upper)
    u = np.where(finite, upper, 0.0)
    a = np.where(finite, np.exp(-0.5 * u * u - _LOG_SQRT_2PI) / p, 0.0)
    b = np.exp(-0.5 * lower * lower - _LOG_SQRT_2PI) / p
    mean = b - a
    above = mean - lower
    below_upper = np.where(finite, u - mean, 0.0)
    information = mean**2 + a * u - b * lower
    return Truncation(
        log_p,
        a,
        b,
        mean,
        1.0 - information,
        2.0 * mean * information
        - a * (below_upper * u - 1.0)
        - b * (above * lower + 1),
        below_upper,
        above,
        information,
    )


def _by_quadrature(edge: np.ndarray, width: np.ndarray) -> Truncation:
    """Truncate in a tail or on a narrow interval."""
    moments = tail_moments(edge, width)
    finite = np.isfinite(width)
    w = np.where(finite, width, 0.0)
    drop = np.exp(-w * (edge + 0.5 * w))
    return Truncation(
        -0.5 * edge**2 - _LOG_SQRT_2PI - np.log(moments.hazard),
        np.where(finite, moments.hazard * drop, 0.0),
        moments.hazard,
        edge + moments.mean,
        moments.variance,
        moments.third,
        np.where(finite, w - moments.mean, 0.0),
        moments.mean,
        1.0 - moments.variance,
    )
