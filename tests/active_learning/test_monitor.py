"""Efficiency of labels, advice, and sizes of batches."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.utils._param_validation import InvalidParameterError

from bead_sklearn.active_learning import (
    ActiveLearningSearch,
    GrowingBatches,
    LearningCurveMonitor,
    batch_size_advice,
)

X, Y = load_iris(return_X_y=True)
LR = LogisticRegression(max_iter=1000)


def curve(n_labels, scores, costs=None, **params):
    monitor = LearningCurveMonitor(**params)
    for k, (n, score) in enumerate(zip(n_labels, scores, strict=True)):
        monitor.track(n, score, None if costs is None else costs[k])
    return monitor


class TestEfficiency:
    def test_no_points(self):
        assert curve([], []).efficiency() is None
        assert curve([10], [0.5]).efficiency() is None
        assert curve([10], [0.5]).advice().status == "start"

    def test_two_points(self):
        found = curve([10, 20], [0.5, 0.6]).efficiency()
        assert found.current == pytest.approx(0.01)
        assert found.average == pytest.approx(0.01)
        assert np.isnan(found.trend)

    def test_declining(self):
        """Steps of 0.02, 0.01 and 0.005 per label."""
        found = curve([10, 20, 30, 40], [0.5, 0.7, 0.8, 0.85], window=10).efficiency()
        assert found.average == pytest.approx(0.35 / 30)
        assert found.trend == pytest.approx(-0.0075 / 10)
        # A line through the last three points.
        assert found.current == pytest.approx(0.15 / 20)

    def test_units_of_the_score(self):
        n, score = [10, 30, 60, 100, 150], np.array([0.3, 0.5, 0.6, 0.65, 0.66])
        one, other = curve(n, score).efficiency(), curve(n, 100 * score).efficiency()
        assert other.relative == pytest.approx(one.relative)
        assert other.current == pytest.approx(100 * one.current)
        lower = curve(n, -score, greater_is_better=False).efficiency()
        assert lower == one

    def test_costs(self):
        found = curve([10, 20, 30], [0.5, 0.6, 0.7], [1.0, 2.0, 5.0])
        assert found.efficiency("cost").average == pytest.approx(0.05)
        with pytest.raises(ValueError, match="No costs were tracked"):
            curve([10, 20], [0.1, 0.2]).efficiency("cost")
        with pytest.raises(ValueError, match="per must be"):
            found.efficiency("hour")

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            ((10, 0.6), "got 10 after 10"),
            ((5, 0.6), "got 5 after 10"),
            ((20, np.nan), "score must be a number"),
            ((20, 0.6, 3.0), "with all points or with none"),
        ],
    )
    def test_bad_points(self, args, message):
        monitor = curve([10], [0.5])
        with pytest.raises(ValueError, match=message):
            monitor.track(*args)
        assert monitor.n_labels == [10]

    def test_costs_are_cumulative(self):
        with pytest.raises(ValueError, match=r"got 2\.0 after 3\.0"):
            curve([10], [0.5], [3.0]).track(20, 0.6, 2.0)
        with pytest.raises(ValueError, match="window"):
            LearningCurveMonitor(window=0)


class TestAdvice:
    def test_follows_a_curve(self):
        n = np.arange(10, 400, 10)
        score = 0.9 - 0.5 * np.exp(-n / 50)
        monitor, said = LearningCurveMonitor(), []
        for point in zip(n.tolist(), score.tolist(), strict=True):
            said.append(monitor.track(*point).advice().status)
        assert list(dict.fromkeys(said)) == ["start", "continue", "consider", "stop"]

    @pytest.mark.parametrize("batch", [10, 30, 100])
    def test_steady_gains_continue_whatever_the_batch(self, batch):
        n = np.arange(10, 800, batch)
        assert curve(n, 0.3 + 0.0005 * n).advice().status == "continue"

    def test_one_dip_does_not_stop(self):
        n = np.arange(10, 210, 10)
        score = 0.3 + 0.002 * n
        score[-1] -= 0.02
        assert curve(n, score).advice().status == "continue"

    def test_no_gain_at_all(self):
        n = np.arange(10, 210, 10)
        advice = curve(n, np.full(len(n), 0.5)).advice()
        assert advice.status == "stop"
        assert "not improved" in str(advice)

    def test_of_a_search(self):
        search = ActiveLearningSearch(
            LR, "margin", max_labels=80, validation=0.3, cost=2.0, random_state=0
        ).fit(X, Y)
        monitor = LearningCurveMonitor.from_search(search)
        assert monitor.scores == search.history_["score"].tolist()
        assert monitor.costs == search.history_["cost"].tolist()
        several = clone(search).set_params(n_repeats=2, cost=None).fit(X, Y)
        monitor = LearningCurveMonitor.from_search(several, window=10)
        assert monitor.scores == pytest.approx(several.learning_curve_.mean.tolist())


class TestBatchSizes:
    def test_least_cost_per_label(self):
        for n, cost, u in ((50, 1.0, 1.0), (500, 7.0, 0.4), (30, 0.3, 0.8)):
            b = np.arange(1, 1000)
            best = b[np.argmin(cost / b + u * b / (2 * n))]
            found = batch_size_advice(n, round_cost=cost, uncertainty=u, maximum=999)
            assert abs(found - best) <= 1

    def test_limits(self):
        assert batch_size_advice(0) == 1
        assert batch_size_advice(10**6) == 100
        assert batch_size_advice(10, minimum=8) == 8
        assert batch_size_advice(100, uncertainty=0.0, maximum=10**6) == 447

    @pytest.mark.parametrize(
        "wrong",
        [
            {"n_labels": -1},
            {"round_cost": 0.0},
            {"uncertainty": 1.1},
            {"minimum": 0},
            {"minimum": 9, "maximum": 8},
        ],
    )
    def test_out_of_range(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            batch_size_advice(**{"n_labels": 10} | wrong)

    def test_in_a_search_and_a_session(self):
        sizes = GrowingBatches(12, minimum=3)
        search = ActiveLearningSearch(
            LR, batch_size=sizes, n_initial=4, max_labels=100, random_state=0
        ).fit(X, Y)
        known = len(search.initial_)
        for batch in search.queries_[:-1]:
            assert len(batch) == min(max(round(np.sqrt(2 * known)), 3), 12)
            known += len(batch)
        assert len(search.queries_[-2]) == 12
        session = clone(search).start(X)
        rows = session.ask()
        assert len(rows) == 4
        session.tell(np.arange(40, 60), Y[40:60])
        assert len(session.ask()) == round(np.sqrt(40))

    def test_bad_sizes(self):
        with pytest.raises(ValueError, match="What batch_size returns"):
            ActiveLearningSearch(LR, batch_size=lambda n: 0).fit(X, Y)
        with pytest.raises(InvalidParameterError):
            GrowingBatches(0)(10)
