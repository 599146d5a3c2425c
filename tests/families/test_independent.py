"""Several responses at once are those of one family, column by column."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn.families import (
    Bernoulli,
    BernoulliProbit,
    Beta,
    IndependentOutputs,
    Normal,
)

FAMILIES = [Bernoulli(), BernoulliProbit(), Normal(0.7)]
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)


def some_rows(family, n=12, scale=2.0):
    rng = np.random.RandomState(0)
    eta = scale * rng.normal(size=(n, 3))
    return IndependentOutputs(family, 3).simulate(eta, rng), eta


@each_family
def test_columns_are_those_of_the_family(family):
    several, (y, eta) = IndependentOutputs(family, 3), some_rows(family)
    found = several.derivatives(y, eta)
    variance = np.random.RandomState(1).uniform(size=eta.shape)
    columns = [family.derivatives(y[:, k], eta[:, k]) for k in range(3)]
    total = sum(column.log_likelihood for column in columns)
    np.testing.assert_allclose(found.log_likelihood, total, rtol=1e-12)
    for field in ("gradient", "curvature", "third"):
        expected = np.column_stack([getattr(column, field) for column in columns])
        np.testing.assert_array_equal(getattr(found, field), expected)
    skew = [columns[k].skew(variance[:, k]) for k in range(3)]
    np.testing.assert_array_equal(found.skew(variance), np.column_stack(skew))


@each_family
def test_derivatives_are_derivatives(family):
    several, (y, eta) = IndependentOutputs(family, 3), some_rows(family)
    here, step = several.derivatives(y, eta), 1e-5
    for k in range(3):
        change = step * (np.arange(3) == k)
        up = several.derivatives(y, eta + change)
        down = several.derivatives(y, eta - change)
        slope = (up.log_likelihood - down.log_likelihood) / (2 * step)
        np.testing.assert_allclose(here.gradient[:, k], slope, rtol=1e-5, atol=1e-6)
        for field, following, sign in (
            ("gradient", "curvature", -1.0),
            ("curvature", "third", 1.0),
        ):
            slope = (getattr(up, field) - getattr(down, field)) / (2 * step)
            expected = np.zeros_like(slope)
            expected[:, k] = sign * getattr(here, following)[:, k]
            np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", [Bernoulli(), BernoulliProbit()])
@pytest.mark.parametrize("eta", [-1e3, 1e3])
def test_extremes(family, eta):
    y = np.array([[0.0, 1.0], [1.0, 0.0]])
    several = IndependentOutputs(family, 2)
    found = several.derivatives(y, np.full((2, 2), eta))
    assert all(np.isfinite(part).all() for part in found)
    assert np.isfinite(found.skew(np.ones((2, 2)))).all()
    assert (found.curvature >= 0).all()
    right = (y == 1) == (eta > 0)
    np.testing.assert_allclose(found.gradient[right], 0.0, atol=1e-12)
    assert (np.sign(found.gradient[~right]) == np.sign(y - 0.5)[~right]).all()


@each_family
def test_means_and_averages(family):
    several, (_, eta) = IndependentOutputs(family, 3), some_rows(family)
    np.testing.assert_array_equal(several.mean(eta), family.mean(eta))
    variance = np.random.RandomState(1).uniform(0.0, 4.0, size=eta.shape)
    found = several.mean_over(eta, variance)
    for k in range(3):
        expected = family.mean_over(eta[:, k], variance[:, k])
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-12)
    rng, n_draws = np.random.RandomState(2), 100_000
    draws = eta[0] + np.sqrt(variance[0]) * rng.normal(size=(n_draws, 3))
    means = several.mean(draws)
    error = means.std(axis=0) / np.sqrt(n_draws)
    assert (np.abs(means.mean(axis=0) - found[0]) < 4 * error).all()


def test_everything_else_is_the_familys():
    several = IndependentOutputs(Bernoulli(), 3)
    assert (several.name, several.link, several.n_outputs) == ("bernoulli", "logit", 3)
    assert several.response == "multilabel"
    assert several.latent_variance() == Bernoulli().latent_variance()
    np.testing.assert_array_equal(several.output_contrast(), np.eye(3))
    y = np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    weights = np.array([1.0, 2.0])
    expected = [Bernoulli().initial_eta(column, weights) for column in y.T]
    np.testing.assert_array_equal(several.initial_eta(y, weights), expected)
    several.check_response(y)
    probits = IndependentOutputs(BernoulliProbit(), 2)
    assert (probits.name, probits.link) == ("bernoulli_probit", "probit")


def test_responses_of_one_judgment_are_independent():
    eta = np.tile([0.3, -1.0], (100_000, 1))
    several = IndependentOutputs(Bernoulli(), 2)
    y = several.simulate(eta, np.random.RandomState(0))
    assert np.abs(y.mean(axis=0) - several.mean(eta[:1])[0]).max() < 0.007
    assert abs(np.corrcoef(y.T)[0, 1]) < 0.013


def test_families_with_parameters_are_refused():
    with pytest.raises(ValueError, match="no parameters of its own; beta has 1"):
        IndependentOutputs(Beta(), 2)
