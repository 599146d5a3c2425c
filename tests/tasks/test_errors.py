"""Bad input: one clear error each, and warnings that name the cause."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from bead_sklearn import BinaryClassifier, MagnitudeRegressor, MixedEffects
from bead_sklearn.exceptions import SeparationWarning, SingularFitWarning
from bead_sklearn.families import Normal

pd = pytest.importorskip("pandas")

TEXTS = ["a dog", "a cat", "the dog", "the cat", "one dog", "one cat"] * 5
LABELS = ["yes", "no", "yes", "yes", "no", "no"] * 5
NUMBERS = np.arange(30.0) % 7
GROUPS = np.repeat(["ann", "ben", "cem"], 10)
FRAME = pd.DataFrame({"text": TEXTS, "trial": NUMBERS, "participant": GROUPS})


def replaced(values, row, value):
    values = list(values)
    values[row] = value
    return values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": LABELS[:-1]}, r"inconsistent numbers of samples: \[30, 29\]"),
        ({"groups": GROUPS[:-1]}, "groups.*29.*30"),
        ({"sample_weight": np.ones(29)}, "sample_weight.shape"),
        ({"sample_weight": -np.ones(30)}, "Negative values.*sample_weight"),
        ({"sample_weight": np.zeros(30)}, "weight"),
        ({"groups": replaced(GROUPS, 4, "")}, "groups.*row 4"),
        ({"groups": replaced(GROUPS, 4, None)}, "groups.*row 4"),
        ({"groups": replaced(GROUPS, 4, float("nan"))}, "groups.*row 4"),
        ({"y": replaced(LABELS, 7, None)}, "y contains missing values.*row 7"),
        ({"y": None}, "requires y to be passed"),
        ({"X": replaced(TEXTS, 3, None)}, "'text'.*missing text.*row 3"),
        ({"y": ["yes"] * 30}, r"only one class among its 30 judgments.*\['yes'\]"),
        ({"y": ["a", "b", "c"] * 10}, "Only binary.*3 labels \\('a', 'b', 'c'\\)"),
        ({"X": [], "y": [], "groups": None}, "X is empty.*0 samples"),
    ],
)
def test_data_errors(changes, message):
    arguments = {"X": TEXTS, "y": LABELS, "groups": GROUPS, "sample_weight": None}
    arguments |= changes
    X, y = arguments.pop("X"), arguments.pop("y")
    model = BinaryClassifier()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **arguments)
    with pytest.raises(NotFittedError):
        model.predict(TEXTS)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mixed_effects": "random"}, "mixed_effects must be one of.*Got 'random'"),
        ({"mixed_effects": "(1 | participant"}, "at character 17"),
        ({"mixed_effects": "(1 | worker)"}, "'worker'.*'participant'"),
        ({"mixed_effects": "(1 + age | participant)"}, "'age'.*'trial'"),
        ({"mixed_effects": "(1 | groups)"}, "names the factor 'groups'.*groups="),
        ({"mixed_effects": "random_intercepts"}, "needs participant ids.*groups="),
        ({"mixed_effects": "(1 | participant) + (1 + trial | participant)"}, "twice"),
        ({"family": "normal"}, "Unknown family 'normal'.*'bernoulli'"),
        ({"family": Normal()}, "is for real responses"),
        ({"positive_class": "maybe"}, "'maybe' is not among the labels.*'no', 'yes'"),
        ({"text_columns": ["sentence"]}, "'sentence'"),
        ({"alpha": -1}, "'alpha' parameter of BinaryClassifier"),
        ({"population": "all"}, "'population' parameter of BinaryClassifier"),
        ({"mixed_effects": MixedEffects("other")}, "'mode' parameter of MixedEffects"),
    ],
)
def test_parameter_errors(parameters, message):
    with pytest.raises(ValueError, match=message):
        BinaryClassifier(**parameters).fit(FRAME, LABELS)


def test_formula_without_the_column():
    with pytest.raises(ValueError, match=r"'participant'.*'text', 'trial'"):
        BinaryClassifier(mixed_effects="(1 | participant)").fit(
            FRAME[["text", "trial"]], LABELS
        )


def test_formula_over_an_array_without_names():
    with pytest.raises(ValueError, match="DataFrame"):
        BinaryClassifier(mixed_effects="(1 | participant)").fit(
            NUMBERS[:, None], LABELS
        )


def test_prediction_with_other_columns():
    model = BinaryClassifier().fit(FRAME[["text", "trial"]], LABELS)
    with pytest.raises(ValueError, match="trial"):
        model.predict(FRAME[["text"]])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_magnitudes_must_be_finite(bad):
    with pytest.raises(ValueError, match=r"y contains (missing|infinity)"):
        MagnitudeRegressor().fit(TEXTS, replaced(NUMBERS, 2, bad))


def test_magnitudes_must_be_numbers():
    with pytest.raises(ValueError, match="could not convert string to float: 'yes'"):
        MagnitudeRegressor().fit(TEXTS, LABELS)


def test_quantiles_are_checked():
    model = MagnitudeRegressor().fit(TEXTS, NUMBERS)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        model.predict_dist(TEXTS, quantiles=[0.5, 1.0])


def test_unpenalised_columns_must_be_fewer_than_judgments():
    X = np.random.RandomState(0).normal(size=(20, 30))
    with pytest.raises(ValueError, match="30 unpenalised columns for 20 judgments"):
        MagnitudeRegressor(alpha=0).fit(X, X[:, 0])


def test_separation_is_named():
    rng = np.random.RandomState(0)
    X = pd.DataFrame({"age": rng.normal(size=200), "score": rng.normal(size=200)})
    y = (X["score"] > 0.1).astype(int)
    with pytest.warns(SeparationWarning, match="'score' predicts"):
        BinaryClassifier().fit(X, y)
    with pytest.warns(SeparationWarning, match="'score'"):
        BinaryClassifier(alpha=0).fit(X, y, groups=np.repeat(np.arange(20), 10))


def test_constant_and_dependent_columns_are_named():
    rng = np.random.RandomState(0)
    X = pd.DataFrame({"age": rng.normal(size=100), "one": np.ones(100)})
    X["double"] = 2 * X["age"]
    y = X["age"] + rng.normal(size=100)
    with pytest.warns(UserWarning, match="2 column.*linear combination.*'one'"):
        model = MagnitudeRegressor().fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert (model.coef_ == 0).sum() == 2


def test_one_participant_has_no_variance():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(50, 1)), rng.normal(size=50)
    with pytest.warns(SingularFitWarning, match="'groups'.*one level only.*set to 0"):
        model = MagnitudeRegressor().fit(X, y, groups=["ann"] * 50)
    assert model.variance_components_[0].variance.tolist() == [0.0]
    np.testing.assert_allclose(
        model.predict(X), MagnitudeRegressor().fit(X, y).predict(X)
    )


def test_one_judgment_each_confounds_participant_and_residual():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(50, 1)), rng.normal(size=50)
    with pytest.warns(SingularFitWarning, match="one judgment only; it is set to 0"):
        MagnitudeRegressor().fit(X, y, groups=np.arange(50))


def test_constant_response_is_predicted_as_it_is():
    X = np.random.RandomState(0).normal(size=(40, 2))
    model = MagnitudeRegressor().fit(X, np.full(40, 3.0))
    np.testing.assert_allclose(model.predict(X), 3.0)
    assert model.sigma_ < 1e-6
    assert np.isfinite(model.log_likelihood_)


def test_too_few_iterations_are_reported():
    rng = np.random.RandomState(0)
    X = pd.DataFrame({"x": rng.normal(size=300), "g": rng.randint(20, size=300)})
    y = (rng.uniform(size=300) < 0.5 + 0.3 * (X["g"] % 2)).astype(int)
    model = BinaryClassifier(mixed_effects="(1 + x | g)", max_iter=1)
    with pytest.warns(ConvergenceWarning, match="did not converge after 1 iter.*grad"):
        model.fit(X, y)
    assert "Not converged" in str(model.summary())
