"""Updates without a fit, against fits with one label more."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.linear_model import (
    BayesianRidge,
    LinearRegression,
    LogisticRegression,
    Ridge,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bead_sklearn.query import (
    ExpectedErrorReduction,
    ExpectedGradientLength,
    ExpectedModelChange,
    get_query_strategy,
)
from bead_sklearn.query._disagreement import entropy
from bead_sklearn.query._softmax import read_softmax

RNG = np.random.default_rng(0)


def refits(model, X, y, known, candidates, reference, loss):
    """Expected loss after a fit with each label of each candidate."""
    p = model.predict_proba(X)
    expected = []
    for row in candidates:
        total = 0.0
        for k, label in enumerate(model.classes_):
            more = np.append(known, row)
            labels = np.append(y[known], label)
            again = type(model)(**model.get_params()).fit(X[more], labels)
            others = reference[reference != row]
            total += p[row, k] * loss(again.predict_proba(X[others])).mean()
        expected.append(total)
    return loss(p[reference]).mean() - np.array(expected)


def binary():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X)[::6, :8], y[::6]


def three_classes():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X)[::3], y[::3]


LOSSES = {"log": entropy, "zero_one": lambda p: 1.0 - p.max(axis=-1)}


@pytest.mark.parametrize("data", [binary, three_classes])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("options", [{}, {"C": 0.1}, {"class_weight": "balanced"}])
def test_error_reduction_equals_refit_and_recompute(data, loss, options):
    if options.get("class_weight") and loss == "zero_one":
        pytest.skip("one loss will do")
    X, y = data()
    known = np.arange(0, len(y), 3)
    model = LogisticRegression(tol=1e-12, max_iter=10_000, **options)
    model.fit(X[known], y[known])
    strategy = ExpectedErrorReduction(loss=loss, n_reference=None, n_steps=400)
    utilities = strategy(model, X, X_labeled=X[known], y_labeled=y[known])
    rows = np.array([1, 7, 22])
    if options.get("class_weight"):
        # Class weights change with the label there, not here: ranks will agree.
        rows = np.arange(1, len(y), 4)
        exact = refits(model, X, y, known, rows, np.arange(len(y)), LOSSES[loss])
        assert spearmanr(utilities[rows], exact)[0] > 0.5
        return
    exact = refits(model, X, y, known, rows, np.arange(len(y)), LOSSES[loss])
    np.testing.assert_allclose(utilities[rows], exact, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("n_labels", [50, 150])
def test_three_steps_rank_digits_as_converged_refits_do(n_labels):
    X, y = load_digits(return_X_y=True)
    X = X[:, 10:40] / 16.0  # less to fit
    rng = np.random.default_rng(0)
    known = rng.choice(len(y), n_labels, replace=False)
    left = np.setdiff1d(np.arange(len(y)), known)
    pool = rng.choice(left, 60, replace=False)
    keep = np.isin(y, [1, 3, 8, 9])
    known, pool = known[keep[known]], pool[keep[pool]]
    model = LogisticRegression(tol=1e-8, max_iter=5000).fit(X[known], y[known])
    both = np.concatenate([known, pool])
    utilities = ExpectedErrorReduction(n_reference=None)(
        model, X[pool], X_labeled=X[known], y_labeled=y[known]
    )
    n = len(known)
    rows = np.arange(n, len(both))
    exact = refits(model, X[both], y[both], np.arange(n), rows, rows, entropy)
    assert spearmanr(utilities, exact)[0] > 0.96


def test_many_features_are_reduced_to_the_span_of_the_rows():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 300))
    y = rng.integers(0, 2, 40)
    model = LogisticRegression(tol=1e-10, max_iter=5000).fit(X[:15], y[:15])
    utilities = ExpectedErrorReduction(n_reference=None, n_steps=40)(
        model, X[15:], X_labeled=X[:15], y_labeled=y[:15]
    )
    exact = refits(
        model, X, y, np.arange(15), np.array([15, 30]), np.arange(15, 40), entropy
    )
    np.testing.assert_allclose(utilities[[0, 15]], exact, rtol=1e-4, atol=1e-7)


def test_candidates_left_out_come_last():
    X, y = three_classes()
    model = LogisticRegression().fit(X[::4], y[::4])
    given = {"X_labeled": X[::4], "y_labeled": y[::4]}
    some = ExpectedErrorReduction(max_candidates=10, n_reference=None)(
        model, X, **given
    )
    every = ExpectedErrorReduction(n_reference=None)(model, X, **given)
    best = np.argsort(-some)[:10]
    unsure = np.argsort(model.predict_proba(X).max(axis=1), kind="stable")[:10]
    assert set(best.tolist()) == set(unsure.tolist())
    np.testing.assert_allclose(some[best], every[best], rtol=1e-12)
    assert len(np.unique(np.delete(some, best))) == 1


@pytest.mark.parametrize(
    "model", [Ridge(alpha=0.7), BayesianRidge(), LinearRegression()], ids=str
)
def test_regression_equals_refit_and_recompute(model):
    rng = np.random.default_rng(2)
    X = rng.normal(loc=[1.0, 0.0, 4.0], size=(30, 3))
    y = X @ [1.0, -1.0, 0.5] + rng.normal(size=30)
    model.fit(X[:12], y[:12])
    utilities = ExpectedErrorReduction(n_reference=None)(
        model, X[12:], X_labeled=X[:12], y_labeled=y[:12]
    )
    strength = {
        "Ridge": 0.7,
        "LinearRegression": 0.0,
        "BayesianRidge": getattr(model, "lambda_", 0) / getattr(model, "alpha_", 1),
    }[type(model).__name__]

    def mean_variance(rows):
        centred = X[rows] - X[rows].mean(axis=0)
        s = np.linalg.inv(centred.T @ centred + strength * np.eye(3))
        here = X[12:] - X[rows].mean(axis=0)
        return (1 / len(rows) + np.einsum("ij,jk,ik->i", here, s, here)).mean()

    for row in (12, 20, 29):
        fall = mean_variance(list(range(12))) - mean_variance([*range(12), row])
        assert utilities[row - 12] == pytest.approx(fall, rel=1e-8)


def test_gradient_length_is_that_of_numerical_gradients():
    X, y = three_classes()
    model = LogisticRegression().fit(X[::3], y[::3])
    utilities = ExpectedGradientLength()(model, X)
    weights = np.column_stack([model.coef_, model.intercept_])

    def log_loss(flat, x, k):
        logits = flat.reshape(3, -1) @ x
        return np.log(np.exp(logits).sum()) - logits[k]

    for row in (0, 20, 40):
        x = np.append(X[row], 1.0)
        total = 0.0
        for k, p in enumerate(model.predict_proba(X[row : row + 1])[0]):
            steps = np.eye(weights.size) * 1e-6
            gradient = [
                (log_loss(weights.ravel() + s, x, k) - log_loss(weights.ravel(), x, k))
                / 1e-6
                for s in steps
            ]
            total += p * np.linalg.norm(gradient)
        assert utilities[row] == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("data", [binary, three_classes])
def test_model_change_is_close_to_that_of_refits(data):
    X, y = data()
    known = np.arange(0, len(y), 2)
    rest = np.setdiff1d(np.arange(len(y)), known)
    model = LogisticRegression(tol=1e-10, max_iter=5000).fit(X[known], y[known])
    utilities = ExpectedModelChange()(
        model, X[rest], X_labeled=X[known], y_labeled=y[known]
    )
    exact = []
    for row in rest:
        total = 0.0
        p = model.predict_proba(X[[row]])[0]
        for k, label in enumerate(model.classes_):
            again = LogisticRegression(tol=1e-10, max_iter=5000).fit(
                X[[*known, row]], [*y[known], label]
            )
            change = np.column_stack(
                [again.coef_ - model.coef_, again.intercept_ - model.intercept_]
            )
            change[:, -1] -= change[:, -1].mean() if len(change) > 1 else 0.0
            total += p[k] * np.linalg.norm(change)
        exact.append(total)
    assert spearmanr(utilities, exact)[0] > 0.95


def test_model_change_of_regressions_is_that_of_refits():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(25, 2))
    y = X @ [1.0, -1.0] + rng.normal(size=25)
    model = Ridge(alpha=0.5).fit(X[:10], y[:10])
    utilities = ExpectedModelChange()(model, X, X_labeled=X[:10], y_labeled=y[:10])
    ones = np.column_stack([X, np.ones(25)])
    precision = ones[:10].T @ ones[:10] + np.diag([0.5, 0.5, 0.0])
    s = np.linalg.inv(precision)
    # Noise of unit variance: the response deviates by sqrt(1 + x'Sx) from predictions.
    deviation = rng.normal(size=200_000)
    for row in (10, 20):
        x = ones[row]
        residual = deviation * np.sqrt(1 + x @ s @ x)
        again = Ridge(alpha=0.5).fit(X[[*range(10), row]], [*y[:10], 0.0])
        other = Ridge(alpha=0.5).fit(X[[*range(10), row]], [*y[:10], 1.0])
        per_unit = np.append(
            other.coef_ - again.coef_, other.intercept_ - again.intercept_
        )
        expected = np.abs(residual).mean() * np.linalg.norm(per_unit)
        assert utilities[row] == pytest.approx(expected, rel=0.01)


def test_through_a_pipeline():
    X, y = binary()
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[::3], y[::3])
    scaled = pipe[0].transform(X)
    for name in ("expected_error_reduction", "expected_model_change"):
        strategy = get_query_strategy(name)
        if "random_state" in strategy.get_params():
            strategy.set_params(random_state=0)
        np.testing.assert_allclose(
            strategy(pipe, X, X_labeled=X[::3], y_labeled=y[::3]),
            strategy(pipe[1], scaled, X_labeled=scaled[::3], y_labeled=y[::3]),
        )


class TestErrors:
    def test_no_labelled_data(self):
        X, y = binary()
        model = LogisticRegression().fit(X, y)
        for name in ("expected_error_reduction", "expected_model_change"):
            with pytest.raises(ValueError, match="needs the labelled data"):
                get_query_strategy(name)(model, X)

    def test_other_penalties(self):
        X, y = binary()
        model = LogisticRegression(l1_ratio=1.0, solver="liblinear").fit(X, y)
        with pytest.raises(ValueError, match="penalty l2"):
            ExpectedErrorReduction()(model, X, X_labeled=X, y_labeled=y)

    def test_labels_the_model_does_not_know(self):
        X, y = binary()
        model = LogisticRegression().fit(X, y)
        with pytest.raises(ValueError, match="does not know"):
            ExpectedErrorReduction()(model, X, X_labeled=X, y_labeled=y + 5)

    def test_too_many_parameters(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(900, 800))
        y = rng.integers(0, 9, 900)
        model = LogisticRegression(max_iter=1, tol=1e9)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, y)
        with pytest.raises(ValueError, match=r"covariance of \d+ parameters"):
            read_softmax(model, X, y, [X], "it")
