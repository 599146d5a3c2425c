"""Families: derivatives, extreme values, means and aliases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from bead_sklearn.families import (
    Bernoulli,
    Family,
    Normal,
    get_family,
    get_family_names,
)

FAMILIES = [Bernoulli(), Normal(), Normal(0.3)]
values = {"binary": st.sampled_from([0.0, 1.0]), "real": st.floats(-5, 5)}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
@given(data=st.data())
def test_derivatives_are_derivatives(family, data):
    y = np.array([data.draw(values[family.response])])
    eta = np.array([data.draw(st.floats(-6, 6))])
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


def test_log_likelihoods_are_scipys():
    y, eta = np.array([0.0, 1.0, 1.0]), np.array([-0.4, 0.2, 3.0])
    p = 1 / (1 + np.exp(-eta))
    found = Bernoulli().derivatives(y, eta).log_likelihood
    np.testing.assert_allclose(found, stats.bernoulli.logpmf(y, p))
    found = Normal(0.7).derivatives(y, eta).log_likelihood
    np.testing.assert_allclose(found, stats.norm.logpdf(y, eta, 0.7))


@pytest.mark.parametrize("eta", [-1e3, 1e3])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_bernoulli_at_extremes(eta, y):
    result = Bernoulli().derivatives(np.array([y]), np.array([eta]))
    assert np.isfinite(np.concatenate(result)).all()
    right = (eta > 0) == (y == 1)
    assert result.log_likelihood[0] == pytest.approx(0.0 if right else -1e3)
    assert result.gradient[0] == pytest.approx(0.0 if right else np.sign(y - 0.5))
    assert result.curvature[0] >= 0


@pytest.mark.parametrize("sd", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_mean_over_is_the_integral(sd):
    means = np.linspace(-6, 6, 13)
    found = Bernoulli().mean_over(means, np.full(13, sd**2))
    if sd == 0:
        expected = 1 / (1 + np.exp(-means))
    else:
        expected = [
            integrate.quad(
                lambda x, m=m: stats.norm.pdf(x) / (1 + np.exp(-(m + sd * x))), -12, 12
            )[0]
            for m in means
        ]
    np.testing.assert_allclose(found, expected, atol=1e-4 if sd > 2 else 3e-5)
    np.testing.assert_array_equal(Normal().mean_over(means, np.full(13, sd)), means)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_simulated_responses_have_the_mean(family):
    eta = np.full(200_000, 0.7)
    y = family.simulate(eta, np.random.RandomState(0))
    assert y.mean() == pytest.approx(family.mean(eta[:1])[0], abs=0.005)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_initial_eta_fits_the_mean(family):
    y, weights = np.array([0.0, 1.0, 1.0]), np.array([1.0, 2.0, 500.0])
    eta = family.initial_eta(y, weights)
    mean = family.mean(np.array([eta]))[0]
    assert mean == pytest.approx(np.average(y, weights=weights), abs=0.01)


def test_latent_variances():
    assert Bernoulli().latent_variance() == pytest.approx(stats.logistic.var())
    assert Normal(3.0).latent_variance() == 9.0


def test_aliases():
    assert get_family_names() == ["bernoulli", "normal"]
    assert get_family_names("real") == ["normal"]
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
