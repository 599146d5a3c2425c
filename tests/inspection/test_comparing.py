"""Likelihood-ratio tests: what is compared, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from bead_sklearn import BinaryClassifier, MagnitudeRegressor, MixedEffects, anova
from bead_sklearn.exceptions import SingularFitWarning
from bead_sklearn.inspection import bootstrap_test

pd = pytest.importorskip("pandas")

RNG = np.random.RandomState(0)
N_GROUPS, N_EACH = 15, 12
G = np.repeat(np.arange(N_GROUPS), N_EACH)
ITEMS = np.tile(np.arange(N_EACH), N_GROUPS)
X = RNG.normal(size=(len(G), 2))
U, V = np.linspace(-2.0, 2.0, N_GROUPS), np.linspace(-1.0, 1.0, N_EACH)[::-1]
ETA = X[:, 0] + U[G] + V[ITEMS]
Y = ETA + RNG.normal(size=len(G))
LABELS = np.where(ETA + RNG.logistic(size=len(G)) > 0, "yes", "no")
FRAME = pd.DataFrame(X, columns=["a", "b"]).assign(g=G, item=ITEMS)


def fit(formula="(1 | g)", method="ml", columns=("a", "b", "g"), y=Y, **options):
    model = BinaryClassifier if y is LABELS else MagnitudeRegressor
    effects = MixedEffects(formula=formula, variance_estimation_method=method)
    model = model(mixed_effects=effects, alpha=0, **options)
    return model.fit(FRAME[list(columns)], y)


def fixed(columns=("a", "b"), method="ml", model=MagnitudeRegressor, y=Y):
    effects = MixedEffects("fixed", variance_estimation_method=method)
    return model(mixed_effects=effects, alpha=0).fit(FRAME[list(columns)], y)


def test_fixed_effects():
    small, large = fit(columns=("a", "g")), fit()
    table = anova(large, small)
    assert table.n_parameters.tolist() == [4, 5]
    statistic = 2 * (large.log_likelihood_ - small.log_likelihood_)
    assert table.chi_square[1] == pytest.approx(statistic)
    assert table.p_value[1] == pytest.approx(chi2.sf(statistic, 1))
    assert np.isnan(table.p_boundary).all()
    assert table.messages == []
    assert table.models == ["2 fixed + (1 | g)", "3 fixed + (1 | g)"]


def test_one_variance_on_the_boundary():
    table = anova(fixed(), fit())
    assert table.p_boundary[1] == pytest.approx(table.p_value[1] / 2)
    assert any("boundary" in message for message in table.messages)


def test_a_variance_estimated_as_zero():
    y = RNG.normal(size=len(G))
    y -= (pd.Series(y).groupby(G).transform("mean")).to_numpy()
    with pytest.warns(SingularFitWarning, match="Singular"):
        mixed = fit(y=y)
    table = anova(fixed(y=y), mixed)
    assert table.chi_square[1] == pytest.approx(0.0, abs=1e-6)
    assert table.p_value[1] == pytest.approx(1.0, abs=1e-3)
    assert 0.5 <= table.p_boundary[1] <= 1.0


def test_a_variance_with_its_covariance():
    with pytest.warns(SingularFitWarning):
        larger = fit("(1 + b | g)")
    table = anova(fit(), larger)
    statistic = table.chi_square[1]
    assert table.df[1] == 2
    expected = 0.5 * (chi2.sf(statistic, 1) + chi2.sf(statistic, 2))
    assert table.p_boundary[1] == pytest.approx(expected)


def test_several_variances_have_no_simple_mixture():
    crossed = fit("(1 | g) + (1 | item)", columns=("a", "b", "g", "item"))
    table = anova(fixed(), crossed)
    assert np.isnan(table.p_boundary[1])
    assert any("2 variances" in message for message in table.messages)


def test_one_line_per_model_in_order_of_size():
    models = [fit(), fixed(), fixed(("a",))]
    table = anova(*models)
    assert table.n_parameters.tolist() == [3, 4, 5]
    text = str(table)
    for value in table.deviance:
        assert f"{value:.3f}" in text
    assert max(map(len, text.splitlines())) < 100
    frame = table.to_frame()
    assert frame["model"].tolist() == table.models
    np.testing.assert_array_equal(frame["p_value"], table.p_value)
    assert table.to_frame("records")[0]["n_parameters"] == 3


def test_binary():
    table = anova(fixed(model=BinaryClassifier, y=LABELS), fit(y=LABELS))
    assert table.df[1] == 1
    assert table.p_boundary[1] < 0.01


def test_ridge_is_a_variance():
    options = {"alpha": "auto", "mixed_effects": "(1 | g)"}
    n_columns = 60
    rng = np.random.RandomState(1)
    features = rng.normal(size=(len(G), n_columns))
    y = Y + features @ rng.normal(scale=0.3, size=n_columns)
    wide = pd.DataFrame(features, columns=[f"f{i}" for i in range(n_columns)])
    large = MagnitudeRegressor(**options).fit(wide.assign(g=G), y)
    effects = MixedEffects(formula="(1 | g)", variance_estimation_method="reml")
    small = MagnitudeRegressor(mixed_effects=effects, alpha=0)
    table = anova(large, small.fit(FRAME[["g"]], y))
    assert table.likelihood.startswith("restricted")
    assert table.df[1] == 1
    assert table.p_boundary[1] == pytest.approx(table.p_value[1] / 2)
    assert "60 under a ridge" in table.models[1]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: (fit(),), "two or more models"),
        (lambda: (fit(), fit(y=LABELS)), "different kinds"),
        (lambda: (fit(), fit(y=np.exp(Y), family="lognormal")), "different families"),
        (lambda: (fit(), fit(y=Y + 1.0)), "different responses"),
        (lambda: (fit(), fit(y=-Y)), "different responses"),
        (
            lambda: (fit(y=LABELS), fit(y=LABELS, n_quadrature=15)),
            r"approximated differently, n_quadrature=1 and n_quadrature=15",
        ),
        (lambda: (fit(), fit(method="reml")), "different likelihoods"),
        (
            lambda: (fit(method="reml"), fit(method="reml", columns=("a", "g"))),
            "restricted likelihoods with different fixed effects.*'b'",
        ),
        (
            lambda: (fit(), fixed(("b", "item"), y=Y)),
            "not nested.*fixed effect 'item'",
        ),
        (
            lambda: (
                fit(columns=("a", "g")),
                fit("(1 | item)", columns=("a", "b", "item")),
            ),
            r"not nested.*random effect '\(Intercept\) \| g'",
        ),
    ],
)
def test_models_that_cannot_be_compared(make, match):
    with pytest.raises(ValueError, match=match):
        anova(*make())


def test_different_numbers_of_judgments():
    half = MagnitudeRegressor(mixed_effects="fixed", alpha=0)
    half.fit(FRAME[["a"]][:90], Y[:90])
    with pytest.raises(ValueError, match="numbers of judgments, 90 and 180"):
        anova(half, fixed())


def test_something_else_than_a_model():
    from sklearn.linear_model import LinearRegression

    with pytest.raises(TypeError, match="LinearRegression"):
        anova(LinearRegression().fit(X, Y), fixed())


def test_order_and_weights_of_rows_do_not_matter():
    order = RNG.permutation(len(Y))
    small = MagnitudeRegressor(mixed_effects="fixed", alpha=0)
    small.fit(FRAME[["a", "b"]].iloc[order], Y[order])
    assert anova(small, fit()).df[1] == 1


def test_a_larger_model_that_fits_worse_is_pointed_out():
    small, large = fixed(), fit()
    large.log_likelihood_ = small.log_likelihood_ - 1.0
    table = anova(small, large)
    assert table.chi_square[1] == 0.0
    assert any("fits worse" in message for message in table.messages)


# ------------------------------------------------------------------- bootstrap


def test_bootstrap_test():
    test = bootstrap_test(
        fixed(("a",)),
        fit(columns=("a", "g")),
        FRAME[["a", "g"]],
        Y,
        X_null=FRAME[["a"]],
        n_bootstrap=30,
        random_state=0,
    )
    assert test.p_value == pytest.approx(1 / 31)
    assert test.statistics.shape == (30,)
    assert (test.statistics >= 0).all()
    # A variance on the boundary: about half of the statistics are zero.
    assert 0.2 < np.mean(test.statistics < 1e-6) < 0.9
    text = str(test)
    assert "30 simulations" in text
    assert "2 fixed + (1 | g)" in text


def test_bootstrap_test_under_the_null_hypothesis_is_about_uniform():
    rng = np.random.RandomState(0)
    p_values = []
    for _ in range(20):
        y = X[:, 0] + rng.normal(size=len(G))
        test = bootstrap_test(
            fixed(("a",), y=y),
            fixed(("a", "b"), y=y),
            FRAME[["a", "b"]],
            y,
            X_null=FRAME[["a"]],
            n_bootstrap=19,
            random_state=rng,
        )
        p_values.append(test.p_value)
        assert test.p_value == pytest.approx(test.p_chi_square, abs=0.45)
    assert np.mean(np.array(p_values) <= 0.5) == pytest.approx(0.5, abs=0.35)


def test_bootstrap_test_does_not_depend_on_the_number_of_jobs():
    arguments = fixed(("a",)), fit(columns=("a", "g")), FRAME[["a", "g"]], Y
    options = {"X_null": FRAME[["a"]], "n_bootstrap": 6, "random_state": 3}
    one = bootstrap_test(*arguments, **options, n_jobs=1)
    two = bootstrap_test(*arguments, **options, n_jobs=2)
    np.testing.assert_allclose(one.statistics, two.statistics, atol=1e-8)


def test_bootstrap_test_needs_a_smaller_null_model():
    with pytest.raises(ValueError, match="null must have fewer"):
        bootstrap_test(fixed(), fixed(), FRAME[["a", "b"]], Y)
    with pytest.raises(ValueError, match="not nested"):
        bootstrap_test(fit(), fixed(), FRAME[["a", "b", "g"]], Y)
    with pytest.raises(ValueError, match="at least 2"):
        bootstrap_test(fixed(), fit(), FRAME, Y, n_bootstrap=1)
