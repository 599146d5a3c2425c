"""Mutual information from draws, alone and of batches."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from bead_sklearn import (
    BinaryClassifier,
    CategoricalClassifier,
    ForcedChoiceClassifier,
    MultiSelectClassifier,
    OrdinalScaleClassifier,
)
from bead_sklearn.datasets import make_judgments
from bead_sklearn.query import (
    BALDSampling,
    BatchBALDSampling,
    CommitteeClassifier,
    MeanKLSampling,
)
from bead_sklearn.query._bald import _Joint

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*taken to be ordered alphabetically"),
    pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning"),
]


def joint_information(p):
    """I(y_1 .. y_b; draw) of (n_draws, b, K) by every configuration."""
    n_draws, b, n_classes = p.shape
    joint = within = 0.0
    for labels in product(range(n_classes), repeat=b):
        chance = np.prod([p[:, i, k] for i, k in enumerate(labels)], axis=0)
        joint -= chance.mean() * np.log(chance.mean())
        within -= (chance * np.log(chance)).mean()
    del n_draws
    return joint - within


def test_of_a_committee_it_is_mean_kl():
    X, y = load_iris(return_X_y=True)
    committee = CommitteeClassifier(random_state=0).fit(X, y)
    np.testing.assert_allclose(
        BALDSampling()(committee, X), MeanKLSampling()(committee, X), atol=1e-12
    )


def test_draws_of_a_logistic_regression_have_its_covariance():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2))
    y = (X[:, 0] + rng.normal(size=40) > 0).astype(int)
    model = LogisticRegression(C=2.0, tol=1e-10).fit(X, y)
    ones = np.column_stack([X, np.ones(40)])
    p = model.predict_proba(X)[:, 1]
    precision = (ones * (p * (1 - p))[:, None]).T @ ones + np.diag([0.5, 0.5, 1e-8])
    pool = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 5.0]])
    at = np.column_stack([pool, np.ones(3)])
    sd = np.sqrt(np.einsum("ij,jk,ik->i", at, np.linalg.inv(precision), at))
    eta = model.decision_function(pool) + sd * rng.normal(size=(400_000, 1))
    chance = 1 / (1 + np.exp(-eta))

    def h(q):
        return -q * np.log(q) - (1 - q) * np.log1p(-q)

    expected = h(chance.mean(axis=0)) - h(chance).mean(axis=0)
    utilities = BALDSampling(n_draws=40_000, random_state=0)(
        model, pool, X_labeled=X, y_labeled=y
    )
    np.testing.assert_allclose(utilities, expected, rtol=0.05, atol=1e-3)


def test_greedy_batches_maximise_the_joint_information():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.full(3, 0.6), size=(12, 7))
    utilities = np.array([joint_information(p[:, [i]]) for i in range(7)])
    strategy = BatchBALDSampling(max_configurations=10_000)
    choice = _Joint(np.arange(7), p, utilities, strategy, seed=0)
    picks = choice(4, None).tolist()
    for k in range(4):
        left = [i for i in range(7) if i not in picks[:k]]
        gains = [joint_information(p[:, [*picks[:k], i]]) for i in left]
        assert picks[k] == left[int(np.argmax(gains))]


def test_drawn_configurations_estimate_the_joint_information():
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.full(3, 0.6), size=(10, 6))
    strategy = BatchBALDSampling(max_configurations=2_000)
    choice = _Joint(np.arange(6), p, np.zeros(6), strategy, seed=0)
    joint, weight = np.ones((1, 10)), np.ones(1)
    state = np.random.RandomState(0)
    choice.limit = 60
    totals = []
    for _ in range(200):
        joint, weight = np.ones((1, 10)), np.ones(1)
        for row in range(5):
            joint, weight = choice._extended(joint, weight, row, state)
        totals.append((weight * joint.mean(axis=1)).sum())
        assert len(joint) <= 60
    assert np.mean(totals) == pytest.approx(1.0, abs=0.02)


def test_twins_are_not_asked_together():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 5))
    y = rng.integers(0, 2, 30)
    model = LogisticRegression().fit(X, y)
    pool = np.vstack([np.repeat(3 * X[:3], 6, axis=0), 2 * X[3:12]])
    scored = BatchBALDSampling(random_state=0).score_pool(
        model, pool, X_labeled=X, y_labeled=y
    )
    top = np.argsort(-scored.utilities)[:4]
    batch = scored.select(4)
    assert len(set(top // 6)) < len({row // 6 if row < 18 else row for row in batch})


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("binary", BinaryClassifier()),
        ("categorical", CategoricalClassifier()),
        ("ordinal", OrdinalScaleClassifier()),
        ("forced_choice", ForcedChoiceClassifier()),
        ("multi_select", MultiSelectClassifier()),
    ],
    ids=str,
)
def test_task_models(kind, model):
    d = make_judgments(kind, n_participants=8, n_items=12, random_state=0)
    model.fit(d.X, d.y, groups=d.groups)
    utilities = BALDSampling(n_draws=60, random_state=0)(model, d.X, groups=d.groups)
    assert utilities.shape == (len(d.groups),)
    assert (utilities >= 0).all()
    assert utilities.std() > 0
    strategy = BatchBALDSampling(n_draws=60, random_state=0)
    if kind == "multi_select":
        with pytest.raises(ValueError, match="one label per row"):
            strategy.score_pool(model, d.X, groups=d.groups)
    else:
        batch = strategy.score_pool(model, d.X, groups=d.groups).select(5)
        assert len(set(batch.tolist())) == 5


def test_forests():
    X, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(20, random_state=0).fit(X[::3], y[::3])
    utilities = BALDSampling()(forest, X)
    assert utilities.std() > 0


def test_needs_the_labelled_data():
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(X, y)
    with pytest.raises(ValueError, match="needs the labelled data"):
        BALDSampling()(model, X)
