"""The first steps of a search."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn.effects import RandomFactor, full_covariance
from bead_sklearn.solvers import DenseBlock, Design
from bead_sklearn.solvers._gaussian import GaussianObjective
from bead_sklearn.solvers._start import em_step

N, Q = 90, 9


def slopes_objective(seed=0):
    rng = np.random.RandomState(seed)
    codes = np.arange(N) % Q
    z = np.column_stack([np.ones(N), rng.normal(size=N)])
    factor = RandomFactor("g", codes, Q, z, full_covariance(np.ones(2)), ("1", "x"))
    design = Design(N, DenseBlock(np.ones((N, 1))), None, (factor,))
    y = (rng.normal(size=(Q, 2))[codes] * z).sum(axis=1) + rng.normal(size=N)
    objective = GaussianObjective(
        design, y, np.ones(N), reml=False, absolute=np.zeros(3, dtype=bool)
    )
    return design, objective


def test_steps_climb_to_the_maximum():
    design, objective = slopes_objective()
    theta, moving = np.array([1.0, 0.0, 1.0]), np.ones(3, dtype=bool)
    last = -np.inf
    for _ in range(400):
        value, gradient = objective(theta)
        assert value >= last - 1e-9
        theta, last = em_step(design, theta, gradient, moving), value
    assert np.abs(objective(theta)[1]).max() < 1e-4


@pytest.mark.parametrize("zero", [[0.0, 0.0, 0.0], [1.0, 0.3, 0.0], [0.0, 0.0, 1.0]])
def test_an_effect_without_variance_stays_without(zero):
    """As in any EM algorithm."""
    design, objective = slopes_objective()
    theta = np.array(zero)
    _, gradient = objective(theta)
    moved = em_step(design, theta, gradient, np.ones(3, dtype=bool))
    assert np.isfinite(moved).all()
    before, after = (design.factors[0].structure.factor(t) for t in (theta, moved))
    rank = np.linalg.matrix_rank(before @ before.T)
    assert np.linalg.matrix_rank(after @ after.T, tol=1e-9) == rank


def test_parameters_that_are_held_stay():
    design, objective = slopes_objective()
    theta = np.array([1.0, 0.2, 0.7])
    _, gradient = objective(theta)
    moved = em_step(design, theta, gradient, np.array([True, False, True]))
    assert moved[1] == theta[1]
    assert (moved[[0, 2]] != theta[[0, 2]]).all()
