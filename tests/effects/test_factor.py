"""Products of a factor's columns with vectors."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn.effects import RandomFactor, full_covariance


def columns_of(factor):
    """Z, a row per entry of eta and a column per effect."""
    n, r, J = len(factor.codes), factor.z.shape[1], factor.n_outputs
    result = np.zeros((n, J, factor.n_levels, r, J))
    for row, level in enumerate(factor.codes):
        for j in range(J if level >= 0 else 0):
            result[row, j, level, :, j] = factor.z[row]
    return result.reshape(n * J, -1)


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize(("r", "n_outputs"), [(1, 1), (3, 1), (1, 2), (2, 3)])
def test_products_are_those_of_the_columns(r, n_outputs, unknown):
    rng = np.random.RandomState(0)
    codes = rng.randint(1, 7, size=50)  # levels 0 and 7 have no rows
    codes[:3] = -1 if unknown else codes[:3]
    structure = full_covariance(np.ones(r * n_outputs))
    names = tuple(map(str, range(r)))
    factor = RandomFactor("g", codes, 8, rng.normal(size=(50, r)), structure, names)
    Z = columns_of(factor)
    x = rng.normal(size=50 * n_outputs)
    np.testing.assert_allclose(factor.rmatvec(x).ravel(), Z.T @ x, atol=1e-12)
    effects = rng.normal(size=(8, r * n_outputs))
    np.testing.assert_allclose(factor.matvec(effects), Z @ effects.ravel(), atol=1e-12)
