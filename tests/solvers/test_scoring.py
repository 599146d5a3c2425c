"""Newton steps with the average information, and what stands behind them."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import effect_columns, effect_scales, fixed_columns
from crossed_designs import CROSSED, crossed_design, some_theta

from bead_sklearn.families import Normal
from bead_sklearn.solvers import SolverOptions, _fit, fit_mixed_model
from bead_sklearn.solvers._gaussian import GaussianObjective
from bead_sklearn.solvers._last import remember_last
from bead_sklearn.solvers._scoring import score

N = 400


def objective_of(design, *, reml):
    rng = np.random.RandomState(3)
    theta = some_theta(design)
    effects = effect_scales(design, theta) @ rng.normal(
        size=effect_columns(design).shape[1]
    )
    y = effect_columns(design) @ effects + rng.normal(size=N)
    weights = rng.uniform(0.5, 2.0, size=N)
    absolute = np.zeros(len(theta), dtype=bool)
    objective = GaussianObjective(design, y, weights, reml=reml, absolute=absolute)
    return objective, theta, y, weights


@pytest.mark.parametrize("kind", CROSSED)
def test_average_information_is_that_of_dense_matrices(kind):
    design = crossed_design(kind)
    objective, theta, y, weights = objective_of(design, reml=True)
    objective(theta)
    columns = effect_columns(design)

    def covariance(theta):
        root = columns @ effect_scales(design, theta)
        return root @ root.T + np.diag(1.0 / weights)

    inverse = np.linalg.inv(covariance(theta))
    X = fixed_columns(design)
    projected = inverse
    if X.shape[1]:
        solved = inverse @ X
        projected = inverse - solved @ np.linalg.solve(X.T @ solved, solved.T)
    residual = projected @ y
    working = []
    for j in range(len(theta)):
        ahead, behind = theta.copy(), theta.copy()
        ahead[j] += 1e-3
        behind[j] -= 1e-3  # V is quadratic in theta: the difference is exact
        change = (covariance(ahead) - covariance(behind)) / 2e-3
        working.append(change @ residual)
    working = np.array(working)
    with_sigma = working @ residual / objective.sigma**2
    n = weights.sum() - X.shape[1]
    expected = 0.5 * working @ projected @ working.T / objective.sigma**2
    expected -= np.outer(with_sigma, with_sigma) / (2.0 * n)
    found = objective.information()
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)
    assert np.linalg.eigvalsh(found)[0] > -1e-8


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("kind", ["intercepts", "item slopes", "three", "ridge"])
def test_the_maximum_is_that_of_the_search_without(kind, reml, monkeypatch):
    design = crossed_design(kind)
    _, _, y, weights = objective_of(design, reml=reml)
    options = SolverOptions(reml=reml)
    found = fit_mixed_model(design, Normal(), y, weights, options)
    monkeypatch.setattr(_fit, "_SCORING_UP_TO", 0)
    expected = fit_mixed_model(design, Normal(), y, weights, options)
    assert found.optimum.converged
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, abs=1e-7)
    for ours, theirs in zip(
        found.posterior.covariances, expected.posterior.covariances, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_variance_of_zero_is_found():
    design = crossed_design("intercepts")
    rng = np.random.RandomState(0)
    y = rng.normal(size=N)
    means = np.bincount(design.factors[0].codes, y) / np.bincount(
        design.factors[0].codes
    )
    y -= means[design.factors[0].codes]  # less variation between than by chance
    fit = fit_mixed_model(design, Normal(), y, np.ones(N), SolverOptions(reml=True))
    assert fit.optimum.converged
    assert fit.posterior.covariances[0][0, 0] == 0.0


def climb(function, start, *, information, lower=-np.inf, ordinary=0.0, max_steps=50):
    """Score from one point; returns what came of it and the points on the way."""
    start = np.atleast_1d(np.asarray(start, dtype=float))
    seen = []
    found = score(
        function,
        information,
        start,
        np.broadcast_to(lower, start.shape),
        np.full(start.shape, np.inf),
        np.broadcast_to(ordinary, start.shape),
        max_steps=max_steps,
        tol=1e-8,
        keep=lambda theta: seen.append(theta.copy()),
    )
    return found, seen


def test_one_step_solves_a_parabola():
    curvature = np.array([[4.0, 1.0], [1.0, 2.0]])
    top = np.array([3.0, -2.0])

    def function(x):
        return -0.5 * (x - top) @ curvature @ (x - top), curvature @ (top - x)

    found, seen = climb(function, [0.0, 0.0], information=lambda: curvature)
    np.testing.assert_allclose(found.theta, top)
    np.testing.assert_allclose(found.spread, np.linalg.inv(curvature))
    assert found.n_steps == len(seen) == 1


def test_steps_that_lead_down_are_halved():
    def function(x):
        return float(-(x[0] ** 2)), -2.0 * x

    # Three times too little information: the first step would overshoot.
    found, seen = climb(function, [1.0], information=lambda: np.eye(1) / 1.5)
    assert [abs(x[0]) for x in seen] == sorted((abs(x[0]) for x in seen), reverse=True)
    assert abs(found.theta[0]) < 1.0


def test_a_step_that_leads_nowhere_ends_the_climb():
    def function(x):
        return float(-abs(x[0])), np.array([1.0])  # a wrong gradient

    found, seen = climb(function, [0.0], information=lambda: np.eye(1))
    assert found.theta[0] == 0.0
    assert not seen


def test_the_climb_stops_near_zero_and_after_its_steps():
    def function(x):
        return float(-x[0]), np.array([-1.0])  # falls towards zero

    flat = {"information": lambda: np.eye(1), "lower": 0.0, "ordinary": 1.0}
    found, _ = climb(function, [0.5], **flat)
    assert 0.0 < found.theta[0] < 0.02
    found, seen = climb(function, [0.5], max_steps=1, **flat)
    assert found.n_steps == len(seen) == 1


def test_parameters_that_are_held_do_not_move():
    def function(x):
        return float(-((x - 1.0) ** 2).sum()), -2.0 * (x - 1.0)

    found = score(
        function,
        lambda: 2.0 * np.eye(2),
        np.zeros(2),
        np.array([-np.inf, 0.0]),
        np.array([np.inf, 0.0]),
        np.zeros(2),
        max_steps=9,
        tol=1e-8,
        keep=lambda theta: None,
    )
    np.testing.assert_allclose(found.theta, [1.0, 0.0])
    np.testing.assert_array_equal(found.spread[1], 0.0)


def test_a_point_asked_for_twice_is_evaluated_once():
    calls = []

    @remember_last
    def likelihood(free, theta):
        calls.append(theta.copy())
        if theta[0] < 0:
            raise np.linalg.LinAlgError("H is indefinite")
        return float(theta.sum()), free + 1.0, theta + 2.0

    free, theta = np.zeros(1), np.ones(2)
    first = likelihood(free, theta)
    first[2][:] = 7.0  # what a caller does to its copy is not remembered
    value, _, by_theta = likelihood(free, theta)
    assert (value, by_theta.tolist(), len(calls)) == (2.0, [3.0, 3.0], 1)
    likelihood(free + 1.0, theta)
    likelihood(free, theta)
    assert len(calls) == 3
    with pytest.raises(np.linalg.LinAlgError):
        likelihood(free, -theta)
    likelihood(free, theta)
    assert len(calls) == 5
