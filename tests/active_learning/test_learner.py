from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import (
    check_param_validation,
    parametrize_with_checks,
)

from bead_sklearn.active_learning import ActiveLearner
from bead_sklearn.query import MarginSampling, RandomSampling

X, NUMBERS = load_iris(return_X_y=True)
Y = np.array(["setosa", "versicolor", "virginica"])[NUMBERS]
LR = LogisticRegression(max_iter=1000)
FIRST = np.arange(0, 150, 15)
POOL = np.setdiff1d(np.arange(150), FIRST)


def learner(strategy="margin", **params):
    return ActiveLearner(
        LR, strategy, X_training=X[FIRST], y_training=Y[FIRST], **params
    )


@parametrize_with_checks(
    [
        ActiveLearner(LogisticRegression()),
        ActiveLearner(Ridge(), strategy="random"),
    ],
    xfail_strict=True,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_sklearn_compatible(estimator, check):
    check(estimator)


def test_parameters_are_validated():
    check_param_validation("ActiveLearner", ActiveLearner(LogisticRegression()))


class TestLoop:
    def test_query(self):
        indices, rows = learner().query(X[POOL], n_instances=5)
        model = clone(LR).fit(X[FIRST], Y[FIRST])
        expected, _ = MarginSampling()(model, X[POOL], n_instances=5)
        assert indices.tolist() == expected.tolist()
        np.testing.assert_array_equal(rows, X[POOL][expected])
        assert learner().query(X[POOL])[0].tolist() == expected[:1].tolist()
        assert len(learner().query(X[POOL][:3], n_instances=9)[0]) == 3

    def test_teach(self):
        model = learner().teach(X[POOL][:4], Y[POOL][:4])
        np.testing.assert_array_equal(model.X_training_, X[[*FIRST, *POOL[:4]]])
        assert model.y_training_.tolist() == Y[[*FIRST, *POOL[:4]]].tolist()
        expected = clone(LR).fit(X[[*FIRST, *POOL[:4]]], Y[[*FIRST, *POOL[:4]]])
        np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))

    def test_only_new(self):
        model = learner()
        model.teach(X[5:100:5], Y[5:100:5], only_new=True)
        expected = clone(LR).fit(X[5:100:5], Y[5:100:5])
        np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
        assert len(model.X_training_) == 10 + 19
        model.teach(X[[149]], Y[[149]])
        rows = [*FIRST, *range(5, 100, 5), 149]
        expected = clone(LR).fit(X[rows], Y[rows])
        np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))

    def test_fit_forgets(self):
        model = learner().teach(X[POOL][:4], Y[POOL][:4])
        model.fit(X[::10], Y[::10])
        np.testing.assert_array_equal(model.X_training_, X[::10])

    def test_parameters_stay_as_they_were(self):
        model = learner()
        training = model.X_training
        model.teach(X[POOL][:4], Y[POOL][:4])
        assert model.X_training is training
        assert len(training) == 10
        fresh = clone(model)
        assert len(fresh.fit(fresh.X_training, fresh.y_training).X_training_) == 10

    def test_a_whole_loop_learns(self):
        model, pool = learner(), POOL.copy()
        for _ in range(10):
            picks, rows = model.query(X[pool], n_instances=3)
            model.teach(rows, Y[pool[picks]])
            pool = np.delete(pool, picks)
        assert len(model.X_training_) == 40
        assert model.score(X[pool], Y[pool]) > 0.95

    def test_teach_can_come_first(self):
        model = ActiveLearner(LR).teach(X[FIRST], Y[FIRST])
        np.testing.assert_array_equal(model.predict(X), learner().predict(X))

    def test_random_queries_differ_and_repeat(self):
        def queries(model):
            return [model.query(X[POOL], 5)[0].tolist() for _ in range(4)]

        one = queries(learner("random", random_state=1))
        assert len({tuple(q) for q in one}) == 4
        assert one == queries(learner("random", random_state=1))
        assert one != queries(learner("random", random_state=2))
        seeded = queries(learner(RandomSampling(0), random_state=1))
        assert len({tuple(q) for q in seeded}) == 4

    def test_pickle(self):
        model = learner("random", random_state=1)
        model.query(X[POOL])
        again = pickle.loads(pickle.dumps(model))
        assert (
            again.query(X[POOL], 5)[0].tolist() == model.query(X[POOL], 5)[0].tolist()
        )
        np.testing.assert_array_equal(again.predict(X), model.predict(X))

    def test_predictions(self):
        model = learner()
        assert model.predict(X).shape == (150,)
        assert model.classes_.tolist() == sorted(set(Y))
        assert model.n_features_in_ == 4
        assert not hasattr(model, "transform")
        assert model.decision_function(X).shape == (150, 3)


TEXTS = [f"word{i} {'good' if i % 2 else 'bad'}" for i in range(20)]
ANSWERS = ["yes" if i % 2 else "no" for i in range(20)]
FRAME = pd.DataFrame(X[:, :2], columns=["a", "b"], index=np.arange(150) * 7)


@pytest.mark.parametrize(
    ("estimator", "rows", "y", "take"),
    [
        (LR, X, Y, lambda r, i: r[i]),
        (LR, sparse.csr_matrix(X), Y, lambda r, i: r[i]),
        (LR, X.tolist(), Y, lambda r, i: [r[k] for k in i]),
        (LR, FRAME, pd.Series(Y), lambda r, i: r.iloc[i]),
        (LR, pl.from_pandas(FRAME), pl.Series(Y.tolist()), lambda r, i: r[list(i)]),
        (
            make_pipeline(TfidfVectorizer(), LR),
            TEXTS,
            ANSWERS,
            lambda r, i: [r[k] for k in i],
        ),
        (
            make_pipeline(TfidfVectorizer(), LR),
            np.array(TEXTS, dtype=object),
            ANSWERS,
            lambda r, i: r[i] if isinstance(r, np.ndarray) else [r[k] for k in i],
        ),
        (
            make_pipeline(TfidfVectorizer(), LR),
            pd.Series(TEXTS),
            pd.Series(ANSWERS, dtype="str"),
            lambda r, i: r.iloc[i],
        ),
    ],
    ids=["array", "sparse", "lists", "pandas", "polars", "texts", "objects", "series"],
)
def test_containers(estimator, rows, y, take):
    n = len(y)
    known, rest = list(range(0, n, 3)), [i for i in range(n) if i % 3]
    labels = list(y)
    model = ActiveLearner(estimator).fit(take(rows, known), [labels[i] for i in known])
    picks, instances = model.query(take(rows, rest), n_instances=3)
    model.teach(instances, [labels[rest[i]] for i in picks])
    everything = [*known, *(rest[i] for i in picks)]
    expected = clone(estimator).fit(
        take(rows, everything), [labels[i] for i in everything]
    )
    np.testing.assert_array_equal(
        model.predict_proba(rows), expected.predict_proba(rows)
    )
    if hasattr(rows, "columns"):
        assert type(model.X_training_) is type(rows)
        assert model.feature_names_in_.tolist() == ["a", "b"]


class Lookup(ClassifierMixin, BaseEstimator):
    __metadata_request__fit = {"groups": True}  # noqa: RUF012
    __metadata_request__predict_proba = {"groups": True}  # noqa: RUF012
    __metadata_request__predict = {"groups": True}  # noqa: RUF012

    def fit(self, X, y, groups=None):
        self.classes_, self.groups_ = np.unique(y), groups
        return self

    def predict_proba(self, X, groups=None):
        p = np.where(np.asarray(groups) == "ann", 0.5, 0.9)
        return np.stack([p, 1 - p], axis=1)

    def predict(self, X, groups=None):
        return np.repeat(self.classes_[0] if groups is None else groups[0], len(X))


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize(
    "wrap", [lambda e: e, lambda e: make_pipeline(StandardScaler(), e)]
)
def test_groups(routing, wrap):
    with config_context(enable_metadata_routing=routing):
        model = ActiveLearner(wrap(Lookup()))
        model.fit(X[:3], ["a", "b", "a"], groups=["ann", "ben", "ann"])
        model.teach(X[3:5], ["a", "b"], groups=np.array(["cyn", "ben"]))
        inner = model.estimator_
        inner = getattr(inner, "steps", [(0, inner)])[-1][1]
        assert list(inner.groups_) == ["ann", "ben", "ann", "cyn", "ben"]
        picks, _ = model.query(X[:3], groups=["ben", "cyn", "ann"])
        assert picks.tolist() == [2]
        assert model.predict(X[:1], groups=["zoe"]).tolist() == ["zoe"]


class TestErrors:
    def test_without_training_data(self):
        for call in ("query", "predict"):
            with pytest.raises(NotFittedError):
                getattr(ActiveLearner(LR), call)(X)

    @pytest.mark.parametrize(
        ("rows", "labels", "groups", "error", "message"),
        [
            (X[:2], ["setosa"], None, ValueError, "inconsistent"),
            (X[:2], ["setosa", None], None, ValueError, "row 1"),
            (X[:2].tolist(), Y[:2], None, TypeError, "array.*list"),
            (X[:2, :3], Y[:2], None, ValueError, "dimension"),
            (X[:2], Y[:2], ["a", "b"], ValueError, "no groups"),
        ],
    )
    def test_teach_changes_nothing_on_an_error(
        self, rows, labels, groups, error, message
    ):
        model = learner()
        before = model.predict_proba(X)
        with pytest.raises(error, match=message):
            model.teach(rows, labels, groups=groups)
        assert len(model.X_training_) == 10
        np.testing.assert_array_equal(model.predict_proba(X), before)

    def test_groups_must_continue(self):
        model = ActiveLearner(Lookup()).fit(X[:2], ["a", "b"], groups=["ann", "ben"])
        with pytest.raises(ValueError, match="so far have groups"):
            model.teach(X[:1], ["a"])

    def test_frames_with_other_columns(self):
        model = ActiveLearner(LR).fit(FRAME[::15], Y[::15])
        with pytest.raises(ValueError, match=r"\['a', 'b'\] and \['b', 'a'\]"):
            model.teach(FRAME[["b", "a"]][:1], Y[:1])

    def test_y_is_needed(self):
        with pytest.raises(ValueError, match="requires y"):
            ActiveLearner(LR, X_training=X).predict(X)

    def test_query_sizes(self):
        with pytest.raises(ValueError, match="n_instances"):
            learner().query(X, n_instances=0)

    def test_strategy(self):
        with pytest.raises(InvalidParameterError):
            learner("entropie").query(X)
        with pytest.raises(ValueError, match="Ridge"):
            ActiveLearner(Ridge()).fit(X, NUMBERS).query(X)


def test_sparse_pools_of_any_format():
    rows, instances = learner().query(sparse.coo_array(X[POOL]), 2)
    expected, dense = learner().query(X[POOL], 2)
    assert rows.tolist() == expected.tolist()
    np.testing.assert_array_equal(instances.toarray(), dense)


def test_labels_of_another_kind_are_refused():
    model = learner()
    with pytest.raises(TypeError, match="Text and numbers"):
        model.teach(X[:2], [0, 1])
    assert len(model.y_training_) == len(FIRST)
