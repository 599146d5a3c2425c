"""Short cuts for large pools: the same batches, in little memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import chisquare, rankdata
from sklearn.linear_model import LogisticRegression

from bead_sklearn import BinaryClassifier
from bead_sklearn.query import (
    BADGESampling,
    KCenterSampling,
    _badge,
    _gradients,
    _herding,
    _k_center,
    get_query_strategy,
)


def farthest(pool, known, n, priority):
    gap = ((pool[:, None] - known[None]) ** 2).sum(axis=2).min(axis=1)
    picks: list[int] = []
    for _ in range(n):
        ties = np.flatnonzero(gap == gap.max())
        picks.append(int(ties[priority[ties].argmin()]))
        gap = np.minimum(gap, ((pool - pool[picks[-1]]) ** 2).sum(axis=1))
        gap[picks] = -np.inf
    return picks


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("top", [1, 7, 1000])
def test_k_center_with_ties_and_twins(monkeypatch, make, top):
    # Whole numbers: distances are exact, and there are ties and twins in plenty.
    monkeypatch.setattr(_k_center, "_TOP", top)
    monkeypatch.setattr(_k_center, "_ENOUGH", 3)
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 6, (150, 3)).astype(float)
    known = pool[:2]
    order = rng.permutation(150)
    scored = KCenterSampling().score_pool(None, make(pool), X_labeled=make(known))
    expected = farthest(pool, known, 150, np.argsort(order))
    assert scored.select(150, order).tolist() == expected
    assert scored.select(40, order).tolist() == expected[:40]


def test_badge_draws_with_todays_distances(monkeypatch):
    # Two draws at a time: often none is kept and distances are renewed.
    monkeypatch.setattr(_badge, "_DRAWS", 2)
    monkeypatch.setattr(_badge, "_SECTOR", 3)
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 3))
    model = LogisticRegression().fit(X, rng.integers(0, 3, 60))
    pool = rng.normal(size=(7, 3))
    p = model.predict_proba(pool)
    p[np.arange(7), p.argmax(axis=1)] -= 1
    g = (p[:, :, None] * pool[:, None]).reshape(7, -1)
    squares = ((g[:, None] - g[None]) ** 2).sum(axis=2)
    first = int((g**2).sum(axis=1).argmax())
    expected = np.zeros((7, 7))
    for second in range(7):
        chance = squares[first, second] / squares[first].sum()
        left = np.minimum(squares[first], squares[second])
        expected[second] = chance * left / left.sum()
    counts = np.zeros((7, 7))
    n = 3000
    residuals = _gradients.Residuals(model, pool, None, "groups", "BADGE", float)
    gradients = _gradients.Gradients(pool, residuals)
    for seed in range(n):
        picks = _badge._PlusPlus(gradients, gradients.lengths, seed)(3, None)
        assert picks[0] == first
        counts[picks[1], picks[2]] += 1
    possible = expected > 0
    assert not counts[~possible].any()
    assert chisquare(counts[possible], n * expected[possible]).pvalue > 1e-3


def test_badge_takes_twins_last():
    rng = np.random.default_rng(2)
    X = rng.integers(-2, 3, (40, 2)).astype(float)
    model = LogisticRegression().fit(X, (X[:, 0] > 0).astype(int))
    pool = np.repeat(np.array([[1.0, 2.0], [-1.0, 1.0], [0.0, -2.0]]), 4, axis=0)
    picks = BADGESampling(random_state=0).score_pool(model, pool).select(12)
    assert sorted(picks.tolist()) == list(range(12))
    assert sorted((picks[:3] // 4).tolist()) == [0, 1, 2]


@pytest.mark.parametrize("with_groups", [False, True])
def test_badge_without_kept_probabilities(monkeypatch, with_groups):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(450, 3))
    y = (X[:, 0] + rng.logistic(size=450) > 0).astype(int)
    groups = rng.integers(0, 15, 450) if with_groups else None
    if with_groups:
        model = BinaryClassifier().fit(X, y, groups=groups)
    else:
        model = LogisticRegression().fit(X, y)

    def picks():
        scored = BADGESampling(random_state=3).score_pool(model, X, groups=groups)
        return scored.utilities, scored.select(20)

    kept, first = picks()
    monkeypatch.setattr(_gradients, "_KEPT", 0)
    monkeypatch.setattr(_gradients, "_ROWS", 50)
    again, second = picks()
    np.testing.assert_allclose(kept, again, rtol=1e-9)
    assert first.tolist() == second.tolist()


def test_ranks_are_mean_ranks():
    values = np.random.default_rng(0).integers(0, 9, 100).astype(float)
    np.testing.assert_array_equal(_herding._ranks(values), rankdata(values))


@pytest.mark.parametrize(
    "name",
    [
        "entropy",
        "margin",
        "k_center",
        "badge",
        "ranked_batch",
        "expected_gradient_length",
        "uncertainty_herding",
        "diverse_uncertainty",
    ],
)
def test_memory_grows_by_a_tenth_of_the_pool_at_most(name):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240_000, 64))
    y = rng.integers(0, 10, 300)
    known = X[:300].copy()
    model = LogisticRegression(max_iter=20, tol=0.1).fit(known, y)
    strategy = get_query_strategy(name)
    if "random_state" in strategy.get_params():
        strategy.set_params(random_state=0)

    def peak(n):
        tracemalloc.start()
        pool = strategy.score_pool(model, X[:n], X_labeled=known, y_labeled=y)
        pool.select(10)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    grown = peak(240_000) - peak(120_000)
    assert grown <= 0.1 * X[:120_000].nbytes
