"""Searches that end on a bound."""

from __future__ import annotations

import numpy as np

from bead_sklearn.solvers._optimize import maximize


def test_a_bound_is_met_exactly():
    """A root with a unit other than one does not leave 1e-17 where 0 is meant."""
    seen = []

    def objective(x):
        seen.append(x.copy())
        return -float((x + 1.0) @ (x + 1.0)), -2.0 * (x + 1.0)

    found = maximize(
        objective,
        np.array([0.75264084, 0.97481782]),
        np.zeros(2),
        np.full(2, np.inf),
        reference=np.ones(2),
        max_iter=50,
        tol=1e-8,
        callback=lambda x: None,
        spread=np.diag([1.7, 3.1]),
    )
    assert (found.x == 0.0).all()
    assert all(((x == 0.0) | (x > 1e-12)).all() for x in seen)
