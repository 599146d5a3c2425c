"""Asking about items with several judgments, and paying for labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from bead_sklearn.active_learning import ActiveLearningSearch, MarginalEfficiency
from bead_sklearn.active_learning._units import Units, read_units
from bead_sklearn.query import Constrained, EntropySampling, PerCost, QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._scored import ScoredPool

RNG = np.random.RandomState(0)
N_ITEMS, PER_ITEM = 30, 5
ITEM = np.repeat(np.arange(N_ITEMS), PER_ITEM)[RNG.permutation(N_ITEMS * PER_ITEM)]
HEIGHT = RNG.normal(size=N_ITEMS)
X = np.column_stack([HEIGHT[ITEM], ITEM.astype(float)])
Y = np.where(HEIGHT[ITEM] + 0.5 * RNG.normal(size=len(ITEM)) > 0, "yes", "no")
FRAME = pd.DataFrame({"height": X[:, 0], "item": [f"item {i}" for i in ITEM]})


def only_height(X):
    return X[:, [0]]


MODEL = make_pipeline(FunctionTransformer(only_height), LogisticRegression())


def search(**params):
    params = {"batch_size": 3, "n_initial": 4, "random_state": 0} | params
    return ActiveLearningSearch(MODEL, "entropy", **params)


def test_all_judgments_of_items():
    model = search(query_by=1, max_iterations=4).fit(X, Y)
    for batch, n in [(model.initial_, 4), *((q, 3) for q in model.queries_)]:
        items, counts = np.unique(ITEM[batch], return_counts=True)
        assert len(items) == n
        assert (counts == PER_ITEM).all()
    assert model.history_["n_labels"].tolist() == [20, 35, 50, 65, 80]


def test_items_have_the_highest_mean_utility():
    model = search(query_by=1, max_iterations=1).fit(X, Y)
    rows = model.initial_
    p = MODEL.fit(X[rows], Y[rows]).predict_proba(X)
    entropy = -(p * np.log(p)).sum(axis=1)
    left = np.setdiff1d(np.arange(N_ITEMS), ITEM[rows])
    means = np.array([entropy[item == ITEM].mean() for item in left])
    best = left[np.argsort(-means)[:3]]
    assert list(dict.fromkeys(ITEM[model.queries_[0]])) == best.tolist()


def test_some_judgments_of_items():
    model = search(query_by=1, n_judgments=2, max_iterations=5).fit(X, Y)
    asked = np.zeros(N_ITEMS, dtype=int)
    for batch in [model.initial_, *model.queries_]:
        items, counts = np.unique(ITEM[batch], return_counts=True)
        # Items come back with the judgments that are left: 2, 2 and 1.
        assert (counts == np.minimum(2, PER_ITEM - asked[items])).all()
        asked[items] += counts
    whole = search(query_by=1, n_judgments=2).fit(X, Y)
    assert whole.stopped_by_ == "pool_exhausted"
    assert whole.labeled_.all()


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_columns_of_data_frames(frame):
    def height(X):
        return X[["height"]]

    model = ActiveLearningSearch(
        make_pipeline(FunctionTransformer(height), LogisticRegression()),
        "entropy",
        batch_size=3,
        n_initial=4,
        query_by="item",
        max_iterations=4,
        random_state=0,
    ).fit(frame(FRAME.to_dict("list")), Y)
    plain = search(query_by=1, max_iterations=4).fit(X, Y)
    for one, other in zip(model.queries_, plain.queries_, strict=True):
        assert sorted(one) == sorted(other)


def test_limits_count_labels():
    model = search(query_by=1, max_labels=37).fit(X, Y)
    assert model.history_["n_labels"].tolist() == [20, 35, 37]


def test_strategies_for_batches_choose_items():
    """Rows that a strategy chooses with regard to each other name the items."""

    class EverySecondItem(QueryStrategy):
        _capabilities = Capabilities(batch_aware=True)

        def _score_pool(self, estimator, X, **known):
            turn = np.argsort(np.where(X[:, 1] % 2, 1000, 0) + X[:, 1], kind="stable")
            return ScoredPool(np.zeros(len(X)), lambda n, priority: turn[:n])

    model = search(query_by=1, max_iterations=1).set_params(strategy=EverySecondItem())
    model.fit(X, Y)
    left = [i for i in range(0, N_ITEMS, 2) if i not in ITEM[model.initial_]]
    assert list(dict.fromkeys(ITEM[model.queries_[0]])) == left[:3]


def test_sessions_ask_about_items():
    session = search(query_by=1, n_judgments=3).start(X)
    rows = session.ask()
    assert np.unique(ITEM[rows], return_counts=True)[1].tolist() == [3] * 4
    session.tell(rows, Y[rows])
    rows = session.ask(2)
    assert np.unique(ITEM[rows], return_counts=True)[1].tolist() == [3] * 2


def test_units():
    units = Units(np.array([0, 1, 0, 2, 1, 0]), 2)
    ranked = np.array([5, 4, 0, 3, 1, 2])
    assert units.rows_of(np.array([1, 0]), ranked).tolist() == [4, 1, 5, 0]
    assert units.rows_of(np.array([], dtype=int), ranked).tolist() == []
    utilities = np.array([0.0, 1.0, 0.1, 0.9, 0.2, 0.9])
    best = units.best(utilities, np.arange(6), np.arange(6), 3)
    # Means of the two best judgments: (.9 + .1) / 2, (1. + .2) / 2, .9.
    assert best.tolist() == [2, 1, 0]
    columns = sparse.csr_matrix([[1.0, 2.0], [3.0, 2.0], [1.0, 0.0]])
    assert read_units(columns, 0, None).codes.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("data", "params", "message"),
    [
        (X, {"query_by": "item"}, "names a column, but X is ndarray"),
        (X, {"query_by": 2}, "no column of X: it has 2"),
        (FRAME, {"query_by": "word"}, "no column of X"),
        (X, {"n_judgments": 2}, "is per item"),
        (X, {"max_cost": 2.0}, "pass cost too"),
        (X, {"cost": "price"}, "names a column, but X is ndarray"),
        (FRAME, {"cost": "price"}, "no column of X"),
        (X, {"cost": lambda X: X[:, 0]}, "cost must be positive, got -"),
        (X, {"cost": lambda X: X}, "one number for each of 150 rows"),
    ],
)
def test_bad_parameters(data, params, message):
    with pytest.raises(ValueError, match=message):
        search(**params).fit(data, Y)


def test_missing_items():
    frame = FRAME.copy()
    frame.loc[3, "item"] = None
    with pytest.raises(ValueError, match="1 missing items, the first in row 3"):
        search(query_by="item").fit(frame, Y)


def price(X):
    return 1.0 + (X[:, 1] % 3)


def test_costs_are_counted_and_limited():
    model = search(cost=price, max_cost=40.0, validation=0.2).fit(X, Y)
    cost = price(X)
    assert model.stopped_by_ == "max_cost"
    assert model.history_["cost"][-1] == cost[model.labeled_].sum() <= 40.0
    assert (np.diff(model.history_["cost"]) > 0).all()
    cheapest = cost[~model.labeled_ & ~model.runs_[0].held_out].min()
    assert model.history_["cost"][-1] + cheapest > 40.0


def test_one_price_for_all():
    model = search(cost=2.0, max_cost=30.0).fit(X, Y)
    assert model.history_["cost"].tolist() == [
        2.0 * n for n in model.history_["n_labels"]
    ]
    assert model.labeled_.sum() == 15


def test_dear_rows_are_passed_over():
    def steep(X):
        return np.where(X[:, 1] < 25, 1.0, 100.0)

    model = search(cost=steep, max_cost=30.0).fit(X, Y)
    assert (ITEM[model.labeled_] < 25).all()
    assert model.history_["cost"][-1] == 30.0


def test_rules_of_costs():
    rule = MarginalEfficiency(0.5, per="cost", window=10)
    model = search(cost=price, stopping=rule, validation=0.3).fit(X, Y)
    assert model.stopped_by_ == "MarginalEfficiency"


WHO = np.array([f"p{k}" for k in RNG.randint(10, size=len(ITEM))])


@pytest.mark.parametrize("batch_size", [3, 11])
def test_quotas_of_participants_and_items(batch_size):
    quotas = Constrained(EntropySampling(), max_per_group=4, max_per_item=2, item=1)
    model = search(batch_size=batch_size).set_params(strategy=quotas)
    model.fit(X, Y, groups=WHO)
    asked = np.concatenate(model.queries_)
    known = model.labeled_
    # The start is drawn before quotas are heeded.
    for ids, limit in ((WHO, 4), (ITEM, 2)):
        names, counts = np.unique(ids[known], return_counts=True)
        late = np.isin(names, ids[asked])
        assert counts[late].max() <= limit
    assert model.stopped_by_ == "no_candidates"


def test_strategies_heed_costs():
    heeding = PerCost(EntropySampling(), cost=price)
    plain = search(cost=price, max_cost=40.0).fit(X, Y)
    careful = search(cost=price, max_cost=40.0).set_params(strategy=heeding).fit(X, Y)
    assert careful.labeled_.sum() > plain.labeled_.sum()
