"""The conditional logit: derivatives, extremes and averages over normal utilities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from bead_sklearn.families import ConditionalLogit, MultinomialLogit

SIZES = np.array([3, 1, 2, 4, 2])
SETS = np.repeat(np.arange(5), SIZES)
N = len(SETS)
FAMILY = ConditionalLogit(SETS)
STARTS = np.cumsum(SIZES) - SIZES


def first_chosen():
    y = np.zeros(N)
    y[STARTS] = 1.0
    return y


def in_sets(x):
    return np.split(x, STARTS[1:])


def dense(curvature):
    matrix = np.zeros((N, N))
    matrix[FAMILY.pairs] = curvature
    return matrix


def differences(function, eta, step=1e-5):
    slopes = [
        (function(eta + change) - function(eta - change)) / (2 * step)
        for change in step * np.eye(N)
    ]
    return np.stack(slopes, axis=-1)


def test_pairs_are_all_pairs_of_each_set():
    left, right = FAMILY.pairs
    assert len(left) == (SIZES**2).sum()
    assert (SETS[left] == SETS[right]).all()
    assert (np.diff(left) >= 0).all()
    assert len(set(zip(left.tolist(), right.tolist(), strict=True))) == len(left)


@pytest.mark.parametrize("seed", range(3))
def test_derivatives_are_derivatives(seed):
    rng = np.random.RandomState(seed)
    eta = 2.0 * rng.normal(size=N)
    y = FAMILY.simulate(eta, rng)
    here = FAMILY.derivatives(y, eta)
    close = {"rtol": 1e-6, "atol": 1e-8}
    slope = differences(lambda x: FAMILY.derivatives(y, x).log_likelihood.sum(), eta)
    np.testing.assert_allclose(here.gradient, slope, **close)
    slope = differences(lambda x: FAMILY.derivatives(y, x).gradient, eta)
    np.testing.assert_allclose(dense(here.curvature), -slope, **close)
    root = rng.normal(size=(N, N))
    covariance = (root @ root.T)[FAMILY.pairs]

    def trace(x):
        return FAMILY.derivatives(y, x).curvature @ covariance

    np.testing.assert_allclose(here.skew(covariance), differences(trace, eta), **close)


def test_probabilities_are_the_likelihood():
    eta = np.random.RandomState(0).normal(size=N)
    p = FAMILY.mean(eta)
    expected = np.concatenate([softmax(part) for part in in_sets(eta)])
    np.testing.assert_allclose(p, expected, rtol=1e-12)
    y = first_chosen()
    found = FAMILY.derivatives(y, eta).log_likelihood
    np.testing.assert_allclose(found[STARTS], np.log(p[STARTS]), rtol=1e-12)
    assert (found[y == 0] == 0).all()


def test_one_class_held_at_zero_is_multinomial():
    rng = np.random.RandomState(1)
    eta, y = rng.normal(size=(20, 2)), rng.randint(3, size=20) * 1.0
    family = ConditionalLogit(np.repeat(np.arange(20), 3))
    flat = np.column_stack([np.zeros(20), eta]).ravel()
    chosen = (np.arange(3) == y[:, None]).ravel() * 1.0
    found = family.derivatives(chosen, flat)
    expected = MultinomialLogit(3).derivatives(y, eta)
    np.testing.assert_allclose(
        found.log_likelihood.reshape(20, 3).sum(axis=1), expected.log_likelihood
    )
    np.testing.assert_allclose(found.gradient.reshape(20, 3)[:, 1:], expected.gradient)
    curvature = found.curvature.reshape(20, 3, 3)[:, 1:, 1:]
    np.testing.assert_allclose(curvature, expected.curvature)


@pytest.mark.parametrize("signs", [1.0, -1.0, "alternating", "first"])
def test_extremes(signs):
    pattern = {
        "alternating": np.where(np.arange(N) % 2 == 0, 1.0, -1.0),
        "first": np.where(np.isin(np.arange(N), STARTS), -1.0, 1.0),
    }
    eta = 1e3 * (pattern[signs] if isinstance(signs, str) else np.full(N, signs))
    y = first_chosen()
    found = FAMILY.derivatives(y, eta)
    skew = found.skew(np.ones(len(found.curvature)))
    parts = [*found[:4], skew, FAMILY.mean(eta)]
    assert np.isfinite(np.concatenate(parts)).all()
    p = np.concatenate([softmax(part) for part in in_sets(eta)])
    np.testing.assert_allclose(found.gradient, y - p, atol=1e-12)
    np.testing.assert_allclose(FAMILY.mean(eta), p, atol=1e-12)
    expected = [
        part[0] - part.max() - np.log((part == part.max()).sum())
        for part in in_sets(eta)
    ]
    np.testing.assert_allclose(found.log_likelihood[STARTS], expected, atol=1e-12)
    assert (np.linalg.eigvalsh(dense(found.curvature)) >= -1e-14).all()


def test_small_probabilities_keep_their_digits():
    family = ConditionalLogit(np.zeros(3, dtype=int))
    found = family.derivatives(np.array([1.0, 0.0, 0.0]), np.array([40.0, 0.0, -3.0]))
    rest = np.exp(-40.0) + np.exp(-43.0)
    assert found.gradient[0] == pytest.approx(rest, rel=1e-12)
    assert found.curvature[0] == pytest.approx(rest, rel=1e-12)


def test_the_only_alternative_is_chosen():
    at = np.flatnonzero(SIZES[SETS] == 1)
    found = FAMILY.derivatives(first_chosen(), np.full(N, 7.0))
    assert found.log_likelihood[at].tolist() == [0.0]
    assert found.gradient[at].tolist() == [0.0]
    alone = (FAMILY.pairs[0] == at) & (FAMILY.pairs[1] == at)
    assert found.curvature[alone].tolist() == [0.0]
    assert FAMILY.mean_over(np.zeros(N), np.ones(len(alone)))[at].tolist() == [1.0]


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.5, 6.0])
def test_averages_are_those_of_draws(spread):
    rng, n_draws = np.random.RandomState(0), 100_000
    mean, root = rng.normal(size=N), spread * rng.normal(size=(N, 3))
    covariance = root @ root.T + spread**2 * np.diag(rng.uniform(size=N))
    found = FAMILY.mean_over(mean, covariance[FAMILY.pairs])
    assert [part.sum() for part in in_sets(found)] == pytest.approx([1.0] * 5)
    draws = mean + rng.multivariate_normal(np.zeros(N), covariance, size=n_draws)
    for rows in in_sets(np.arange(N)):
        average = softmax(draws[:, rows], axis=1).mean(axis=0)
        np.testing.assert_allclose(found[rows], average, atol=6e-3)


def test_simulated_choices():
    rng = np.random.RandomState(0)
    utilities = np.array([0.5, -0.3, 1.0])
    family = ConditionalLogit(np.repeat(np.arange(50_000), 3))
    y = family.simulate(np.tile(utilities, 50_000), rng).reshape(-1, 3)
    assert (y.sum(axis=1) == 1).all()
    shares, p = y.mean(axis=0), softmax(utilities)
    assert (np.abs(shares - p) < 4 * np.sqrt(p * (1 - p) / 50_000)).all()
    family.check_response(y.ravel())


def test_constants_change_nothing():
    assert FAMILY.initial_eta(first_chosen(), np.ones(N)) == 0.0
    assert FAMILY.latent_variance() == pytest.approx(np.pi**2 / 3)
    eta, y = np.random.RandomState(0).normal(size=N), first_chosen()
    shifted = eta + np.array([5.0, -3.0, 0.1, 9.0, 0.0])[SETS]
    for one, other in zip(
        FAMILY.derivatives(y, eta)[:4], FAMILY.derivatives(y, shifted)[:4], strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("sets", [[1, 1, 2], [0, 2, 2], [0, 1, 0], [0, 0, -1]])
def test_sets_are_numbered_in_order(sets):
    with pytest.raises(ValueError, match="sets must number the choice sets 0, 1"):
        ConditionalLogit(np.array(sets))


@pytest.mark.parametrize(("row", "value"), [(0, 0.0), (1, 1.0), (0, 0.5), (0, np.nan)])
def test_one_alternative_of_each_set_is_chosen(row, value):
    y = first_chosen()
    FAMILY.check_response(y)
    y[row] = value
    with pytest.raises(ValueError, match="y must be 1 in one row of each choice set"):
        FAMILY.check_response(y)
