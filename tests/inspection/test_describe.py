"""Fits in plain words."""

from __future__ import annotations

import re

import numpy as np
import pytest

from bead_sklearn import (
    BinaryClassifier,
    CategoricalClassifier,
    MagnitudeRegressor,
    MixedEffects,
)
from bead_sklearn.datasets import make_judgments
from bead_sklearn.inspection import describe


def numbers(sd=1.0, n_people=30, n_each=10, seed=0):
    rng = np.random.RandomState(seed)
    groups = np.repeat([f"p{i:02d}" for i in range(n_people)], n_each)
    u = np.repeat(sd * rng.normal(size=n_people), n_each)
    X = rng.normal(size=(len(groups), 1))
    return X, X[:, 0] + u + rng.normal(size=len(groups)), groups


def test_shares_reliability_and_who_is_unusual():
    X, y, groups = numbers()
    y[groups == "p07"] += 5.0
    model = MagnitudeRegressor().fit(X, y, groups=groups)
    text = " ".join(model.describe().split())
    summary = model.summary()
    assert text.startswith("MagnitudeRegressor of 300 judgments: ")
    assert f"explains {summary.r2_marginal:.0%} of the variation" in text
    assert f"account for {summary.icc:.0%} of what is left" in text
    effects = model.effects_["groups"]
    variance = model.variance_components_[0].variance
    reliability = 1 - (effects.variances / variance).mean()
    assert f"reliability {reliability:.2f}" in text
    assert "Unusual: p07 ((Intercept) +" in text
    assert "effects of 'groups' only" in text


def test_levels_that_hardly_differ():
    X, _, groups = numbers()
    noise = np.random.RandomState(1).normal(size=(30, 10))
    y = X[:, 0] + (noise - noise.mean(axis=1, keepdims=True)).ravel()
    with pytest.warns(UserWarning, match="Singular"):
        model = MagnitudeRegressor().fit(X, y, groups=groups)
    text = " ".join(describe(model).split())
    assert "account for 0% of what is left: they hardly differ." in text
    assert "Unusual" not in text
    assert "Singular fit" in text


def test_too_few_judgments_to_tell_who_is_who():
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(200), 2)
    u = np.repeat(rng.normal(size=200), 2)
    y = u + rng.logistic(size=400) > 0
    model = BinaryClassifier().fit(rng.normal(size=(400, 1)), y, groups=groups)
    text = " ".join(model.describe().split())
    assert "too few judgments per level to tell who is who" in text


def test_without_participants():
    X, y, _ = numbers()
    text = " ".join(MagnitudeRegressor().fit(X, y).describe().split())
    assert "does not know who judged" in text


def test_held_variances_and_several_outputs():
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(20), 15)
    y = rng.choice(list("abc"), size=300)
    effects = MixedEffects("random_intercepts", estimate_variance_components=False)
    model = CategoricalClassifier(mixed_effects=effects)
    model.fit(rng.normal(size=(300, 1)), y, groups=groups)
    text = " ".join(model.describe().split())
    assert "Variances of groups are held, not estimated." in text


@pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning")
def test_effects_without_variance_are_not_reliable():
    """Heads whose slopes are all 0 know as much as their intercepts do."""
    d = make_judgments(
        "binary", n_participants=12, n_items=20, n_per_participant=15, random_state=0
    )
    model = BinaryClassifier(mixed_effects="random_slopes", random_state=0)
    model.fit(d.X, d.y, groups=d.groups)
    [component] = model.variance_components_
    varies = component.variance > 0
    assert 0 < varies.sum() < len(varies)
    conditional = model.effects_["groups"].variances.mean(axis=0)[varies]
    expected = 1 - (conditional / component.variance[varies]).mean()
    assert expected < 0.9
    shown = re.findall(r"reliability (?:of the effects )?(\d\.\d\d)", flat(model))
    assert [float(value) for value in shown] == [pytest.approx(expected, abs=0.005)]


def flat(model):
    return " ".join(describe(model).split())
