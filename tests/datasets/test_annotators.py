"""Simulated annotators are like the population that the model estimated."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn import (
    BinaryClassifier,
    CategoricalClassifier,
    ForcedChoiceClassifier,
    MagnitudeRegressor,
    MultiSelectClassifier,
    OrdinalScaleClassifier,
    OrdinalScaleRegressor,
)
from bead_sklearn.datasets import make_judgments, simulate_annotators

MODELS = {
    "binary": BinaryClassifier(),
    "categorical": CategoricalClassifier(),
    "forced_choice": ForcedChoiceClassifier(),
    "multi_select": MultiSelectClassifier(),
    "ordinal": OrdinalScaleClassifier(),
    "slider": OrdinalScaleRegressor(family="ordered_beta"),
    "magnitude": MagnitudeRegressor(family="lognormal"),
}


def fitted(task, **kwargs):
    d = make_judgments(task, n_participants=25, n_items=40, random_state=0, **kwargs)
    return MODELS[task].fit(d.X, d.y, groups=d.groups), d


@pytest.mark.parametrize("task", list(MODELS))
def test_every_task(task):
    model, d = fitted(task)
    new = simulate_annotators(
        model, d.X[:30], n_annotators=12, n_per_annotator=10, random_state=0
    )
    assert len(new) == 120
    assert len(set(new.groups)) == 12
    assert np.bincount(new.items.astype(int)).tolist() == [4] * 30
    assert new.y.shape[1:] == d.y.shape[1:]
    if new.classes is not None and d.y.ndim == 1:
        assert set(new.y) <= set(d.y)
    again = simulate_annotators(
        model, d.X[:30], n_annotators=12, n_per_annotator=10, random_state=0
    )
    np.testing.assert_array_equal(again.y, new.y)
    assert len(new.frame) == 120


def test_annotators_differ_as_much_as_participants():
    model, d = fitted("magnitude", participant_sd=0.5)
    new = simulate_annotators(model, d.X[:40], n_annotators=200, random_state=0)
    means = [np.log(new.y[new.groups == who]).mean() for who in np.unique(new.groups)]
    expected = np.sqrt(model.variance_components_[0].variance[0] + model.sigma_**2 / 40)
    assert np.std(means) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("task", ["binary", "categorical", "forced_choice", "ordinal"])
def test_cold_annotators_are_consistent_and_hot_ones_are_not(task):
    model, d = fitted(task)
    X = d.X[:40]

    def agreement(temperature):
        same = model.simulate(
            2,
            X,
            d.groups[:40],
            random_state=0,
            conditional=True,
            temperature=temperature,
        )
        return (same[0] == same[1]).mean()

    assert agreement(0.001) == 1.0
    assert agreement(0.3) > agreement(3.0)


def test_the_noise_of_numbers_is_proportional_to_the_temperature():
    model, d = fitted("magnitude")
    X, groups = d.X[:400], d.groups[:400]
    sds = []
    for temperature in (0.5, 2.0):
        draws = model.simulate(
            50, X, groups, random_state=0, conditional=True, temperature=temperature
        )
        sds.append(np.log(draws).std(axis=0).mean())
    np.testing.assert_allclose(sds, [0.5 * model.sigma_, 2.0 * model.sigma_], rtol=0.03)


@pytest.mark.parametrize(
    ("family", "share"),
    # The ends of an ordered beta keep their probabilities.
    [("ordered_beta", 0.75), ("truncated_normal", 0.25)],
)
def test_sliders_at_low_temperature_are_near_their_mean(family, share):
    model, d = fitted("slider")
    model = OrdinalScaleRegressor(family=family).fit(d.X, d.y, groups=d.groups)
    options = {"random_state": 0, "conditional": True}
    low, high = (
        model.simulate(30, d.X[:50], d.groups[:50], temperature=t, **options)
        for t in (0.1, 1.0)
    )
    assert low.std(axis=0).mean() < share * high.std(axis=0).mean()


def test_noise_is_answers_without_looking():
    model, d = fitted("binary")
    careful, careless = (
        simulate_annotators(model, d.X[:40], noise=noise, random_state=0)
        for noise in (0.0, 1.0)
    )
    p = model.predict_proba(careful.X)[:, 1]
    assert np.corrcoef(p, careful.y)[0, 1] > 0.2
    assert abs(np.corrcoef(p, careless.y)[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_annotators": 0}, "n_annotators must lie between 1"),
        ({"n_per_annotator": 11}, "n_per_annotator must lie between 1 and 10"),
        ({"noise": 1.5}, "noise must lie between 0 and 1"),
        ({"temperature": 0.0}, "temperature must be positive"),
    ],
)
def test_bad_numbers(options, message):
    model, d = fitted("binary")
    with pytest.raises(ValueError, match=message):
        simulate_annotators(model, d.X[:10], **options)
