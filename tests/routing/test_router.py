"""AnnotatorRouter: forms of input, laws, bad input."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bead_sklearn.exceptions import SingularFitWarning
from bead_sklearn.routing import AnnotatorRouter, routing_gain

ALL = ["gp", "ridge", "knn", "sgd"]
AT_ONCE = ["gp", "ridge", "knn"]

pytestmark = pytest.mark.filterwarnings(
    "ignore::bead_sklearn.exceptions.SingularFitWarning"
)


def draw(n=120, n_annotators=4, share=0.6, seed=0, noise=0.2, d=3):
    """Annotators with linear expertise; NaN where not asked."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    heads = rng.normal(size=(n_annotators, d))
    expected = X @ heads.T + rng.normal(size=n_annotators)
    Y = expected + noise * rng.normal(size=expected.shape)
    Y[rng.random(Y.shape) > share] = np.nan
    Y[0, :] = expected[0]  # every annotator is asked at least once
    return X, Y, expected


def long_form(X, Y):
    row, annotator = np.nonzero(~np.isnan(Y))
    return X[row], Y[row, annotator], annotator


@pytest.mark.parametrize("solver", ALL)
def test_expected_rewards_are_learned(solver):
    X, Y, expected = draw(400)
    router = AnnotatorRouter(solver=solver, max_iter=20, n_neighbors=10, random_state=0)
    router.fit(X[:300], Y[:300])
    error = router.predict(X[300:]) - expected[300:]
    share = (error**2).mean() / expected[300:].var()
    assert share < (0.45 if solver == "knn" else 0.1)
    assert router.score(X[300:], Y[300:]) > 0.5
    chosen = router.predict(X[300:]).argmax(axis=1)
    assert routing_gain(expected[300:], chosen) > (0.6 if solver == "knn" else 0.9)


@pytest.mark.parametrize("solver", ALL)
def test_long_form_is_wide_form(solver):
    X, Y, _ = draw()
    wide = AnnotatorRouter(solver=solver, shuffle=False, random_state=0).fit(X, Y)
    rows, y, annotator = long_form(X, Y)
    long = AnnotatorRouter(solver=solver, shuffle=False, random_state=0)
    long.fit(rows, y, groups=annotator)
    np.testing.assert_allclose(wide.predict(X), long.predict(X), atol=1e-6)
    assert long.annotators_.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(
        long.predict(rows, groups=annotator),
        wide.predict(X)[np.nonzero(~np.isnan(Y))],
        atol=1e-6,
    )
    assert long.score(rows, y, groups=annotator) == pytest.approx(
        wide.score(X, Y), abs=1e-5
    )


@pytest.mark.parametrize("solver", ALL)
def test_annotator_order_is_irrelevant(solver):
    X, Y, _ = draw()
    order = [2, 0, 3, 1]
    options = {"solver": solver, "random_state": 0}
    first = AnnotatorRouter(**options).fit(X, Y).predict(X)
    second = AnnotatorRouter(**options).fit(X, Y[:, order]).predict(X)
    np.testing.assert_allclose(first[:, order], second, atol=1e-5)


@pytest.mark.parametrize("solver", ALL)
def test_rows_of_nan_change_nothing(solver):
    X, Y, _ = draw()
    options = {"solver": solver, "shuffle": False, "random_state": 0}
    first = AnnotatorRouter(**options).fit(X, Y).predict(X)
    more = np.vstack([X, X[:5] + 1.0])
    empty = np.full((5, Y.shape[1]), np.nan)
    second = AnnotatorRouter(**options).fit(more, np.vstack([Y, empty])).predict(X)
    np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.parametrize("solver", AT_ONCE)
def test_duplicates_are_weights(solver):
    X, Y, _ = draw()
    weights = np.random.default_rng(1).integers(0, 3, len(X))
    repeated = np.repeat(np.arange(len(X)), weights)
    first = AnnotatorRouter(solver=solver, random_state=0)
    first.fit(X, Y, sample_weight=weights)
    second = AnnotatorRouter(solver=solver, random_state=0)
    second.fit(X[repeated], Y[repeated])
    np.testing.assert_allclose(first.predict(X), second.predict(X), atol=1e-6)


@given(
    seed=st.integers(0, 10_000),
    n_annotators=st.integers(1, 4),
    share=st.floats(0.3, 1.0),
)
def test_laws_of_the_default(seed, n_annotators, share):
    X, Y, _ = draw(25, n_annotators, share, seed, noise=0.5, d=2)
    rng = np.random.default_rng(seed)
    expected = AnnotatorRouter(random_state=0).fit(X, Y).predict(X)
    order = rng.permutation(n_annotators)
    rows = rng.permutation(len(X))
    weights = rng.integers(1, 3, len(X))
    shuffled = AnnotatorRouter(random_state=0).fit(X[rows], Y[rows][:, order])
    np.testing.assert_allclose(shuffled.predict(X), expected[:, order], atol=1e-6)
    padded = AnnotatorRouter(random_state=0).fit(
        np.vstack([X, X + 9.0]), np.vstack([Y, np.full_like(Y, np.nan)])
    )
    np.testing.assert_allclose(padded.predict(X), expected, atol=1e-6)
    weighted = AnnotatorRouter(random_state=0).fit(X, Y, sample_weight=weights)
    repeated = np.repeat(np.arange(len(X)), weights)
    repeated = AnnotatorRouter(random_state=0).fit(X[repeated], Y[repeated])
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-6)


@pytest.mark.parametrize("solver", AT_ONCE)
def test_partial_fit_is_fit_of_all(solver):
    X, Y, _ = draw()
    whole = AnnotatorRouter(solver=solver, random_state=0).fit(X, Y)
    parts = AnnotatorRouter(solver=solver, random_state=0)
    for rows in np.array_split(np.arange(len(X)), 3):
        parts.partial_fit(X[rows], Y[rows])
    np.testing.assert_allclose(whole.predict(X), parts.predict(X), atol=1e-6)


def test_partial_fit_of_sgd_is_a_pass():
    X, Y, _ = draw()
    options = {"solver": "sgd", "shuffle": False, "random_state": 0}
    fitted = AnnotatorRouter(max_iter=3, **options).fit(X, Y)
    steps = AnnotatorRouter(max_iter=99, **options)
    for _ in range(3):
        steps.partial_fit(X, Y)
    np.testing.assert_allclose(fitted.coef_, steps.coef_)
    assert fitted.loss_curve_ == steps.loss_curve_
    assert steps.n_iter_ == 3
    assert steps.loss_curve_[-1] < steps.loss_curve_[0]


@pytest.mark.parametrize("solver", ALL)
def test_partial_fit_adds_annotators(solver):
    X, Y, _ = draw()
    router = AnnotatorRouter(solver=solver, random_state=0).fit(X, Y)
    router.partial_fit(X[:20], np.arange(20.0) / 10, groups=["new"] * 20)
    assert router.annotators_.tolist() == [0, 1, 2, 3, "new"]
    assert router.predict(X).shape == (120, 5)


@pytest.mark.parametrize("solver", ALL)
def test_new_annotator_without_a_rating_changes_nothing(solver):
    X, Y, _ = draw()
    router = AnnotatorRouter(solver=solver, random_state=0).fit(X, Y)
    before = router.predict(X)
    router.partial_fit(X[:3], np.full(3, np.nan), groups=["new"] * 3)
    np.testing.assert_array_equal(router.predict(X), before)
    assert router.predict(X, groups=["new"] * len(X)).shape == (len(X),)
    router.partial_fit(X, Y)
    assert router.annotators_.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("solver", ALL)
def test_a_second_annotator_ends_the_vector_form(solver):
    X, Y, _ = draw(50, 1, 1.0)
    router = AnnotatorRouter(solver=solver, random_state=0).fit(X, Y[:, 0])
    assert router.predict(X).shape == (50,)
    router.partial_fit(X[:9], Y[:9, 0], groups=["second"] * 9)
    assert router.predict(X).shape == (50, 2)


@pytest.mark.parametrize("solver", ALL)
def test_replaced_annotator_is_learned_anew(solver):
    X, Y, expected = draw(400, 5, 1.0)
    options = {"solver": solver, "n_neighbors": 20, "random_state": 0}
    router = AnnotatorRouter(max_iter=10, **options).fit(X, Y)
    router.set_annotators([0, 1, "new", 3, 4])
    assert router.annotators_.tolist() == [0, 1, "new", 3, 4]
    fresh = -expected[:, 2]
    before = np.mean((router.predict(X)[:, 2] - fresh) ** 2)
    for _ in range(5 if solver == "sgd" else 1):
        router.partial_fit(X[:200], fresh[:200], groups=["new"] * 200)
    after = np.mean((router.predict(X[200:])[:, 2] - fresh[200:]) ** 2)
    assert after < (0.5 if solver == "knn" else 0.15) * before


@pytest.mark.parametrize("solver", ALL)
def test_set_annotators_keeps_moves_and_drops(solver):
    X, Y, _ = draw()
    router = AnnotatorRouter(solver=solver, random_state=0).fit(X, Y)
    before = router.predict(X)
    np.testing.assert_allclose(
        router.set_annotators([3, 1, 0, 2]).predict(X),
        before[:, [3, 1, 0, 2]],
        atol=1e-5,
    )
    assert router.set_annotators([1, 2]).predict(X).shape == (120, 2)
    with pytest.raises(ValueError, match="all differ"):
        router.set_annotators([1, 1])
    with pytest.raises(ValueError, match="at least one"):
        router.set_annotators([])


def test_set_annotators_clears_what_the_optimizer_remembers():
    X, Y, _ = draw()
    router = AnnotatorRouter(solver="sgd", accumulate_grad=True, learning_rate=1e-4)
    router.fit(X, Y).set_annotators([0, "new", 2, 3])
    heads = router._heads
    for part in (heads.step_coef, heads.grad_coef):
        assert not part[1].any()
        assert part[[0, 2, 3]].all()
    # Without ratings: the mean head of all that were there.
    before = AnnotatorRouter(solver="sgd", random_state=0).fit(X, Y)
    mean = before.coef_.mean(axis=0)
    np.testing.assert_allclose(before.set_annotators(["new", 1]).coef_[0], mean)


def test_nobody_left_to_learn_from():
    X, Y, _ = draw()
    with pytest.raises(ValueError, match="None of the annotators has ratings"):
        AnnotatorRouter().fit(X, Y).set_annotators(["x", "y"])


@pytest.mark.parametrize(
    "loss", ["squared_error", "log_loss", "listwise", "softmax_mse"]
)
def test_losses_of_sgd_rank_and_calibrate(loss):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    expected = 1 / (1 + np.exp(-X @ rng.normal(size=(3, 4))))
    Y = (rng.random(expected.shape) < expected).astype(float)
    rate = {"softmax_mse": 0.2, "listwise": 0.005, "log_loss": 0.002}.get(loss, 0.0005)
    router = AnnotatorRouter(solver="sgd", loss=loss, learning_rate=rate, max_iter=10)
    router.set_params(random_state=0).fit(X, Y)
    predicted = router.predict(X)
    assert routing_gain(expected, predicted.argmax(axis=1)) > 0.8
    np.testing.assert_array_equal(
        predicted.argmax(axis=1), router.predict_scores(X).argmax(axis=1)
    )
    assert abs(predicted.mean() - Y.mean()) < 0.05
    slope = np.polyfit(predicted.ravel(), Y.ravel(), 1)[0]
    assert 0.8 < slope < 1.25
    assert router.loss_curve_[-1] < router.loss_curve_[0]


@pytest.mark.parametrize("loss", ["listwise", "softmax_mse"])
def test_calibration_outlives_single_rows(loss):
    """One row says nothing about a slope; all of them together do."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    expected = 1 / (1 + np.exp(-X @ rng.normal(size=(3, 4))))
    rate = {"softmax_mse": 0.2, "listwise": 0.02}[loss]
    router = AnnotatorRouter(solver="sgd", loss=loss, learning_rate=rate)
    for row in range(300):
        router.partial_fit(X[[row]], expected[[row]])
    predicted = router.predict(X)
    assert routing_gain(expected, predicted.argmax(axis=1)) > 0.6
    np.testing.assert_array_equal(
        predicted.argmax(axis=1), router.predict_scores(X).argmax(axis=1)
    )
    assert 0.7 < np.polyfit(predicted.ravel(), expected.ravel(), 1)[0] < 1.8


def test_order_of_scores_is_kept_where_they_say_nothing():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(50, 3)), rng.random((50, 3))
    router = AnnotatorRouter(solver="sgd", loss="listwise", learning_rate=1e-3)
    router.fit(X, Y, coef_init=rng.normal(size=(3, 3)), intercept_init=np.zeros(3))
    router.partial_fit(X, 1.0 - router.predict_scores(X))
    np.testing.assert_array_equal(
        router.predict(X).argmax(axis=1), router.predict_scores(X).argmax(axis=1)
    )


def test_gradient_of_the_default_losses_does_not_vanish():
    from bead_sklearn.routing._losses import LOSSES

    def size(name, k):
        rng = np.random.default_rng(0)
        rewards = rng.random((200, k))
        scores = np.zeros_like(rewards)
        return np.abs(LOSSES[name](scores, rewards, np.ones_like(scores))[1]).mean()

    for name in ("squared_error", "log_loss"):
        assert size(name, 256) == pytest.approx(size(name, 4), rel=0.1)
    assert size("softmax_mse", 256) < 1e-4 * size("softmax_mse", 4)
    assert size("listwise", 256) > size("softmax_mse", 256) * 1e4


@pytest.mark.parametrize(
    "name", ["squared_error", "log_loss", "listwise", "softmax_mse"]
)
def test_gradients_by_finite_differences(name):
    from bead_sklearn.routing._losses import LOSSES

    rng = np.random.default_rng(0)
    scores, rewards = rng.normal(size=(3, 5)), rng.random((3, 5))
    weights = np.tile(np.array([1.0, 2.0, 0.0, 2.0, 2.0]), (3, 1))
    weights[:, 0] = 2.0 if name in ("listwise", "softmax_mse") else 1.0
    gradient = LOSSES[name](scores, rewards, weights)[1]
    for j in range(5):
        step = np.zeros(5)
        step[j] = 1e-6
        up, down = (
            LOSSES[name](scores + s, rewards, weights)[0] for s in (step, -step)
        )
        np.testing.assert_allclose(gradient[:, j], (up - down) / 2e-6, atol=1e-7)


def test_log_loss_of_ridge():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 2))
    expected = 1 / (1 + np.exp(-2 * X @ np.array([[1.0, -1.0], [0.5, 1.0]]).T))
    router = AnnotatorRouter(solver="ridge", loss="log_loss").fit(X, expected)
    assert np.abs(router.predict(X) - expected).max() < 0.15
    Y = (rng.random(expected.shape) < expected).astype(float)
    predicted = AnnotatorRouter(solver="ridge", loss="log_loss").fit(X, Y).predict(X)
    assert (predicted > 0).all()
    assert (predicted < 1).all()


def test_estimated_variances_are_those_of_the_simulation():
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        n, n_annotators = 400, 8
        X = rng.uniform(0, 8, size=(n, 2))
        squared = ((X[:, None] - X[None]) ** 2).sum(axis=-1)
        root = np.linalg.cholesky(np.exp(-squared / 2) + 1e-8 * np.eye(n))
        shared = 0.5**0.5 * root @ rng.normal(size=n)
        own = root @ rng.normal(size=(n, n_annotators))
        item = 0.4**0.5 * rng.normal(size=n)
        Y = 1.0 + shared[:, None] + own + item[:, None]
        Y += 0.3**0.5 * rng.normal(size=Y.shape)
        Y[rng.random(Y.shape) < 0.5] = np.nan
        variances = AnnotatorRouter(random_state=0).fit(X, Y).variances_
        found.append([variances.shared, variances.own])
        found[-1] += [variances.item, variances.residual]
    estimate = np.mean(found, axis=0)
    np.testing.assert_allclose(estimate[2:], [0.4, 0.3], rtol=0.25)
    assert estimate[:2].sum() == pytest.approx(1.5, rel=0.2)
    assert 0.2 < estimate[0] < 0.8  # a function of few degrees of freedom


def test_posterior_mean_by_brute_force():
    X, Y, _ = draw(30, 3, 0.5)
    Y[:, 1] *= 0.2
    router = AnnotatorRouter(random_state=0).fit(X, Y)
    found, head = router.variances_, router._head
    scales = head.scales
    assert scales[1] < 0.9 * min(scales[0], scales[2])
    new = np.random.default_rng(5).normal(size=(7, 3))
    row, annotator = np.nonzero(~np.isnan(Y))
    places = head.coordinates(np.vstack([X, new]))
    squared = ((places[:, None] - places[None]) ** 2).sum(axis=-1)
    kernel = np.exp(-squared / (2 * found.length**2))
    same = annotator[:, None] == annotator
    covariance = kernel[np.ix_(row, row)] * (found.shared + found.own * same)
    covariance += found.item * (row[:, None] == row)
    covariance += found.residual * np.eye(len(row))
    covariance *= np.outer(scales[annotator], scales[annotator])
    covariance += found.annotator * same
    weights = np.linalg.solve(covariance, Y[row, annotator] - found.mean)
    for a in range(3):
        between = kernel[30:][:, row] * (found.shared + found.own * (annotator == a))
        between *= scales[a] * scales[annotator]
        between += found.annotator * (annotator == a)
        np.testing.assert_allclose(
            router.predict(new)[:, a], found.mean + between @ weights, atol=1e-7
        )
    between = found.shared * kernel[30:][:, row] * scales[annotator]
    np.testing.assert_allclose(
        router.predict(new, groups=["unknown"] * 7),
        found.mean + between @ weights,
        atol=1e-7,
    )


def test_marginal_likelihood_by_brute_force():
    from bead_sklearn.routing._gaussian_process import _Composite

    X, Y, _ = draw(20, 3, 0.7)
    router = AnnotatorRouter(random_state=0)
    router.fit(np.vstack([X, X[:5]]), np.vstack([Y, Y[:5] + 0.3]))
    cells = router._ratings.cells()
    scales = np.array([1.0, 0.5, 2.0])
    composite = _Composite(
        cells, np.arange(len(cells.item)), cells.features, 0.8, 1.0, scales
    )
    within = (cells.within / scales[cells.annotator] ** 2).sum()
    composite.maximise(within, several=True)
    total = 0.0
    center = np.average(cells.reward, weights=cells.weight)
    ratings = router._ratings
    for a in range(3):  # each rating by itself, not the mean of a cell
        chosen = ratings.annotator == a
        places = ratings.features[ratings.row[chosen]]
        y = ratings.reward[chosen] - center - composite.mean
        squared = ((places[:, None] - places[None]) ** 2).sum(axis=-1)
        covariance = composite.own * np.exp(-squared / (2 * 0.8**2))
        covariance += composite.residual * np.eye(len(y))
        covariance *= scales[a] ** 2
        covariance += composite.annotator
        determinant = np.linalg.slogdet(covariance)[1]
        total -= 0.5 * (determinant + y @ np.linalg.solve(covariance, y))
        total += len(y) * np.log(scales[a])  # the same for all variances
    assert total == pytest.approx(composite.value - 0.5 * composite.n, abs=1e-6)


def test_annotators_whose_rewards_spread_less():
    """Noise of one must not drown what is known of another."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    expected = np.column_stack([X[:, 0], 0.05 * X[:, 1]])
    noise = rng.normal(size=expected.shape) * [0.5, 0.01]
    router = AnnotatorRouter(random_state=0).fit(X[:200], (expected + noise)[:200])
    error = router.predict(X[200:]) - expected[200:]
    assert (error.std(axis=0) < 0.3 * expected.std(axis=0)).all()
    # A unit of its own for one annotator is no loss for it.
    fine = AnnotatorRouter(random_state=0)
    fine.fit(X[:200], (expected + noise)[:200] * [1.0, 20.0])
    np.testing.assert_allclose(
        fine.predict(X[200:])[:, 1] / 20.0, router.predict(X[200:])[:, 1], atol=0.01
    )


def test_landmarks_stand_for_the_kernel(monkeypatch):
    from bead_sklearn.routing import _kernel

    X, Y, expected = draw(400)
    exact = AnnotatorRouter(random_state=0).fit(X, Y).predict(X)
    monkeypatch.setattr(_kernel, "MAX_EXACT", 100)
    monkeypatch.setattr(_kernel, "_N_LANDMARKS", 200)
    approximate = AnnotatorRouter(random_state=0).fit(X, Y).predict(X)
    assert np.abs(exact - approximate).max() > 0
    assert np.mean((exact - approximate) ** 2) < 0.02 * expected.var()


def test_text_frames_and_records():
    texts = [
        "add two numbers",
        "sum of numbers",
        "a poem of love",
        "love and verse",
    ] * 5
    Y = np.tile([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], (5, 1))
    frame = pd.DataFrame({"prompt": texts, "length": [float(len(t)) for t in texts]})
    names = pd.DataFrame(Y, columns=["ann", "bob"])
    for X in (texts, np.array(texts, dtype=object), frame, frame.to_dict("records")):
        router = AnnotatorRouter(random_state=0).fit(X, names)
        assert router.annotators_.tolist() == ["ann", "bob"]
        assert router.route(X)[:4].tolist() == ["ann", "ann", "bob", "bob"]
        unknown = router.predict(X, groups=["somebody"] * len(texts))
        assert unknown == pytest.approx(0.5, abs=0.1)
    router.fit(frame, names)
    with (
        pytest.warns(UserWarning, match="feature names"),
        pytest.raises(ValueError, match="2 features"),
    ):
        router.predict(texts)


def test_vector_is_one_annotator():
    X, Y, _ = draw(50, 1, 1.0)
    router = AnnotatorRouter().fit(X, Y[:, 0])
    assert router.predict(X).shape == (50,)
    assert router.route(X).tolist() == [0] * 50


@pytest.mark.parametrize("solver", ALL)
def test_annotator_without_ratings(solver):
    X, Y, _ = draw()
    Y[:, 1] = np.nan
    router = AnnotatorRouter(solver=solver, random_state=0).fit(X, Y)
    new = router.predict(X, groups=["nobody knows"] * len(X))
    if solver == "sgd":  # the start of its head, never moved
        np.testing.assert_array_equal(router.predict(X)[:, 1], 0.0)
    elif solver == "knn":
        assert np.isfinite(router.predict(X)[:, 1]).all()
    else:
        np.testing.assert_allclose(router.predict(X)[:, 1], new, atol=1e-6)


@pytest.mark.parametrize("solver", ALL)
def test_pickling_and_cloning(solver):
    X, Y, _ = draw()
    router = AnnotatorRouter(solver=solver, random_state=0).fit(X, Y)
    copy = pickle.loads(pickle.dumps(router))
    np.testing.assert_array_equal(copy.predict(X), router.predict(X))
    copy.partial_fit(X, Y)
    again = clone(router).fit(X, Y)
    np.testing.assert_array_equal(again.predict(X), router.predict(X))


def test_grid_search_in_wide_form():
    X, Y, _ = draw(n_annotators=3, share=1.0)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), AnnotatorRouter(random_state=0)),
        {"annotatorrouter__solver": ["gp", "knn"]},
        cv=3,
    ).fit(X, Y)
    assert search.best_params_ == {"annotatorrouter__solver": "gp"}


@pytest.mark.parametrize("enabled", [True, False])
def test_grid_search_in_long_form(enabled):
    X, Y, _ = draw()
    rows, y, annotator = long_form(X, Y)
    with config_context(enable_metadata_routing=enabled):
        if enabled:
            search = GridSearchCV(
                AnnotatorRouter(random_state=0), {"solver": ["gp", "knn"]}, cv=3
            ).fit(rows, y, groups=annotator)
            assert search.best_params_ == {"solver": "gp"}
            scores = cross_val_score(
                AnnotatorRouter(random_state=0),
                rows,
                y,
                params={"groups": annotator},
                cv=GroupKFold(3),
            )
            assert len(scores) == 3
        else:
            router = AnnotatorRouter(random_state=0).fit(rows, y, groups=annotator)
            assert router.score(rows, y, groups=annotator) > 0.8


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize("solver", ["ridge", "sgd"])
@pytest.mark.parametrize("bad", [-0.1, 1.5])
def test_rewards_outside_of_the_range_of_log_loss(solver, bad):
    X, Y, _ = draw()
    Y = np.clip(Y, 0, 1)
    Y[3, 0] = bad
    with pytest.raises(ValueError, match=r"between 0 and 1\. Got 1 outside, first"):
        AnnotatorRouter(solver=solver, loss="log_loss").fit(X, Y)


@pytest.mark.parametrize("solver", ["gp", "knn", "ridge"])
def test_losses_that_a_solver_does_not_have(solver):
    X, Y, _ = draw()
    with pytest.raises(ValueError, match=f"solver='{solver}' minimises"):
        AnnotatorRouter(solver=solver, loss="listwise").fit(X, Y)


@pytest.mark.parametrize("solver", ALL)
def test_no_rating_at_all(solver):
    X, Y, _ = draw()
    with pytest.raises(ValueError, match="y holds no rating"):
        AnnotatorRouter(solver=solver).fit(X, np.full_like(Y, np.nan))
    router = AnnotatorRouter(solver=solver, random_state=0).fit(X, Y)
    before = router.predict(X)
    router.partial_fit(X, np.full_like(Y, np.nan))
    np.testing.assert_array_equal(router.predict(X), before)


def test_shapes_and_ids_that_do_not_fit():
    X, Y, _ = draw()
    with pytest.raises(ValueError, match="one reward per row"):
        AnnotatorRouter().fit(X, Y, groups=np.arange(len(X)))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        AnnotatorRouter().fit(X, Y[:-1])
    with pytest.raises(ValueError, match="4 column"):
        AnnotatorRouter(annotators=["a", "b"]).fit(X, Y)
    with pytest.raises(ValueError, match="annotators lacks"):
        AnnotatorRouter(annotators=["a", "b"]).fit(X, Y[:, 0], groups=["c"] * len(X))
    with pytest.raises(ValueError, match="missing or empty"):
        AnnotatorRouter().fit(X, Y[:, 0], groups=[""] * len(X))
    with pytest.raises(ValueError, match="all differ"):
        AnnotatorRouter(annotators=["a", "a"]).fit(X, Y[:, :2])
    with pytest.raises(ValueError, match="ids must be a list of annotators"):
        AnnotatorRouter().fit(X, Y).set_annotators("abcd")
    with pytest.raises(ValueError, match="infinity"):
        AnnotatorRouter().fit(X, np.full_like(Y, np.inf))
    with pytest.raises(ValueError, match="sgd"):
        AnnotatorRouter().fit(X, Y, coef_init=np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"coef_init must have the shape \(4, 3\)"):
        AnnotatorRouter(solver="sgd").fit(X, Y, coef_init=np.zeros((3, 4)))
    router = AnnotatorRouter().fit(X, Y)
    with pytest.raises(ValueError, match="3 column"):
        router.partial_fit(X, Y[:, :3])
    with pytest.raises(ValueError, match="pass groups"):
        router.score(X, Y[:, 0])
    with pytest.raises(AttributeError, match="predict_scores"):
        router.predict_scores(X)


def test_divergence_is_named():
    X, Y, _ = draw()
    with pytest.raises(ValueError, match="diverged with learning_rate=10"):
        AnnotatorRouter(solver="sgd", learning_rate=10.0, max_iter=50).fit(X * 10, Y)


def test_constant_rewards():
    X, Y, _ = draw()
    constant = np.where(np.isnan(Y), np.nan, 0.25)
    for solver in ("gp", "knn"):
        router = AnnotatorRouter(solver=solver).fit(X, constant)
        np.testing.assert_allclose(router.predict(X), 0.25)
    with pytest.warns(SingularFitWarning):
        AnnotatorRouter(solver="ridge").fit(X, constant)
