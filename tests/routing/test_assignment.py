"""Routing under capacities, costs and exclusions."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bead_sklearn.routing import AnnotatorRouter, routing_gain
from bead_sklearn.routing._assignment import assign


@pytest.fixture(scope="module")
def router():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    Y = X @ rng.normal(size=(2, 3)) + np.array([2.0, 0.0, 0.0])
    return AnnotatorRouter(annotators=["a", "b", "c"], random_state=0).fit(X, Y), X


@given(seed=st.integers(0, 10_000), n_per_item=st.integers(1, 2))
def test_assignment_is_the_best_there_is(seed, n_per_item):
    rng = np.random.default_rng(seed)
    n_items, n_annotators = 4, 3
    utility = rng.normal(size=(n_items, n_annotators))
    allowed = rng.random(utility.shape) < 0.8
    capacity = rng.integers(0, 5, n_annotators)
    sets = [s for s in product([0, 1], repeat=n_annotators) if sum(s) == n_per_item]
    best = -np.inf
    for choice in product(sets, repeat=n_items):
        z = np.array(choice)
        if (z.sum(axis=0) <= capacity).all() and not (z[~allowed]).any():
            best = max(best, float((utility * z).sum()))
    if best == -np.inf:
        with pytest.raises(ValueError, match="cannot be"):
            assign(utility, n_per_item, capacity, allowed)
        return
    chosen = assign(utility, n_per_item, capacity, allowed)
    values = np.take_along_axis(utility, chosen, axis=1)
    assert values.sum() == pytest.approx(best)
    assert np.take_along_axis(allowed, chosen, axis=1).all()
    assert (np.bincount(chosen.ravel(), minlength=n_annotators) <= capacity).all()
    assert (np.diff(values, axis=1) <= 0).all()
    assert all(len(set(row)) == n_per_item for row in chosen.tolist())


def test_without_limits_the_best_are_asked(router):
    fitted, X = router
    table = fitted.predict(X)
    np.testing.assert_array_equal(
        fitted.route(X), np.array(["a", "b", "c"])[table.argmax(axis=1)]
    )
    names = fitted.route(X, 2)
    assert names.shape == (60, 2)
    assert all(len(set(row)) == 2 for row in names.tolist())


def test_capacities(router):
    fitted, X = router
    names = fitted.route(X, capacity=20)
    assert [list(names).count(name) for name in "abc"] == [20, 20, 20]
    names = fitted.route(X, capacity={"a": 5})
    assert list(names).count("a") == 5
    names = fitted.route(X, capacity=[0, 60, 60])
    assert "a" not in names
    # Better than one item after the other in the order of rewards.
    table, room = fitted.predict(X), np.full(3, 20)
    greedy = 0.0
    for row in table:
        order = [k for k in np.argsort(-row) if room[k]]
        room[order[0]] -= 1
        greedy += row[order[0]]
    columns = [list("abc").index(name) for name in fitted.route(X, capacity=20)]
    assert table[np.arange(60), columns].sum() > greedy


def test_costs_and_exclusions(router):
    fitted, X = router
    dear = fitted.route(X, cost={"a": 1.0}, trade_off=100.0)
    assert "a" not in dear
    free = fitted.route(X, cost={"a": 1.0}, trade_off=0.0)
    np.testing.assert_array_equal(free, fitted.route(X))
    np.testing.assert_array_equal(dear, fitted.route(X, exclude=["a"]))
    per_item = np.zeros((60, 3))
    per_item[0] = [100.0, 0.0, 100.0]
    assert fitted.route(X, cost=per_item, trade_off=1.0)[0] == "b"
    mask = np.zeros((60, 3), dtype=bool)
    mask[0, :2] = True
    names = fitted.route(X, exclude=mask)
    assert names[0] == "c"
    np.testing.assert_array_equal(names[1:], fitted.route(X)[1:])


def test_exploration(router):
    fitted, X = router
    best = fitted.route(X)
    drawn = fitted.route(X, epsilon=1.0, random_state=0)
    counts = [list(drawn).count(name) for name in "abc"]
    assert min(counts) >= 10
    some = fitted.route(X, epsilon=0.2, random_state=0)
    assert 0 < (some != best).sum() < 20
    np.testing.assert_array_equal(some, fitted.route(X, epsilon=0.2, random_state=0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"capacity": 19},
            "need 60 answers, and the annotators can give 57 of them, 3",
        ),
        ({"capacity": 25, "exclude": ["a"]}, "10 too few"),
        ({"exclude": ["a", "b", "c"]}, "item 0 has 0 that may be asked"),
        ({"exclude": ["z"]}, "exclude names unknown annotators: \\['z'\\]"),
        ({"exclude": np.zeros((2, 2), dtype=bool)}, "exclude must have the shape"),
        ({"capacity": {"z": 1}}, "capacity names unknown"),
        ({"capacity": -1}, "capacity must be whole numbers"),
        ({"capacity": [1, 2]}, "capacity must be whole numbers"),
        ({"capacity": 1.5}, "capacity must be whole numbers"),
        ({"n_per_item": 4}, "n_per_item must be an integer from 1"),
        ({"n_per_item": 0}, "n_per_item must be"),
        ({"trade_off": 1.0}, "needs cost"),
        ({"trade_off": -1.0, "cost": {"a": 1}}, "trade_off must be"),
        ({"cost": [1.0, 2.0], "trade_off": 1.0}, "cost must be of shape"),
        ({"cost": [1.0, 2.0, np.nan], "trade_off": 1.0}, "cost must be finite"),
        ({"cost": {"a": np.nan}, "trade_off": 1.0}, "cost must be finite"),
        ({"cost": {"a": "dear"}, "trade_off": 1.0}, "cost of 'a' must be a number"),
        ({"capacity": {"a": None}}, "capacity of 'a' must be a number"),
        ({"exclude": "a"}, "exclude must be a list of annotators"),
        ({"n_per_item": True}, "n_per_item must be an integer"),
        ({"epsilon": 1.5}, "epsilon must be a number from 0 to 1"),
    ],
)
def test_what_cannot_be_routed(router, options, message):
    fitted, X = router
    with pytest.raises(ValueError, match=message):
        fitted.route(X, **options)


def test_gain():
    rewards = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]])
    assert routing_gain(rewards, [0, 1]) == 1.0
    assert routing_gain(rewards, [2, 2]) == 0.0
    assert routing_gain(rewards, [1, 0]) == -1.0
    assert routing_gain(rewards, [[0, 2], [1, 2]]) == 1.0
    with pytest.raises(ValueError, match="nothing can be gained"):
        routing_gain(np.ones((2, 2)), [0, 0])
    with pytest.raises(ValueError, match="no reward"):
        routing_gain([[np.nan, 1.0, 0.0]], [0])
    with pytest.raises(ValueError, match="columns"):
        routing_gain(rewards, [0.5, 1.0])
    with pytest.raises(ValueError, match=r"columns from 0 to 2\. Got -1 to 5"):
        routing_gain(rewards, [-1, 5])
