"""Families against their definitions in many digits, at ordinary and extreme points."""

from __future__ import annotations

import mpmath as mp
import numpy as np

from bead_sklearn.families import (
    Bernoulli,
    BernoulliProbit,
    Beta,
    CumulativeLogit,
    CumulativeProbit,
    LogNormal,
    Normal,
    OrderedBeta,
    TruncatedNormal,
)


def logistic(x):
    return 1 / (1 + mp.exp(-x))


def normal(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def log_mass(cdf, upper, lower):
    """log(F(upper) - F(lower)) of a symmetric distribution, in the smaller tail."""
    if lower + upper > 0:
        lower, upper = -upper, -lower
    below = mp.mpf(0) if lower == -mp.inf else cdf(lower)
    return mp.log(cdf(upper) - below)


def log_normal_density(x, mean, sd):
    return -(((x - mean) / sd) ** 2) / 2 - mp.log(sd) - mp.log(2 * mp.pi) / 2


def log_beta_density(y, eta, phi):
    mu, nu = logistic(eta), logistic(-eta)
    log_b = mp.loggamma(mu * phi) + mp.loggamma(nu * phi) - mp.loggamma(phi)
    return (mu * phi - 1) * mp.log(y) + (nu * phi - 1) * mp.log1p(-y) - log_b


def cuts(family):
    first, *distances = (mp.mpf(float(x)) for x in family.parameters)
    n_distances = family.n_categories - 2
    if family.equidistant:
        distances = distances * n_distances
    values = [first]
    for distance in distances[:n_distances]:
        values.append(values[-1] + mp.exp(distance))
    return [-mp.inf, *values, mp.inf]


def log_likelihood(family, y, eta):
    """The log-likelihood of one response as its definition states it."""
    if isinstance(family, BernoulliProbit):
        return mp.log(normal(eta if y else -eta))
    if isinstance(family, Bernoulli):
        return mp.log(logistic(eta if y else -eta))
    if isinstance(family, Normal):
        return log_normal_density(y, eta, mp.mpf(family.sigma))
    if isinstance(family, LogNormal):
        return log_normal_density(mp.log(y), eta, mp.mpf(family.sigma)) - mp.log(y)
    if isinstance(family, (CumulativeLogit, CumulativeProbit)):
        cdf = logistic if isinstance(family, CumulativeLogit) else normal
        bounds = cuts(family)
        return log_mass(cdf, bounds[int(y) + 1] - eta, bounds[int(y)] - eta)
    if isinstance(family, TruncatedNormal):
        sigma = mp.mpf(family.sigma)
        upper, lower = (mp.mpf(family.upper) - eta), (mp.mpf(family.lower) - eta)
        inside = log_mass(normal, upper / sigma, lower / sigma)
        return log_normal_density(y, eta, sigma) - inside
    phi = mp.mpf(family.precision)
    if isinstance(family, Beta):
        return log_beta_density(y, eta, phi)
    low, high = mp.mpf(family.lower_threshold), mp.mpf(family.upper_threshold)
    if y == 0:
        return mp.log(logistic(low - eta))
    if y == 1:
        return mp.log(logistic(eta - high))
    inside = log_mass(logistic, high - eta, low - eta)
    return inside + log_beta_density(y, eta, phi)


def reference(family, y, eta, digits):
    """Log-likelihood, gradient, curvature and derivative of the curvature."""
    with mp.workdps(digits):
        y, eta = mp.mpf(y), mp.mpf(eta)

        def function(x):
            return log_likelihood(family, y, x)

        values = [function(eta), *(mp.diff(function, eta, n) for n in (1, 2, 3))]
        return [float(sign * x) for sign, x in zip((1, 1, -1, -1), values, strict=True)]


NARROW = np.array([-0.5, -9.0, -20.0])
WIDE = np.array([-30.0, 4.0, 4.0])
POINTS = [
    (family, y, eta, digits)
    for families, ys, etas, digits in [
        ([Bernoulli()], (0.0, 1.0), (-700, -40, -1, 1e-9, 2, 30, 600), 330),
        ([BernoulliProbit()], (0.0, 1.0), (-1e3, -38, -6, -3, 0, 1, 5, 30), 330),
        ([Normal(1e-6), Normal(0.3), Normal(1e6)], (-2.0, 0.5), (-1e3, 0.5, 1e3), 330),
        ([LogNormal(0.1), LogNormal(1e3)], (1e-300, 0.5, 1e300), (-1e3, 0, 1e3), 330),
        (
            [CumulativeLogit(4, parameters=p) for p in (NARROW, WIDE)]
            + [CumulativeLogit(4, True, np.array([-1.0, -3.0])), CumulativeLogit(2)],
            (0.0, 1.0),
            (-700, -35, -0.7, 1, 20, 600),
            330,
        ),
        (
            [CumulativeLogit(4, parameters=p) for p in (NARROW, WIDE)],
            (2.0, 3.0),
            (-1e3, -35, -0.7, 20, 600),
            330,
        ),
        (
            [CumulativeProbit(4, parameters=p) for p in (NARROW, WIDE)]
            + [CumulativeProbit(4, True, np.array([-1.0, -1.0])), CumulativeProbit(2)],
            (0.0, 1.0),
            (-1e3, -35, -8, -4, -0.7, 1, 3.7, 6, 20, 1e3),
            330,
        ),
        (
            [CumulativeProbit(4, parameters=p) for p in (NARROW, WIDE)],
            (2.0, 3.0),
            (-1e3, -35, -8, -4, -0.7, 1, 3.7, 6, 20, 1e3),
            330,
        ),
        (
            [TruncatedNormal(0.0, 1.0, s) for s in (1e-3, 0.02, 0.2, 0.4, 1.0, 30, 1e6)]
            + [TruncatedNormal(0.0, np.inf, 0.8), TruncatedNormal(-np.inf, 1.0, 0.1)],
            (0.0, 0.3, 1.0),
            (-1e3, -3, -0.5, 0.1, 0.5, 1.2, 2, 1e3),
            330,
        ),
        (
            [Beta(phi) for phi in (1e-4, 0.5, 4.0, 1e3, 1e6)],
            (1e-300, 1e-9, 0.3, 1 - 1e-9),
            (-1e3, -35, -3, 0.2, 5, 40, 1e3),
            50,
        ),
        (
            [OrderedBeta(-1.0, 1.5, phi) for phi in (1e-4, 3.0, 1e4)]
            + [OrderedBeta(-40.0, 30.0, 2.0), OrderedBeta(-0.5, -0.499, 2.0)],
            (0.0, 1e-9, 0.3, 1.0),
            (-600, -35, -3, 0.2, 5, 40, 600),
            40,
        ),
    ]
    for family in families
    for y in ys
    for eta in etas
]
