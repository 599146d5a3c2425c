"""What a fit found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bead_sklearn.families import Family
from bead_sklearn.solvers._optimize import Maximum
from bead_sklearn.solvers._posterior import Posterior


@dataclass(frozen=True)
class MixedModelFit:
    """A fitted mixed model on the scale of the linear predictor.

    Attributes
    ----------
    posterior : Posterior
        Estimates and their covariance.
    family : Family
        Response distribution with its estimated parameters.
    theta : ndarray
        Variance parameters, relative to ``sigma`` for the normal family.
    sigma : float
        Residual standard deviation; 1 for families without one.
    alpha : float
        Ridge precision: 1/tau^2, times sigma^2 for the normal family.
    log_likelihood : float
        Marginal log-likelihood, restricted if ``reml``.
    n_parameters : int
        Number of estimated parameters, for information criteria.
    optimum : Maximum
        How the optimizer ended.
    history : list of ndarray
        ``theta`` after each iteration.
    reml : bool
        Whether the likelihood is restricted.
    n_quadrature : int
        Nodes of the quadrature; 1 for the Laplace approximation and exact fits, 0 for
        the Laplace approximation at the joint mode.
    family_covariance : ndarray of shape (k, k)
        Covariance of the estimated parameters of the family.
    monte_carlo_error : float
        Standard error of ``log_likelihood`` from the random vectors of the iterative
        algebra; 0 if it is exact.
    """

    posterior: Posterior
    family: Family
    theta: np.ndarray
    sigma: float
    alpha: float
    log_likelihood: float
    n_parameters: int
    optimum: Maximum
    history: list[np.ndarray]
    reml: bool
    n_quadrature: int
    family_covariance: np.ndarray
    monte_carlo_error: float = 0.0
