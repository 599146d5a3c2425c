"""Functions for modAL inside our search."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold

import bead_sklearn.modal as modal
from bead_sklearn.active_learning import ActiveLearner, ActiveLearningSearch
from bead_sklearn.query import from_modal, get_query_strategy
from bead_sklearn.query._modal import is_modal_function

X, Y = load_iris(return_X_y=True)
LR = LogisticRegression(max_iter=1000)
FOREST = RandomForestClassifier(8, random_state=0)


def search(strategy, estimator=LR, **params):
    params = {"batch_size": 4, "n_initial": 9, "max_labels": 21} | params
    return ActiveLearningSearch(estimator, strategy, random_state=0, **params)


@pytest.mark.parametrize(
    ("function", "name", "estimator"),
    [
        (modal.uncertainty_sampling, "least_confidence", LR),
        (modal.margin_sampling, "margin", LR),
        (modal.entropy_sampling, "entropy", LR),
        (modal.vote_entropy_sampling, "vote_entropy", FOREST),
        (modal.consensus_entropy_sampling, "consensus_entropy", FOREST),
        (modal.max_disagreement_sampling, "max_kl", FOREST),
    ],
)
def test_same_order_as_ours(function, name, estimator):
    fitted = clone(estimator).fit(X[::15], Y[::15])
    strategy = from_modal(function)
    mine = get_query_strategy(name)(fitted, X)
    utilities = strategy(fitted, X)
    assert np.argsort(utilities, kind="stable").tolist() == (
        np.argsort(mine, kind="stable").tolist()
    )
    rows, _ = strategy(fitted, X, n_instances=6)
    assert utilities[rows].tolist() == np.sort(utilities)[::-1][:6].tolist()
    run = search(function, estimator).fit(X, Y)
    assert run.labeled_.sum() == 21


def test_functions_are_recognised():
    assert is_modal_function(modal.margin_sampling)
    assert not is_modal_function(lambda estimator, X: np.ones(len(X)))
    assert not is_modal_function(get_query_strategy("margin"))
    assert not is_modal_function("margin")


def test_ranked_batches():
    strategy = from_modal(modal.uncertainty_batch_sampling, score_all=False)
    run = search(strategy).fit(X, Y)
    assert (run.history_["utility_max"][:-1] == 0).all()
    learner = ActiveLearner(LR, strategy, X_training=X[::15], y_training=Y[::15])
    other = modal.ActiveLearner(
        clone(LR), modal.uncertainty_batch_sampling, X[::15], Y[::15]
    )
    assert learner.query(X, 5)[0].tolist() == other.query(X, n_instances=5)[0].tolist()


def test_random_functions():
    def at_random(learner, X_pool, n_instances=1):
        return np.random.RandomState(0).permutation(len(X_pool))[:n_instances]

    run = search(at_random).fit(X, Y)
    assert run.labeled_.sum() == 21


def test_grids_and_pickles():
    grid = GridSearchCV(
        search(None, max_labels=15),
        {"strategy": [modal.margin_sampling, from_modal(modal.entropy_sampling)]},
        cv=GroupKFold(3),
        error_score="raise",
    ).fit(X, Y, groups=np.arange(150) % 10)
    assert grid.best_score_ > 0.7
    again = pickle.loads(pickle.dumps(from_modal(modal.margin_sampling)))
    assert again.function is modal.margin_sampling


def test_bad_functions():
    with pytest.raises(ValueError, match="Wrap the estimator in CommitteeClassifier"):
        search(modal.vote_entropy_sampling).fit(X, Y)

    def short(learner, X_pool, n_instances=1):
        return np.arange(n_instances - 1)

    with pytest.raises(ValueError, match="short must return"):
        search(short).fit(X, Y)


def test_the_real_functions():
    pytest.importorskip("modAL", reason="needs modAL-python (install with --no-deps)")
    from modAL.batch import uncertainty_batch_sampling
    from modAL.disagreement import vote_entropy_sampling
    from modAL.uncertainty import entropy_sampling, margin_sampling

    for function, name in ((margin_sampling, "margin"), (entropy_sampling, "entropy")):
        theirs, ours = search(function).fit(X, Y), search(name).fit(X, Y)
        for one, other in zip(theirs.queries_, ours.queries_, strict=True):
            assert set(one) == set(other)
    run = search(from_modal(uncertainty_batch_sampling, score_all=False)).fit(X, Y)
    mine = search(from_modal(modal.uncertainty_batch_sampling, score_all=False)).fit(
        X, Y
    )
    assert [q.tolist() for q in run.queries_] == [q.tolist() for q in mine.queries_]
    run = search(vote_entropy_sampling, FOREST).fit(X, Y)
    assert run.labeled_.sum() == 21
