from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import (
    BayesianRidge,
    LogisticRegression,
    Ridge,
    SGDClassifier,
)
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import parametrize_with_checks

from bead_sklearn.active_learning import ActiveLearningSearch, _rounds
from bead_sklearn.query import (
    Constrained,
    DiverseUncertaintySampling,
    EntropySampling,
    MarginSampling,
    PerCost,
    QueryStrategy,
    RandomSampling,
)

X, Y = load_iris(return_X_y=True)
LR = LogisticRegression(max_iter=1000)


def search(strategy="margin", estimator=LR, **params):
    params = {
        "batch_size": 4,
        "n_initial": 6,
        "max_labels": 22,
        "random_state": 0,
    } | params
    return ActiveLearningSearch(estimator, strategy, **params)


@parametrize_with_checks(
    [
        ActiveLearningSearch(LogisticRegression()),
        ActiveLearningSearch(Ridge(), strategy="random"),
        ActiveLearningSearch(
            GaussianProcessRegressor(alpha=0.01, kernel=RBF(), optimizer=None),
            strategy="predictive_std",
            batch_size=3,
        ),
        ActiveLearningSearch(
            make_pipeline(StandardScaler(), LogisticRegression()), "margin"
        ),
    ],
    xfail_strict=True,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_sklearn_compatible(estimator, check):
    check(estimator)


class TestScoringInPlace:
    """Large pools that are nearly all rows are scored without a copy."""

    @pytest.fixture(autouse=True)
    def small_is_large(self, monkeypatch):
        monkeypatch.setattr(_rounds, "_COPIED", 0)

    @pytest.mark.parametrize("strategy", ["margin", "entropy", "vote_entropy"])
    def test_same_queries_as_with_a_copy(self, strategy, monkeypatch):
        X, y = load_digits(return_X_y=True)
        X, y = X[:400] / 16.0, y[:400]
        forest = RandomForestClassifier(10, random_state=0)
        estimator = forest if strategy == "vote_entropy" else LR
        asked = []
        score_pool = QueryStrategy.score_pool

        def watched(self, estimator, X, **known):
            asked.append(len(X))
            return score_pool(self, estimator, X, **known)

        monkeypatch.setattr(QueryStrategy, "score_pool", watched)
        in_place = search(strategy, estimator, max_labels=60).fit(X, y)
        # Up to 40 labels all rows are scored, then what is left.
        assert asked[:9] == [400] * 9
        assert asked[9:] == [400 - n for n in range(42, 60, 4)]
        copied = search(strategy, estimator, max_labels=60).fit(pd.DataFrame(X), y)
        for here, there in zip(in_place.queries_, copied.queries_, strict=True):
            np.testing.assert_array_equal(here, there)
        for name in ("utility_min", "utility_median", "utility_max"):
            np.testing.assert_allclose(in_place.history_[name], copied.history_[name])

    def test_who_may_be_scored_with_others(self):
        assert MarginSampling().is_rowwise
        assert not Constrained(MarginSampling(), max_per_group=1).is_rowwise
        assert not PerCost(MarginSampling(), cost=0).is_rowwise
        assert not RandomSampling().is_rowwise
        assert not DiverseUncertaintySampling().is_rowwise

    def test_quotas_hold(self):
        rng = np.random.RandomState(0)
        X = rng.normal(size=(300, 3))
        y, groups = X[:, 0] > 0, np.arange(300) % 12
        found = search(
            Constrained(MarginSampling(), max_per_group=2), batch_size=6
        ).fit(X, y, groups=groups)
        asked = np.concatenate(found.queries_)
        known = np.bincount(groups[found.initial_], minlength=12)
        total = known + np.bincount(groups[asked], minlength=12)
        assert (total <= np.maximum(known, 2)).all()


class TestLoop:
    def test_is_what_the_loop_by_hand_gives(self):
        model = search(validation=0.3).fit(X, Y)
        held_out = model.runs_[0].held_out
        assert held_out.sum() == 45
        known = list(model.initial_)
        assert len(known) == 6
        scores = []
        for batch in [*model.queries_, None]:
            by_hand = clone(LR).fit(X[known], Y[known])
            scores.append(by_hand.score(X[held_out], Y[held_out]))
            if batch is None:
                break
            pool = np.setdiff1d(np.flatnonzero(~held_out), known)
            p = np.sort(by_hand.predict_proba(X[pool]), axis=1)
            utilities = 1 - (p[:, -1] - p[:, -2])
            expected = pool[np.argsort(-utilities, kind="stable")[:4]]
            assert batch.tolist() == expected.tolist()
            known += batch.tolist()
        assert model.history_["score"].tolist() == scores
        assert model.learning_curve_.mean.tolist() == scores
        assert model.learning_curve_.n_labels.tolist() == [6, 10, 14, 18, 22]
        assert model.area_under_curve_ == pytest.approx(
            (scores[0] / 2 + sum(scores[1:-1]) + scores[-1] / 2) / 4
        )
        np.testing.assert_array_equal(model.predict(X), by_hand.predict(X))
        assert np.flatnonzero(model.labeled_).tolist() == sorted(known)
        assert not (model.labeled_ & held_out).any()

    def test_utilities_in_the_history(self):
        model = search(max_iterations=1, max_labels=None).fit(X, Y)
        rest = np.setdiff1d(np.arange(150), model.initial_)
        fitted = clone(LR).fit(X[model.initial_], Y[model.initial_])
        utilities = MarginSampling()(fitted, X[rest])
        history = model.history_
        for name, q in [
            ("min", 0),
            ("q25", 0.25),
            ("median", 0.5),
            ("q75", 0.75),
            ("max", 1),
        ]:
            column = history[f"utility_{name}"]
            assert column[0] == pytest.approx(np.quantile(utilities, q))
            assert np.isnan(column[1])
        assert (history["fit_time"] > 0).all()
        assert history["iteration"].tolist() == [0, 1]
        assert history["repeat"].tolist() == [0, 0]

    @pytest.mark.parametrize("strategy", ["margin", "random", RandomSampling(5)])
    def test_same_seed_same_queries(self, strategy):
        one, two = search(strategy).fit(X, Y), search(strategy).fit(X, Y)
        assert (
            np.concatenate(one.queries_).tolist()
            == np.concatenate(two.queries_).tolist()
        )
        other = search(strategy, random_state=1).fit(X, Y)
        assert one.initial_.tolist() != other.initial_.tolist()

    def test_strategies_with_one_seed_begin_with_the_same_rows(self):
        one = search("entropy", validation=0.2).fit(X, Y)
        two = search("random", validation=0.2).fit(X, Y)
        assert one.initial_.tolist() == two.initial_.tolist()
        np.testing.assert_array_equal(one.runs_[0].held_out, two.runs_[0].held_out)
        assert one.queries_[0].tolist() != two.queries_[0].tolist()

    def test_a_seeded_random_strategy_draws_anew_every_round(self):
        # With the draw of one seed repeated on a shrinking pool, the positions of the
        # picks within the pool repeat.
        model = search(RandomSampling(0), max_labels=None, max_iterations=12).fit(X, Y)
        known = set(model.initial_.tolist())
        positions = set()
        for batch in model.queries_:
            pool = [i for i in range(150) if i not in known]
            positions.add(pool.index(batch[0]))
            known |= set(batch.tolist())
        assert len(positions) > 6
        other = search(RandomSampling(1), max_labels=None, max_iterations=12).fit(X, Y)
        assert other.queries_[0].tolist() != model.queries_[0].tolist()

    def test_random_state_objects_are_not_consumed_by_the_strategy(self):
        strategy = RandomSampling(np.random.RandomState(3))
        before = strategy.random_state.get_state()[1].copy()
        search(strategy).fit(X, Y)
        np.testing.assert_array_equal(strategy.random_state.get_state()[1], before)

    @pytest.mark.parametrize(
        ("params", "stopped_by", "n_labels"),
        [
            ({"max_labels": 13}, "max_labels", 13),
            ({"max_labels": 5}, "max_labels", 5),
            ({"max_labels": None, "max_iterations": 2}, "max_iterations", 14),
            ({"max_labels": None, "max_iterations": 0}, "max_iterations", 6),
            ({"max_labels": None, "batch_size": 60}, "pool_exhausted", 150),
            ({"max_labels": 400, "batch_size": 60}, "pool_exhausted", 150),
            ({"n_initial": 999, "max_labels": None}, "pool_exhausted", 150),
        ],
    )
    def test_limits(self, params, stopped_by, n_labels):
        model = search(**params).fit(X, Y)
        assert model.stopped_by_ == stopped_by
        assert model.labeled_.sum() == n_labels
        assert model.history_["n_labels"][-1] == n_labels
        assert len(model.queries_) == len(model.history_["n_labels"]) - 1

    def test_inputs_are_untouched(self):
        A, b = X.copy(), Y.copy()
        A.setflags(write=False)
        b.setflags(write=False)
        search(validation=0.2).fit(A, b)
        np.testing.assert_array_equal(A, X)

    def test_equal_rows_are_told_apart(self):
        model = search("entropy", max_labels=None).fit(
            np.repeat(X[::10], 6, axis=0), np.repeat(Y[::10], 6)
        )
        asked = np.concatenate([model.initial_, *model.queries_])
        assert sorted(asked.tolist()) == list(range(90))

    @given(st.integers(1, 30), st.integers(1, 20), st.integers(10, 60))
    def test_every_row_is_asked_at_most_once(self, batch_size, n_initial, max_labels):
        model = search(
            "entropy",
            GaussianNB(),
            batch_size=batch_size,
            n_initial=n_initial,
            max_labels=max_labels,
        ).fit(X, Y)
        asked = np.concatenate([model.initial_, *model.queries_])
        assert len(set(asked.tolist())) == len(asked) == max_labels
        assert all(len(batch) <= batch_size for batch in model.queries_)


class TestStart:
    def test_known_rows_count_and_are_not_asked(self):
        labeled = np.zeros(150, dtype=bool)
        labeled[[0, 60, 120]] = True
        model = search().fit(X, Y, labeled=labeled)
        assert len(model.initial_) == 3
        assert not labeled[model.initial_].any()
        assert not labeled[np.concatenate(model.queries_)].any()
        assert model.labeled_[labeled].all()
        assert model.history_["n_labels"].tolist() == [6, 10, 14, 18, 22]

    def test_more_known_rows_than_the_starting_set(self):
        labeled = np.arange(150) % 15 == 0
        model = search(max_labels=18).fit(X, Y, labeled=labeled)
        assert len(model.initial_) == 0
        assert model.history_["n_labels"].tolist() == [10, 14, 18]

    @pytest.mark.parametrize(
        "labeled", [np.zeros(150, int), np.arange(3), np.zeros((150, 1), bool)]
    )
    def test_labeled_is_a_mask(self, labeled):
        with pytest.raises(ValueError, match=r"boolean mask|inconsistent numbers"):
            search().fit(X, Y, labeled=labeled)

    def test_one_class_at_first(self):
        y = np.where(np.arange(150) < 144, "common", "rare")
        model = search(n_initial=2, max_labels=None, max_iterations=1).fit(X, y)
        drawn = y[model.initial_]
        assert (drawn[:-1] == "common").all()
        assert drawn[-1] == "rare"
        assert len(drawn) > 2
        assert model.history_["n_labels"][0] == len(drawn)

    def test_one_class_until_the_labels_run_out(self):
        y = np.where(np.arange(150) < 149, 0, 1)
        with pytest.raises(ValueError, match="class"):
            search(n_initial=2, max_labels=3).fit(X, y)

    def test_a_regressor_needs_no_second_value(self):
        model = search("random", Ridge(), n_initial=1).fit(X, np.ones(150))
        assert model.history_["n_labels"].tolist() == [1, 5, 9, 13, 17, 21, 22]

    def test_own_cold_start(self):
        def extremes(X, n, random_state):
            assert isinstance(random_state, np.random.RandomState)
            return np.argsort(X[:, 0])[-n:]

        labeled = np.zeros(150, dtype=bool)
        labeled[[0, 60]] = True
        model = search(cold_start=extremes, n_initial=7).fit(X, Y, labeled=labeled)
        free = np.flatnonzero(~labeled)
        assert model.initial_.tolist() == free[np.argsort(X[free, 0])[-5:]].tolist()

    @pytest.mark.parametrize(
        ("picks", "message"),
        [
            ([0, 1], "6 positions"),
            ([0, 1, 2, 3, 4, 150], "0 to 149"),
            ([0] * 6, "twice"),
        ],
    )
    def test_bad_cold_start(self, picks, message):
        with pytest.raises(ValueError, match=message):
            search(cold_start=lambda X, n, random_state: picks).fit(X, Y)


class TestOracle:
    def test_is_asked_for_every_row_once(self):
        asked = []

        def oracle(rows):
            asked.extend(rows.tolist())
            return Y[rows]

        model = search(oracle=oracle).fit(X)
        reference = search().fit(X, Y)
        assert len(set(asked)) == len(asked) == 22
        assert (
            np.concatenate(model.queries_).tolist()
            == np.concatenate(reference.queries_).tolist()
        )

    def test_known_labels_come_from_y(self):
        labeled = np.arange(150) % 25 == 0
        partial = np.where(labeled, Y, -1).astype(object)
        partial[~labeled] = None

        def oracle(rows):
            assert not labeled[rows].any()
            return Y[rows]

        model = search(oracle=oracle).fit(X, partial, labeled=labeled)
        assert set(model.classes_) == {0, 1, 2}

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            ([1], "asked about 6 rows and gave 1 labels"),
            (([0], [1, 2]), "gave 2 labels for 1 rows"),
            (([0], [1], [1]), "tuple of 3"),
            ({-1: 0}, "not asked about"),
            (None, "0 labels for the starting set"),
            ([None] * 6, "0 labels for the starting set"),
        ],
    )
    def test_bad_answers(self, answer, message):
        with pytest.raises(ValueError, match=message):
            search(oracle=lambda rows: answer).fit(X)

    @pytest.mark.parametrize("form", ["none", "nan", "pair", "dict"])
    def test_some_rows_are_not_answered(self, form):
        asked = []

        def oracle(rows):
            assert not set(rows.tolist()) & set(asked)
            asked.extend(rows.tolist())
            answered = rows[rows % 3 > 0]
            if form == "pair":
                return answered[::-1], Y[answered[::-1]]
            if form == "dict":
                return {row: Y[row] for row in answered.tolist()}
            if form == "nan":
                return np.where(rows % 3 > 0, Y[rows], np.nan)
            return [Y[row] if row % 3 else None for row in rows.tolist()]

        model = search(oracle=oracle, max_labels=40).fit(X)
        assert model.stopped_by_ == "max_labels"
        assert model.labeled_.sum() == 40
        assert len(asked) > 45
        told = np.concatenate([model.initial_, *model.queries_])
        assert sorted(told) == np.flatnonzero(model.labeled_).tolist()
        assert (told % 3 > 0).all()
        assert len(model.initial_) >= 6

    def test_an_oracle_that_has_enough(self):
        left = [20]

        def oracle(rows):
            n = min(left[0], len(rows))
            left[0] -= n
            return (rows[:n], Y[rows[:n]]) if n else None

        model = search(oracle=oracle, max_labels=None).fit(X)
        assert model.stopped_by_ == "oracle"
        assert model.labeled_.sum() == 20
        assert all(len(batch) for batch in model.queries_)
        assert model.predict(X).shape == (150,)


class TestValidation:
    def test_own_data(self):
        model = search(validation=(X[100:], Y[100:])).fit(X[:100], Y[:100])
        by_hand = clone(LR)
        rows = model.initial_
        by_hand.fit(X[rows], Y[rows])
        assert model.history_["score"][0] == by_hand.score(X[100:], Y[100:])

    def test_scoring(self):
        def weird(estimator, X, y):
            return -balanced_accuracy_score(y, estimator.predict(X))

        named = search(validation=0.3, scoring="balanced_accuracy").fit(X, Y)
        called = search(validation=0.3, scoring=weird).fit(X, Y)
        np.testing.assert_array_equal(
            named.history_["score"], -called.history_["score"]
        )
        assert named.score(X, Y) == balanced_accuracy_score(Y, named.predict(X))

    def test_whole_participants_are_held_out(self):
        g = np.array([f"p{i}" for i in np.arange(150) % 10])
        model = search(validation=0.3).fit(X, Y, groups=g)
        held_out = model.runs_[0].held_out
        assert len(set(g[held_out])) == 3
        assert not set(g[held_out]) & set(g[~held_out])

    def test_labelled_rows_are_never_held_out(self):
        labeled = np.arange(150) < 120
        model = search(validation=0.2, max_labels=None).fit(X, Y, labeled=labeled)
        assert model.runs_[0].held_out.sum() == 30
        with pytest.raises(ValueError, match="hold out 45 of 150 rows, but 30"):
            search(validation=0.3).fit(X, Y, labeled=labeled)

    def test_participants_of_labelled_rows_are_never_held_out(self):
        g = np.arange(150) % 3
        labeled = np.arange(150) < 2
        model = search(validation=0.3).fit(X, Y, groups=g, labeled=labeled)
        assert (g[model.runs_[0].held_out] == 2).all()

    def test_none_means_no_curve(self):
        model = search().fit(X, Y)
        assert "score" not in model.history_
        for name in ("learning_curve_", "area_under_curve_"):
            with pytest.raises(AttributeError, match="validation"):
                getattr(model, name)

    @pytest.mark.parametrize(
        ("params", "fit", "message"),
        [
            ({"validation": (X,)}, {}, "length 1"),
            ({"validation": (X, Y[:9])}, {}, "differ in length"),
            ({"validation": 0.2}, {"groups": np.zeros((150, 2))}, "one participant id"),
            ({"validation": 0.2}, {"groups": np.zeros(150)}, "1 of 1 participants"),
            ({"validation": 0.2, "oracle": lambda rows: Y[rows]}, {}, "oracle"),
            (
                {"validation": 0.2, "scoring": lambda e, X, y: {"a": 1}},
                {},
                "one number",
            ),
        ],
    )
    def test_errors(self, params, fit, message):
        with pytest.raises(ValueError, match=message):
            search(**params).fit(X, Y, **fit)


class TestRepeats:
    def test_runs_differ_and_the_first_is_kept(self):
        model = search(validation=0.3, n_repeats=3).fit(X, Y)
        assert len(model.runs_) == 3
        starts = {tuple(run.initial) for run in model.runs_}
        assert len(starts) == 3
        assert model.history_["repeat"].tolist() == [0] * 5 + [1] * 5 + [2] * 5
        curve = model.learning_curve_
        assert curve.scores.shape == (3, 5)
        np.testing.assert_allclose(curve.mean, curve.scores.mean(axis=0))
        np.testing.assert_allclose(curve.std, curve.scores.std(axis=0, ddof=1))
        assert curve.scores.ravel().tolist() == model.history_["score"].tolist()
        rows = np.concatenate([model.runs_[0].initial, *model.runs_[0].queries])
        np.testing.assert_array_equal(
            model.predict(X), clone(LR).fit(X[rows], Y[rows]).predict(X)
        )

    def test_jobs_change_nothing(self):
        one = search(validation=0.3, n_repeats=2).fit(X, Y)
        two = search(validation=0.3, n_repeats=2, n_jobs=2).fit(X, Y)
        assert one.history_["score"].tolist() == two.history_["score"].tolist()
        assert one.area_under_curve_ == two.area_under_curve_

    def test_a_longer_search_repeats_the_first_run(self):
        one = search(n_repeats=1).fit(X, Y)
        three = search(n_repeats=3).fit(X, Y)
        assert one.initial_.tolist() == three.initial_.tolist()


class TestRefitAndWarmStart:
    def test_without_refit(self):
        model = search(refit=False, validation=0.3).fit(X, Y)
        assert model.area_under_curve_ > 0.5
        with pytest.raises(AttributeError, match="refit=False"):
            model.predict(X)
        with pytest.raises(AttributeError, match="refit=False"):
            model.estimator_  # noqa: B018

    def test_warm_start_continues(self):
        estimator = SGDClassifier(max_iter=1, tol=None, loss="log_loss", random_state=0)
        options = {"n_initial": 40, "max_labels": 60, "validation": (X, Y)}
        cold = search("random", estimator, **options).fit(X, Y)
        warm = search("random", estimator, warm_start=True, **options).fit(X, Y)
        assert cold.history_["score"][0] == warm.history_["score"][0]
        assert cold.history_["score"].tolist() != warm.history_["score"].tolist()
        # The estimator kept is fitted afresh, so it equals the cold one.
        np.testing.assert_array_equal(cold.estimator_.coef_, warm.estimator_.coef_)
        assert not warm.estimator_.warm_start
        assert not estimator.warm_start

    def test_warm_start_with_a_new_class(self):
        labeled = np.zeros(150, dtype=bool)
        labeled[[0, 1, 60, 61]] = True
        model = search(
            "random",
            LR,
            warm_start=True,
            n_initial=4,
            batch_size=1,
            max_labels=20,
            validation=(X, Y),
        ).fit(X, Y, labeled=labeled)
        assert len(model.classes_) == 3

    @pytest.mark.parametrize(
        ("estimator", "message"),
        [
            (GaussianNB(), "no warm_start"),
            (make_pipeline(LR), "no warm_start"),
            (RandomForestClassifier(), "members"),
            (HistGradientBoostingClassifier(), "members"),
        ],
    )
    def test_warm_start_must_have_an_effect(self, estimator, message):
        with pytest.raises(ValueError, match=message):
            search("random", estimator, warm_start=True).fit(X, Y)


class TestErrors:
    @pytest.mark.parametrize(
        "params",
        [
            {"strategy": "entropie"},
            {"strategy": 3},
            {"batch_size": 0},
            {"n_initial": 0},
            {"cold_start": "k_medoids"},
            {"query_by": 1.5},
            {"validation": 1.0},
            {"validation": "x"},
            {"max_labels": 0},
            {"n_repeats": 0},
            {"scoring": "nothing"},
        ],
    )
    def test_parameters(self, params):
        with pytest.raises(InvalidParameterError):
            ActiveLearningSearch(LR, **params).fit(X, Y)

    @pytest.mark.parametrize("missing", [np.nan, None])
    def test_missing_labels(self, missing):
        y = Y.astype(object if missing is None else float)
        y[17] = missing
        with pytest.raises(ValueError, match=r"1 labels are missing.*row 17"):
            search().fit(X, y)

    def test_strategy_and_estimator_must_fit(self):
        with pytest.raises(ValueError, match=r"EntropySampling.*Ridge"):
            ActiveLearningSearch(Ridge()).fit(X, Y)

    def test_no_score_method(self):
        from sklearn.svm import OneClassSVM

        with pytest.raises(ValueError, match="no score method"):
            search("random", OneClassSVM(), validation=0.2).fit(X, Y)

    def test_lengths(self):
        with pytest.raises(ValueError, match="inconsistent"):
            search().fit(X, Y, groups=Y[:10])

    def test_a_failed_fit_leaves_the_old_state(self):
        model = search().fit(X, Y)
        with pytest.raises(ValueError, match="inconsistent"):
            model.fit(X, Y[:10])
        assert model.labeled_.sum() == 22


class TestEstimator:
    def test_clone_pickle_params(self):
        model = search(EntropySampling(), validation=0.2)
        model.set_params(strategy=RandomSampling(), strategy__random_state=4)
        assert clone(model).get_params()["strategy__random_state"] == 4
        fitted = model.fit(X, Y)
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
        assert again.area_under_curve_ == fitted.area_under_curve_
        assert not hasattr(clone(fitted), "runs_")

    def test_delegation(self):
        model = search()
        assert hasattr(model, "predict_proba")
        assert hasattr(model, "decision_function")
        assert not hasattr(model, "transform")
        assert not hasattr(search("random", Ridge()), "predict_proba")
        model.fit(X, Y)
        for method in (
            "predict",
            "predict_proba",
            "predict_log_proba",
            "decision_function",
        ):
            np.testing.assert_array_equal(
                getattr(model, method)(X), getattr(model.estimator_, method)(X)
            )
        assert model.score(X, Y) == model.estimator_.score(X, Y)
        assert model.n_features_in_ == 4

    def test_transformers(self):
        model = search("random", LinearDiscriminantAnalysis())
        assert hasattr(model, "transform")
        model.fit(X, Y)
        np.testing.assert_array_equal(model.transform(X), model.estimator_.transform(X))

    def test_html(self):
        model = search()
        assert "LogisticRegression" in model._repr_html_()
        assert "estimator_: LogisticRegression" in model.fit(X, Y)._repr_html_()

    @pytest.mark.parametrize("n_jobs", [None, 2])
    def test_grid_search(self, n_jobs):
        grid = GridSearchCV(
            search(),
            {
                "strategy": ["entropy", "random", MarginSampling(), RandomSampling(1)],
                "estimator__C": [0.1, 10.0],
            },
            cv=GroupKFold(3),
            error_score="raise",
            n_jobs=n_jobs,
        )
        g = np.arange(150) % 9
        grid.fit(X, Y, groups=g)
        assert len(grid.cv_results_["params"]) == 8
        assert grid.best_estimator_.labeled_.sum() == 22
        nested = GridSearchCV(
            search(RandomSampling()),
            {"strategy__random_state": [1, 2], "batch_size": [2, 8]},
            cv=3,
            error_score="raise",
        ).fit(X, Y)
        assert nested.best_score_ > 0.6

    def test_pipelines_on_both_sides(self):
        inside = make_pipeline(StandardScaler(), search(n_initial=15)).fit(X, Y)
        pipe = make_pipeline(StandardScaler(), LR)
        over = search(estimator=pipe, n_initial=15).fit(X, Y)
        assert inside.score(X, Y) > 0.8
        assert over.score(X, Y) > 0.8
        scores = cross_validate(inside, X, Y, error_score="raise")["test_score"]
        assert scores.min() > 0.6

    def test_regression(self):
        A, b = load_diabetes(return_X_y=True)
        model = search(
            "predictive_std", BayesianRidge(), max_labels=80, validation=0.3
        ).fit(A, b)
        assert model.history_["score"][-1] > model.history_["score"][0]
        assert model.learning_curve_.n_labels[-1] == 80

    def test_several_outputs(self):
        targets = np.c_[Y == 0, Y == 1].astype(int)
        forest = RandomForestClassifier(5, random_state=0)
        model = search("entropy", forest).fit(X, targets)
        assert model.predict(X).shape == (150, 2)

    def test_sample_weight_is_cut_to_the_labelled_rows(self):
        weight = np.arange(150) + 1.0
        model = search("random").fit(X, Y, sample_weight=weight)
        rows = np.concatenate([model.initial_, *model.queries_])
        expected = clone(LR).fit(X[rows], Y[rows], sample_weight=weight[rows])
        np.testing.assert_array_equal(model.estimator_.coef_, expected.coef_)

    def test_verbose(self, capsys):
        search(verbose=1, validation=0.3, max_iterations=1).fit(X, Y)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 2
        assert "round 0: 6 labels, score 0." in lines[0]
        assert lines[1].endswith("stopped by max_iterations")


class TestSemiSupervised:
    def test_sees_the_pool_and_not_the_held_out_rows(self):
        seen = []

        class Watching(LabelSpreading):
            def fit(self, X, y):
                seen.append((len(X), np.sum(y >= 0)))
                return super().fit(X, y)

        model = search(
            estimator=Watching(gamma=1.0), semi_supervised=True, validation=0.2
        ).fit(X, Y)
        n_labels = model.history_["n_labels"].tolist()
        assert seen == [(120, n) for n in n_labels]
        held_out = model.runs_[0].held_out
        rows = np.flatnonzero(~held_out)
        y = np.where(model.labeled_, Y, -1)[rows]
        by_hand = LabelSpreading(gamma=1.0).fit(X[rows], y)
        np.testing.assert_array_equal(model.predict_proba(X), by_hand.predict_proba(X))

    def test_learns_from_the_pool(self):
        params = {"max_labels": 8, "validation": 0.3, "n_repeats": 5}
        with_pool = search(
            estimator=SelfTrainingClassifier(LR, threshold=0.8),
            semi_supervised=True,
            **params,
        ).fit(X, Y)
        assert np.isfinite(with_pool.learning_curve_.mean).all()

    def test_sessions(self):
        model = search(estimator=LabelSpreading(gamma=1.0), semi_supervised=True)
        session = model.start(X)
        rows = session.ask()
        session.tell(rows, Y[rows])
        assert len(session.ask(3)) == 3

    def test_classes_are_numbers(self):
        names = np.array(["a", "b", "c"])[Y]
        with pytest.raises(ValueError, match="needs classes 0, 1, 2"):
            search(estimator=LabelSpreading(), semi_supervised=True).fit(X, names)


def test_history_as_a_data_frame():
    model = search(validation=0.3, n_repeats=2).fit(X, Y)
    frame = model.history_frame()
    assert frame.columns.tolist() == list(model.history_)
    assert frame.groupby("repeat")["n_labels"].max().tolist() == [22, 22]
