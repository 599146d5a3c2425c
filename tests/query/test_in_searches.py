"""Strategies inside the search and the learner."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import config_context
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold

from bead_sklearn import BinaryClassifier
from bead_sklearn.active_learning import ActiveLearner, ActiveLearningSearch
from bead_sklearn.datasets import make_judgments
from bead_sklearn.query import (
    CommitteeClassifier,
    Constrained,
    EntropySampling,
    JointAOptimal,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::bead_sklearn.exceptions.SingularFitWarning"
)

NAMES = ["k_center", "badge", "ranked_batch", "uncertainty_herding", "batch_bald"]


@pytest.mark.parametrize("name", NAMES)
def test_batches_of_a_search_are_those_of_the_strategy(name):
    X, y = load_iris(return_X_y=True)
    X = X + np.random.default_rng(0).normal(scale=1e-3, size=X.shape)
    options = {"batch_size": 6, "max_iterations": 3, "random_state": 0}
    search = ActiveLearningSearch(
        LogisticRegression(max_iter=1000), name, n_initial=12, **options
    ).fit(X, y)
    assert [len(batch) for batch in search.queries_] == [6, 6, 6]
    again = ActiveLearningSearch(
        LogisticRegression(max_iter=1000), name, n_initial=12, **options
    ).fit(X, y)
    for one, two in zip(search.queries_, again.queries_, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_session_asks_for_the_same_batch_twice():
    X, y = load_iris(return_X_y=True)
    search = ActiveLearningSearch(
        LogisticRegression(max_iter=1000), "k_center", n_initial=12, random_state=0
    ).start(X)
    rows = search.ask(12)
    search.tell(rows, y[rows])
    batch = search.ask(5)
    assert search.ask(5).tolist() == batch.tolist()
    assert search.ask(3).tolist() == batch[:3].tolist()


def test_a_learner_queries_in_batches():
    X, y = load_iris(return_X_y=True)
    learner = ActiveLearner(
        LogisticRegression(max_iter=1000),
        "k_center",
        X_training=X[::10],
        y_training=y[::10],
    )
    indices, rows = learner.query(X, n_instances=4)
    assert len(set(indices.tolist())) == 4
    np.testing.assert_array_equal(rows, X[indices])


@pytest.mark.parametrize("routing", [False, True])
def test_joint_designs_with_participants(routing):
    d = make_judgments("binary", n_participants=8, n_items=15, random_state=0)
    with config_context(enable_metadata_routing=routing):
        search = ActiveLearningSearch(
            BinaryClassifier(alpha=1.0),
            "joint_a_optimal",
            n_initial=30,
            batch_size=5,
            max_iterations=2,
            random_state=0,
        ).fit(d.X, d.y, groups=d.groups)
        batch = search.queries_[0]
        assert len(batch) == 5
        limited = ActiveLearningSearch(
            BinaryClassifier(alpha=1.0),
            Constrained(JointAOptimal(), max_per_group=8),
            n_initial=30,
            batch_size=5,
            max_iterations=2,
            random_state=0,
        ).fit(d.X, d.y, groups=d.groups)
        groups = np.asarray(d.groups)
        for rows in limited.queries_:
            counts = np.unique(groups[limited.labeled_], return_counts=True)[1]
            assert len(rows) == 5
            assert counts.max() <= 8


def test_quotas_end_a_search():
    X, y = load_iris(return_X_y=True)
    groups = np.arange(150) % 5
    search = ActiveLearningSearch(
        LogisticRegression(max_iter=500),
        Constrained(EntropySampling(), max_per_group=6),
        n_initial=10,
        batch_size=7,
        random_state=0,
    ).fit(X, y, groups=groups)
    assert search.stopped_by_ == "no_candidates"
    counts = np.bincount(groups[search.labeled_], minlength=5)
    assert (counts == 6).all()


def test_unsuitable_strategies_are_refused_before_fitting():
    X, y = load_iris(return_X_y=True)
    search = ActiveLearningSearch(LogisticRegression(), "vote_entropy")
    with pytest.raises(ValueError, match="Wrap the estimator in CommitteeClassifier"):
        search.fit(X, y)


def test_strategies_in_a_grid_search():
    X, y = load_iris(return_X_y=True)
    groups = np.arange(150) % 6
    search = ActiveLearningSearch(
        CommitteeClassifier(LogisticRegression(max_iter=500), random_state=0),
        n_initial=12,
        batch_size=6,
        max_iterations=2,
        random_state=0,
    )
    grid = GridSearchCV(
        search,
        {"strategy": ["mean_kl", Constrained(EntropySampling(), balance=True)]},
        cv=GroupKFold(2),
    ).fit(X, y, groups=groups)
    assert np.isfinite(grid.cv_results_["mean_test_score"]).all()
