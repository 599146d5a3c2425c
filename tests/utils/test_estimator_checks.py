"""Every task model passes the checks for groups, and broken models do not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from bead_sklearn import (
    BinaryClassifier,
    CategoricalClassifier,
    ForcedChoiceClassifier,
    MagnitudeRegressor,
    MultiSelectClassifier,
)
from bead_sklearn.utils import estimator_checks as checks
from bead_sklearn.utils.estimator_checks import parametrize_with_group_checks

MODELS = [
    BinaryClassifier(),
    CategoricalClassifier(),
    ForcedChoiceClassifier(),
    MagnitudeRegressor(),
    MultiSelectClassifier(),
]


def expected_failures(estimator):
    if isinstance(estimator, ForcedChoiceClassifier):
        return {"check_text_containers": "one text is no choice between options"}
    return {}


@parametrize_with_group_checks(MODELS, expected_failed_checks=expected_failures)
def test_groups(estimator, check):
    check(estimator)


class Careless(ClassifierMixin, BaseEstimator):
    """Takes participants and forgets them."""

    def fit(self, X, y, groups=None):
        del groups
        self.model_ = LogisticRegression().fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X, groups=None):
        del groups
        return self.model_.predict_proba(X)

    def predict(self, X, groups=None):
        return self.classes_[self.predict_proba(X, groups).argmax(axis=1)]


class Memory(Careless):
    """Predicts unknown participants as if it had never learned."""

    def fit(self, X, y, groups=None):
        self.known_ = set() if groups is None else set(np.asarray(groups).tolist())
        return super().fit(X, y)

    def predict_proba(self, X, groups=None):
        p = super().predict_proba(X)
        if groups is not None:
            new = np.array([g not in self.known_ for g in np.asarray(groups).tolist()])
            p[new] = 1.0 / p.shape[1]
        return p


@pytest.mark.parametrize(
    ("model", "check", "message"),
    [
        (
            Careless(),
            checks.check_participants_matter,
            "no better than those for",
        ),
        (Careless(), checks.check_bad_groups, "fit took groups with the id None"),
        (Memory(), checks.check_unknown_participants, "Memory"),
    ],
)
def test_broken_models_fail(model, check, message):
    with pytest.raises(AssertionError, match=message):
        check(model)
