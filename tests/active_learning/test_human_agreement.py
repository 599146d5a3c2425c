"""The model as one more annotator."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from bead_sklearn.active_learning import (
    ActiveLearningSearch,
    HumanAgreement,
    SearchState,
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
        params = {"threshold": threshold, "metric": "fleiss_kappa", "n_resamples": 300}
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
    values, _ = bound(ratings[0], ratings[1:], n_resamples=100, random_state=7)
    draws = np.random.RandomState(7).randint(60, size=(100, 60))
    differences = []
    for drawn in draws:
        people, model = agreements(
            ratings[0, drawn], ratings[1:, drawn], "krippendorff_alpha", "nominal"
        )
        differences.append(model(None)[0] - people(None)[0])
    assert values["model_agreement_bound"] == pytest.approx(
        np.quantile(differences, 0.05)
    )


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
