from __future__ import annotations

import sys

import numpy as np
import pytest
from matplotlib import pyplot
from scipy.stats import t as student_t
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, Ridge

from bead_sklearn.active_learning import ActiveLearningSearch, LearningCurveDisplay

X, Y = load_iris(return_X_y=True)


def search(strategy="random", n_repeats=4, **params):
    params = {"max_labels": 40, "validation": 0.3, "random_state": 0} | params
    return ActiveLearningSearch(
        LogisticRegression(max_iter=1000), strategy, n_repeats=n_repeats, **params
    ).fit(X, Y)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def test_lines_and_bands_are_means_and_intervals():
    searches = {"margin": search("margin"), "baseline": search()}
    display = LearningCurveDisplay.from_estimators(searches)
    assert list(display.lines_) == list(display.bands_) == ["margin", "baseline"]
    for name, model in searches.items():
        curve = model.learning_curve_
        x, mean = display.lines_[name].get_data()
        np.testing.assert_array_equal(x, curve.n_labels)
        np.testing.assert_allclose(mean, curve.scores.mean(axis=0))
        half = student_t.ppf(0.975, 3) * curve.scores.std(axis=0, ddof=1) / 2
        box = display.bands_[name].get_datalim(display.ax_.transData)
        assert box.y0 == pytest.approx((mean - half).min())
        assert box.y1 == pytest.approx((mean + half).max())
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["margin", "baseline"]
    assert display.ax_.get_xlabel() == "Labels"
    assert display.ax_.get_ylabel() == "Accuracy"


def test_one_search_one_run():
    _, ax = pyplot.subplots()
    display = LearningCurveDisplay.from_search(search("margin", 1), ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert display.bands_ == {}
    assert ax.get_title(loc="left") == "margin"
    assert ax.get_legend() is None


def test_options():
    display = LearningCurveDisplay.from_search(
        search(scoring="balanced_accuracy"), name="mine", confidence=None
    )
    assert display.bands_ == {}
    assert list(display.lines_) == ["mine"]
    assert display.ax_.get_ylabel() == "Balanced accuracy"
    narrow = LearningCurveDisplay.from_search(search(), confidence=0.5)
    wide = LearningCurveDisplay.from_search(
        search(), confidence=0.99, score_name="hits"
    )
    heights = [
        next(iter(d.bands_.values())).get_datalim(d.ax_.transData).height
        for d in (narrow, wide)
    ]
    assert heights[0] < heights[1]
    assert wide.ax_.get_ylabel() == "hits"


def test_regression_axis():
    A, b = load_diabetes(return_X_y=True)
    model = ActiveLearningSearch(
        Ridge(), "random", max_labels=40, validation=0.3, random_state=0
    ).fit(A, b)
    assert LearningCurveDisplay.from_search(model).ax_.get_ylabel() == "R²"


def test_errors(monkeypatch):
    with pytest.raises(ValueError, match="no search"):
        LearningCurveDisplay.from_estimators({})
    with pytest.raises(AttributeError, match="validation"):
        LearningCurveDisplay.from_search(search(validation=None))
    model = search()
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        LearningCurveDisplay.from_search(model, confidence=95)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"bead-sklearn\[plots\]"):
        LearningCurveDisplay.from_search(model)
