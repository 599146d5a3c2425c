"""Fitting a mixed model: one entry for every family and design."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bead_sklearn._threads import blas_threads
from bead_sklearn.families import Family, QuadraticFamily
from bead_sklearn.solvers._algebra import (
    LinearAlgebra,
    NormalEquations,
    choose_algebra,
    factorize,
)
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._gaussian import GaussianObjective
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._optimize import Maximum, maximize
from bead_sklearn.solvers._parameters import (
    VarianceOptions,
    VarianceParameters,
    variance_parameters,
)
from bead_sklearn.solvers._posterior import Posterior, make_posterior
from bead_sklearn.solvers._probes import IterativeOptions
from bead_sklearn.solvers._quadrature import QuadratureObjective, check_quadrature

#: A standard deviation below this share of its starting scale is reported as zero.
_SINGULAR = 1e-4


@dataclass(frozen=True)
class SolverOptions:
    """Everything a solver can be told.

    Attributes
    ----------
    reml : bool
        Whether the restricted likelihood is maximised.
    max_iter : int
        Largest number of optimizer iterations.
    tol : float
        Gradient below which the optimizer stops.
    variances : VarianceOptions
        How variance parameters are treated.
    n_quadrature : int
        Nodes of the adaptive quadrature over the effects of a level; 1 is the Laplace
        approximation.
    verbose : bool
        Whether each iteration prints a line.
    linear_algebra : {"auto", "dense", "sparse", "iterative"}
        How the normal equations are solved: exactly, with cross-products stored
        densely or where levels meet, or by conjugate gradients with stochastic
        log-determinants. "auto" iterates where several factors have thousands of
        levels, and is exact elsewhere.
    n_probes : int
        Random vectors of the iterative algebra.
    cg_tol : float
        Relative residual at which it solves the systems of random vectors.
    seed : int
        Seed of the random vectors. They are the same throughout a fit.
    """

    reml: bool = False
    max_iter: int = 500
    tol: float = 1e-6
    variances: VarianceOptions = field(default_factory=VarianceOptions)
    n_quadrature: int = 1
    verbose: bool = False
    linear_algebra: str = "auto"
    n_probes: int = 32
    cg_tol: float = 1e-3
    seed: int = 0

    def algebra(self, design: Design) -> LinearAlgebra:
        """Return who solves the normal equations of a design."""
        iterative = IterativeOptions(
            n_probes=self.n_probes, tol=self.cg_tol, seed=self.seed
        )
        return choose_algebra(design, self.linear_algebra, iterative)


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
        Nodes of the quadrature; 1 for the Laplace approximation and exact fits.
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
    monte_carlo_error: float = 0.0


def fit_mixed_model(
    design: Design,
    family: Family,
    y: np.ndarray,
    weights: np.ndarray,
    options: SolverOptions,
) -> MixedModelFit:
    """Estimate all parameters by maximum (restricted) marginal likelihood.

    Exact for quadratic families; by the Laplace approximation, or adaptive quadrature
    if asked for, otherwise.

    Parameters
    ----------
    design : Design
        The linear predictor.
    family : Family
        Response distribution.
    y : ndarray of shape (n_rows,)
        Encoded responses.
    weights : ndarray of shape (n_rows,)
        Number of times each row counts.
    options : SolverOptions
        Likelihood, tolerances and treatment of the variances.

    Returns
    -------
    fit : MixedModelFit
        Estimates, their covariance and how they were reached.
    """
    family = family.start(y, weights)
    parameters = variance_parameters(
        design,
        options.variances,
        weights,
        relative=isinstance(family, QuadraticFamily),
        scale=family.scale,
    )
    algebra = options.algebra(design)
    rest = design, y, weights, options, parameters, algebra
    with blas_threads(algebra.side):
        if isinstance(family, QuadraticFamily):
            return _fit_gaussian(family, *rest)
        return _fit_laplace(family, *rest)


def _fit_gaussian(
    family: QuadraticFamily,
    design: Design,
    y: np.ndarray,
    weights: np.ndarray,
    options: SolverOptions,
    parameters: VarianceParameters,
    algebra: LinearAlgebra,
) -> MixedModelFit:
    working = family.working_response(y)
    rows = design.fixed.values
    has_intercept = bool(rows.shape[1]) and bool((rows[:, 0] == 1.0).all())
    level = family.initial_eta(y, weights) if has_intercept else 0.0
    objective = GaussianObjective(
        design,
        working - level,
        weights,
        reml=options.reml,
        absolute=parameters.absolute,
        algebra=algebra,
    )
    start, lower, upper = parameters.start, parameters.lower, parameters.upper
    units = parameters.units
    if parameters.absolute.any():
        spread = np.sqrt(np.cov(working, aweights=weights) if len(y) > 1 else 1.0)
        log_sigma = np.log(spread if spread > 0 else 1.0)
        start = np.append(start, log_sigma)
        lower, upper = np.append(lower, -np.inf), np.append(upper, np.inf)
        units = np.append(units, 1.0 / np.sqrt(2.0 * weights.sum()))
    history: list[np.ndarray] = []
    size = len(parameters.start)
    optimum = maximize(
        objective,
        start,
        lower,
        upper,
        max_iter=options.max_iter,
        tol=options.tol,
        callback=_recorder(history, slice(0, size), options),
        value_only=objective.value,
        units=units,
        is_exact=objective.algebra.is_exact,
    )
    theta = _zero_if_singular(optimum.x[:size], parameters)
    value, _ = objective(np.append(theta, optimum.x[size:]))
    sigma = objective.sigma
    relative = np.where(parameters.absolute, theta / sigma, theta)
    fixed = objective.rest[design.rest_slices[-1]].copy()
    if has_intercept:
        fixed[0] += level
    posterior = make_posterior(
        design,
        objective.factorization,
        own=objective.own,
        rest=objective.rest,
        own_skew=np.zeros_like(objective.own),
        rest_skew=np.zeros_like(objective.rest),
        fixed=fixed,
        sigma=sigma,
    )
    return MixedModelFit(
        posterior=posterior,
        family=family.with_sigma(sigma),
        theta=relative,
        sigma=sigma,
        alpha=_alpha(design, relative),
        log_likelihood=value + family.log_jacobian(y, weights),
        n_parameters=design.n_fixed + parameters.n_free + 1,
        optimum=optimum,
        history=history,
        reml=options.reml,
        n_quadrature=1,
        monte_carlo_error=objective.error,
    )


def _fit_laplace(
    family: Family,
    design: Design,
    y: np.ndarray,
    weights: np.ndarray,
    options: SolverOptions,
    parameters: VarianceParameters,
    algebra: LinearAlgebra,
) -> MixedModelFit:
    has_latent = bool(design.factors) or design.ridge is not None
    with_fixed = options.reml or not has_latent
    objective = LaplaceObjective(
        design,
        family,
        y,
        weights,
        with_fixed=with_fixed,
        reml=options.reml,
        algebra=algebra,
    )
    p = 0 if with_fixed else design.n_fixed
    center, basis = _start(objective, family, y, weights, parameters)
    evaluate: LaplaceObjective | QuadratureObjective = objective
    if options.n_quadrature > 1:
        check_quadrature(design, reml=options.reml)
        evaluate = QuadratureObjective(design, family, y, weights, options.n_quadrature)
        objective = evaluate.laplace
    n_theta = len(parameters.start)
    own_start = family.parameters
    own_units = np.full(len(own_start), 2.0 / np.sqrt(weights.sum()))
    history: list[np.ndarray] = []

    def split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        beta = center[:p] + basis[:p, :p] @ x[:p]
        return beta, x[p : p + n_theta], x[p + n_theta :]

    def at(x: np.ndarray) -> tuple[float, np.ndarray]:
        beta, theta, own = split(x)
        value, by_beta, by_theta, by_own = evaluate(beta, theta, own)
        pull = parameters.precision * theta
        return value - 0.5 * pull @ theta, np.concatenate(
            [basis[:p, :p].T @ by_beta[:p], by_theta - pull, by_own]
        )

    def height(x: np.ndarray) -> float:
        beta, theta, own = split(x)
        value = objective.value(beta, theta, own)
        return value - 0.5 * float(parameters.precision @ theta**2)

    free = np.full(p, np.inf), np.full(len(own_start), np.inf)
    optimum = maximize(
        at,
        np.concatenate([np.zeros(p), parameters.start, own_start]),
        np.concatenate([-free[0], parameters.lower, -free[1]]),
        np.concatenate([free[0], parameters.upper, free[1]]),
        max_iter=options.max_iter,
        tol=options.tol,
        callback=_recorder(history, slice(p, p + n_theta), options),
        value_only=height if evaluate is objective else None,
        units=np.concatenate([np.ones(p), parameters.units, own_units]),
        is_exact=objective.algebra.is_exact,
    )
    beta, theta, own = split(optimum.x)
    theta = _zero_if_singular(theta, parameters)
    value, *_ = evaluate(beta, theta, own)
    error = objective.error
    if with_fixed:
        fixed = objective.rest[design.rest_slices[-1]]
        if options.reml:
            fixed = fixed - 0.5 * objective.rest_skew[design.rest_slices[-1]]
        factorization = objective.factorization
    else:
        fixed = beta
        factorization = _factorization_with_fixed(objective, y, weights)
    padding = np.zeros(design.n_rest - len(objective.rest))
    posterior = make_posterior(
        design,
        factorization,
        own=objective.own,
        rest=np.concatenate([objective.rest, padding]),
        own_skew=objective.own_skew,
        rest_skew=np.concatenate([objective.rest_skew, padding]),
        fixed=fixed,
        sigma=1.0,
    )
    return MixedModelFit(
        posterior=posterior,
        family=objective.family,
        theta=theta,
        sigma=1.0,
        alpha=_alpha(design, theta),
        log_likelihood=value,
        n_parameters=design.n_fixed + parameters.n_free + len(own),
        optimum=optimum,
        history=history,
        reml=options.reml,
        n_quadrature=options.n_quadrature,
        monte_carlo_error=error,
    )


def _start(
    objective: LaplaceObjective,
    family: Family,
    y: np.ndarray,
    weights: np.ndarray,
    parameters: VarianceParameters,
) -> tuple[np.ndarray, np.ndarray]:
    """Start at the joint mode; return its fixed effects and a basis that whitens them.

    The joint mode is that of all effects, fixed ones included, at the starting scales.
    """
    design = objective.design
    joint = LaplaceObjective(
        design,
        family,
        y,
        weights,
        with_fixed=True,
        reml=False,
        algebra=objective.algebra,
    )
    fixed = design.rest_slices[-1]
    if family.has_intercept and design.n_fixed:
        joint.rest[fixed.start] = family.initial_eta(y, weights)
    joint.find_mode(np.zeros(design.n_rows), parameters.start)
    objective.own = joint.own.copy()
    objective.rest = joint.rest[: len(objective.rest)].copy()
    covariance = joint.factorization.fixed_covariance()
    return joint.rest[fixed].copy(), np.linalg.cholesky(covariance)


def _factorization_with_fixed(
    objective: LaplaceObjective, y: np.ndarray, weights: np.ndarray
) -> NormalEquations:
    """Return the normal equations with the fixed part as unknowns too."""
    curvature = weights * objective.family.derivatives(y, objective.eta).curvature
    return factorize(objective.algebra, curvature, objective.scales, True)


def _recorder(
    history: list[np.ndarray], part: slice, options: SolverOptions
) -> Callable[[np.ndarray], None]:
    """Return a callback that keeps, and perhaps prints, the variance parameters."""

    def record(x: np.ndarray) -> None:
        history.append(x[part].copy())
        if options.verbose:
            shown = np.array2string(x[part], precision=5, suppress_small=True)
            print(f"iteration {len(history)}: scales of the effects {shown}")

    return record


def _zero_if_singular(theta: np.ndarray, parameters: VarianceParameters) -> np.ndarray:
    """Report a standard deviation that ran into zero as zero."""
    free = parameters.lower < parameters.upper
    near_zero = np.abs(theta) < _SINGULAR * np.maximum(np.abs(parameters.start), 0.0)
    return np.where(free & near_zero & (parameters.lower == 0.0), 0.0, theta)


def _alpha(design: Design, theta: np.ndarray) -> float:
    """Ridge precision from tau."""
    if design.ridge is None:
        return 0.0
    return float(theta[-1] ** -2) if theta[-1] > 0 else float("inf")
