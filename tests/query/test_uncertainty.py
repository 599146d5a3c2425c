from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier

from bead_sklearn.query import (
    EntropySampling,
    LeastConfidenceSampling,
    MarginSampling,
    get_query_strategy,
)

UNCERTAINTY = [EntropySampling(), MarginSampling(), LeastConfidenceSampling()]

# Members of a committee on five rows, from the golden values of seed 001.
MEMBERS = np.array(
    [
        [[0.5, 0.5], [1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.34, 0.66]],
        [[0.5, 0.5], [0.0, 1.0], [0.9, 0.1], [0.4, 0.6], [0.51, 0.49]],
        [[0.5, 0.5], [1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.52, 0.48]],
    ]
)


def test_entropy_golden():
    expected = [
        0.6931471805599453,
        0.6365141682948128,
        0.32508297339144826,
        0.6909233093138181,
        0.6893869094230165,
    ]
    scores = EntropySampling().compute_scores(MEMBERS.mean(axis=0))
    np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-16)


def test_a_certain_row_has_exactly_no_uncertainty():
    for strategy in UNCERTAINTY:
        scores = strategy.compute_scores([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        assert scores.tolist() == [0.0, 0.0]
        assert not np.signbit(scores).any()


def test_exact_values():
    p = [[0.5, 0.25, 0.25], [0.4, 0.4, 0.2]]
    np.testing.assert_allclose(
        EntropySampling().compute_scores(p),
        [1.5 * np.log(2), 0.8 * np.log(2.5) + 0.2 * np.log(5)],
        rtol=1e-15,
    )
    np.testing.assert_allclose(MarginSampling().compute_scores(p), [0.75, 1.0])
    np.testing.assert_allclose(LeastConfidenceSampling().compute_scores(p), [0.5, 0.6])


@pytest.mark.parametrize("strategy", UNCERTAINTY)
def test_one_class_only_is_certain(strategy):
    assert strategy.compute_scores(np.ones((2, 1))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("strategy", UNCERTAINTY)
def test_empty_pool(strategy):
    assert strategy.compute_scores(np.empty((0, 3))).shape == (0,)


@given(arrays(float, (6, 4), elements=st.floats(0.01, 1.0)), st.permutations(range(4)))
def test_relabelling_classes_changes_nothing(weights, order):
    p = weights / weights.sum(axis=1, keepdims=True)
    for strategy in UNCERTAINTY:
        np.testing.assert_allclose(
            strategy.compute_scores(p[:, order]), strategy.compute_scores(p), rtol=1e-12
        )


@given(arrays(float, (6, 2), elements=st.floats(0.01, 1.0)))
def test_two_classes_are_ranked_alike_by_all(weights):
    p = weights / weights.sum(axis=1, keepdims=True)
    closeness = -np.abs(p[:, 0] - 0.5)
    for strategy in UNCERTAINTY:
        scores = strategy.compute_scores(p)
        gap = scores[:, None] - scores
        expected = closeness[:, None] - closeness
        clear = np.abs(expected) > 1e-6
        assert (np.sign(gap)[clear] == np.sign(expected)[clear]).all()


def test_float32_gives_the_same_picks():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(5), size=500)
    for strategy in UNCERTAINTY:
        single = strategy.select(strategy.compute_scores(p.astype(np.float32)), 20)
        assert (
            single.tolist() == strategy.select(strategy.compute_scores(p), 20).tolist()
        )


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        ([[0.5, 0.6]], "sum to 1"),
        ([[0.5, 0.5], [np.nan, 0.5]], "row 1"),
        ([[1.5, -0.5]], "between 0 and 1"),
        ([0.5, 0.5], r"shape \(2,\)"),
        ([], "shape"),
    ],
)
@pytest.mark.parametrize("strategy", UNCERTAINTY)
def test_what_is_no_probability_is_refused(strategy, probabilities, message):
    with pytest.raises(ValueError, match=message):
        strategy.compute_scores(probabilities)


def test_multi_label_sums_bernoulli_entropies():
    p = np.array([[0.5, 0.5, 0.0], [0.9, 1.0, 0.0]])
    nine = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    np.testing.assert_allclose(
        EntropySampling().compute_scores(p, multi_label=True),
        [2 * np.log(2), nine],
        rtol=1e-14,
    )
    outputs = [np.stack([1 - column, column], axis=1) for column in p.T]
    for strategy in UNCERTAINTY:
        np.testing.assert_allclose(
            strategy.compute_scores(outputs),
            strategy.compute_scores(p, multi_label=True),
        )


def test_multi_label_estimators_of_both_kinds():
    X, Y = make_multilabel_classification(n_samples=60, n_classes=3, random_state=0)
    entropy = EntropySampling()
    wide = OneVsRestClassifier(LogisticRegression(max_iter=500)).fit(X, Y)
    expected = entropy.compute_scores(wide.predict_proba(X), multi_label=True)
    np.testing.assert_array_equal(entropy(wide, X), expected)
    np.testing.assert_array_equal(entropy(wide, X, X_labeled=X, y_labeled=Y), expected)
    forest = RandomForestClassifier(5, random_state=0).fit(X, Y)
    per_label = [
        EntropySampling().compute_scores(output) for output in forest.predict_proba(X)
    ]
    np.testing.assert_allclose(entropy(forest, X), np.sum(per_label, axis=0))


@pytest.mark.parametrize("strategy", UNCERTAINTY)
def test_utilities_are_the_scores_of_predict_proba(strategy):
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(X, y)
    np.testing.assert_array_equal(
        strategy(model, X), strategy.compute_scores(model.predict_proba(X))
    )


@pytest.mark.parametrize("name", ["entropy", "margin", "least_confidence"])
def test_a_regressor_is_refused_by_name(name):
    model = Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
    strategy = get_query_strategy(name)
    with pytest.raises(ValueError, match=rf"{type(strategy).__name__}.*Ridge.*random"):
        strategy(model, [[0.0]])
