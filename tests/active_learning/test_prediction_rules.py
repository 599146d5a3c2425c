"""Rules that read predictions, rules that read scores, and their composition."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import BayesianRidge, LogisticRegression, Perceptron
from sklearn.metrics import cohen_kappa_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

from bead_sklearn.active_learning import (
    ActiveLearningSearch,
    AllOf,
    AnyOf,
    Convergence,
    MarginalEfficiency,
    MaxIterations,
    MaxLabels,
    OverallUncertainty,
    PerformanceThreshold,
    SearchState,
    StabilizingPredictions,
)
from bead_sklearn.active_learning._prediction_rules import (
    concordance,
    prediction_kappa,
)

X, Y = load_iris(return_X_y=True)
LR = LogisticRegression(max_iter=1000)


def state(n_labels, **columns):
    history = {"n_labels": np.array(n_labels)} | {
        name: np.array(values, dtype=float) for name, values in columns.items()
    }
    return SearchState(len(n_labels) - 1, n_labels[-1], history, None, np.ones(3))


def fit(stopping, estimator=LR, strategy="margin", X=X, y=Y, **params):
    params = {"batch_size": 5, "random_state": 0} | params
    return ActiveLearningSearch(estimator, strategy, stopping=stopping, **params).fit(
        X, y
    )


class TestStabilizingPredictions:
    def test_kappa_is_that_of_successive_fits(self):
        model = fit(StabilizingPredictions(1.0, window=1000), max_labels=40)
        rows, predictions = model.initial_, []
        for batch in [*model.queries_, []]:
            predictions.append(clone(LR).fit(X[rows], Y[rows]).predict(X))
            rows = np.concatenate([rows, np.array(batch, dtype=int)])
        expected = [cohen_kappa_score(a, b) for a, b in pairwise(predictions)]
        found = model.history_["prediction_agreement"]
        # Rules are not asked in the round that a limit ends.
        np.testing.assert_allclose(found[1:-1], expected[:-1])
        assert np.isnan(found[0])

    def test_disagreement_per_labels(self):
        """Ten labels at .99 are forty at .98: disagreement grows with their root."""
        rule = StabilizingPredictions(0.985, window=1, per=10)
        for apart, agreement in ((10, 0.984), (40, 0.969), (90, 0.954)):
            past = state([10, 10 + apart], prediction_agreement=[np.nan, agreement])
            assert not rule(past)
            past = state(
                [10, 10 + apart], prediction_agreement=[np.nan, agreement + 0.002]
            )
            assert rule(past)
        assert not StabilizingPredictions(0.985, window=1)(past)
        large, small = (
            fit(StabilizingPredictions(0.99, per=per), batch_size=20, n_initial=20)
            for per in (None, 5)
        )
        assert small.labeled_.sum() <= large.labeled_.sum()

    def test_held_out_rows_are_not_read(self):
        seen = []

        class Watching(LogisticRegression):
            def predict(self, X):
                seen.append(len(X))
                return super().predict(X)

        fit(
            StabilizingPredictions(),
            Watching(max_iter=1000),
            max_labels=30,
            validation=0.2,
            scoring="neg_log_loss",
        )
        assert set(seen) == {120}

    @pytest.mark.parametrize(
        ("agreement", "stop"),
        [
            ([np.nan, 0.9, 0.99, 1.0, 0.99], True),
            ([np.nan, 0.9, 0.98, 1.0, 0.99], True),
            ([np.nan, 1.0, 0.97, 1.0, 0.99], False),
            ([np.nan, 0.9, np.nan, 1.0, 1.0], False),
        ],
    )
    def test_window(self, agreement, stop):
        given = state([10, 20, 30, 40, 50], prediction_agreement=agreement)
        assert StabilizingPredictions(0.99, window=30)(given) is stop

    def test_window_is_of_labels(self):
        """Rounds of ten and of thirty are asked about the same labels."""
        rule = StabilizingPredictions(0.99, window=60)
        small = state(range(10, 80, 10), prediction_agreement=[np.nan] + [1.0] * 6)
        large = state([10, 40, 70], prediction_agreement=[np.nan, 1.0, 1.0])
        single = state([10, 110], prediction_agreement=[np.nan, 1.0])
        assert rule(small)
        assert rule(large)
        assert rule(single)
        assert not rule(state([10, 40], prediction_agreement=[np.nan, 1.0]))

    def test_window_as_a_share(self):
        agreement = [np.nan, 0.9, 0.9, 0.9, 1.0, 1.0]
        given = state([10, 20, 40, 60, 80, 100], prediction_agreement=agreement)
        assert StabilizingPredictions(0.99, window=0.4)(given)
        assert not StabilizingPredictions(0.99, window=0.5)(given)
        assert StabilizingPredictions(0.99, window=1)(given)

    def test_regression(self):
        data = load_diabetes(return_X_y=True)
        model = fit(
            StabilizingPredictions(0.98),
            BayesianRidge(),
            "predictive_std",
            *data,
            batch_size=20,
        )
        assert model.stopped_by_ == "StabilizingPredictions"
        assert model.history_["n_labels"][-1] < 400

    def test_concordance(self):
        a, b = np.random.RandomState(0).normal(size=(2, 50))
        expected = 2 * np.mean((a - a.mean()) * (b - b.mean()))
        expected /= a.var() + b.var() + (a.mean() - b.mean()) ** 2
        assert concordance(a, b) == pytest.approx(expected)
        assert concordance(a, a) == 1.0
        assert concordance(np.ones(3), np.ones(3)) == 1.0

    def test_kappa_of_any_labels(self):
        a = np.array(["x", "y", "y", "x"], dtype=object)
        assert prediction_kappa(a, a) == 1.0
        assert prediction_kappa(a, a[::-1]) == cohen_kappa_score(
            a.astype(str), a[::-1].astype(str)
        )
        rows = np.array([[0, 1], [1, 1], [0, 0]])
        assert prediction_kappa(rows, rows) == 1.0
        assert prediction_kappa(rows, rows[[1, 0, 2]]) < 0.5

    def test_stops_in_time_whatever_the_batch(self):
        data, y = load_breast_cancer(return_X_y=True)
        model = make_pipeline(StandardScaler(), LogisticRegression())
        full = model.fit(data, y).score(data, y)
        for batch_size in (5, 15, 40):
            search = fit(
                StabilizingPredictions(),
                model,
                "margin",
                data,
                y,
                batch_size=batch_size,
            )
            assert search.stopped_by_ == "StabilizingPredictions"
            assert search.history_["n_labels"][-1] < 0.3 * len(y)
            assert search.score(data, y) > full - 0.03


class TestOverallUncertainty:
    @pytest.mark.parametrize("measure", ["entropy", "error"])
    def test_measures_the_pool(self, measure):
        model = fit(OverallUncertainty(1e-9, measure=measure), max_labels=20)
        rows = np.concatenate([model.initial_, *model.queries_[:-1]])
        p = clone(LR).fit(X[rows], Y[rows]).predict_proba(np.delete(X, rows, axis=0))
        expected = (
            np.mean(1 - p.max(axis=1))
            if measure == "error"
            else np.mean(-(p * np.log(p)).sum(axis=1)) / np.log(p.shape[1])
        )
        found = model.history_[f"pool_{measure}"]
        assert found[len(model.queries_) - 1] == pytest.approx(expected)

    def test_stays_below(self):
        given = state([10, 20, 30, 40], pool_entropy=[0.5, 0.04, 0.06, 0.04])
        assert OverallUncertainty()(given)
        assert not OverallUncertainty(window=20)(given)

    def test_needs_probabilities(self):
        with pytest.raises(ValueError, match="Perceptron has no predict_proba"):
            fit(OverallUncertainty(), Perceptron(), "random")


class TestScores:
    def test_threshold(self):
        given = state([10, 20], score=[0.5, 0.8], loss=[2.0, 0.4])
        assert PerformanceThreshold(0.8)(given)
        assert not PerformanceThreshold(0.81)(given)
        assert PerformanceThreshold(0.4, "loss", greater_is_better=False)(given)
        assert not PerformanceThreshold(0.3, "loss", greater_is_better=False)(given)
        model = fit(PerformanceThreshold(0.9), validation=0.3)
        assert model.stopped_by_ == "PerformanceThreshold"
        assert model.history_["score"][-1] >= 0.9 > model.history_["score"][:-1].max()

    def test_window_of_convergence(self):
        given = state([10, 20, 30, 60], score=[0.5, 0.8, 0.805, 0.806])
        assert Convergence(window=30)(given)
        assert Convergence(window=31)(given)
        assert not Convergence(window=45)(given)
        assert not Convergence(window=100)(given)

    @pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
    @pytest.mark.parametrize("batch", [5, 10, 25, 50])
    def test_marginal_efficiency_has_no_scale(self, scale, batch):
        """Stops where the slope of the curve is a tenth of its average."""
        n_labels = np.arange(10, 411, batch)
        score = scale * (3.0 - np.exp(-(n_labels - 10) / 50))
        stops = [
            MarginalEfficiency()(state(n_labels[:k], score=score[:k]))
            for k in range(1, len(n_labels) + 1)
        ]
        stopped = n_labels[int(np.argmax(stops))] - 10
        # exp(-t / 50) t / 50 = 0.1 (1 - exp(-t / 50)) at t = 181; the slope is that of
        # the middle of the last 50 labels, or of three rounds.
        assert any(stops)
        assert 181 <= stopped <= 181 + max(50, 2 * batch) + batch
        lower = MarginalEfficiency(metric="loss", greater_is_better=False)
        assert lower(state(n_labels, loss=-score)) == stops[-1]

    def test_marginal_efficiency_survives_a_dip(self):
        n_labels = np.arange(10, 211, 10)
        score = 0.5 + 0.002 * n_labels
        score[-1] -= 0.02
        assert not MarginalEfficiency()(state(n_labels, score=score))
        assert MarginalEfficiency()(state(n_labels, score=-score))

    def test_marginal_efficiency_of_costs(self):
        n_labels = np.arange(10, 211, 10)
        score = 0.5 + 0.002 * n_labels
        cost = np.exp(n_labels / 30)  # labels become dear
        given = state(n_labels, score=score, cost=cost)
        assert not MarginalEfficiency(0.5)(given)
        assert MarginalEfficiency(0.5, per="cost")(given)
        with pytest.raises(ValueError, match="reads 'cost'"):
            MarginalEfficiency(per="cost")(state(n_labels, score=score))

    @pytest.mark.parametrize(
        "rule", [PerformanceThreshold(0.9), MarginalEfficiency(), Convergence(window=9)]
    )
    def test_scores_need_validation_data(self, rule):
        for stopping in (
            rule,
            rule & MaxLabels(9),
            [MaxLabels(9), rule | MaxLabels(9)],
        ):
            with pytest.raises(ValueError, match="validation is None"):
                fit(stopping)


class TestComposition:
    yes, no = MaxLabels(10), MaxLabels(11)

    def test_any_and_all(self):
        given = state([5, 10])
        yes, no = self.yes, self.no
        assert (yes | no)(given)
        assert (no | yes)(given)
        assert not (no | no)(given)
        assert (yes & yes)(given)
        assert not (yes & no)(given)
        assert (yes & (no | yes))(given)
        assert not AllOf([])(given)
        assert not AnyOf([])(given)

    def test_with_functions(self):
        def always(state):
            return True

        given = state([5, 10])
        assert (always & self.yes)(given)
        assert not (self.no & always)(given)
        assert (always | self.no)(given)
        assert (self.no | always).fired(given) == ["always"]

    def test_reasons(self):
        both = StabilizingPredictions(0.5, window=5) & MaxLabels(30)
        assert fit(both).stopped_by_ == "StabilizingPredictions & MaxLabels"
        either = MaxLabels(30) | MaxIterations(100)
        assert fit(either).stopped_by_ == "MaxLabels"
        mixed = MaxIterations(100) | both
        assert fit(mixed).stopped_by_ == "StabilizingPredictions & MaxLabels"

    def test_columns_of_all_rules(self):
        rules = StabilizingPredictions(1.0) & OverallUncertainty(0.01)
        history = fit(rules, max_labels=25).history_
        assert not np.isnan(history["prediction_agreement"][1:-1]).any()
        assert not np.isnan(history["pool_entropy"][:-1]).any()

    def test_search_and_clone(self):
        model = ActiveLearningSearch(LR, stopping=self.yes | self.no)
        assert [rule.n for rule in clone(model).stopping.rules] == [10, 11]
        assert repr(self.yes | self.no).startswith("AnyOf(rules=[MaxLabels(n=10)")

    def test_what_is_no_rule(self):
        with pytest.raises(TypeError, match="must be a rule"):
            fit(self.yes | 3)


@pytest.mark.parametrize(
    "rule",
    [
        StabilizingPredictions(1.5),
        StabilizingPredictions(window=0),
        OverallUncertainty(0.0),
        OverallUncertainty(measure="margin"),
        MarginalEfficiency(per="hour"),
        Convergence(window=0),
        PerformanceThreshold("high"),
    ],
)
def test_bad_parameters(rule):
    with pytest.raises(InvalidParameterError):
        fit(rule, validation=0.3)


def test_rules_outside_a_search():
    with pytest.raises(ValueError, match="view of a search"):
        StabilizingPredictions().record(state([10]))
