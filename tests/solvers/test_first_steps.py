"""What a search begins with: EM steps, and what they tell about curvature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bead_sklearn.effects import RandomFactor, full_covariance
from bead_sklearn.families import Bernoulli
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    SolverOptions,
    VarianceOptions,
    fit_mixed_model,
)
from bead_sklearn.solvers._optimize import maximize
from bead_sklearn.solvers._parameters import variance_parameters
from bead_sklearn.solvers._search import remember_last, search
from bead_sklearn.solvers._start import approach, secant_update, slowness

Q, N = 30, 240


@pytest.fixture
def design():
    codes = np.arange(N) % Q
    one = full_covariance(np.ones(1))
    factor = RandomFactor("p", codes, Q, np.ones((N, 1)), one, ("(Intercept)",))
    return Design(N, DenseBlock(np.ones((N, 1))), None, (factor,))


@pytest.fixture
def parameters(design):
    options, weights = VarianceOptions(), np.ones(N)
    return variance_parameters(design, options, weights, Bernoulli())


def test_first_steps_go_uphill(design, parameters):
    """For a quadratic of unit curvature the Newton step is the last one."""
    peak = np.array([2.0, -1.0])

    def likelihood(free, theta):
        value = -0.5 * ((free - peak) ** 2).sum() - 0.5 * (theta[0] - 0.8) ** 2
        return value, peak - free, 0.8 - theta

    seen = []
    center, theta, last = approach(
        likelihood, design, parameters, np.zeros(2), np.eye(2), seen.append
    )
    np.testing.assert_allclose(center, peak)
    np.testing.assert_allclose(last.free, peak)
    assert 0.8 < theta[0] < last.theta[0] < parameters.start[0]
    assert [float(one[0]) for one in seen] == [last.theta[0], theta[0]]


def test_a_step_too_long_is_taken_back(design, parameters):
    def likelihood(free, theta):
        return -float((free**4).sum()), -4.0 * free**3, np.zeros(1)

    center, _, last = approach(
        likelihood, design, parameters, np.ones(1), np.eye(1), lambda theta: None
    )
    np.testing.assert_allclose(last.free, [-3.0])
    np.testing.assert_allclose(center, [1.0])


def test_slowness_is_the_inverse_curvature(design):
    """EM steps of length g on a quadratic of curvature c leave (1 - c) g."""
    curvature = 0.2
    before = np.array([3.0])
    result = slowness(design, before, (1.0 - curvature) * before)
    np.testing.assert_allclose(result, 1.0 / curvature)


def test_slowness_of_steps_that_do_not_converge(design):
    one, two = np.ones(1), np.full(1, 2.0)
    np.testing.assert_array_equal(slowness(design, one, two), 1.0)
    np.testing.assert_array_equal(slowness(design, np.zeros(1), one), 1.0)


def test_secant_update():
    rng = np.random.RandomState(0)
    root = rng.normal(size=(4, 4))
    curvature = root @ root.T + np.eye(4)
    step = rng.normal(size=4)
    change = curvature @ step
    start = np.diag([1.0, 2.0, 3.0, 4.0])
    spread = secant_update(start, step, change)
    np.testing.assert_allclose(spread @ change, step, atol=1e-12)
    assert np.linalg.eigvalsh(spread)[0] > 0
    np.testing.assert_allclose(spread, spread.T)


def test_no_secant_update_where_the_gradient_rises():
    start, step = np.eye(2), np.ones(2)
    np.testing.assert_array_equal(secant_update(start, step, -step), start)
    np.testing.assert_array_equal(secant_update(start, 0.0 * step, step), start)


def test_a_deviation_without_effect_on_the_likelihood_is_zero(design, parameters):
    """The search stops where the likelihood is flat, if not quite at zero."""

    def flat(free, theta):
        value = -1e-7 * theta[0] ** 2
        return value, np.zeros(0), -2e-7 * theta

    def rising(free, theta):
        value = 1e-3 * theta[0] - theta[0] ** 2
        return value, np.zeros(0), 1e-3 - 2.0 * theta

    options = {"max_iter": 50, "tol": 1e-9, "verbose": False}
    near = replace(parameters, start=np.full(1, 5e-4), is_near=True)
    empty = np.zeros(0), np.zeros((0, 0))
    assert search(flat, design, near, *empty, **options).theta == 0.0
    found = search(rising, design, near, *empty, **options).theta
    np.testing.assert_allclose(found, 5e-4, rtol=1e-3)


def test_the_last_point_costs_once():
    calls = []

    @remember_last
    def likelihood(free, theta):
        calls.append((free, theta))
        return float(free.sum()), free, theta

    one, two = np.ones(1), np.full(1, 2.0)
    assert likelihood(one, two) == likelihood(one.copy(), two.copy())
    assert len(calls) == 1
    likelihood(two, two)
    likelihood(one, two)
    assert len(calls) == 3


def test_same_maximum_from_elsewhere(design):
    """Whatever the search begins with, it ends at the maximum."""
    rng = np.random.RandomState(3)
    eta = rng.normal(size=Q)[design.factors[0].codes]
    y = (rng.uniform(size=N) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
    fits = [
        fit_mixed_model(
            design,
            Bernoulli(),
            y,
            np.ones(N),
            replace(SolverOptions(), variances=VarianceOptions(initial_variance=start)),
        )
        for start in (0.01, 1.0, 25.0)
    ]
    for fit in fits:
        assert fit.optimum.converged
        assert fit.log_likelihood == pytest.approx(fits[1].log_likelihood, abs=1e-7)
        np.testing.assert_allclose(fit.theta, fits[1].theta, rtol=1e-4)


def test_a_bound_is_met_exactly():
    """A root with a unit other than one does not leave 1e-17 where 0 is meant."""
    seen = []

    def objective(x):
        seen.append(x.copy())
        return -float((x + 1.0) @ (x + 1.0)), -2.0 * (x + 1.0)

    found = maximize(
        objective,
        np.array([0.75264084, 0.97481782]),
        np.zeros(2),
        np.full(2, np.inf),
        reference=np.ones(2),
        max_iter=50,
        tol=1e-8,
        callback=lambda x: None,
        spread=np.diag([1.7, 3.1]),
    )
    assert (found.x == 0.0).all()
    assert all(((x == 0.0) | (x > 1e-12)).all() for x in seen)
