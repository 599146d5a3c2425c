"""Levels in the size of each, against the same algebra padded to the largest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bead_sklearn.effects import RandomFactor, full_covariance, shared_covariance
from bead_sklearn.families import Bernoulli, Normal
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    SolverOptions,
    VarianceOptions,
    draw_posterior,
    fit_mixed_model,
)
from bead_sklearn.solvers._algebra import (
    DenseAlgebra,
    LevelwiseAlgebra,
    choose_algebra,
)
from bead_sklearn.solvers._eliminated import EliminatedBlocks
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._level_groups import batch_rows, group_levels
from bead_sklearn.solvers._scales import Scales

SIZES = np.array([2, 9, 3, 3, 4, 9, 1, 6, 5])
R = 9


def make_design(kind, seed=0):
    """Heads of levels with 1 to 9 effects, and anything else in the rest."""
    rng = np.random.RandomState(seed)
    codes = np.repeat(np.arange(len(SIZES)), [1, 30, 2, 5, 9, 8, 1, 6, 7])
    codes = rng.permutation(codes)
    n = len(codes)
    z = np.column_stack([np.ones(n), rng.normal(size=(n, R - 1))])
    z[np.arange(R) >= SIZES[codes][:, None]] = 0.0
    shared = shared_covariance(np.r_[0, np.ones(R - 1, int)], np.full(R, 0.8))
    heads = RandomFactor("p", codes, len(SIZES), z, shared, ("1",) * R, sizes=SIZES)
    items = rng.randint(4, size=n)
    slopes = np.column_stack([np.ones(n), rng.normal(size=n)])
    factor = RandomFactor(
        "i", items, 4, slopes, full_covariance(np.ones(2)), ("1", "x")
    )
    fixed = DenseBlock(np.column_stack([np.ones(n), rng.normal(size=(n, 2))]))
    by_text = DenseBlock(rng.normal(size=(12, 4)), rng.randint(12, size=n))
    return {
        "alone": Design(n, fixed, None, (heads,)),
        "ridge": Design(n, fixed, by_text, (heads,)),
        "crossed": Design(n, fixed, None, (factor, heads)),
        "all": Design(
            n, DenseBlock(fixed.values, np.arange(n)), by_text, (factor, heads)
        ),
    }[kind]


KINDS = ["alone", "ridge", "crossed", "all"]


def both_equations(design, with_fixed, seed=1, zero=False):
    rng = np.random.RandomState(seed)
    n_theta = sum(factor.structure.n_parameters for factor in design.factors)
    n_theta += design.ridge is not None
    theta = np.abs(rng.normal(0.8, 0.3, size=n_theta))
    theta[1] *= not zero
    weights = rng.uniform(0.1, 2.0, size=design.n_rows)
    scales = Scales(design, theta)
    return [
        algebra.factorize(algebra.compute(weights, with_fixed=with_fixed), scales)
        for algebra in (LevelwiseAlgebra(design), DenseAlgebra(design))
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_fixed", [True, False])
@pytest.mark.parametrize("zero", [True, False])
def test_normal_equations(kind, with_fixed, zero):
    design = make_design(kind)
    found, expected = both_equations(design, with_fixed, zero=zero)
    without = design.n_rest - design.n_fixed
    n_rest = design.n_rest if with_fixed else without
    rng = np.random.RandomState(2)
    own = rng.normal(size=(len(SIZES), R)) * (np.arange(R) < SIZES[:, None])
    rest = rng.normal(size=n_rest)
    for left, right in zip(
        found.solve(own, rest), expected.solve(own, rest), strict=True
    ):
        np.testing.assert_allclose(left, right, atol=1e-10)
    for size in {without, n_rest}:
        assert found.log_det(size) == pytest.approx(expected.log_det(size))
        np.testing.assert_allclose(
            found.row_variances(size), expected.row_variances(size), atol=1e-10
        )
        ours, theirs = found.covariances(size), expected.covariances(size)
        every = np.arange(len(SIZES))
        for left, right in zip(ours.dense(every), theirs, strict=True):
            np.testing.assert_allclose(left, right, atol=1e-10)
        gradients = zip(
            found.log_det_gradient(size), expected.log_det_gradient(size), strict=True
        )
        for factor, (left, right) in zip(
            [*design.factors, None], gradients, strict=False
        ):
            at = (slice(None), slice(None))
            if factor is not None:
                at = factor.structure.rows, factor.structure.columns
            np.testing.assert_allclose(left[at], right[at], atol=1e-10)
    if with_fixed:
        np.testing.assert_allclose(
            found.fixed_covariance(), expected.fixed_covariance()
        )


@pytest.mark.parametrize("kind", KINDS)
def test_variances_of_new_rows(kind):
    design = make_design(kind)
    found, expected = both_equations(design, True)
    rows = np.random.RandomState(3).permutation(design.n_rows)[:25]
    new = design.take(rows)
    unknown = [
        replace(factor, codes=np.where(np.arange(25) % 4 == k, -1, factor.codes))
        for k, factor in enumerate(new.factors)
    ]
    new = replace(new, factors=tuple(unknown))
    nobody = replace(
        new, factors=tuple(replace(f, codes=np.full(25, -1)) for f in unknown)
    )
    for rows in (new, nobody):
        np.testing.assert_allclose(
            found.covariances(design.n_rest).scaled(2.0).predictor_variances(rows),
            expected.covariances(design.n_rest).scaled(2.0).predictor_variances(rows),
            atol=1e-10,
        )


def test_indefinite_equations_are_refused():
    design = make_design("alone")
    algebra = LevelwiseAlgebra(design)
    products = algebra.compute(np.full(design.n_rows, -1.0), with_fixed=False)
    with pytest.raises(np.linalg.LinAlgError):
        algebra.factorize(products, Scales(design, np.ones(2)))


def padded(design):
    """The same design without knowledge of sizes."""
    factors = tuple(replace(factor, sizes=None) for factor in design.factors)
    return replace(design, factors=factors)


def test_which_designs_are_solved_levelwise():
    for kind in KINDS:
        design = make_design(kind)
        assert isinstance(choose_algebra(design), LevelwiseAlgebra)
        assert isinstance(choose_algebra(padded(design)), DenseAlgebra)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", [Normal(), Bernoulli()], ids=["normal", "bernoulli"])
@pytest.mark.parametrize("reml", [True, False])
def test_fits_are_the_same(kind, family, reml):
    design = make_design(kind)
    rng = np.random.RandomState(5)
    eta = design.factors[0].z.sum(axis=1)
    y = family.simulate(eta + rng.normal(size=design.n_rows), rng)
    weights = rng.randint(1, 3, size=design.n_rows).astype(float)
    options = SolverOptions(
        reml=reml, variances=VarianceOptions(estimate=False, initial_variance=0.5)
    )
    found = fit_mixed_model(design, family, y, weights, options)
    expected = fit_mixed_model(padded(design), family, y, weights, options)
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, abs=1e-8)
    for name in ("modes", "effects"):
        pairs = zip(
            getattr(found.posterior, name),
            getattr(expected.posterior, name),
            strict=True,
        )
        for left, right in pairs:
            np.testing.assert_allclose(left, right, atol=1e-6)
    predictions = found.posterior.predict(design), expected.posterior.predict(design)
    np.testing.assert_allclose(*predictions, atol=1e-6)
    first = found.posterior.conditional_covariances(0)
    assert len(first) == len(SIZES)
    for level, own in enumerate(first):
        size = SIZES[level]
        other = expected.posterior.conditional_covariances(0)[level]
        np.testing.assert_allclose(own[:size, :size], other[:size, :size], atol=1e-6)


def test_gradients_are_those_of_the_likelihood():
    design = make_design("all")
    rng = np.random.RandomState(6)
    y = rng.randint(2, size=design.n_rows).astype(float)
    from bead_sklearn.solvers._coupling import couple

    family = Bernoulli()
    objective = LaplaceObjective(
        design,
        family,
        y,
        np.ones(design.n_rows),
        with_fixed=True,
        reml=True,
        coupling=couple(design, family, LevelwiseAlgebra(design)),
    )
    theta = np.array([0.7, 0.4, 0.9, 0.2, 0.5, 0.6])
    beta, own = np.zeros(0), np.zeros(0)
    _, _, gradient, _ = objective(beta, theta, own)
    for k in range(len(theta)):
        step = 1e-4 * np.eye(len(theta))[k]
        ahead, *_ = objective(beta, theta + step, own)
        behind, *_ = objective(beta, theta - step, own)
        assert gradient[k] == pytest.approx((ahead - behind) / 2e-4, abs=1e-5)


def test_posterior_draws_have_the_covariance_of_predictions():
    design = make_design("ridge")
    rng = np.random.RandomState(7)
    y = rng.normal(size=design.n_rows)
    options = SolverOptions(
        variances=VarianceOptions(estimate=False, initial_variance=0.5)
    )
    fit = fit_mixed_model(design, Normal(), y, np.ones(design.n_rows), options)
    rows = np.arange(20)
    new = design.take(rows)
    draws = draw_posterior(
        *(fit.posterior, new, 4000, rng),
        new_levels={"p": np.full(20, -1)},
        marginal=["p"],
    )
    mean, variance = fit.posterior.predict(new)
    assert np.abs((draws.mean(axis=0) - mean) / np.sqrt(variance)).max() < 5 / 63
    assert np.abs(draws.var(axis=0) / variance - 1).max() < 5 * np.sqrt(2 / 4000)


def test_groups_hold_every_level_and_row_once():
    rng = np.random.RandomState(8)
    sizes = rng.randint(1, 300, size=200)
    groups = group_levels(sizes)
    for number, (levels, size) in enumerate(
        zip(groups.members, groups.sizes, strict=True)
    ):
        assert (groups.group[levels] == number).all()
        np.testing.assert_array_equal(groups.place[levels], np.arange(len(levels)))
        assert size == sizes[levels].max()
        assert size <= 1.2 * sizes[levels].min() + 1
    assert sum(map(len, groups.members)) == 200
    codes = rng.randint(-1, 200, size=900)
    z = rng.normal(size=(900, 300)) * (np.arange(300) < sizes[codes][:, None])
    seen = []
    for batch in batch_rows(groups, codes, z):
        levels = groups.members[batch.group][batch.places]
        rows = batch.rows[batch.present]
        own = np.broadcast_to(levels[:, None], batch.rows.shape)[batch.present]
        np.testing.assert_array_equal(codes[rows], own)
        np.testing.assert_array_equal(
            batch.z[batch.present], z[rows, : groups.sizes[batch.group]]
        )
        assert (batch.z[~batch.present] == 0).all()
        seen += rows.tolist()
    assert sorted(seen) == np.flatnonzero(codes >= 0).tolist()


@pytest.mark.parametrize("size", [1, 2, 30])
@pytest.mark.parametrize("diagonal", [True, False])
def test_blocks_are_factorised(size, diagonal):
    rng = np.random.RandomState(9)
    roots = rng.normal(size=(4, size, size + 2))
    products = roots @ roots.transpose(0, 2, 1)
    scale = np.tril(rng.normal(size=(size, size)))
    if diagonal:
        scale = np.diag(np.arange(size) + 0.5 * (size == 1))
    blocks = EliminatedBlocks(products, scale)
    dense = scale.T @ products @ scale + np.eye(size)
    inverse = np.linalg.inv(dense)
    np.testing.assert_allclose(blocks.inverse, inverse, atol=1e-10)
    np.testing.assert_allclose(blocks.solved, inverse @ scale.T, atol=1e-10)
    square = blocks.root.transpose(0, 2, 1) @ blocks.root
    np.testing.assert_allclose(square, scale @ inverse @ scale.T, atol=1e-10)
    assert blocks.log_det == pytest.approx(np.linalg.slogdet(dense)[1].sum())


@pytest.mark.parametrize("kind", KINDS)
def test_variances_level_by_level(kind, monkeypatch):
    design = make_design(kind)
    _, equations = both_equations(design, True)
    codes = design.factors[0].codes.copy()
    codes[::3] = -1
    first = replace(design.factors[0], codes=codes)
    new = replace(design, factors=(first, *design.factors[1:]))
    covariances = equations.covariances(design.n_rest)
    expected = covariances.predictor_variances(new)
    monkeypatch.setattr("bead_sklearn.solvers._variances._BY_LEVEL_FROM", 2)
    np.testing.assert_allclose(covariances.predictor_variances(new), expected)
