"""Confidence intervals and bootstrap of task models."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import t as student_t
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from bead_sklearn import BinaryClassifier, MagnitudeRegressor, MixedEffects
from bead_sklearn.datasets import make_judgments
from bead_sklearn.exceptions import SingularFitWarning
from bead_sklearn.inspection import bootstrap, confidence_intervals

pd = pytest.importorskip("pandas")

RNG = np.random.RandomState(0)
N_GROUPS, N_EACH = 15, 12
G = np.repeat([f"p{i:02d}" for i in range(N_GROUPS)], N_EACH)
CODES = np.repeat(np.arange(N_GROUPS), N_EACH)
FRAME = pd.DataFrame(
    {"year": 2000.0 + RNG.normal(size=len(G)), "b": RNG.normal(size=len(G)), "g": G}
)
ETA = FRAME["year"].to_numpy() - 2000 + RNG.normal(size=N_GROUPS)[CODES]
Y = ETA + 0.5 * RNG.normal(size=len(G))
LABELS = np.where(ETA + RNG.logistic(size=len(G)) > 0, "yes", "no")


def magnitude(formula="(1 | g)", method="ml", **options):
    effects = MixedEffects(formula=formula, variance_estimation_method=method)
    return MagnitudeRegressor(mixed_effects=effects, alpha=0, **options)


def test_names_of_parameters():
    with pytest.warns(SingularFitWarning):
        model = magnitude("(1 + b | g)").fit(FRAME, Y)
    assert model.confidence_intervals(method="wald").parameters == [
        "sd_(Intercept)|g",
        "sd_b|g",
        "cor_b.(Intercept)|g",
        "sigma",
        "(Intercept)",
        "year",
        "b",
    ]


def test_intervals_contain_the_estimates_and_widen_with_the_level():
    model = magnitude("(1 + b || g)").fit(FRAME, Y)
    narrow = model.confidence_intervals(FRAME, Y, level=0.5)
    wide = model.confidence_intervals(FRAME, Y, level=0.99)
    assert (wide.lower <= narrow.lower).all()
    assert (narrow.lower <= narrow.estimates).all()
    assert (narrow.estimates <= narrow.upper).all()
    assert (narrow.upper <= wide.upper).all()
    names = dict(zip(wide.parameters, wide.estimates, strict=True))
    assert names["sigma"] == pytest.approx(model.sigma_)
    assert names["sd_b|g"] == pytest.approx(model.variance_components_[0].sd[1])
    assert names["(Intercept)"] == pytest.approx(model.intercept_)
    assert names["year"] == pytest.approx(model.coef_[0])


def test_profile_follows_unit_and_origin_of_a_covariate():
    formula = "(1 + year | g)"
    moved = FRAME.assign(year=10 * (FRAME["year"] - 2000))
    with pytest.warns(SingularFitWarning):
        model = magnitude(formula).fit(moved, Y)
    options = {"parameters": ["sd_year|g", "year", "b", "sigma"]}
    first = model.confidence_intervals(moved, Y, **options)
    original = FRAME.assign(year=FRAME["year"] - 2000)
    with pytest.warns(SingularFitWarning):
        second = magnitude(formula).fit(original, Y)
    second = second.confidence_intervals(original, Y, **options)
    for name in ("sigma", "b"):
        np.testing.assert_allclose(first[name], second[name], rtol=1e-3)
    for name in ("sd_year|g", "year"):
        np.testing.assert_allclose(
            10 * np.array(first[name]), second[name], rtol=1e-3, atol=1e-4
        )


def test_weights_are_repetition():
    weights = np.random.RandomState(0).randint(0, 3, size=len(Y))
    rows = np.repeat(np.arange(len(Y)), weights)
    model = BinaryClassifier(mixed_effects="(1 | g)", alpha=0)
    names = ["sd_(Intercept)|g", "b"]
    model.fit(FRAME, LABELS, sample_weight=weights)
    first = model.confidence_intervals(
        FRAME, LABELS, sample_weight=weights, parameters=names
    )
    repeated = FRAME.iloc[rows], LABELS[rows]
    second = clone(model).fit(*repeated)
    second = second.confidence_intervals(*repeated, parameters=names)
    np.testing.assert_allclose(first.lower, second.lower, rtol=1e-3)
    np.testing.assert_allclose(first.upper, second.upper, rtol=1e-3)


def test_restricted_likelihood_has_no_profile_of_fixed_effects():
    model = magnitude(method="reml").fit(FRAME, Y)
    intervals = model.confidence_intervals(FRAME, Y)
    assert intervals.parameters == ["sd_(Intercept)|g", "sigma"]
    assert any("restricted" in message for message in intervals.messages)
    with pytest.raises(ValueError, match="fixed effect 'year' has no profile"):
        model.confidence_intervals(FRAME, Y, parameters=["year"])


def test_wald_intervals_take_the_degrees_of_freedom():
    model = magnitude(method="reml").fit(FRAME, Y)
    effect = model.summary().fixed_effects[2]
    assert 100 < effect.df < 180
    lower, upper = model.confidence_intervals(method="wald", level=0.9)["b"]
    half = student_t.ppf(0.95, effect.df) * effect.standard_error
    np.testing.assert_allclose(
        [lower, upper], [model.coef_[1] - half, model.coef_[1] + half]
    )


def test_text_models():
    d = make_judgments("magnitude", n_participants=20, n_items=30, random_state=0)
    for effects in ("random_intercepts", "random_slopes"):
        model = MagnitudeRegressor(mixed_effects=effects)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingularFitWarning)
            model.fit(d.X, d.y, groups=d.groups)
        intervals = model.confidence_intervals(
            d.X, d.y, groups=d.groups, parameters=["sd_(Intercept)|groups"]
        )
        lower, upper = intervals["sd_(Intercept)|groups"]
        assert 0 < lower < model.variance_components_[0].sd[0] < upper
    names = model.confidence_intervals(method="wald").parameters
    # All slopes share one standard deviation.
    assert len(names) == 4
    assert names[1].startswith("sd_")
    assert names[1].endswith("slopes|groups")


def test_parameters_that_were_not_estimated_have_no_interval():
    held = MixedEffects(formula="(1 | g)", estimate_variance_components=False)
    model = MagnitudeRegressor(mixed_effects=held, alpha=0).fit(FRAME, Y)
    intervals = model.confidence_intervals(FRAME, Y)
    assert intervals.parameters == ["sigma", "(Intercept)", "year", "b"]
    assert np.isfinite(intervals.lower).all()


def test_correlation_of_an_effect_without_variance_is_not_defined():
    y = RNG.normal(size=len(G))
    # No level differs from another in its line.
    for code in range(N_GROUPS):
        rows = code == CODES
        line = np.column_stack([np.ones(N_EACH), FRAME["b"][rows]])
        y[rows] -= line @ np.linalg.lstsq(line, y[rows], rcond=None)[0]
    with pytest.warns(SingularFitWarning):
        model = magnitude("(1 + b | g)").fit(FRAME, y)
    assert model.variance_components_[0].variance.min() < 1e-20
    name = "cor_b.(Intercept)|g"
    intervals = model.confidence_intervals(FRAME, y, parameters=[name])
    assert np.isnan(intervals[name]).all()
    [message] = intervals.messages
    assert message == f"{name} is not defined: a standard deviation is zero"


def test_a_column_with_the_name_of_another_parameter():
    frame = FRAME.rename(columns={"b": "sigma"})
    model = magnitude().fit(frame, Y)
    intervals = model.confidence_intervals(method="wald")
    assert intervals.parameters[-1] == "fixed_sigma"
    np.testing.assert_allclose(np.mean(intervals["fixed_sigma"]), model.coef_[1])
    assert np.isnan(intervals["sigma"]).all()


def test_printing_and_tables():
    intervals = magnitude().fit(FRAME, Y).confidence_intervals(method="wald")
    text = str(intervals)
    assert text.startswith("Wald intervals, 95 %")
    assert f"{intervals['b'][0]:.4g}" in text
    assert "no Wald intervals" in text
    assert len(intervals) == len(intervals.to_frame()) == 5
    assert list(intervals.to_frame().columns) == [
        "parameter",
        "estimate",
        "lower",
        "upper",
    ]
    with pytest.raises(KeyError, match="nothing"):
        intervals["nothing"]


def test_arguments_are_checked():
    model = magnitude()
    with pytest.raises(NotFittedError):
        model.confidence_intervals(FRAME, Y)
    model.fit(FRAME, Y)
    with pytest.raises(ValueError, match=r"method must be one of.*'exact'"):
        model.confidence_intervals(FRAME, Y, method="exact")
    with pytest.raises(ValueError, match="level must lie strictly between 0 and 1"):
        model.confidence_intervals(FRAME, Y, level=95)
    with pytest.raises(ValueError, match=r"parameters names 'tau'.*'sigma'"):
        model.confidence_intervals(FRAME, Y, parameters="tau")
    with pytest.raises(ValueError, match="do not keep their data"):
        model.confidence_intervals()
    assert model.confidence_intervals(method="wald", parameters="b").parameters == ["b"]


@pytest.mark.parametrize("method", ["profile", "bootstrap"])
def test_other_data_are_refused(method):
    model = magnitude().fit(FRAME, Y)
    others = {
        "y": (FRAME, Y[::-1], None),
        "X": (FRAME.assign(b=0.0), Y, None),
        "rows": (FRAME[:100], Y[:100], None),
        "weights": (FRAME, Y, np.full(len(Y), 2)),
        "ids": (FRAME.assign(g="new"), Y, None),
    }
    for X, y, weights in others.values():
        with pytest.raises(ValueError, match="are not those of fit"):
            model.confidence_intervals(X, y, sample_weight=weights, method=method)


def test_asking_for_intervals_leaves_the_model_as_it_is():
    model = BinaryClassifier(mixed_effects="(1 | g)", alpha=0).fit(FRAME, LABELS)
    before = model.predict_proba(FRAME)
    classes = model.classes_
    swapped = np.where(LABELS == "yes", "no", "yes")
    with pytest.raises(ValueError, match="not those of fit"):
        model.confidence_intervals(FRAME, swapped)
    renamed = np.char.add(LABELS, "!")
    model.confidence_intervals(FRAME, renamed, parameters=["b"])
    assert model.classes_ is classes
    np.testing.assert_array_equal(model.predict_proba(FRAME), before)


# ------------------------------------------------------------------- bootstrap


def test_bootstrap_standard_errors_are_those_of_the_summary():
    model = magnitude().fit(FRAME, Y)
    result = bootstrap(model, FRAME, Y, n_bootstrap=150, random_state=0)
    assert result.replicates.shape == (150, 5)
    errors = [effect.standard_error for effect in model.summary().fixed_effects]
    # The intercept is that of year 0, far away.
    np.testing.assert_allclose(result.standard_errors[2:], errors, rtol=0.2)
    assert np.abs(result.bias[3:] / result.standard_errors[3:]).max() < 0.4
    lower, upper = result.percentiles(0.9)
    assert (lower < result.estimates).all()
    assert (upper > result.estimates).all()
    text = str(result)
    assert "150 simulations" in text
    assert f"{result.estimates[0]:.4g}" in text
    assert list(result.to_frame().columns) == result.parameters
    intervals = confidence_intervals(
        model,
        FRAME,
        Y,
        method="bootstrap",
        n_bootstrap=150,
        random_state=0,
        level=0.9,
        parameters=["b", "sigma"],
    )
    assert intervals.parameters == ["sigma", "b"]
    np.testing.assert_allclose(intervals["b"], [lower[-1], upper[-1]])
    assert str(intervals).startswith("Parametric bootstrap intervals, 90 %")


def test_bootstrap_does_not_depend_on_the_number_of_jobs():
    model = BinaryClassifier(mixed_effects="(1 | g)", alpha=0).fit(FRAME, LABELS)
    results = [
        bootstrap(model, FRAME, LABELS, n_bootstrap=25, random_state=0, n_jobs=n_jobs)
        for n_jobs in (1, 2)
    ]
    np.testing.assert_allclose(
        results[0].replicates, results[1].replicates, rtol=1e-6, atol=1e-8
    )


def test_bootstrap_of_counts_simulates_each_judgment():
    counts = np.random.RandomState(0).randint(1, 6, size=len(Y))
    model = BinaryClassifier(mixed_effects="(1 | g)", alpha=0)
    model.fit(FRAME, LABELS, sample_weight=counts)
    result = bootstrap(
        model, FRAME, LABELS, sample_weight=counts, n_bootstrap=40, random_state=0
    )
    error = model.summary().fixed_effects[2].standard_error
    assert result.standard_errors[-1] == pytest.approx(error, rel=0.35)
    model.fit(FRAME, LABELS, sample_weight=counts + 0.5)
    with pytest.raises(ValueError, match="integer sample_weight"):
        bootstrap(model, FRAME, LABELS, sample_weight=counts + 0.5)


def test_ridge_coefficients_are_drawn_if_their_precision_was_estimated():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(200, 30))
    groups = np.repeat(np.arange(20), 10)
    y = X @ rng.normal(scale=0.5, size=30) + rng.normal(size=200)
    y += rng.normal(size=20)[groups]
    for alpha in ("auto", 5.0):
        model = MagnitudeRegressor(alpha=alpha).fit(X, y, groups=groups)
        draws = model.simulate(300, X, groups, random_state=0)
        centred = X - X.mean(axis=0)
        slopes = np.linalg.lstsq(centred, draws.T, rcond=None)[0]
        spread = slopes.std(axis=1).mean()
        if alpha == "auto":
            assert spread == pytest.approx(model.sigma_ / model.alpha_**0.5, rel=0.15)
        else:
            np.testing.assert_allclose(slopes.mean(axis=1), model.coef_, atol=0.05)


def test_failures_are_counted_and_named():
    groups = np.repeat(np.arange(8), 6)
    y = np.zeros(48, dtype=int)
    y[[0, 7]] = 1
    X = pd.DataFrame({"g": groups})
    model = BinaryClassifier(mixed_effects="(1 | g)", alpha=0)
    with pytest.warns(SingularFitWarning):
        model.fit(X, y)
    with pytest.warns(ConvergenceWarning, match="could not be fitted"):
        result = bootstrap(model, X, y, n_bootstrap=60, random_state=0)
    # All 48 answers are "no" with a probability of about exp(-2).
    assert 1 <= result.n_failed <= 25
    assert len(result.replicates) == 60 - result.n_failed
    assert "only one class" in result.messages[0]
    assert result.messages[0] in str(result)


def test_no_simulation_can_be_fitted(monkeypatch):
    def nothing(model, problem, n_simulations, random_state):
        yield from ["no responses"] * n_simulations

    monkeypatch.setattr("bead_sklearn.inspection._bootstrap.simulate_problem", nothing)
    model = magnitude().fit(FRAME, Y)
    with pytest.raises(RuntimeError, match=r"None of 3 simulations.*no responses"):
        bootstrap(model, FRAME, Y, n_bootstrap=3)


def test_fits_that_do_not_converge_are_counted(monkeypatch):
    model = magnitude("(1 + b + year || g)", max_iter=1, tol=1e-12)
    with pytest.warns(ConvergenceWarning, match="did not converge after 1"):
        model.fit(FRAME, Y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = bootstrap(model, FRAME, Y, n_bootstrap=20, random_state=0)
    said = [str(warning.message) for warning in caught]
    assert said == result.messages
    assert "fits to simulations did not converge" in said[0]
    assert result.n_failed == 0
    assert len(result.replicates) == 20
