"""How much of the information the data have, from one EM step."""

from __future__ import annotations

import numpy as np

from bead_sklearn.effects import RandomFactor, full_covariance
from bead_sklearn.families import Bernoulli
from bead_sklearn.solvers import DenseBlock, Design, SolverOptions, fit_mixed_model
from bead_sklearn.solvers._search import known_share


def test_share_is_the_curvature_along_a_short_step():
    found = known_share(np.array([0.6]), np.array([2.0]), np.array([40.0]))
    np.testing.assert_allclose(found, [0.3])


def test_other_steps_tell_nothing():
    # Too short to tell, too long to be linear, no standard deviation, no step.
    change, theta = np.full(4, 0.1), np.array([40.0, 8.0, 0.0, 40.0])
    moved = np.array([0.1, -4.0, 1.0, 0.0])
    np.testing.assert_array_equal(known_share(change, moved, theta), 1.0)


def test_shares_have_bounds():
    theta = np.full(3, 40.0)
    found = known_share(np.array([0.001, -1.0, 9.0]), np.full(3, 2.0), theta)
    np.testing.assert_allclose(found, [0.03, 0.03, 1.0])


def test_few_judgments_of_each_need_few_steps():
    rng = np.random.RandomState(0)
    n, q = 8000, 4000
    codes = np.arange(n) % q
    factor = RandomFactor(
        "g", codes, q, np.ones((n, 1)), full_covariance(np.ones(1)), ("1",)
    )
    y = (rng.logistic(size=n) < 1.5 * rng.normal(size=q)[codes]).astype(float)
    design = Design(n, DenseBlock(np.ones((n, 1))), None, (factor,))
    fit = fit_mixed_model(design, Bernoulli(), y, np.ones(n), SolverOptions())
    assert fit.optimum.converged
    assert fit.optimum.n_iter <= 9
