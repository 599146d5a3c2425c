"""Profile-likelihood intervals against brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.stats import chi2, norm

from bead_sklearn.effects import RandomFactor, full_covariance
from bead_sklearn.families import Bernoulli, Normal
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
    satterthwaite,
)
from bead_sklearn.solvers._profile import find_end

LEVEL = 0.95
FALL = chi2.ppf(LEVEL, 1)


def intercepts(seed=0, *, sd=1.0, q=8, m=6):
    """Balanced one-way data with a covariate."""
    rng = np.random.RandomState(seed)
    codes = np.repeat(np.arange(q), m)
    x = rng.normal(size=q * m)
    y = 2.0 + 0.5 * x + sd * rng.normal(size=q)[codes] + rng.normal(size=q * m)
    factor = RandomFactor(
        "g", codes, q, np.ones((q * m, 1)), full_covariance(np.ones(1)), ("1",)
    )
    design = Design(q * m, DenseBlock(np.column_stack([np.ones(q * m), x])), None)
    return Design(design.n_rows, design.fixed, None, (factor,)), y, codes


def log_likelihood(design, y, sd, sigma, *, reml, slope=None):
    """Dense log-likelihood of the variances, fixed effects at their best."""
    X = design.fixed.rows()
    Z = np.eye(design.factors[0].n_levels)[design.factors[0].codes]
    V = sd**2 * Z @ Z.T + sigma**2 * np.eye(len(y))
    if slope is not None:
        y, X = y - slope * X[:, 1], X[:, :1]
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    r = y - X @ np.linalg.solve(information, X.T @ inverse @ y)
    value = np.linalg.slogdet(V)[1] + r @ inverse @ r + len(y) * np.log(2 * np.pi)
    if reml:
        value += np.linalg.slogdet(information)[1]
        value -= X.shape[1] * np.log(2 * np.pi)
    return -0.5 * value


def brute_force(profile, estimate, step, *, floor=-np.inf):
    """Ends of the interval of a profile that is a function of one number."""
    top = profile(estimate)
    ends = []
    for direction in (-1.0, 1.0):
        reach = step
        while True:
            far = max(estimate + direction * reach, floor)
            if 2 * (top - profile(far)) > FALL:
                ends.append(
                    brentq(
                        lambda v: 2 * (top - profile(v)) - FALL,
                        *sorted((estimate, far)),
                    )
                )
                break
            if far == floor:
                ends.append(floor)
                break
            reach *= 2
    return ends


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("sd", [0.0, 0.4, 2.0])
def test_variances_of_a_normal_model(reml, sd):
    design, y, _ = intercepts(sd=sd)
    problem = Problem(design, Normal(), y, np.ones(len(y)), SolverOptions(reml=reml))
    fit = problem.fit()
    profiler = Profiler(problem, fit)
    quantity = StandardDeviation("sd", 0, np.ones(1))

    def by_sd(value):
        best = minimize_scalar(
            lambda s: -log_likelihood(design, y, value, np.exp(s), reml=reml),
            bounds=(-3, 3),
            method="bounded",
            options={"xatol": 1e-9},
        )
        return -best.fun

    found = profiler.interval(quantity, LEVEL)
    expected = brute_force(by_sd, quantity.estimate(fit), 0.5, floor=0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)

    def by_sigma(value):
        best = minimize_scalar(
            lambda s: -log_likelihood(design, y, s, value, reml=reml),
            bounds=(0, 8),
            method="bounded",
            options={"xatol": 1e-9},
        )
        return max(-best.fun, log_likelihood(design, y, 0.0, value, reml=reml))

    found = profiler.interval(ResidualDeviation("sigma"), LEVEL)
    expected = brute_force(by_sigma, fit.sigma, 0.2, floor=1e-3)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_fixed_effect_of_a_normal_model():
    design, y, _ = intercepts()
    problem = Problem(design, Normal(), y, np.ones(len(y)), SolverOptions())
    fit = problem.fit()

    def profile(value):
        best = minimize(
            lambda x: (
                -log_likelihood(
                    design, y, abs(x[0]), np.exp(x[1]), reml=False, slope=value
                )
            ),
            [1.0, 0.0],
            method="Nelder-Mead",
            options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 2000},
        )
        return -best.fun

    quantity = Coefficient("x", np.array([0.0, 1.0]))
    expected = brute_force(profile, fit.posterior.fixed[1], 0.3)
    found = Profiler(problem, fit).interval(quantity, LEVEL)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_intercept_alone():
    rng = np.random.RandomState(0)
    y = rng.normal(size=30)
    design = Design(30, DenseBlock(np.ones((30, 1))))
    problem = Problem(design, Normal(), y, np.ones(30), SolverOptions())
    found = Profiler(problem, problem.fit()).interval(
        Coefficient("1", np.ones(1)), LEVEL
    )
    # (mean - mu)^2 / s^2 = exp(c^2 / n) - 1 in closed form.
    half = y.std() * np.sqrt(np.expm1(FALL / 30))
    np.testing.assert_allclose(found, [y.mean() - half, y.mean() + half], rtol=1e-5)


def test_fixed_effect_of_a_logistic_model():
    rng = np.random.RandomState(0)
    X = np.column_stack([np.ones(60), rng.normal(size=(60, 2))])
    y = (rng.logistic(size=60) < X @ [0.3, 1.0, 0.0]).astype(float)
    problem = Problem(
        Design(60, DenseBlock(X)), Bernoulli(), y, np.ones(60), SolverOptions()
    )
    fit = problem.fit()

    def profile(value):
        def loss(rest):
            eta = X @ [rest[0], value, rest[1]]
            return -(y @ eta - np.logaddexp(0, eta).sum())

        return -minimize(loss, np.zeros(2), options={"gtol": 1e-8}).fun

    expected = brute_force(profile, fit.posterior.fixed[1], 0.5)
    found = Profiler(problem, fit).interval(Coefficient("x", np.eye(3)[1]), LEVEL)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_intervals_of_a_mixed_logistic_model_are_where_the_likelihood_falls():
    """Refits with the quantity held, through an offset-free reparametrisation."""
    rng = np.random.RandomState(3)
    q, m = 12, 15
    codes = np.repeat(np.arange(q), m)
    x = rng.normal(size=q * m)
    eta = 0.5 * x + 1.2 * rng.normal(size=q)[codes]
    y = (rng.logistic(size=q * m) < eta).astype(float)
    factor = RandomFactor(
        "g", codes, q, np.ones((q * m, 1)), full_covariance(np.ones(1)), ("1",)
    )
    X = np.column_stack([np.ones(q * m), x])
    design = Design(q * m, DenseBlock(X), None, (factor,))
    problem = Problem(design, Bernoulli(), y, np.ones(q * m), SolverOptions())
    fit = problem.fit()
    quantity = StandardDeviation("sd", 0, np.ones(1))
    lower, upper = Profiler(problem, fit).interval(quantity, LEVEL)
    for end in (lower, upper):
        held = SolverOptions(
            variances=VarianceOptions(estimate=False, initial_variance=end**2)
        )
        at_end = Problem(design, Bernoulli(), y, np.ones(q * m), held).fit()
        fall = 2 * (fit.log_likelihood - at_end.log_likelihood)
        assert fall == pytest.approx(FALL, abs=1e-3)


def slopes(correlation, seed=0, q=15, m=10):
    rng = np.random.RandomState(seed)
    codes = np.repeat(np.arange(q), m)
    x = np.tile(np.linspace(-1, 1, m), q)
    z = np.column_stack([np.ones(q * m), x])
    u = rng.normal(size=(q, 2))
    u[:, 1] = correlation * u[:, 0] + np.sqrt(1 - correlation**2) * u[:, 1]
    y = (u[codes] * z).sum(axis=1) + 0.5 * rng.normal(size=q * m)
    factor = RandomFactor("g", codes, q, z, full_covariance(np.ones(2)), ("1", "x"))
    design = Design(q * m, DenseBlock(z), None, (factor,))
    return Problem(design, Normal(), y, np.ones(q * m), SolverOptions())


CORRELATION = Correlation("cor", 0, np.array([1.0, 0.0]), np.array([0.0, 1.0]))


def test_correlation():
    problem = slopes(0.3)
    fit = problem.fit()
    found = Profiler(problem, fit).interval(CORRELATION, LEVEL)
    X, codes = problem.design.fixed.rows(), problem.design.factors[0].codes
    same = codes[:, None] == codes

    def negative(x, correlation):
        a, b, sigma = np.exp(x)
        G = np.array([[a * a, a * b * correlation], [a * b * correlation, b * b]])
        V = np.where(same, X @ G @ X.T, 0.0) + sigma**2 * np.eye(len(X))
        inverse = np.linalg.inv(V)
        beta = np.linalg.solve(X.T @ inverse @ X, X.T @ inverse @ problem.y)
        r = problem.y - X @ beta
        return 0.5 * (np.linalg.slogdet(V)[1] + r @ inverse @ r)

    def profile(correlation):
        start = np.log([1.0, 1.0, 0.5])
        return -minimize(negative, start, (correlation,), options={"gtol": 1e-6}).fun

    for end in found:
        fall = 2 * (profile(CORRELATION.estimate(fit)) - profile(end))
        assert fall == pytest.approx(FALL, abs=2e-3)


@pytest.mark.parametrize("seed", [0, 5, 9, 11])
@pytest.mark.parametrize("effect", [(1.0, 0.0), (1.0, -0.8), (0.0, 1.0)])
def test_deviations_of_correlated_effects(seed, effect):
    """Few levels: the other deviation comes near zero on the way."""
    correlation = [-0.9, -0.3, 0.0, 0.5, 0.95, 1.0][seed % 6]
    problem = slopes(correlation, seed=seed, q=7, m=5)
    fit = problem.fit()
    quantity = StandardDeviation("sd", 0, np.array(effect))
    ends = Profiler(problem, fit).interval(quantity, LEVEL)
    X, codes = problem.design.fixed.rows(), problem.design.factors[0].codes
    same = codes[:, None] == codes
    basis = np.linalg.inv([effect, (0.0, 1.0) if effect[0] else (1.0, 0.0)])

    def negative(x, sd):
        root = basis @ np.array([[sd, 0.0], [x[0], x[1]]])
        V = np.where(same, X @ root @ root.T @ X.T, 0.0)
        V += np.exp(2 * x[2]) * np.eye(len(X))
        inverse = np.linalg.inv(V)
        beta = np.linalg.solve(X.T @ inverse @ X, X.T @ inverse @ problem.y)
        r = problem.y - X @ beta
        constant = len(X) * np.log(2 * np.pi)
        return 0.5 * (np.linalg.slogdet(V)[1] + r @ inverse @ r + constant)

    for end in ends:
        profile = max(
            -minimize(negative, start, (max(end, 1e-9),), options={"gtol": 1e-6}).fun
            for start in ([0.5, 0.5, -0.7], [-0.5, 0.5, -0.7], [1.0, 0.1, -0.7])
        )
        fall = 2 * (fit.log_likelihood - profile)
        if end == 0:
            assert fall < FALL
        else:
            assert fall == pytest.approx(FALL, abs=5e-3)


def test_correlation_that_the_data_do_not_bound():
    problem = slopes(1.0, q=6)
    lower, upper = Profiler(problem, problem.fit()).interval(CORRELATION, LEVEL)
    assert upper == 1.0
    assert -1 < lower < 1


def test_a_fit_short_of_the_maximum_is_refused():
    problem = slopes(0.3)
    early = Problem(
        problem.design,
        problem.family,
        problem.y,
        problem.weights,
        SolverOptions(max_iter=1),
    ).fit()
    better = problem.fit()
    if better.log_likelihood - early.log_likelihood < 1e-2:
        # The Newton steps at the end of a search may get there all the same.
        moved = early.theta * 1.5
        early = early.__class__(**{**early.__dict__, "theta": moved})
    with pytest.raises(ValueError, match="not at its maximum"):
        Profiler(problem, early)


@pytest.mark.parametrize("power", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("step", [0.01, 1.0, 50.0])
@pytest.mark.parametrize("direction", [-1.0, 1.0])
def test_ends_of_curved_profiles(power, step, direction):
    target = norm.ppf(0.975)
    calls = []

    def evaluate(aim):
        calls.append(aim)
        return aim, abs(aim - 3.0) ** power

    end = find_end(evaluate, 3.0, direction * step, target, direction * np.inf)
    assert end == pytest.approx(3.0 + direction * target ** (1 / power), rel=1e-4)
    assert len(calls) < 30


def test_ends_at_the_end_of_the_range():
    def evaluate(aim):
        assert aim > 0
        return aim, 0.5 * (2.0 - aim)

    assert find_end(evaluate, 2.0, -0.5, 1.96, 0.0) == 0.0
    with pytest.raises(RuntimeError, match="was not found"):
        find_end(lambda aim: (aim, 0.0), 2.0, 0.5, 1.96, np.inf)


def test_balanced_t_tests_have_the_exact_degrees_of_freedom():
    design, y, _ = intercepts(sd=1.5)
    q, m = 8, 6
    between = np.repeat(np.random.RandomState(1).normal(size=q), m)
    rows = np.column_stack([np.ones(q * m), between])
    design = Design(q * m, DenseBlock(rows), None, design.factors)
    options = SolverOptions(reml=True)
    problem = Problem(design, Normal(), y, np.ones(q * m), options)
    fit = problem.fit()
    assert fit.theta[0] > 0
    degrees = satterthwaite(problem, fit)
    # A covariate between levels is tested against the level means: q - 2.
    for contrast in np.eye(2):
        assert degrees.degrees_of_freedom(contrast) == pytest.approx(q - 2, rel=1e-4)
    # The t statistic is that of the regression of level means.
    means = y.reshape(q, m).mean(axis=1)
    X = rows[::m]
    beta, rss, *_ = np.linalg.lstsq(X, means, rcond=None)
    variance = rss[0] / (q - 2) * np.linalg.inv(X.T @ X)
    np.testing.assert_allclose(fit.posterior.fixed, beta, rtol=1e-6)
    np.testing.assert_allclose(degrees.covariance, variance, rtol=1e-3)


def test_t_tests_with_a_variance_of_zero_are_those_of_a_regression():
    design, y, codes = intercepts(sd=0.0)
    y = y - (np.bincount(codes, y) / 6)[codes]
    problem = Problem(design, Normal(), y, np.ones(len(y)), SolverOptions(reml=True))
    fit = problem.fit()
    assert fit.theta[0] == 0
    degrees = satterthwaite(problem, fit).degrees_of_freedom(np.array([0.0, 1.0]))
    assert degrees == pytest.approx(len(y) - 2, rel=1e-5)


def test_satterthwaite_is_for_restricted_normal_likelihoods_only():
    design, y, _ = intercepts()
    problem = Problem(design, Normal(), y, np.ones(len(y)), SolverOptions())
    assert satterthwaite(problem, problem.fit()) is None


def test_an_end_that_is_never_reached_is_an_error():
    with pytest.raises(RuntimeError, match="not found in 60 steps: it lies beyond"):
        find_end(lambda v: (v, v / (1 + v)), 0.0, 0.5, 1.96, np.inf)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_correlation_on_the_boundary(sign):
    """A correlation of -1 or 1 has no standard error to begin the search with."""
    problem = slopes(sign, q=6, seed=4)
    fit = problem.fit()
    estimate = CORRELATION.estimate(fit)
    profiler = Profiler(problem, fit)
    lower, upper = profiler.interval(CORRELATION, LEVEL)
    assert estimate == pytest.approx(sign, abs=1e-6)
    assert (upper if sign > 0 else lower) == sign
    assert lower < upper
    # The interval of the mirrored data is the mirrored one.
    design = problem.design
    [factor] = design.factors
    mirror = np.array([1.0, -1.0])
    fixed = DenseBlock(design.fixed.rows() * mirror)
    mirrored = Design(
        design.n_rows, fixed, None, (replace(factor, z=factor.z * mirror),)
    )
    other = replace(problem, design=mirrored)
    found = Profiler(other, other.fit()).interval(CORRELATION, LEVEL)
    np.testing.assert_allclose(found, (-upper, -lower), atol=1e-3)


def binary(sd, *, q=12, m=6, seed=0, n_quadrature=1):
    rng = np.random.RandomState(seed)
    codes = np.repeat(np.arange(q), m)
    rows = np.column_stack([np.ones(q * m), rng.normal(size=q * m)])
    factor = RandomFactor(
        "g", codes, q, np.ones((q * m, 1)), full_covariance(np.ones(1)), ("1",)
    )
    eta = rows @ [0.2, 0.7] + sd * rng.normal(size=q)[codes]
    y = (eta + rng.logistic(size=q * m) > 0).astype(float)
    design = Design(q * m, DenseBlock(rows), None, (factor,))
    options = SolverOptions(n_quadrature=n_quadrature)
    return Problem(design, Bernoulli(), y, np.ones(q * m), options)


def profile_of_a_deviation(problem):
    """Of a Bernoulli model, by quadrature on a fixed grid."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    rows, codes = problem.design.fixed.rows(), problem.design.factors[0].codes
    sign = 2 * problem.y - 1

    def negative(beta, sd):
        eta = (rows @ beta)[:, None] + sd * nodes
        logs = -np.logaddexp(0, -sign[:, None] * eta)
        sums = np.zeros((codes.max() + 1, len(nodes)))
        np.add.at(sums, codes, logs)
        top = sums.max(axis=1, keepdims=True)
        values = np.exp(sums - top) @ weights / np.sqrt(2 * np.pi)
        return -(np.log(values) + top[:, 0]).sum()

    def profile(sd):
        return -minimize(negative, [0.0, 0.5], (sd,), options={"gtol": 1e-7}).fun

    return profile


@pytest.mark.parametrize(("sd", "seed"), [(1.5, 0), (0.0, 3)])
def test_profile_by_quadrature(sd, seed):
    """The surface of the quadrature, also where the deviation is zero."""
    problem = binary(sd, seed=seed, n_quadrature=25)
    fit = problem.fit()
    quantity = StandardDeviation("sd", 0, np.ones(1))
    estimate = quantity.estimate(fit)
    assert (estimate == 0.0) == (sd == 0.0)
    found = Profiler(problem, fit).interval(quantity, LEVEL)
    profile = profile_of_a_deviation(problem)
    assert profile(estimate) == pytest.approx(fit.log_likelihood, abs=1e-4)
    expected = brute_force(profile, estimate, 0.5, floor=0.0)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-6)
