"""Maximisation of a smooth objective under bounds, finished by Newton steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize

#: Up to this many parameters the quasi-Newton solution is polished with Newton steps
#: on a finite-difference Hessian of the exact gradient.
_POLISH_UP_TO = 12
_POLISH_STEPS = 4
_DIFFERENCE = 1e-5

#: Shares of its starting value to which a standard deviation at zero is moved to see
#: whether the objective rises.
_OFF_ZERO = (0.05, 0.01)

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


class Maximum(NamedTuple):
    """Where an objective is largest.

    Attributes
    ----------
    x : ndarray
        The maximiser.
    value : float
        The maximum.
    gradient_norm : float
        Largest component of the gradient that points into the feasible region.
    n_iter : int
        Number of iterations.
    converged : bool
        Whether the optimizer stopped by itself.
    message : str
        Its reason.
    """

    x: np.ndarray
    value: float
    gradient_norm: float
    n_iter: int
    converged: bool
    message: str


def maximize(
    objective: Objective,
    start: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    max_iter: int,
    tol: float,
    callback: Callable[[np.ndarray], None],
) -> Maximum:
    """Maximise ``objective``, which returns value and gradient, under bounds.

    Parameters
    ----------
    objective : callable
        x -> (value, gradient).
    start, lower, upper : ndarray of shape (k,)
        Starting point and bounds; equal bounds fix a parameter.
    max_iter : int
        Largest number of quasi-Newton iterations.
    tol : float
        The search stops when no component of the gradient exceeds ``tol``.
    callback : callable
        Called with x after each iteration.

    Returns
    -------
    maximum : Maximum
        The solution.
    """
    moving = lower < upper
    if not moving.any():
        value, _ = objective(start)
        return Maximum(start, value, 0.0, 0, True, "nothing to optimise")

    def complete(x: np.ndarray) -> np.ndarray:
        full = start.copy()
        full[moving] = x
        return full

    def negative(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = objective(complete(x))
        return -value, -gradient[moving]

    def search(x: np.ndarray) -> tuple[np.ndarray, float, np.ndarray, optimize.OptimizeResult]:
        result = optimize.minimize(
            negative,
            x[moving],
            jac=True,
            method="L-BFGS-B",
            bounds=optimize.Bounds(lower[moving], upper[moving]),
            callback=lambda x: callback(complete(x)),
            options={
                "maxiter": max_iter,
                "maxfun": 20 * max_iter,
                "maxcor": 30,
                "gtol": tol,
                "ftol": 1e-14,
            },
        )
        gradient = np.zeros_like(start)
        gradient[moving] = -np.asarray(result.jac)
        return complete(result.x), -float(result.fun), gradient, result

    x, value, gradient, result = search(start)
    n_iter = int(result.nit)
    edge = _step_off_zero(objective, x, start, moving & (lower == 0.0))
    if edge is not None and n_iter < max_iter:
        again = search(edge)
        n_iter += int(again[3].nit)
        if again[1] > value:
            x, value, gradient, result = again
    if moving.sum() <= _POLISH_UP_TO:
        x, value, gradient = _polish(
            objective, x, value, gradient, lower, upper, tol
        )
        callback(x)
    norm = float(np.abs(gradient[_free(x, gradient, lower, upper)]).max(initial=0.0))
    # The line search may stop a little early on rounding noise; what counts is
    # whether the gradient is small against the curvature-scale of the objective.
    converged = norm <= max(100.0 * tol, 1e-3)
    return Maximum(x, value, norm, n_iter, converged, str(result.message))


def _step_off_zero(
    objective: Objective, x: np.ndarray, start: np.ndarray, scales: np.ndarray
) -> np.ndarray | None:
    """Return a point from which to search again if a zero is not a maximum.

    The derivative in a standard deviation is zero at zero whatever the likelihood; its
    sign a little above tells whether zero is a maximum. lme4 restarts for the same
    reason.
    """
    for index in np.flatnonzero(scales & (x == 0.0)):
        for share in _OFF_ZERO:
            moved = x.copy()
            moved[index] = share * start[index]
            if objective(moved)[1][index] > 0:
                return moved
    return None


def _free(
    x: np.ndarray, gradient: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    """Parameters that are neither fixed nor held at a bound by the gradient."""
    held = ((x <= lower) & (gradient <= 0)) | ((x >= upper) & (gradient >= 0))
    return ~held & (lower < upper)


def _polish(
    objective: Objective,
    x: np.ndarray,
    value: float,
    gradient: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    tol: float,
) -> tuple[np.ndarray, float, np.ndarray]:
    """Newton steps until the gradient is far below ``tol``."""
    for _ in range(_POLISH_STEPS):
        free = np.flatnonzero(_free(x, gradient, lower, upper))
        if not len(free) or np.abs(gradient[free]).max() < 0.01 * tol:
            break
        hessian = np.empty((len(free), len(free)))
        for column, index in enumerate(free):
            step = _DIFFERENCE * max(1.0, abs(x[index]))
            step = -step if x[index] + step > upper[index] else step
            moved = x.copy()
            moved[index] += step
            hessian[column] = (objective(moved)[1][free] - gradient[free]) / step
        hessian = 0.5 * (hessian + hessian.T)
        eigenvalues = np.linalg.eigvalsh(hessian)
        if eigenvalues[-1] >= 0:
            break
        proposal = x.copy()
        proposal[free] -= np.linalg.solve(hessian, gradient[free])
        proposal = np.clip(proposal, lower, upper)
        new_value, new_gradient = objective(proposal)
        smaller = np.abs(new_gradient[free]).max() < np.abs(gradient[free]).max()
        if not (smaller and new_value >= value - 1e-8 * max(1.0, abs(value))):
            break
        x, value, gradient = proposal, new_value, new_gradient
    return x, value, gradient
