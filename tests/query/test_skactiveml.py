"""scikit-activeml's strategies here, ours there."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold

from bead_sklearn import BinaryClassifier, CategoricalClassifier
from bead_sklearn.active_learning import ActiveLearner, ActiveLearningSearch
from bead_sklearn.query import (
    CommitteeClassifier,
    as_skactiveml,
    from_skactiveml,
    get_query_strategy,
)

pool = pytest.importorskip("skactiveml.pool", reason="needs scikit-activeml")
from skactiveml.classifier import SklearnClassifier  # noqa: E402
from skactiveml.pool.multiannotator import SingleAnnotatorWrapper  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

X, Y = load_iris(return_X_y=True)
LR = LogisticRegression(max_iter=1000)
KNOWN = np.arange(0, 150, 10)
UNKNOWN = np.setdiff1d(np.arange(150), KNOWN)
HIDDEN = np.full(150, np.nan)
HIDDEN[KNOWN] = Y[KNOWN]
CLASSES = [0, 1, 2]


def search(strategy, estimator=LR, **params):
    params = {"batch_size": 4, "n_initial": 9, "max_labels": 17} | params
    return ActiveLearningSearch(estimator, strategy, random_state=0, **params)


# Those of scikit-activeml that take a classifier with any number of classes. Left out:
# EpistemicUncertaintySampling is binary, FourDs needs a mixture model, and two wrap
# others.
LEFT_OUT = {
    "EpistemicUncertaintySampling",
    "ExpectedErrorReduction",
    "FourDs",
    "ParallelUtilityEstimationWrapper",
    "SubSamplingWrapper",
}


def strategies():
    for name in pool.__all__:
        kind = getattr(pool, name)
        if not inspect.isclass(kind) or name in LEFT_OUT:
            continue
        named = inspect.signature(kind.query).parameters
        if "reg" in named or name.startswith("GreedySampling"):
            continue  # for regressors
        params = {"random_state": 0}
        if name in ("Quire", "CostEmbeddingAL"):
            params["classes"] = CLASSES
        if name == "ProbabilisticAL":
            continue  # needs a classifier that counts neighbours
        yield pytest.param(kind(**params), id=name)


class TestTheirsInOurSearch:
    @pytest.mark.parametrize("strategy", list(strategies()))
    def test_every_strategy_for_classifiers(self, strategy):
        estimator = (
            CommitteeClassifier(LR, n_estimators=3, random_state=0)
            if "ensemble" in inspect.signature(strategy.query).parameters
            else LR
        )
        slow = type(strategy).__name__ in ("MonteCarloEER", "ValueOfInformationEER")
        rows = np.arange(150) if not slow else np.arange(0, 150, 4)
        run = search(
            from_skactiveml(strategy), estimator, max_labels=9 + 4 * (1 if slow else 2)
        ).fit(X[rows], Y[rows])
        assert run.labeled_.sum() == (13 if slow else 17)
        assert run.predict(X).shape == (150,)

    def test_same_choice_as_theirs(self):
        theirs = pool.UncertaintySampling(method="entropy", random_state=0)
        run = search(from_skactiveml(theirs)).fit(X, Y)
        ours = search("entropy").fit(X, Y)
        assert set(run.queries_[0]) == set(ours.queries_[0])
        utilities = from_skactiveml(theirs)(
            clone(LR).fit(X[KNOWN], Y[KNOWN]),
            X[UNKNOWN],
            X_labeled=X[KNOWN],
            y_labeled=Y[KNOWN],
        )
        mine = get_query_strategy("entropy")(
            clone(LR).fit(X[KNOWN], Y[KNOWN]), X[UNKNOWN]
        )
        np.testing.assert_allclose(utilities, mine, atol=1e-6)

    def test_labels_of_any_kind(self):
        names = np.array(["setosa", "versicolor", "virginica"])[Y]
        run = search(from_skactiveml(pool.Badge())).fit(X, names)
        plain = search(from_skactiveml(pool.Badge())).fit(X, Y)
        assert [q.tolist() for q in run.queries_] == [
            q.tolist() for q in plain.queries_
        ]

    def test_repeatable_and_pickled(self):
        strategy = from_skactiveml(pool.RandomSampling(random_state=5))
        one, two = search(strategy).fit(X, Y), search(clone(strategy)).fit(X, Y)
        assert [q.tolist() for q in one.queries_] == [q.tolist() for q in two.queries_]
        assert one.queries_[0].tolist() != one.queries_[1].tolist()
        assert isinstance(pickle.loads(pickle.dumps(strategy)), type(strategy))

    def test_grid_of_strategies(self):
        grid = GridSearchCV(
            search(None, max_labels=13),
            {
                "strategy": [
                    "margin",
                    from_skactiveml(pool.CoreSet()),
                    from_skactiveml(pool.UncertaintySampling(method="entropy")),
                ]
            },
            cv=GroupKFold(3),
            error_score="raise",
        ).fit(X, Y, groups=np.arange(150) % 10)
        assert len(grid.cv_results_["params"]) == 3

    def test_regression(self):
        data, y = load_diabetes(return_X_y=True)
        for strategy in (
            pool.GreedySamplingX(random_state=0),
            pool.GreedySamplingTarget(random_state=0),
        ):
            run = search(from_skactiveml(strategy), Ridge()).fit(data[:80], y[:80])
            assert run.labeled_.sum() == 17

    def test_in_a_learner(self):
        learner = ActiveLearner(
            LR,
            from_skactiveml(pool.TypiClust()),
            X_training=X[KNOWN],
            y_training=Y[KNOWN],
        )
        rows, _ = learner.query(X[UNKNOWN], 3)
        assert len(set(rows.tolist())) == 3

    def test_fits_that_fail_are_errors(self):
        class Broken(LogisticRegression):
            def fit(self, X, y):
                if len(X) == len(KNOWN) and Broken.fails:
                    raise RuntimeError("out of order")
                return super().fit(X, y)

        Broken.fails = False
        model = Broken().fit(X[KNOWN], Y[KNOWN])
        Broken.fails = True
        strategy = from_skactiveml(pool.UncertaintySampling())
        with pytest.raises(ValueError, match=r"could not be fitted.*out of order"):
            strategy(model, X[UNKNOWN], X_labeled=X[KNOWN], y_labeled=Y[KNOWN])

    def test_bad_input(self):
        with pytest.raises(TypeError, match="an instance"):
            from_skactiveml(pool.Badge)
        with pytest.raises(TypeError, match="an instance"):
            from_skactiveml("badge")
        strategy = from_skactiveml(pool.CoreSet())
        with pytest.raises(ValueError, match="needs X_labeled"):
            strategy(LR.fit(X, Y), X)
        with pytest.raises(ValueError, match="dense table of numbers"):
            search(strategy).fit(sparse.csr_matrix(X), Y)


class TestOursThere:
    @pytest.mark.parametrize("name", ["entropy", "margin", "least_confidence"])
    def test_query_equals_theirs(self, name):
        clf = SklearnClassifier(LR, classes=CLASSES)
        named = {"margin": "margin_sampling", "least_confidence": "least_confident"}
        method = named.get(name, name)
        theirs = pool.UncertaintySampling(method=method, random_state=0)
        other, utilities = theirs.query(
            X, HIDDEN, clf, batch_size=5, return_utilities=True
        )
        mine, scores = as_skactiveml(name).query(
            X, HIDDEN, clf, batch_size=5, return_utilities=True
        )
        assert set(mine) == set(other)
        assert scores.shape == utilities.shape == (5, 150)
        assert np.array_equal(np.isnan(scores[0]), np.isnan(utilities[0]))
        assert np.isnan(scores[:, KNOWN]).all()
        assert [np.isnan(row).sum() for row in scores] == [15, 16, 17, 18, 19]

    def test_candidates(self):
        clf = SklearnClassifier(LR, classes=CLASSES).fit(X, HIDDEN)
        strategy = as_skactiveml("margin")
        some = UNKNOWN[::3]
        chosen = strategy.query(X, HIDDEN, clf, fit_clf=False, candidates=some)
        assert chosen[0] in some
        rows, utilities = strategy.query(
            X,
            HIDDEN,
            clf,
            fit_clf=False,
            candidates=X[some],
            batch_size=2,
            return_utilities=True,
        )
        assert some[rows[0]] == chosen[0]
        assert utilities.shape == (2, len(some))
        with pytest.warns(UserWarning, match="larger than the number of candidates"):
            all_of_them = strategy.query(
                X, HIDDEN, clf, candidates=some[:3], batch_size=9
            )
        assert sorted(all_of_them) == sorted(some[:3])
        with pytest.raises(ValueError, match="no candidates"):
            strategy.query(X, Y.astype(float), clf)

    @pytest.mark.parametrize("missing", [None, "?", -1])
    def test_missing_labels(self, missing):
        kind = object if missing is None else str
        labels = Y if missing == -1 else np.array(["a", "b", "c"], dtype=kind)[Y]
        y = labels.copy()
        y[UNKNOWN] = missing
        clf = SklearnClassifier(
            LR, classes=np.unique(labels).tolist(), missing_label=missing
        )
        rows = as_skactiveml("entropy", missing_label=missing).query(
            X, y, clf, batch_size=3
        )
        expected = as_skactiveml("entropy").query(
            X, HIDDEN, SklearnClassifier(LR, classes=CLASSES), batch_size=3
        )
        assert rows.tolist() == expected.tolist()

    def test_strategies_that_look_inside(self):
        forest = SklearnClassifier(
            RandomForestClassifier(8, random_state=0), classes=CLASSES
        )
        rows = as_skactiveml("vote_entropy").query(X, HIDDEN, forest, batch_size=4)
        assert len(set(rows.tolist())) == 4
        bare = RandomForestClassifier(8, random_state=0).fit(X[KNOWN], Y[KNOWN])
        expected, _ = get_query_strategy("vote_entropy")(
            bare, X[UNKNOWN], n_instances=4
        )
        assert rows.tolist() == UNKNOWN[expected].tolist()

    def test_their_wrappers_take_ours(self):
        clf = SklearnClassifier(LR, classes=CLASSES)
        sub = pool.SubSamplingWrapper(
            as_skactiveml("margin"), max_candidates=0.5, random_state=0
        )
        rows = sub.query(X, HIDDEN, clf=clf, batch_size=3)
        assert not set(rows) & set(KNOWN)
        annotators = np.repeat(HIDDEN[:, None], 4, axis=1)
        pairs = SingleAnnotatorWrapper(as_skactiveml("entropy"), random_state=0).query(
            X, annotators, clf=clf, batch_size=3
        )
        assert np.shape(pairs) == (3, 2)

    def test_params_and_seeds(self):
        strategy = as_skactiveml("random", random_state=3)
        clf = SklearnClassifier(LR, classes=CLASSES)
        one = strategy.query(X, HIDDEN, clf, batch_size=5)
        assert (
            one.tolist() == clone(strategy).query(X, HIDDEN, clf, batch_size=5).tolist()
        )
        assert strategy.get_params()["random_state"] == 3


class TestOurModelsInTheirWrapper:
    @pytest.mark.parametrize("model", [CategoricalClassifier(), BinaryClassifier()])
    def test_classifiers(self, model):
        binary = isinstance(model, BinaryClassifier)
        y = np.minimum(HIDDEN, 1.0) if binary else HIDDEN
        classes = CLASSES[:2] if binary else CLASSES
        clf = SklearnClassifier(model, classes=classes, random_state=0).fit(X, y)
        assert clf.is_fitted_
        alone = clone(model).fit(X[KNOWN], y[KNOWN].astype(int))
        np.testing.assert_allclose(
            clf.predict_proba(X), alone.predict_proba(X), atol=1e-6
        )
        rows = pool.UncertaintySampling(random_state=0).query(X, y, clf, batch_size=3)
        assert len(set(rows.tolist())) == 3
