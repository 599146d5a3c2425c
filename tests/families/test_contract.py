"""What solvers and simulations rely on, for every family and at extreme points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bead_sklearn.families import (
    Bernoulli,
    BernoulliProbit,
    Beta,
    CumulativeLogit,
    CumulativeProbit,
    LogNormal,
    Normal,
    OrderedBeta,
    TruncatedNormal,
)

NARROW = np.array([-1.0, -15.0, 0.5])

BOTH, NEITHER, LOWEST, HIGHEST = (
    (True, True),
    (False, False),
    (True, False),
    (False, True),
)

#: Families and responses in increasing order, and whether the lowest and the highest
#: are the more likely the farther out eta is.
CASES = {
    "bernoulli": (BOTH, Bernoulli(), [0.0, 1.0]),
    "probit": (BOTH, BernoulliProbit(), [0.0, 1.0]),
    "normal": (NEITHER, Normal(0.3), [-3.0, 0.5]),
    "normal, tiny sigma": (NEITHER, Normal(1e-8), [-3.0, 0.5]),
    "lognormal": (NEITHER, LogNormal(0.7), [1e-300, 0.5, 1e300]),
    "logit categories": (BOTH, CumulativeLogit(4, parameters=NARROW), [0, 1, 2, 3]),
    "probit categories": (BOTH, CumulativeProbit(4, parameters=NARROW), [0, 1, 2, 3]),
    "equidistant": (BOTH, CumulativeProbit(5, True), [0, 2, 4]),
    "two categories": (BOTH, CumulativeLogit(2), [0, 1]),
    "truncated": (BOTH, TruncatedNormal(0.0, 1.0, 0.2), [0.0, 0.5, 1.0]),
    "truncated, tiny sigma": (BOTH, TruncatedNormal(0.0, 1.0, 1e-8), [0.0, 0.5, 1.0]),
    "truncated, huge sigma": (BOTH, TruncatedNormal(0.0, 1.0, 1e8), [0.0, 0.5, 1.0]),
    "truncated below": (LOWEST, TruncatedNormal(0.0, np.inf, 2.0), [0.0, 9.0, 1e2]),
    "truncated above": (HIGHEST, TruncatedNormal(-np.inf, 0.0, 2.0), [-1e2, -9.0, 0.0]),
    "beta": (NEITHER, Beta(3.0), [1e-300, 0.5, 1 - 1e-16]),
    "beta, tiny precision": (NEITHER, Beta(1e-8), [1e-300, 0.5, 1 - 1e-16]),
    "beta, huge precision": (NEITHER, Beta(1e8), [1e-300, 0.5, 1 - 1e-16]),
    "ordered beta": (BOTH, OrderedBeta(-1.0, 1.5, 3.0), [0.0, 1e-300, 0.5, 1.0]),
    "ordered beta, narrow": (BOTH, OrderedBeta(0.0, 1e-9, 1e6), [0.0, 0.5, 1.0]),
}
each_case = pytest.mark.parametrize("name", CASES)


def responses_of(name):
    _, family, responses = CASES[name]
    return family, np.array(responses, dtype=float)


@each_case
@pytest.mark.parametrize("eta", [-1e3, -40.0, 0.0, 40.0, 1e3])
def test_everything_is_finite(name, eta):
    family, y = responses_of(name)
    at = np.full(len(y), eta)
    parts = [*family.derivatives(y, at), *family.parameter_derivatives(y, at)]
    assert all(np.isfinite(part).all() for part in parts)
    assert np.isfinite(family.mean(at / 10)).all()


@each_case
def test_gradients_point_to_the_response(name):
    (low, high), family, responses = CASES[name]
    y = np.array(responses, dtype=float)
    below = family.derivatives(y, np.full(len(y), -1e3)).gradient
    above = family.derivatives(y, np.full(len(y), 1e3)).gradient
    assert (below[1:] > 0).all()
    assert below[0] <= 0 if low else below[0] > 0
    assert (above[:-1] < 0).all()
    assert above[-1] >= 0 if high else above[-1] < 0


@pytest.mark.parametrize("name", [name for name in CASES if "beta" not in name])
def test_concave_families_have_positive_curvature(name):
    family, y = responses_of(name)
    for eta in (-1e3, -5.0, 0.0, 0.3, 5.0, 1e3):
        assert (family.derivatives(y, np.full(len(y), eta)).curvature >= 0).all()


@each_case
@pytest.mark.parametrize("eta", [-1e3, 0.0, 1e3])
def test_simulated_responses_are_inside_the_support(name, eta):
    family, _ = responses_of(name)
    if isinstance(family, LogNormal):
        eta = eta / 10
    at = np.full(200, eta)
    y = family.simulate(at, np.random.RandomState(0))
    family.check_response(y)
    assert np.isfinite(family.derivatives(y, at).log_likelihood).all()


@each_case
def test_parameters_there_and_back(name):
    family, y = responses_of(name)
    back = family.with_parameters(family.parameters)
    at = np.full(len(y), 0.2)
    for part, other in zip(
        family.derivatives(y, at), back.derivatives(y, at), strict=True
    ):
        np.testing.assert_allclose(part, other, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(back.parameters, family.parameters, rtol=1e-6)


@pytest.mark.parametrize("family", [Normal(0.7), LogNormal(0.7)])
def test_working_response_is_normal(family):
    rng = np.random.RandomState(0)
    y, weights, eta = rng.uniform(0.1, 3, 6), rng.uniform(0, 2, 6), rng.normal(size=6)
    working = family.working_response(y)
    density = weights @ stats.norm.logpdf(working, eta, family.sigma)
    found = weights @ family.derivatives(y, eta).log_likelihood
    assert density + family.log_jacobian(y, weights) == pytest.approx(found)
    assert family.with_sigma(2.0).latent_variance() == 4.0


def test_scales_of_effects():
    assert TruncatedNormal(0.0, 100.0, 20.0).scale == 20.0
    assert TruncatedNormal(0.0, 100.0, 20.0).latent_variance() == 400.0
    assert CumulativeLogit(4).scale == Bernoulli().scale == 1.0
    assert OrderedBeta().latent_variance() == pytest.approx(np.pi**2 / 3)
    assert CumulativeLogit(4).latent_variance() == pytest.approx(np.pi**2 / 3)
    assert BernoulliProbit().latent_variance() == 1.0


def test_category_probabilities_are_the_likelihood():
    for family in (CumulativeLogit(4, parameters=NARROW), CumulativeProbit(5, True)):
        eta = np.linspace(-3, 3, 7)
        found = family.category_probabilities(eta)
        np.testing.assert_allclose(found.sum(axis=1), 1.0)
        for category in range(family.n_categories):
            y = np.full(7, float(category))
            expected = np.exp(family.derivatives(y, eta).log_likelihood)
            np.testing.assert_allclose(found[:, category], expected, atol=1e-14)


@pytest.mark.parametrize("link", [CumulativeLogit, CumulativeProbit])
def test_categories_at_zero_are_two_sided_bernoulli(link):
    # One threshold: the model is the binary one with the sign of the threshold.
    binary = {CumulativeLogit: Bernoulli(), CumulativeProbit: BernoulliProbit()}[link]
    eta = np.linspace(-9, 9, 11)
    for y in (0.0, 1.0):
        found = link(2, parameters=np.array([0.4])).derivatives(np.full(11, y), eta)
        expected = binary.derivatives(np.full(11, y), eta - 0.4)
        for part, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(part, other, rtol=1e-11)


@pytest.mark.parametrize("link", [CumulativeLogit, CumulativeProbit])
def test_a_category_without_width_is_impossible(link):
    family = link(3, parameters=np.array([-1.0, -800.0]))
    found = family.derivatives(np.array([1.0, 0.0]), np.array([0.3, 0.3]))
    assert found.log_likelihood[0] == -np.inf
    assert np.isfinite(found.log_likelihood[1])
    assert np.isfinite(np.concatenate(found[1:])).all()


def test_starts_without_spread():
    y, weights = np.full(5, 0.3), np.ones(5)
    assert Beta().start(y, weights).precision == 100.0
    assert TruncatedNormal().start(y, weights).sigma == 1.0
    ends, weights = np.array([0.0, 0.0, 1.0, 1.0]), np.ones(4)
    start = OrderedBeta().start(ends, weights)
    assert start.initial_eta(ends, weights) == 0.0
    zero, one = start.end_probabilities(np.zeros(1))
    assert zero[0] == pytest.approx(one[0])
    assert zero[0] == pytest.approx(2.5 / 5.5)


def test_probit_averages_are_exact():
    mean, sd = np.array([-2.0, 0.3, 4.0]), 1.7
    draws = BernoulliProbit().mean(
        mean + sd * np.random.RandomState(0).normal(size=(200_000, 1))
    )
    found = BernoulliProbit().mean_over(mean, np.full(3, sd**2))
    np.testing.assert_allclose(found, draws.mean(axis=0), atol=4e-3)


def test_probit_starts_at_the_share():
    y = np.array([1.0, 1.0, 1.0, 0.0])
    found = BernoulliProbit().initial_eta(y, np.ones(4))
    assert found == pytest.approx(stats.norm.ppf(3.5 / 5))
