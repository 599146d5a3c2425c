"""Unordered labels: laws that tie the model to others, and recovery of the truth."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn import BinaryClassifier, CategoricalClassifier, MixedEffects
from bead_sklearn.datasets import make_judgments
from bead_sklearn.encoders import HashedTextEncoder
from bead_sklearn.inputs import PAIR_SEPARATOR

pytestmark = pytest.mark.filterwarnings(
    "ignore::bead_sklearn.exceptions.SingularFitWarning"
)


def world(seed, n_people=40, n_each=15, n_labels=3, sd=1.0):
    """Judgments from a multinomial logit with intercepts of participants."""
    rng = np.random.RandomState(seed)
    groups = np.repeat(np.arange(n_people), n_each)
    X = rng.normal(size=(len(groups), 2))
    beta = rng.normal(size=(2, n_labels))
    u = sd * rng.normal(size=(n_people, n_labels))
    eta = X @ beta + u[groups]
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    return X, np.array(["a", "b", "c", "d", "e", "f", "g"])[y], groups


def test_two_labels_are_a_logistic_regression():
    X, y, groups = world(0, n_labels=2)
    one = BinaryClassifier().fit(X, y, groups=groups)
    other = CategoricalClassifier().fit(X, y, groups=groups)
    assert other.log_likelihood_ == pytest.approx(one.log_likelihood_, abs=1e-7)
    np.testing.assert_allclose(other.coef_, one.coef_, atol=1e-5)
    np.testing.assert_allclose(
        other.predict_proba(X, groups=groups),
        one.predict_proba(X, groups=groups),
        atol=1e-6,
    )
    np.testing.assert_allclose(other.predict_proba(X), one.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("n_labels", [3, 7])
def test_the_names_of_labels_do_not_matter(n_labels):
    X, y, groups = world(1, n_labels=n_labels)
    names = dict(zip("abcdefg", "gcafbed", strict=True))
    renamed = np.array([names[label] for label in y])
    one = CategoricalClassifier().fit(X, y, groups=groups)
    other = CategoricalClassifier().fit(X, renamed, groups=groups)
    assert other.log_likelihood_ == pytest.approx(one.log_likelihood_, abs=1e-6)
    order = np.argsort([names[label] for label in one.classes_])
    for ids in (groups, None):
        np.testing.assert_allclose(
            other.predict_proba(X, groups=ids),
            one.predict_proba(X, groups=ids)[:, order],
            atol=2e-5,
        )


def test_a_diagonal_covariance_depends_on_the_reference():
    X, y, groups = world(2)
    names = dict(zip("abc", "cab", strict=True))
    renamed = np.array([names[label] for label in y])
    model = CategoricalClassifier(
        mixed_effects=MixedEffects(output_covariance="diagonal")
    )
    one = model.fit(X, y, groups=groups).log_likelihood_
    other = model.fit(X, renamed, groups=groups).log_likelihood_
    assert abs(one - other) > 0.1


def test_more_labels_share_one_variance():
    X, y, groups = world(3, n_people=80, n_labels=7)
    [component] = CategoricalClassifier().fit(X, y, groups=groups).variance_components_
    # Differences of two labels have variance 2, two of them share a half of it.
    np.testing.assert_allclose(np.diagonal(component.correlation), 1.0)
    off = component.correlation[~np.eye(6, dtype=bool)]
    np.testing.assert_allclose(off, 0.5, atol=1e-12)
    np.testing.assert_allclose(component.variance, 2.0, rtol=0.3)


def test_covariances_are_recovered():
    found = []
    for seed in range(5):
        X, y, groups = world(seed, n_people=150, n_each=20)
        model = CategoricalClassifier(alpha=0).fit(X, y, groups=groups)
        found.append(model.variance_components_[0].covariance)
    expected = np.eye(2) + 1.0  # of differences from the first label
    np.testing.assert_allclose(np.mean(found, axis=0), expected, atol=0.25)


def test_weights_are_repetitions():
    X, y, groups = world(4, n_people=15)
    weights = np.random.RandomState(0).randint(1, 4, size=len(y))
    one = CategoricalClassifier().fit(X, y, groups=groups, sample_weight=weights)
    rows = np.repeat(np.arange(len(y)), weights)
    other = CategoricalClassifier().fit(X[rows], y[rows], groups=groups[rows])
    assert other.log_likelihood_ == pytest.approx(one.log_likelihood_, abs=1e-6)
    np.testing.assert_allclose(other.coef_, one.coef_, atol=1e-5)


def test_draws_have_the_moments_of_the_predictions():
    X, y, groups = world(5)
    model = CategoricalClassifier().fit(X, y, groups=groups)
    rows, ids = X[:3], np.array([0, 1, 999])
    mean, sd = model.predict_linear(rows, groups=ids, return_std=True)
    draws = model.sample_posterior(4000, rows, ids, random_state=0)
    assert draws.shape == (4000, 3, 2)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.1)
    np.testing.assert_allclose(draws.std(axis=0), sd, rtol=0.06)
    shares = model.sample_posterior(4000, rows, ids, random_state=0, response=True)
    np.testing.assert_allclose(
        shares.mean(axis=0), model.predict_proba(rows, groups=ids), atol=0.02
    )


def test_simulated_judgments_are_like_the_model():
    X, y, groups = world(6, n_people=60)
    model = CategoricalClassifier(alpha=0).fit(X, y, groups=groups)
    [simulated] = model.simulate(1, X, groups, random_state=0)
    assert set(simulated) == set("abc")
    again = CategoricalClassifier(alpha=0).fit(X, simulated, groups=groups)
    errors = [effect.standard_error for effect in model.summary().fixed_effects]
    first = np.column_stack([model.intercept_, model.coef_])
    second = np.column_stack([again.intercept_, again.coef_])
    z = (first - second).T.ravel() / np.array(errors)
    assert np.abs(z).max() < 4.0


def test_heads_of_every_label():
    rng = np.random.RandomState(7)
    groups = np.repeat(np.arange(60), 30)
    X = rng.normal(size=(len(groups), 8))
    heads = 0.8 * rng.normal(size=(60, 8, 3))
    eta = np.einsum("nd,ndk->nk", X, heads[groups])
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    model = CategoricalClassifier(mixed_effects="random_slopes").fit(
        X, y, groups=groups
    )
    [component] = model.variance_components_
    assert len(component.effect_names) == 9 * 2
    slopes = component.variance[2:].reshape(8, 2)
    np.testing.assert_allclose(slopes, 2 * 0.64, rtol=0.35)
    modes = model.effects_["groups"].modes[:, 2:].reshape(60, 8, 2)
    truth = heads[:, :, 1:] - heads[:, :, :1]
    assert np.corrcoef(modes.ravel(), truth.ravel())[0, 1] > 0.7


def test_texts_of_a_pair_are_read_together():
    d = make_judgments("categorical", n_participants=15, n_items=30, random_state=0)
    seen = []

    def encode(texts):
        seen.extend(texts)
        return HashedTextEncoder(n_components=5).fit_transform([*texts, "x y", "z w"])[
            : len(texts), :1
        ]

    CategoricalClassifier(encoder=encode, encoding="joint").fit(d.X, d.y)
    assert all(PAIR_SEPARATOR in text for text in seen)
    first = seen[-1].split(PAIR_SEPARATOR)
    assert first[0] in set(d.X["premise"])
    assert first[1] in set(d.X["hypothesis"])


def test_a_label_that_does_not_count_is_an_error():
    X, y, groups = world(8, n_people=5)
    weights = (y != "b").astype(float)
    with pytest.raises(ValueError, match=r"label\(s\) \['b'\]"):
        CategoricalClassifier().fit(X, y, groups=groups, sample_weight=weights)


def test_one_label_is_an_error():
    with pytest.raises(ValueError, match="two classes are needed"):
        CategoricalClassifier().fit(np.ones((3, 1)), ["a", "a", "a"])


def test_summary_names_the_labels():
    X, y, groups = world(9)
    model = CategoricalClassifier().fit(X, y, groups=groups)
    names = [effect.name for effect in model.summary().fixed_effects]
    assert names == [
        f"{column} [{label}]"
        for column in ("(Intercept)", "x0", "x1")
        for label in "bc"
    ]
    assert "x0 [c]" in str(model.summary())
    assert len(model.ranef()) == 40 * 2


def test_separated_labels_are_named():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(200, 2))
    y = np.where(X[:, 1] > 0.5, "c", np.where(rng.uniform(size=200) < 0.5, "a", "b"))
    with pytest.warns(UserWarning, match=r"Separation: a combination of .*'x1 \[c\]'"):
        CategoricalClassifier(alpha=0).fit(X, y)
