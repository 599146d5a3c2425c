"""Families against their definitions in many digits, at ordinary and extreme points."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

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


def cuts(family, parameters):
    first, *distances = parameters
    n_distances = family.n_categories - 2
    values = [first]
    for distance in (distances * n_distances)[:n_distances]:
        values.append(values[-1] + mp.exp(distance))
    return [-mp.inf, *values, mp.inf]


def log_likelihood(family, y, eta, parameters):
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
        bounds = cuts(family, parameters)
        return log_mass(cdf, bounds[int(y) + 1] - eta, bounds[int(y)] - eta)
    if isinstance(family, TruncatedNormal):
        sigma = mp.exp(parameters[0])
        upper, lower = (mp.mpf(family.upper) - eta), (mp.mpf(family.lower) - eta)
        inside = log_mass(normal, upper / sigma, lower / sigma)
        return log_normal_density(y, eta, sigma) - inside
    phi = mp.exp(parameters[-1])
    if isinstance(family, Beta):
        return log_beta_density(y, eta, phi)
    low, high = parameters[0], parameters[0] + mp.exp(parameters[1])
    if y == 0:
        return mp.log(logistic(low - eta))
    if y == 1:
        return mp.log(logistic(eta - high))
    inside = log_mass(logistic, high - eta, low - eta)
    return inside + log_beta_density(y, eta, phi)


def own_parameters(family):
    """Values of the parameters, exactly those of the family object."""
    if isinstance(family, (CumulativeLogit, CumulativeProbit)):
        return [mp.mpf(float(x)) for x in family.parameters]
    if isinstance(family, TruncatedNormal):
        return [mp.log(mp.mpf(family.sigma))]
    if isinstance(family, OrderedBeta):
        low, high = mp.mpf(family.lower_threshold), mp.mpf(family.upper_threshold)
        return [low, mp.log(high - low), mp.log(mp.mpf(family.precision))]
    if isinstance(family, Beta):
        return [mp.log(mp.mpf(family.precision))]
    return []


def reference(family, y, eta, digits):
    """Log-likelihood, gradient, curvature and derivative of the curvature."""
    with mp.workdps(digits):
        y, eta = mp.mpf(y), mp.mpf(eta)
        parameters = own_parameters(family)

        def function(x):
            return log_likelihood(family, y, x, parameters)

        values = [function(eta), *(mp.diff(function, eta, n) for n in (1, 2, 3))]
        return [float(sign * x) for sign, x in zip((1, 1, -1, -1), values, strict=True)]


def parameter_reference(family, y, eta, index, digits):
    """Derivatives of l, l' and W in one parameter."""
    with mp.workdps(digits):
        y, eta = mp.mpf(y), mp.mpf(eta)
        parameters = own_parameters(family)

        def function(x, value):
            moved = [*parameters[:index], value, *parameters[index + 1 :]]
            return log_likelihood(family, y, x, moved)

        at = eta, parameters[index]
        return [
            float(sign * mp.diff(function, at, (order, 1)))
            for sign, order in ((1, 0), (1, 1), (-1, 2))
        ]


NARROW = np.array([-0.5, -9.0, -20.0])
WIDE = np.array([-30.0, 4.0, 4.0])
EQUAL = np.array([-1.0, -1.0])

#: Families, responses, linear predictors and the digits that values near 0 and 1 need.
GROUPS = {
    "bernoulli": ([Bernoulli()], (0, 1), (-700, -40, -1, 1e-9, 2, 30, 600), 330),
    "probit": ([BernoulliProbit()], (0, 1), (-1e3, -38, -6, -3, 0, 1, 5, 12), 110),
    "normal": ([Normal(1e-6), Normal(1e6)], (-2.0, 0.5), (-1e3, 0.5, 1e3), 50),
    "lognormal": (
        [LogNormal(0.1), LogNormal(1e3)],
        (1e-300, 0.5, 1e300),
        (-1e3, 0, 1e3),
        50,
    ),
    "cumulative logit": (
        [CumulativeLogit(4, parameters=NARROW), CumulativeLogit(4, parameters=WIDE)],
        (0, 1, 2, 3),
        (-700, -35, -0.7, 20, 600),
        330,
    ),
    "equidistant logit": (
        [CumulativeLogit(4, True, EQUAL), CumulativeLogit(2)],
        (0, 1),
        (-700, 0.3, 50),
        330,
    ),
    "cumulative probit": (
        [CumulativeProbit(4, parameters=NARROW), CumulativeProbit(4, parameters=WIDE)],
        (0, 1, 2, 3),
        (-1e3, -8, -0.7, 3.7, 12, 1e3),
        90,
    ),
    "equidistant probit": (
        [CumulativeProbit(4, True, EQUAL), CumulativeProbit(2)],
        (0, 1),
        (-1e3, 0.3, 6),
        60,
    ),
    "truncated": (
        [TruncatedNormal(0.0, 1.0, s) for s in (1e-3, 0.02, 0.2, 0.4, 1.0, 30.0, 1e6)],
        (0.0, 0.3, 1.0),
        (-1e3, -0.5, 0.1, 1.2, 1e3),
        60,
    ),
    "truncated on one side": (
        [TruncatedNormal(0.0, np.inf, 0.8), TruncatedNormal(-np.inf, 1.0, 0.1)],
        (0.0, 1.0),
        (-1e3, -3, 0.1, 2, 1e3),
        60,
    ),
    "beta": (
        [Beta(phi) for phi in (1e-4, 0.5, 4.0, 1e3, 1e6)],
        (1e-300, 1e-9, 0.3, 1 - 1e-9),
        (-1e3, -35, -3, 0.2, 5, 40, 1e3),
        50,
    ),
    "ordered beta": (
        [
            OrderedBeta(-1.0, 1.5, 1e-4),
            OrderedBeta(-1.0, 1.5, 1e4),
            OrderedBeta(-40.0, 30.0, 2.0),
            OrderedBeta(-0.5, -0.499, 2.0),
        ],
        (0.0, 1e-9, 0.3, 1.0),
        (-600, -35, -3, 0.2, 5, 40, 600),
        50,
    ),
}


@pytest.mark.parametrize("group", GROUPS)
def test_derivatives_have_the_digits(group):
    families, responses, etas, digits = GROUPS[group]
    for family in families:
        for y in responses:
            eta = np.array(etas, dtype=float)
            found = np.array(family.derivatives(np.full(len(eta), float(y)), eta))
            expected = np.array([reference(family, y, x, digits) for x in etas]).T
            # A log-density near 0 is a difference of ordinary numbers, and a third
            # derivative near 0 one of numbers of the size W^(3/2).
            slack = np.zeros_like(expected)
            slack[0], slack[3] = 1e-13, 1e-12 * np.abs(expected[2]) ** 1.5
            # Below this, the reference is rounding.
            floor = max(10.0 ** (12 - digits), np.finfo(float).tiny)
            error = np.abs(found - expected)
            where = f"{family.name} {family.parameters} y={y}: {found} {expected}"
            assert (error <= 1e-9 * np.abs(expected) + slack + floor).all(), where


PARAMETER_GROUPS = {
    name: group for name, group in GROUPS.items() if len(group[0][0].parameters)
}


@pytest.mark.parametrize("group", PARAMETER_GROUPS)
def test_parameter_derivatives_have_the_digits(group):
    families, responses, etas, _ = PARAMETER_GROUPS[group]
    digits = 40
    for family in families:
        for y in responses[1:3]:
            eta = np.array(etas, dtype=float)[::2]
            y_all = np.full(len(eta), float(y))
            parts = family.parameter_derivatives(y_all, eta)
            curvature = family.derivatives(y_all, eta).curvature
            for index in range(len(family.parameters)):
                found = np.array([part[:, index] for part in parts])
                expected = np.array(
                    [parameter_reference(family, y, x, index, digits) for x in eta]
                ).T
                # Sums of terms of these sizes.
                size = np.stack(
                    [np.ones(len(eta)), np.sqrt(np.abs(curvature)), np.abs(curvature)]
                )
                limit = 1e-9 * np.abs(expected) + 1e-11 * size + 1e-25
                error = np.abs(found - expected)
                where = f"{family.name} {family.parameters} {index} y={y}"
                assert (error <= limit).all(), f"{where}: {found} {expected}"


@pytest.mark.parametrize("sigma", [1e-3, 0.2, 1.0, 1e3])
def test_mean_of_the_truncated_normal_has_the_digits(sigma):
    eta = np.array([-1e3, -3.0, -0.1, 0.3, 0.5, 1.4, 1e3])
    found = TruncatedNormal(0.0, 1.0, sigma).mean(eta)
    with mp.workdps(60):
        for mean, x in zip(found, eta, strict=True):
            upper, lower = (1 - mp.mpf(x)) / sigma, -mp.mpf(x) / sigma
            density = [mp.exp(-(b**2) / 2) / mp.sqrt(2 * mp.pi) for b in (lower, upper)]
            mass = mp.exp(log_mass(normal, upper, lower))
            expected = x + sigma * (density[0] - density[1]) / mass
            assert mean == pytest.approx(float(expected), rel=1e-9)
