"""The search over this package's own models, whose participants are groups."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bead_sklearn import BinaryClassifier, MagnitudeRegressor
from bead_sklearn.active_learning import ActiveLearner, ActiveLearningSearch
from bead_sklearn.model_selection import make_group_scorer
from bead_sklearn.query import EntropySampling, PredictiveStdSampling


@pytest.fixture(scope="module")
def judgments():
    """Participants with strong tendencies of their own: sd 3 in logits."""
    rng = np.random.default_rng(0)
    g = np.array([f"p{i}" for i in np.repeat(np.arange(12), 20)])
    X = rng.normal(size=(240, 2))
    eta = X[:, 0] + np.repeat(rng.normal(scale=3, size=12), 20)
    y = np.where(rng.uniform(size=240) < 1 / (1 + np.exp(-eta)), "yes", "no")
    return X, y, g, eta


@pytest.mark.parametrize("routing", [False, True])
def test_participants_reach_fit_and_strategy(judgments, routing):
    X, y, g, _ = judgments
    with config_context(enable_metadata_routing=routing):
        model = ActiveLearningSearch(
            BinaryClassifier(), n_initial=40, max_labels=60, random_state=0
        ).fit(X, y, groups=g)
        start = model.initial_
        by_hand = BinaryClassifier().fit(X[start], y[start], groups=g[start])
        pool = np.setdiff1d(np.arange(240), start)
        p = by_hand.predict_proba(X[pool], groups=g[pool])
        utilities = EntropySampling().compute_scores(p)
        expected = pool[EntropySampling().select(utilities, 10)]
        assert model.queries_[0].tolist() == expected.tolist()
        np.testing.assert_array_equal(
            model.predict_proba(X, groups=g),
            model.estimator_.predict_proba(X, groups=g),
        )
        assert model.score(X, y, groups=g) > model.score(X, y) + 0.1
        unknown = EntropySampling().compute_scores(by_hand.predict_proba(X[pool]))
        assert expected.tolist() != pool[EntropySampling().select(unknown, 10)].tolist()


def test_a_pipeline_without_routing_gets_them_too(judgments):
    X, y, g, _ = judgments
    pipe = make_pipeline(StandardScaler(), BinaryClassifier())
    model = ActiveLearningSearch(pipe, n_initial=40, max_labels=60, random_state=0)
    model.fit(X, y, groups=g)
    assert accuracy_score(y, model.predict(X, groups=g)) > 0.8
    addressed = clone(model).fit(X, y, groups=g, binaryclassifier__groups=g)
    assert (
        np.concatenate(model.queries_).tolist()
        == np.concatenate(addressed.queries_).tolist()
    )


def test_ids_in_a_column_need_no_routing(judgments):
    pd = pytest.importorskip("pandas")
    X, y, g, _ = judgments
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "participant": g})
    model = BinaryClassifier(mixed_effects="(1 | participant)")
    cv = KFold(4, shuffle=True, random_state=0)
    column = cross_val_score(model, frame, y, cv=cv, scoring="accuracy")
    with config_context(enable_metadata_routing=True):
        argument = cross_validate(
            BinaryClassifier(),
            X,
            y,
            params={"groups": g},
            cv=cv,
            scoring=make_group_scorer(accuracy_score),
        )["test_score"]
    assert column.tolist() == argument.tolist()
    assert column.mean() > 0.75


def test_in_a_search_with_routing(judgments):
    X, y, g, _ = judgments
    with config_context(enable_metadata_routing=True):
        grid = GridSearchCV(
            ActiveLearningSearch(
                BinaryClassifier(), n_initial=60, max_labels=80, random_state=0
            ),
            {"strategy": ["entropy", "random"]},
            cv=KFold(3, shuffle=True, random_state=0),
            scoring=make_group_scorer(accuracy_score),
            error_score="raise",
        ).fit(X, y, groups=g)
        assert grid.best_score_ > 0.7


def test_groups_that_arrive_with_the_labels(judgments):
    X, y, g, _ = judgments
    search = ActiveLearningSearch(BinaryClassifier(), n_initial=60, random_state=0)
    search.start(X)
    rows = search.ask()
    search.tell(rows, y[rows], groups=g[rows])
    expected = BinaryClassifier().fit(X[rows], y[rows], groups=g[rows])
    np.testing.assert_array_equal(
        search.predict_proba(X, groups=g), expected.predict_proba(X, groups=g)
    )
    assert len(search.ask()) == 10


def test_regressor_asks_where_it_is_unsure(judgments):
    X, _, g, eta = judgments
    eta = eta + np.random.RandomState(0).normal(size=len(eta))
    model = ActiveLearningSearch(
        MagnitudeRegressor(),
        "predictive_std",
        n_initial=40,
        max_labels=60,
        random_state=0,
    ).fit(X, eta, groups=g)
    start = model.initial_
    by_hand = MagnitudeRegressor().fit(X[start], eta[start], groups=g[start])
    pool = np.setdiff1d(np.arange(240), start)
    _, std = by_hand.predict(X[pool], groups=g[pool], return_std=True)
    expected = pool[PredictiveStdSampling().select(std, 10)]
    assert model.queries_[0].tolist() == expected.tolist()


def test_learner(judgments):
    X, y, g, _ = judgments
    learner = ActiveLearner(BinaryClassifier()).fit(X[:120], y[:120], groups=g[:120])
    picks, rows = learner.query(X[120:], n_instances=5, groups=g[120:])
    learner.teach(rows, y[120:][picks], groups=g[120:][picks])
    assert len(learner.groups_training_) == 125


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize(
    "scoring", [None, make_group_scorer(accuracy_score), "accuracy"]
)
@pytest.mark.parametrize(
    "estimator",
    [BinaryClassifier(), make_pipeline(StandardScaler(), BinaryClassifier())],
    ids=["model", "pipeline"],
)
def test_validation_data_with_groups_of_their_own(
    judgments, routing, scoring, estimator
):
    X, y, g, _ = judgments
    held = np.arange(240) % 4 == 0
    with config_context(enable_metadata_routing=routing):
        model = ActiveLearningSearch(
            estimator,
            validation=(X[held], y[held], g[held]),
            scoring=scoring,
            n_initial=60,
            max_labels=60,
            random_state=0,
        ).fit(X[~held], y[~held], groups=g[~held])
        known = accuracy_score(y[held], model.predict(X[held], groups=g[held]))
        new = accuracy_score(y[held], model.predict(X[held]))
    assert known > new
    # Nobody hands groups to "accuracy", nor to Pipeline.score without routing.
    lost = scoring == "accuracy" or (
        scoring is None and not routing and hasattr(estimator, "steps")
    )
    assert model.history_["score"].tolist() == [new if lost else known]


def test_validation_groups_under_another_name(judgments):
    X, y, g, _ = judgments
    held = np.arange(240) % 4 == 0
    with config_context(enable_metadata_routing=True):
        est = BinaryClassifier()
        for method in ("fit", "predict", "predict_proba", "score"):
            getattr(est, f"set_{method}_request")(groups="participant")
        model = ActiveLearningSearch(
            est,
            EntropySampling().set_score_request(groups="participant"),
            validation=(X[held], y[held], g[held]),
            n_initial=60,
            max_labels=60,
            random_state=0,
        ).fit(X[~held], y[~held], participant=g[~held])
        known = accuracy_score(
            y[held], model.estimator_.predict(X[held], groups=g[held])
        )
    assert model.history_["score"].tolist() == [known]
