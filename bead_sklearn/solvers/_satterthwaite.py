"""Degrees of freedom of t tests of fixed effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bead_sklearn._threads import blas_threads
from bead_sklearn.families import QuadraticFamily
from bead_sklearn.solvers._fit import MixedModelFit
from bead_sklearn.solvers._problem import Problem
from bead_sklearn.solvers._surface import GaussianSurface

#: Step of the central differences of the covariance of the fixed effects.
_DIFFERENCE = 1e-4


@dataclass(frozen=True)
class Satterthwaite:
    """Satterthwaite's approximation for contrasts of the fixed effects.

    The variance f = c'V c of a contrast is itself estimated; its degrees of freedom
    are those of the scaled chi-square with the same mean and variance,

        df = 2 f^2 / (g'A g),

    with g the gradient of f in the variance parameters and A their asymptotic
    covariance (Giesbrecht & Burns 1985, doi:10.2307/2530872; Kuznetsova, Brockhoff &
    Christensen 2017, doi:10.18637/jss.v082.i13).

    Attributes
    ----------
    covariance : ndarray of shape (p, p)
        V, covariance of the fixed effects.
    by_parameter : ndarray of shape (k, p, p)
        Its derivative in each variance parameter.
    of_parameters : ndarray of shape (k, k)
        A.
    """

    covariance: np.ndarray
    by_parameter: np.ndarray
    of_parameters: np.ndarray

    def degrees_of_freedom(self, contrast: np.ndarray) -> float:
        """Return the degrees of freedom of a contrast (p,)."""
        variance = contrast @ self.covariance @ contrast
        gradient = self.by_parameter @ contrast @ contrast
        spread = gradient @ self.of_parameters @ gradient
        return float(2.0 * variance**2 / spread) if spread > 0 else float("inf")


def satterthwaite(problem: Problem, fit: MixedModelFit) -> Satterthwaite | None:
    """Return what t tests of the fixed effects need.

    Only where the theory holds and the fixed effects are of interest: for restricted
    likelihoods of normal responses without a ridge. None elsewhere.

    Parameters
    ----------
    problem : Problem
        What was fitted.
    fit : MixedModelFit
        Its solution.
    """
    is_normal = isinstance(problem.family, QuadraticFamily)
    if not (is_normal and fit.reml and problem.design.ridge is None):
        return None
    with blas_threads(problem.design.n_rest):
        surface = GaussianSurface(problem, fit)
        x = surface.start
        of_parameters = surface.covariance(x)
        moving = np.flatnonzero(np.diagonal(of_parameters) > 0)
        derivatives = []
        for index in moving:
            step = _DIFFERENCE * max(0.1, abs(x[index]))
            step = min(step, x[index] - surface.lower[index])
            ahead, behind = x.copy(), x.copy()
            ahead[index] += step
            behind[index] -= step
            change = surface.fixed_covariance(ahead) - surface.fixed_covariance(behind)
            derivatives.append(change / (2.0 * step))
        covariance = surface.fixed_covariance(x)
    p = len(covariance)
    return Satterthwaite(
        covariance,
        np.array(derivatives).reshape(len(moving), p, p),
        of_parameters[np.ix_(moving, moving)],
    )
