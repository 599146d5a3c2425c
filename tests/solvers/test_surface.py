"""The likelihood as a function of all parameters, and quantities on it."""

from __future__ import annotations

import numpy as np
import pytest
from crossed_designs import crossed_design

from bead_sklearn.effects import RandomFactor, diagonal_covariance, full_covariance
from bead_sklearn.families import Bernoulli, CumulativeLogit, Normal
from bead_sklearn.solvers import (
    Coefficient,
    Correlation,
    DenseBlock,
    Design,
    Problem,
    Profiler,
    ResidualDeviation,
    SolverOptions,
    StandardDeviation,
    VarianceOptions,
    likelihood_surface,
    n_free_scales,
    satterthwaite,
)

N = 200


def make_problem(family, options=None, *, ridge=False, seed=0):
    rng = np.random.RandomState(seed)
    g, i = rng.randint(20, size=N), rng.randint(8, size=N)
    x = rng.normal(size=N)
    slopes = np.column_stack([np.ones(N), x])
    columns = [x] if isinstance(family, CumulativeLogit) else [np.ones(N), x]
    features = rng.normal(size=(N, 5))
    design = Design(
        N,
        DenseBlock(np.column_stack(columns)),
        DenseBlock(features) if ridge else None,
        (
            RandomFactor("g", g, 20, slopes, full_covariance(np.ones(2)), ("1", "x")),
            RandomFactor(
                "i", i, 8, np.ones((N, 1)), diagonal_covariance(np.ones(1)), ("1",)
            ),
        ),
    )
    u = rng.normal(size=(20, 2)) @ [[1.0, 0.4], [0.0, 0.7]]
    eta = 0.5 * x + (u[g] * slopes).sum(axis=1) + rng.normal(size=8)[i]
    if ridge:
        eta = eta + features @ rng.normal(size=5)
    if isinstance(family, CumulativeLogit):
        y = np.digitize(eta + rng.logistic(size=N), [-1.0, 1.0]).astype(float)
    elif isinstance(family, Bernoulli):
        y = (eta + rng.logistic(size=N) > 0).astype(float)
    else:
        y = 3.0 + eta + rng.normal(size=N)
    weights = rng.randint(1, 3, size=N).astype(float)
    return Problem(design, family, y, weights, options or SolverOptions())


def numeric_gradient(function, x, step=1e-5):
    moves = step * np.eye(len(x))
    return np.array([(function(x + d) - function(x - d)) / (2 * step) for d in moves])


KINDS = {
    "normal": (Normal(), SolverOptions()),
    "normal reml": (Normal(), SolverOptions(reml=True)),
    "bernoulli": (Bernoulli(), SolverOptions()),
    "bernoulli reml": (Bernoulli(), SolverOptions(reml=True)),
    "cumulative": (CumulativeLogit(3), SolverOptions()),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ridge", [False, True])
def test_the_surface_is_that_of_the_fit(kind, ridge):
    problem = make_problem(*KINDS[kind], ridge=ridge)
    fit = problem.fit()
    surface = likelihood_surface(problem, fit)
    assert surface.log_likelihood(surface.start) == pytest.approx(
        fit.log_likelihood, rel=1e-9
    )
    assert np.abs(surface(surface.start)[1]).max() < 1e-3
    rng = np.random.RandomState(1)
    x = surface.start + 0.1 * rng.normal(size=len(surface.start))
    numeric = numeric_gradient(lambda point: surface(point)[0], x)
    np.testing.assert_allclose(surface(x)[1], numeric, rtol=1e-4, atol=2e-3)
    assert n_free_scales(problem) == 3 + ridge


def test_held_parameters_keep_their_unit():
    variances = VarianceOptions(estimate=False, initial_variance=0.5)
    problem = make_problem(Normal(), SolverOptions(variances=variances))
    fit = problem.fit()
    surface = likelihood_surface(problem, fit)
    assert surface.log_likelihood(surface.start) == pytest.approx(fit.log_likelihood)
    x = surface.start.copy()
    x[-1] += 0.3
    scale = surface.scale_factor(x, 0)
    np.testing.assert_allclose(scale @ scale.T, 0.5 * np.eye(2))
    assert n_free_scales(problem) == 0


def quantities(problem):
    listed = [
        StandardDeviation("sd", 0, np.array([1.0, 0.0])),
        StandardDeviation("sd", 0, np.array([1.0, -2.0])),
        StandardDeviation("sd", 1, np.array([1.0])),
        Correlation("cor", 0, np.array([1.0, -2.0]), np.array([0.0, 1.0])),
    ]
    if isinstance(problem.family, Normal):
        return [*listed, ResidualDeviation("sigma")]
    if problem.options.reml:
        return listed
    return [*listed, Coefficient("x", np.eye(problem.design.n_fixed)[-1])]


@pytest.mark.parametrize("kind", KINDS)
def test_quantities_on_the_surface(kind):
    problem = make_problem(*KINDS[kind])
    fit = problem.fit()
    surface = likelihood_surface(problem, fit)
    for quantity in quantities(problem):
        value, gradient = quantity.at(surface, surface.start)
        assert value == pytest.approx(quantity.estimate(fit), rel=1e-6)
        assert quantity.lower <= value <= quantity.upper
        numeric = numeric_gradient(
            lambda x, q=quantity: q.at(surface, x)[0], surface.start
        )
        np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-5)


def test_derivatives_in_log_sigma():
    problem = make_problem(Normal(), SolverOptions(reml=True))
    surface = likelihood_surface(problem, problem.fit())
    surface(surface.start)
    found = surface.by_log_sigma()
    hessian = numeric_gradient(lambda x: surface(x)[1], surface.start)
    np.testing.assert_allclose(found, hessian[-1], rtol=1e-4, atol=1e-4)


def test_derivatives_in_log_sigma_are_not_known_with_a_held_variance():
    held = VarianceOptions(estimate=False, initial_variance=0.5)
    problem = make_problem(Normal(), SolverOptions(variances=held))
    surface = likelihood_surface(problem, problem.fit())
    assert surface.by_log_sigma() is None


def test_a_zero_deviation_has_its_derivative_to_the_right():
    problem = make_problem(Bernoulli())
    surface = likelihood_surface(problem, problem.fit())
    x = surface.start.copy()
    x[surface.theta] = 0.0
    quantity = StandardDeviation("sd", 1, np.array([-2.0]))
    value, gradient = quantity.at(surface, x)
    step = 0.1 * gradient / (gradient @ gradient)
    assert value == 0.0
    assert quantity.at(surface, x + step)[0] == pytest.approx(0.1)


def test_correlation_without_variance_is_not_defined():
    problem = make_problem(
        Normal(), SolverOptions(variances=VarianceOptions(zero_factors=("g",)))
    )
    fit = problem.fit()
    quantity = Correlation("cor", 0, np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert np.isnan(quantity.estimate(fit))


def test_covariance_is_the_inverse_of_the_information():
    problem = make_problem(Bernoulli())
    fit = problem.fit()
    surface = likelihood_surface(problem, fit)
    covariance = surface.covariance(surface.start)
    k = len(surface.start)
    hessian = numeric_gradient(lambda x: surface(x)[1], surface.start)
    np.testing.assert_allclose(covariance @ -hessian, np.eye(k), atol=2e-3)
    # The fixed part is in units of its standard errors at the estimated variances.
    p = surface.theta.start
    assert (np.diagonal(covariance)[:p] > 0.99).all()


def test_a_parameter_at_its_bound_is_known():
    problem = make_problem(Normal())
    surface = likelihood_surface(problem, problem.fit())
    x = surface.start.copy()
    x[3] = 0.0
    covariance = surface.covariance(x)
    assert (covariance[3] == 0).all()
    assert (np.diagonal(covariance)[[0, 1, 2, 4]] > 0).all()


def test_a_held_coefficient_of_a_normal_model():
    problem = make_problem(Normal())
    fit = problem.fit()
    surface = likelihood_surface(problem, fit)
    contrast = np.array([1.0, 2.0])
    estimate = contrast @ fit.posterior.fixed
    at_estimate = surface.at_coefficient(contrast, estimate)
    assert at_estimate(surface.start)[0] == pytest.approx(surface(surface.start)[0])
    # At given variances the likelihood of a fixed effect is normal.
    error = np.sqrt(contrast @ fit.posterior.fixed_covariance() @ contrast)
    moved = surface.at_coefficient(contrast, estimate + 1.5 * error)
    fall = surface(surface.start)[0] - moved(surface.start)[0]
    assert fall == pytest.approx(0.5 * 1.5**2, rel=1e-6)


def test_repeated_rows_are_weights():
    problem = make_problem(Bernoulli())
    repeated = problem.repeated()
    assert len(repeated.y) == problem.weights.sum()
    assert repeated.repeated() is repeated
    first, second = problem.fit(), repeated.fit()
    assert second.log_likelihood == pytest.approx(first.log_likelihood, rel=1e-8)
    np.testing.assert_allclose(second.theta, first.theta, rtol=1e-4)
    with pytest.raises(ValueError, match=r"integer sample_weight.*0\.5"):
        Problem(
            problem.design,
            problem.family,
            problem.y,
            np.full(N, 0.5),
            problem.options,
        ).repeated()


def test_rows_of_a_design():
    design = make_problem(Normal(), ridge=True).design
    rows = np.array([3, 3, 0, 150])
    taken = design.take(np.arange(N)).take(rows)
    np.testing.assert_array_equal(taken.fixed.rows(), design.fixed.rows()[rows])
    np.testing.assert_array_equal(taken.ridge.rows(), design.ridge.rows()[rows])
    for factor, whole in zip(taken.factors, design.factors, strict=True):
        np.testing.assert_array_equal(factor.codes, whole.codes[rows])
        np.testing.assert_array_equal(factor.z, whole.z[rows])


def crossed_problem(family, **options):
    """Many enough items for the sparse and the iterative algebra."""
    design = crossed_design("intercepts", n=900, n_persons=160, n_items=140)
    rng = np.random.RandomState(0)
    eta = rng.normal(size=900)
    for factor in design.factors:
        eta = eta + factor.matvec(rng.normal(size=(factor.n_levels, 1)))
    y = eta if isinstance(family, Normal) else (eta > 0).astype(float)
    return Problem(design, family, y, np.ones(900), SolverOptions(**options))


@pytest.mark.parametrize("family", [Normal(), Bernoulli()], ids=["normal", "bernoulli"])
def test_dense_and_sparse_give_the_same_surface(family):
    surfaces = []
    for algebra in ("dense", "sparse"):
        problem = crossed_problem(family, linear_algebra=algebra)
        surfaces.append(likelihood_surface(problem, problem.fit()))
    x = surfaces[0].start + 0.05
    dense, sparse = (surface(x) for surface in surfaces)
    assert sparse[0] == pytest.approx(dense[0], abs=1e-3)
    np.testing.assert_allclose(sparse[1], dense[1], atol=0.05)


def test_an_iterative_likelihood_has_no_profile_and_no_t_tests():
    problem = crossed_problem(Normal(), reml=True, linear_algebra="iterative")
    fit = problem.fit()
    assert fit.monte_carlo_error > 0
    surface = likelihood_surface(problem, fit)
    # The random vectors are the same as in the fit.
    assert surface.log_likelihood(surface.start) == pytest.approx(
        fit.log_likelihood, abs=1e-3
    )
    assert satterthwaite(problem, fit) is None
    with pytest.raises(ValueError, match=r"fitted iteratively.*Wald or bootstrap"):
        Profiler(problem, fit)
