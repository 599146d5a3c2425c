from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.utils._param_validation import InvalidParameterError

from bead_sklearn.active_learning import (
    ActiveLearningSearch,
    Convergence,
    MaxIterations,
    MaxLabels,
    SearchState,
    StoppingRule,
)

X, Y = load_iris(return_X_y=True)
LR = LogisticRegression(max_iter=1000)


def state(scores, **columns):
    n = len(scores)
    history = {
        "score": np.array(scores),
        "n_labels": 10 * np.arange(1, n + 1),
    } | columns
    return SearchState(n - 1, 10 * n, history, None, np.ones(3))


def fit(stopping, **params):
    params = {"validation": 0.3, "batch_size": 5, "random_state": 0} | params
    return ActiveLearningSearch(LR, "random", stopping=stopping, **params).fit(X, Y)


@pytest.mark.parametrize(
    ("scores", "patience", "min_delta", "stop"),
    [
        ([0.5], 1, 0.0, False),
        ([0.5, 0.6], 1, 0.05, False),
        ([0.5, 0.54], 1, 0.05, True),
        ([0.5, 0.5], 1, 0.0, False),
        ([0.5, 0.4], 1, 0.0, True),
        ([0.5, 0.8, 0.7, 0.75], 2, 0.01, True),
        ([0.5, 0.8, 0.7, 0.82], 2, 0.01, False),
        ([0.5, 0.8, 0.7, 0.75], 3, 0.01, False),
        ([0.9, 0.8, 0.7, 0.75], 3, 0.01, True),
    ],
)
def test_convergence(scores, patience, min_delta, stop):
    rule = Convergence(patience=patience, min_delta=min_delta)
    assert rule(state(scores)) is stop
    lower = Convergence(
        "loss", patience=patience, min_delta=min_delta, greater_is_better=False
    )
    assert lower(state(scores, loss=-np.array(scores))) is stop


def test_convergence_does_not_depend_on_the_level():
    scores = np.array([0.5, 0.8, 0.7, 0.805])
    rule = Convergence(patience=2)
    assert rule(state(scores)) == rule(state(scores - 100)) is True


def test_convergence_needs_its_column():
    with pytest.raises(ValueError, match=r"'loss'.*\['n_labels', 'score'\]"):
        Convergence("loss")(state([0.1, 0.2]))


def test_counts():
    assert [MaxIterations(2)(state([0.0] * n)) for n in (1, 2, 3, 4)] == [0, 0, 1, 1]
    assert [MaxLabels(25)(state([0.0] * n)) for n in (1, 2, 3, 4)] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    "rule",
    [
        MaxIterations(-1),
        MaxLabels(0),
        Convergence(patience=0),
        Convergence(min_delta=-1.0),
    ],
)
def test_bad_parameters(rule):
    with pytest.raises(InvalidParameterError):
        rule(state([0.1]))


def test_rules_end_a_search():
    model = fit(MaxIterations(3))
    assert model.stopped_by_ == "MaxIterations"
    assert len(model.queries_) == 3
    model = fit(MaxLabels(22))
    assert model.stopped_by_ == "MaxLabels"
    assert model.history_["n_labels"].tolist() == [10, 15, 20, 25]
    model = fit([MaxLabels(50), Convergence(patience=2, min_delta=0.05)])
    assert model.stopped_by_ == "Convergence"
    scores = model.history_["score"]
    assert scores[-2:].max() < scores[:-2].max() + 0.05


def test_any_callable_is_a_rule():
    seen = []

    def sure_enough(state):
        seen.append(state)
        return state.utilities.max() < 2.0

    model = fit(sure_enough)
    assert model.stopped_by_ == "sure_enough"
    assert seen[0].iteration == 0
    assert seen[0].n_labels == 10
    assert len(seen[0].utilities) == 150 - 45 - 10
    assert seen[0].history["score"].shape == (1,)
    assert seen[0].estimator.predict(X).shape == (150,)


def test_rules_that_read_scores_need_validation_data():
    with pytest.raises(ValueError, match="validation is None"):
        fit(Convergence(), validation=None)
    fit(Convergence("utility_max"), validation=None)


@pytest.mark.parametrize("stopping", [MaxLabels, [3], [MaxLabels]])
def test_what_is_no_rule(stopping):
    with pytest.raises(TypeError, match="must be a rule"):
        fit(stopping)


def test_rules_can_be_searched_and_cloned():
    model = ActiveLearningSearch(LR, stopping=Convergence())
    model.set_params(stopping__patience=7)
    assert clone(model).stopping.patience == 7


def test_own_rules():
    class Never(StoppingRule):
        def _stop(self, state):
            return False

    assert fit(Never(), max_labels=30).stopped_by_ == "max_labels"
