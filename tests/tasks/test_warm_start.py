"""Fits that begin at the solution of the previous one."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from bead_sklearn import BinaryClassifier, MagnitudeRegressor, MixedEffects, persistence
from bead_sklearn.datasets import make_judgments

pd = pytest.importorskip("pandas")

MODELS = [BinaryClassifier, MagnitudeRegressor]
every_model = pytest.mark.parametrize("model", MODELS)

pytestmark = pytest.mark.filterwarnings(
    "ignore::bead_sklearn.exceptions.SingularFitWarning",
    "ignore::bead_sklearn.exceptions.SeparationWarning",
)


def judgments(model, seed=0, n=400, sd=1.0):
    rng = np.random.RandomState(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n) + 2.0,
            "g": rng.randint(20, size=n),
            "item": rng.randint(15, size=n),
        }
    )
    u, v = sd * rng.normal(size=(20, 2)), 0.5 * sd * rng.normal(size=15)
    x, g = frame["x"].to_numpy(), frame["g"]
    eta = 0.5 * x - 1.0 + u[g, 0] + 0.5 * u[g, 1] * x + v[frame["item"]]
    if model is BinaryClassifier:
        y = np.array(["no", "yes"])[(rng.logistic(size=n) < eta).astype(int)]
    else:
        y = eta + 0.7 * rng.normal(size=n)
    return frame, y


def predictions(model, X, groups=None):
    if isinstance(model, BinaryClassifier):
        return model.predict_proba(X, groups=groups)[:, 1]
    return np.concatenate(model.predict(X, groups=groups, return_std=True))


def assert_same(warm, cold, X, groups=None, atol=1e-4):
    assert warm.log_likelihood_ == pytest.approx(cold.log_likelihood_, abs=1e-5)
    np.testing.assert_allclose(
        predictions(warm, X, groups), predictions(cold, X, groups), atol=atol
    )


FORMULAS = ["(1 | g)", "(1 + x | g)", "(1 + x || g) + (1 | item)"]


@given(
    st.integers(0, 10_000),
    st.sampled_from(MODELS),
    st.sampled_from(FORMULAS),
    st.integers(1, 50),
    st.sampled_from([0.3, 1.0]),
)
def test_after_more_judgments_the_fit_is_the_cold_one(seed, model, formula, k, sd):
    frame, y = judgments(model, seed, sd=sd)
    warm = model(mixed_effects=formula, alpha=0, warm_start=True)
    for n in (300, 300 + k, 300 + 2 * k):
        warm.fit(frame[:n], y[:n])
        cold = model(mixed_effects=formula, alpha=0).fit(frame[:n], y[:n])
        # Where several variances are near zero the likelihood has several maxima.
        assert warm.log_likelihood_ > cold.log_likelihood_ - 1e-5
        if warm.log_likelihood_ < cold.log_likelihood_ + 1e-5:
            assert_same(warm, cold, frame)


@every_model
def test_new_participants_and_items(model):
    frame, y = judgments(model)
    early = (frame["g"] < 12) & (frame["item"] < 10)
    formula = "(1 + x | g) + (1 | item)"
    warm = model(mixed_effects=formula, warm_start=True).fit(frame[early], y[early])
    warm.fit(frame, y)
    cold = model(mixed_effects=formula).fit(frame, y)
    assert_same(warm, cold, frame)
    assert warm.effects_["g"].levels.tolist() == list(range(20))
    # And the other way round: levels that are gone.
    warm.fit(frame[early], y[early])
    cold.fit(frame[early], y[early])
    assert_same(warm, cold, frame)


@every_model
def test_new_texts(model):
    kind = "binary" if model is BinaryClassifier else "magnitude"
    d = make_judgments(kind, n_participants=20, n_items=120, random_state=0)
    order = np.random.RandomState(0).permutation(len(d.y))
    warm, n_cold, n_warm = model(warm_start=True), 0, 0
    for n in (250, 280, 310):
        rows = order[:n]
        X, y, groups = d.X.iloc[rows], d.y[rows], d.groups[rows]
        warm.fit(X, y, groups=groups)
        cold = model().fit(X, y, groups=groups)
        assert_same(warm, cold, d.X, d.groups)
        n_cold, n_warm = n_cold + cold.n_iter_, n_warm + warm.n_iter_
    # Newton steps, for numbers, are few from anywhere.
    assert n_warm < n_cold + (kind == "magnitude")


@every_model
def test_new_texts_with_heads_of_participants(model):
    kind = "binary" if model is BinaryClassifier else "magnitude"
    d = make_judgments(kind, n_participants=12, n_items=60, random_state=0)
    order = np.random.RandomState(0).permutation(len(d.y))
    warm = model(mixed_effects="random_slopes", warm_start=True)
    for n in (150, 170, 190):
        rows = order[:n]
        X, y, groups = d.X.iloc[rows], d.y[rows], d.groups[rows]
        warm.fit(X, y, groups=groups)
        cold = model(mixed_effects="random_slopes").fit(X, y, groups=groups)
        assert warm.log_likelihood_ > cold.log_likelihood_ - 1e-4
        if warm.log_likelihood_ < cold.log_likelihood_ + 1e-4:
            assert_same(warm, cold, d.X, d.groups, atol=1e-3)


@every_model
def test_other_columns_and_units(model):
    frame, y = judgments(model)
    warm = model(mixed_effects="(1 + x | g)", warm_start=True).fit(frame, y)
    other = frame.assign(x=1000 * frame["x"] - 7, z=np.sin(np.arange(len(y))))
    warm.fit(other, y)
    cold = model(mixed_effects="(1 + x | g)").fit(other, y)
    assert_same(warm, cold, other, atol=1e-3)


def test_other_labels_begin_afresh():
    frame, y = judgments(BinaryClassifier)
    params = {"mixed_effects": "(1 | g)", "alpha": 0}
    warm = BinaryClassifier(**params, warm_start=True).fit(frame, y)
    for labels in (np.where(y == "yes", "yes", "maybe"), np.where(y == "yes", 1, 0)):
        warm.fit(frame, labels)
        cold = BinaryClassifier(**params).fit(frame, labels)
        assert warm.classes_.tolist() == cold.classes_.tolist()
        assert warm.n_iter_ == cold.n_iter_
        np.testing.assert_array_equal(
            predictions(warm, frame), predictions(cold, frame)
        )
    warm.fit(frame, y)
    warm.set_params(positive_class="no").fit(frame, y)
    cold = BinaryClassifier(**params, positive_class="no").fit(frame, y)
    assert warm.n_iter_ == cold.n_iter_
    np.testing.assert_array_equal(warm.coef_, cold.coef_)


@every_model
@pytest.mark.parametrize(
    "changes",
    [
        {"mixed_effects": "(1 | g) + (1 | item)"},
        {"mixed_effects": "(1 + x || g)"},
        {"mixed_effects": MixedEffects(formula="(1 | g)", prior_mean=1.0)},
        {
            "mixed_effects": MixedEffects(
                formula="(1 | g)", estimate_variance_components=False
            )
        },
        {"mixed_effects": MixedEffects(formula="(1 | g)", regularization_strength=0.1)},
        {"alpha": 5.0},
        {"mixed_effects": "fixed"},
        {"other_family": True},
    ],
)
def test_other_parameters(model, changes):
    frame, y = judgments(model)
    y = y if model is BinaryClassifier else np.exp(y)
    if changes.pop("other_family", False):
        probit = model is BinaryClassifier
        changes = {"family": "bernoulli_probit" if probit else "lognormal"}
    warm = model(mixed_effects="(1 | g)", warm_start=True).fit(frame, y)
    warm.set_params(**changes).fit(frame, y)
    cold = model(**{"mixed_effects": "(1 | g)", **changes}).fit(frame, y)
    assert_same(warm, cold, frame)


@every_model
def test_other_data_altogether(model):
    warm = model(mixed_effects="(1 + x | g)", alpha=0, warm_start=True)
    for seed, n, sd in ((0, 400, 2.0), (1, 100, 0.1), (2, 300, 1.0), (3, 200, 5.0)):
        frame, y = judgments(model, seed, n, sd)
        warm.fit(frame, y)
        cold = model(mixed_effects="(1 + x | g)", alpha=0).fit(frame, y)
        assert warm.log_likelihood_ > cold.log_likelihood_ - 1e-4


@every_model
def test_weights_and_repetition(model):
    frame, y = judgments(model)
    warm = model(mixed_effects="(1 | g)", warm_start=True)
    warm.fit(frame[:300], y[:300])
    weights = np.arange(len(y)) % 3
    warm.fit(frame, y, sample_weight=weights)
    cold = model(mixed_effects="(1 | g)").fit(frame, y, sample_weight=weights)
    assert_same(warm, cold, frame)


@every_model
def test_without_warm_start_nothing_is_left_of_the_fit_before(model):
    frame, y = judgments(model)
    again = model(mixed_effects="(1 + x | g)").fit(frame[:300], y[:300]).fit(frame, y)
    fresh = model(mixed_effects="(1 + x | g)").fit(frame, y)
    assert again.n_iter_ == fresh.n_iter_
    np.testing.assert_array_equal(again.coef_, fresh.coef_)


@every_model
def test_copies(model, tmp_path):
    frame, y = judgments(model)
    fitted = model(mixed_effects="(1 | g)", warm_start=True).fit(frame, y)
    cold_steps = fitted.n_iter_
    persistence.save(fitted, tmp_path / "model")
    for copy in (
        pickle.loads(pickle.dumps(fitted)),
        persistence.load(tmp_path / "model"),
    ):
        assert copy.fit(frame, y).n_iter_ < cold_steps
    assert clone(fitted).fit(frame, y).n_iter_ == cold_steps
    assert fitted.fit(frame, y).n_iter_ < cold_steps


def test_the_parameter_is_validated():
    frame, y = judgments(BinaryClassifier)
    with pytest.raises(ValueError, match="'warm_start' parameter of BinaryClassifier"):
        BinaryClassifier(warm_start="yes").fit(frame, y)


@every_model
def test_an_error_leaves_the_start_as_it_was(model):
    frame, y = judgments(model)
    warm = model(mixed_effects="(1 | g)", warm_start=True).fit(frame, y)
    cold_steps = warm.n_iter_
    with pytest.raises(ValueError, match="inconsistent"):
        warm.fit(frame, y[:-1])
    assert warm.fit(frame, y).n_iter_ < cold_steps
