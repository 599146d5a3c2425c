"""Rows that compete within sets against dense algebra and equivalent models."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import (
    dense_laplace,
    integral_over_level,
    n_theta,
    numeric_gradient,
)
from scipy import optimize
from scipy.special import expit, log_softmax

from bead_sklearn.effects import (
    RandomFactor,
    diagonal_covariance,
    full_covariance,
    output_covariance,
)
from bead_sklearn.families import Bernoulli, ConditionalLogit, MultinomialLogit
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    SolverOptions,
    VarianceOptions,
    fit_mixed_model,
)
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._quadrature import QuadratureObjective

NONE = np.zeros(0)
#: Sizes of the sets: ragged, some with one alternative only.
SIZES = np.tile([3, 2, 4, 1, 2, 5], 4)
SETS = np.repeat(np.arange(len(SIZES)), SIZES)
N = len(SETS)
ONES = np.ones(N)
FAMILY = ConditionalLogit(SETS)
KINDS = [
    "fixed",
    "ridge",
    "person slope",
    "person slopes",
    "independent slopes",
    "persons and sessions",
    "options",
    "option slopes",
    "options only",
    "options and words",
    "persons, options and ridge",
    "offset",
]
each_kind = pytest.mark.parametrize("kind", KINDS)


def make_factor(name, codes, z, covariance=full_covariance):
    z = z.reshape(len(codes), -1)
    names = tuple(map(str, range(z.shape[1])))
    structure = covariance(np.ones(z.shape[1]))
    return RandomFactor(name, codes, int(codes.max()) + 1, z, structure, names)


def make_design(kind, seed=0):
    """People judge whole sets; options, and the words in them, vary within sets."""
    rng = np.random.RandomState(seed)
    X, x, ones = rng.normal(size=(N, 2)), rng.normal(size=(N, 2)), np.ones(N)
    person = (np.arange(len(SIZES)) % 5)[SETS]
    session = (np.arange(len(SIZES)) % 3)[SETS]
    option, word = rng.permutation(np.arange(N) % 6), rng.permutation(np.arange(N) % 4)
    features = DenseBlock(rng.normal(size=(12, 3)), rng.randint(12, size=N))
    slope, slopes = make_factor("p", person, x[:, 0]), make_factor("p", person, x)
    options = make_factor("o", option, ones)
    factors = {
        "person slope": [slope],
        "person slopes": [slopes],
        "independent slopes": [make_factor("p", person, x, diagonal_covariance)],
        "persons and sessions": [make_factor("s", session, x[:, 1]), slopes],
        "options": [options],
        "option slopes": [make_factor("o", option, np.column_stack([ones, x[:, 0]]))],
        "options only": [options],
        "options and words": [options, make_factor("w", word, ones)],
        "persons, options and ridge": [options, slopes],
        "offset": [slope],
    }.get(kind, [])
    return Design(
        N,
        DenseBlock(np.zeros((N, 0)) if kind == "options only" else X),
        features if "ridge" in kind else None,
        tuple(factors),
        sets=SETS,
        offset=rng.normal(size=N) if kind == "offset" else None,
    )


def make_response(rng, family=FAMILY):
    return family.simulate(rng.normal(size=len(family.sets)), rng)


def some_point(design, seed=1):
    rng = np.random.RandomState(seed)
    theta = np.abs(rng.normal(0.7, 0.3, size=n_theta(design)))
    return 0.3 * rng.normal(size=design.n_fixed), theta


def set_weights(rng):
    return rng.randint(1, 4, size=len(SIZES))[SETS] * 1.0


# -------------------------------------------------------------------- objective


@pytest.mark.parametrize("reml", [False, True])
@each_kind
def test_likelihood_is_that_of_dense_algebra(kind, reml):
    design, rng = make_design(kind), np.random.RandomState(3)
    y, weights = make_response(rng), set_weights(rng)
    beta, theta = some_point(design)
    objective = LaplaceObjective(design, FAMILY, y, weights, with_fixed=reml, reml=reml)
    value, *_ = objective(beta, theta, NONE)
    expected = dense_laplace(design, FAMILY, y, weights, beta, theta, reml=reml)
    assert value == pytest.approx(expected.value, abs=1e-7)


@pytest.mark.parametrize("reml", [False, True])
@each_kind
def test_gradient_is_that_of_differences(kind, reml):
    design, rng = make_design(kind), np.random.RandomState(3)
    y, weights = make_response(rng), set_weights(rng)
    beta, theta = some_point(design)
    objective = LaplaceObjective(design, FAMILY, y, weights, with_fixed=reml, reml=reml)
    _, by_beta, by_theta, _ = objective(beta, theta, NONE)
    numeric = numeric_gradient(lambda x: objective(beta, x, NONE)[0], theta)
    np.testing.assert_allclose(by_theta, numeric, rtol=1e-5, atol=1e-6)
    if not reml:
        numeric = numeric_gradient(lambda x: objective(x, theta, NONE)[0], beta)
        np.testing.assert_allclose(by_beta, numeric, rtol=1e-5, atol=1e-6)


@each_kind
def test_posterior_is_that_of_dense_algebra(kind):
    design, y = make_design(kind), make_response(np.random.RandomState(3))
    held = VarianceOptions(estimate=False, initial_variance=0.5, alpha=2.0)
    fit = fit_mixed_model(design, FAMILY, y, ONES, SolverOptions(variances=held))
    posterior, p = fit.posterior, design.n_fixed
    dense = dense_laplace(design, FAMILY, y, ONES, posterior.fixed, fit.theta)
    assert fit.log_likelihood == pytest.approx(dense.value, abs=1e-7)
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
    found = posterior.joint.fixed_block(p)
    end = len(dense.covariance)
    expected = dense.covariance[end - p :, end - p :]
    np.testing.assert_allclose(found, expected, atol=1e-8)


# ------------------------------------------------------------------ invariances


@pytest.mark.parametrize("kind", ["person slopes", "persons, options and ridge"])
def test_weights_are_repeated_sets(kind):
    design, rng = make_design(kind), np.random.RandomState(4)
    y, counts = make_response(rng), rng.randint(1, 4, size=len(SIZES))
    starts = np.cumsum(SIZES) - SIZES
    copies = np.repeat(np.arange(len(SIZES)), counts)
    rows = np.concatenate([starts[i] + np.arange(SIZES[i]) for i in copies])
    sets = np.repeat(np.arange(len(copies)), SIZES[copies])
    repeated = design.take(rows)
    object.__setattr__(repeated, "sets", sets)
    point = *some_point(design), NONE
    one = LaplaceObjective(
        design, FAMILY, y, counts[SETS] * 1.0, with_fixed=False, reml=False
    )(*point)
    family = ConditionalLogit(sets)
    other = LaplaceObjective(
        repeated, family, y[rows], np.ones(len(rows)), with_fixed=False, reml=False
    )(*point)
    for left, right in zip(one, other, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9)


def test_sets_of_one_say_nothing():
    design, rng = make_design("persons, options and ridge"), np.random.RandomState(4)
    y, point = make_response(rng), (*some_point(design), NONE)
    rows = np.flatnonzero(SIZES[SETS] > 1)
    sets = np.unique(SETS[rows], return_inverse=True)[1]
    values = [
        LaplaceObjective(taken, family, y[at], ONES[at], with_fixed=False, reml=False)(
            *point
        )
        for taken, family, at in (
            (design, FAMILY, np.arange(N)),
            (design.take(rows), ConditionalLogit(sets), rows),
        )
    ]
    for left, right in zip(*values, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9)


def test_order_within_sets_and_constants_do_not_matter():
    rng = np.random.RandomState(4)
    design, y = make_design("offset"), make_response(rng)
    order = np.lexsort([rng.uniform(size=N), SETS])
    shifted = design.offset + rng.normal(size=len(SIZES))[SETS]
    other = Design(
        N,
        design.fixed.take(order),
        None,
        tuple(factor.take(order) for factor in design.factors),
        sets=SETS,
        offset=shifted[order],
    )
    point = *some_point(design), NONE
    one, two = (
        LaplaceObjective(taken, FAMILY, chosen, ONES, with_fixed=False, reml=False)(
            *point
        )
        for taken, chosen in ((design, y), (other, y[order]))
    )
    for left, right in zip(one, two, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9)


# ------------------------------------------------------------------ equivalences


@pytest.mark.parametrize("options", [{}, {"reml": True}, {"n_quadrature": 5}])
def test_pairs_are_bernoulli_in_the_differences(options):
    rng = np.random.RandomState(6)
    n, q = 300, 15
    X, z = rng.normal(size=(2 * n, 2)), rng.normal(size=(2 * n, 2))
    person = rng.randint(q, size=n)
    u = rng.normal(size=(q, 2)) * [1.0, 0.6]
    difference = (X[1::2] - X[::2]) @ [0.8, -0.4]
    difference += ((z[1::2] - z[::2]) * u[person]).sum(axis=1)
    second = (rng.uniform(size=n) < expit(difference)) * 1.0
    chosen = np.column_stack([1.0 - second, second]).ravel()
    sets, options = np.repeat(np.arange(n), 2), SolverOptions(**options)
    pairs = fit_mixed_model(
        Design(
            2 * n,
            DenseBlock(X),
            None,
            (make_factor("p", person[sets], z),),
            sets=sets,
        ),
        ConditionalLogit(sets),
        chosen,
        np.ones(2 * n),
        options,
    )
    binary = fit_mixed_model(
        Design(
            n,
            DenseBlock(X[1::2] - X[::2]),
            None,
            (make_factor("p", person, z[1::2] - z[::2]),),
        ),
        Bernoulli(),
        second,
        np.ones(n),
        options,
    )
    assert pairs.log_likelihood == pytest.approx(binary.log_likelihood, abs=1e-6)
    np.testing.assert_allclose(pairs.posterior.fixed, binary.posterior.fixed, atol=1e-4)
    np.testing.assert_allclose(
        pairs.posterior.fixed_covariance(),
        binary.posterior.fixed_covariance(),
        rtol=1e-2,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        pairs.posterior.covariances[0], binary.posterior.covariances[0], atol=1e-3
    )
    np.testing.assert_allclose(
        pairs.posterior.effects[0], binary.posterior.effects[0], atol=1e-3
    )


@pytest.mark.parametrize("options", [{}, {"reml": True}, {"n_quadrature": 3}])
def test_fixed_alternatives_are_classes(options):
    """Constants and covariates of each alternative are a multinomial logit."""
    rng = np.random.RandomState(8)
    n, q, classes = 240, 12, MultinomialLogit(3)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    person, u = rng.randint(q, size=n), rng.normal(size=(q, 2))
    y = classes.simulate(X @ np.array([[0.5, -0.2], [0.7, 0.3]]) + u[person], rng)
    structure = output_covariance(
        full_covariance(np.ones(1)), classes.output_contrast(), "full"
    )
    factor = RandomFactor("p", person, q, np.ones((n, 1)), structure, ("1",))
    options = SolverOptions(**options)
    multinomial = fit_mixed_model(
        Design(n, DenseBlock(X), None, (factor,), n_outputs=2),
        classes,
        y,
        np.ones(n),
        options,
    )
    is_class = np.tile([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], (n, 1))
    sets = np.repeat(np.arange(n), 3)
    columns = (X[sets][:, :, None] * is_class[:, None, :]).reshape(3 * n, 4)
    choice = fit_mixed_model(
        Design(
            3 * n,
            DenseBlock(columns),
            None,
            (make_factor("p", person[sets], is_class),),
            sets=sets,
        ),
        ConditionalLogit(sets),
        (np.tile(np.arange(3), n) == y[sets]) * 1.0,
        np.ones(3 * n),
        options,
    )
    rise = choice.log_likelihood - multinomial.log_likelihood
    assert rise == pytest.approx(0.0, abs=1e-6)
    for attribute, atol in (("fixed", 1e-4), ("covariances", 1e-3), ("modes", 1e-3)):
        np.testing.assert_allclose(
            getattr(choice.posterior, attribute),
            getattr(multinomial.posterior, attribute),
            atol=atol,
        )


def test_random_strengths_of_bradley_and_terry():
    """A tournament: the standard deviation is where the dense likelihood is largest."""
    rng = np.random.RandomState(9)
    q, n = 8, 200
    strength = rng.normal(size=q)
    pairs = np.array([rng.choice(q, 2, replace=False) for _ in range(n)])
    sets, player = np.repeat(np.arange(n), 2), pairs.ravel()
    family = ConditionalLogit(sets)
    y, weights = family.simulate(strength[player], rng), np.ones(2 * n)
    factor = make_factor("player", player, np.ones(2 * n))
    design = Design(2 * n, DenseBlock(np.zeros((2 * n, 0))), None, (factor,), sets=sets)
    assert design.n_eliminated == 0
    fit = fit_mixed_model(design, family, y, weights, SolverOptions())

    def minus(sd):
        return -dense_laplace(design, family, y, weights, NONE, np.array([sd])).value

    best = optimize.minimize_scalar(minus, bounds=(0.1, 3.0), method="bounded")
    assert fit.log_likelihood == pytest.approx(-best.fun, abs=1e-6)
    assert fit.theta[0] == pytest.approx(best.x, rel=1e-3)
    [effects], [sds] = (
        fit.posterior.modes,
        np.sqrt(fit.posterior.conditional_covariances(0)).T,
    )
    assert np.abs((effects[:, 0] - strength) / sds[0]).max() < 3.5
    assert np.corrcoef(effects[:, 0], strength)[0, 1] > 0.9
    # Only differences are known: the mean of the strengths keeps its prior spread.
    mean = fit.posterior.joint.rest.mean()
    assert mean == pytest.approx(fit.theta[0] ** 2 / q, rel=1e-6)


# ------------------------------------------------------------------- quadrature


def test_quadrature_is_the_integral():
    design, rng = make_design("person slopes"), np.random.RandomState(2)
    y, weights = make_response(rng), set_weights(rng)
    beta, theta = np.array([0.6, -0.5]), np.array([1.1, 0.4, 0.8])
    [factor] = design.factors
    scale = factor.structure.factor(theta)
    objective = QuadratureObjective(design, FAMILY, y, weights, 15)
    value, *gradients = objective(beta, theta, NONE)
    fixed, exact = design.fixed.matvec(beta), 0.0
    for level in range(factor.n_levels):

        def log_density(v, level=level):
            total, effects = np.zeros(len(v)), v @ scale.T
            for number in np.unique(SETS[factor.codes == level]):
                rows = np.flatnonzero(number == SETS)
                eta = fixed[rows] + effects @ factor.z[rows].T
                chosen = log_softmax(eta, axis=1)[:, y[rows] == 1.0][:, 0]
                total += weights[rows[0]] * chosen
            return total

        exact += integral_over_level(log_density, 2)
    assert value == pytest.approx(exact, abs=1e-5)
    for index, gradient in enumerate(gradients[:2]):

        def moved(point, index=index):
            arguments = [beta, theta, NONE]
            arguments[index] = point
            return objective(*arguments)[0]

        numeric = numeric_gradient(moved, [beta, theta][index])
        np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-5)


def test_no_quadrature_over_factors_that_vary_within_sets():
    design, y = make_design("options"), make_response(np.random.RandomState(0))
    with pytest.raises(ValueError, match="rows of a choice set differ in their level"):
        fit_mixed_model(design, FAMILY, y, ONES, SolverOptions(n_quadrature=3))


def test_many_options_are_solved_like_few():
    """Choice sets are dense, whatever is asked for and however many options."""
    rng = np.random.RandomState(5)
    sets = np.repeat(np.arange(200), 3)
    option = rng.permutation(np.arange(600) % 150)
    items = make_factor("o", option, np.ones(600))
    rows = DenseBlock(rng.normal(size=(600, 1)))
    design = Design(600, rows, None, (items,), sets=sets)
    family = ConditionalLogit(sets)
    y = family.simulate(rng.normal(size=150)[option], rng)
    fits = [
        fit_mixed_model(
            design, family, y, np.ones(600), SolverOptions(linear_algebra=kind)
        )
        for kind in ("auto", "dense", "sparse", "iterative")
    ]
    for fit in fits:
        assert fit.log_likelihood == pytest.approx(fits[0].log_likelihood, abs=1e-8)
        assert fit.monte_carlo_error == 0.0
    assert fits[0].theta[0] > 0.3
