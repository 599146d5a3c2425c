"""A router assigns what the strategy chose."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from bead_sklearn.active_learning import ActiveLearningSearch
from bead_sklearn.routing import AnnotatorRouter


@pytest.fixture(scope="module")
def study():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    quality = np.column_stack([X[:, 0], -X[:, 0], np.zeros(80)])
    router = AnnotatorRouter(annotators=["ann", "bob", "cem"], random_state=0)
    return X, (X.sum(axis=1) > 0).astype(int), router.fit(X, quality)


def test_batches_are_assigned_by_expected_reward(study):
    X, y, router = study
    search = ActiveLearningSearch(
        LogisticRegression(),
        router=partial(router.route, capacity=3),
        batch_size=6,
        max_labels=28,
        random_state=0,
    ).fit(X, y)
    assert [len(batch) for batch in search.queries_] == [6, 6, 6]
    for rows, participants in zip(search.queries_, search.assignments_, strict=True):
        assert max(list(participants).count(name) for name in "abc") <= 3
        np.testing.assert_array_equal(participants, router.route(X[rows], capacity=3))
    free = ActiveLearningSearch(
        LogisticRegression(), router=router, max_labels=20, random_state=0
    ).fit(X, y)
    best = np.where(X[free.queries_[0], 0] > 0, "ann", "bob")
    assert (free.assignments_[0] == best).mean() > 0.8
    # Who answers changes nothing in a simulation whose labels are settled.
    alone = clone(free).set_params(router=None).fit(X, y)
    np.testing.assert_array_equal(alone.queries_[0], free.queries_[0])
    assert not hasattr(alone, "assignments_")


def test_a_session_assigns_what_it_asks(study):
    X, y, router = study
    search = ActiveLearningSearch(LogisticRegression(), router=router, random_state=0)
    search.start(X)
    rows = search.ask(9)
    participants = search.assign(rows, capacity=3)
    assert sorted(participants) == ["ann"] * 3 + ["bob"] * 3 + ["cem"] * 3
    assert search.assign(rows, n_per_item=2).shape == (9, 2)
    search.tell(rows, y[rows], groups=participants)
    with pytest.raises(ValueError, match="3 too few"):
        search.assign(rows, capacity=2)


def test_without_a_router(study):
    X, _, _ = study
    search = ActiveLearningSearch(LogisticRegression()).start(X)
    with pytest.raises(ValueError, match="assign needs a router"):
        search.assign([0, 1])
    search = ActiveLearningSearch(LogisticRegression(), router=lambda rows: ["one"])
    with pytest.raises(ValueError, match="returned 1 assignment"):
        search.start(X).assign([0, 1])
