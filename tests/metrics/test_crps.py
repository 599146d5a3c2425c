"""Scores of distributions against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.model_selection import cross_val_score

from bead_sklearn import MagnitudeRegressor, OrdinalScaleRegressor
from bead_sklearn.metrics import (
    crps_from_quantiles,
    crps_lognormal,
    crps_normal,
    log_density_scorer,
    negative_crps_scorer,
)


def by_definition(distribution, y):
    low, high = distribution.ppf([1e-12, 1 - 1e-12])
    left, _ = integrate.quad(lambda x: distribution.cdf(x) ** 2, min(low, y), y)
    right, _ = integrate.quad(lambda x: distribution.sf(x) ** 2, y, max(high, y))
    return left + right


@pytest.mark.parametrize("y", [-3.0, 0.2, 1.0, 6.0])
def test_normal(y):
    expected = by_definition(stats.norm(0.7, 1.3), y)
    assert crps_normal([y], [0.7], [1.3])[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("y", [0.05, 1.0, 2.5, 9.0])
def test_lognormal(y):
    expected = by_definition(stats.lognorm(0.6, scale=np.exp(0.4)), y)
    assert crps_lognormal([y], [0.4], [0.6])[0] == pytest.approx(expected, rel=1e-6)


def test_quantiles_converge_to_the_integral():
    y = np.array([-3.0, 0.2, 6.0])
    exact = crps_normal(y, np.full(3, 0.7), np.full(3, 1.3))
    errors = []
    for n in (9, 99, 999):
        levels = (np.arange(n) + 0.5) / n
        quantiles = np.tile(stats.norm.ppf(levels, 0.7, 1.3), (3, 1))
        errors.append(np.abs(crps_from_quantiles(y, quantiles, levels) - exact).max())
    assert errors[0] > 5 * errors[1] > 25 * errors[2]
    assert errors[1] < 4e-3


def test_quantiles_of_a_discrete_distribution_are_exact():
    rng = np.random.RandomState(0)
    points, y = np.sort(rng.normal(size=8)), 0.3
    distance = np.abs(points - y).mean()
    spread = 0.5 * np.abs(points[:, None] - points).mean()
    found = crps_from_quantiles([y], points[None], (np.arange(8) + 0.5) / 8)
    assert found[0] == pytest.approx(distance - spread)


def test_uneven_levels_weigh_by_their_cells():
    levels = np.array([0.05, 0.3, 0.9])
    found = crps_from_quantiles([0.0], [[1.0, 2.0, 3.0]], levels)
    weights = [0.175, 0.425, 0.4]
    expected = 2 * np.dot(weights, (1 - levels) * [1.0, 2.0, 3.0])
    assert found[0] == pytest.approx(expected)


def test_bad_input():
    with pytest.raises(ValueError, match=r"std must be positive. Row 1 has 0"):
        crps_normal([0.0, 0.0], [0.0, 0.0], [1.0, 0.0])
    with pytest.raises(ValueError, match=r"y_true must be positive. Row 0 has -1"):
        crps_lognormal([-1.0], [0.0], [1.0])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        crps_normal([0.0, 0.0], [0.0], [1.0])
    for levels in ([0.5, 0.1], [0.0, 0.5], [0.5, 1.0]):
        with pytest.raises(ValueError, match="increase strictly between 0 and 1"):
            crps_from_quantiles([0.0], [[0.0, 1.0]], levels)
    with pytest.raises(ValueError, match=r"shape \(1, 2\).*Got \(1, 1\)"):
        crps_from_quantiles([0.0], [[0.0]], [0.1, 0.5])
    with pytest.raises(ValueError, match="mean must be 1-D"):
        crps_normal([0.0], [[0.0]], [1.0])


def test_scorers_in_cross_validation():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(200, 2))
    y = X[:, 0] + 0.5 * rng.normal(size=200)
    for scorer in (negative_crps_scorer, log_density_scorer):
        good = cross_val_score(MagnitudeRegressor(), X, y, scoring=scorer, cv=4)
        poor = cross_val_score(MagnitudeRegressor(), X[:, 1:], y, scoring=scorer, cv=4)
        assert good.mean() > poor.mean()
    model = MagnitudeRegressor().fit(X, y)
    mean, std = model.predict(X, return_std=True)
    exact = crps_normal(y, mean, std).mean()
    assert -negative_crps_scorer(model, X, y) == pytest.approx(exact, rel=1e-2)
    weights = rng.randint(0, 3, 200)
    rows = np.repeat(np.arange(200), weights)
    for scorer in (negative_crps_scorer, log_density_scorer):
        weighted = scorer(model, X, y, sample_weight=weights)
        assert weighted == pytest.approx(scorer(model, X[rows], y[rows]))


def test_scores_of_bounded_families():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(150, 1))
    mean = 1 / (1 + np.exp(-X[:, 0]))
    y = rng.beta(20 * mean, 20 * (1 - mean))
    model = OrdinalScaleRegressor(family="beta", alpha=0).fit(X, y)
    shapes = model.precision_ * np.stack([mean, 1 - mean])
    expected = np.mean(
        [by_definition(stats.beta(*ab), t) for ab, t in zip(shapes.T, y, strict=True)]
    )
    assert -negative_crps_scorer(model, X, y) == pytest.approx(expected, rel=0.02)
