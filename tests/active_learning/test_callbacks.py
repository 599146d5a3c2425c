from __future__ import annotations

import numpy as np
import pytest
from sklearn import config_context
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bead_sklearn._callbacks import propagate_callbacks
from bead_sklearn.active_learning import ActiveLearningSearch

X, Y = load_iris(return_X_y=True)


def search(estimator=None, **params):
    estimator = estimator or LogisticRegression(max_iter=1000)
    params = {"batch_size": 5, "max_labels": 30, "random_state": 0} | params
    return ActiveLearningSearch(estimator, "margin", **params)


class Recorder:
    """Notes the tasks; stops when told to."""

    def __init__(self, stop_at=None):
        self.stop_at, self.begun, self.ended, self.models = stop_at, [], [], []
        self.torn_down = 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.torn_down += 1

    def on_fit_task_begin(self, estimator, context):
        self.begun.append((context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.ended.append((context.task_name, context.task_id))
        if context.task_name == "round":
            self.models.append(fitted_estimator)
        return context.task_name == "round" and context.task_id == self.stop_at


def test_tasks():
    recorder = Recorder()
    model = search(n_repeats=2).set_callbacks(recorder).fit(X, Y)
    rounds = [("round", i) for i in range(5)]
    assert recorder.begun == [
        ("fit", 0),
        ("run", 0),
        *rounds,
        ("run", 1),
        *rounds,
    ]
    assert sorted(recorder.ended) == sorted(recorder.begun)
    assert recorder.torn_down == 1
    rows = model.initial_
    first = LogisticRegression(max_iter=1000).fit(X[rows], Y[rows])
    np.testing.assert_array_equal(recorder.models[0].predict(X), first.predict(X))


def test_a_callback_can_stop_the_search():
    recorder = Recorder(stop_at=2)
    model = search().set_callbacks(recorder).fit(X, Y)
    assert model.stopped_by_ == "callback"
    assert model.history_["n_labels"].tolist() == [10, 15, 20]


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(max_iter=1000),
        GaussianNB(),
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    ],
)
def test_progress_bars(estimator, capsys):
    pytest.importorskip("rich")
    bar = ProgressBar(max_propagation_depth=None)
    model = search(estimator).set_callbacks(bar).fit(X, Y)
    assert model.labeled_.sum() == 30
    grid = GridSearchCV(search(estimator), {"batch_size": [5, 10]}, cv=2)
    grid.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, Y)
    assert "ActiveLearningSearch" in capsys.readouterr().out


def test_scoring_monitor_sees_the_learning_curve():
    monitor = ScoringMonitor(scoring="accuracy")
    model = search().set_callbacks(monitor).fit(X, Y)
    scores = [row for row in monitor.get_logs().data if row["task_name"] == "round"]
    assert len(scores) == 5
    assert scores[-1]["accuracy"] == model.score(X, Y)
    assert scores[0]["accuracy"] < scores[-1]["accuracy"]


def test_parallel_runs_with_callbacks():
    monitor = ScoringMonitor(scoring="accuracy")
    model = search(n_repeats=2, n_jobs=2).set_callbacks(monitor).fit(X, Y)
    assert len(model.runs_) == 2


def test_with_routing_and_groups():
    recorder = Recorder()
    with config_context(enable_metadata_routing=True):
        search().set_callbacks(recorder).fit(X, Y, groups=np.arange(150) % 5)
    assert recorder.torn_down == 1


def test_nothing_to_propagate():
    with propagate_callbacks(None, LogisticRegression()) as nothing:
        assert nothing is None
