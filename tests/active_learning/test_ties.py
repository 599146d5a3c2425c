"""Equal utilities are broken at random, and reproducibly."""

from __future__ import annotations

import numpy as np
from sklearn.dummy import DummyClassifier

from bead_sklearn.active_learning import ActiveLearningSearch


def queries(seed):
    X, y = np.arange(200.0)[:, None], np.arange(200) % 2
    search = ActiveLearningSearch(DummyClassifier(), max_labels=60, random_state=seed)
    return np.concatenate(search.fit(X, y).queries_)


def test_ties_are_not_the_first_rows():
    picks = queries(0)
    assert len(set(picks.tolist())) == len(picks) == 50
    assert np.median(picks) > 50


def test_ties_follow_the_seed():
    np.testing.assert_array_equal(queries(0), queries(0))
    assert set(queries(0).tolist()) != set(queries(1).tolist())
