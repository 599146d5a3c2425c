"""When alpha="auto" puts numeric columns under a ridge."""

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
)
from bead_sklearn.tasks._ridge import takes_ridge

pd = pytest.importorskip("pandas")


@pytest.mark.parametrize(
    ("n_columns", "enough"),
    [(1, 10), (2, 20), (4, 40), (5, 60), (10, 160), (100, 1960)],
)
def test_enough_responses(n_columns, enough):
    assert takes_ridge("auto", enough - 1, n_columns)
    assert not takes_ridge("auto", enough, n_columns)


def test_alpha_decides_itself():
    assert not takes_ridge("auto", 0, 0)
    assert not takes_ridge(0, 1, 50)
    assert takes_ridge(1.0, 1e6, 1)
    assert not takes_ridge(1.0, 1e6, 0)


def is_under_ridge(model, y, n_columns, **fit):
    X = np.random.RandomState(0).normal(size=(len(y), n_columns))
    fitted = model.fit(X, y, **fit)
    assert (fitted.alpha_ > 0) == bool(fitted._features.ridge_names_)
    return bool(fitted._features.ridge_names_)


def labels(*counts):
    rows = np.repeat(np.arange(len(counts)), counts)
    return np.random.RandomState(1).permutation(rows)


@pytest.mark.parametrize(
    ("model", "few", "enough", "n_columns"),
    [
        (BinaryClassifier, labels(300, 19), labels(300, 20), 2),
        (BinaryClassifier, labels(59, 59), labels(60, 60), 5),
        (CategoricalClassifier, labels(19, 90, 90), labels(20, 90, 90), 2),
        # 36 - 3 * 12^3 / 36^2 = 32, 48 - 3 * 16^3 / 48^2 = 42.7.
        (OrdinalScaleClassifier, labels(12, 12, 12), labels(16, 16, 16), 4),
        (MagnitudeRegressor, np.arange(19.0), np.arange(20.0), 2),
    ],
)
@pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning")
def test_what_counts(model, few, enough, n_columns):
    assert is_under_ridge(model(), few, n_columns)
    assert not is_under_ridge(model(), enough, n_columns)
    assert not is_under_ridge(model(alpha=0), few, n_columns)


@pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning")
def test_the_rarest_label_counts():
    often = labels(50, 50)
    for n_rare, expected in ((19, True), (20, False)):
        y = np.column_stack([often, labels(100 - n_rare, n_rare)])
        assert is_under_ridge(MultiSelectClassifier(), y, 2) is expected


@pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning")
def test_weights_count():
    y = labels(15, 15)
    assert is_under_ridge(BinaryClassifier(), y, 2)
    assert not is_under_ridge(BinaryClassifier(), y, 2, sample_weight=np.full(30, 2.0))


@pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning")
@pytest.mark.parametrize(("n", "expected"), [(29, True), (30, False)])
def test_choices(n, expected):
    # Two columns of attributes among three options: n * (1 - 1 / 3) against 20.
    rng = np.random.RandomState(0)
    names = [f"{attribute}_{option}" for option in "abc" for attribute in "uv"]
    frame = pd.DataFrame(rng.normal(size=(n, 6)), columns=names)
    y = np.array(list("abc"))[np.arange(n) % 3]
    options = {o: {a: f"{a}_{o}" for a in "uv"} for o in "abc"}
    model = ForcedChoiceClassifier(options=options)
    model.fit(frame, y)
    assert model._ridge_on_numbers is expected
    assert model._features.ridge_numeric_ is expected
