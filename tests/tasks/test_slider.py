"""Judgments on bounded continuous scales."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from bead_sklearn import OrdinalScaleRegressor, persistence
from bead_sklearn.datasets import make_judgments
from bead_sklearn.exceptions import SingularFitWarning
from bead_sklearn.families import Beta, TruncatedNormal

FAMILIES = ["truncated_normal", "ordered_beta", "beta"]
each_family = pytest.mark.parametrize("family", FAMILIES)
SCALE = (-20.0, 80.0)


def world(family, seed=0, scale=SCALE, n_participants=50):
    """Simulated by code that is not the families'."""
    rng = np.random.RandomState(seed)
    groups = np.repeat(np.arange(n_participants), 24)
    X = rng.normal(size=(len(groups), 2))
    u = rng.normal(size=n_participants)
    eta = X @ [0.6, -0.3] + 0.2 + 0.8 * u[groups]
    width = scale[1] - scale[0]
    if family == "truncated_normal":
        center, y = 0.5 + 0.3 * eta, np.full(len(eta), np.nan)
        while np.isnan(y).any():
            rows = np.flatnonzero(np.isnan(y))
            drawn = rng.normal(center[rows], 0.25)
            y[rows] = np.where((drawn >= 0) & (drawn <= 1), drawn, np.nan)
        return X, scale[0] + width * y, groups, 0.8 * u
    mean = 1 / (1 + np.exp(-eta))
    y = np.clip(rng.beta(6.0 * mean, 6.0 * (1 - mean)), 1e-9, 1 - 1e-9)
    if family == "ordered_beta":
        latent = eta + rng.logistic(size=len(eta))
        y = np.where(latent < -2.0, 0.0, np.where(latent > 2.5, 1.0, y))
    return X, np.where(y == 1, scale[1], scale[0] + width * y), groups, 0.8 * u


TRUTH = {
    "truncated_normal": {"coef": [18.0, -9.0], "sd": 24.0, "sigma_": 25.0},
    "beta": {"coef": [0.6, -0.3], "sd": 0.8, "precision_": 6.0},
    "ordered_beta": {
        "coef": [0.6, -0.3],
        "sd": 0.8,
        "precision_": 6.0,
        "thresholds_": [-2.0, 2.5],
    },
}


def make(family, **params):
    return OrdinalScaleRegressor(family=family, scale=SCALE, **params)


@pytest.fixture(scope="module")
def fits():
    return {
        family: make(family).fit(X, y, groups=groups)
        for family in FAMILIES
        for X, y, groups, _ in [world(family)]
    }


@each_family
def test_truth_is_recovered(family):
    found = []
    for seed in range(10):
        X, y, groups, u = world(family, seed)
        model = make(family).fit(X, y, groups=groups)
        modes = model.effects_["groups"].modes[:, 0]
        assert np.corrcoef(modes, u)[0, 1] > 0.93
        scale = model.variance_components_[0].sd[0] / u.std() * 0.8
        names = [name for name in TRUTH[family] if name.endswith("_")]
        found.append(
            [*model.coef_, scale, *np.hstack([getattr(model, name) for name in names])]
        )
    truth = TRUTH[family]
    own = [truth[name] for name in truth if name.endswith("_")]
    expected = np.hstack([truth["coef"], truth["sd"], *own])
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - expected) < 4.5 * error).all()
    assert (error < 0.06 * np.abs(expected)).all()


@each_family
def test_new_participants_are_calibrated(family):
    X, y, groups, _ = world(family, 3, n_participants=90)
    known = groups < 60
    model = make(family).fit(X[known], y[known], groups=groups[known])
    mean, std = model.predict(X[~known], groups=groups[~known], return_std=True)
    assert (mean - y[~known]).mean() == pytest.approx(0.0, abs=5.0)
    spread = np.sqrt(np.mean((y[~known] - mean) ** 2))
    assert np.sqrt(np.mean(std**2)) == pytest.approx(spread, rel=0.1)
    quantiles = model.predict_dist(X[~known], quantiles=[0.1, 0.5, 0.9])
    assert (np.diff(quantiles, axis=1) >= 0).all()
    below = (y[~known, None] <= quantiles).mean(axis=0)
    np.testing.assert_allclose(below, [0.1, 0.5, 0.9], atol=0.08)


@each_family
def test_quantiles_and_probabilities_agree(family, fits):
    X, y, groups, _ = world(family)
    model, rows = fits[family], slice(0, 200)
    y = y[rows]
    inside = (y > SCALE[0]) & (y < SCALE[1])
    p = model.predict_cdf(X[rows], y, groups=groups[rows])
    for i in np.flatnonzero(inside)[:5]:
        row = model.predict_dist(X[[i]], groups=groups[[i]], quantiles=[p[i]])
        assert row[0, 0] == pytest.approx(y[i], abs=1e-6)
    # The transform of the responses is uniform.
    if family != "ordered_beta":
        every = model.predict_cdf(X, world(family)[1], groups=groups)
        shares = np.histogram(every, bins=5, range=(0, 1))[0] / len(every)
        np.testing.assert_allclose(shares, 0.2, atol=0.04)


@each_family
def test_log_density_is_that_of_y(family, fits):
    X, y, groups, _ = world(family)
    inside = np.flatnonzero((y > SCALE[0] + 1) & (y < SCALE[1] - 1))[:20]
    X, y, groups = X[inside], y[inside], groups[inside]
    model = fits[family]
    density = np.exp(model.log_predictive_density(X, y, groups=groups))
    ahead, behind = (
        model.predict_cdf(X, y + step, groups=groups) for step in (1e-3, -1e-3)
    )
    np.testing.assert_allclose(density, (ahead - behind) / 2e-3, rtol=1e-3)


@each_family
def test_the_unit_of_the_scale_does_not_matter(family, fits):
    X, y, groups, _ = world(family)
    model = OrdinalScaleRegressor(family=family, scale=(0.0, 1.0))
    model.fit(X, (y + 20.0) / 100.0, groups=groups)
    first = fits[family]
    inside = ((y > SCALE[0]) & (y < SCALE[1])).sum()
    jacobian = inside * np.log(100.0)
    assert first.log_likelihood_ == pytest.approx(
        model.log_likelihood_ - jacobian, abs=1e-4
    )
    np.testing.assert_allclose(
        first.predict(X[:9], groups=groups[:9]),
        100.0 * model.predict(X[:9], groups=groups[:9]) - 20.0,
        atol=1e-3,
    )


def test_families_compare_in_the_unit_of_y(fits):
    # AIC prefers the family the data are from, in whatever unit they are.
    X, y, groups, _ = world("truncated_normal")
    assert fits["truncated_normal"].aic_ < make("beta").fit(X, y, groups=groups).aic_
    X, y, groups, _ = world("beta")
    truncated = make("truncated_normal").fit(X, y, groups=groups)
    assert fits["beta"].aic_ < truncated.aic_


def test_mass_at_the_ends(fits):
    X, y, groups, _ = world("ordered_beta")
    ends = fits["ordered_beta"].predict_ends(X, groups=groups)
    shares = [(y == SCALE[0]).mean(), (y == SCALE[1]).mean()]
    assert min(shares) > 0.05
    np.testing.assert_allclose(ends.mean(axis=0), shares, atol=0.01)
    lower = fits["ordered_beta"].predict_cdf(
        X, np.full(len(y), SCALE[0]), groups=groups
    )
    np.testing.assert_allclose(lower, ends[:, 0], atol=1e-6)
    quantiles = fits["ordered_beta"].predict_dist(X, groups=groups)
    assert (quantiles[ends[:, 0] > 0.03, 0] == SCALE[0]).all()
    assert (quantiles[ends[:, 1] > 0.03, 2] == SCALE[1]).all()
    assert not fits["beta"].predict_ends(X[:3]).any()


def test_only_ordered_beta_has_judgments_at_the_ends():
    X, y, groups, _ = world("ordered_beta", 1)
    at_end = np.mean(y == SCALE[1])
    assert at_end > 0.05
    ordered = make("ordered_beta").fit(X, y, groups=groups)
    drawn = ordered.simulate(5, X, groups, 0)
    assert np.mean(drawn == SCALE[1]) == pytest.approx(at_end, abs=0.02)
    with pytest.warns(ConvergenceWarning, match="flatter than a truncated normal"):
        truncated = make("truncated_normal").fit(X, y, groups=groups)
    assert not (truncated.simulate(5, X, groups, 0) == SCALE[1]).any()


def test_ends_without_judgments():
    X, y, groups, _ = world("beta")
    beta = make("beta").fit(X, y, groups=groups)
    ordered = make("ordered_beta").fit(X, y, groups=groups)
    assert ordered.thresholds_.tolist() == [-np.inf, np.inf]
    assert ordered.aic_ == pytest.approx(beta.aic_, abs=1e-4)
    y[:30] = SCALE[1]
    model = make("ordered_beta").fit(X, y, groups=groups)
    assert model.thresholds_[0] == -np.inf < model.thresholds_[1] < np.inf
    ends = model.predict_ends(X, groups=groups)
    assert not ends[:, 0].any()
    assert ends[:, 1].mean() == pytest.approx(30 / len(y), abs=0.005)
    assert "upper_threshold" in str(model.summary())


def test_known_sigma():
    X, y, groups, _ = world("truncated_normal")
    free = make("truncated_normal").fit(X, y, groups=groups)
    held = make("truncated_normal", sigma=free.sigma_).fit(X, y, groups=groups)
    assert held.sigma_ == free.sigma_
    assert held.log_likelihood_ == pytest.approx(free.log_likelihood_, abs=1e-4)
    assert held.aic_ == pytest.approx(free.aic_ - 2, abs=1e-3)
    np.testing.assert_allclose(held.coef_, free.coef_, rtol=1e-3)
    wide = make("truncated_normal", sigma=60.0).fit(X, y, groups=groups)
    assert wide.sigma_ == 60.0
    assert wide.log_likelihood_ < free.log_likelihood_ - 20
    assert "sigma is held at 60" in str(wide.summary())


@each_family
def test_simulation_posterior_and_table(family, fits):
    X, y, groups, _ = world(family)
    model = fits[family]
    drawn = model.simulate(20, X, groups, random_state=0, conditional=True)
    assert ((drawn >= SCALE[0]) & (drawn <= SCALE[1])).all()
    assert drawn.mean() == pytest.approx(y.mean(), abs=2.0)
    assert drawn.std() == pytest.approx(y.std(), rel=0.05)
    rows = slice(0, 6)
    means = model.sample_posterior(400, X[rows], groups[rows], 0, response=True)
    predicted = model.predict(X[rows], groups=groups[rows])
    np.testing.assert_allclose(means.mean(axis=0), predicted, atol=1.5)
    table = model.predict_table(X[rows], groups=groups[rows])
    assert (table["lower"] < table["prediction"]).all()
    assert (table["prediction"] < table["upper"]).all()
    assert model.score(X, y, groups=groups) > model.score(X, y)


@each_family
def test_intervals_persistence_and_warm_starts(family, fits, tmp_path):
    X, y, groups, _ = world(family)
    model = fits[family]
    intervals = model.confidence_intervals(
        X, y, groups=groups, parameters=["x0", "sd_(Intercept)|groups"]
    )
    assert intervals["x0"][0] < TRUTH[family]["coef"][0] < intervals["x0"][1]
    assert len(model.ranef()) == 50
    persistence.save(model, tmp_path / "model")
    for again in (
        persistence.load(tmp_path / "model"),
        pickle.loads(pickle.dumps(model)),
    ):
        np.testing.assert_array_equal(
            again.predict(X, groups=groups), model.predict(X, groups=groups)
        )
    warm = make(family, warm_start=True).fit(X[:1000], y[:1000], groups=groups[:1000])
    warm.fit(X, y, groups=groups)
    assert warm.log_likelihood_ == pytest.approx(model.log_likelihood_, abs=1e-4)


def test_attributes_are_those_of_the_last_family():
    X, y, *_ = world("beta")
    model = make("beta").fit(X, y)
    assert not hasattr(model, "sigma_")
    model.set_params(family="truncated_normal").fit(X, y)
    assert not hasattr(model, "precision_")
    assert model.sigma_ > 0


def test_texts_under_a_ridge():
    d = make_judgments("slider", n_participants=40, n_items=80, random_state=0)
    model = OrdinalScaleRegressor(family="ordered_beta", random_state=0)
    model.fit(d.X, d.y, groups=d.groups)
    found = model.predict(d.X, groups=d.groups)
    assert np.corrcoef(found, d.truth.mean)[0, 1] > 0.9
    assert model.precision_ == pytest.approx(d.truth.precision, rel=0.2)


# Bad input -----------------------------------------------------------------------


@each_family
@pytest.mark.parametrize("value", [80.5, -21.0])
def test_values_outside_the_scale(family, value):
    X, y, *_ = world(family)
    y[11] = value
    message = rf"1 value\(s\) outside the scale \(-20, 80\).*row 11: {value:g}"
    with pytest.raises(ValueError, match=message):
        make(family).fit(X, y)


@pytest.mark.parametrize("value", SCALE)
def test_ends_under_beta(value):
    X, y, *_ = world("beta")
    y[3] = value
    message = rf"\(-20, 80\).*y has 1, .*row 3: {value:g}.*family='ordered_beta'"
    with pytest.raises(ValueError, match=message):
        make("beta").fit(X, y)


@pytest.mark.parametrize(
    "scale", [(1.0, 0.0), (0.0, 0.0), (0.0, np.inf), (0.0, 1.0, 2.0), ("a", "b"), 5]
)
def test_bad_scales(scale):
    X, y, *_ = world("beta")
    with pytest.raises((ValueError, TypeError), match="scale"):
        OrdinalScaleRegressor(scale=scale).fit(X, y)


def test_sigma_of_families_without_one():
    X, y, *_ = world("beta")
    with pytest.raises(ValueError, match=r"sigma=0.2.*'beta' has none"):
        make("beta", sigma=0.2).fit(X, y)
    with pytest.raises(ValueError, match="sigma is given and family is an object"):
        make(TruncatedNormal(*SCALE), sigma=0.2).fit(X, y)
    with pytest.raises(
        ValueError, match=r"truncated normal on \(0.0, 1.0\), but scale"
    ):
        make(TruncatedNormal()).fit(X, y)
    with pytest.raises(ValueError, match=r"Unknown family 'normal'.*'ordered_beta'"):
        make("normal").fit(X, y)
    assert make(Beta()).fit(X, y).precision_ > 1


@each_family
def test_constant_and_exact_responses(family):
    X, *_ = world(family)
    constant = np.full(len(X), 30.0)
    with pytest.raises(ValueError, match=r"y is constant: all 1200 judgments are 30"):
        make(family).fit(X, constant)
    exact = np.where(X[:, 0] > 0, 10.0, 50.0)
    with pytest.warns(SingularFitWarning, match="The predictors reproduce y"):
        model = make(family).fit((X[:, :1] > 0) * 1.0, exact)
    np.testing.assert_allclose(model.predict((X[:, :1] > 0) * 1.0), exact, atol=0.01)
    with pytest.raises(ValueError, match="missing values"):
        make(family).fit(X, np.where(X[:, 0] > 0, np.nan, 10.0))


def test_all_judgments_at_the_ends():
    X, *_ = world("beta")
    y = np.where(X[:, 0] > 0, *SCALE)
    with pytest.raises(ValueError, match=r"All 1200 judgments of y are at the ends"):
        make("ordered_beta").fit(X, y)


def test_ends_under_a_truncated_distribution_are_named():
    """Heads reproduce what lies inside, and the density at the ends has no bound."""
    d = make_judgments(
        "slider", n_participants=12, n_items=20, n_per_participant=15, random_state=1
    )
    n_ends = int(np.isin(d.y, [0.0, 1.0]).sum())
    assert n_ends > 0
    options = {"mixed_effects": "random_slopes", "random_state": 0}
    with pytest.warns(SingularFitWarning) as caught:
        OrdinalScaleRegressor(**options).fit(d.X, d.y, groups=d.groups)
    messages = " ".join(str(warning.message) for warning in caught)
    assert f"{n_ends} of 180 judgments are at the ends of the scale" in messages
    assert "family='ordered_beta'" in messages
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        model = OrdinalScaleRegressor(family="ordered_beta", **options)
        model.fit(d.X, d.y, groups=d.groups)
    assert 0.3 < model.score(d.X, d.y, groups=d.groups) < 0.9


def test_responses_that_no_spread_can_describe():
    """Uniform ones: sigma grows, and the likelihood is flat to rounding error."""
    rng = np.random.RandomState(0)
    rows = [(rng.choice(["red", "blue"]), rng.randint(101)) for _ in range(60)]
    texts, y = [f"a {colour} ??" for colour, _ in rows], [value for _, value in rows]
    groups = np.arange(60) % 6
    model = OrdinalScaleRegressor(scale=(0, 100))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(texts, y, groups=groups)
    assert model.log_likelihood_ > -60 * np.log(100)  # that of a uniform density
    assert np.isfinite(model.predict(texts, groups=groups)).all()
