"""Selections: laws that tie the model to others, and what is read as a selection."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from bead_sklearn import BinaryClassifier, MixedEffects, MultiSelectClassifier
from bead_sklearn.datasets import make_judgments

pytestmark = pytest.mark.filterwarnings(
    "ignore::bead_sklearn.exceptions.SingularFitWarning"
)


def world(seed, n_people=40, n_each=20, n_options=3, correlation=0.5):
    rng = np.random.RandomState(seed)
    groups = np.repeat(np.arange(n_people), n_each)
    X = rng.normal(size=(len(groups), 2))
    covariance = np.full((n_options, n_options), correlation)
    np.fill_diagonal(covariance, 1.0)
    u = rng.normal(size=(n_people, n_options)) @ np.linalg.cholesky(covariance).T
    eta = X @ rng.normal(size=(2, n_options)) + u[groups]
    return X, (eta + rng.logistic(size=eta.shape) > 0).astype(int), groups


def test_one_option_is_a_logistic_regression():
    X, y, groups = world(0, n_options=1, correlation=1.0)
    one = BinaryClassifier().fit(X, y[:, 0], groups=groups)
    other = MultiSelectClassifier().fit(X, y, groups=groups)
    assert other.log_likelihood_ == pytest.approx(one.log_likelihood_, abs=1e-7)
    np.testing.assert_allclose(
        other.predict_proba(X, groups=groups),
        one.predict_proba(X, groups=groups)[:, 1:],
        atol=1e-6,
    )


@pytest.mark.parametrize("family", ["bernoulli", "bernoulli_probit"])
def test_independent_effects_are_separate_models(family):
    X, y, groups = world(1)
    effects = MixedEffects(output_covariance="diagonal")
    model = MultiSelectClassifier(mixed_effects=effects, alpha=0, family=family)
    model.fit(X, y, groups=groups)
    single = [
        BinaryClassifier(alpha=0, family=family).fit(X, column, groups=groups)
        for column in y.T
    ]
    total = sum(each.log_likelihood_ for each in single)
    assert model.log_likelihood_ == pytest.approx(total, abs=1e-6)
    expected = np.column_stack(
        [m.predict_proba(X, groups=groups)[:, 1] for m in single]
    )
    np.testing.assert_allclose(
        model.predict_proba(X, groups=groups), expected, atol=1e-5
    )
    np.testing.assert_allclose(
        model.coef_, np.vstack([m.coef_ for m in single]), atol=1e-4
    )


def test_correlations_between_options_are_recovered():
    found = []
    for seed in range(4):
        X, y, groups = world(seed, n_people=150)
        model = MultiSelectClassifier(alpha=0).fit(X, y, groups=groups)
        found.append(model.variance_components_[0].correlation)
    off = np.mean(found, axis=0)[np.triu_indices(3, 1)]
    np.testing.assert_allclose(off, 0.5, atol=0.1)


def test_correlated_options_say_something_of_each_other():
    X, y, groups = world(2, n_people=80, correlation=0.9)
    kwargs = {"alpha": 0}
    full = MultiSelectClassifier(**kwargs).fit(X, y, groups=groups)
    diagonal = MultiSelectClassifier(
        mixed_effects=MixedEffects(output_covariance="diagonal"), **kwargs
    ).fit(X, y, groups=groups)
    assert full.log_likelihood_ > diagonal.log_likelihood_ + 10


NAMES = ["calm", "fear", "joy"]


def as_sets(y):
    return [{NAMES[k] for k in np.flatnonzero(row)} for row in y]


@pytest.mark.parametrize(
    "form",
    [
        as_sets,
        lambda y: [sorted(row) for row in as_sets(y)],
        lambda y: pd.Series(as_sets(y)),
        lambda y: pd.DataFrame(y, columns=NAMES),
        lambda y: pd.DataFrame(y, columns=NAMES)[["joy", "calm", "fear"]],
        sparse.csr_array,
        lambda y: y.astype(bool),
        lambda y: y,
    ],
    ids=["sets", "lists", "series", "frame", "reordered", "sparse", "bool", "array"],
)
def test_forms_of_selections(form):
    X, y, groups = world(3, n_people=10)
    model = MultiSelectClassifier(options=NAMES).fit(X, form(y), groups=groups)
    expected = MultiSelectClassifier(options=NAMES).fit(X, y, groups=groups)
    assert model.classes_.tolist() == NAMES
    assert model.log_likelihood_ == pytest.approx(expected.log_likelihood_, abs=1e-9)
    assert model.score(X, form(y)) == expected.score(X, y)


def test_nothing_selected_is_an_answer():
    texts = ["warm", "cold", "warm", "cold"] * 10
    y = [{"joy"}, set(), [], ("joy",)] * 10
    model = MultiSelectClassifier().fit(texts, y)
    assert model.classes_.tolist() == ["joy"]
    assert model.inverse_transform([[1], [0]]) == [("joy",), ()]


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        ([{"a"}, {"b"}, {"c"}], ["a", "b"], "'c' in row 2, which is not among"),
        ([{"a"}, {"b"}, {"a"}], ["a", "a"], "options must be distinct"),
        ([set(), [], set()], None, "selects nothing in any row"),
        ([[1, 0], [0, 1], [1, 1]], ["a"], "2 columns for the 1 options"),
        ([[1, 0], [0, 2], [1, 1]], None, "Got 2 in row 1 for the option 1"),
        ([0, 1, 1], None, "Got a 1d array"),
        ([[1, 0], [1, 1], [1, 0]], ["a", "b"], r"option\(s\) \['a'\]"),
        ([{"a"}, None, {"a"}], None, "missing values"),
    ],
)
def test_bad_selections(y, options, message):
    with pytest.raises(ValueError, match=message):
        MultiSelectClassifier(options=options).fit(["x", "y", "z"], y)


def test_a_string_is_not_a_selection():
    with pytest.raises(TypeError, match="Got 'joy' in row 1"):
        MultiSelectClassifier().fit(["x", "y"], [{"joy"}, "joy"])


def test_on_simulated_feelings():
    d = make_judgments("multi_select", n_participants=40, n_items=60, random_state=0)
    model = MultiSelectClassifier().fit(d.X, d.y, groups=d.groups)
    table = model.predict_table(d.X[:3], groups=d.groups[:3])
    assert [name for name in table.columns if name.startswith("p_")]
    known = -np.mean(
        np.log(np.where(d.y, p := model.predict_proba(d.X, groups=d.groups), 1 - p))
    )
    new = -np.mean(np.log(np.where(d.y, q := model.predict_proba(d.X), 1 - q)))
    shares = d.y.mean(axis=0)
    base = -np.mean(np.log(np.where(d.y, shares, 1 - shares)))
    assert known < new < base
    [simulated] = model.simulate(1, d.X, d.groups, random_state=0)
    assert simulated.shape == d.y.shape
    assert np.abs(simulated.mean(axis=0) - shares).max() < 0.1


@pytest.mark.parametrize("effects", ["(1 | groups)", "(1 + x0 || groups)"])
def test_outputs_that_nothing_ties_fall_apart(effects, monkeypatch):
    from bead_sklearn.solvers import _coupling

    X, y, groups = world(5, n_people=15)
    X = pd.DataFrame(X, columns=["x0", "x1"])
    model = MultiSelectClassifier(
        mixed_effects=MixedEffects(formula=effects, output_covariance="diagonal"),
        alpha=1.0,
    )
    apart = model.fit(X, y, groups=groups)
    draws = apart.sample_posterior(2000, X[:4], [0, 0, 1, 99], random_state=0)
    mean, sd = apart.predict_linear(X[:4], groups=[0, 0, 1, 99], return_std=True)
    covariance = apart.effects_["groups"].covariance(0)
    monkeypatch.setattr(_coupling, "is_separate", lambda design: False)
    whole = clone(model).fit(X, y, groups=groups)
    assert apart.log_likelihood_ == pytest.approx(whole.log_likelihood_, abs=1e-9)
    np.testing.assert_allclose(apart.coef_, whole.coef_, atol=1e-7)
    np.testing.assert_allclose(
        covariance, whole.effects_["groups"].covariance(0), atol=1e-8
    )
    np.testing.assert_allclose(
        apart.predict_proba(X, groups=groups),
        whole.predict_proba(X, groups=groups),
        atol=1e-8,
    )
    for one, other in zip(
        apart.summary().fixed_effects, whole.summary().fixed_effects, strict=True
    ):
        assert one.standard_error == pytest.approx(other.standard_error, rel=1e-4)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.1)
    np.testing.assert_allclose(draws.std(axis=0), sd, rtol=0.08)
