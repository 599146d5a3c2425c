"""The last evaluation of a likelihood, which is often asked for again."""

from __future__ import annotations

import numpy as np

from bead_sklearn.solvers._search import Likelihood


def remember_last(likelihood: Likelihood) -> Likelihood:
    """Wrap a likelihood so that asking twice at one point costs once.

    What a likelihood keeps of its last evaluation, the mode and its factorisation,
    stays that of the point that was asked for.

    Parameters
    ----------
    likelihood : callable
        (free, theta) -> value, gradient in free, gradient in theta.
    """
    points: list[tuple[np.ndarray, np.ndarray]] = []
    values: list[tuple[float, np.ndarray, np.ndarray]] = []

    def remembered(
        free: np.ndarray, theta: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        if points:
            last_free, last_theta = points[0]
            if np.array_equal(free, last_free) and np.array_equal(theta, last_theta):
                value, by_free, by_theta = values[0]
                return value, by_free.copy(), by_theta.copy()
        points.clear()  # an evaluation that fails leaves no point behind
        value, by_free, by_theta = likelihood(free, theta)
        points.append((free.copy(), theta.copy()))
        values[:] = [(value, by_free.copy(), by_theta.copy())]
        return value, by_free, by_theta

    return remembered
