"""Moments of several linear predictors against the dense covariance of all effects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bead_sklearn.effects import RandomFactor, full_covariance, output_covariance
from bead_sklearn.families import ConditionalLogit, MultinomialLogit
from bead_sklearn.solvers import DenseBlock, Design, SolverOptions, fit_mixed_model
from bead_sklearn.solvers._prediction import predict_outputs, predict_sets

N = 240


def random_factor(name, codes, z, contrast=None):
    structure = full_covariance(np.ones(z.shape[1]))
    if contrast is not None:
        structure = output_covariance(structure, contrast, "full")
    names = tuple(map(str, range(structure.size)))
    return RandomFactor(name, codes, int(codes.max()) + 1, z, structure, names)


def rows_of_effects(design):
    """Design matrix of every effect, in the order of a dense covariance."""
    n_outputs = design.n_outputs
    blocks = []
    for factor in design.factors:
        r = factor.z.shape[1]
        block = np.zeros((design.n_rows, n_outputs, factor.n_levels, r, n_outputs))
        known = np.flatnonzero(factor.codes >= 0)
        for j in range(n_outputs):
            block[known, j, factor.codes[known], :, j] = factor.z[known]
        blocks.append(block.reshape(design.n_rows * n_outputs, -1))
    for dense in (design.ridge, design.fixed):
        if dense is not None:
            blocks.append(np.kron(dense.rows(), np.eye(n_outputs)))
    return np.hstack(blocks)


def dense_moments(posterior, design):
    """Mean and covariance of all eta, unknown levels left out."""
    own, cross, rest = posterior.joint
    first = design.factors[0] if design.n_eliminated else None
    matrix = rows_of_effects(design)
    coefficients = np.concatenate(
        [effects.ravel() for effects in posterior.effects]
        + [posterior.ridge, posterior.fixed]
    )
    if first is None:
        return matrix @ coefficients, matrix @ rest @ matrix.T
    q, r, m = cross.shape
    flat = cross.reshape(q * r, m)
    # Within a level; between levels no row needs it.
    diagonal = np.zeros((q, r, q, r))
    diagonal[np.arange(q), :, np.arange(q), :] = own
    full = np.block([[diagonal.reshape(q * r, q * r), flat], [flat.T, rest]])
    return matrix @ coefficients, matrix @ full @ matrix.T


@pytest.fixture(scope="module")
def multinomial():
    rng = np.random.RandomState(0)
    family = MultinomialLogit(3)
    x = rng.normal(size=N)
    features = DenseBlock(rng.normal(size=(20, 4)), rng.randint(20, size=N))
    people, items = rng.randint(15, size=N), rng.randint(8, size=N)
    contrast = family.output_contrast()
    slopes = np.column_stack([np.ones(N), x])
    design = Design(
        N,
        DenseBlock(slopes),
        features,
        (
            random_factor("person", people, slopes, contrast),
            random_factor("item", items, np.ones((N, 1)), contrast),
        ),
        n_outputs=2,
        ridge_contrast=contrast,
    )
    eta = np.column_stack([x, -x]) + rng.normal(size=(15, 2))[people]
    y = family.simulate(eta, rng)
    fit = fit_mixed_model(design, family, y, np.ones(N), SolverOptions())
    return design, fit.posterior


def with_codes(design, name, codes):
    factors = tuple(
        replace(factor, codes=codes) if factor.name == name else factor
        for factor in design.factors
    )
    return replace(design, factors=factors)


def test_outputs_of_known_levels(multinomial):
    design, posterior = multinomial
    mean, covariance = predict_outputs(posterior, design, tied=True)
    expected_mean, expected = dense_moments(posterior, design)
    np.testing.assert_allclose(mean.ravel(), expected_mean)
    by_row = expected.reshape(N, 2, N, 2)[np.arange(N), :, np.arange(N), :]
    np.testing.assert_allclose(covariance, by_row, rtol=1e-8, atol=1e-12)
    _, variances = predict_outputs(posterior, design, tied=False)
    np.testing.assert_allclose(variances, np.einsum("njj->nj", covariance))


def test_outputs_of_a_new_person(multinomial):
    design, posterior = multinomial
    codes = design.factors[0].codes.copy()
    codes[::2] = -1
    new = with_codes(design, "person", codes)
    mean, covariance = predict_outputs(posterior, new, tied=True)
    plain_mean, plain = predict_outputs(posterior, new, tied=True, marginal=["item"])
    np.testing.assert_array_equal(mean, plain_mean)
    np.testing.assert_array_equal(covariance[1::2], plain[1::2])
    x = design.fixed.values[:, 1]
    prior = posterior.covariances[0]
    for i in (0, 2, 100):
        rows = np.kron([[1.0, x[i]]], np.eye(2))
        np.testing.assert_allclose(
            covariance[i] - plain[i], rows @ prior @ rows.T, rtol=1e-8, atol=1e-12
        )
    expected_mean, _ = dense_moments(posterior, new)
    np.testing.assert_allclose(mean.ravel(), expected_mean)


@pytest.fixture(scope="module")
def choices():
    rng = np.random.RandomState(1)
    sizes = rng.randint(2, 5, size=80)
    sets = np.repeat(np.arange(80), sizes)
    n = len(sets)
    family = ConditionalLogit(sets)
    x = rng.normal(size=(n, 2))
    people = rng.randint(10, size=80)[sets]
    options = rng.randint(6, size=n)
    strength = np.linspace(-2, 2, 6)
    y = family.simulate(x[:, 0] + strength[options], rng)
    design = Design(
        n,
        DenseBlock(x),
        None,
        (
            random_factor("option", options, np.ones((n, 1))),
            random_factor("person", people, x[:, :1]),
        ),
        sets=sets,
    )
    fit = fit_mixed_model(design, family, y, np.ones(n), SolverOptions())
    return design, family, fit.posterior


def test_only_a_factor_constant_within_sets_is_eliminated(choices):
    design, _, posterior = choices
    assert design.eliminated.name == "person"
    assert [factor.varies_in_sets for factor in design.factors] == [False, True]
    assert posterior.factor_names == ("person", "option")


def test_pairs_of_known_levels(choices):
    design, family, posterior = choices
    mean, covariance = predict_sets(posterior, design, family.pairs)
    expected_mean, expected = dense_moments(posterior, design)
    np.testing.assert_allclose(mean, expected_mean)
    np.testing.assert_allclose(
        covariance, expected[family.pairs], rtol=1e-8, atol=1e-12
    )


def test_pairs_of_new_levels(choices):
    design, family, posterior = choices
    left, right = family.pairs
    unknown = np.full(design.n_rows, -1)
    new = with_codes(with_codes(design, "person", unknown), "option", unknown)
    assert new.eliminated.name == "person"
    _, covariance = predict_sets(posterior, new, family.pairs)
    _, plain = predict_sets(posterior, new, family.pairs, marginal=())
    x = design.fixed.values[:, 0]
    person, option = (G[0, 0] for G in posterior.covariances)
    # One new person answers all rows of a set; each new option is another one.
    expected = person * x[left] * x[right] + option * (left == right)
    np.testing.assert_allclose(covariance - plain, expected, rtol=1e-8, atol=1e-12)
