"""Cross-products of single precision, where a start needs no better ones."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn.effects import RandomFactor, full_covariance
from bead_sklearn.families import Bernoulli
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    SolverOptions,
    _crossproducts,
    fit_mixed_model,
)
from bead_sklearn.solvers._crossproducts import _gram, _rough_gram

N = 5000


@pytest.fixture
def values():
    return np.random.RandomState(0).normal(size=(N, 5))


@pytest.fixture
def weights():
    return np.random.RandomState(1).uniform(size=N)


def test_weights_of_single_precision_ask_for_it(values, weights):
    exact = (values.T * weights) @ values
    single = weights.astype(np.float32)
    rough = _gram(values, single)
    assert rough.dtype == np.float64
    np.testing.assert_allclose(rough, exact, rtol=1e-5, atol=1e-2)
    assert np.array_equal(rough, _rough_gram(values, single))
    np.testing.assert_allclose(_gram(values, weights), exact, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(
    "column",
    [
        np.zeros(N),
        np.full(N, 1e25),
        1e-18 * np.arange(1.0, N + 1.0),
        "a copy",
        "nearly a copy",
    ],
)
def test_where_it_is_too_rough_it_is_not_used(values, weights, column):
    if isinstance(column, str):
        noise = 0.0 if column == "a copy" else 1e-3
        column = values[:, 0] + noise * values[:, 1]
    values[:, 4] = column
    single = weights.astype(np.float32)
    assert _rough_gram(values, single) is None
    exact = (values.T * single) @ values
    np.testing.assert_allclose(
        _gram(values, single), exact, rtol=1e-5, atol=1e-9 * np.abs(exact).max()
    )


def test_negative_weights(values, weights):
    weights[:7] *= -1.0
    exact = (values.T * weights) @ values
    found = _gram(values, weights.astype(np.float32))
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-2)


def test_fits_do_not_depend_on_it(monkeypatch, values):
    rng = np.random.RandomState(2)
    codes = rng.randint(40, size=N)
    factor = RandomFactor(
        "g", codes, 40, np.ones((N, 1)), full_covariance(np.ones(1)), ("1",)
    )
    fixed = DenseBlock(np.column_stack([np.ones(N), values]))
    eta = values @ [0.5, -0.5, 0.3, 0.0, 0.2] + rng.normal(size=40)[codes]
    y = (rng.logistic(size=N) < eta).astype(float)
    design = Design(N, fixed, None, (factor,))
    fits = []
    for least in (0.0, 2.0):  # never too rough, always
        monkeypatch.setattr(_crossproducts, "_LEAST_PIVOT", least)
        fits.append(
            fit_mixed_model(design, Bernoulli(), y, np.ones(N), SolverOptions())
        )
    assert fits[0].log_likelihood == pytest.approx(fits[1].log_likelihood, abs=1e-8)
    np.testing.assert_allclose(
        fits[0].posterior.fixed, fits[1].posterior.fixed, atol=1e-6
    )
    np.testing.assert_allclose(
        fits[0].posterior.fixed_covariance(),
        fits[1].posterior.fixed_covariance(),
        rtol=1e-4,
        atol=1e-8,
    )
