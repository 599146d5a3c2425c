"""The mixed_effects parameter and covariance structures."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn.effects import (
    MixedEffects,
    block_covariance,
    diagonal_covariance,
    full_covariance,
    resolve_mixed_effects,
    shared_covariance,
)

STRUCTURES = {
    "full": full_covariance(np.array([1.0, 0.5, 2.0])),
    "diagonal": diagonal_covariance(np.array([1.0, 0.5])),
    "shared": shared_covariance(np.array([0, 1, 1]), np.array([1.0, 0.3, 0.3])),
    "block": block_covariance(
        [full_covariance(np.ones(2)), diagonal_covariance(np.array([3.0]))]
    ),
}


def test_modes_and_formulas():
    assert resolve_mixed_effects("fixed").mode == "fixed"
    assert resolve_mixed_effects("(1 | g)").formula == "(1 | g)"
    effects = MixedEffects("random_slopes")
    assert resolve_mixed_effects(effects) is effects


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("random", ValueError, "one of.*'random_intercepts'.*Got 'random'"),
        (None, TypeError, "must be a string or a MixedEffects.*Got None"),
        (MixedEffects("nested"), ValueError, "'mode' parameter of MixedEffects"),
        (MixedEffects(prior_variance=0), ValueError, "'prior_variance' parameter"),
    ],
)
def test_errors(value, error, message):
    with pytest.raises(error, match=message):
        resolve_mixed_effects(value)


@pytest.mark.parametrize("name", STRUCTURES)
def test_pull_back_is_the_chain_rule(name):
    structure = STRUCTURES[name]
    rng = np.random.RandomState(0)
    theta = rng.normal(size=structure.n_parameters)
    direction = rng.normal(size=(structure.size, structure.size))
    found = structure.pull_back(direction)
    for index in range(structure.n_parameters):
        moved = theta.copy()
        moved[index] += 1.0
        change = structure.factor(moved) - structure.factor(theta)
        assert found[index] == pytest.approx((change * direction).sum())


@pytest.mark.parametrize("name", STRUCTURES)
def test_factor_is_lower_triangular_and_sds_come_back(name):
    structure = STRUCTURES[name]
    sds = np.full(structure.size, 0.7)
    factor = structure.factor(structure.from_sds(sds))
    np.testing.assert_allclose(np.sqrt(np.diagonal(factor @ factor.T)), sds)
    assert (np.triu(factor, 1) == 0).all()
    free = structure.factor(np.arange(1.0, structure.n_parameters + 1))
    assert (np.triu(free, 1) == 0).all()
