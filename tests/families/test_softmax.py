"""The multinomial logit: derivatives, extremes and averages over normal logits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from bead_sklearn.families import Bernoulli, MultinomialLogit

each_size = pytest.mark.parametrize("n_classes", [2, 3, 5])


def some_rows(n_classes, n=30, scale=2.0):
    rng = np.random.RandomState(n_classes)
    eta = scale * rng.normal(size=(n, n_classes - 1))
    return rng.randint(n_classes, size=n) * 1.0, eta


def differences(function, eta, step=1e-5):
    """Derivatives in each output, along a last axis."""
    slopes = [
        (function(eta + change) - function(eta - change)) / (2 * step)
        for change in step * np.eye(eta.shape[1])
    ]
    return np.stack(slopes, axis=-1)


@each_size
def test_derivatives_are_derivatives(n_classes):
    family, (y, eta) = MultinomialLogit(n_classes), some_rows(n_classes)
    here = family.derivatives(y, eta)
    close = {"rtol": 1e-6, "atol": 1e-8}
    slope = differences(lambda x: family.derivatives(y, x).log_likelihood, eta)
    np.testing.assert_allclose(here.gradient, slope, **close)
    slope = differences(lambda x: family.derivatives(y, x).gradient, eta)
    np.testing.assert_allclose(here.curvature, -slope, **close)
    roots = np.random.RandomState(0).normal(size=(len(y), *here.curvature.shape[1:]))
    covariance = roots @ roots.transpose(0, 2, 1)

    def trace(x):
        return np.einsum("njk,nkj->n", family.derivatives(y, x).curvature, covariance)

    np.testing.assert_allclose(here.skew(covariance), differences(trace, eta), **close)


@each_size
def test_probabilities_are_the_likelihood(n_classes):
    family, (_, eta) = MultinomialLogit(n_classes), some_rows(n_classes)
    p = family.mean(eta)
    expected = softmax(np.column_stack([np.zeros(len(eta)), eta]), axis=1)
    np.testing.assert_allclose(p, expected, rtol=1e-12)
    for label in range(n_classes):
        y = np.full(len(eta), float(label))
        found = np.exp(family.derivatives(y, eta).log_likelihood)
        np.testing.assert_allclose(found, p[:, label], rtol=1e-12)


def test_two_classes_are_bernoulli():
    eta = np.linspace(-50, 50, 11)
    for label in (0.0, 1.0):
        y = np.full(11, label)
        found = MultinomialLogit(2).derivatives(y, eta[:, None])
        expected = Bernoulli().derivatives(y, eta)
        for field in ("gradient", "curvature"):
            one = getattr(found, field).ravel()
            np.testing.assert_allclose(one, getattr(expected, field), rtol=1e-11)
        one, other = found.log_likelihood, expected.log_likelihood
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-14)
        skew = found.skew(np.full((11, 1, 1), 0.7)).ravel()
        np.testing.assert_allclose(skew, 0.7 * expected.third, rtol=1e-9, atol=1e-14)


EXTREMES = [(1e3, 1e3), (1e3, -1e3), (-1e3, 1e3), (-1e3, -1e3), (1e3, 0), (0, -1e3)]


@pytest.mark.parametrize("label", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("eta", EXTREMES)
def test_extremes(eta, label):
    family = MultinomialLogit(3)
    found = family.derivatives(np.array([label]), np.array([eta], dtype=float))
    parts = [part.ravel() for part in (*found, found.skew(np.eye(2)[None]))]
    assert np.isfinite(np.concatenate(parts)).all()
    logits = np.array([0.0, *eta])
    ties = np.log((logits == logits.max()).sum())
    expected = logits[int(label)] - logits.max() - ties
    assert found.log_likelihood[0] == pytest.approx(expected, abs=1e-12)
    p = softmax(logits)
    gradient = (np.arange(3) == label) - p
    np.testing.assert_allclose(found.gradient[0], gradient[1:], atol=1e-12)
    assert (np.linalg.eigvalsh(found.curvature[0]) >= -1e-15).all()
    np.testing.assert_allclose(family.mean(np.array([eta])), p[None], atol=1e-12)


def test_small_probabilities_keep_their_digits():
    # The chosen class has nearly all: what is left decides about the next step.
    eta = np.array([[40.0, -3.0]])
    found = MultinomialLogit(3).derivatives(np.array([1.0]), eta)
    rest = np.exp(-40.0) + np.exp(-43.0)
    assert found.gradient[0, 0] == pytest.approx(rest, rel=1e-12)
    assert found.curvature[0, 0, 0] == pytest.approx(rest, rel=1e-12)
    assert found.log_likelihood[0] == pytest.approx(-rest, rel=1e-2)


COVARIANCES = {
    "none": np.zeros((2, 2)),
    "small": np.array([[0.5, 0.2], [0.2, 0.3]]),
    "of rank one": np.array([[1.0, 2.0], [2.0, 4.0]]),
    "medium": np.array([[4.0, -1.0], [-1.0, 2.0]]),
    "large": np.array([[30.0, 20.0], [20.0, 40.0]]),
    "two logits": np.array([[2.25]]),
    "two logits, large": np.array([[100.0]]),
    "four classes": np.array([[2.0, 0.5, 0.1], [0.5, 1.0, -0.3], [0.1, -0.3, 3.0]]),
}


@pytest.mark.parametrize("name", COVARIANCES)
def test_averages_are_those_of_draws(name):
    covariance = COVARIANCES[name]
    n_outputs, n_draws = len(covariance), 200_000
    family, rng = MultinomialLogit(n_outputs + 1), np.random.RandomState(0)
    mean = rng.normal(size=(4, n_outputs))
    found = family.mean_over(mean, np.tile(covariance, (4, 1, 1)))
    assert found.shape == (4, n_outputs + 1)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-9)
    noise = rng.multivariate_normal(np.zeros(n_outputs), covariance, size=n_draws)
    for row, average in zip(mean, found, strict=True):
        draws = family.mean(row + noise)
        error = draws.std(axis=0) / np.sqrt(n_draws)
        # Three outputs and more, and large spreads, are quasi-Monte Carlo.
        np.testing.assert_array_less(np.abs(average - draws.mean(axis=0)), 4e-3)
        if n_outputs == 1 or covariance.max() < 1.0:
            assert (np.abs(average - draws.mean(axis=0)) <= 4 * error + 1e-9).all()


def test_simulated_shares():
    family, rng = MultinomialLogit(4), np.random.RandomState(0)
    eta = np.tile([0.5, -1.0, 1.2], (100_000, 1))
    y = family.simulate(eta, rng)
    shares, p = np.bincount(y.astype(int)) / len(y), family.mean(eta[:1])[0]
    assert (np.abs(shares - p) < 4 * np.sqrt(p * (1 - p) / len(y))).all()


def test_neutral_parts():
    family = MultinomialLogit(3)
    contrast = family.output_contrast()
    np.testing.assert_allclose(contrast @ contrast.T, [[2.0, 1.0], [1.0, 2.0]])
    assert np.triu(contrast, 1).tolist() == np.zeros((2, 2)).tolist()
    assert family.n_outputs == 2
    assert family.latent_variance() == pytest.approx(np.pi**2 / 3)
    # Half a count for each class, so that none has probability zero.
    y, weights = np.array([0.0, 1.0, 1.0]), np.array([1.0, 2.0, 2.5])
    found = family.initial_eta(y, weights)
    np.testing.assert_allclose(found, np.log([5.0 / 1.5, 0.5 / 1.5]))
