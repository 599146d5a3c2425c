"""Numbers within bounds, and numbers whose residual standard deviation is known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import optimize, stats

from bead_sklearn import MagnitudeRegressor, MixedEffects, OrdinalScaleRegressor
from bead_sklearn.exceptions import SingularFitWarning
from bead_sklearn.families import Beta, LogNormal, Normal, TruncatedNormal

RNG = np.random.RandomState(0)
G = np.repeat(np.arange(30), 12)
X = RNG.normal(size=(len(G), 2))
U = RNG.normal(size=30)
Y = X @ [1.0, -0.5] + 2.0 + U[G] + 0.7 * RNG.normal(size=len(G))


# A known sigma ---------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_known_sigma_is_the_likelihood_at_that_sigma(method):
    sigma = 0.9
    effects = MixedEffects(variance_estimation_method=method)
    model = MagnitudeRegressor(sigma=sigma, mixed_effects=effects, alpha=0)
    model.fit(X, Y, groups=G)
    rows = np.column_stack([np.ones(len(Y)), X])

    def brute_force(sd):
        z = (G[:, None] == np.arange(30)) * 1.0
        covariance = sd**2 * z @ z.T + sigma**2 * np.eye(len(Y))
        inverse = np.linalg.inv(covariance)
        information = rows.T @ inverse @ rows
        beta = np.linalg.solve(information, rows.T @ inverse @ Y)
        value = stats.multivariate_normal.logpdf(Y, rows @ beta, covariance)
        if method == "reml":
            value -= 0.5 * np.linalg.slogdet(information)[1]
            value += 0.5 * rows.shape[1] * np.log(2 * np.pi)
        return value, beta, np.sqrt(np.diagonal(np.linalg.inv(information)))

    best = optimize.minimize_scalar(
        lambda sd: -brute_force(sd)[0], bounds=(0.1, 3.0), options={"xatol": 1e-8}
    )
    value, beta, errors = brute_force(best.x)
    assert model.log_likelihood_ == pytest.approx(value, abs=1e-6)
    assert model.variance_components_[0].sd[0] == pytest.approx(best.x, rel=1e-4)
    np.testing.assert_allclose([model.intercept_, *model.coef_], beta, atol=1e-5)
    found = [effect.standard_error for effect in model.summary().fixed_effects]
    np.testing.assert_allclose(found, errors, rtol=1e-4)
    assert model.sigma_ == sigma
    assert model.aic_ == pytest.approx(2 * 4 - 2 * value, abs=1e-4)


def test_sigma_held_at_its_estimate_changes_nothing():
    free = MagnitudeRegressor().fit(X, Y, groups=G)
    held = MagnitudeRegressor(sigma=free.sigma_).fit(X, Y, groups=G)
    assert held.log_likelihood_ == pytest.approx(free.log_likelihood_, abs=1e-6)
    np.testing.assert_allclose(held.coef_, free.coef_, atol=1e-5)
    assert held.aic_ == pytest.approx(free.aic_ - 2, abs=1e-5)
    own = MagnitudeRegressor(family=Normal(free.sigma_, fixed=True))
    own.fit(X, Y, groups=G)
    np.testing.assert_array_equal(own.coef_, held.coef_)
    assert "sigma is held at" in str(held.summary())
    logs = MagnitudeRegressor(family="lognormal", sigma=free.sigma_)
    logs.fit(X, np.exp(Y), groups=G)
    np.testing.assert_allclose(logs.coef_, held.coef_, atol=1e-5)
    assert LogNormal(0.3, fixed=True).with_sigma(0.4).fixed


def test_intervals_with_known_sigma():
    model = MagnitudeRegressor(sigma=0.7, mixed_effects=MixedEffects())
    model.fit(X, Y, groups=G)
    intervals = model.confidence_intervals(X, Y, groups=G)
    assert "sigma" not in intervals.parameters
    lower, upper = intervals["sd_(Intercept)|groups"]
    assert lower < U.std() < upper
    bootstrap = model.confidence_intervals(
        X, Y, groups=G, method="bootstrap", n_bootstrap=30, random_state=0
    )
    assert bootstrap.parameters == intervals.parameters


def test_known_sigma_identifies_effects_of_single_judgments():
    # As in a meta-analysis: between-study variance from one estimate per study.
    rng = np.random.RandomState(1)
    y = 1.0 + np.hypot(0.8, 0.5) * rng.normal(size=400)
    x, study = rng.normal(size=(400, 1)), np.arange(400)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = MagnitudeRegressor(sigma=0.5).fit(x, y, groups=study)
    assert model.variance_components_[0].sd[0] == pytest.approx(0.8, rel=0.12)
    with pytest.warns(SingularFitWarning, match="one judgment only"):
        MagnitudeRegressor().fit(x, y, groups=study)


def test_warm_start_with_known_sigma():
    warm = MagnitudeRegressor(sigma=0.7, warm_start=True).fit(
        X[:300], Y[:300], groups=G[:300]
    )
    warm.fit(X, Y, groups=G)
    cold = MagnitudeRegressor(sigma=0.7).fit(X, Y, groups=G)
    assert warm.log_likelihood_ == pytest.approx(cold.log_likelihood_, abs=1e-6)


def test_ridge_with_known_sigma():
    rng = np.random.RandomState(0)
    features = rng.normal(size=(150, 200))
    b = rng.normal(scale=0.2, size=200)
    y = features @ b + rng.normal(size=150)
    model = MagnitudeRegressor(sigma=1.0).fit(features, y)
    assert model.sigma_ == 1.0
    assert 10 < model.alpha_ < 60


def test_constant_response_with_known_sigma():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        model = MagnitudeRegressor(sigma=1.0).fit(X, np.full(len(X), 3.0))
    _, std = model.predict(X, return_std=True)
    assert (std > 1.0).all()


# Bounds ----------------------------------------------------------------------------


def bounded(bounds, seed=0):
    rng = np.random.RandomState(seed)
    eta = X @ [1.0, -0.5] + 1.0 + U[G]
    low, high = ((b - eta) / 1.2 for b in bounds)
    return stats.truncnorm.rvs(low, high, eta, 1.2, random_state=rng)


@pytest.mark.parametrize("bounds", [(0.0, np.inf), (-np.inf, 2.5), (0.0, 3.0), [0, 3]])
def test_truncated_truth_is_recovered(bounds):
    found, naive = [], []
    for seed in range(12):
        y = bounded(bounds, seed)
        model = MagnitudeRegressor(family="truncated_normal", bounds=bounds)
        model.fit(X, y, groups=G)
        found.append([*model.coef_, model.sigma_])
        naive.append(MagnitudeRegressor().fit(X, y, groups=G).coef_[0])
        mean, std = model.predict(X, groups=G, return_std=True)
        assert ((mean > bounds[0]) & (mean < bounds[1])).all()
        lower, upper = model.predict_dist(X, groups=G, quantiles=[0.025, 0.975]).T
        assert ((lower > bounds[0]) & (upper < bounds[1])).all()
        assert (std > 0).all()
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - [1.0, -0.5, 1.2]) < 4.5 * error).all()
    assert np.mean(naive) < 0.85  # without the bounds coefficients are too small


def test_truncated_predictions_cover():
    y = bounded((0.0, np.inf))
    model = MagnitudeRegressor(family="truncated_normal", bounds=(0.0, np.inf))
    model.fit(X, y, groups=G)
    quantiles = model.predict_dist(X, groups=G, quantiles=[0.1, 0.5, 0.9])
    np.testing.assert_allclose(
        (y[:, None] <= quantiles).mean(axis=0), [0.1, 0.5, 0.9], atol=0.05
    )
    drawn = model.simulate(20, X, G, random_state=0)
    assert (drawn >= 0).all()
    assert drawn.mean() == pytest.approx(y.mean(), rel=0.1)
    scores = model.log_predictive_density(X, y, groups=G)
    normal = MagnitudeRegressor().fit(X, y, groups=G)
    assert scores.mean() > normal.log_predictive_density(X, y, groups=G).mean()


def test_bounds_agree_with_a_slider():
    y = bounded((0.0, 3.0))
    model = MagnitudeRegressor(family="truncated_normal", bounds=(0, 3), n_quadrature=5)
    slider = OrdinalScaleRegressor(scale=(0, 3), n_quadrature=5)
    for estimator in (model, slider):
        estimator.fit(X, y, groups=G)
    assert model.log_likelihood_ == pytest.approx(slider.log_likelihood_)
    held = model.set_params(sigma=1.2).fit(X, y, groups=G)
    assert held.sigma_ == 1.2
    assert held.summary().family_parameters == {}
    assert "sigma is held at 1.2" in str(held.summary())


def test_log_density_of_unbounded_families():
    model = MagnitudeRegressor(mixed_effects="fixed", alpha=0).fit(X, Y)
    mean, std = model.predict(X, return_std=True)
    expected = stats.norm.logpdf(Y, mean, std)
    np.testing.assert_allclose(model.log_predictive_density(X, Y), expected)
    np.testing.assert_allclose(model.predict_cdf(X, Y), stats.norm.cdf(Y, mean, std))
    logs = MagnitudeRegressor(family="lognormal", mixed_effects="fixed", alpha=0)
    logs.fit(X, np.exp(Y))
    found = logs.log_predictive_density(X, np.exp(Y))
    np.testing.assert_allclose(found, expected - Y, rtol=1e-6)


def test_unit_is_shown():
    model = MagnitudeRegressor(unit="ms").fit(X, Y)
    assert str(model.summary()).splitlines()[0].endswith("identity link, y in ms")


# Bad input -------------------------------------------------------------------------


def test_values_outside_the_bounds():
    y = bounded((0.0, 3.0))
    y[4] = 3.5
    model = MagnitudeRegressor(family="truncated_normal", bounds=(0.0, 3.0))
    with pytest.raises(ValueError, match=r"\[0, 3\].*1 outside.*row 4: 3.5"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="y is constant: all 360 judgments are 1"):
        model.fit(X, np.ones(len(X)))


@pytest.mark.parametrize(
    "bounds",
    [None, (3.0, 0.0), (0.0,), (-np.inf, np.inf), (np.nan, 1.0), ("a", "b"), (0, 0)],
)
def test_bad_bounds(bounds):
    model = MagnitudeRegressor(family="truncated_normal", bounds=bounds)
    with pytest.raises(ValueError, match=r"needs bounds=\(lower, upper\)"):
        model.fit(X, bounded((0.0, 3.0)))


def test_parameters_without_effect():
    with pytest.raises(ValueError, match=r"bounds=\(0, 1\) have no effect"):
        MagnitudeRegressor(bounds=(0, 1)).fit(X, Y)
    with pytest.raises(ValueError, match=r"n_quadrature=5 has no effect"):
        MagnitudeRegressor(n_quadrature=5).fit(X, Y)
    with pytest.raises(ValueError, match="sigma is given and family is an object"):
        MagnitudeRegressor(family=Normal(), sigma=1.0).fit(X, Y)
    with pytest.raises(ValueError, match=r"Unknown family 'beta'.*'truncated_normal'"):
        MagnitudeRegressor(family="beta").fit(X, Y)
    with pytest.raises(ValueError, match="for bounded responses"):
        MagnitudeRegressor(family=Beta()).fit(X, Y)
    own = MagnitudeRegressor(family=TruncatedNormal(-9.0, 99.0)).fit(X, Y)
    assert own.sigma_ > 0
