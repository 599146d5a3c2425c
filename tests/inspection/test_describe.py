"""Fits in plain words."""

from __future__ import annotations

import re

import numpy as np
import pytest

from bead_sklearn import (
    BinaryClassifier,
    CategoricalClassifier,
    ClozeClassifier,
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
    assert "The 30 participants (10 judgments each, in the median)" in text
    assert "Unusual: p07 (level +" in text
    assert "effects of participants only" in text


def test_levels_that_hardly_differ():
    X, _, groups = numbers()
    noise = np.random.RandomState(1).normal(size=(30, 10))
    y = X[:, 0] + (noise - noise.mean(axis=1, keepdims=True)).ravel()
    with pytest.warns(UserWarning, match="Singular"):
        model = MagnitudeRegressor().fit(X, y, groups=groups)
    text = " ".join(describe(model).split())
    assert "account for 0% of what is left: they hardly differ." in text
    assert "Unusual" not in text
    assert "singular" not in text.lower()


def test_too_few_judgments_to_tell_who_is_who():
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(200), 2)
    u = np.repeat(rng.normal(size=200), 2)
    y = u + rng.logistic(size=400) > 0
    model = BinaryClassifier().fit(rng.normal(size=(400, 1)), y, groups=groups)
    text = " ".join(model.describe().split())
    assert "too few judgments of each to tell who is who" in text


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
    assert "The variance of groups is held." in text


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
    shown = re.findall(r"reliability (\d\.\d\d)", flat(model))
    assert [float(value) for value in shown] == [pytest.approx(expected, abs=0.005)]


def test_heads_are_told_apart_from_levels():
    """Ten judgments tell how lenient somebody is, not how it weighs ten columns."""
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(40), 10)
    X = rng.normal(size=(400, 10))
    y = 2.0 * rng.normal(size=40)[groups] + rng.normal(size=400)
    y += 0.3 * np.einsum("ij,ij->i", X, rng.normal(size=(40, 10))[groups])
    y[groups == 7] += 8.0
    model = MagnitudeRegressor(mixed_effects="random_slopes")
    text = flat(model.fit(X, y, groups=groups))
    assert re.search(r"The judgments tell who is who with reliability 0\.9", text)
    few = "There are too few judgments of each to tell who weighs features how"
    assert few in text
    assert "Unusual: 7 (level +" in text


def test_some_ways_of_varying_are_not_in_the_data():
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(30), 10)
    X = rng.normal(size=(300, 1))
    u = rng.normal(size=30)[groups]
    y = u * (1.0 + X[:, 0]) + rng.normal(size=300)
    model = MagnitudeRegressor(mixed_effects="random_slopes")
    with pytest.warns(UserWarning, match="Singular"):
        model.fit(X, y, groups=groups)
    assert "is not in the data (singular fit)" in flat(model)


def test_answers_that_nobody_else_gave():
    texts = [f"The {word} ___." for word in ("cat", "dog")] * 30
    known = np.random.RandomState(0).choice(["sat", "ran", "slept", "ate"], size=58)
    fillers = [*known.tolist(), "purred", "barked"]
    model = ClozeClassifier(mixed_effects="fixed", random_state=0).fit(texts, fillers)
    assert "of 58 judgments" in flat(model)
    assert "2 more answers, which nobody else gave," in flat(model)


@pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning")
def test_answers_in_words_are_counted_rather_than_their_alternatives():
    d = make_judgments("cloze", n_participants=12, n_items=24, random_state=0)
    model = ClozeClassifier(random_state=0).fit(d.X, d.y, groups=d.groups)
    [component] = model.variance_components_
    total = component.n_observations_per_group.sum()
    assert total == pytest.approx(model.summary().n_observations)


def flat(model):
    return " ".join(describe(model).split())
