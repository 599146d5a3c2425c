"""Executes the tables of docs/metadata_routing.md."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from bead_sklearn.active_learning import ActiveLearner, ActiveLearningSearch
from bead_sklearn.model_selection import make_group_scorer
from bead_sklearn.query import EntropySampling

PAGE = Path(__file__).parents[2] / "docs" / "metadata_routing.md"
CALLS: dict[str, list[bool]] = defaultdict(list)


class Recorder(ClassifierMixin, BaseEstimator):
    """A classifier that notes which of its methods are given groups."""

    __metadata_request__fit = {"groups": True}  # noqa: RUF012
    __metadata_request__predict = {"groups": True}  # noqa: RUF012
    __metadata_request__predict_proba = {"groups": True}  # noqa: RUF012
    __metadata_request__score = {"groups": True}  # noqa: RUF012

    def note(self, method, X, groups):
        CALLS[method].append(groups is not None)
        if groups is not None:
            # The ids stay with their rows: row i belongs to participant i // 10.
            assert np.asarray(groups).tolist() == (X[:, 1] // 1).astype(int).tolist()

    def fit(self, X, y, *, groups=None):
        self.note("fit", X, groups)
        self.model_ = LogisticRegression().fit(X[:, :1], y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X, *, groups=None):
        self.note("predict", X, groups)
        return self.model_.predict(X[:, :1])

    def predict_proba(self, X, *, groups=None):
        self.note("predict_proba", X, groups)
        return self.model_.predict_proba(X[:, :1])

    def score(self, X, y, *, groups=None, sample_weight=None):
        self.note("score", X, groups)
        return accuracy_score(y, self.model_.predict(X[:, :1]))


class RecordingGroupKFold(GroupKFold):
    def split(self, X, y=None, groups=None):
        CALLS["split"].append(groups is not None)
        return super().split(X, y, groups)


class KeepScale(StandardScaler):
    """Leaves X as it is, so that rows can be told apart behind it."""

    def transform(self, X, copy=None):
        return X


def rows(section):
    text = PAGE.read_text(encoding="utf-8").split(f"## {section}")[1].split("\n## ")[0]
    found = re.findall(r"^\| `(.+)` \| (.+) \|$", text, flags=re.MULTILINE)
    assert len(found) > 15
    return found


def namespace():
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(6), 10)
    X = np.stack([rng.normal(size=60), g], axis=1)
    y = np.where(X[:, 0] + rng.normal(size=60) > 0, "yes", "no")
    est = Recorder()
    pipe = Pipeline([("scale", KeepScale()), ("m", est)])
    options = {"max_labels": 20, "random_state": 0}
    return {
        "X": X,
        "y": y,
        "g": g,
        "est": est,
        "pipe": pipe,
        "plain": LogisticRegression(),
        "cv": RecordingGroupKFold(3),
        "by_group": make_group_scorer(accuracy_score),
        "active": ActiveLearningSearch(est, **options),
        "active_pipe": ActiveLearningSearch(pipe, **options),
        "held_out": ActiveLearningSearch(est, validation=0.3, **options),
        "cross_validate": cross_validate,
        "cross_val_predict": cross_val_predict,
        "GridSearchCV": GridSearchCV,
        "Pipeline": Pipeline,
        "ActiveLearner": ActiveLearner,
    }


def receivers(call, *, routing):
    CALLS.clear()
    with config_context(enable_metadata_routing=routing):
        try:
            eval(call, namespace())
        except (ValueError, TypeError) as error:
            return {type(error).__name__}
    mixed = {name for name, given in CALLS.items() if any(given) and not all(given)}
    # scikit-learn refits and predicts inside one row: all calls of a method agree.
    assert not mixed, mixed
    return {name for name, given in CALLS.items() if all(given)}


@pytest.mark.parametrize(("call", "who"), rows("Metadata routing disabled"))
def test_routing_disabled(call, who):
    assert receivers(call, routing=False) == set(who.split(", "))


@pytest.mark.parametrize(("call", "who"), rows("Metadata routing enabled"))
def test_routing_enabled(call, who):
    assert receivers(call, routing=True) == set(who.split(", "))


def test_the_snippet_of_the_page():
    code = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    names = namespace() | {
        "item": np.arange(60) % 10,
        "accuracy_score": accuracy_score,
        "make_group_scorer": make_group_scorer,
        "EntropySampling": EntropySampling,
        "ActiveLearningSearch": ActiveLearningSearch,
    }
    CALLS.clear()
    with config_context(enable_metadata_routing=True):
        exec(code, names)
    assert set(CALLS) == {"split", "fit", "predict", "predict_proba"}
    assert all(all(given) for given in CALLS.values())


def test_participants_under_their_own_name():
    names = namespace()
    X, y, g, cv = (names[name] for name in ("X", "y", "g", "cv"))
    item = np.arange(60) % 10
    params = {"groups": item, "participant": g}
    with config_context(enable_metadata_routing=True):
        est = Recorder().set_fit_request(groups="participant")
        est.set_score_request(groups="participant")
        est.set_predict_proba_request(groups="participant")
        strategy = EntropySampling().set_score_request(groups="participant")
        scorer = make_group_scorer(accuracy_score)
        scorer.set_score_request(groups="participant")
        est.set_predict_request(groups="participant")
        active = ActiveLearningSearch(est, strategy, max_labels=20, random_state=0)
        pipe = Pipeline([("scale", KeepScale()), ("m", est)])
        over_pipe = ActiveLearningSearch(pipe, strategy, max_labels=20, random_state=0)
        for model in (est, pipe, active, over_pipe):
            for scoring in (None, scorer):
                CALLS.clear()
                cross_validate(
                    model,
                    X,
                    y,
                    params=params,
                    cv=cv,
                    scoring=scoring,
                    error_score="raise",
                )
                expected = {"split", "fit", "score" if scoring is None else "predict"}
                if isinstance(model, ActiveLearningSearch):
                    expected.add("predict_proba")
                assert {name for name, given in CALLS.items() if all(given)} == expected
        # The strategy by name would hand the items on as participants.
        active.set_params(strategy="entropy")
        with pytest.raises(ValueError, match=r"'participant'.*'groups'"):
            active.fit(X, y, groups=item, participant=g)
