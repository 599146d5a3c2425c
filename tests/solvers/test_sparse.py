"""Sparse cross-products give what dense ones give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from crossed_designs import CROSSED, as_covariances, crossed_design, some_theta

from bead_sklearn.families import Bernoulli, Normal
from bead_sklearn.solvers import (
    SolverOptions,
    _sparse_crossproducts,
    fit_mixed_model,
)
from bead_sklearn.solvers._algebra import DenseAlgebra, SparseAlgebra, choose_algebra
from bead_sklearn.solvers._coupling import RowCoupling
from bead_sklearn.solvers._crossproducts import Crossproducts
from bead_sklearn.solvers._factorization import Factorization
from bead_sklearn.solvers._gaussian import GaussianObjective
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._scales import Scales
from bead_sklearn.solvers._sparse_crossproducts import SparseCrossproducts
from bead_sklearn.solvers._sparse_factorization import SparseFactorization

N = 400


def both(design, weights, theta, *, with_fixed=True, dense_up_to=0):
    scales = Scales(design, theta)
    products = Crossproducts(design).compute(weights, with_fixed=with_fixed)
    sparse = SparseCrossproducts(design, dense_up_to)
    sparse_products = sparse.compute(weights, with_fixed=with_fixed)
    return (
        Factorization(design, products, scales),
        SparseFactorization(sparse, sparse_products, scales),
    )


@pytest.mark.parametrize("dense_up_to", [0, 15, 50])
@pytest.mark.parametrize("with_fixed", [True, False])
@pytest.mark.parametrize("kind", CROSSED)
def test_sparse_is_dense(kind, with_fixed, dense_up_to):
    design = crossed_design(kind)
    rng = np.random.RandomState(2)
    weights = rng.uniform(0.2, 2.0, size=N)
    dense, sparse = both(
        design,
        weights,
        some_theta(design),
        with_fixed=with_fixed,
        dense_up_to=dense_up_to,
    )
    n_all = design.n_rest - (0 if with_fixed else design.n_fixed)
    first = design.eliminated
    own, rest = rng.normal(size=(first.n_levels, first.size)), rng.normal(size=n_all)
    for found, expected in zip(
        sparse.solve(own, rest), dense.solve(own, rest), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-10)
    for n_rest in {n_all, design.n_rest - design.n_fixed}:
        assert sparse.log_det(n_rest) == pytest.approx(dense.log_det(n_rest))
        np.testing.assert_allclose(
            sparse.row_variances(n_rest), dense.row_variances(n_rest), atol=1e-10
        )
        for found, expected in zip(
            sparse.log_det_gradient(n_rest),
            dense.log_det_gradient(n_rest),
            strict=True,
        ):
            np.testing.assert_allclose(found, expected, atol=1e-9)
        for found, expected in zip(
            as_covariances(sparse, design, n_rest),
            as_covariances(dense, design, n_rest),
            strict=True,
        ):
            np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("kind", CROSSED)
def test_predictor_variances_of_new_rows(kind):
    design = crossed_design(kind)
    dense, sparse = both(design, np.ones(N), some_theta(design))
    rng = np.random.RandomState(4)
    rows = rng.randint(N, size=50)
    factors = []
    for factor in design.factors:
        # Pairs of levels that never met, and unknown levels.
        codes = rng.permutation(factor.codes[rows])
        codes[:5] = -1 if factor.name == "item" else codes[:5]
        codes[3:8] = -1 if factor.name == "person" else codes[3:8]
        factors.append(replace(factor, codes=codes, z=factor.z[rows]))
    ridge = design.ridge
    if ridge is not None:
        ridge = replace(ridge, index=ridge.index[rows])
    new = replace(
        design,
        n_rows=50,
        fixed=replace(design.fixed, values=design.fixed.values[rows]),
        ridge=ridge,
        factors=tuple(factors),
    )
    for n_rest in (design.n_rest, design.n_rest - design.n_fixed):
        found = sparse.covariances(n_rest).scaled(2.0).predictor_variances(new)
        expected = dense.covariances(n_rest).scaled(2.0).predictor_variances(new)
        np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("kind", ["intercepts", "slopes", "three", "ridge"])
@pytest.mark.parametrize("share", [0.0, 1e9])
def test_both_ways_to_the_derivative_of_the_determinant(kind, share, monkeypatch):
    """By products with a dense matrix, or by sums over the pairs that meet."""
    monkeypatch.setattr(_sparse_crossproducts, "_RARE", share)
    design = crossed_design(kind)
    dense, sparse = both(design, np.ones(N), some_theta(design))
    assert sparse._pattern.meets_rarely == (share > 0)
    for found, expected in zip(
        sparse.log_det_gradient(design.n_rest),
        dense.log_det_gradient(design.n_rest),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_chunks_do_not_matter(monkeypatch):
    design = crossed_design("item slopes")
    whole = both(design, np.ones(N), some_theta(design))[1]
    expected = whole.row_variances(design.n_rest)
    monkeypatch.setattr(
        "bead_sklearn.solvers._sparse_factorization._CHUNK_ELEMENTS", 300
    )
    pieces = both(design, np.ones(N), some_theta(design))[1]
    np.testing.assert_allclose(pieces.row_variances(design.n_rest), expected)
    found = pieces.covariances(design.n_rest).predictor_variances(design)
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("reml", [True, False])
def test_objectives_agree(reml):
    design = crossed_design("nested")
    y = np.random.RandomState(3).randint(2, size=N).astype(float)
    theta = some_theta(design)
    gaussian = [
        GaussianObjective(
            design,
            y,
            np.ones(N),
            reml=reml,
            absolute=np.zeros(len(theta), dtype=bool),
            algebra=algebra(design),
        )(theta)
        for algebra in (DenseAlgebra, SparseAlgebra)
    ]
    laplace = [
        LaplaceObjective(
            design,
            Bernoulli(),
            y,
            np.ones(N),
            with_fixed=reml,
            reml=reml,
            coupling=RowCoupling(design, algebra(design)),
        )(np.zeros(design.n_fixed), theta, np.zeros(0))
        for algebra in (DenseAlgebra, SparseAlgebra)
    ]
    for dense, sparse in (gaussian, laplace):
        for expected, found in zip(dense, sparse, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


def test_indefinite_equations_are_refused():
    design = crossed_design("intercepts")
    crossproducts = SparseCrossproducts(design)
    products = crossproducts.compute(-np.ones(N), with_fixed=False)
    with pytest.raises(np.linalg.LinAlgError):
        SparseFactorization(crossproducts, products, Scales(design, np.ones(2)))


def test_sparse_is_chosen_where_few_levels_meet():
    sparse = crossed_design("intercepts", n=1500, n_persons=300, n_items=200)
    often = crossed_design("intercepts", n=20000, n_persons=300, n_items=200)
    assert isinstance(choose_algebra(sparse), SparseAlgebra)
    assert isinstance(choose_algebra(often), DenseAlgebra)
    assert isinstance(choose_algebra(crossed_design("slopes")), DenseAlgebra)


def test_fit_with_sparse_cross_products(monkeypatch):
    design = crossed_design("intercepts", n=1500, n_persons=300, n_items=200)
    rng = np.random.RandomState(0)
    first, second = design.factors
    y = rng.normal(size=300)[first.codes] + 0.5 * rng.normal(size=200)[second.codes]
    y += rng.normal(size=1500)
    found = fit_mixed_model(design, Normal(), y, np.ones(1500), SolverOptions())
    monkeypatch.setattr("bead_sklearn.solvers._algebra._SPARSE_UP_TO", 0.0)
    expected = fit_mixed_model(design, Normal(), y, np.ones(1500), SolverOptions())
    assert found.log_likelihood == pytest.approx(expected.log_likelihood)
    np.testing.assert_allclose(found.theta, expected.theta, rtol=1e-6)
    for index in range(2):
        np.testing.assert_allclose(
            found.posterior.conditional_covariances(index),
            expected.posterior.conditional_covariances(index),
            rtol=1e-6,
        )


def test_small_products_are_dense_whatever_their_pattern():
    rare = crossed_design("intercepts", n=300, n_persons=150, n_items=130)
    assert isinstance(choose_algebra(rare), DenseAlgebra)
    rare = crossed_design("intercepts", n=300, n_persons=160, n_items=140)
    assert isinstance(choose_algebra(rare), SparseAlgebra)
    often = crossed_design("intercepts", n=9000, n_persons=150, n_items=130)
    assert isinstance(choose_algebra(often), DenseAlgebra)
