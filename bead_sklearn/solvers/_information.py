"""Covariance of the estimated parameters, from the curvature of the likelihood."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import solve_triangular

#: Steps of the differences of the gradient, in standard errors: of one known to
#: rounding error, and of one that is estimated.
_STEP, _LONG_STEP = 1e-5, 0.1

#: Smallest information in units of what was expected.
_LEAST = 1e-4

#: Up to this many parameters all are differenced; beyond it the curvature in the fixed
#: effects is that at known variances.
_FULL_UP_TO = 20


def parameter_covariance(
    gradient: Callable[[np.ndarray, np.ndarray], np.ndarray],
    free: np.ndarray,
    theta: np.ndarray,
    basis: np.ndarray,
    unit: np.ndarray,
    interior: np.ndarray,
    fixed_root: np.ndarray,
    *,
    is_exact: bool,
) -> np.ndarray:
    """Return the covariance of the estimates of ``free``, ``theta`` being estimated.

    The inverse of the observed information of the marginal likelihood, priors of the
    parameters included.

    Parameters
    ----------
    gradient : callable
        (free, theta) -> gradient of what was maximised in both, (k + n_parameters,).
    free, theta : ndarray
        The estimates.
    basis : ndarray of shape (k, k)
        About the root of the covariance of ``free``.
    unit : ndarray of shape (n_parameters,)
        About the standard errors of ``theta``.
    interior : ndarray of int
        Entries of ``theta`` that are estimated and not on their bound.
    fixed_root : ndarray of shape (p, p)
        Root of the covariance of the first p entries of ``free``, the fixed effects,
        at known other parameters.
    is_exact : bool
        Whether the gradient is known to rounding error, not estimated.

    Returns
    -------
    covariance : ndarray of shape (k, k)
        Of the fixed effects and the parameters of the family.

    Notes
    -----
    Where the information is not positive definite, directions without information
    keep the covariance that ``basis`` and ``unit`` stand for.
    """
    k, p = len(free), len(fixed_root)
    root = np.zeros((k + len(theta), k + len(interior)))
    root[:k, :k] = basis
    root[k + interior, k + np.arange(len(interior))] = unit[interior]
    estimate = np.append(free, theta)
    at_maximum = gradient(free, theta)
    step = _STEP if is_exact else _LONG_STEP
    skipped = p if root.shape[1] > _FULL_UP_TO else 0
    information = np.zeros((root.shape[1], root.shape[1]))
    for column in range(skipped, root.shape[1]):
        moved = estimate + step * root[:, column]
        change = gradient(moved[:k], moved[k:]) - at_maximum
        information[column] = information[:, column] = -(root.T @ change) / step
    if skipped:
        half = solve_triangular(fixed_root, basis[:p, :p], lower=True)
        information[:p, :p] = half.T @ half
    else:
        information = 0.5 * (information + information.T)
    half = root[:k] @ _inverse_root(information)
    return half @ half.T


def _inverse_root(information: np.ndarray) -> np.ndarray:
    """Return R with R R' the inverse, 1 in directions without information."""
    try:  # whether there are none such is told most cheaply so
        np.linalg.cholesky(information - _LEAST * np.eye(len(information)))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(information)
        values = np.where(values > _LEAST, values, 1.0)
        by_direction: np.ndarray = vectors / np.sqrt(values)
        return by_direction
    lower = np.linalg.cholesky(information)
    inverse: np.ndarray = solve_triangular(lower, np.eye(len(lower)), lower=True)
    return inverse.T
