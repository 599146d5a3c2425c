"""The model as one more annotator."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression, Ridge

from bead_sklearn.active_learning import (
    ActiveLearningSearch,
    HumanAgreement,
    SearchState,
)
from bead_sklearn.active_learning._error_spending import (
    from_memory,
    lower_bound,
    share_spent,
    to_text,
)
from bead_sklearn.active_learning._human_agreement import agreements
from bead_sklearn.agreement import krippendorff_alpha


class Says:
    """An estimator that says what it is told."""

    def __init__(self, answers):
        self.answers = np.asarray(answers)

    def predict(self, X):
        return self.answers


def annotators(seed, n_items, n_annotators, error, k=3, share=None):
    rng = np.random.RandomState(seed)
    truth = rng.choice(k, size=n_items, p=share)
    wrong = rng.uniform(size=(n_annotators, n_items)) < error
    return truth, np.where(wrong, rng.choice(k, size=wrong.shape, p=share), truth)


def bound(model, ratings, iteration=3, **params):
    X = np.zeros((len(model), 1))
    rule = HumanAgreement(X=X, ratings=ratings, **params)
    state = SearchState(iteration, 10, {}, Says(model), np.ones(1))
    values = rule.record(state)
    history = {name: np.array([value]) for name, value in values.items()}
    return values, rule(SearchState(iteration, 10, history, Says(model), np.ones(1)))


METRICS = [
    {"metric": "krippendorff_alpha"},
    {"metric": "krippendorff_alpha", "level": "ordinal"},
    {"metric": "krippendorff_alpha", "level": "interval"},
    {"metric": "krippendorff_alpha", "level": "ratio"},
    {"metric": "fleiss_kappa"},
    {"metric": "cohen_kappa"},
    {"metric": "percent_agreement"},
]


@pytest.mark.parametrize("params", METRICS, ids=lambda p: "-".join(p.values()))
def test_a_model_like_an_annotator_agrees_like_one(params):
    _, ratings = annotators(0, 20_000, 4, 0.3)
    ratings = ratings + 1.0
    values, _ = bound(ratings[0], ratings[1:], statistical_test=False, **params)
    assert values["model_agreement"] == pytest.approx(
        values["people_agreement"], abs=0.015
    )
    better, _ = bound(
        annotators(0, 20_000, 4, 0.3)[0] + 1.0,
        ratings[1:],
        statistical_test=False,
        **params,
    )
    assert better["model_agreement"] > values["model_agreement"] + 0.1


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval", "ratio"])
def test_alpha_with_one_annotator_by_brute_force(level):
    rng = np.random.RandomState(1)
    ratings = rng.choice(4, size=(3, 30)) + 1.0
    ratings[rng.uniform(size=ratings.shape) < 0.3] = np.nan
    model = rng.choice(4, size=30) + 1.0
    people, with_model = agreements(model, ratings, "krippendorff_alpha", level)
    assert people(None)[0] == pytest.approx(krippendorff_alpha(ratings, level=level))
    kept = (~np.isnan(ratings)).sum(axis=0) > 1
    given, model = ratings[:, kept], model[kept]
    values = given[~np.isnan(given)]

    def distance(a, b):
        if level == "nominal":
            return float(a != b)
        if level == "ratio":
            return ((a - b) / (a + b)) ** 2
        if level == "ordinal":
            a, b = (np.sum(values < v) + np.sum(values == v) / 2 for v in (a, b))
        return (a - b) ** 2

    pairs = [
        (model[u], v)
        for u in range(given.shape[1])
        for v in given[:, u]
        if not np.isnan(v)
    ]
    observed = np.mean([distance(a, b) for a, b in pairs])
    expected = np.mean([distance(a, v) for a, _ in pairs for v in values])
    assert with_model(None)[0] == pytest.approx(1 - observed / expected)


def test_a_constant_model_does_not_pass():
    """A rare class is no excuse: agreement is corrected for the model's answers."""
    _, ratings = annotators(2, 2_000, 5, 0.2, k=2, share=[0.9, 0.1])
    values, stop = bound(np.zeros(2_000, dtype=int), ratings)
    assert values["people_agreement"] > 0.3
    assert values["model_agreement"] == pytest.approx(0.0, abs=1e-9)
    assert not stop


def test_level_of_the_test():
    """A model that is worse by the threshold is let through in 5 % of cases."""
    passed = naive = 0
    n_runs = 300
    # The truth of very many items says how much worse this model is.
    _, many = annotators(3, 200_000, 4, 0.25)
    people, model = agreements(
        annotators(3, 200_000, 5, 0.35)[1][0], many, "fleiss_kappa", "nominal"
    )
    worse = spoilt(many[0], 99)
    people, model = agreements(worse, many[1:], "fleiss_kappa", "nominal")
    threshold = float(people(None)[0] - model(None)[0])
    assert threshold > 0.05
    for seed in range(n_runs):
        _, ratings = annotators(1000 + seed, 150, 4, 0.25)
        worse = spoilt(ratings[0], seed)
        params = {
            "threshold": threshold,
            "metric": "fleiss_kappa",
            "n_resamples": 300,
            "spending": None,
        }
        passed += bound(worse, ratings[1:], **params)[1]
        naive += bound(worse, ratings[1:], statistical_test=False, **params)[1]
    # Binomial(300, .05): 99.9 % below 29; the bootstrap is approximate.
    assert 3 <= passed <= 30
    assert 0.4 < naive / n_runs < 0.6


def spoilt(answers, seed):
    rng = np.random.RandomState(seed)
    wrong = rng.uniform(size=len(answers)) < 0.12
    return np.where(wrong, rng.choice(3, size=len(answers)), answers)


def test_bound_by_hand():
    _, ratings = annotators(4, 60, 4, 0.3)
    values, _ = bound(
        ratings[0], ratings[1:], n_resamples=100, random_state=7, spending=None
    )
    draws = np.random.RandomState(7).randint(60, size=(100, 60))

    def difference(items):
        people, model = agreements(
            ratings[0, items], ratings[1:, items], "krippendorff_alpha", "nominal"
        )
        return model(None)[0] - people(None)[0]

    resampled = np.array([difference(drawn) for drawn in draws])
    # BCa: Efron and Tibshirani (1993), equations 14.9 to 14.15.
    z0 = norm.ppf(np.mean(resampled < difference(np.arange(60))))
    left_out = np.array([difference(np.delete(np.arange(60), i)) for i in range(60)])
    away = left_out.mean() - left_out
    a = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    z = z0 + norm.ppf(0.05)
    expected = np.quantile(resampled, norm.cdf(z0 + z / (1 - a * z)))
    assert values["model_agreement_bound"] == pytest.approx(expected)


class TestRepeatedLooks:
    """The level is that of the whole search (error spending)."""

    def looks(self, seed, n_looks, change, **params):
        """Rounds of a model that is as much worse as its threshold says."""
        rng = np.random.RandomState(seed)
        _, ratings = annotators(seed, 150, 4, 0.25)
        chance, other = rng.uniform(size=150), rng.choice(3, size=150)
        rule = HumanAgreement(
            X=np.zeros((150, 1)), ratings=ratings[1:], n_resamples=400, **params
        )
        memory, bounds = {}, []
        for k in range(n_looks):
            changed = rng.uniform(size=150) < change
            chance = np.where(changed, rng.uniform(size=150), chance)
            other = np.where(changed, rng.choice(3, size=150), other)
            said = Says(np.where(chance < 0.12, other, ratings[0]))
            state = SearchState(3 + k, 40 + 10 * k, {}, said, np.ones(1), None, memory)
            bounds.append(rule.record(state)["model_agreement_bound"])
            memory = json.loads(json.dumps(state.memory))
        return np.array(bounds), rule

    def test_level_of_a_whole_search(self):
        _, many = annotators(3, 200_000, 4, 0.25)
        people, model = agreements(
            spoilt(many[0], 99), many[1:], "krippendorff_alpha", "nominal"
        )
        threshold = float(people(None)[0] - model(None)[0])
        spent = 0
        for seed in range(80):
            bounds, rule = self.looks(seed, 8, 0.2, threshold=threshold)
            spent += np.any(bounds > -rule.threshold)
        assert spent <= 11  # Binomial(80, .05): 99.9 % below 12

    def test_a_model_that_stays_the_same_is_tested_at_the_level_spent(self):
        bounds, _ = self.looks(0, 30, 0.0)
        assert (np.diff(bounds[~np.isnan(bounds)]) >= 0).all()
        alone = self.looks(0, 1, 0.0, spending=None, alpha=0.05 * 330 / 490)[0][0]
        assert np.nanmax(bounds) == pytest.approx(alone, abs=0.004)

    def test_batches_do_not_matter(self):
        assert share_spent(40, 40) == 0.2
        few, many = (
            sum(share_spent(b, 40) - share_spent(a, 40) for a, b in pairwise(labels))
            for labels in ([40, 240], range(40, 241, 10))
        )
        assert few == pytest.approx(many)

    @pytest.mark.parametrize("memory", [0.0, 0.6, 0.95])
    def test_level_of_normal_looks(self, memory):
        """Estimates and resamples from the same process, without a bootstrap."""
        rng = np.random.RandomState(5)
        passed = each = 0
        for _ in range(400):
            values, crossed = np.zeros(1001), np.zeros(1000, dtype=bool)
            stopped = alone = False
            for k in range(25):
                fresh = rng.normal(size=1001)
                shrunk = memory * values + np.sqrt(1 - memory**2) * fresh
                values = shrunk if k else fresh
                # The truth is 0 and the threshold too: stop if the bound is above it.
                resampled = values[0] - values[1:]
                level = 0.1 * share_spent(40 + 10 * k, 40)
                low, crossed = lower_bound(resampled, crossed, level)
                stopped |= low > 0
                alone |= np.quantile(resampled, 0.1) > 0
            passed += stopped
            each += alone
        assert crossed.sum() <= 1000 * 0.1 * share_spent(40 + 240, 40)
        # Binomial(400, .0636): 99.9 % between 11 and 42.
        assert passed <= 42
        assert passed >= 11
        assert each > 100  # as if each look were the only one

    def test_ties_and_what_is_left(self):
        values = np.array([1.0, 1.0, 1.0, 2.0, 3.0, np.nan, 4.0, 5.0, 6.0, 7.0])
        none = np.zeros(10, dtype=bool)
        assert np.isnan(lower_bound(values, none, 0.2)[0])  # three are equal
        low, crossed = lower_bound(values, none, 0.4)
        assert low == 2.0
        assert crossed.sum() == 4
        assert np.isnan(lower_bound(values, crossed, 0.45)[0])
        assert lower_bound(values, crossed, 0.5)[0] == 3.0

    def test_memory_of_another_number_of_resamples(self):
        flags = np.arange(10) % 3 == 0
        memory = {"crossed": to_text(flags), "n_resamples": 10}
        assert (from_memory(memory, 10) == flags).all()
        assert from_memory(memory, 25).sum() == 10
        assert not from_memory(None, 4).any()


def test_in_a_search():
    rng = np.random.RandomState(0)
    X, items = rng.normal(size=(300, 3)), rng.normal(size=(250, 3))
    slope = np.array([2.0, -1.0, 0.0])
    y = np.where(X @ slope + rng.normal(size=300) > 0, "yes", "no")
    ratings = np.where(items @ slope + rng.normal(size=(4, 250)) > 0, "yes", "no")
    ratings = ratings.astype(object)
    ratings[rng.uniform(size=ratings.shape) < 0.3] = None
    rule = HumanAgreement(X=items, ratings=ratings)
    search = ActiveLearningSearch(
        LogisticRegression(), "margin", stopping=rule, random_state=0
    ).fit(X, y)
    history = search.history_
    assert search.stopped_by_ == "HumanAgreement"
    assert np.isnan(history["model_agreement"][:3]).all()
    assert history["model_agreement_bound"][-1] > -0.05
    assert (history["model_agreement_bound"][3:-1] <= -0.05).all()
    numbers = HumanAgreement(
        X=items, ratings=items @ slope + rng.normal(size=(3, 250)), level="interval"
    )
    search = ActiveLearningSearch(
        Ridge(), "random", stopping=numbers, random_state=0
    ).fit(X, X @ slope + rng.normal(size=300))
    assert search.stopped_by_ == "HumanAgreement"


def test_bad_input():
    with pytest.raises(ValueError, match="3 items, but the model predicts"):
        bound([1, 2], [[1, 2, 1], [1, 2, 1]])
    with pytest.raises(ValueError, match="two people have judged"):
        bound([1, 2], [[1, None], [None, 2]])
    with pytest.raises(ValueError, match="no effect on cohen_kappa"):
        bound([1, 2], [[1, 2], [1, 2]], metric="cohen_kappa", level="ordinal")
    with pytest.raises(ValueError, match="metric"):
        bound([1, 2], [[1, 2], [1, 2]], metric="alpha")


def test_a_search_has_one_such_rule():
    X = np.arange(40.0)[:, None]
    y = (X[:, 0] > 19).astype(int)
    rule = HumanAgreement(X=X, ratings=np.tile(y, (2, 1)))
    other = HumanAgreement(X=X, ratings=np.tile(y, (2, 1)), alpha=0.01)
    search = ActiveLearningSearch(LogisticRegression(), stopping=[rule, other])
    for stopping in ([rule, other], rule | other, [rule & other]):
        with pytest.raises(ValueError, match="has 2 rules HumanAgreement"):
            search.set_params(stopping=stopping).fit(X, y)
