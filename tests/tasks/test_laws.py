"""Laws every task model obeys, over random data."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bead_sklearn import BinaryClassifier, MagnitudeRegressor, MixedEffects
from bead_sklearn.exceptions import SeparationWarning, SingularFitWarning

pd = pytest.importorskip("pandas")

MODELS = [BinaryClassifier, MagnitudeRegressor]
WORDS = np.array(
    [
        "a",
        "big",
        "dog",
        "saw",
        "the",
        "small",
        "cat",
        "near",
        "her",
        "old",
        "red",
        "house",
        "again",
    ]
)


def simulate(seed, model, *, n_groups=8, n_per_group=9, n_columns=2, sd=1.0):
    rng = np.random.RandomState(seed)
    groups = np.repeat(np.arange(n_groups), n_per_group)
    X = rng.normal(size=(len(groups), n_columns))
    eta = 0.3 + X @ rng.normal(size=n_columns) + sd * rng.normal(size=n_groups)[groups]
    if model is BinaryClassifier:
        y = (rng.uniform(size=len(eta)) < 1 / (1 + np.exp(-eta))).astype(int)
        y[:2] = [0, 1]
    else:
        y = eta + 0.5 * rng.normal(size=len(eta))
    return X, y, groups


def fit(estimator, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        warnings.simplefilter("ignore", SeparationWarning)
        return estimator.fit(*args, **kwargs)


def predictions(model, X, groups):
    if isinstance(model, BinaryClassifier):
        return model.predict_proba(X, groups=groups)[:, 1]
    return np.concatenate(model.predict(X, groups=groups, return_std=True))


seeds = st.integers(0, 10_000)
models = st.sampled_from(MODELS)
formulas = st.sampled_from(["random_intercepts", "random_slopes"])


@given(seeds, models, formulas)
@settings(deadline=None)
def test_relabelling_groups_changes_nothing(seed, model, effects):
    X, y, groups = simulate(seed, model)
    names = np.array(
        [f"p{code:02d}" for code in np.random.RandomState(seed).permutation(8)]
    )
    first = fit(model(mixed_effects=effects), X, y, groups=groups)
    second = fit(model(mixed_effects=effects), X, y, groups=names[groups])
    np.testing.assert_allclose(
        predictions(first, X, groups), predictions(second, X, names[groups]), atol=1e-5
    )
    # Slopes of 72 binary answers can have a likelihood that is flat to this degree.
    flat = model is BinaryClassifier and effects == "random_slopes"
    same = pytest.approx(second.log_likelihood_, abs=1e-4 if flat else 1e-6)
    assert first.log_likelihood_ == same


@given(seeds, models)
@settings(deadline=None)
def test_permuting_rows_changes_nothing(seed, model):
    X, y, groups = simulate(seed, model)
    order = np.random.RandomState(seed).permutation(len(y))
    first = fit(model(), X, y, groups=groups)
    second = fit(model(), X[order], y[order], groups=groups[order])
    np.testing.assert_allclose(
        predictions(first, X, groups), predictions(second, X, groups), atol=1e-5
    )


@given(seeds, models)
@settings(deadline=None)
def test_integer_weights_are_repetition(seed, model):
    X, y, groups = simulate(seed, model)
    weights = np.random.RandomState(seed).randint(0, 4, size=len(y))
    weights[:2] = 1
    first = fit(model(), X, y, groups=groups, sample_weight=weights)
    rows = np.repeat(np.arange(len(y)), weights)
    second = fit(model(), X[rows], y[rows], groups=groups[rows])
    np.testing.assert_allclose(
        predictions(first, X, groups), predictions(second, X, groups), atol=1e-5
    )
    assert first.log_likelihood_ == pytest.approx(second.log_likelihood_, abs=1e-6)
    assert first.bic_ == pytest.approx(second.bic_, abs=1e-5)


@given(seeds, models, st.sampled_from(["marginal", "conditional"]))
@settings(deadline=None)
def test_unseen_group_is_no_group(seed, model, population):
    X, y, groups = simulate(seed, model)
    fitted = fit(model(population=population), X, y, groups=groups)
    np.testing.assert_array_equal(
        predictions(fitted, X, np.full(len(y), "nobody")), predictions(fitted, X, None)
    )


@given(seeds, models)
@settings(deadline=None)
def test_tiny_variance_is_the_pooled_model(seed, model):
    X, y, groups = simulate(seed, model)
    tiny = MixedEffects(prior_variance=1e-12, estimate_variance_components=False)
    first = fit(model(mixed_effects=tiny, alpha=0), X, y, groups=groups)
    second = fit(model(mixed_effects="fixed", alpha=0), X, y)
    np.testing.assert_allclose(
        predictions(first, X, groups), predictions(second, X, None), atol=1e-5
    )


@given(seeds, models)
@settings(deadline=None)
def test_held_variance_is_the_estimated_one_at_the_optimum(seed, model):
    X, y, groups = simulate(seed, model, sd=2.0)
    free = fit(model(alpha=0), X, y, groups=groups)
    variance = free.variance_components_[0].variance[0]
    if variance == 0:
        return
    held = MixedEffects(prior_variance=variance, estimate_variance_components=False)
    fixed = fit(model(mixed_effects=held, alpha=0), X, y, groups=groups)
    assert fixed.log_likelihood_ == pytest.approx(free.log_likelihood_, abs=1e-6)
    np.testing.assert_allclose(
        predictions(free, X, groups), predictions(fixed, X, groups), atol=1e-4
    )


@given(seeds, models)
@settings(deadline=None)
def test_containers_of_text_agree(seed, model):
    rng = np.random.RandomState(seed)
    texts = [" ".join(rng.choice(WORDS, size=4)) for _ in range(20)]
    rows = rng.randint(20, size=60)
    X = [texts[row] for row in rows]
    groups = rng.randint(6, size=60)
    _, y, _ = simulate(seed, model, n_groups=6, n_per_group=10)
    reference = predictions(fit(model(), X, y, groups=groups), X, groups)
    polars = pytest.importorskip("polars")
    for container in (
        np.array(X, dtype=object),
        pd.DataFrame({"sentence": X}),
        polars.DataFrame({"sentence": X}),
        [{"sentence": text} for text in X],
    ):
        found = predictions(
            fit(model(), container, y, groups=groups), container, groups
        )
        np.testing.assert_array_equal(found, reference)


@given(seeds, models)
@settings(deadline=None)
def test_ids_in_a_column_are_ids_in_groups(seed, model):
    X, y, groups = simulate(seed, model)
    frame = pd.DataFrame(X, columns=["a", "b"])
    outside = fit(model(), frame, y, groups=groups)
    frame_with_ids = frame.assign(participant=groups)
    inside = fit(model(mixed_effects="(1 | participant)"), frame_with_ids, y)
    np.testing.assert_array_equal(
        predictions(outside, frame, groups), predictions(inside, frame_with_ids, None)
    )


@given(seeds)
@settings(deadline=None)
def test_swapping_the_classes_swaps_the_probabilities(seed):
    X, y, groups = simulate(seed, BinaryClassifier)
    first = fit(BinaryClassifier(), X, y, groups=groups)
    second = fit(BinaryClassifier(positive_class=0), X, y, groups=groups)
    assert second.classes_.tolist() == [1, 0]
    np.testing.assert_allclose(
        first.predict_proba(X, groups=groups),
        second.predict_proba(X, groups=groups)[:, ::-1],
        atol=1e-6,
    )


@given(seeds, st.floats(0.01, 1000), st.floats(-1000, 1000))
@settings(deadline=None)
def test_magnitude_follows_the_unit_of_the_response(seed, scale, shift):
    X, y, groups = simulate(seed, MagnitudeRegressor)
    first = fit(MagnitudeRegressor(), X, y, groups=groups)
    second = fit(MagnitudeRegressor(), X, shift + scale * y, groups=groups)
    mean, std = first.predict(X, groups=groups, return_std=True)
    new_mean, new_std = second.predict(X, groups=groups, return_std=True)
    np.testing.assert_allclose(
        new_mean, shift + scale * mean, rtol=1e-5, atol=1e-4 * scale
    )
    np.testing.assert_allclose(new_std, scale * std, rtol=1e-4)


@given(
    seeds,
    models,
    st.sampled_from([1e-4, 10.0, 1e4]),
    st.sampled_from([0.0, 30.0, 2000.0]),
    st.sampled_from(["(1 | g)", "(1 + x | g)"]),
)
@settings(deadline=None)
def test_unit_and_origin_of_a_covariate_do_not_matter(
    seed, model, scale, shift, formula
):
    X, y, groups = simulate(seed, model, n_groups=15, n_per_group=20, n_columns=1)
    frame = pd.DataFrame({"x": X[:, 0], "g": groups})
    moved = frame.assign(x=shift + scale * frame["x"])
    first = fit(model(mixed_effects=formula, alpha=0), frame, y)
    second = fit(model(mixed_effects=formula, alpha=0), moved, y)
    change = -np.log(scale) if first.is_reml_ else 0.0
    expected = pytest.approx(first.log_likelihood_ + change, abs=1e-3)
    assert second.log_likelihood_ == expected
    np.testing.assert_allclose(
        predictions(first, frame, None), predictions(second, moved, None), atol=1e-2
    )
    np.testing.assert_allclose(
        second.coef_.ravel() * scale, first.coef_.ravel(), atol=1e-3
    )
    G, H = (m.variance_components_[0].covariance for m in (first, second))
    if len(G) == 2:
        T = np.array([[1.0, -shift / scale], [0.0, 1.0 / scale]])
        np.testing.assert_allclose(
            H, T @ G @ T.T, rtol=0.02, atol=0.02 * (T @ G @ T.T).max()
        )


@given(seeds, models, st.sampled_from([0.01, 100.0]))
@settings(deadline=None)
def test_where_the_search_starts_does_not_matter(seed, model, variance):
    X, y, groups = simulate(seed, model, n_groups=15, n_per_group=20)
    first = fit(model(alpha=0), X, y, groups=groups)
    effects = MixedEffects(prior_variance=variance)
    second = fit(model(mixed_effects=effects, alpha=0), X, y, groups=groups)
    assert second.log_likelihood_ == pytest.approx(first.log_likelihood_, abs=1e-5)


@given(seeds, st.floats(0.05, 0.4))
@settings(deadline=None)
def test_small_variances_are_those_of_the_balanced_closed_form(seed, sd):
    rng = np.random.RandomState(seed)
    q, m = 50, 60
    groups = np.repeat(np.arange(q), m)
    y = sd * rng.normal(size=q)[groups] + rng.normal(size=q * m)
    frame = pd.DataFrame({"g": groups})
    model = fit(MagnitudeRegressor(mixed_effects="(1 | g)"), frame, y)
    means = y.reshape(q, m).mean(axis=1)
    within = ((y.reshape(q, m) - means[:, None]) ** 2).sum() / (q * (m - 1))
    between = max(means.var() - within / m, 0.0)
    found = model.variance_components_[0].variance[0]
    assert found == pytest.approx(between, rel=1e-3, abs=1e-6)
