"""Several linear predictors per row against dense algebra and separate models."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import (
    dense_laplace,
    integral_over_level,
    n_theta,
    numeric_gradient,
)
from scipy.special import log_softmax

from bead_sklearn import BinaryClassifier, MixedEffects
from bead_sklearn.effects import (
    RandomFactor,
    diagonal_covariance,
    full_covariance,
    output_covariance,
)
from bead_sklearn.families import (
    Bernoulli,
    BernoulliProbit,
    IndependentOutputs,
    MultinomialLogit,
)
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    SolverOptions,
    VarianceOptions,
    _coupling,
    fit_mixed_model,
)
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._quadrature import QuadratureObjective
from bead_sklearn.solvers._separate import SeparateCovariances
from bead_sklearn.solvers._variances import Covariances, output_variances

N = 48
NONE = np.zeros(0)
ONES = np.ones(N)

FAMILIES = {
    "three classes": MultinomialLogit(3),
    "four classes": MultinomialLogit(4),
    "labels": IndependentOutputs(Bernoulli(), 2),
    "probit labels": IndependentOutputs(BernoulliProbit(), 2),
}
KINDS = [
    "fixed",
    "intercepts",
    "diagonal",
    "isotropic",
    "slopes",
    "independent slopes",
    "isotropic slopes",
    "crossed",
    "three",
    "ridge",
    "ridge and crossed",
    "ridge of each output",
    "offset",
]
each_kind = pytest.mark.parametrize("kind", KINDS)
each_family = pytest.mark.parametrize("name", FAMILIES)


def make_factor(family, name, codes, *slopes, outputs="full", base=full_covariance):
    z = np.column_stack([np.ones(len(codes)), *slopes])
    structure = output_covariance(
        base(np.ones(z.shape[1])), family.output_contrast(), outputs
    )
    names = ("1", "x", "w")[: z.shape[1]]
    return RandomFactor(name, codes, int(codes.max()) + 1, z, structure, names)


def make_design(kind, family, seed=0):
    rng = np.random.RandomState(seed)
    X = np.column_stack([np.ones(N), rng.normal(size=N)])
    p, i, w = np.arange(N) % 7, np.arange(N) % 5, np.arange(N) % 3
    x = rng.normal(size=N)
    by_text = DenseBlock(rng.normal(size=(10, 3)), rng.randint(10, size=N))
    people = make_factor(family, "p", p)
    items = make_factor(family, "i", i)
    factors = {
        "intercepts": [people],
        "diagonal": [make_factor(family, "p", p, outputs="diagonal")],
        "isotropic": [make_factor(family, "p", p, outputs="isotropic")],
        "slopes": [make_factor(family, "p", p, x)],
        "independent slopes": [
            make_factor(family, "p", p, x, base=diagonal_covariance)
        ],
        "isotropic slopes": [make_factor(family, "p", p, x, outputs="isotropic")],
        "crossed": [items, people],
        "three": [
            make_factor(family, "w", w, outputs="diagonal"),
            make_factor(family, "p", p, x, outputs="isotropic"),
            items,
        ],
        "ridge and crossed": [people, items],
        "ridge of each output": [people],
        "offset": [people],
    }.get(kind, [])
    offset = rng.normal(size=N * family.n_outputs) if kind == "offset" else None
    return Design(
        N,
        DenseBlock(X),
        by_text if "ridge" in kind else None,
        tuple(factors),
        n_outputs=family.n_outputs,
        ridge_contrast=None if "each" in kind else family.output_contrast(),
        offset=offset,
    )


def make_response(family, rng, n=N):
    return family.simulate(rng.normal(size=(n, family.n_outputs)), rng)


def some_point(design, seed=1):
    rng = np.random.RandomState(seed)
    theta = np.abs(rng.normal(0.7, 0.3, size=n_theta(design)))
    return 0.3 * rng.normal(size=design.n_fixed), theta


# -------------------------------------------------------------------- objective


@pytest.mark.parametrize("reml", [False, True])
@each_kind
@each_family
def test_likelihood_is_that_of_dense_algebra(name, kind, reml):
    family = FAMILIES[name]
    design, rng = make_design(kind, family), np.random.RandomState(3)
    y, weights = make_response(family, rng), rng.randint(1, 4, size=N) * 1.0
    beta, theta = some_point(design)
    objective = LaplaceObjective(design, family, y, weights, with_fixed=reml, reml=reml)
    value, *_ = objective(beta, theta, NONE)
    expected = dense_laplace(design, family, y, weights, beta, theta, reml=reml)
    assert value == pytest.approx(expected.value, abs=1e-7)


@pytest.mark.parametrize("reml", [False, True])
@each_kind
@each_family
def test_gradient_is_that_of_differences(name, kind, reml):
    family = FAMILIES[name]
    design, rng = make_design(kind, family), np.random.RandomState(3)
    y, weights = make_response(family, rng), rng.randint(1, 4, size=N) * 1.0
    beta, theta = some_point(design)
    objective = LaplaceObjective(design, family, y, weights, with_fixed=reml, reml=reml)
    _, by_beta, by_theta, _ = objective(beta, theta, NONE)
    numeric = numeric_gradient(lambda x: objective(beta, x, NONE)[0], theta)
    np.testing.assert_allclose(by_theta, numeric, rtol=1e-5, atol=1e-6)
    if not reml:
        numeric = numeric_gradient(lambda x: objective(x, theta, NONE)[0], beta)
        np.testing.assert_allclose(by_beta, numeric, rtol=1e-5, atol=1e-6)


@each_family
def test_gradient_at_the_joint_mode(name):
    # n_quadrature=0: the fixed effects follow the variances.
    family = FAMILIES[name]
    design, rng = make_design("crossed", family), np.random.RandomState(3)
    y = make_response(family, rng)
    _, theta = some_point(design)
    objective = LaplaceObjective(design, family, y, ONES, with_fixed=True, reml=False)
    _, _, by_theta, _ = objective(NONE, theta, NONE)
    numeric = numeric_gradient(lambda x: objective(NONE, x, NONE)[0], theta)
    np.testing.assert_allclose(by_theta, numeric, rtol=1e-5, atol=1e-6)


@each_family
def test_weights_are_repetitions(name):
    family = FAMILIES[name]
    rng = np.random.RandomState(4)
    design, y = make_design("ridge and crossed", family), make_response(family, rng)
    counts = rng.randint(1, 4, size=N)
    rows = np.repeat(np.arange(N), counts)
    point = *some_point(design), NONE
    weighted = LaplaceObjective(
        design, family, y, counts * 1.0, with_fixed=False, reml=False
    )(*point)
    repeated = LaplaceObjective(
        design.take(rows),
        family,
        y[rows],
        np.ones(len(rows)),
        with_fixed=False,
        reml=False,
    )(*point)
    for one, other in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


# -------------------------------------------------------------------- posterior


@pytest.mark.parametrize("kind", ["fixed", "slopes", "three", "ridge and crossed"])
@each_family
def test_posterior_is_that_of_dense_algebra(name, kind):
    family = FAMILIES[name]
    design, rng = make_design(kind, family), np.random.RandomState(3)
    y = make_response(family, rng)
    held = VarianceOptions(estimate=False, initial_variance=0.5, alpha=2.0)
    fit = fit_mixed_model(design, family, y, ONES, SolverOptions(variances=held))
    posterior = fit.posterior
    dense = dense_laplace(design, family, y, ONES, posterior.fixed, fit.theta)
    assert fit.log_likelihood == pytest.approx(dense.value, abs=1e-9)
    start = 0
    for index, modes in enumerate(posterior.modes):
        q, r = modes.shape
        part = slice(start, start + q * r)
        np.testing.assert_allclose(modes.ravel(), dense.effects[part], atol=1e-8)
        blocks = dense.covariance[part, part].reshape(q, r, q, r)
        found = posterior.conditional_covariances(index)
        expected = blocks[np.arange(q), :, np.arange(q), :]
        np.testing.assert_allclose(found, expected, atol=1e-8)
        start += q * r
    p = design.n_fixed
    found = posterior.joint.fixed_block(p)
    np.testing.assert_allclose(found, dense.covariance[-p:, -p:], atol=1e-8)


@pytest.mark.parametrize(("kind", "n_columns"), [("intercepts", 2), ("slopes", 6)])
def test_standard_errors_are_those_of_the_information(kind, n_columns):
    """With many parameters the part of the fixed effects is that at known variances."""
    rng = np.random.RandomState(7)
    n, family = 600, MultinomialLogit(3)
    X = np.column_stack([np.ones(n), rng.normal(size=(n, n_columns - 1))])
    codes, x = rng.randint(30, size=n), rng.normal(size=n)
    slopes = [x] if kind == "slopes" else []
    factor = make_factor(family, "p", codes, *slopes)
    design = Design(n, DenseBlock(X), None, (factor,), n_outputs=2)
    effects = rng.normal(size=(30, factor.size))
    y = family.simulate((X[:, :2] + factor.matvec(effects).reshape(n, 2)), rng)
    fit = fit_mixed_model(design, family, y, np.ones(n), SolverOptions())
    p, k = design.n_fixed, design.n_fixed + len(fit.theta)
    assert (k > 20) == (kind == "slopes")
    objective = LaplaceObjective(
        design, family, y, np.ones(n), with_fixed=False, reml=False
    )
    estimate, hessian = np.append(fit.posterior.fixed, fit.theta), np.empty((k, k))
    for index in range(k):
        change = 1e-5 * (np.arange(k) == index)
        up, down = (
            np.concatenate(objective(at[:p], at[p:], NONE)[1:3])
            for at in (estimate + change, estimate - change)
        )
        hessian[index] = (up - down) / 2e-5
    expected = np.sqrt(np.diagonal(np.linalg.inv(-hessian))[:p])
    found = np.sqrt(np.diagonal(fit.posterior.fixed_covariance()))
    rtol = 1e-4 if kind == "intercepts" else 0.05
    np.testing.assert_allclose(found, expected, rtol=rtol)


# ------------------------------------------------------------------- equivalences


@pytest.fixture(scope="module")
def judgments():
    """Two labels, or one of three classes, by 24 people."""
    rng = np.random.RandomState(11)
    n = 500
    X = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    codes, x = rng.randint(24, size=n), X[:, 1]
    u = rng.normal(size=(24, 2)) @ np.array([[1.0, 0.5], [0.0, 0.8]])
    eta = X @ np.array([[0.3, -0.2], [0.8, 0.1], [0.0, -0.6]]) + u[codes]
    return X, codes, x, eta, rng


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_independent_labels_are_separate_models(judgments, method):
    X, codes, _, eta, _ = judgments
    family = IndependentOutputs(Bernoulli(), 2)
    y, weights = family.simulate(eta, np.random.RandomState(0)), np.ones(len(eta))
    factor = make_factor(family, "p", codes, outputs="diagonal")
    design = Design(len(eta), DenseBlock(X), None, (factor,), n_outputs=2)
    options = SolverOptions(reml=method == "reml")
    fit = fit_mixed_model(design, family, y, weights, options)
    effects = MixedEffects(formula="(1 | groups)", variance_estimation_method=method)
    model = BinaryClassifier(mixed_effects=effects, alpha=0)
    total, fixed = 0.0, fit.posterior.fixed.reshape(-1, 2)
    errors = np.sqrt(np.diagonal(fit.posterior.fixed_covariance())).reshape(-1, 2)
    for label in range(2):
        model.fit(X[:, 1:], y[:, label], groups=codes)
        total += model.log_likelihood_
        coefficients = np.append(model.intercept_, model.coef_)
        np.testing.assert_allclose(fixed[:, label], coefficients, atol=1e-4)
        found = [effect.standard_error for effect in model.summary().fixed_effects]
        np.testing.assert_allclose(errors[:, label], found, rtol=1e-3)
        variance = model.variance_components_[0].variance[0]
        found = fit.posterior.covariances[0][label, label]
        assert found == pytest.approx(variance, rel=1e-3)
        modes = model.effects_["groups"].modes[:, 0]
        np.testing.assert_allclose(fit.posterior.modes[0][:, label], modes, atol=1e-4)
    assert fit.log_likelihood == pytest.approx(total, abs=1e-5)
    assert fit.posterior.covariances[0][1, 0] == 0.0


def test_quadrature_of_independent_labels_is_that_of_separate_models(judgments):
    X, codes, _, eta, _ = judgments
    family = IndependentOutputs(Bernoulli(), 2)
    y, weights = family.simulate(eta, np.random.RandomState(0)), np.ones(len(eta))
    factor = make_factor(family, "p", codes, outputs="diagonal")
    design = Design(len(eta), DenseBlock(X), None, (factor,), n_outputs=2)
    beta, theta = np.linspace(-0.5, 0.5, 6), np.array([0.7, 1.1])
    both = QuadratureObjective(design, family, y, weights, 7)(beta, theta, NONE)
    separate = 0.0
    for label in range(2):
        single = make_factor(Bernoulli(), "p", codes)
        design = Design(len(eta), DenseBlock(X), None, (single,))
        objective = QuadratureObjective(design, Bernoulli(), y[:, label], weights, 7)
        value, by_beta, by_theta, _ = objective(beta[label::2], theta[[label]], NONE)
        separate += value
        np.testing.assert_allclose(both[1][label::2], by_beta, atol=1e-9)
        np.testing.assert_allclose(both[2][[label]], by_theta, atol=1e-9)
    assert both[0] == pytest.approx(separate, abs=1e-9)


@pytest.mark.parametrize("n_quadrature", [0, 1, 5])
def test_two_classes_are_bernoulli(judgments, n_quadrature):
    X, codes, _, eta, _ = judgments
    y = Bernoulli().simulate(eta[:, 0], np.random.RandomState(0))
    options, weights = SolverOptions(n_quadrature=n_quadrature), np.ones(len(y))
    fits = []
    for family in (MultinomialLogit(2), Bernoulli()):
        factor = make_factor(family, "p", codes)
        design = Design(len(y), DenseBlock(X), None, (factor,))
        fits.append(fit_mixed_model(design, family, y, weights, options))
    classes, binary = fits
    assert classes.log_likelihood == pytest.approx(binary.log_likelihood, abs=1e-8)
    np.testing.assert_allclose(
        classes.posterior.fixed, binary.posterior.fixed, atol=1e-5
    )


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("kind", ["full", "isotropic", "slopes", "ridge", "diagonal"])
def test_reference_class(judgments, kind, reml):
    """Any class may come first, but for independent effects on the logits."""
    X, codes, x, eta, _ = judgments
    family, weights = MultinomialLogit(3), np.ones(len(eta))
    y = family.simulate(eta, np.random.RandomState(0))
    features = DenseBlock(np.random.RandomState(1).normal(size=(len(y), 4)))
    outputs = kind if kind in ("isotropic", "diagonal") else "full"
    factor = make_factor(
        family, "p", codes, *([x] if kind == "slopes" else []), outputs=outputs
    )
    design = Design(
        len(y),
        DenseBlock(X),
        features if kind == "ridge" else None,
        (factor,),
        n_outputs=2,
        ridge_contrast=family.output_contrast(),
    )
    # The old classes 2, 0, 1 become 0, 1, 2; logits against the old class 2.
    turned = np.array([1.0, 2.0, 0.0])[y.astype(int)]
    to_new = np.array([[0.0, -1.0], [1.0, -1.0]])
    options = SolverOptions(reml=reml)
    old = fit_mixed_model(design, family, y, weights, options)
    new = fit_mixed_model(design, family, turned, weights, options)
    rise = new.log_likelihood - old.log_likelihood
    if kind == "diagonal":
        assert abs(rise) > 0.1
        return
    assert rise == pytest.approx(0.0, abs=1e-6)
    fixed = old.posterior.fixed.reshape(-1, 2) @ to_new.T
    np.testing.assert_allclose(new.posterior.fixed.reshape(-1, 2), fixed, atol=1e-4)
    per_level = np.kron(np.eye(factor.size // 2), to_new)
    expected = per_level @ old.posterior.covariances[0] @ per_level.T
    np.testing.assert_allclose(new.posterior.covariances[0], expected, atol=2e-3)
    modes = old.posterior.modes[0] @ per_level.T
    np.testing.assert_allclose(new.posterior.modes[0], modes, atol=1e-3)
    per_column = np.kron(np.eye(3), to_new)
    expected = per_column @ old.posterior.fixed_covariance() @ per_column.T
    np.testing.assert_allclose(
        new.posterior.fixed_covariance(), expected, atol=1e-4, rtol=1e-2
    )
    assert new.alpha == pytest.approx(old.alpha, rel=1e-2)


# --------------------------------------------------------------------- quadrature


def test_quadrature_is_the_integral():
    family, rng = MultinomialLogit(3), np.random.RandomState(2)
    n, n_levels = 18, 3
    X, codes = np.column_stack([np.ones(n), rng.normal(size=n)]), np.arange(n) % 3
    y, weights = rng.randint(3, size=n) * 1.0, rng.randint(1, 3, size=n) * 1.0
    factor = make_factor(family, "p", codes)
    design = Design(n, DenseBlock(X), None, (factor,), n_outputs=2)
    beta, theta = np.array([0.2, -0.4, 0.8, 0.1]), np.array([1.2, 0.5, 0.9])
    scale = factor.structure.factor(theta)
    objective = QuadratureObjective(design, family, y, weights, 15)
    value, *gradients = objective(beta, theta, NONE)
    logits = np.column_stack([np.zeros(n), X @ beta.reshape(2, 2)])
    exact = 0.0
    for level in range(n_levels):
        rows = np.flatnonzero(codes == level)

        def log_density(v, rows=rows):
            shift = np.column_stack([np.zeros(len(v)), v @ scale.T])
            log_p = log_softmax(logits[rows][:, None] + shift, axis=2)
            chosen = log_p[np.arange(len(rows)), :, y[rows].astype(int)]
            return weights[rows] @ chosen

        exact += integral_over_level(log_density, 2)
    assert value == pytest.approx(exact, abs=1e-5)
    laplace, *_ = objective.laplace(beta, theta, NONE)
    assert abs(laplace - exact) > 1e-2
    for index, gradient in enumerate(gradients[:2]):

        def moved(point, index=index):
            arguments = [beta, theta, NONE]
            arguments[index] = point
            return objective(*arguments)[0]

        numeric = numeric_gradient(moved, [beta, theta][index])
        np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-5)


def test_quadrature_needs_few_effects():
    family = MultinomialLogit(3)
    design, y = make_design("slopes", family), np.arange(N) % 3 * 1.0
    with pytest.raises(ValueError, match="more than 3 effects vary by level"):
        fit_mixed_model(design, family, y, ONES, SolverOptions(n_quadrature=3))


# -------------------------------------------------------------------------- fits


def test_estimates_near_the_truth():
    rng = np.random.RandomState(5)
    n, q, family = 6000, 150, MultinomialLogit(3)
    X, codes = np.column_stack([np.ones(n), rng.normal(size=n)]), np.arange(n) % q
    G = np.array([[1.0, 0.6], [0.6, 1.5]])
    u = rng.multivariate_normal(np.zeros(2), G, size=q)
    truth = np.array([[0.4, -0.3], [1.0, -0.5]])
    y = family.simulate(X @ truth + u[codes], rng)
    factor = make_factor(family, "p", codes)
    design = Design(n, DenseBlock(X), None, (factor,), n_outputs=2)
    fit = fit_mixed_model(design, family, y, np.ones(n), SolverOptions())
    assert fit.optimum.converged
    distance = (fit.posterior.fixed - truth.ravel()) / np.sqrt(
        np.diagonal(fit.posterior.fixed_covariance())
    )
    assert np.abs(distance).max() < 3.5
    np.testing.assert_allclose(fit.posterior.covariances[0], u.T @ u / q, atol=0.35)
    empirical = np.corrcoef(fit.posterior.effects[0].T, u.T)[:2, 2:]
    assert (np.diagonal(empirical) > 0.8).all()


def test_rows_taken_of_a_design():
    design = make_design("offset", MultinomialLogit(3))
    rows = np.array([5, 5, 0])
    taken = design.take(rows)
    expected = design.offset.reshape(N, 2)[rows].ravel()
    np.testing.assert_array_equal(taken.offset, expected)
    np.testing.assert_array_equal(taken.factors[0].codes, design.factors[0].codes[rows])


def test_outputs_solved_apart_have_the_covariances_of_all_together(
    judgments, monkeypatch
):
    X, codes, _, eta, _ = judgments
    family = IndependentOutputs(Bernoulli(), 2)
    y, weights = family.simulate(eta, np.random.RandomState(0)), np.ones(len(eta))
    items = np.random.RandomState(1).randint(9, size=len(eta))
    factors = tuple(
        make_factor(family, name, levels, outputs="diagonal")
        for name, levels in (("p", codes), ("i", items))
    )
    design = Design(len(eta), DenseBlock(X), None, factors, n_outputs=2)
    apart = fit_mixed_model(design, family, y, weights, SolverOptions()).posterior
    monkeypatch.setattr(_coupling, "is_separate", lambda design: False)
    together = fit_mixed_model(design, family, y, weights, SolverOptions()).posterior
    assert isinstance(apart.joint, SeparateCovariances)
    assert isinstance(together.joint, Covariances)
    np.testing.assert_allclose(
        apart.joint.predictor_variances(design),
        output_variances(design, together.joint).ravel(),
        rtol=1e-5,
    )
    for factor in range(2):
        np.testing.assert_allclose(
            apart.conditional_covariances(factor),
            together.conditional_covariances(factor),
            rtol=1e-4,
            atol=1e-9,
        )
