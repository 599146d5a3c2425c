"""Average information: the curvature of a normal likelihood, from solves alone.

With V the covariance of the responses, P its projection and V_j the derivative of V in
a variance parameter, the mean of the observed and the expected information is

    (P y)' V_j P V_k (P y) / 2

(Gilmour, Thompson & Cullis 1995, doi:10.2307/2533274). It takes one solution of the
normal equations for each parameter, no inverse.
"""

from __future__ import annotations

import numpy as np

from bead_sklearn.solvers._algebra import NormalEquations
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._scales import Scales, parameter_slices


def working_responses(
    design: Design,
    scales: Scales,
    own: np.ndarray,
    rest: np.ndarray,
    score: np.ndarray,
) -> np.ndarray:
    """Return V_j (P y) of each variance parameter, in units of sigma.

    With L_j the derivative of L it is Z (L_j v + L L_j' Z'W e), v the standardised
    effects and e the residuals.

    Parameters
    ----------
    design : Design
        The linear predictor, with one output.
    scales : Scales
        Prior scales, L.
    own, rest : ndarray
        Standardised effects at their best values, v.
    score : ndarray of shape (n_rows,)
        Weighted residuals, W e.

    Returns
    -------
    responses : ndarray of shape (n_parameters, n_rows)
        One row for each parameter.
    """
    slices = parameter_slices(design)
    *rest_parts, ridge, _ = design.rest_slices
    standardised = [own] if design.n_eliminated else []
    standardised += [rest[part] for part in rest_parts]
    responses = np.empty((slices[-1].stop, design.n_rows))
    for k, factor in enumerate(design.factors):
        structure, scale = factor.structure, scales.factors[k]
        effects = standardised[k].reshape(factor.n_levels, factor.size)
        sums = factor.rmatvec(score)
        for j in range(structure.n_parameters):
            moved = structure.factor(np.eye(structure.n_parameters)[j])
            change = effects @ moved.T + sums @ moved @ scale.T
            responses[slices[k].start + j] = factor.matvec(change)
    if design.ridge is not None:
        sums = design.dense_rmatvec(design.ridge, score)
        responses[-1] = design.dense_matvec(
            design.ridge, rest[ridge] + scales.ridge * sums
        )
    return responses


def average_information(
    design: Design,
    weights: np.ndarray,
    scales: Scales,
    equations: NormalEquations,
    responses: np.ndarray,
    score: np.ndarray,
    *,
    sigma: float,
    n: float,
) -> np.ndarray:
    """Return the average information with sigma profiled out.

    Parameters
    ----------
    design : Design
        The linear predictor.
    weights : ndarray of shape (n_rows,)
        Number of times each row counts.
    scales : Scales
        Prior scales.
    equations : NormalEquations
        With the fixed effects among the unknowns.
    responses : ndarray of shape (n_parameters, n_rows)
        From :func:`working_responses`.
    score : ndarray of shape (n_rows,)
        Weighted residuals.
    sigma : float
        Residual standard deviation.
    n : float
        Degrees of freedom of the residuals.

    Returns
    -------
    information : ndarray of shape (n_parameters, n_parameters)
        Positive semi-definite.
    """
    projected = np.empty_like(responses)
    for j, response in enumerate(responses):
        weighted = weights * response
        own = np.zeros((0, 1))
        if design.eliminated is not None:
            own = design.eliminated.rmatvec(weighted) @ scales.first
        right = design.rest_rmatvec(weighted, with_fixed=True)
        own, rest = equations.solve(own, scales.rest(right, transpose=True))
        fitted = design.rest_matvec(scales.rest(rest))
        if design.eliminated is not None:
            fitted += design.eliminated.matvec(own @ scales.first.T)
        projected[j] = weights * (response - fitted)
    between = 0.5 * responses @ projected.T / sigma**2
    with_sigma = responses @ score / sigma**2
    return 0.5 * (between + between.T) - np.outer(with_sigma, with_sigma) / (2.0 * n)
