from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_iris, make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances

from bead_sklearn.active_learning import ActiveLearningSearch, cold_start_selection

X, BLOB = make_blobs([60, 60, 20, 10], random_state=0, cluster_std=0.3)
NUMERIC = ("k_means", "k_center", "stratified")


@pytest.mark.parametrize("method", ["random", *NUMERIC])
def test_laws(method):
    rows = cold_start_selection(X, 12, method, random_state=1)
    assert len(set(rows.tolist())) == 12
    again = cold_start_selection(X, 12, method, random_state=1)
    assert rows.tolist() == again.tolist()
    assert sorted(cold_start_selection(X, 999, method)) == list(range(150))
    assert len(cold_start_selection(X, 1, method)) == 1
    moved = cold_start_selection(X + 7.0, 12, method, random_state=1)
    assert moved.tolist() == rows.tolist()


@pytest.mark.parametrize("method", NUMERIC)
def test_every_cluster_is_represented(method):
    for seed in range(5):
        rows = cold_start_selection(X, 4, method, random_state=seed)
        assert set(BLOB[rows]) == {0, 1, 2, 3} or method == "stratified"
        rows = cold_start_selection(X, 8, method, random_state=seed)
        assert set(BLOB[rows]) == {0, 1, 2, 3}


def test_k_center_is_greedy():
    rows = cold_start_selection(X, 10, "k_center")
    away = pairwise_distances(X)
    assert rows[0] == np.linalg.norm(X - X.mean(axis=0), axis=1).argmin()
    for k in range(1, 10):
        assert rows[k] == away[rows[:k]].min(axis=0).argmax()


@pytest.mark.parametrize("method", NUMERIC)
def test_containers(method):
    expected = cold_start_selection(X, 9, method, random_state=0)
    for other in (X.tolist(), pd.DataFrame(X), sparse.csr_matrix(X)):
        found = cold_start_selection(other, 9, method, random_state=0)
        assert found.tolist() == expected.tolist()


def test_strata_in_proportion_at_every_length():
    strata = np.repeat(["a", "b", "c"], [100, 40, 10])
    rows = cold_start_selection(
        strata.tolist(), 150, "stratified", strata=strata, random_state=0
    )
    assert set(strata[rows[:3]]) == {"a", "b", "c"}
    for n in (15, 30, 60, 120):
        counts = [np.sum(strata[rows[:n]] == s) for s in "abc"]
        expected = n * np.array([100, 40, 10]) / 150
        assert np.abs(counts - expected).max() <= 1.5


def test_duplicates():
    same = np.repeat([[0.0, 1.0], [2.0, 3.0]], 10, axis=0)
    for method in NUMERIC:
        rows = cold_start_selection(same, 5, method, random_state=0)
        assert len(set(rows.tolist())) == 5
        assert len(np.unique(same[rows[:2]], axis=0)) == 2


def test_bad_input():
    with pytest.raises(ValueError, match="method must be one of"):
        cold_start_selection(X, 3, "medoids")
    with pytest.raises(ValueError, match="needs rows of numbers"):
        cold_start_selection(["a", "b"], 1, "k_means")
    with pytest.raises(ValueError, match="NaN or inf"):
        cold_start_selection([[np.nan], [1.0]], 1, "k_center")
    with pytest.raises(ValueError, match="strata have no effect"):
        cold_start_selection(X, 3, "random", strata=BLOB)
    with pytest.raises(ValueError, match="name 150 rows, got 3"):
        cold_start_selection(X, 3, "stratified", strata=[1, 2, 3])


@pytest.mark.parametrize("method", NUMERIC)
def test_in_a_search(method):
    data, y = load_iris(return_X_y=True)
    model = ActiveLearningSearch(
        LogisticRegression(max_iter=1000),
        "margin",
        cold_start=method,
        n_initial=6,
        max_labels=12,
        random_state=0,
    ).fit(data, y)
    assert set(y[model.initial_]) == {0, 1, 2}
    labeled = np.zeros(150, dtype=bool)
    labeled[[0, 60]] = True
    model.fit(data, y, labeled=labeled)
    assert len(model.initial_) == 4
    assert not labeled[model.initial_].any()


def test_better_than_random():
    """More classes are found early, on the mean of many draws."""
    data, y = load_iris(return_X_y=True)
    found = {
        method: np.mean(
            [
                len(set(y[cold_start_selection(data, 5, method, random_state=seed)]))
                for seed in range(30)
            ]
        )
        for method in ("random", "k_means", "stratified")
    }
    assert found["k_means"] > found["random"]
    assert found["stratified"] > found["random"]
