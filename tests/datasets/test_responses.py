"""Draws agree with their distribution, checked against scipy and by quadrature."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from bead_sklearn.datasets import _responses as r

N = 40_000


def rng():
    return np.random.RandomState(0)


@pytest.mark.parametrize("link", ["logit", "probit"])
@pytest.mark.parametrize("eta", [-2.0, 0.3, 4.0])
def test_bernoulli(eta, link):
    expected = expit(eta) if link == "logit" else stats.norm.cdf(eta)
    y, probability = r.draw_bernoulli(np.full(N, eta), link, rng())
    np.testing.assert_allclose(probability, expected, rtol=1e-12)
    assert abs(y.mean() - expected) < 4.5 * np.sqrt(expected * (1 - expected) / N)


def test_softmax():
    eta = np.array([1.0, -0.5, 0.2, -3.0])
    expected = np.exp(eta) / np.exp(eta).sum()
    y, probabilities = r.draw_softmax(np.tile(eta, (N, 1)), rng())
    np.testing.assert_allclose(probabilities[0], expected)
    assert stats.chisquare(np.bincount(y, minlength=4), N * expected).pvalue > 1e-4


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_cumulative(link):
    eta, cuts = 0.4, np.array([-1.0, 0.0, 2.0])
    cdf = stats.logistic.cdf if link == "logit" else stats.norm.cdf
    below = np.concatenate([[0], cdf(cuts - eta), [1]])
    y, probabilities = r.draw_cumulative(np.full(N, eta), cuts, link, rng())
    np.testing.assert_allclose(probabilities[0], np.diff(below))
    counts = np.bincount(y, minlength=5)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:], N * np.diff(below)).pvalue > 1e-4


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_default_thresholds_are_symmetric(link):
    cuts = r.default_thresholds(5, link)
    np.testing.assert_allclose(cuts, -cuts[::-1], atol=1e-12)
    assert (np.diff(cuts) > 0).all()


def test_normal_and_lognormal():
    eta, sigma = 1.5, 0.4
    y, mean = r.draw_normal(np.full(N, eta), sigma, rng())
    assert stats.kstest(y, stats.norm(eta, sigma).cdf).pvalue > 1e-4
    assert mean[0] == eta
    y, mean = r.draw_lognormal(np.full(N, eta), sigma, rng())
    exact = stats.lognorm(sigma, scale=np.exp(eta))
    assert stats.kstest(y, exact.cdf).pvalue > 1e-4
    np.testing.assert_allclose(mean[0], exact.mean())


@pytest.mark.parametrize("eta", [-30.0, -1.0, 0.0, 3.7, 5.0, 9.0, 40.0])
def test_truncated_normal(eta):
    low, high, sigma = 0.0, 10.0, 2.0
    exact = stats.truncnorm((low - eta) / sigma, (high - eta) / sigma, eta, sigma)
    y, mean = r.draw_truncated_normal(np.full(N, eta), sigma, (low, high), rng())
    assert (y.min() >= low) & (y.max() <= high)
    assert stats.kstest(y, exact.cdf).pvalue > 1e-4
    np.testing.assert_allclose(mean[0], exact.mean(), rtol=1e-6)


@pytest.mark.parametrize("eta", [-1.5, 0.0, 2.0])
def test_beta(eta):
    mu, phi = expit(eta), 4.0
    exact = stats.beta(mu * phi, (1 - mu) * phi, loc=1, scale=6)
    y, mean = r.draw_beta(np.full(N, eta), phi, (1.0, 7.0), rng())
    assert stats.kstest(y, exact.cdf).pvalue > 1e-4
    np.testing.assert_allclose(mean[0], exact.mean())


def test_beta_stays_inside_the_scale_however_extreme():
    eta = np.array([-800.0, -40.0, 40.0, 800.0])
    y, _ = r.draw_beta(eta, 0.01, (0.0, 1.0), rng())
    assert ((y > 0) & (y < 1)).all()


def test_ordered_beta():
    eta, phi, cuts = 0.5, 5.0, np.array([-2.0, 1.5])
    low, high = expit(cuts[0] - eta), expit(eta - cuts[1])
    y, mean = r.draw_ordered_beta(np.full(N, eta), phi, cuts, (0.0, 100.0), rng())
    inside = (y > 0) & (y < 100)
    observed = [(y == 0).sum(), inside.sum(), (y == 100).sum()]
    expected = N * np.array([low, 1 - low - high, high])
    assert stats.chisquare(observed, expected).pvalue > 1e-4
    mu = expit(eta)
    exact = stats.beta(mu * phi, (1 - mu) * phi, scale=100)
    assert stats.kstest(y[inside], exact.cdf).pvalue > 1e-4
    assert abs(y.mean() - mean[0]) < 4.5 * y.std() / np.sqrt(N)
