"""Tests, intervals and predictions reproduce lme4 and its companions.

Numbers of lme4 1.1-31, lmerTest, pbkrtest and performance (R 4.2.2) for the published
tables of this folder.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from bead_sklearn import BinaryClassifier, MagnitudeRegressor, MixedEffects, anova
from bead_sklearn.families import Bernoulli
from bead_sklearn.inspection import bootstrap_test, confidence_intervals, f_test

pd = pytest.importorskip("pandas")

HERE = Path(__file__).parent

#: lme4's fitted probabilities for the first seven lines of cbpp, at the modes.
CBPP_FITTED = [
    0.3082076505513,
    0.1417482482647,
    0.1259575251116,
    0.0840287448395,
    0.1548013087805,
    0.06358017978377,
    0.05592989187967,
]


def read(name):
    return pd.read_csv(HERE / f"{name}.csv", keep_default_na=False)


def magnitude(formula, method):
    effects = MixedEffects(formula=formula, variance_estimation_method=method)
    return MagnitudeRegressor(mixed_effects=effects, alpha=0)


@pytest.fixture(scope="module")
def sleepstudy():
    data = read("sleepstudy")
    X, y = data[["days", "subject"]], data["reaction"]
    formulas = {
        "intercept": "(1 | subject)",
        "independent": "(1 + days || subject)",
        "correlated": "(1 + days | subject)",
    }
    models = {
        (name, method): magnitude(formula, method).fit(X, y)
        for name, formula in formulas.items()
        for method in ("ml", "reml")
    }
    return X, y, models


@pytest.fixture(scope="module")
def cbpp():
    """Counts as two rows per line of the table, weighted."""
    data = read("cbpp")
    X = pd.get_dummies(data[["period"]].astype(str), drop_first=True)
    X["herd"] = data["herd"]
    X = pd.concat([X, X], ignore_index=True)
    y = np.repeat(["sick", "well"], len(data))
    weights = np.concatenate([data["incidence"], data["size"] - data["incidence"]])
    model = BinaryClassifier(mixed_effects="(1 | herd)", alpha=0, positive_class="sick")
    return X, y, weights, model.fit(X, y, sample_weight=weights)


# ------------------------------------------------------------------ sleepstudy


def test_sleepstudy_anova(sleepstudy):
    _, _, models = sleepstudy
    names = ("correlated", "intercept", "independent")
    table = anova(*(models[name, "ml"] for name in names))
    assert table.n_parameters.tolist() == [4, 5, 6]
    expected = {
        "aic": [1802.0786430052, 1762.0032551446, 1763.939344489],
        "bic": [1814.8504704088, 1777.9680393991, 1783.0970855943],
        "log_likelihood": [-897.0393215026, -876.0016275723, -875.9696722445],
        "deviance": [1794.0786430052, 1752.0032551446, 1751.939344489],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(table, name), values, atol=1e-5)
    np.testing.assert_allclose(
        table.chi_square, [np.nan, 42.0753878606, 0.06391065561], atol=1e-5
    )
    np.testing.assert_array_equal(table.df, [np.nan, 1, 1])
    np.testing.assert_allclose(
        table.p_value, [np.nan, 8.7821585065e-11, 0.80041846419], rtol=1e-4
    )
    # A new variance in the second line, only a correlation in the third.
    np.testing.assert_allclose(
        table.p_boundary, [np.nan, 0.5 * 8.7821585065e-11, np.nan], rtol=1e-4
    )


def test_sleepstudy_test_of_a_random_slope_by_restricted_likelihood(sleepstudy):
    _, _, models = sleepstudy
    table = anova(models["intercept", "reml"], models["correlated", "reml"])
    assert table.n_parameters.tolist() == [4, 6]
    np.testing.assert_allclose(
        table.log_likelihood, [-893.2325426975, -871.81413598], atol=1e-5
    )
    np.testing.assert_allclose(table.aic, [1794.4650853949, 1755.62827196], atol=1e-5)
    assert table.chi_square[1] == pytest.approx(42.836813435, abs=1e-5)
    assert table.df[1] == 2
    assert table.p_value[1] == pytest.approx(4.9900414306e-10, rel=1e-4)
    assert table.p_boundary[1] < table.p_value[1]


def test_sleepstudy_t_tests(sleepstudy):
    _, _, models = sleepstudy
    effects = models["correlated", "reml"].summary().fixed_effects
    expected = [
        # lmerTest: estimate, standard error, df, t, p
        (251.4051048485, 6.824596695, 16.9997262885, 36.8380896463, 1.1715581112e-17),
        (10.4672859596, 1.5457896439, 16.9999837256, 6.771481489, 3.2638244699e-06),
    ]
    for effect, (estimate, error, df, t, p) in zip(effects, expected, strict=True):
        assert effect.estimate == pytest.approx(estimate, rel=1e-8)
        assert effect.standard_error == pytest.approx(error, rel=1e-5)
        assert effect.df == pytest.approx(df, abs=1e-3)
        assert effect.z == pytest.approx(t, rel=1e-5)
        assert effect.p_value == pytest.approx(p, rel=1e-3)
    text = str(models["correlated", "reml"].summary())
    assert "df" in text
    assert "17.0" in text
    # By maximum likelihood there is no t test.
    assert all(
        np.isinf(effect.df)
        for effect in models["correlated", "ml"].summary().fixed_effects
    )


def test_sleepstudy_kenward_roger(sleepstudy):
    X, y, models = sleepstudy
    model = models["correlated", "reml"]
    summary = model.summary(X, y, df="kenward_roger")
    expected = [
        # lmerTest and pbkrtest: estimate, standard error, df, t, p
        (251.4051048485, 6.824596695, 17.0, 36.8380896463, 1.1710033157e-17),
        (10.4672859596, 1.5457896439, 17.0, 6.771481489, 3.2638080181e-06),
    ]
    for effect, (estimate, error, df, t, p) in zip(
        summary.fixed_effects, expected, strict=True
    ):
        assert effect.estimate == pytest.approx(estimate, rel=1e-8)
        assert effect.standard_error == pytest.approx(error, rel=1e-5)
        assert effect.df == pytest.approx(df, rel=1e-8)
        assert effect.z == pytest.approx(t, rel=1e-5)
        assert effect.p_value == pytest.approx(p, rel=1e-3)
    assert "Kenward and Roger" in str(summary)
    # One coefficient: F is t squared.
    test = f_test(model, ["days"], X, y)
    assert test.statistic == pytest.approx(6.771481489**2, rel=1e-5)
    assert test.p_value == pytest.approx(3.2638080181e-06, rel=1e-3)


def test_sleepstudy_profile_intervals(sleepstudy):
    X, y, models = sleepstudy
    intervals = models["correlated", "ml"].confidence_intervals(X, y)
    expected = {
        "sd_(Intercept)|subject": (14.3814811165, 37.7160187403),
        "cor_days.(Intercept)|subject": (-0.4815004432, 0.68498613897),
        "sd_days|subject": (3.8011647624, 8.7533666593),
        "sigma": (22.898266215, 28.8579973227),
        "(Intercept)": (237.6806954694, 265.1295146918),
        "days": (7.3586532953, 13.5759187415),
    }
    assert set(intervals.parameters) == set(expected)
    for name, ends in expected.items():
        np.testing.assert_allclose(intervals[name], ends, rtol=1e-4)


def test_sleepstudy_wald_intervals(sleepstudy):
    _, _, models = sleepstudy
    intervals = models["correlated", "ml"].confidence_intervals(method="wald")
    expected = {
        "(Intercept)": (238.4063831327, 264.4038265642),
        "days": (7.522968844, 13.4116030752),
    }
    for name, ends in expected.items():
        np.testing.assert_allclose(intervals[name], ends, rtol=1e-5)
    for name in set(intervals.parameters) - set(expected):
        assert np.isnan(intervals[name]).all()


def test_sleepstudy_bootstrap_intervals(sleepstudy):
    X, y, models = sleepstudy
    intervals = confidence_intervals(
        models["correlated", "ml"],
        X,
        y,
        method="bootstrap",
        n_bootstrap=200,
        random_state=0,
    )
    # bootMer with 500 simulations; the tolerance is about three standard errors of
    # an end of an interval from 200.
    expected = {
        "sd_(Intercept)|subject": (10.6944464194, 33.8080455821),
        "cor_days.(Intercept)|subject": (-0.50569522928, 0.9999999959),
        "sd_days|subject": (2.9551402012, 7.8578074872),
        "sigma": (22.6302253578, 28.638087019),
        "(Intercept)": (238.2319886739, 264.8005094809),
        "days": (7.5379373768, 13.4573514565),
    }
    for name, (lower, upper) in expected.items():
        found = intervals[name]
        tolerance = 0.15 * (upper - lower)
        assert found[0] == pytest.approx(lower, abs=tolerance), name
        assert found[1] == pytest.approx(upper, abs=tolerance), name


def test_sleepstudy_bootstrap_test(sleepstudy):
    X, y, models = sleepstudy
    test = bootstrap_test(
        models["intercept", "ml"],
        models["correlated", "ml"],
        X,
        y,
        n_bootstrap=200,
        random_state=0,
    )
    # pbkrtest: no simulation of 200 reaches the statistic, p = 1 / 201.
    assert test.statistic == pytest.approx(42.1392985162, abs=1e-4)
    assert test.df == 2
    assert test.p_chi_square == pytest.approx(7.0724126555e-10, rel=1e-3)
    assert test.p_value == pytest.approx(0.0049751243781)


def test_sleepstudy_predictions_for_known_and_new_subjects(sleepstudy):
    _, _, models = sleepstudy
    model = models["correlated", "reml"]
    new = pd.DataFrame({"days": [0, 5, 9, 5], "subject": [308, 308, 309, -1]})
    np.testing.assert_allclose(
        model.predict(new),
        [253.6636557984, 351.9949644242, 227.6348148689, 303.7415346465],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        model.predict(new.assign(subject=-1)),
        [251.4051048485, 303.7415346465, 345.6106784848, 303.7415346465],
        rtol=1e-7,
    )


def test_sleepstudy_fitted_values_and_residuals(sleepstudy):
    X, y, models = sleepstudy
    model = models["correlated", "reml"]
    fitted = model.predict(X)
    expected = [253.6636557984, 273.3299175235, 292.9961792487, 312.6624409739]
    np.testing.assert_allclose(fitted[:4], expected, rtol=1e-5)
    assert fitted[4] == pytest.approx(332.328702699, rel=1e-5)
    expected = [-4.1036557984, -14.6252175235, -42.1955792487, 8.7773590261]
    np.testing.assert_allclose((y - fitted)[:4], expected, atol=2e-3)
    assert model.sigma_ == pytest.approx(25.5917957217, rel=1e-5)


@pytest.mark.parametrize(
    ("key", "marginal", "conditional", "icc"),
    [
        (("correlated", "reml"), 0.27865105816, 0.79921992278, 0.72166025959),
        (("intercept", "ml"), 0.28761150041, 0.69796780135, 0.57602881178),
    ],
)
def test_sleepstudy_explained_variance(sleepstudy, key, marginal, conditional, icc):
    _, _, models = sleepstudy
    summary = models[key].summary()
    assert summary.r2_marginal == pytest.approx(marginal, abs=1e-5)
    assert summary.r2_conditional == pytest.approx(conditional, abs=1e-5)
    assert summary.icc == pytest.approx(icc, abs=1e-5)
    # The "unadjusted" coefficient counts what predictors explain in the whole.
    unadjusted = {"correlated": 0.52056886462, "intercept": 0.41035630095}[key[0]]
    found = summary.r2_conditional - summary.r2_marginal
    assert found == pytest.approx(unadjusted, abs=1e-5)


def test_penicillin_explained_variance():
    data = read("penicillin")
    model = magnitude("(1 | plate) + (1 | sample)", "reml")
    summary = model.fit(data[["plate", "sample"]], data["diameter"]).summary()
    assert summary.r2_marginal == pytest.approx(0.0, abs=1e-12)
    assert summary.r2_conditional == pytest.approx(0.93633975039, abs=1e-5)
    assert summary.icc == pytest.approx(0.93633975039, abs=1e-5)


# ------------------------------------------------------------------------ cbpp


def test_cbpp_profile_intervals(cbpp):
    X, y, weights, model = cbpp
    intervals = model.confidence_intervals(X, y, sample_weight=weights)
    expected = {
        "sd_(Intercept)|herd": (0.34607320333, 1.0999746482),
        "(Intercept)": (-1.9012119549, -0.94775400596),
        "period_2": (-1.6167832557, -0.40776306776),
        "period_3": (-1.8010243656, -0.51153607127),
        "period_4": (-2.500750563, -0.80075531529),
    }
    assert intervals.parameters == list(expected)
    for name, ends in expected.items():
        np.testing.assert_allclose(intervals[name], ends, rtol=3e-4)


def test_cbpp_test_of_period(cbpp):
    X, y, weights, model = cbpp
    null = BinaryClassifier(mixed_effects="(1 | herd)", alpha=0, positive_class="sick")
    null.fit(X[["herd"]], y, sample_weight=weights)
    table = anova(model, null)
    # lme4's likelihood has the binomial coefficients: twice 185.475660.
    np.testing.assert_allclose(
        table.aic - 2 * 185.475660, [213.663070375, 194.0531327791], atol=1e-3
    )
    assert table.df[1] == 3
    assert table.chi_square[1] == pytest.approx(25.6099375959, abs=1e-3)
    assert table.p_value[1] == pytest.approx(1.1510064891e-05, rel=1e-3)
    assert np.isnan(table.p_boundary[1])


def test_cbpp_explained_variance(cbpp):
    X, _, _, model = cbpp
    summary = model.summary()
    assert summary.icc == pytest.approx(0.11135608182, abs=2e-4)
    # performance takes the variance over the 56 lines of the table; here each animal
    # counts. At the same rows the figures are the same.
    eta = X[["period_2", "period_3", "period_4"]][:56] @ model.coef_[0]
    explained = np.var(eta, ddof=1)
    between = model.variance_components_[0].variance[0]
    total = explained + between + np.pi**2 / 3
    assert explained / total == pytest.approx(0.085363168714, abs=2e-4)
    assert (explained + between) / total == pytest.approx(0.18721354254, abs=2e-4)
    assert summary.r2_marginal == pytest.approx(0.085363168714, abs=5e-3)
    assert summary.r2_conditional == pytest.approx(0.18721354254, abs=5e-3)


def test_cbpp_predictions_at_the_modes(cbpp):
    *_, model = cbpp
    modes = model.ranef().set_index("level")["mode"]
    shift = dict(zip((1, 2, 3, 4), [0.0, *model.coef_[0]], strict=True))

    def at(rows):
        return expit([model.intercept_[0] + shift[p] + u for p, u in rows])

    # The first lines of the table: herd 1 in four periods, herd 2 in three.
    rows = [(1, modes[1]), (2, modes[1]), (3, modes[1]), (4, modes[1])]
    rows += [(1, modes[2]), (2, modes[2]), (3, modes[2])]
    np.testing.assert_allclose(at(rows), CBPP_FITTED, rtol=1e-3)
    # A new herd at u = 0, in the periods 1, 2 and 4.
    expected = [0.19807920551, 0.083917839275, 0.048425646006]
    np.testing.assert_allclose(at([(1, 0.0), (2, 0.0), (4, 0.0)]), expected, rtol=1e-3)


def test_cbpp_probabilities_averaged_over_herds():
    eta = np.array([-1.3983428645, -2.3902678394, -2.5265590804, -2.9780882781])
    family = Bernoulli()
    expected = [0.21611312446, 0.097085175708, 0.086160090531, 0.057334800268]
    found = family.mean_over(eta, np.full(4, 0.64206992773**2))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    expected = [0.19807920551, 0.083917839275, 0.074017137007, 0.048425646006]
    np.testing.assert_allclose(family.mean_over(eta, np.zeros(4)), expected, rtol=1e-8)
    # The closed-form approximations of MacKay and Zeger, which are not used here, are
    # off by up to 0.002.
    for approximation in (
        [0.21462459149, 0.098189900531, 0.087548597574, 0.059365929687],
        [0.21278964193, 0.096549386053, 0.085985220444, 0.058080472595],
    ):
        assert 1e-3 < np.abs(found - approximation).max() < 4e-3


# --------------------------------------------------------------------- VerbAgg


def test_verbagg_explained_variance(shared):
    golden = shared / "golden" / "mixed"
    expected = json.loads((golden / "diagnostics.json").read_text())
    expected = expected["r2_icc"]["verbagg_id_item_nAGQ0"]
    data = pd.read_csv(golden / "data" / "verbagg.csv", keep_default_na=False)
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
    effects = MixedEffects(
        formula="(1 | id) + (1 | item)", variance_estimation_method="ml"
    )
    model = BinaryClassifier(mixed_effects=effects, alpha=0, n_quadrature=0)
    summary = model.fit(X, data["r2"]).summary()
    assert summary.icc == pytest.approx(expected["adjusted"], abs=1e-4)
    assert summary.r2_marginal == pytest.approx(expected["marginal"], abs=1e-4)
    assert summary.r2_conditional == pytest.approx(expected["conditional"], abs=1e-4)
    # Coefficients of the marginal likelihood are larger and explain more.
    summary = model.set_params(n_quadrature=1).fit(X, data["r2"]).summary()
    assert summary.icc == pytest.approx(expected["adjusted"], abs=1e-3)
    assert 0.0 < summary.r2_marginal - expected["marginal"] < 0.015
