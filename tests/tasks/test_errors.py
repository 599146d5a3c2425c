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
    model = MagnitudeRegressor(alpha=1.0).fit(TEXTS, NUMBERS)
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
    with pytest.warns(SingularFitWarning, match="y is constant: all 40 .* are 3"):
        model = MagnitudeRegressor().fit(X, np.full(40, 3.0))
    np.testing.assert_allclose(model.predict(X), 3.0)
    assert model.sigma_ < 1e-6
    assert np.isfinite(model.log_likelihood_)


@pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning")
def test_too_few_iterations_are_reported():
    rng = np.random.RandomState(0)
    X = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
    X["g"] = rng.randint(20, size=300)
    u = rng.normal(size=(20, 3)) @ [[1.0, 0.8, 0.3], [0.0, 0.7, -0.5], [0.0, 0.0, 0.6]]
    eta = 2 * X["a"] + u[X["g"], 0] + u[X["g"], 1] * X["a"] + u[X["g"], 2] * X["b"]
    y = (rng.uniform(size=300) < 1 / (1 + np.exp(-eta))).astype(int)
    model = BinaryClassifier(mixed_effects="(1 + a + b | g)", max_iter=1)
    with pytest.warns(ConvergenceWarning, match="did not converge after 1 iter.*grad"):
        model.fit(X, y)
    assert "Not converged" in str(model.summary())


@pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning")
def test_separation_beside_text_is_named():
    rng = np.random.RandomState(0)
    X = pd.DataFrame({"text": [TEXTS[i % 30] for i in range(200)]})
    X["score"] = rng.normal(size=200)
    with pytest.warns(SeparationWarning, match="'score' predicts"):
        BinaryClassifier().fit(X, (X["score"] > 0.1).astype(int))


def test_groups_under_another_name_are_refused():
    rng = np.random.RandomState(0)
    X, ids = rng.normal(size=(60, 1)), np.repeat(np.arange(6), 10)
    y = ids + rng.normal(size=60)
    by_name = MagnitudeRegressor().fit(X, y, groups=pd.DataFrame({"participant": ids}))
    known = by_name.predict(X, groups=pd.DataFrame({"participant": ids}))
    np.testing.assert_array_equal(by_name.predict(X, groups=ids), known)
    with pytest.raises(ValueError, match=r"ids of \['rater'\].*\['participant'\]"):
        by_name.predict(X, groups=pd.DataFrame({"rater": ids}))


def test_weights_must_count_judgments():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(50, 1)), rng.normal(size=50)
    effects = MixedEffects(variance_estimation_method="reml")
    model = MagnitudeRegressor(mixed_effects=effects, alpha=0)
    with pytest.raises(ValueError, match="sum of sample_weight, 1, is not larger"):
        model.fit(X, y, sample_weight=np.full(50, 0.02))


def test_table_ids_have_a_row_each():
    model = MagnitudeRegressor(alpha=1.0).fit(TEXTS, NUMBERS)
    with pytest.raises(ValueError, match="each of the 30 rows"):
        model.predict_table(TEXTS, ids=["a"])


def test_held_variance_is_held_however_few_the_judgments():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(20, 1)), np.arange(20) % 2
    effects = MixedEffects(prior_variance=2.0, estimate_variance_components=False)
    model = BinaryClassifier(mixed_effects=effects)
    model.fit(X, y, groups=np.repeat(np.arange(10), 2))
    assert model.variance_components_[0].variance.tolist() == pytest.approx([2.0])


def test_columns_named_in_groups_are_not_features():
    frame = pd.DataFrame(
        {"x": np.arange(60.0) % 7, "part": np.repeat(list("abcdef"), 10)}
    )
    y = frame["x"] + np.repeat([0, 3, 1, 5, 2, 8], 10) + np.sin(np.arange(60))
    model = MagnitudeRegressor(mixed_effects="(1 | part)")
    model.fit(frame, y, groups=frame[["part"]])
    assert model.coef_names_ == ["x"]


def test_large_origins_do_no_harm():
    rng = np.random.RandomState(0)
    X = pd.DataFrame({"year": 1.7e9 + 100 * rng.normal(size=200)})
    y = 1e9 + 0.02 * (X["year"] - 1.7e9) + rng.normal(size=200)
    model = MagnitudeRegressor().fit(X, y)
    assert model.coef_[0] == pytest.approx(0.02, rel=0.1)
    assert model.sigma_ == pytest.approx(1.0, rel=0.2)


def test_named_columns_under_the_ridge_are_standardised():
    rng = np.random.RandomState(0)
    X = pd.DataFrame(rng.normal(size=(60, 7)) * [300, 1, 1, 1, 1, 1, 0.1])
    X.columns = list("abcdefg")
    y = 20 * X["g"] + 0.5 * rng.normal(size=60)
    model = MagnitudeRegressor().fit(X, y)
    assert model.alpha_ > 0
    assert model.score(X, y) > 0.9
