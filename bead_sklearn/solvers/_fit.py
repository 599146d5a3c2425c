"""Fitting a mixed model: one entry for every family and design."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from bead_sklearn._threads import blas_threads
from bead_sklearn.families import Family, QuadraticFamily
from bead_sklearn.solvers._algebra import (
    LinearAlgebra,
    NormalEquations,
    choose_algebra,
)
from bead_sklearn.solvers._coupling import couple, factorize
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._gaussian import GaussianObjective
from bead_sklearn.solvers._information import parameter_covariance
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._optimize import Maximum
from bead_sklearn.solvers._parameters import (
    VarianceOptions,
    VarianceParameters,
    variance_parameters,
)
from bead_sklearn.solvers._posterior import Posterior, make_posterior
from bead_sklearn.solvers._probes import IterativeOptions
from bead_sklearn.solvers._quadrature import QuadratureObjective, check_quadrature
from bead_sklearn.solvers._search import remember_last, search
from bead_sklearn.solvers._warm import Start, stayed_near


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
        approximation; 0 the same with fixed effects taken from the joint mode, which
        is faster and less exact (lme4's ``nAGQ=0``).
    verbose : bool
        Whether each iteration prints a line.
    linear_algebra : {"auto", "dense", "sparse", "iterative"}
        How the normal equations are solved: exactly, with cross-products stored
        densely or where levels meet, or by conjugate gradients with stochastic
        log-determinants. "auto" iterates where several factors have thousands of
        levels, and is exact elsewhere. Several outputs per row, and choice sets, are
        dense whatever is said.
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


def fit_mixed_model(
    design: Design,
    family: Family,
    y: np.ndarray,
    weights: np.ndarray,
    options: SolverOptions,
    start: Start | None = None,
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
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Encoded responses.
    weights : ndarray of shape (n_rows,)
        Number of times each row counts.
    options : SolverOptions
        Likelihood, tolerances and treatment of the variances.
    start : Start, default=None
        An earlier solution for similar data, to begin with.

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
    rest = design, y, weights, options
    with blas_threads(algebra.side):
        near = None if start is None else start.begin(design, weights, parameters)
        if start is None or near is None:
            return _fit(family, *rest, parameters, algebra)
        fit = _fit(start.family_for(family), *rest, near, algebra)
        if stayed_near(fit, near):
            return fit
        again = _fit(family, *rest, parameters, algebra)
    best = max(fit, again, key=lambda item: item.log_likelihood)
    n_iter = fit.optimum.n_iter + again.optimum.n_iter
    return replace(best, optimum=best.optimum._replace(n_iter=n_iter))


def _fit(
    family: Family,
    design: Design,
    y: np.ndarray,
    weights: np.ndarray,
    options: SolverOptions,
    parameters: VarianceParameters,
    algebra: LinearAlgebra,
) -> MixedModelFit:
    """Fit from one starting point."""
    rest = design, y, weights, options, parameters, algebra
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
    log_sigma = np.zeros(0)
    if parameters.absolute.any():
        spread = np.sqrt(np.cov(working, aweights=weights) if len(y) > 1 else 1.0)
        log_sigma = np.array([np.log(spread if spread > 0 else 1.0)])

    @remember_last
    def likelihood(
        free: np.ndarray, theta: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient = objective(np.append(theta, free))
        return value, gradient[len(theta) :], gradient[: len(theta)]

    solution = search(
        likelihood,
        design,
        parameters,
        log_sigma,
        np.eye(len(log_sigma)) / np.sqrt(2.0 * weights.sum()),
        max_iter=options.max_iter,
        tol=options.tol,
        verbose=options.verbose,
        is_exact=objective.algebra.is_exact,
    )
    theta = solution.theta
    value, *_ = likelihood(solution.free, theta)
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
        optimum=solution.optimum,
        history=solution.history,
        reml=options.reml,
        n_quadrature=1,
        family_covariance=np.zeros((0, 0)),
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
    with_fixed = options.reml or not has_latent or options.n_quadrature == 0
    coupling = couple(design, family, algebra)
    objective = LaplaceObjective(
        design,
        family,
        y,
        weights,
        with_fixed=with_fixed,
        reml=options.reml,
        coupling=coupling,
    )
    p = 0 if with_fixed else design.n_fixed
    center, basis = _start(objective, family, y, weights, parameters, p)
    evaluate: LaplaceObjective | QuadratureObjective = objective
    if options.n_quadrature > 1:
        check_quadrature(design, reml=options.reml)
        evaluate = QuadratureObjective(design, family, y, weights, options.n_quadrature)
        objective = evaluate.laplace

    @remember_last
    def likelihood(
        free: np.ndarray, theta: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        value, by_beta, by_theta, by_own = evaluate(free[:p], theta, free[p:])
        return value, np.append(by_beta[:p], by_own), by_theta

    solution = search(
        likelihood,
        design,
        parameters,
        center,
        basis,
        max_iter=options.max_iter,
        tol=options.tol,
        verbose=options.verbose,
        is_exact=coupling.is_exact,
    )
    beta, theta = solution.free[:p], solution.theta
    value, *_ = likelihood(solution.free, theta)
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
    fitted_family, error = objective.family, objective.error
    fixed_root = np.linalg.cholesky(posterior.fixed_covariance()[:p, :p])
    within = (theta > parameters.lower) & (theta < parameters.upper)
    covariance = parameter_covariance(
        lambda free, theta: np.concatenate(likelihood(free, theta)[1:]),
        solution.free,
        theta,
        basis,
        solution.unit,
        np.flatnonzero(within),
        fixed_root,
        is_exact=coupling.is_exact,
    )
    if p:
        posterior = replace(posterior, fixed_marginal=covariance[:p, :p])
    return MixedModelFit(
        posterior=posterior,
        family=fitted_family,
        theta=theta,
        sigma=1.0,
        alpha=_alpha(design, theta),
        log_likelihood=value,
        n_parameters=design.n_fixed + parameters.n_free + len(family.parameters),
        optimum=solution.optimum,
        history=solution.history,
        reml=options.reml,
        n_quadrature=options.n_quadrature,
        family_covariance=covariance[p:, p:],
        monte_carlo_error=error,
    )


def _start(
    objective: LaplaceObjective,
    family: Family,
    y: np.ndarray,
    weights: np.ndarray,
    parameters: VarianceParameters,
    n_fixed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Start at the joint mode of all effects, fixed ones included.

    Returns the first ``n_fixed`` fixed effects and the parameters of the family there,
    and a root of their covariance.
    """
    design = objective.design
    joint = LaplaceObjective(
        design,
        family,
        y,
        weights,
        with_fixed=True,
        reml=False,
        coupling=objective.coupling,
    )
    fixed = design.rest_slices[-1]
    if family.has_intercept and design.n_fixed:
        intercepts = slice(fixed.start, fixed.start + design.n_outputs)
        joint.rest[intercepts] = family.initial_eta(y, weights)
    joint.approach_mode(np.zeros(design.n_eta), parameters.start)
    objective.own = joint.own.copy()
    objective.rest = joint.rest[: len(objective.rest)].copy()
    covariance = joint.factorization.fixed_covariance()
    by_own, own_root = joint.parameter_covariance()
    return (
        np.append(joint.rest[fixed][:n_fixed], family.parameters),
        np.block(
            [
                [np.linalg.cholesky(covariance)[:n_fixed, :n_fixed], by_own[:n_fixed]],
                [np.zeros((len(own_root), n_fixed)), own_root],
            ]
        ),
    )


def _factorization_with_fixed(
    objective: LaplaceObjective, y: np.ndarray, weights: np.ndarray
) -> NormalEquations:
    """Return the normal equations with the fixed part as unknowns too."""
    coupling = objective.coupling
    derivatives = objective.family.derivatives(y, coupling.shaped(objective.eta))
    curvature = coupling.weighted(weights, derivatives.curvature)
    return factorize(coupling, curvature, objective.scales, True)


def _alpha(design: Design, theta: np.ndarray) -> float:
    """Ridge precision from tau."""
    if design.ridge is None:
        return 0.0
    return float(theta[-1] ** -2) if theta[-1] > 0 else float("inf")
