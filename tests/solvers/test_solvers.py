"""Solvers against dense linear algebra, quadrature and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from bead_sklearn.effects import (
    RandomFactor,
    diagonal_covariance,
    full_covariance,
    shared_covariance,
)
from bead_sklearn.families import (
    Bernoulli,
    BernoulliProbit,
    Beta,
    CumulativeLogit,
    CumulativeProbit,
    Normal,
    OrderedBeta,
    TruncatedNormal,
)
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    Problem,
    SolverOptions,
    VarianceOptions,
    fit_mixed_model,
    likelihood_surface,
)
from bead_sklearn.solvers._crossproducts import Crossproducts
from bead_sklearn.solvers._factorization import Factorization
from bead_sklearn.solvers._gaussian import GaussianObjective
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._quadrature import QuadratureObjective
from bead_sklearn.solvers._scales import Scales
from bead_sklearn.solvers._variances import predictor_variances

N = 60


def make_design(kind, seed=0):
    """A small design of each kind, its size N."""
    rng = np.random.RandomState(seed)
    fixed = DenseBlock(np.column_stack([np.ones(N), rng.normal(size=(N, 2))]))
    p, i = rng.randint(9, size=N), rng.randint(5, size=N)
    p[:9], i[:5] = np.arange(9), np.arange(5)
    ones = np.ones((N, 1))
    slopes = np.column_stack([np.ones(N), rng.normal(size=N)])
    many = np.column_stack([np.ones(N), rng.normal(size=(N, 6))])
    intercepts = RandomFactor("p", p, 9, ones, full_covariance(np.ones(1)), ("1",))
    items = RandomFactor("i", i, 5, ones, full_covariance(np.ones(1)), ("1",))
    correlated = RandomFactor(
        "p", p, 9, slopes, full_covariance(np.ones(2)), ("1", "x")
    )
    item_slopes = RandomFactor(
        "i", i, 5, slopes, diagonal_covariance(np.ones(2)), ("1", "x")
    )
    heads = RandomFactor(
        "p",
        p,
        9,
        many,
        shared_covariance(np.r_[0, np.ones(6, int)], np.ones(7)),
        ("1",) * 7,
    )
    third = RandomFactor(
        "w", rng.randint(3, size=N), 3, ones, full_covariance(np.ones(1)), ("1",)
    )
    by_row = DenseBlock(rng.normal(size=(N, 4)))
    by_text = DenseBlock(rng.normal(size=(12, 4)), rng.randint(12, size=N))
    by_item = DenseBlock(rng.normal(size=(5, 3)), i)
    return {
        "fixed": Design(N, fixed),
        "ridge": Design(N, fixed, by_row),
        "intercepts": Design(N, fixed, None, (intercepts,)),
        "no intercept": Design(N, DenseBlock(np.zeros((N, 0))), None, (intercepts,)),
        "slopes": Design(N, fixed, None, (correlated,)),
        "heads": Design(N, fixed, by_text, (heads,)),
        "crossed": Design(N, fixed, None, (items, intercepts)),
        "crossed ridge": Design(N, fixed, by_text, (intercepts, item_slopes)),
        "three": Design(
            N,
            DenseBlock(fixed.values, np.arange(N)),
            by_row,
            (items, correlated, third),
        ),
        "items": Design(N, fixed, by_item, (correlated, items)),
    }[kind]


KINDS = [
    "fixed",
    "ridge",
    "intercepts",
    "no intercept",
    "slopes",
    "heads",
    "crossed",
    "crossed ridge",
    "three",
    "items",
]


def n_theta(design):
    sizes = [factor.structure.n_parameters for factor in design.factors]
    return sum(sizes) + (design.ridge is not None)


def dense(design):
    """All latent columns in the order: eliminated factor, rest; and the fixed."""
    columns = []
    for factor in design.factors:
        block = np.zeros((N, factor.n_levels, factor.size))
        block[np.arange(N), factor.codes] = factor.z
        columns.append(block.reshape(N, -1))
    if design.ridge is not None:
        columns.append(design.ridge.rows())
    return np.hstack([*columns, np.zeros((N, 0))]), design.fixed.rows()


def dense_prior(design, theta):
    """Standard-deviation matrix of all latent columns."""
    from scipy.linalg import block_diag

    scales = Scales(design, theta)
    blocks = [
        np.kron(np.eye(factor.n_levels), scale)
        for factor, scale in zip(design.factors, scales.factors, strict=True)
    ]
    if design.ridge is not None:
        blocks.append(scales.ridge * np.eye(design.ridge.n_columns))
    return block_diag(*blocks) if blocks else np.zeros((0, 0))


def some_theta(design, seed=1):
    return np.abs(np.random.RandomState(seed).normal(0.8, 0.3, size=n_theta(design)))


@pytest.mark.parametrize("kind", KINDS)
def test_factorization_is_dense_algebra(kind):
    design = make_design(kind)
    rng = np.random.RandomState(2)
    weights = rng.uniform(0.2, 2.0, size=N)
    theta = some_theta(design)
    Z, X = dense(design)
    G = np.hstack([Z @ dense_prior(design, theta), X])
    penalty = np.r_[np.ones(Z.shape[1]), np.zeros(X.shape[1])]
    H = (G.T * weights) @ G + np.diag(penalty)
    products = Crossproducts(design).compute(weights, with_fixed=True)
    scales = Scales(design, theta)
    found = Factorization(design, products, scales)
    assert found.log_det(design.n_rest) == pytest.approx(np.linalg.slogdet(H)[1])
    latent = Z.shape[1]
    if latent:
        inner = np.linalg.slogdet(H[:latent, :latent])[1]
        assert found.log_det(design.n_rest - design.n_fixed) == pytest.approx(inner)
    right = rng.normal(size=len(H))
    first = design.eliminated
    own_size = first.n_effects if first is not None else 0
    own = right[:own_size].reshape(-1, first.size if first is not None else 1)
    x_own, x_rest = found.solve(own, right[own_size:])
    solution = np.r_[x_own.ravel(), x_rest]
    np.testing.assert_allclose(solution, np.linalg.solve(H, right), atol=1e-9)
    variances = predictor_variances(design, found.covariances(design.n_rest))
    expected = np.einsum("ij,jk,ik->i", G, np.linalg.inv(H), G)
    np.testing.assert_allclose(variances, expected, atol=1e-9)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("kind", [k for k in KINDS if k != "no intercept"])
def test_gaussian_likelihood_is_the_multivariate_normals(kind, reml):
    design = make_design(kind)
    rng = np.random.RandomState(3)
    y = rng.normal(size=N) + 2.0
    theta = some_theta(design)
    objective = GaussianObjective(
        design, y, np.ones(N), reml=reml, absolute=np.zeros(len(theta), dtype=bool)
    )
    value, _ = objective(theta)
    Z, X = dense(design)
    root = Z @ dense_prior(design, theta)
    covariance = objective.sigma**2 * (root @ root.T + np.eye(N))
    inverse = np.linalg.inv(covariance)
    beta = np.linalg.solve(X.T @ inverse @ X, X.T @ inverse @ y)
    expected = stats.multivariate_normal(X @ beta, covariance).logpdf(y)
    if reml:
        expected += 0.5 * X.shape[1] * np.log(2 * np.pi)
        expected -= 0.5 * np.linalg.slogdet(X.T @ inverse @ X)[1]
    assert value == pytest.approx(expected)


def numeric_gradient(function, x, step=1e-5):
    gradient = np.empty_like(x)
    for index in range(len(x)):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gaussian_gradient(kind, reml, absolute):
    design = make_design(kind)
    y = np.random.RandomState(3).normal(size=N)
    theta = some_theta(design)
    held = np.zeros(len(theta), dtype=bool)
    if absolute and len(held):
        held[0] = True
        theta = np.append(theta, np.log(0.8))
    objective = GaussianObjective(design, y, np.ones(N), reml=reml, absolute=held)
    gradient = objective(theta)[1]
    numeric = numeric_gradient(lambda x: objective(x)[0], theta)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "fixed"])
def test_laplace_is_exact_for_the_normal_family(kind):
    design = make_design(kind)
    y = np.random.RandomState(3).normal(size=N)
    theta = some_theta(design)
    exact = GaussianObjective(
        design, y, np.ones(N), reml=True, absolute=np.ones(len(theta), dtype=bool)
    )
    value, _ = exact(np.append(theta, 0.0))
    laplace = LaplaceObjective(
        design, Normal(1.0), y, np.ones(N), with_fixed=True, reml=True
    )
    assert laplace(np.zeros(0), theta, np.zeros(0))[0] == pytest.approx(value)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_laplace_gradient(kind, reml):
    design = make_design(kind)
    rng = np.random.RandomState(3)
    y, weights = rng.randint(2, size=N) * 1.0, rng.randint(1, 3, size=N) * 1.0
    theta, beta = some_theta(design), 0.3 * rng.normal(size=design.n_fixed)
    objective = LaplaceObjective(
        design, Bernoulli(), y, weights, with_fixed=reml, reml=reml
    )
    none = np.zeros(0)
    _, beta_gradient, theta_gradient, _ = objective(beta, theta, none)
    numeric = numeric_gradient(lambda x: objective(beta, x, none)[0], theta)
    np.testing.assert_allclose(theta_gradient, numeric, rtol=1e-4, atol=1e-5)
    if not reml:
        numeric = numeric_gradient(lambda x: objective(x, theta, none)[0], beta)
        np.testing.assert_allclose(beta_gradient, numeric, rtol=1e-4, atol=1e-5)


def test_laplace_approaches_the_integral():
    rng = np.random.RandomState(0)
    codes = np.repeat(np.arange(6), 40)
    y = (rng.uniform(size=240) < 0.6).astype(float)
    factor = RandomFactor(
        "g", codes, 6, np.ones((240, 1)), full_covariance(np.ones(1)), ("1",)
    )
    design = Design(240, DenseBlock(np.ones((240, 1))), None, (factor,))
    objective = LaplaceObjective(
        design, Bernoulli(), y, np.ones(240), with_fixed=False, reml=False
    )
    value, *_ = objective(np.array([0.4]), np.array([0.8]), np.zeros(0))
    exact = 0.0
    for level in range(6):
        ones = y[codes == level].sum()

        def integrand(v, ones=ones):
            p = 1 / (1 + np.exp(-(0.4 + 0.8 * v)))
            return p**ones * (1 - p) ** (40 - ones) * stats.norm.pdf(v) * 1e11

        exact += np.log(integrate.quad(integrand, -6, 6)[0]) - np.log(1e11)
    assert value == pytest.approx(exact, abs=0.05)


def test_posterior_is_the_conditional_distribution():
    design = make_design("crossed ridge")
    y = np.random.RandomState(3).normal(size=N)
    options = SolverOptions(
        reml=True,
        variances=VarianceOptions(estimate=False, initial_variance=0.5, alpha=2.0),
    )
    fit = fit_mixed_model(design, Normal(), y, np.ones(N), options)
    mean, variance = fit.posterior.predict(design)
    Z, X = dense(design)
    root = fit.sigma * Z @ dense_prior(design, fit.theta)
    prior = root @ root.T
    total = prior + fit.sigma**2 * np.eye(N)
    inverse = np.linalg.inv(total)
    information = X.T @ inverse @ X
    beta = np.linalg.solve(information, X.T @ inverse @ y)
    np.testing.assert_allclose(
        mean, X @ beta + prior @ inverse @ (y - X @ beta), atol=1e-7
    )
    left = X - prior @ inverse @ X
    expected = np.diagonal(
        prior - prior @ inverse @ prior + left @ np.linalg.solve(information, left.T)
    )
    np.testing.assert_allclose(variance, expected, atol=1e-7)
    slopes, intercepts = fit.posterior.covariances  # the largest factor is first
    np.testing.assert_allclose(slopes, 0.5 * np.eye(2))
    np.testing.assert_allclose(intercepts, [[0.5]])


def test_unknown_levels_have_their_prior_variance():
    design = make_design("slopes")
    y = np.random.RandomState(3).normal(size=N)
    fit = fit_mixed_model(design, Normal(), y, np.ones(N), SolverOptions())
    [factor] = design.factors
    new = RandomFactor(
        "p", np.full(N, -1), 9, factor.z, factor.structure, factor.effect_names
    )
    unknown = Design(N, design.fixed, None, (new,))
    mean, variance = fit.posterior.predict(unknown)
    np.testing.assert_allclose(mean, design.fixed.matvec(fit.posterior.fixed))
    _, conditional = fit.posterior.predict(unknown, marginal=())
    G = fit.posterior.covariances[0]
    prior = np.einsum("ia,ab,ib->i", factor.z, G, factor.z)
    np.testing.assert_allclose(variance - conditional, prior)


FAMILIES = {
    "probit": (BernoulliProbit(), lambda rng: rng.randint(2, size=N)),
    "cumulative": (CumulativeLogit(4), lambda rng: rng.randint(4, size=N)),
    "equidistant": (CumulativeProbit(4, True), lambda rng: rng.randint(4, size=N)),
    "truncated": (TruncatedNormal(0.0, 1.0, 0.4), lambda rng: rng.uniform(size=N)),
    "beta": (Beta(3.0), lambda rng: rng.uniform(0.01, 0.99, size=N)),
    "ordered beta": (
        OrderedBeta(-1.0, 1.5, 3.0),
        lambda rng: np.clip(rng.uniform(-0.3, 1.3, size=N), 0.0, 1.0),
    ),
}


@pytest.mark.parametrize("kind", ["intercepts", "slopes", "crossed ridge", "three"])
@pytest.mark.parametrize("name", FAMILIES)
def test_laplace_gradient_of_families_with_parameters(name, kind):
    design = make_design(kind)
    rng = np.random.RandomState(5)
    family, draw = FAMILIES[name]
    y = draw(rng).astype(float)
    theta, beta = 0.6 * some_theta(design), 0.3 * rng.normal(size=design.n_fixed)
    own = family.parameters + 0.1 * rng.normal(size=len(family.parameters))
    objective = LaplaceObjective(
        design, family, y, np.ones(N), with_fixed=False, reml=False
    )
    _, *gradients = objective(beta, theta, own)
    arguments = [beta, theta, own]
    for index, gradient in enumerate(gradients):

        def value(x, index=index):
            changed = [*arguments]
            changed[index] = x
            return objective(*changed)[0]

        numeric = numeric_gradient(value, arguments[index])
        np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["intercepts", "slopes"])
@pytest.mark.parametrize("name", ["probit", "cumulative", "ordered beta"])
def test_quadrature_gradient(name, kind):
    design = make_design(kind)
    rng = np.random.RandomState(5)
    family, draw = FAMILIES[name]
    y = draw(rng).astype(float)
    theta, beta = 0.6 * some_theta(design), 0.3 * rng.normal(size=design.n_fixed)
    objective = QuadratureObjective(design, family, y, np.ones(N), 15)
    _, *gradients = objective(beta, theta, family.parameters)
    arguments = [beta, theta, family.parameters]
    for index, gradient in enumerate(gradients):

        def value(x, index=index):
            changed = [*arguments]
            changed[index] = x
            return objective(*changed)[0]

        numeric = numeric_gradient(value, arguments[index])
        np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=2e-4)


def test_one_node_is_the_laplace_approximation():
    design = make_design("slopes")
    y = np.random.RandomState(5).randint(2, size=N).astype(float)
    theta, beta, none = some_theta(design), np.zeros(design.n_fixed), np.zeros(0)
    one = QuadratureObjective(design, Bernoulli(), y, np.ones(N), 1)
    laplace = LaplaceObjective(
        design, Bernoulli(), y, np.ones(N), with_fixed=False, reml=False
    )
    assert one(beta, theta, none)[0] == pytest.approx(laplace(beta, theta, none)[0])


@pytest.mark.parametrize(
    ("kind", "reml", "reason"),
    [
        ("crossed", False, "several grouping factors"),
        ("fixed", False, "no grouping factor"),
        ("intercepts", True, "fixed effects are integrated"),
        ("heads", False, "under a ridge"),
    ],
)
def test_where_quadrature_does_not_go(kind, reml, reason):
    design = make_design(kind)
    y = np.arange(N) % 2 * 1.0
    options = SolverOptions(reml=reml, n_quadrature=5)
    with pytest.raises(ValueError, match=f"n_quadrature must be 1.*{reason}"):
        fit_mixed_model(design, Bernoulli(), y, np.ones(N), options)


def test_a_spurious_zero_is_left():
    # A standard deviation at zero is always stationary; here it is not the maximum.
    rng = np.random.RandomState(3)
    codes = np.repeat(np.arange(30), 4)
    y = 0.45 * rng.normal(size=30)[codes] + rng.normal(size=120)
    factor = RandomFactor(
        "g", codes, 30, np.ones((120, 1)), full_covariance(np.ones(1)), ("1",)
    )
    design = Design(120, DenseBlock(np.ones((120, 1))), None, (factor,))
    free = fit_mixed_model(design, Normal(), y, np.ones(120), SolverOptions())
    near_zero = SolverOptions(variances=VarianceOptions(initial_variance=1e-12))
    again = fit_mixed_model(design, Normal(), y, np.ones(120), near_zero)
    assert free.theta[0] > 0.1
    assert again.log_likelihood == pytest.approx(free.log_likelihood)


def test_a_normal_model_without_an_intercept():
    """Its level is not taken off the response."""
    rng = np.random.RandomState(0)
    design = make_design("intercepts")
    rows = DenseBlock(design.fixed.values[:, 1:])
    design = Design(N, rows, None, design.factors)
    y = 5.0 + rng.normal(size=N)
    fit = fit_mixed_model(design, Normal(), y, np.ones(N), SolverOptions())
    Z, X = dense(design)
    V = fit.sigma**2 * (np.eye(N) + fit.theta[0] ** 2 * Z @ Z.T)
    inverse = np.linalg.inv(V)
    beta = np.linalg.solve(X.T @ inverse @ X, X.T @ inverse @ y)
    np.testing.assert_allclose(fit.posterior.fixed, beta, atol=1e-8)
    residual = y - X @ beta
    value = np.linalg.slogdet(V)[1] + N * np.log(2 * np.pi)
    value += residual @ inverse @ residual
    assert fit.log_likelihood == pytest.approx(-0.5 * value, abs=1e-8)
    surface = likelihood_surface(
        Problem(design, Normal(), y, np.ones(N), SolverOptions()), fit
    )
    found = surface.log_likelihood(surface.start)
    assert found == pytest.approx(fit.log_likelihood, abs=1e-8)
