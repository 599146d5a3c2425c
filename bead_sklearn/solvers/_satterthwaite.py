"""Satterthwaite's t and F tests of fixed effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bead_sklearn._threads import blas_threads
from bead_sklearn.families import QuadraticFamily
from bead_sklearn.solvers._problem import Problem
from bead_sklearn.solvers._result import MixedModelFit
from bead_sklearn.solvers._surface import GaussianSurface, inverse_information

#: Step of the differences of the gradient, which is exact, relative to the parameter.
_DIFFERENCE = 1e-6


class FTest(NamedTuple):
    """A test whether some combinations of the fixed effects are zero together.

    Attributes
    ----------
    statistic : float
        F.
    df_numerator : int
        Number of combinations.
    df_denominator : float
        Degrees of freedom of its denominator.
    """

    statistic: float
    df_numerator: int
    df_denominator: float


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

    def f_test(self, contrasts: np.ndarray, estimates: np.ndarray) -> FTest:
        """Test whether some combinations of the fixed effects are zero together.

        The statistic is the mean of squared independent t statistics, each with its
        own degrees of freedom; F has the same mean (Fai & Cornelius 1996,
        doi:10.1080/00949659608811740).

        Parameters
        ----------
        contrasts : ndarray of shape (q, p)
            The combinations, linearly independent.
        estimates : ndarray of shape (p,)
            Fixed effects.
        """
        q = len(contrasts)
        _, vectors = np.linalg.eigh(contrasts @ self.covariance @ contrasts.T)
        df = np.array([self.degrees_of_freedom(row) for row in vectors.T @ contrasts])
        statistic = wald_statistic(contrasts, estimates, self.covariance)
        return FTest(statistic, q, _joint_df(df))


def _joint_df(df: np.ndarray) -> float:
    """Denominator of F with the mean of the mean of squared t statistics."""
    if np.isclose(df, df[0], rtol=1e-8).all():
        return float(df[0])
    if (df <= 2.0).any():
        return 2.0
    beyond = float((2.0 / (df - 2.0)).mean())
    return 2.0 * (1.0 + beyond) / beyond


def wald_statistic(
    contrasts: np.ndarray, estimates: np.ndarray, covariance: np.ndarray
) -> float:
    """Return b'L'(L C L')^-1 L b / q, of q contrasts L."""
    values = contrasts @ estimates
    spread = contrasts @ covariance @ contrasts.T
    return float(values @ np.linalg.solve(spread, values)) / len(contrasts)


def has_t_tests(problem: Problem, fit: MixedModelFit) -> bool:
    """Whether there is a theory of t tests of the fixed effects.

    There is for restricted likelihoods of normal responses, known exactly. Under a
    ridge the fixed effects depend on an arbitrary origin and are of no interest.

    Parameters
    ----------
    problem : Problem
        What was fitted.
    fit : MixedModelFit
        Its solution.
    """
    is_normal = isinstance(problem.family, QuadraticFamily)
    is_exact = fit.monte_carlo_error == 0.0
    return is_normal and is_exact and fit.reml and problem.design.ridge is None


def satterthwaite(problem: Problem, fit: MixedModelFit) -> Satterthwaite | None:
    """Return what Satterthwaite's tests of the fixed effects need.

    None where there is no such theory, see `has_t_tests`.

    Parameters
    ----------
    problem : Problem
        What was fitted.
    fit : MixedModelFit
        Its solution.
    """
    if not has_t_tests(problem, fit):
        return None
    with blas_threads(problem.design.n_rest):
        surface = GaussianSurface(problem, fit)
        inner, p = surface.inner(surface.start), problem.design.n_fixed

        def gradient_and_covariance(x: np.ndarray) -> np.ndarray:
            gradient = surface(x)[1][inner]
            return np.concatenate([gradient, surface.fixed_covariance().ravel()])

        at_maximum = gradient_and_covariance(surface.start)
        covariance = surface.fixed_covariance()
        exact = surface.observed_information()
        if exact is not None:
            return Satterthwaite(
                covariance, exact.by_parameter, inverse_information(-exact.information)
            )
        by_sigma = surface.by_log_sigma()
        derivatives = np.empty((len(inner), len(at_maximum)))
        for row, index in zip(derivatives, inner, strict=True):
            if index == surface.theta.stop and by_sigma is not None:
                row[:] = np.append(by_sigma[inner], 2.0 * covariance.ravel())
                continue
            moved = surface.start.copy()
            moved[index] += _DIFFERENCE * max(0.1, abs(moved[index]))
            step = moved[index] - surface.start[index]
            row[:] = (gradient_and_covariance(moved) - at_maximum) / step
    k = len(inner)
    return Satterthwaite(
        covariance,
        derivatives[:, k:].reshape(k, p, p),
        inverse_information(derivatives[:, :k]),
    )
