"""Quotas, balance and costs around other strategies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from bead_sklearn.active_learning import ActiveLearningSearch
from bead_sklearn.query import (
    Constrained,
    EntropySampling,
    ExpectedErrorReduction,
    KCenterSampling,
    PerCost,
    RandomSampling,
    UncertaintyHerding,
    get_query_strategy,
)


@pytest.fixture(scope="module")
def data():
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(X[::7], y[::7])
    return X, y, model


def test_without_limits_nothing_changes(data):
    X, y, model = data
    for strategy in (EntropySampling(), KCenterSampling(), UncertaintyHerding()):
        given = {"X_labeled": X[::7], "y_labeled": y[::7]}
        free = strategy.score_pool(model, X, **given)
        bound = Constrained(strategy).score_pool(model, X, **given)
        assert bound.select(20).tolist() == free.select(20).tolist()
        np.testing.assert_array_equal(bound.utilities, free.utilities)


@pytest.mark.parametrize(
    "strategy", [EntropySampling(), KCenterSampling(), RandomSampling(random_state=0)]
)
def test_quotas_of_participants(strategy, data):
    X, y, model = data
    groups = np.array(list("abcde"))[np.arange(150) % 5]
    known = ["a"] * 4 + ["b"] * 2
    scored = Constrained(strategy, max_per_group=4).score_pool(
        model,
        X,
        groups=groups,
        X_labeled=X[:6],
        y_labeled=y[:6],
        groups_labeled=known,
    )
    batch = scored.select(50)
    counts = {who: int((groups[batch] == who).sum()) for who in "abcde"}
    assert counts == {"a": 0, "b": 2, "c": 4, "d": 4, "e": 4}
    assert scored.select(3).tolist() == batch[:3].tolist()
    assert np.isfinite(scored.utilities).all()
    assert (scored.utilities[groups == "a"] == scored.utilities.min()).all()


def test_full_participants_take_no_part_in_the_choice(data):
    """They do not count as covered either."""
    X, _, model = data
    groups = np.where(np.arange(150) < 75, "full", "free")
    scored = Constrained(KCenterSampling(), max_per_group=30).score_pool(
        model, X, groups=groups, X_labeled=X[:1], groups_labeled=["full"] * 30
    )
    alone = KCenterSampling().score_pool(model, X[75:], X_labeled=X[:1])
    assert scored.select(10).tolist() == (75 + alone.select(10)).tolist()


def test_quotas_of_items(data):
    X, _, model = data
    frame = pd.DataFrame(X, columns=list("wxyz")).assign(item=np.arange(150) // 3)
    model = LogisticRegression(max_iter=500).fit(frame, data[1])
    strategy = Constrained(EntropySampling(), max_per_item=1, item="item")
    batch = strategy.score_pool(model, frame, X_labeled=frame[:3]).select(30)
    items = frame["item"].to_numpy()[batch]
    assert len(set(items.tolist())) == 30
    assert 0 not in items
    by_function = Constrained(
        EntropySampling(), max_per_item=1, item=lambda rows: rows["item"]
    )
    again = by_function.score_pool(model, frame, X_labeled=frame[:3]).select(30)
    assert again.tolist() == batch.tolist()


def test_balanced_classes(data):
    X, y, model = data
    known = np.concatenate([np.arange(8), [60], [120]])
    strategy = Constrained(EntropySampling(), balance=True)
    batch = strategy.score_pool(
        model, X, X_labeled=X[known], y_labeled=y[known]
    ).select(8)
    predicted = model.predict(X[batch])
    # Eight labels of the first class are there; the others catch up.
    assert np.bincount(predicted, minlength=3).tolist() == [0, 4, 4]


def test_order_breaks_ties_within_quotas():
    model = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    pool = np.zeros((6, 1))
    strategy = Constrained(EntropySampling(), max_per_group=1)
    scored = strategy.score_pool(model, pool, groups=list("aabbcc"))
    assert scored.select(6).tolist() == [0, 2, 4]
    assert scored.select(6, np.arange(6)[::-1]).tolist() == [5, 3, 1]


def test_errors(data):
    X, _, model = data
    with pytest.raises(ValueError, match="max_per_group=2 needs groups"):
        Constrained(EntropySampling(), max_per_group=2)(model, X)
    with pytest.raises(ValueError, match="max_per_item=2 needs item"):
        Constrained(EntropySampling(), max_per_item=2)(model, X)
    with pytest.raises(ValueError, match="needs a column"):
        Constrained(EntropySampling(), max_per_item=2, item="item")(model, X)
    frame = pd.DataFrame(X, columns=list("wxyz"))
    model = LogisticRegression(max_iter=500).fit(frame, data[1])
    with pytest.raises(ValueError, match="item='item' is no column"):
        Constrained(EntropySampling(), max_per_item=2, item="item")(model, frame)


def test_costs(data):
    X, _, model = data
    entropy = EntropySampling()(model, X)
    cost = np.linspace(1, 10, 150)
    strategy = PerCost(EntropySampling(), cost=lambda rows: cost)
    np.testing.assert_allclose(strategy(model, X), entropy / cost)
    np.testing.assert_allclose(
        PerCost(EntropySampling(), cost=0)(model, X), entropy / X[:, 0]
    )
    with pytest.raises(ValueError, match="must be positive, got 0"):
        PerCost(EntropySampling(), cost=lambda rows: np.zeros(150))(model, X)
    with pytest.raises(ValueError, match="one value per row"):
        PerCost(EntropySampling(), cost=lambda rows: [1.0])(model, X)


def test_negative_utilities_prefer_cheap_rows(data):
    X, y, model = data
    inner = ExpectedErrorReduction(n_reference=None)
    given = {"X_labeled": X[::7], "y_labeled": y[::7]}
    utilities = inner(model, X, **given)
    worse = np.flatnonzero(utilities < 0)
    assert len(worse)
    doubled = PerCost(inner, cost=lambda rows: np.full(150, 2.0))(model, X, **given)
    np.testing.assert_allclose(doubled[worse], 2 * utilities[worse])


@pytest.mark.parametrize("name", ["entropy", "k_center"])
def test_names_stand_for_strategies(name, data):
    X, _, model = data
    cost = np.linspace(1, 10, 150)
    chosen = [
        Constrained(strategy, max_per_item=2, item=0).score_pool(model, X).select(9)
        for strategy in (name, get_query_strategy(name))
    ]
    np.testing.assert_array_equal(*chosen)
    utilities = PerCost(name, cost=lambda rows: cost)(model, X)
    expected = PerCost(get_query_strategy(name), cost=lambda rows: cost)(model, X)
    np.testing.assert_array_equal(utilities, expected)


def test_named_strategies_draw_by_the_seed_of_the_search(data):
    X, y, _ = data
    strategy = Constrained("random", max_per_item=20, item=0)
    searches = [
        ActiveLearningSearch(
            LogisticRegression(max_iter=500), strategy, max_labels=40, random_state=seed
        ).fit(X, y)
        for seed in (0, 0, 1)
    ]
    first, again, other = (np.concatenate(s.queries_).tolist() for s in searches)
    assert first == again != other


def test_an_unknown_name_is_an_error(data):
    X, _, model = data
    with pytest.raises(ValueError, match="Unknown query strategy 'luck'"):
        Constrained("luck")(model, X)


def test_parameters_are_nested():
    strategy = Constrained(
        PerCost(RandomSampling(random_state=1), cost=0), balance=True
    )
    assert strategy.get_params()["strategy__strategy__random_state"] == 1
    copy = clone(strategy).set_params(strategy__strategy__random_state=5)
    assert copy.strategy.strategy.random_state == 5
    assert strategy.capabilities.is_random
