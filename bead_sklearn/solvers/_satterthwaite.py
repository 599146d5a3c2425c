"""Degrees of freedom of t tests of fixed effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bead_sklearn._threads import blas_threads
from bead_sklearn.families import QuadraticFamily
from bead_sklearn.solvers._fit import MixedModelFit
from bead_sklearn.solvers._problem import Problem
from bead_sklearn.solvers._surface import GaussianSurface, inverse_information


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
    likelihoods of normal responses without a ridge, and where they are exact. None
    elsewhere.

    Parameters
    ----------
    problem : Problem
        What was fitted.
    fit : MixedModelFit
        Its solution.
    """
    is_normal = isinstance(problem.family, QuadraticFamily)
    is_exact = fit.monte_carlo_error == 0.0
    if not (is_normal and is_exact and fit.reml and problem.design.ridge is None):
        return None
    with blas_threads(problem.design.n_rest):
        surface = GaussianSurface(problem, fit)
        inner, p = surface.inner(surface.start), problem.design.n_fixed

        def gradient_and_covariance(x: np.ndarray) -> np.ndarray:
            gradient = surface(x)[1][inner]
            return np.concatenate([gradient, surface.fixed_covariance().ravel()])

        derivatives = surface.differences(surface.start, gradient_and_covariance)
        surface(surface.start)
        covariance = surface.fixed_covariance()
    if not np.isfinite(derivatives).all():
        return None
    k = len(inner)
    return Satterthwaite(
        covariance,
        derivatives[:, k:].reshape(k, p, p),
        inverse_information(derivatives[:, :k]),
    )
