"""Equal rows are merged, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn.effects import RandomFactor, diagonal_covariance, full_covariance
from bead_sklearn.families import (
    Bernoulli,
    BernoulliProbit,
    CumulativeLogit,
    Family,
    MultinomialLogit,
    Normal,
)
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    SolverOptions,
    _duplicates,
    _fit,
    fit_mixed_model,
)
from bead_sklearn.solvers._duplicates import merge_duplicates

N, Q = 1200, 30


def _factor(codes, z=None, *, name="g", n_levels=Q, contrast=None):
    z = np.ones((len(codes), 1)) if z is None else z
    if contrast is None:
        structure = full_covariance(np.ones(z.shape[1]))
    else:
        structure = full_covariance(np.ones(z.shape[1] * len(contrast)))
    names = tuple(map(str, range(z.shape[1])))
    return RandomFactor(name, codes, n_levels, z, structure, names)


def _design(seed=0, *, slope=False, intercept=True, **options):
    rng = np.random.RandomState(seed)
    codes = rng.randint(Q, size=N)
    x = rng.randint(2, size=N).astype(float)
    columns = [np.ones(N), x] if intercept else [x]
    z = np.column_stack([np.ones(N), x]) if slope else None
    contrast = np.eye(2) if options.get("n_outputs") == 2 else None
    factor = _factor(codes, z, contrast=contrast)
    fixed = DenseBlock(np.column_stack(columns))
    eta = 0.5 * x + rng.normal(size=Q)[codes]
    return Design(N, fixed, None, (factor,), **options), eta, rng


@pytest.mark.parametrize("slope", [False, True])
@pytest.mark.parametrize(
    "family", [Bernoulli(), BernoulliProbit(), CumulativeLogit(3), MultinomialLogit(3)]
)
@pytest.mark.parametrize("nodes", [1, 5])
def test_fits_are_the_same(monkeypatch, family: Family, slope, nodes):
    outputs = {"n_outputs": 2} if family.n_outputs == 2 else {}
    if nodes > 1 and outputs:
        pytest.skip("a grid of four dimensions")
    design, eta, rng = _design(slope=slope, intercept=family.has_intercept, **outputs)
    n_classes = 2 if isinstance(family, Bernoulli) else 3
    noise = rng.logistic(size=N)
    y = np.digitize(eta + noise, np.linspace(-0.5, 1.0, n_classes - 1)).astype(float)
    weights = rng.randint(1, 4, size=N).astype(float)
    merged, _, sums = merge_duplicates(design, family, y, weights)
    assert merged.n_rows < 0.5 * N
    assert sums.sum() == weights.sum()
    options = SolverOptions(n_quadrature=nodes)
    found = fit_mixed_model(design, family, y, weights, options)
    monkeypatch.setattr(
        _fit, "merge_duplicates", lambda design, family, *rest: (design, *rest)
    )
    plain = fit_mixed_model(design, family, y, weights, options)
    assert found.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-7)
    np.testing.assert_allclose(found.theta, plain.theta, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        found.posterior.fixed, plain.posterior.fixed, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        found.posterior.fixed_covariance(),
        plain.posterior.fixed_covariance(),
        rtol=1e-3,
        atol=1e-7,
    )


def test_means_of_binary_responses():
    design, eta, rng = _design()
    y = (rng.logistic(size=N) < eta).astype(float)
    merged, means, weights = merge_duplicates(design, Bernoulli(), y, np.ones(N))
    keys = design.factors[0].codes * 2 + design.fixed.values[:, 1].astype(int)
    assert merged.n_rows == len(np.unique(keys))
    found = merged.factors[0].codes * 2 + merged.fixed.values[:, 1].astype(int)
    for key, mean, weight in zip(found, means, weights, strict=True):
        assert weight == (keys == key).sum()
        assert mean == pytest.approx(y[keys == key].mean())


def test_rows_without_weight():
    design, eta, rng = _design()
    y = (rng.logistic(size=N) < eta).astype(float)
    weights = np.where(design.factors[0].codes == 3, 0.0, 1.0)
    merged, means, sums = merge_duplicates(design, Bernoulli(), y, weights)
    assert (sums[merged.factors[0].codes == 3] == 0).all()
    assert np.isfinite(means).all()


def test_every_part_of_eta_tells_rows_apart():
    design, eta, rng = _design()
    y = (rng.logistic(size=N) < eta).astype(float)
    plain = merge_duplicates(design, Bernoulli(), y, np.ones(N))[0].n_rows
    half = np.arange(N) % 2
    others = {
        "offset": {"offset": half.astype(float)},
        "ridge": {"ridge": DenseBlock(np.array([[0.0], [1.0]]), half)},
        "factor": {"factors": (*design.factors, _factor(half, name="h", n_levels=2))},
    }
    for part, change in others.items():
        fields = {
            "fixed": design.fixed,
            "ridge": None,
            "factors": design.factors,
        } | change
        other = Design(N, **fields)
        merged = merge_duplicates(other, Bernoulli(), y, np.ones(N))[0]
        assert plain < merged.n_rows < N, part


def test_what_is_left_alone():
    design, eta, rng = _design()
    y, ones = (rng.logistic(size=N) < eta).astype(float), np.ones(N)

    def is_unchanged(design, family=None, y=y):
        return (
            merge_duplicates(design, family or Bernoulli(), y, ones[: len(y)])[0]
            is design
        )

    assert not is_unchanged(design)
    assert is_unchanged(design, Normal())
    assert is_unchanged(design.take(np.arange(500)), y=y[:500])
    continuous = DenseBlock(rng.normal(size=(N, 2)))
    assert is_unchanged(Design(N, continuous, None, design.factors))
    wide = DenseBlock(np.ones((N, _duplicates._UP_TO_COLUMNS + 1)))
    assert is_unchanged(Design(N, wide, None, design.factors))
    own = _factor(np.arange(N), name="row", n_levels=N)
    assert is_unchanged(Design(N, design.fixed, None, (*design.factors, own)))
    sets = Design(
        N, design.fixed, None, design.factors, sets=np.repeat(range(N // 2), 2)
    )
    assert is_unchanged(sets)


def test_heads_with_a_remainder_are_left_alone():
    design, eta, rng = _design()
    y = (rng.logistic(size=N) < eta).astype(float)
    head = RandomFactor(
        "g",
        design.factors[0].codes,
        Q,
        np.ones((N, 1)),
        diagonal_covariance(np.ones(1)),
        ("0",),
        unspanned=np.ones(N),
    )
    other = Design(N, design.fixed, None, (head,))
    assert merge_duplicates(other, Bernoulli(), y, np.ones(N))[0] is other
