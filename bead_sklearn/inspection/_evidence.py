"""What a likelihood was computed from, so that fits can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bead_sklearn.solvers import Problem, n_free_scales

#: Relative difference of moments up to which responses are the same.
_SAME = 1e-9


@dataclass(frozen=True)
class Evidence:
    """Traits of the judgments and of the parameters of a fit.

    Attributes
    ----------
    n_observations : float
        Sum of the weights.
    moments : ndarray
        Weighted means of sign and absolute powers of the encoded responses. They do
        not depend on the order of rows, or on whether a row is repeated or weighted.
    n_scales : int
        Number of estimated standard deviations of effects.
    """

    n_observations: float
    moments: np.ndarray
    n_scales: int

    def has_same_response(self, other: Evidence) -> bool:
        """Whether two fits are of the same responses, as far as moments tell."""
        return self.moments.shape == other.moments.shape and np.allclose(
            self.moments, other.moments, rtol=_SAME, atol=1e-12
        )


def collect_evidence(problem: Problem) -> Evidence:
    """Collect the traits of a problem.

    Parameters
    ----------
    problem : Problem
        What is fitted.
    """
    y = problem.y.reshape(len(problem.weights), -1)
    shares = problem.weights / problem.weights.sum()
    powers = [np.sign(y), *(np.abs(y) ** k for k in (1, 2, 3))]
    return Evidence(
        n_observations=float(problem.weights.sum()),
        moments=np.concatenate([shares @ power for power in powers]),
        n_scales=n_free_scales(problem),
    )
