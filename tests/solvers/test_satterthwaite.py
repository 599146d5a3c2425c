"""The curvature in closed form against differences of the gradient."""

from __future__ import annotations

import numpy as np
import pytest
from crossed_designs import crossed_design

from bead_sklearn.families import Normal
from bead_sklearn.solvers import (
    Problem,
    SolverOptions,
    fit_mixed_model,
    satterthwaite,
)
from bead_sklearn.solvers._surface import GaussianSurface


def fitted(kind, algebra, *, reml=True):
    design = crossed_design(kind, n=1200, n_persons=160, n_items=140)
    rng = np.random.RandomState(1)
    eta = sum(
        factor.matvec(rng.normal(size=(factor.n_levels, factor.size)))
        for factor in design.factors
    )
    y = eta + rng.normal(size=design.n_rows)
    weights = rng.randint(1, 4, size=design.n_rows).astype(float)
    options = SolverOptions(reml=reml, linear_algebra=algebra, tol=1e-9)
    fit = fit_mixed_model(design, Normal(), y, weights, options)
    return Problem(design, Normal(), y, weights, options), fit


@pytest.mark.parametrize(
    "kind", ["intercepts", "nested", "nested in the rest", "missing levels"]
)
def test_in_closed_form(kind):
    problem, fit = fitted(kind, "sparse")
    surface = GaussianSurface(problem, fit)
    x = surface.start
    surface(x)
    found = surface.observed_information()

    def parts(point):
        gradient = surface(point)[1]
        return np.append(gradient, surface.fixed_covariance())

    k = len(x)
    rows = []
    for step in 1e-5 * np.eye(k):
        rows.append((parts(x + step) - parts(x - step)) / 2e-5)
    rows = np.array(rows)
    scale = np.abs(rows[:, :k]).max()
    np.testing.assert_allclose(found.information, -rows[:, :k], atol=1e-5 * scale)
    expected = rows[:, k:].reshape(found.by_parameter.shape)
    np.testing.assert_allclose(
        found.by_parameter, expected, atol=1e-5 * np.abs(expected).max()
    )


@pytest.mark.parametrize("kind", ["intercepts", "nested"])
def test_degrees_of_freedom_do_not_depend_on_the_algebra(kind):
    degrees = []
    for algebra in ("sparse", "dense"):
        theory = satterthwaite(*fitted(kind, algebra))
        degrees.append([theory.degrees_of_freedom(row) for row in np.eye(3)])
    np.testing.assert_allclose(*degrees, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "algebra"), [("slopes", "sparse"), ("three", "dense")]
)
def test_other_models_have_differences(kind, algebra):
    problem, fit = fitted(kind, algebra)
    surface = GaussianSurface(problem, fit)
    surface(surface.start)
    assert surface.observed_information() is None
    assert satterthwaite(problem, fit).degrees_of_freedom(np.eye(3)[1]) > 1.0
