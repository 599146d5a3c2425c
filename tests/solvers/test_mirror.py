"""Maxima beyond a zero diagonal entry of L."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn.effects import (
    RandomFactor,
    block_covariance,
    diagonal_covariance,
    full_covariance,
    output_covariance,
)
from bead_sklearn.families import Normal
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    SolverOptions,
    VarianceOptions,
    fit_mixed_model,
)
from bead_sklearn.solvers._mirror import mirrored


def make_design(structure, n=12):
    z = np.ones((n, structure.size))
    names = tuple(f"z{i}" for i in range(structure.size))
    codes = np.arange(n) % 4
    factor = RandomFactor("g", codes, 4, z, structure, names)
    return Design(n, DenseBlock(np.ones((n, 1))), None, (factor,))


def test_columns_with_a_small_diagonal_entry_turn_round():
    structure = block_covariance(
        [full_covariance(np.array([1.0, 0.5, 2.0])), full_covariance(np.ones(2))]
    )
    design = make_design(structure)
    theta = np.array([1e-3, 0.4, 0.5, -0.3, 0.2, 0.0, 0.7, 0.6, 0.5])
    found = mirrored(design, theta, structure.is_scale.astype(float))
    expected = theta.copy()
    expected[[1, 3]] *= -1.0  # below the first entry; nothing is below the third
    np.testing.assert_array_equal(found, expected)
    theta[0] = 0.0
    other = mirrored(design, theta, structure.is_scale.astype(float))
    for values in (theta, other):
        factor = structure.factor(values)
        np.testing.assert_allclose(
            factor @ factor.T, structure.factor(theta) @ structure.factor(theta).T
        )


@pytest.mark.parametrize(
    "structure",
    [
        diagonal_covariance(np.ones(2)),
        # One parameter for diagonal and other entries: a column cannot turn alone.
        output_covariance(
            full_covariance(np.ones(1)), np.linalg.cholesky(np.eye(2) + 1), "isotropic"
        ),
    ],
)
def test_nothing_to_turn(structure):
    theta = np.zeros(structure.n_parameters)
    found = mirrored(make_design(structure), theta, structure.is_scale.astype(float))
    np.testing.assert_array_equal(found, theta)


@pytest.mark.parametrize("seed", [6, 57, 161])
def test_the_search_goes_on_beyond_zero(seed):
    # Small variances whose correlation is 1: where the search starts decides on which
    # side of zero it arrives.
    rng = np.random.RandomState(seed)
    q, n = 15, 150
    codes = rng.randint(q, size=n)
    x = rng.normal(size=n)
    u = rng.normal(size=(q, 2))
    y = 0.15 * u[codes, 1] * x + rng.normal(size=n)
    z = np.column_stack([np.ones(n), x - x.mean()])
    factor = RandomFactor("g", codes, q, z, full_covariance(np.ones(2)), ("1", "x"))
    design = Design(n, DenseBlock(z), None, (factor,))
    found = [
        fit_mixed_model(
            design,
            Normal(),
            y,
            np.ones(n),
            SolverOptions(variances=VarianceOptions(initial_variance=variance)),
        ).log_likelihood
        for variance in (0.01, 0.1, 1.0, 10.0)
    ]
    assert max(found) - min(found) < 1e-5
