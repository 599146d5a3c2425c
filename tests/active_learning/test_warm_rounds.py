"""Rounds that continue where the round before ended."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from bead_sklearn import (
    ActiveLearner,
    ActiveLearningSearch,
    BinaryClassifier,
    MagnitudeRegressor,
)

pd = pytest.importorskip("pandas")

pytestmark = pytest.mark.filterwarnings(
    "ignore::bead_sklearn.exceptions.SingularFitWarning",
    "ignore::bead_sklearn.exceptions.SeparationWarning",
)

N = 400
rng = np.random.RandomState(0)
X = rng.normal(size=(N, 2))
G = np.tile(np.arange(20), N // 20)
ETA = X @ [1.0, -0.5] + 1.5 * rng.normal(size=20)[G]
Y = np.array(["no", "yes"])[(rng.logistic(size=N) < ETA).astype(int)]
FRAME = pd.DataFrame(X, columns=["a", "b"]).assign(g=G)
NUMBERS = ETA + rng.normal(size=N)


def search(estimator, strategy="entropy", **params):
    options = {
        "n_initial": 120,
        "batch_size": 20,
        "max_labels": 220,
        "validation": (X, Y, G),
        "random_state": 0,
    }
    return ActiveLearningSearch(estimator, strategy, **{**options, **params})


#: Optimizer iterations of the fits of the estimators below.
STEPS = []


class Counting:
    """Notes the optimizer iterations of every fit."""

    def fit(self, X, y, *, groups=None, sample_weight=None):
        super().fit(X, y, groups=groups, sample_weight=sample_weight)
        STEPS.append(self.n_iter_)
        return self


class CountingClassifier(Counting, BinaryClassifier):
    pass


class CountingRegressor(Counting, MagnitudeRegressor):
    pass


def counted(run):
    STEPS.clear()
    result = run()
    return result, sum(STEPS)


@pytest.mark.parametrize("pipeline", [False, True])
def test_the_search_is_the_same_and_shorter(pipeline):
    estimator = CountingClassifier(mixed_effects="(1 | g)")
    if pipeline:
        estimator = make_pipeline(FunctionTransformer(), estimator)

    def run(warm_start):
        model = search(estimator, warm_start=warm_start, validation=None)
        return model.fit(FRAME, Y)

    cold, cold_steps = counted(lambda: run(False))
    for warm_start in ("auto", True):
        warm, warm_steps = counted(lambda warm_start=warm_start: run(warm_start))
        assert warm_steps < cold_steps
        assert [rows.tolist() for rows in warm.queries_] == [
            rows.tolist() for rows in cold.queries_
        ]
        np.testing.assert_allclose(
            warm.predict_proba(FRAME), cold.predict_proba(FRAME), atol=1e-5
        )
        assert repr(warm.estimator_) == repr(cold.estimator_)
    assert repr(estimator) == repr(cold.estimator_)


def test_regressors_continue_too():
    def run(warm_start):
        model = search(
            CountingRegressor(),
            "predictive_std",
            warm_start=warm_start,
            validation=(X, NUMBERS, G),
        )
        return model.fit(X, NUMBERS, groups=G)

    cold, cold_steps = counted(lambda: run(False))
    warm, warm_steps = counted(lambda: run("auto"))
    assert warm_steps < cold_steps
    np.testing.assert_allclose(
        warm.history_["score"], cold.history_["score"], atol=1e-6
    )


def test_sessions_continue():
    def run(warm_start):
        model = search(CountingClassifier(), warm_start=warm_start, validation=None)
        model.start(X, groups=G)
        for _ in range(5):
            rows = model.ask()
            model.tell(rows, Y[rows])
        model.predict(X)
        return model

    cold, cold_steps = counted(lambda: run(False))
    warm, warm_steps = counted(lambda: run("auto"))
    assert warm_steps < cold_steps
    np.testing.assert_allclose(
        warm.predict_proba(X, groups=G), cold.predict_proba(X, groups=G), atol=1e-5
    )


def test_the_learner_continues():
    def run(warm_start):
        learner = ActiveLearner(CountingClassifier(), warm_start=warm_start)
        learner.fit(X[:150], Y[:150], groups=G[:150])
        for start in range(150, 250, 20):
            rows = slice(start, start + 20)
            learner.teach(X[rows], Y[rows], groups=G[rows])
        return learner

    cold, cold_steps = counted(lambda: run(False))
    warm, warm_steps = counted(lambda: run("auto"))
    assert warm_steps < cold_steps
    np.testing.assert_allclose(
        warm.predict_proba(X, groups=G), cold.predict_proba(X, groups=G), atol=1e-5
    )
    assert not warm.estimator_.warm_start
    # fit forgets, and new rows alone are fitted afresh.
    _, steps = counted(lambda: warm.fit(X[:150], Y[:150], groups=G[:150]))
    fresh = CountingClassifier().fit(X[:150], Y[:150], groups=G[:150])
    assert steps == fresh.n_iter_
    _, steps = counted(
        lambda: warm.teach(X[150:400], Y[150:400], groups=G[150:400], only_new=True)
    )
    fresh = CountingClassifier().fit(X[150:400], Y[150:400], groups=G[150:400])
    assert steps == fresh.n_iter_


def test_every_round_has_an_estimator_of_its_own():
    seen = []

    def rule(state):
        seen.append((state.estimator, state.estimator.predict_proba(X, groups=G)))
        return False

    search(BinaryClassifier(), stopping=rule).fit(X, Y, groups=G)
    assert len({id(estimator) for estimator, _ in seen}) == len(seen) > 3
    for estimator, probabilities in seen:
        np.testing.assert_array_equal(
            estimator.predict_proba(X, groups=G), probabilities
        )


def test_a_new_class_of_the_pool():
    learner = ActiveLearner(CountingClassifier())
    learner.fit(X[:150], Y[:150], groups=G[:150])
    with pytest.raises(ValueError, match="3 labels"):
        learner.teach(X[150:152], ["yes", "maybe"], groups=G[150:152])
    assert learner.classes_.tolist() == ["no", "yes"]
    learner.teach(X[150:170], Y[150:170], groups=G[150:170])
    fresh = BinaryClassifier().fit(X[:170], Y[:170], groups=G[:170])
    np.testing.assert_allclose(
        learner.predict_proba(X, groups=G), fresh.predict_proba(X, groups=G), atol=1e-5
    )


def test_another_estimator_in_the_learner():
    learner = ActiveLearner(BinaryClassifier()).fit(X[:150], Y[:150], groups=G[:150])
    learner.estimator = LogisticRegression()
    learner.teach(X[150:170], Y[150:170], groups=G[150:170])
    assert isinstance(learner.estimator_, LogisticRegression)
    learner.estimator = BinaryClassifier()
    learner.teach(X[170:190], Y[170:190], groups=G[170:190])
    assert isinstance(learner.estimator_, BinaryClassifier)


class TestOtherEstimators:
    """Estimators that continue in place, and may end elsewhere than a fresh fit."""

    sgd = SGDClassifier(max_iter=1, tol=None, loss="log_loss", random_state=0)

    def test_auto_starts_afresh(self):
        cold = search(self.sgd, warm_start=False, validation=(X, Y)).fit(X, Y)
        auto = search(self.sgd, validation=(X, Y)).fit(X, Y)
        np.testing.assert_array_equal(cold.estimator_.coef_, auto.estimator_.coef_)
        np.testing.assert_array_equal(cold.history_["score"], auto.history_["score"])

    def test_the_learner_continues_on_request(self):
        def taught(warm_start):
            learner = ActiveLearner(self.sgd, warm_start=warm_start)
            learner.fit(X[:100], Y[:100])
            return learner.teach(X[100:120], Y[100:120])

        fresh = self.sgd.__class__(**self.sgd.get_params()).fit(X[:120], Y[:120])
        np.testing.assert_array_equal(taught("auto").estimator_.coef_, fresh.coef_)
        warm = taught(True).estimator_
        assert not np.array_equal(warm.coef_, fresh.coef_)
        assert not warm.warm_start

    def test_an_error_leaves_the_learner_as_it_was(self):
        learner = ActiveLearner(self.sgd, warm_start=True).fit(X[:100], Y[:100])
        before = learner.estimator_.coef_.copy()
        bad = X[100:120].copy()
        bad[3] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            learner.teach(bad, Y[100:120])
        np.testing.assert_array_equal(learner.estimator_.coef_, before)
        assert len(learner.X_training_) == 100

    def test_a_new_class_starts_afresh(self):
        labels = np.where(np.arange(N) < 100, Y, np.where(Y == "no", "maybe", Y))
        learner = ActiveLearner(self.sgd, warm_start=True)
        learner.fit(X[:100], labels[:100]).teach(X[100:130], labels[100:130])
        fresh = self.sgd.__class__(**self.sgd.get_params())
        fresh.fit(X[:130], labels[:130])
        np.testing.assert_array_equal(learner.estimator_.coef_, fresh.coef_)

    @pytest.mark.parametrize(
        "estimator", [StandardScaler(), make_pipeline(LogisticRegression())]
    )
    def test_estimators_that_cannot_are_refused(self, estimator):
        with pytest.raises(ValueError, match="no warm_start parameter"):
            ActiveLearner(estimator, warm_start=True).fit(X, Y)
