"""Quasi-Newton search under bounds."""

import numpy as np
import pytest

from bead_sklearn.solvers._bfgs import bfgs


def _run(objective, start, lower=None, upper=None, **options):
    k = len(start)
    points = []
    found = bfgs(
        objective,
        np.asarray(start, dtype=float),
        np.full(k, -np.inf) if lower is None else np.asarray(lower),
        np.full(k, np.inf) if upper is None else np.asarray(upper),
        **{
            "reference": np.zeros(k),
            "spread": np.eye(k),
            "max_iter": 200,
            "tol": 1e-6,
            "callback": points.append,
        }
        | options,
    )
    return found, points


def _quadratic(matrix, center):
    def objective(x):
        moved = x - center
        return -0.5 * moved @ matrix @ moved, -matrix @ moved

    return objective


def test_maximum_of_a_quadratic():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((6, 6))
    matrix = root @ root.T + np.eye(6)
    center = rng.standard_normal(6)
    (x, value, gradient, n_iter, message, spread), points = _run(
        _quadratic(matrix, center), np.zeros(6)
    )
    np.testing.assert_allclose(x, center, atol=1e-6)
    assert value == pytest.approx(0.0, abs=1e-10)
    assert np.abs(gradient).max() <= 1e-6
    assert len(points) == n_iter
    assert message == "the gradient is small"
    assert np.linalg.eigvalsh(spread).min() > 0


def test_a_known_curvature_needs_one_step():
    matrix = np.array([[4.0, 1.0], [1.0, 3.0]])
    objective = _quadratic(matrix, np.array([1.0, -2.0]))
    found, _ = _run(objective, [0.0, 0.0], spread=np.linalg.inv(matrix))
    np.testing.assert_allclose(found[0], [1.0, -2.0], atol=1e-8)
    assert found[3] == 1


def test_maximum_on_bounds_is_that_of_the_quadratic_within_them():
    matrix = np.array([[2.0, 1.5], [1.5, 2.0]])
    center = np.array([-1.0, 2.0])
    found, _ = _run(
        _quadratic(matrix, center), [1.0, 1.0], lower=[0.5, -3.0], upper=[2.0, 3.0]
    )
    # Given x_0 = 0.5 the other one is at 2 - 1.5 * 1.5 / 2.
    np.testing.assert_allclose(found[0], [0.5, 0.875], atol=1e-6)


def test_curved_valley():
    def objective(x):
        a, b = 1.0 - x[0], x[1] - x[0] ** 2
        gradient = [2.0 * a + 40.0 * x[0] * b, -20.0 * b]
        return -(a**2) - 10.0 * b**2, np.array(gradient)

    found, _ = _run(objective, [-1.2, 1.0])
    np.testing.assert_allclose(found[0], [1.0, 1.0], atol=1e-5)


def test_steps_into_the_undefined_are_shortened():
    def objective(x):
        if x[0] <= 0:
            return -np.inf, np.full(1, np.nan)
        return float(np.log(x[0]) - 5.0 * x[0]), 1.0 / x - 5.0

    found, _ = _run(objective, [0.9])
    np.testing.assert_allclose(found[0], [0.2], atol=1e-6)


def test_a_scale_does_not_jump_to_zero_where_it_is_stationary():
    def objective(x):
        # Even in x, highest at 1, with a low at 0; the first step leads below 0.
        return float(-((x[0] ** 2 - 1.0) ** 2)), -4.0 * x * (x**2 - 1.0)

    found, points = _run(objective, [2.0], lower=[0.0], reference=np.ones(1))
    assert points[0][0] > 0
    np.testing.assert_allclose(found[0], [1.0], atol=1e-6)


def test_a_scale_whose_best_value_is_zero_reaches_it():
    found, _ = _run(
        lambda x: (float(-(x[0] ** 2)), -2.0 * x),
        [1.0],
        lower=[0.0],
        reference=np.ones(1),
    )
    np.testing.assert_allclose(found[0], [0.0], atol=1e-5)


def test_iterations_are_limited():
    (_, _, _, n_iter, message, _), points = _run(
        _quadratic(np.diag([1.0, 50.0]), np.ones(2)), [9.0, 9.0], max_iter=2
    )
    assert n_iter == len(points) == 2
    assert message == "as many iterations as allowed"


def test_a_gradient_that_is_wrong_ends_the_search():
    found, points = _run(lambda x: (float(-(x[0] ** 2)), np.ones(1)), [0.0])
    assert found[4] == "no step rises"
    assert found[0] == 0.0
    assert points == []


def test_what_rounding_hides_ends_the_search():
    found, _ = _run(
        lambda x: (1.0, np.full(1, 1e-3 / (1.0 + abs(float(x[0]))))), [0.0], tol=1e-9
    )
    assert found[4] == "the objective rises no more"


def test_steps_grow_where_the_maximum_is_far_away():
    found, points = _run(
        _quadratic(np.eye(2) * 1e-8, np.array([3e5, -4e5])), [0.0, 0.0], tol=1e-9
    )
    np.testing.assert_allclose(found[0], [3e5, -4e5], rtol=1e-3)
    assert len(points) < 60


def test_a_parameter_at_its_bound_is_left_there():
    def objective(x):
        return float(-x[0] - (x[1] - 2.0) ** 2), np.array([-1.0, -2.0 * (x[1] - 2.0)])

    found, _ = _run(objective, [0.0, 0.0], lower=[0.0, -np.inf])
    np.testing.assert_allclose(found[0], [0.0, 2.0], atol=1e-6)


def test_convex_directions_are_climbed():
    found, _ = _run(
        lambda x: (float(np.cosh(x[0])), np.sinh(x)), [0.5], lower=[-3.0], upper=[3.0]
    )
    assert found[0] == 3.0


def test_a_spread_that_leads_down_is_not_followed():
    found, _ = _run(
        _quadratic(np.eye(2), np.array([1.0, -2.0])), [0.0, 0.0], spread=-np.eye(2)
    )
    np.testing.assert_allclose(found[0], [1.0, -2.0], atol=1e-6)


def test_the_other_search_goes_on_where_this_one_is_lost(monkeypatch):
    from bead_sklearn.solvers import _optimize

    def objective(x):
        return -np.sum(np.cosh(x - [1.0, -2.0])), -np.sinh(x - [1.0, -2.0])

    def find():
        infinite = np.full(2, np.inf)
        return _optimize.maximize(
            objective,
            *(np.zeros(2), -infinite, infinite),
            reference=np.zeros(2),
            max_iter=100,
            tol=1e-8,
            callback=lambda x: None,
            is_scaled=True,
        )

    whole = find()
    monkeypatch.setattr(_optimize, "_patience", lambda moving: 1)
    other = find()
    assert whole.converged
    assert other.converged
    assert other.message != whole.message
    np.testing.assert_allclose(other.x, [1.0, -2.0], atol=1e-5)
