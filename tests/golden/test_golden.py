"""The estimators reproduce lme4 on published tables."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from bead_sklearn import BinaryClassifier, MagnitudeRegressor, MixedEffects
from bead_sklearn.exceptions import SingularFitWarning

pd = pytest.importorskip("pandas")

HERE = Path(__file__).parent


def read(name):
    return pd.read_csv(HERE / f"{name}.csv", keep_default_na=False)


def magnitude(formula, method, **options):
    effects = MixedEffects(formula=formula, variance_estimation_method=method)
    return MagnitudeRegressor(mixed_effects=effects, alpha=0, **options)


INTERCEPT = "(1 | subject)"
CORRELATED = "(1 + days | subject)"
INDEPENDENT = "(1 + days || subject)"
SLEEPSTUDY = [
    # formula, method, logLik, sds, correlation, sigma, SE of the fixed effects
    (
        INTERCEPT,
        "ml",
        -897.039321502613,
        [36.012081937762],
        None,
        30.895433873311,
        [9.506185192887, 0.8017354216595],
    ),
    (
        INTERCEPT,
        "reml",
        -893.232543,
        [37.12383],
        None,
        30.99123,
        [9.7467163, 0.8042214],
    ),
    (
        CORRELATED,
        "ml",
        -875.969672,
        [23.78057, 5.71683],
        0.08132,
        25.59182,
        [6.63226, 1.50224],
    ),
    (
        CORRELATED,
        "reml",
        -871.814135979976,
        [24.740657994984, 5.922137658898],
        0.06555123823813,
        25.591795721675,
        [6.824596694955, 1.545789643906],
    ),
    (
        INDEPENDENT,
        "ml",
        -876.001628,
        [24.17127, 5.79941],
        None,
        25.55613,
        [6.70767, 1.51931],
    ),
    (
        INDEPENDENT,
        "reml",
        -871.834647,
        [627.57**0.5, 35.858**0.5],
        None,
        653.58**0.5,
        [6.88538, 1.55957],
    ),
]


@pytest.mark.parametrize(
    ("formula", "method", "log_likelihood", "sds", "correlation", "sigma", "errors"),
    SLEEPSTUDY,
)
def test_sleepstudy(formula, method, log_likelihood, sds, correlation, sigma, errors):
    data = read("sleepstudy")
    model = magnitude(formula, method)
    model.fit(data[["days", "subject"]], data["reaction"])
    assert model.log_likelihood_ == pytest.approx(log_likelihood, abs=1e-4)
    np.testing.assert_allclose(model.variance_components_[0].sd, sds, rtol=1e-3)
    assert model.sigma_ == pytest.approx(sigma, rel=1e-3)
    assert model.intercept_ == pytest.approx(251.405104848485, rel=1e-6)
    np.testing.assert_allclose(model.coef_, [10.467285959596], rtol=1e-6)
    found = [effect.standard_error for effect in model.summary().fixed_effects]
    np.testing.assert_allclose(found, errors, rtol=1e-3)
    if correlation is not None:
        found = model.variance_components_[0].correlation[1, 0]
        assert found == pytest.approx(correlation, abs=1e-3)


def test_sleepstudy_conditional_modes():
    data = read("sleepstudy")
    model = magnitude(CORRELATED, "reml")
    effects = model.fit(data[["days", "subject"]], data["reaction"]).effects_["subject"]
    assert effects.levels[:3].tolist() == [308, 309, 310]
    expected = [
        [2.258550949901, 9.198975765566],
        [-40.398738078805, -8.619680615243],
        [-38.960408957558, -5.448856469798],
    ]
    np.testing.assert_allclose(effects.modes[:3], expected, atol=0.02)


def test_sleepstudy_information_criteria():
    data = read("sleepstudy")
    model = magnitude(CORRELATED, "ml").fit(data[["days", "subject"]], data["reaction"])
    assert model.aic_ == pytest.approx(1763.94, abs=0.01)
    assert model.bic_ == pytest.approx(1783.10, abs=0.01)
    summary = magnitude(CORRELATED, "reml")
    summary = summary.fit(data[["days", "subject"]], data["reaction"]).summary()
    assert summary.r2_marginal == pytest.approx(0.2787, abs=5e-4)
    assert summary.r2_conditional == pytest.approx(0.7992, abs=5e-4)
    assert summary.icc == pytest.approx(0.7217, abs=5e-4)


@pytest.mark.parametrize(
    ("method", "log_likelihood"), [("ml", -81.436518), ("reml", -80.914139)]
)
def test_dyestuff2_has_zero_variance(method, log_likelihood):
    data = read("dyestuff2")
    model = magnitude("(1 | batch)", method)
    with pytest.warns(SingularFitWarning, match="Singular fit.*'batch'"):
        model.fit(data[["batch"]], data["yield"])
    assert model.log_likelihood_ == pytest.approx(log_likelihood, abs=1e-5)
    assert model.variance_components_[0].variance.tolist() == [0.0]
    assert model.intercept_ == pytest.approx(5.6656, rel=1e-5)
    assert "Singular fit" in str(model.summary())


@pytest.mark.parametrize(
    ("method", "log_likelihood", "sds"),
    [
        ("ml", -166.094174, [0.84557, 1.77065]),
        ("reml", -165.430294, [0.84670, 1.93161]),
    ],
)
def test_penicillin_crossed(method, log_likelihood, sds):
    data = read("penicillin")
    model = magnitude("(1 | plate) + (1 | sample)", method)
    model.fit(data[["plate", "sample"]], data["diameter"])
    assert model.log_likelihood_ == pytest.approx(log_likelihood, abs=1e-5)
    found = {c.grouping_factor: c.sd[0] for c in model.variance_components_}
    np.testing.assert_allclose([found["plate"], found["sample"]], sds, rtol=1e-3)
    assert model.intercept_ == pytest.approx(22.97222, rel=1e-6)


def test_cbpp_counts_as_weights():
    data = read("cbpp")
    X = pd.get_dummies(data[["period"]].astype(str), drop_first=True)
    X["herd"] = data["herd"]
    X = pd.concat([X, X], ignore_index=True)
    y = np.repeat(["sick", "well"], len(data))
    weights = np.concatenate([data["incidence"], data["size"] - data["incidence"]])
    model = BinaryClassifier(mixed_effects="(1 | herd)", alpha=0, positive_class="sick")
    model.fit(X, y, sample_weight=weights)
    # lme4 adds the binomial coefficients: -92.026281871497 - 185.475660.
    assert model.log_likelihood_ == pytest.approx(-277.501942, abs=1e-4)
    assert model.variance_components_[0].sd[0] == pytest.approx(0.6422614, rel=1e-3)
    coefficients = [model.intercept_[0], *model.coef_[0]]
    expected = [-1.398532109825, -0.9923327971551, -1.128672133289, -1.580313950951]
    np.testing.assert_allclose(coefficients, expected, rtol=1e-4)
    modes = model.effects_["herd"].modes[:4, 0]
    expected = [0.5900200181999, -0.2988972116555, 0.4062555655774, 0.03927736081]
    np.testing.assert_allclose(modes, expected, atol=1e-3 * 0.64)
    variances = model.effects_["herd"].covariances[0]
    # lme4's conditional variances hold the fixed effects; ours include their
    # uncertainty, so they are larger.
    assert variances[0, 0] > 0.1212885478461


def test_cbpp_quadrature():
    data = read("cbpp")
    X = pd.get_dummies(data[["period"]].astype(str), drop_first=True)
    X["herd"] = data["herd"]
    X = pd.concat([X, X], ignore_index=True)
    y = np.repeat([1, 0], len(data))
    weights = np.concatenate([data["incidence"], data["size"] - data["incidence"]])
    model = BinaryClassifier(mixed_effects="(1 | herd)", alpha=0, n_quadrature=10)
    model.fit(X, y, sample_weight=weights)
    # lme4 reports it relative to the saturated model: -50.005015 - 227.454014.
    assert model.log_likelihood_ == pytest.approx(-277.459029, abs=1e-4)
    assert model.variance_components_[0].sd[0] == pytest.approx(0.64752, rel=1e-3)
    assert "adaptive quadrature, 10 nodes" in str(model.summary())
    with pytest.raises(ValueError, match=r"n_quadrature must be 1.*ridge"):
        model.set_params(alpha=1.0).fit(X, y, sample_weight=weights)


def test_cbpp_population_prediction_is_integrated():
    data = read("cbpp")
    X = pd.get_dummies(data[["period"]].astype(str), drop_first=True)
    X["herd"] = data["herd"]
    X = pd.concat([X, X], ignore_index=True)
    y = np.repeat([1, 0], len(data))
    weights = np.concatenate([data["incidence"], data["size"] - data["incidence"]])
    model = BinaryClassifier(mixed_effects="(1 | herd)", alpha=0)
    model.fit(X, y, sample_weight=weights)
    new = X.iloc[[0]].assign(herd=-1)
    marginal = model.predict_proba(new)[0, 1]
    plug_in = model.set_params(population="conditional").predict_proba(new)[0, 1]
    # The plug-in prediction at u = 0 is 0.198, averaged over herds 0.216; both here
    # average over the uncertainty of the fixed effects too.
    assert plug_in == pytest.approx(0.198, abs=0.004)
    assert marginal == pytest.approx(0.216, abs=0.004)


@pytest.fixture(scope="module")
def verbagg(shared):
    data = pd.read_csv(
        shared / "golden" / "mixed" / "data" / "verbagg.csv", keep_default_na=False
    )
    X = pd.DataFrame(
        {
            "Anger": data["Anger"],
            "GenderM": data["Gender"] == "M",
            "btypescold": data["btype"] == "scold",
            "btypeshout": data["btype"] == "shout",
            "situself": data["situ"] == "self",
            "id": data["id"],
            "item": data["item"],
        }
    )
    return X, data["r2"]


def test_verbagg_participants(verbagg):
    X, y = verbagg
    model = BinaryClassifier(mixed_effects="(1 | id)", alpha=0)
    model.fit(X.drop(columns="item"), y)
    assert model.log_likelihood_ == pytest.approx(-4182.76491341662, abs=1e-4)
    assert model.variance_components_[0].sd[0] == pytest.approx(1.275542, rel=1e-3)
    coefficients = [model.intercept_[0], *model.coef_[0]]
    expected = [0.2072877, 0.05486690, 0.3083925, -1.031506, -1.996337, -1.004953]
    errors = [0.337, 0.0161, 0.183, 0.0684, 0.0738, 0.0573]
    distance = np.abs(np.subtract(coefficients, expected)) / errors
    assert distance.max() < 1e-3


def test_verbagg_crossed(verbagg):
    X, y = verbagg
    formula = "(1 | id) + (1 | item)"
    effects = MixedEffects(formula=formula, variance_estimation_method="ml")
    model = BinaryClassifier(mixed_effects=effects, alpha=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)
    assert model.log_likelihood_ == pytest.approx(-4075.699860, abs=1e-4)
    found = {c.grouping_factor: c.variance[0] for c in model.variance_components_}
    assert found["id"] == pytest.approx(1.79482, rel=2e-3)
    assert found["item"] == pytest.approx(0.24533, rel=2e-3)


def test_verbagg_items_get_restricted_likelihood_by_default(verbagg):
    X, y = verbagg
    model = BinaryClassifier(mixed_effects="(1 | id) + (1 | item)", alpha=0).fit(X, y)
    # Three of the covariates belong to the 24 items, which biases the ML variance.
    assert model.is_reml_
    found = {c.grouping_factor: c.variance[0] for c in model.variance_components_}
    assert found["item"] > 0.26
