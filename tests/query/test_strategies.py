"""What every strategy must do, whatever it computes."""

from __future__ import annotations

import pickle

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import BayesianRidge, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.metadata_routing import get_routing_for_object

from bead_sklearn import CategoricalClassifier
from bead_sklearn.query import (
    CommitteeClassifier,
    EntropySampling,
    FunctionStrategy,
    PredictiveStdSampling,
    QueryStrategy,
    RandomSampling,
    create_strategy,
    get_query_strategy,
    get_query_strategy_names,
    make_query_strategy,
)


def first_column(estimator, X):
    return np.asarray(X)[:, 0]


def make(name):
    strategy = get_query_strategy(name)
    if name == "random":
        strategy.set_params(random_state=3)
    return strategy


NAMES = get_query_strategy_names()
DETERMINISTIC = [
    name for name in NAMES if not get_query_strategy(name).capabilities.is_random
]


@pytest.fixture(scope="module")
def data():
    X, y = load_iris(return_X_y=True)
    return X, y


def fitted(name, data):
    X, y = data
    model = {
        "std": BayesianRidge(),
        "committee": CommitteeClassifier(random_state=0),
        "posterior": CategoricalClassifier(),
    }.get(get_query_strategy(name).capabilities.needs, LogisticRegression(max_iter=500))
    return model.fit(X[::3], y[::3])


def test_containers(data):
    X, y = data
    model = LogisticRegression(max_iter=500).fit(X, y)
    strategy = EntropySampling()
    expected, _ = strategy(model, X, n_instances=3)
    indices, rows = strategy(model, sparse.csr_matrix(X), n_instances=3)
    assert indices.tolist() == expected.tolist()
    np.testing.assert_array_equal(rows.toarray(), X[expected])
    names = list("abcd")
    frame = pl.DataFrame(X, schema=names)
    indices, rows = strategy(
        LogisticRegression(max_iter=500).fit(frame, y), frame, n_instances=3
    )
    assert rows.equals(frame[expected.tolist()])
    texts = ["good film", "bad film", "good good", "awful"]
    reader = make_pipeline(TfidfVectorizer(), LogisticRegression())
    reader.fit(texts, [1, 0, 1, 0])
    pool = ["film", "good", "awful"]
    indices, rows = strategy(reader, pool, n_instances=2)
    assert rows == [pool[i] for i in indices]


class ModalLearner:
    """modAL 0.4.2's way of calling a strategy."""

    def __init__(self, estimator, query_strategy):
        self.estimator, self.query_strategy = estimator, query_strategy

    def predict_proba(self, X, **kwargs):
        return self.estimator.predict_proba(X, **kwargs)

    def query(self, X_pool, *args, return_metrics=False, **kwargs):
        index, metrics = self.query_strategy(self, X_pool, *args, **kwargs)
        picked = (index, X_pool[index])
        return (*picked, metrics) if return_metrics else picked


def test_as_modal(data):
    model = fitted("entropy", data)
    learner = ModalLearner(model, EntropySampling().as_modal())
    best = EntropySampling().select(EntropySampling()(model, data[0]), 4)
    index, rows = learner.query(data[0])
    assert index.tolist() == best[:1].tolist()
    index, rows = learner.query(data[0], n_instances=4)
    assert index.tolist() == best.tolist()
    np.testing.assert_array_equal(rows, data[0][best])
    learner.query_strategy = EntropySampling()
    assert learner.query(data[0], n_instances=2)[0].tolist() == best[:2].tolist()
    again = pickle.loads(pickle.dumps(EntropySampling().as_modal()))
    assert again(model, data[0], n_instances=2)[0].tolist() == best[:2].tolist()


@pytest.mark.parametrize("n", [0, -1])
def test_n_instances_must_be_positive(n, data):
    with pytest.raises(ValueError, match="n_instances must be at least 1"):
        EntropySampling()(fitted("entropy", data), data[0], n_instances=n)


class TestRandom:
    def test_seeds(self):
        pool = np.zeros((30, 1))
        first = RandomSampling(random_state=1)(None, pool)
        np.testing.assert_array_equal(first, RandomSampling(random_state=1)(None, pool))
        assert (first != RandomSampling(random_state=2)(None, pool)).any()
        state = np.random.RandomState(1)
        strategy = RandomSampling(random_state=state)
        assert (strategy(None, pool) != strategy(None, pool)).any()

    def test_compute_scores_reads_the_number_of_rows_only(self):
        scores = RandomSampling(random_state=42).compute_scores(
            [[0.9, 0.1], [0.5, 0.5]]
        )
        outputs = [np.full((2, 2), 0.5)] * 3
        np.testing.assert_array_equal(
            scores, RandomSampling(random_state=42).compute_scores(outputs)
        )
        assert scores.shape == (2,)

    def test_picks_are_uniform(self):
        pool = np.zeros((5, 1))
        counts = np.zeros(5)
        strategy = RandomSampling(random_state=np.random.RandomState(0))
        for _ in range(2000):
            counts[strategy.select(strategy(None, pool), 1)] += 1
        assert np.abs(counts - 400).max() < 5 * np.sqrt(2000 * 0.2 * 0.8)

    def test_bad_random_state(self):
        with pytest.raises(InvalidParameterError, match="random_state"):
            RandomSampling(random_state="x")(None, np.zeros((2, 1)))


class TestPredictiveStd:
    def test_is_the_std_of_the_estimator(self, data):
        X, y = data
        for model in (BayesianRidge(), GaussianProcessRegressor(alpha=0.1)):
            model.fit(X[::5], y[::5])
            np.testing.assert_array_equal(
                PredictiveStdSampling()(model, X), model.predict(X, return_std=True)[1]
            )

    def test_through_a_pipeline(self, data):
        X, y = data
        pipe = make_pipeline(StandardScaler(), BayesianRidge()).fit(X, y)
        np.testing.assert_array_equal(
            PredictiveStdSampling()(pipe, X), pipe.predict(X, return_std=True)[1]
        )

    def test_several_targets(self, data):
        X, y = data
        model = GaussianProcessRegressor(alpha=0.1).fit(X[::5], np.c_[y, 2 * y][::5])
        std = model.predict(X, return_std=True)[1]
        np.testing.assert_allclose(
            PredictiveStdSampling()(model, X), np.sqrt((std**2).sum(axis=1))
        )

    def test_without_std(self, data):
        X, y = data
        for model in (Ridge(), make_pipeline(StandardScaler(), Ridge())):
            with pytest.raises(ValueError, match=f"{type(model).__name__}.*random"):
                PredictiveStdSampling()(model.fit(X, y), X)


class TestRegistry:
    def test_names_and_objects(self):
        for name in NAMES:
            assert isinstance(get_query_strategy(name), QueryStrategy)
        strategy = EntropySampling()
        assert get_query_strategy(strategy) is strategy

    def test_functions(self, data):
        strategy = get_query_strategy(first_column)
        assert isinstance(strategy, FunctionStrategy)
        np.testing.assert_array_equal(strategy(None, data[0]), data[0][:, 0])
        assert pickle.loads(pickle.dumps(strategy)).func is first_column

    @pytest.mark.parametrize("bad", ["entropie", ""])
    def test_unknown_name(self, bad):
        with pytest.raises(ValueError, match="strategies are"):
            get_query_strategy(bad)

    @pytest.mark.parametrize("bad", [3, EntropySampling])
    def test_what_is_no_strategy(self, bad):
        with pytest.raises(TypeError, match="instance or a function"):
            get_query_strategy(bad)

    def test_create_strategy(self):
        assert create_strategy("random", seed=7).random_state == 7
        assert isinstance(create_strategy("entropy", seed=7), EntropySampling)
        with pytest.raises(ValueError, match="Unknown query strategy 'x'"):
            create_strategy("x")


class TestFunctions:
    def test_response_and_arguments(self, data):
        model = fitted("entropy", data)
        strategy = make_query_strategy(lambda p, k: p[:, k], k=2)
        np.testing.assert_array_equal(
            strategy(model, data[0]), model.predict_proba(data[0])[:, 2]
        )
        assert strategy.get_params()["kwargs"] == {"k": 2}
        margin = make_query_strategy(
            lambda d: -np.abs(d).min(axis=1),
            response_method=["nothing", "decision_function"],
        )
        np.testing.assert_array_equal(
            margin(model, data[0]),
            -np.abs(model.decision_function(data[0])).min(axis=1),
        )

    def test_receives_what_it_names(self, data):
        def few(estimator, X, *, y_labeled, groups=None):
            assert y_labeled == ["yes"]
            assert groups == ["ann"] * 150
            return np.arange(len(X))

        def all_of_it(estimator, X, **context):
            assert set(context) == {
                "groups",
                "X_labeled",
                "y_labeled",
                "groups_labeled",
            }
            return np.arange(len(X))

        for func in (few, all_of_it):
            strategy = make_query_strategy(func, response_method=None)
            utilities = strategy(None, data[0], y_labeled=["yes"], groups=["ann"] * 150)
            assert utilities.tolist() == list(range(150))

    @pytest.mark.parametrize(
        ("func", "message"),
        [
            (lambda p: p[:3, 0], "got 3 for 150"),
            (lambda p: p, "one-dimensional"),
            (lambda p: np.where(p[:, 0] > 0.5, np.nan, 1.0), "NaN"),
        ],
    )
    def test_bad_utilities(self, func, message, data):
        with pytest.raises(ValueError, match=message):
            make_query_strategy(func)(fitted("entropy", data), data[0])

    def test_missing_response(self, data):
        strategy = make_query_strategy(first_column, response_method="transform")
        with pytest.raises(ValueError, match=r"first_column.*transform.*LogisticReg"):
            strategy(fitted("entropy", data), data[0])


class TakesGroups(ClassifierMixin, BaseEstimator):
    """Predicts 0.5 for the participant 'ann' and certainty for the others."""

    def fit(self, X, y, groups=None):
        self.classes_ = np.unique(y)
        self.seen_ = groups
        return self

    def predict_proba(self, X, groups=None):
        p = (
            np.where(np.asarray(groups) == "ann", 0.5, 1.0)
            if groups is not None
            else np.full(len(X), 0.9)
        )
        return np.stack([p, 1 - p], axis=1)

    def predict(self, X, groups=None):
        return self.classes_[self.predict_proba(X, groups).argmax(axis=1)]


class RequestsGroups(TakesGroups):
    __metadata_request__fit = {"groups": True}  # noqa: RUF012
    __metadata_request__predict_proba = {"groups": True}  # noqa: RUF012


class TestGroups:
    X = np.zeros((3, 1))
    groups = ("ben", "ann", "ben")

    def score(self, estimator, **kwargs):
        return EntropySampling()(estimator, self.X, groups=list(self.groups)).argmax()

    @pytest.mark.parametrize("routing", [False, True])
    def test_reach_estimators_that_want_them(self, routing):
        with config_context(enable_metadata_routing=routing):
            model = RequestsGroups().fit(self.X, [0, 1, 0])
            assert self.score(model) == 1
            pipe = make_pipeline(StandardScaler(), RequestsGroups()).fit(
                self.X, [0, 1, 0]
            )
            assert self.score(pipe) == 1

    @pytest.mark.parametrize("routing", [False, True])
    def test_do_not_reach_others(self, routing):
        X = np.array([[0.0], [1.0], [4.0]])
        with config_context(enable_metadata_routing=routing):
            model = LogisticRegression().fit(X, [0, 1, 1])
            for estimator in (
                model,
                make_pipeline(StandardScaler(), model).fit(X, [0, 1, 1]),
            ):
                with_groups = EntropySampling()(estimator, X, groups=["a", "b", "c"])
                np.testing.assert_array_equal(
                    with_groups, EntropySampling()(estimator, X)
                )

    def test_a_signature_is_enough_without_routing_only(self):
        model = TakesGroups().fit(self.X, [0, 1, 0])
        assert self.score(model) == 1
        with config_context(enable_metadata_routing=True):
            with pytest.raises(
                UnsetMetadataPassedError, match="set_predict_proba_request"
            ):
                self.score(model)
            refused = TakesGroups().set_predict_proba_request(groups=False)
            assert self.score(refused.fit(self.X, [0, 1, 0])) == 0

    def test_aliases_must_agree(self):
        with config_context(enable_metadata_routing=True):
            model = RequestsGroups().set_predict_proba_request(groups="participant")
            model.fit(self.X, [0, 1, 0])
            with pytest.raises(ValueError, match=r"'participant'.*'groups'"):
                self.score(model)
            strategy = EntropySampling().set_score_request(groups="participant")
            groups = list(self.groups)
            for estimator in (model, make_pipeline(StandardScaler(), model)):
                estimator.fit(self.X, [0, 1, 0])
                assert strategy(estimator, self.X, groups=groups).argmax() == 1

    def test_request(self):
        strategy = EntropySampling()
        request = get_routing_for_object(strategy).score.requests
        assert request == {"groups": True}
        strategy.set_score_request(groups="participant")
        copy = clone(strategy)
        assert get_routing_for_object(copy).score.requests == {"groups": "participant"}
        assert get_routing_for_object(EntropySampling()).score.requests == {
            "groups": True
        }
        with pytest.raises(TypeError, match="sample_weight"):
            strategy.set_score_request(sample_weight=True)
