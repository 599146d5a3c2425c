"""Fitting a mixed model: one entry for every family and design."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bead_sklearn._threads import blas_threads
from bead_sklearn.families import Family, QuadraticFamily
from bead_sklearn.solvers._algebra import LinearAlgebra, NormalEquations
from bead_sklearn.solvers._coupling import couple, factorize
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._duplicates import merge_duplicates
from bead_sklearn.solvers._gaussian import GaussianObjective, centred_response
from bead_sklearn.solvers._information import parameter_covariance
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._last import remember_last
from bead_sklearn.solvers._options import SolverOptions
from bead_sklearn.solvers._parameters import VarianceParameters, variance_parameters
from bead_sklearn.solvers._posterior import make_posterior
from bead_sklearn.solvers._quadrature import QuadratureObjective, check_quadrature
from bead_sklearn.solvers._result import MixedModelFit
from bead_sklearn.solvers._search import search
from bead_sklearn.solvers._warm import Start, stayed_near

#: Up to this many variance parameters the search begins with Newton steps.
_SCORING_UP_TO = 12


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
    design, y, weights = merge_duplicates(design, family, y, weights)
    family = family.start(y, weights)
    parameters = variance_parameters(design, options.variances, weights, family)
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
    best = max(fit, again, key=lambda item: item.optimum.value)
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
    working, level = centred_response(design, family, y, weights)
    objective = GaussianObjective(
        design,
        working,
        weights,
        reml=options.reml,
        absolute=parameters.absolute,
        free_sigma=family.fixed,
        algebra=algebra,
    )
    log_sigma, known = np.zeros(0), np.zeros(0)
    if family.fixed:
        known = np.array([np.log(family.sigma)])
    elif parameters.absolute.any():
        spread = np.sqrt(np.cov(working, aweights=weights) if len(y) > 1 else 1.0)
        log_sigma = np.array([np.log(spread if spread > 0 else 1.0)])

    @remember_last
    def likelihood(
        free: np.ndarray, theta: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient = objective(np.concatenate([theta, free, known]))
        end = len(theta) + len(free)
        return value, gradient[len(theta) : end], gradient[: len(theta)]

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
        information=_information(objective, parameters),
    )
    theta = solution.theta
    value, *_ = likelihood(solution.free, theta)
    sigma = objective.sigma
    relative = np.where(parameters.absolute, theta / sigma, theta)
    fixed = objective.rest[design.rest_slices[-1]].copy()
    if level:
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
        n_parameters=design.n_fixed + parameters.n_free + (not family.fixed),
        optimum=solution.optimum,
        history=solution.history,
        reml=options.reml,
        n_quadrature=1,
        family_covariance=np.zeros((0, 0)),
        monte_carlo_error=objective.error,
    )


def _information(
    objective: GaussianObjective, parameters: VarianceParameters
) -> Callable[[], np.ndarray] | None:
    """Return what tells the information, if it is cheap and theta is all there is."""
    is_plain = not objective.has_sigma and objective.algebra.is_exact
    few = 0 < parameters.n_free <= _SCORING_UP_TO
    return objective.information if is_plain and few else None


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
    joint = _joint_objective(objective, family, y, weights)
    center, basis = _joint_mode(joint, objective, parameters.start, p)
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

    def recenter(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        joint.follow(objective)
        return _joint_mode(joint, objective, theta, p)

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
        recenter=recenter if joint.is_narrow else None,
    )
    basis = solution.basis
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

    def gradient(free: np.ndarray, theta: np.ndarray) -> np.ndarray:
        _, by_free, by_theta = likelihood(free, theta)
        return np.append(by_free, by_theta - parameters.precision @ theta)

    covariance = parameter_covariance(
        gradient,
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


def _joint_objective(
    objective: LaplaceObjective,
    family: Family,
    y: np.ndarray,
    weights: np.ndarray,
) -> LaplaceObjective:
    """Return the likelihood in which the fixed effects are latent variables too."""
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
    return joint


def _joint_mode(
    joint: LaplaceObjective,
    objective: LaplaceObjective,
    theta: np.ndarray,
    n_fixed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Go to the joint mode of all effects, fixed ones included.

    Returns the first ``n_fixed`` fixed effects and the parameters of the family there,
    and a root of their covariance.
    """
    design = joint.design
    fixed = design.rest_slices[-1]
    joint.approach_mode(np.zeros(design.n_eta), theta)
    objective.follow(joint)
    covariance = joint.factorization.fixed_covariance()
    by_own, own_root = joint.parameter_covariance()
    return (
        np.append(joint.rest[fixed][:n_fixed], joint.family.parameters),
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
