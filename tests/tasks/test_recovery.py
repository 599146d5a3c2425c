"""The estimators recover simulated truth."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn import BinaryClassifier, MagnitudeRegressor, MixedEffects

N_WORLDS, N_PARTICIPANTS, N_EACH = 20, 60, 30


def world(seed, model):
    rng = np.random.RandomState(seed)
    groups = np.repeat(np.arange(N_PARTICIPANTS), N_EACH)
    X = rng.normal(size=(len(groups), 2))
    u = rng.normal(size=N_PARTICIPANTS)
    eta = 0.5 + X @ [0.8, -0.4] + u[groups]
    if model is BinaryClassifier:
        y = (rng.uniform(size=len(eta)) < 1 / (1 + np.exp(-eta))).astype(int)
    else:
        y = eta + rng.normal(size=len(eta))
    return X, y, groups, u


@pytest.mark.parametrize("model", [BinaryClassifier, MagnitudeRegressor])
def test_variance_and_effects_are_recovered(model):
    sds, ratios, found, reachable, coefficients = [], [], [], [], []
    for seed in range(N_WORLDS):
        X, y, groups, u = world(seed, model)
        fitted = model().fit(X, y, groups=groups)
        known = MixedEffects(prior_variance=1.0, estimate_variance_components=False)
        best = model(mixed_effects=known).fit(X, y, groups=groups)
        sds.append(fitted.variance_components_[0].sd[0])
        ratios.append(sds[-1] / u.std())
        found.append(np.corrcoef(fitted.effects_["groups"].modes[:, 0], u)[0, 1])
        reachable.append(np.corrcoef(best.effects_["groups"].modes[:, 0], u)[0, 1])
        coefficients.append(np.ravel(fitted.coef_))
    assert np.mean(sds) == pytest.approx(1.0, abs=0.05)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)
    assert np.mean(found) >= np.mean(reachable) - 0.001
    standard_error = np.std(coefficients, axis=0, ddof=1) / np.sqrt(N_WORLDS)
    bias = np.mean(coefficients, axis=0) - [0.8, -0.4]
    assert (np.abs(bias) < 3.5 * standard_error).all()


def test_slopes_are_recovered():
    covariances = []
    truth = np.array([[1.0, 0.3], [0.3, 0.5]])
    for seed in range(N_WORLDS):
        rng = np.random.RandomState(seed)
        groups = np.repeat(np.arange(N_PARTICIPANTS), N_EACH)
        X = rng.normal(size=(len(groups), 1))
        u = rng.multivariate_normal([0, 0], truth, size=N_PARTICIPANTS)
        y = 1 + X[:, 0] + u[groups, 0] + u[groups, 1] * X[:, 0]
        y = y + rng.normal(size=len(y))
        model = MagnitudeRegressor(mixed_effects="random_slopes")
        model.fit(X, y, groups=groups)
        covariances.append(model.variance_components_[0].covariance)
    standard_error = np.std(covariances, axis=0, ddof=1) / np.sqrt(N_WORLDS)
    assert (np.abs(np.mean(covariances, axis=0) - truth) < 3.5 * standard_error).all()


def test_intervals_cover():
    covered = []
    for seed in range(N_WORLDS):
        X, y, groups, u = world(seed, MagnitudeRegressor)
        model = MagnitudeRegressor().fit(X, y, groups=groups)
        effects = model.effects_["groups"]
        distance = np.abs(effects.modes[:, 0] - u) / effects.sds[:, 0]
        covered.append((distance < 1.96).mean())
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_ridge_is_estimated_where_coefficients_outnumber_judgments():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(150, 200))
    b = rng.normal(scale=0.2, size=200)
    y = X @ b + rng.normal(size=150)
    new = rng.normal(size=(500, 200))
    model = MagnitudeRegressor().fit(X, y)
    # The ridge that knows tau and sigma has alpha = 1 / 0.04.
    assert 10 < model.alpha_ < 60
    oracle = MagnitudeRegressor(alpha=25.0).fit(X, y)
    error = np.mean((model.predict(new) - new @ b) ** 2)
    assert error < 1.05 * np.mean((oracle.predict(new) - new @ b) ** 2)
    mean, std = model.predict(new, return_std=True)
    noise = rng.normal(size=500)
    assert np.mean(np.abs(new @ b + noise - mean) < 1.96 * std) == pytest.approx(
        0.95, abs=0.03
    )
