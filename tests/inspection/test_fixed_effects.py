"""Summaries and F tests with degrees of freedom."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bead_sklearn import BinaryClassifier, MagnitudeRegressor, MixedEffects
from bead_sklearn.inspection import confidence_intervals, f_test

REML = MixedEffects(variance_estimation_method="reml")


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    groups = np.append(np.arange(8), rng.randint(8, size=52))
    X = rng.normal(size=(60, 3))
    X[:, 0] = rng.normal(size=8)[groups]
    y = X @ [0.5, 0.3, 0.0] + rng.normal(size=8)[groups] + rng.normal(size=60)
    return X, y, groups


@pytest.fixture(scope="module")
def model(data):
    X, y, groups = data
    return MagnitudeRegressor(mixed_effects=REML, alpha=0).fit(X, y, groups=groups)


def test_summary_by_kenward_and_roger(model, data):
    X, y, groups = data
    usual = model.summary()
    summary = model.summary(X, y, groups=groups, df="kenward_roger")
    assert (usual.df, summary.df) == ("satterthwaite", "kenward_roger")
    assert "Fixed effects, Kenward and Roger's degrees of freedom:" in str(summary)
    assert "Fixed effects, Satterthwaite's degrees of freedom:" in str(usual)
    for before, after in zip(usual.fixed_effects, summary.fixed_effects, strict=True):
        assert after.estimate == before.estimate
        assert after.z == pytest.approx(after.estimate / after.standard_error)
        p_value = 2 * stats.t.sf(abs(after.z), after.df)
        assert after.p_value == pytest.approx(p_value)
        # They are alike, not the same.
        assert after.df == pytest.approx(before.df, rel=0.3)
        assert after.standard_error == pytest.approx(before.standard_error, rel=0.05)
    # The covariate between participants pays for the few of them.
    between = 1
    assert summary.fixed_effects[between].df < 8
    errors = [effect.standard_error for effect in summary.fixed_effects]
    assert errors[between] > usual.fixed_effects[between].standard_error
    # All else stays, and the summary of the model too.
    assert summary.log_likelihood == usual.log_likelihood
    assert model.summary() is usual


def test_unit_and_origin_of_columns_do_not_matter(model, data):
    X, y, groups = data
    other = MagnitudeRegressor(mixed_effects=REML, alpha=0)
    moved = X * [1.0, 100.0, 1.0] + [7.0, 0.0, -50.0]
    other.fit(moved, y, groups=groups)
    tests = [
        fitted.summary(rows, y, groups=groups, df="kenward_roger").fixed_effects
        for fitted, rows in ((model, X), (other, moved))
    ]
    for a, b in zip(tests[0][1:], tests[1][1:], strict=True):
        assert b.df == pytest.approx(a.df, rel=1e-4)
        assert b.z == pytest.approx(a.z, rel=1e-4)


@pytest.mark.parametrize("df", ["kenward_roger", "satterthwaite"])
def test_f_test(model, data, df):
    X, y, groups = data
    names = [effect.name for effect in model.summary().fixed_effects]
    test = f_test(model, names[1:], X, y, groups=groups, df=df)
    assert test.df_numerator == 3
    assert test.coefficients == tuple(names[1:])
    p_value = stats.f.sf(test.statistic, 3, test.df_denominator)
    assert test.p_value == pytest.approx(p_value)
    for text in names[1:]:
        assert text in str(test)
    assert f"= {test.statistic:.3f}" in repr(test)
    # Of one coefficient it is the t test.
    summary = model.summary(X, y, groups=groups, df=df)
    for name, effect in zip(names, summary.fixed_effects, strict=True):
        one = f_test(model, name, X, y, groups=groups, df=df)
        assert one.statistic == pytest.approx(effect.z**2, rel=1e-6)
        assert one.df_denominator == pytest.approx(effect.df, rel=1e-6)
        assert one.p_value == pytest.approx(effect.p_value, rel=1e-5)
    # Naming a coefficient twice changes nothing.
    twice = f_test(model, [*names[1:], names[1]], X, y, groups=groups, df=df)
    assert twice == test


def test_weights_count_rows(data):
    X, y, groups = data
    weights = np.random.RandomState(1).randint(0, 3, size=len(y))
    rows = np.repeat(np.arange(len(y)), weights)
    model = MagnitudeRegressor(mixed_effects=REML, alpha=0)
    model.fit(X, y, groups=groups, sample_weight=weights)
    weighted = model.summary(
        X, y, groups=groups, sample_weight=weights, df="kenward_roger"
    )
    model.fit(X[rows], y[rows], groups=groups[rows])
    repeated = model.summary(X[rows], y[rows], groups=groups[rows], df="kenward_roger")
    for a, b in zip(weighted.fixed_effects, repeated.fixed_effects, strict=True):
        assert a.df == pytest.approx(b.df, rel=1e-5)
        assert a.standard_error == pytest.approx(b.standard_error, rel=1e-5)


def test_errors(model, data):
    X, y, groups = data
    with pytest.raises(ValueError, match=r"df must be one of .* Got 'kr'"):
        model.summary(df="kr")
    with pytest.raises(ValueError, match="X and y are needed"):
        model.summary(df="kenward_roger")
    with pytest.raises(ValueError, match="not those of fit"):
        model.summary(X, 2 * y, groups=groups, df="kenward_roger")
    with pytest.raises(ValueError, match="coefficients names 'x9'"):
        f_test(model, ["x9"], X, y, groups=groups)
    with pytest.raises(ValueError, match="coefficients is empty"):
        f_test(model, [], X, y, groups=groups)
    ml = MagnitudeRegressor(
        mixed_effects=MixedEffects(variance_estimation_method="ml"), alpha=0
    ).fit(X, y, groups=groups)
    for df in ("kenward_roger", "satterthwaite"):
        with pytest.raises(ValueError, match="fitted by restricted likelihood"):
            f_test(ml, ["x1"], X, y, groups=groups, df=df)
    assert ml.summary().df is None
    assert "degrees of freedom" not in str(ml.summary())


def test_other_families_have_z_tests(data):
    X, y, _ = data
    model = BinaryClassifier(alpha=0, mixed_effects="fixed")
    model.fit(X, y > 0)
    assert model.summary().df is None
    with pytest.raises(ValueError, match="normal responses"):
        model.summary(X, y > 0, df="kenward_roger")
    intervals = confidence_intervals(model, method="wald")
    assert "x1" in intervals.parameters
