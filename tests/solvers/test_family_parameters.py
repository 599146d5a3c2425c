"""Intervals of thresholds and dispersions against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.stats import chi2

from bead_sklearn.effects import RandomFactor, full_covariance
from bead_sklearn.families import Beta, CumulativeLogit, OrderedBeta, TruncatedNormal
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    FamilyParameter,
    Problem,
    Profiler,
    SolverOptions,
    likelihood_surface,
)

FALL = chi2.ppf(0.95, 1)
FAMILIES = {
    "cumulative": CumulativeLogit(4),
    "equidistant": CumulativeLogit(4, True),
    "beta": Beta(),
    "ordered beta": OrderedBeta(),
    "truncated normal": TruncatedNormal(0.0, 1.0, 0.3),
}
TRUE_PARAMETERS = {
    "cumulative": np.array([-1.0, 0.3, -0.2]),
    "equidistant": np.array([-1.0, 0.2]),
    "beta": np.array([1.5]),
    "ordered beta": np.array([-2.0, 1.2, 1.5]),
    "truncated normal": np.array([-1.2]),
}


def make_problem(name, *, q=12, m=10, seed=0, effects=True):
    rng = np.random.RandomState(seed)
    family = FAMILIES[name].with_parameters(TRUE_PARAMETERS[name])
    codes = np.repeat(np.arange(q), m)
    x = rng.normal(size=q * m)
    size = 0.3 if family.response == "bounded" else 1.0
    eta = size * (x + rng.normal(size=q)[codes] * effects)
    columns = [x] if not family.has_intercept else [np.ones(q * m), x]
    factor = RandomFactor(
        "g", codes, q, np.ones((q * m, 1)), full_covariance(np.ones(1)), ("1",)
    )
    design = Design(
        q * m, DenseBlock(np.column_stack(columns)), None, (factor,) * effects
    )
    y = family.simulate(eta, rng)
    return Problem(design, FAMILIES[name], y, np.ones(q * m), SolverOptions())


def parameters(family):
    return [
        FamilyParameter(item.name, index, item.is_positive)
        for index, item in enumerate(family.reported_parameters())
    ]


@pytest.mark.parametrize("name", FAMILIES)
def test_values_and_gradients(name):
    problem = make_problem(name)
    fit = problem.fit()
    surface = likelihood_surface(problem, fit)
    rng = np.random.RandomState(1)
    x = surface.start + 0.1 * rng.normal(size=len(surface.start))
    for quantity, item in zip(
        parameters(fit.family), fit.family.reported_parameters(), strict=True
    ):
        assert quantity.estimate(fit) == item.value
        assert quantity.at(surface, surface.start)[0] == pytest.approx(item.value)
        assert quantity.lower == (0.0 if item.is_positive else -np.inf)
        assert quantity.upper == np.inf
        moves = 1e-6 * np.eye(len(x))
        numeric = [
            (quantity.at(surface, x + d)[0] - quantity.at(surface, x - d)[0]) / 2e-6
            for d in moves
        ]
        np.testing.assert_allclose(
            quantity.at(surface, x)[1], numeric, rtol=1e-6, atol=1e-8
        )


@pytest.mark.parametrize("name", FAMILIES)
def test_wald_intervals_are_those_of_the_information(name):
    problem = make_problem(name)
    fit = problem.fit()
    surface = likelihood_surface(problem, fit)
    covariance = surface.covariance(surface.start)
    for quantity in parameters(fit.family):
        value, gradient = quantity.at(surface, surface.start)
        error = np.sqrt(gradient @ covariance @ gradient)
        lower, upper = quantity.wald_interval(fit, 1.5)
        if quantity.is_positive:
            assert np.log(upper / value) == pytest.approx(1.5 * error / value, rel=1e-3)
            assert lower * upper == pytest.approx(value**2)
        else:
            assert upper - value == pytest.approx(1.5 * error, rel=1e-3)
            assert value - lower == pytest.approx(1.5 * error, rel=1e-3)


def constrained_ends(problem, fit, quantity):
    """Ends of the interval, by maximisation under an equality constraint."""
    surface = likelihood_surface(problem, fit)
    bounds = list(zip(surface.lower, surface.upper, strict=True))
    top = surface(surface.start)[0]
    estimate = quantity.estimate(fit)
    lower, upper = quantity.wald_interval(fit, 1.0)

    def deviance(value, start):
        found = minimize(
            lambda x: tuple(-part for part in surface(x)),
            start,
            jac=True,
            bounds=bounds,
            method="SLSQP",
            constraints={
                "type": "eq",
                "fun": lambda x: quantity.at(surface, x)[0] - value,
                "jac": lambda x: quantity.at(surface, x)[1],
            },
            options={"ftol": 1e-12, "maxiter": 500},
        )
        return 2 * (top + found.fun) - FALL

    ends = []
    for step in (estimate - lower, upper - estimate):
        sign = -1.0 if not ends else 1.0
        far = next(
            reach
            for reach in estimate + sign * step * np.array([2.2, 2.8, 3.5, 6.0])
            if deviance(reach, surface.start) > 0
        )
        ends.append(
            brentq(
                lambda v: deviance(v, surface.start),
                *sorted((estimate, far)),
                xtol=1e-7,
            )
        )
    return ends


@pytest.mark.parametrize("name", FAMILIES)
def test_profile_intervals(name):
    problem = make_problem(name)
    fit = problem.fit()
    profiler = Profiler(problem, fit)
    for quantity in parameters(fit.family)[-2:]:
        found = profiler.interval(quantity, 0.95)
        expected = constrained_ends(problem, fit, quantity)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_profile_of_a_threshold_without_effects():
    """By the probabilities of the categories, nothing of the solvers."""
    problem = make_problem("cumulative", effects=False)
    fit = problem.fit()
    x, y = problem.design.fixed.rows()[:, 0], problem.y.astype(int)

    def loss(free, held):
        slope, first, last = free
        cuts = np.array([held - np.exp(first), held, held + np.exp(last)])
        below = 1 / (1 + np.exp(-(cuts - slope * x[:, None])))
        shares = np.diff(below, prepend=0, append=1)
        return -np.log(shares[np.arange(len(y)), y]).sum()

    def profile(held):
        options = {"gtol": 1e-8}
        return -minimize(loss, [1.0, 0.0, 0.0], (held,), options=options).fun

    quantity = parameters(fit.family)[1]
    estimate = quantity.estimate(fit)
    assert profile(estimate) == pytest.approx(fit.log_likelihood, abs=1e-7)
    expected = [
        brentq(
            lambda v: 2 * (fit.log_likelihood - profile(v)) - FALL,
            *sorted((estimate, estimate + side)),
        )
        for side in (-2.0, 2.0)
    ]
    found = Profiler(problem, fit).interval(quantity, 0.95)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
