from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    get_scorer,
    log_loss,
    make_scorer,
    mean_squared_error,
    roc_auc_score,
)
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_validate
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

from bead_sklearn.model_selection import make_group_scorer


class Lookup(ClassifierMixin, BaseEstimator):
    """Predicts the majority answer of the participant, 'no' for unknown ones."""

    __metadata_request__fit = {"groups": True}  # noqa: RUF012
    __metadata_request__predict = {"groups": True}  # noqa: RUF012
    __metadata_request__score = {"groups": True}  # noqa: RUF012

    def __init__(self, weight=1.0):
        self.weight = weight

    def fit(self, X, y, groups=None):
        self.classes_ = np.array(["no", "yes"])
        self.answers_ = {g: y[groups == g] for g in np.unique(groups)}
        return self

    def predict(self, X, groups=None):
        if groups is None:
            return np.full(len(X), "no")
        yes = [np.mean(self.answers_.get(g, np.array(["no"])) == "yes") for g in groups]
        return np.where(np.array(yes) > 0.5, "yes", "no")

    def score(self, X, y, groups=None):
        return accuracy_score(y, self.predict(X, groups))


@pytest.fixture
def judgments():
    g = np.repeat(np.arange(8), 10)
    y = np.where(g % 2 == 0, "yes", "no")
    return np.zeros((80, 1)), y, g


@pytest.fixture(scope="module")
def two_classes():
    X, y = load_iris(return_X_y=True)
    X, y = X[50:], np.where(y[50:] == 1, "no", "yes")
    return LogisticRegression(C=0.01).fit(X, y), X, y


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (make_group_scorer(accuracy_score), "accuracy"),
        (
            make_group_scorer(
                log_loss, response_method="predict_proba", greater_is_better=False
            ),
            "neg_log_loss",
        ),
        (
            make_group_scorer(
                roc_auc_score, response_method=["decision_function", "predict_proba"]
            ),
            "roc_auc",
        ),
        (
            make_group_scorer(
                brier_score_loss, response_method="predict_proba", pos_label="no"
            ),
            make_scorer(
                brier_score_loss, response_method="predict_proba", pos_label="no"
            ),
        ),
    ],
)
def test_agrees_with_scikit_learn_where_there_are_no_groups(ours, theirs, two_classes):
    expected = get_scorer(theirs)(*two_classes)
    assert ours(*two_classes) == pytest.approx(expected, abs=0)
    assert ours(*two_classes, groups=np.arange(100)) == expected
    again = pickle.loads(pickle.dumps(clone(ours)))
    assert again(*two_classes) == expected


def test_sample_weight(two_classes):
    model, X, y = two_classes
    weight = np.linspace(0, 1, len(X))
    scorer = make_group_scorer(accuracy_score)
    assert scorer(model, X, y, sample_weight=weight) == accuracy_score(
        y, model.predict(X), sample_weight=weight
    )
    with config_context(enable_metadata_routing=True):
        model = clone(model).set_fit_request(sample_weight=True)
        results = cross_validate(
            model,
            X,
            y,
            params={"sample_weight": weight, "groups": np.arange(100) % 5},
            cv=GroupKFold(5),
            scoring=clone(scorer).set_score_request(sample_weight=True),
            error_score="raise",
        )
        assert np.isfinite(results["test_score"]).all()


def test_regressors_and_multi_label():
    X, y = load_iris(return_X_y=True)
    model = Ridge().fit(X, y)
    scorer = make_group_scorer(mean_squared_error, greater_is_better=False)
    assert scorer(model, X, y) == -mean_squared_error(y, model.predict(X))
    X, Y = make_multilabel_classification(n_classes=2, random_state=0)
    model = OneVsRestClassifier(LogisticRegression()).fit(X, Y)
    scorer = make_group_scorer(roc_auc_score, response_method="predict_proba")
    assert scorer(model, X, Y) == roc_auc_score(Y, model.predict_proba(X))


def test_the_other_class_as_positive(two_classes):
    model, X, y = two_classes
    flipped = make_group_scorer(
        lambda t, d, pos_label: float(np.mean(d)),
        response_method="decision_function",
        pos_label="no",
    )
    assert flipped(model, X, y) == -model.decision_function(X).mean()
    wrong = make_group_scorer(
        brier_score_loss, response_method="predict_proba", pos_label="maybe"
    )
    with pytest.raises(ValueError, match=r"'maybe' is not one of .*no.*yes"):
        wrong(model, X, y)


def test_bad_arguments():
    with pytest.raises(InvalidParameterError, match="metric"):
        make_group_scorer("accuracy")
    with pytest.raises(InvalidParameterError, match="response_method"):
        make_group_scorer(accuracy_score, response_method="guess")


def test_known_participants_are_predicted_as_such(judgments):
    X, y, g = judgments
    cv = KFold(5, shuffle=True, random_state=0)
    scoring = {"known": make_group_scorer(accuracy_score), "new": "accuracy"}
    with config_context(enable_metadata_routing=True):
        for model in (Lookup(), make_pipeline(StandardScaler(), Lookup())):
            results = cross_validate(
                model,
                X,
                y,
                params={"groups": g},
                cv=cv,
                scoring=scoring,
                error_score="raise",
            )
            assert results["test_known"].tolist() == [1.0] * 5
            assert results["test_new"].mean() == pytest.approx(0.5)


def test_in_a_grid_search(judgments):
    X, y, g = judgments
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            Lookup(),
            {"weight": [1.0, 2.0]},
            scoring=make_group_scorer(accuracy_score),
            cv=KFold(4, shuffle=True, random_state=0),
            n_jobs=2,
            error_score="raise",
        ).fit(X, y, groups=g)
        assert search.best_score_ == 1.0
        assert search.score(X, y, groups=g) == 1.0
        assert search.score(X, y) == 0.5
