"""Choices: laws that tie the model to others, choice sets, and bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bead_sklearn import (
    BinaryClassifier,
    CategoricalClassifier,
    ForcedChoiceClassifier,
    MixedEffects,
)
from bead_sklearn.datasets import make_judgments

pytestmark = pytest.mark.filterwarnings(
    "ignore::bead_sklearn.exceptions.SingularFitWarning"
)


def shop(seed, n_people=40, n_each=15, n_options=3, taste_sd=0.0):
    """Choices between products by price and quality, with a bias for the first."""
    rng = np.random.RandomState(seed)
    groups = np.repeat(np.arange(n_people), n_each)
    n = len(groups)
    price, quality = rng.normal(size=(2, n, n_options))
    taste = 1.0 + taste_sd * rng.normal(size=n_people)
    bias = np.array([0.5, 0.0, 0.0, 0.0])[:n_options]
    place = 0.7 * rng.normal(size=(n_people, n_options))
    eta = bias + place[groups] + taste[groups, None] * quality - 0.5 * price
    chosen = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    names = np.array(list("abcd"))
    columns = {}
    for k in range(n_options):
        columns[f"price_{names[k]}"] = price[:, k]
        columns[f"quality_{names[k]}"] = quality[:, k]
    return pd.DataFrame(columns), names[chosen], groups


def options(names):
    return {
        name: {"price": f"price_{name}", "quality": f"quality_{name}"} for name in names
    }


def test_two_options_are_a_logistic_regression_on_differences():
    X, y, groups = shop(0, n_options=2)
    model = ForcedChoiceClassifier(options=options("ab"), alpha=0)
    model.fit(X, y, groups=groups)
    differences = np.column_stack([X.price_b - X.price_a, X.quality_b - X.quality_a])
    binary = BinaryClassifier(alpha=0).fit(differences, y, groups=groups)
    assert model.log_likelihood_ == pytest.approx(binary.log_likelihood_, abs=1e-6)
    for ids in (groups, None):
        np.testing.assert_allclose(
            model.predict_proba(X, groups=ids),
            binary.predict_proba(differences, groups=ids),
            atol=1e-5,
        )


@pytest.mark.parametrize("n_labels", [3, 7])
def test_without_columns_of_options_it_is_a_multinomial_logit(n_labels):
    rng = np.random.RandomState(1)
    groups = np.repeat(np.arange(30), 15)
    X = rng.normal(size=(len(groups), 2))
    u = rng.normal(size=(30, n_labels))
    eta = X @ rng.normal(size=(2, n_labels)) + u[groups]
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    one = CategoricalClassifier(alpha=0).fit(X, y, groups=groups)
    other = ForcedChoiceClassifier(alpha=0).fit(X, y, groups=groups)
    assert other.log_likelihood_ == pytest.approx(one.log_likelihood_, abs=1e-5)
    np.testing.assert_allclose(
        other.predict_proba(X, groups=groups),
        one.predict_proba(X, groups=groups),
        atol=1e-4,
    )


def test_under_a_ridge_too():
    rng = np.random.RandomState(2)
    X = rng.normal(size=(60, 8))
    y = (X[:, :3] + rng.gumbel(size=(60, 3))).argmax(axis=1)
    one = CategoricalClassifier(alpha=2.0).fit(X, y)
    other = ForcedChoiceClassifier(alpha=2.0).fit(X, y)
    np.testing.assert_allclose(other.predict_proba(X), one.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize(
    "effects", ["auto", "random_slopes", "(1 + quality | groups)", "(1 | option)"]
)
def test_the_order_of_the_options_does_not_matter(effects):
    d = make_judgments(
        "forced_choice", n_participants=12, n_items=30, n_categories=3, random_state=0
    )
    X = d.X.copy()
    encoder = lambda texts: [[len(t), t.count("e")] for t in texts]  # noqa: E731
    model = ForcedChoiceClassifier(encoder=encoder, mixed_effects=effects)
    if "quality" in effects:
        X, y, groups = shop(3, n_people=15)
        model.set_params(encoder=None, options=options("abc"), alpha=0)
        other = ForcedChoiceClassifier(
            options=options("cab"), alpha=0, mixed_effects=effects
        )
    else:
        y, groups = d.y, d.groups
        other = ForcedChoiceClassifier(encoder=encoder, mixed_effects=effects)
    model.fit(X, y, groups=groups)
    shuffled = X[X.columns[::-1]]
    other.fit(shuffled, y, groups=groups)
    assert other.log_likelihood_ == pytest.approx(model.log_likelihood_, abs=1e-5)
    np.testing.assert_allclose(
        other.predict_proba(shuffled, groups=groups),
        model.predict_proba(X, groups=groups),
        atol=2e-4,
    )
    np.testing.assert_allclose(
        other.predict_proba(shuffled), model.predict_proba(X), atol=2e-4
    )


def test_tastes_are_recovered():
    X, y, groups = shop(4, n_people=150, n_each=25, taste_sd=0.6)
    model = ForcedChoiceClassifier(
        options=options("abc"),
        mixed_effects="(1 | groups) + (0 + quality | groups)",
        alpha=0,
    ).fit(X, y, groups=groups)
    coefficients = dict(zip(model.coef_names_, model.coef_[0], strict=True))
    assert coefficients["quality"] == pytest.approx(1.0, abs=0.2)
    assert coefficients["price"] == pytest.approx(-0.5, abs=0.1)
    assert coefficients["(Intercept) [b]"] == pytest.approx(-0.5, abs=0.25)
    [component] = model.variance_components_
    assert component.sd[2] == pytest.approx(0.6, abs=0.12)
    # Differences of two places: twice 0.49.
    np.testing.assert_allclose(component.variance[:2], 0.98, rtol=0.35)


def test_strengths_of_options_are_recovered():
    rng = np.random.RandomState(5)
    strengths = rng.normal(size=25)
    pairs = np.array([rng.choice(25, 2, replace=False) for _ in range(2500)])
    eta = strengths[pairs] + rng.gumbel(size=pairs.shape)
    y = np.array(["left", "right"])[eta.argmax(axis=1)]
    X = pd.DataFrame(pairs.astype(str), columns=["left", "right"])
    X = "text " + X
    constant = lambda texts: np.zeros((len(texts), 1))  # noqa: E731
    model = ForcedChoiceClassifier(
        encoder=constant, mixed_effects="(1 | option)", alpha=1.0
    ).fit(X, y)
    effects = model.effects_["option"]
    order = [int(level.split()[1]) for level in effects.levels]
    assert np.corrcoef(effects.modes[:, 0], strengths[order])[0, 1] > 0.97
    assert model.variance_components_[0].sd[0] == pytest.approx(1.0, abs=0.3)
    assert effects.n_observations.sum() == pairs.size


def test_missing_options_were_not_on_offer():
    X, y, groups = shop(6, n_options=3)
    away = (np.arange(len(y)) % 3 == 0) & (y != "c")
    X.loc[away, ["price_c", "quality_c"]] = np.nan
    model = ForcedChoiceClassifier(options=options("abc"), alpha=0)
    model.fit(X, y, groups=groups)
    p = model.predict_proba(X, groups=groups)
    assert (p[away, 2] == 0).all()
    assert (p[~away] > 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert np.isnan(model.predict_linear(X)[away, 2]).all()
    # Two of three options: the same odds as with three where effects are known.
    row = X[away].iloc[[0]].copy()
    assert model.predict(row).item() in {"a", "b"}


def test_an_answer_outside_of_the_options():
    d = make_judgments("forced_choice", n_participants=20, n_items=40, random_state=0)
    y = d.y.copy()
    y[np.random.RandomState(0).uniform(size=len(y)) < 0.3] = "equal"
    model = ForcedChoiceClassifier(outside_option="equal").fit(d.X, y, groups=d.groups)
    assert model.options_.tolist() == ["option_a", "option_b", "equal"]
    assert model.classes_.tolist() == ["equal", "option_a", "option_b"]
    p = model.predict_proba(d.X, groups=d.groups)
    assert p[:, 0].mean() == pytest.approx((y == "equal").mean(), abs=0.02)
    with pytest.raises(ValueError, match="'equal', which is not among the options"):
        ForcedChoiceClassifier().fit(d.X, y)


def test_what_a_judgment_has_acts_on_the_constants():
    X, y, groups = shop(7, n_options=2)
    X["trial"] = np.tile(np.linspace(-1, 1, 15), 40)
    rng = np.random.RandomState(0)
    y = np.where((X.trial > 0.3) & (rng.uniform(size=len(y)) < 0.7), "b", y)
    model = ForcedChoiceClassifier(
        options=options("ab"), mixed_effects="(1 + trial | groups)", alpha=0
    ).fit(X, y, groups=groups)
    coefficients = dict(zip(model.coef_names_, model.coef_[0], strict=True))
    assert coefficients["trial"] > 0.5
    [component] = model.variance_components_
    assert component.effect_names == ("(Intercept)", "trial")


def test_simulated_choices_and_draws():
    X, y, groups = shop(8, n_options=3)
    model = ForcedChoiceClassifier(options=options("abc"), alpha=0)
    model.fit(X, y, groups=groups)
    [simulated] = model.simulate(1, X, groups, random_state=0)
    assert simulated.shape == y.shape
    assert set(simulated) == set("abc")
    rows, ids = X[:3], [0, 1, 99]
    draws = model.sample_posterior(3000, rows, ids, random_state=0, response=True)
    np.testing.assert_allclose(
        draws.mean(axis=0), model.predict_proba(rows, groups=ids), atol=0.02
    )
    assert model.summary().n_observations == len(y)
    assert model.bic_ == pytest.approx(
        model.aic_ - (2 - np.log(len(y))) * (model.aic_ + 2 * model.log_likelihood_) / 2
    )


def test_a_penalty_counts_judgments():
    X, y, groups = shop(9)
    effects = MixedEffects("random_intercepts", min_samples_for_random_effects=20)
    with pytest.warns(UserWarning, match="the most are 15"):
        ForcedChoiceClassifier(options=options("abc"), mixed_effects=effects).fit(
            X, y, groups=groups
        )


def test_joint_encoding_reads_context_and_other_options():
    seen = []

    def encode(texts):
        seen.extend(texts)
        return [[len(text)] for text in texts]

    X = pd.DataFrame(
        {
            "question": ["what?", "who?"] * 10,
            "a": ["cat", "dog"] * 10,
            "b": ["cow", "ant"] * 10,
        }
    )
    y = ["a", "b", "b", "a"] * 5
    model = ForcedChoiceClassifier(
        encoder=encode, encoding="joint", text_columns=["question"]
    ).fit(X, y)
    assert "cat\x1ewhat? cow" in seen
    assert "cow\x1ewhat? cat" in seen
    assert model.predict_proba(X).shape == (20, 2)


BASE = pd.DataFrame({"a": ["x", "y", "z"], "b": ["u", "v", "w"]})


@pytest.mark.parametrize(
    ("X", "y", "params", "message"),
    [
        (BASE, ["a", "b", "c"], {}, "'c', which is not among the options"),
        (BASE, ["a", "b", "a"], {"options": ["a", "z"]}, "'z', which is not a column"),
        (BASE, ["a", "b", "a"], {"options": ["a", "a"]}, "must be distinct"),
        (BASE, ["a", "b", "a"], {"outside_option": "b"}, "is one of the options"),
        (BASE.assign(a=["x", None, "z"]), ["a", "a", "b"], {}, "at least two options"),
        (BASE.assign(n=1.0), ["a", "b", "a"], {"options": ["a", "n"]}, "all be text"),
        (BASE, ["a", "b", "a"], {"text_columns": ["a"]}, "has no effect"),
        (
            BASE.assign(c=["s", "t", "r"]),
            ["a", "b", "a"],
            {"options": ["a", "b"]},
            "neither options nor text_columns: 'c'",
        ),
        (
            BASE,
            ["a", "b", "a"],
            {"text_columns": ["q"], "encoding": "joint"},
            "'q', which is not a column of text",
        ),
        (
            BASE.assign(q=["s", None, "r"]),
            ["a", "b", "a"],
            {"text_columns": ["q"], "encoding": "joint"},
            "'q' of X has a missing text in row 1",
        ),
        (
            BASE.assign(c=["s", None, "t"]),
            ["a", "c", "b"],
            {},
            "names the option 'c' in row 1, where it is missing",
        ),
        (
            BASE,
            ["a", "b", "a"],
            {"options": {"a": {"t": "a"}, "b": {"s": "b"}}},
            "need the same attributes",
        ),
        (
            BASE,
            ["a", "b", "a"],
            {"options": {"a": {"t": "a"}, "b": {"t": "q"}}},
            "names the column 'q'",
        ),
        (
            BASE.assign(n=1.0),
            ["a", "b", "a"],
            {"options": {"a": {"t": "a"}, "b": {"t": "n"}}},
            "must be text for all options or numbers",
        ),
        (
            BASE.assign(n=[1.0, np.nan, 2.0], m=1.0),
            ["a", "b", "a"],
            {"options": {"a": {"t": "a", "n": "n"}, "b": {"t": "b", "n": "m"}}},
            "'a' has some of its attributes only in row 1",
        ),
    ],
)
def test_bad_choices(X, y, params, message):
    with pytest.raises(ValueError, match=message):
        ForcedChoiceClassifier(**params).fit(X, y)


@pytest.mark.parametrize("effects", ["auto", "random_slopes"])
def test_two_options_in_another_order(effects):
    d = make_judgments("forced_choice", n_participants=15, n_items=30, random_state=0)
    model = ForcedChoiceClassifier(mixed_effects=effects)
    one = model.fit(d.X, d.y, groups=d.groups).predict_proba(d.X, groups=d.groups)
    likelihood = model.log_likelihood_
    shuffled = d.X[d.X.columns[::-1]]
    model.fit(shuffled, d.y, groups=d.groups)
    assert model.log_likelihood_ == pytest.approx(likelihood, abs=1e-9)
    np.testing.assert_allclose(model.predict_proba(shuffled, groups=d.groups), one)
    # The texts change places, and so do the names: the same choices.
    swapped = shuffled.set_axis(d.X.columns, axis=1)
    names = {"option_a": "option_b", "option_b": "option_a"}
    other = np.array([names[label] for label in d.y], dtype=object)
    model.fit(swapped, other, groups=d.groups)
    assert model.log_likelihood_ == pytest.approx(likelihood, abs=1e-6)
    np.testing.assert_allclose(
        model.predict_proba(swapped, groups=d.groups), one[:, ::-1], atol=1e-5
    )


def test_strengths_of_two_options_agree_with_differences_without_them():
    X, y, groups = shop(0, n_options=2)
    pair = ForcedChoiceClassifier(options=options("ab"), alpha=0)
    pair.fit(X, y, groups=groups)
    # An option told apart by its numbers only has its name as a level.
    with pytest.warns(UserWarning, match="Singular|cannot be estimated"):
        utilities = ForcedChoiceClassifier(
            options=options("ab"), alpha=0, mixed_effects="(1 | groups) + (1 | option)"
        ).fit(X, y, groups=groups)
    assert utilities.log_likelihood_ == pytest.approx(pair.log_likelihood_, abs=1e-4)


def test_an_option_that_is_never_chosen():
    X, y, _ = shop(1, n_options=3)
    y = np.where(y == "a", "b", y)
    with pytest.warns(UserWarning, match=r"option\(s\) \['a'\] are never chosen"):
        model = ForcedChoiceClassifier(options=options("abc"), alpha=0).fit(X, y)
    assert model.coef_names_[0] == "(Intercept) [c]"
    assert np.isfinite(model.predict_proba(X)).all()
    with pytest.raises(ValueError, match="only one class"):
        ForcedChoiceClassifier(options=options("abc")).fit(X, ["a"] * len(y))


@pytest.mark.parametrize("n_options", [2, 3])
def test_separated_choices_are_named(n_options):
    X, _, _ = shop(0, n_options=n_options)
    prices = X[[f"price_{name}" for name in "abc"[:n_options]]].to_numpy()
    y = np.array(list("abc"))[prices.argmin(axis=1)]
    with pytest.warns(UserWarning, match="Separation: a combination of .*'price'"):
        ForcedChoiceClassifier(options=options("abc"[:n_options]), alpha=0).fit(X, y)


def test_options_are_told_apart_by_all_of_their_texts():
    X = pd.DataFrame(
        {
            "name_a": ["x | y", "x", "x", "x | y"] * 10,
            "note_a": ["z", "y | z", "z", "z"] * 10,
            "name_b": ["x", "x | y", "x | y", "x"] * 10,
            "note_b": ["y | z", "z", "z", "z"] * 10,
        }
    )
    offered = {k: {"name": f"name_{k}", "note": f"note_{k}"} for k in "ab"}
    y = np.random.RandomState(0).choice(["a", "b"], size=40)
    constant = lambda texts: np.zeros((len(texts), 1))  # noqa: E731
    model = ForcedChoiceClassifier(
        options=offered, encoder=constant, mixed_effects="(1 | option)", alpha=1.0
    ).fit(X, y)
    levels = set(model.effects_["option"].levels)
    assert levels == {("x | y", "z"), ("x", "y | z"), ("x", "z")}
