"""Families: derivatives, extreme values, means and aliases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import expit

from bead_sklearn.families import (
    Bernoulli,
    BernoulliProbit,
    Beta,
    CumulativeLogit,
    CumulativeProbit,
    Family,
    LogNormal,
    Normal,
    OrderedBeta,
    TruncatedNormal,
    get_family,
    get_family_names,
)

FAMILIES = {
    "bernoulli": Bernoulli(),
    "probit": BernoulliProbit(),
    "normal": Normal(0.3),
    "lognormal": LogNormal(0.7),
    "cumulative logit": CumulativeLogit(4, parameters=np.array([-1.0, 0.3, -0.4])),
    "cumulative probit": CumulativeProbit(4, parameters=np.array([-1.0, 0.3, -0.4])),
    "equidistant": CumulativeLogit(5, True, np.array([-1.0, 0.2])),
    "two categories": CumulativeProbit(2),
    "truncated": TruncatedNormal(0.0, 1.0, 0.4),
    "truncated below": TruncatedNormal(0.0, np.inf, 0.8),
    "beta": Beta(3.0),
    "ordered beta": OrderedBeta(-1.0, 1.5, 3.0),
}
each_family = pytest.mark.parametrize("name", FAMILIES)


def responses(family):
    """Responses a family can have."""
    if family.response == "binary":
        return st.sampled_from([0.0, 1.0])
    if family.response == "ordinal":
        return st.integers(0, family.n_categories - 1).map(float)
    if isinstance(family, OrderedBeta):
        return st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.01, 0.99))
    if isinstance(family, (Beta, TruncatedNormal)):
        return st.floats(0.01, 0.99)
    return st.floats(0.01, 5)


@each_family
@given(data=st.data())
def test_derivatives_are_derivatives(name, data):
    family = FAMILIES[name]
    y = np.array([data.draw(responses(family))])
    eta = np.array([data.draw(st.floats(-4, 4))])
    step = 1e-5
    here = family.derivatives(y, eta)
    up, down = family.derivatives(y, eta + step), family.derivatives(y, eta - step)

    def slope(field):
        return (getattr(up, field) - getattr(down, field)) / (2 * step)

    scale = max(1.0, float(here.curvature[0]))
    close = {"rtol": 1e-5, "atol": 1e-6 * scale}
    np.testing.assert_allclose(here.gradient, slope("log_likelihood"), **close)
    np.testing.assert_allclose(here.curvature, -slope("gradient"), **close)
    np.testing.assert_allclose(here.third, slope("curvature"), **close)


@each_family
@given(data=st.data())
def test_parameter_derivatives_are_derivatives(name, data):
    family = FAMILIES[name]
    y = np.array([data.draw(responses(family))])
    eta = np.array([data.draw(st.floats(-4, 4))])
    step = 1e-5
    here = family.parameter_derivatives(y, eta)
    assert here.log_likelihood.shape == (1, len(family.parameters))
    for index in range(len(family.parameters)):
        change = step * (np.arange(len(family.parameters)) == index)
        up = family.with_parameters(family.parameters + change).derivatives(y, eta)
        down = family.with_parameters(family.parameters - change).derivatives(y, eta)
        scale = max(1.0, abs(float(up.curvature[0])))
        for field in ("log_likelihood", "gradient", "curvature"):
            slope = (getattr(up, field) - getattr(down, field)) / (2 * step)
            found = getattr(here, field)[:, index]
            np.testing.assert_allclose(found, slope, rtol=2e-5, atol=1e-5 * scale)


@each_family
def test_likelihood_integrates_to_one(name):
    family = FAMILIES[name]
    for level in (-1.5, 0.2, 2.0):
        if family.response in ("binary", "ordinal"):
            y = np.arange(getattr(family, "n_categories", 2)) * 1.0
            terms = family.derivatives(y, np.full(len(y), level)).log_likelihood
            total, mean = np.exp(terms).sum(), np.exp(terms) @ y
        else:
            ends = {"real": (-9, 9), "bounded": (0, 1)}
            low, high = ends[family.response]
            if isinstance(family, LogNormal):
                low, high = 1e-9, 400.0
            if isinstance(family, TruncatedNormal):
                low, high = family.lower, min(family.upper, 9.0)

            def density(y, power, level=level):
                terms = family.derivatives(np.array([y]), np.array([level]))
                return np.exp(terms.log_likelihood[0]) * y**power

            limit = {"limit": 200}
            total, mean = (
                integrate.quad(density, low, high, args=(power,), **limit)[0]
                for power in (0, 1)
            )
            if isinstance(family, OrderedBeta):
                zero, one = family.end_probabilities(np.array([level]))
                total, mean = total + zero[0] + one[0], mean + one[0]
        assert total == pytest.approx(1.0, abs=1e-4)
        assert family.mean(np.array([level]))[0] == pytest.approx(mean, abs=1e-3)


EXTREMES = (
    [("probit", y, eta) for y in (0.0, 1.0) for eta in (-1e3, 1e3)]
    + [
        (name, y, eta)
        for name in ("cumulative logit", "cumulative probit")
        for y in (0.0, 1.0, 3.0)
        for eta in (-1e3, 1e3)
    ]
    + [
        (name, y, eta)
        for name in ("truncated", "truncated below", "ordered beta")
        for y in (0.0, 0.5, 1.0)
        for eta in (-1e3, 1e3)
    ]
    + [("beta", y, eta) for y in (1e-9, 1 - 1e-9) for eta in (-1e3, 1e3)]
)


@pytest.mark.parametrize(("name", "y", "eta"), EXTREMES)
def test_extreme_values_stay_finite(name, y, eta):
    family = FAMILIES[name]
    at = np.array([y]), np.array([eta])
    result = family.derivatives(*at)
    assert np.isfinite(np.concatenate(result)).all()
    assert np.isfinite(np.concatenate(family.parameter_derivatives(*at))).all()
    if "beta" not in name:
        assert result.curvature[0] >= 0


def test_truncated_normal_far_outside():
    # log of the normalising constant at mean -3, sd 0.2, exactly.
    family = TruncatedNormal(0.0, 1.0, 0.2)
    found = family.derivatives(np.array([0.0]), np.array([-3.0]))
    log_constant = stats.norm.logpdf(0, -3, 0.2) - found.log_likelihood[0]
    assert log_constant == pytest.approx(stats.norm.logsf(15.0), rel=1e-9)
    hazard = np.exp(stats.norm.logpdf(15.0) - stats.norm.logsf(15.0))
    assert found.gradient[0] == pytest.approx(15.0 / 0.2 - hazard / 0.2, rel=1e-9)
    # The variance of the response there, which is that of the gradient's scale.
    mean = family.mean(np.array([-3.0]))[0]
    assert mean == pytest.approx(0.2 * (hazard - 15.0), rel=1e-6)


def test_log_likelihoods_are_scipys():
    y, eta = np.array([0.0, 1.0, 1.0]), np.array([-0.4, 0.2, 3.0])
    p = 1 / (1 + np.exp(-eta))
    found = Bernoulli().derivatives(y, eta).log_likelihood
    np.testing.assert_allclose(found, stats.bernoulli.logpmf(y, p))
    found = Normal(0.7).derivatives(y, eta).log_likelihood
    np.testing.assert_allclose(found, stats.norm.logpdf(y, eta, 0.7))
    y = np.array([0.1, 0.5, 0.9])
    found = BernoulliProbit().derivatives(np.ones(3), eta).log_likelihood
    np.testing.assert_allclose(found, stats.norm.logcdf(eta))
    found = LogNormal(0.7).derivatives(y, eta).log_likelihood
    np.testing.assert_allclose(found, stats.lognorm.logpdf(y, 0.7, scale=np.exp(eta)))
    found = TruncatedNormal(0, 1, 0.4).derivatives(y, eta).log_likelihood
    bounds = (0 - eta) / 0.4, (1 - eta) / 0.4
    expected = stats.truncnorm.logpdf(y, *bounds, loc=eta, scale=0.4)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    found = Beta(3.0).derivatives(y, eta).log_likelihood
    mu = 1 / (1 + np.exp(-eta))
    np.testing.assert_allclose(found, stats.beta.logpdf(y, 3 * mu, 3 * (1 - mu)))


@pytest.mark.parametrize("eta", [-1e3, 1e3])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_bernoulli_at_extremes(eta, y):
    result = Bernoulli().derivatives(np.array([y]), np.array([eta]))
    assert np.isfinite(np.concatenate(result)).all()
    right = (eta > 0) == (y == 1)
    assert result.log_likelihood[0] == pytest.approx(0.0 if right else -1e3)
    assert result.gradient[0] == pytest.approx(0.0 if right else np.sign(y - 0.5))
    assert result.curvature[0] >= 0


@pytest.mark.parametrize("sd", [0.0, 0.5, 1.0, 2.0, 3.0, 10.0, 40.0])
def test_mean_over_is_the_integral(sd):
    means = np.linspace(-6, 6, 13)
    found = Bernoulli().mean_over(means, np.full(13, sd**2))
    if sd == 0:
        expected = 1 / (1 + np.exp(-means))
    else:
        expected = [
            integrate.quad(
                lambda x, m=m: stats.norm.pdf(x) * expit(m + sd * x), -12, 12, limit=500
            )[0]
            for m in means
        ]
    np.testing.assert_allclose(found, expected, atol=3e-5)
    np.testing.assert_array_equal(Normal().mean_over(means, np.full(13, sd)), means)


@each_family
def test_simulated_responses_have_the_mean(name):
    family = FAMILIES[name]
    eta = np.full(200_000, 0.7)
    y = family.simulate(eta, np.random.RandomState(0))
    error = y.std() / np.sqrt(len(y))
    assert abs(y.mean() - family.mean(eta[:1])[0]) < 4 * error


@each_family
def test_start_is_near_the_maximum(name):
    family = FAMILIES[name]
    y = family.simulate(np.full(4000, 0.3), np.random.RandomState(0))
    weights = np.ones(4000)
    start = family.start(y, weights)
    eta = np.full(4000, start.initial_eta(y, weights))
    truth = family.derivatives(y, np.full(4000, 0.3)).log_likelihood.mean()
    found = start.derivatives(y, eta).log_likelihood.mean()
    assert found > truth - 0.5 * abs(truth) - 0.05


def test_latent_variances():
    assert Bernoulli().latent_variance() == pytest.approx(stats.logistic.var())
    assert Normal(3.0).latent_variance() == 9.0
    assert BernoulliProbit().latent_variance() == CumulativeProbit(3).latent_variance()
    y = stats.beta.rvs(2.5, 2.5, size=100_000, random_state=0)
    spread = np.log(y / (1 - y)).var()
    assert Beta(5.0).latent_variance() == pytest.approx(spread, rel=0.02)


def test_aliases():
    assert get_family_names("binary") == ["bernoulli", "bernoulli_probit"]
    assert get_family_names("real") == ["lognormal", "normal"]
    assert isinstance(get_family("normal"), Normal)
    family = Normal(2.0)
    assert get_family(family, response="real") is family


@pytest.mark.parametrize(
    ("family", "response", "error", "message"),
    [
        ("gaussian", None, ValueError, "Unknown family 'gaussian'.*'bernoulli'"),
        ("normal", "binary", ValueError, "Unknown family 'normal'.*'bernoulli'"),
        (Normal(), "binary", ValueError, "is for real responses.*needs one for binary"),
        (3, None, TypeError, "must be a string or.*Got 3"),
    ],
)
def test_errors(family, response, error, message):
    with pytest.raises(error, match=message):
        get_family(family, response=response)


def test_a_family_must_define_its_parts():
    with pytest.raises(TypeError, match="abstract"):
        Family()


def test_predictive_distribution_of_quadratic_families():
    rng = np.random.RandomState(0)
    for family in (Normal(0.4), LogNormal(0.4)):
        eta = 0.3 + 0.5 * rng.normal(size=400_000)
        y = family.simulate(eta, rng)
        mean, variance = np.array([0.3]), np.array([0.25])
        assert family.mean_over(mean, variance)[0] == pytest.approx(y.mean(), rel=0.01)
        assert family.predictive_sd(mean, variance)[0] == pytest.approx(
            y.std(), rel=0.02
        )
        for level in (0.1, 0.5, 0.9):
            found = family.predictive_quantile(mean, variance, level)[0]
            assert found == pytest.approx(np.quantile(y, level), abs=0.01)


def test_lognormal_needs_positive_responses():
    with pytest.raises(ValueError, match=r"positive responses.*2 .*row 1: -2"):
        LogNormal().check_response(np.array([1.0, -2.0, 0.0]))
