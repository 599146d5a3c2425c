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

#: Rise of an estimated objective over one unit below which it is at its maximum.
_SMALL_SLOPE = 0.02

#: Units that the first step of the search may take, or half the parameter.
_REACH = 10.0

#: Shares of its starting value at which a standard deviation is tried before the
#: search, and after it if it ended below the last figure. The likelihood is even in a
#: standard deviation, so that zero is always stationary but need not be a maximum.
_DOWN = (0.3, 0.1, 0.03)
_UP = (3.0, 10.0)
_FINE = (0.3, 0.1, 0.03, 0.01)
_SMALL = 0.02
_RISE = 1e-6
_MAX_SEARCHES = 4

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
    value_only: Callable[[np.ndarray], float] | None = None,
    units: np.ndarray | None = None,
    is_exact: bool = True,
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
    value_only : callable, default=None
        x -> value, if that costs less than value and gradient.
    units : ndarray of shape (k,), default=None
        Changes of the parameters that change the objective about equally; ones by
        default.
    is_exact : bool, default=True
        Whether the gradient is that of the value to rounding error. Otherwise the
        search ends where the value rises by less than a part in 10^11, and there are
        no Newton steps.

    Returns
    -------
    maximum : Maximum
        The solution.
    """
    moving = lower < upper
    if not moving.any():
        value, _ = objective(start)
        return Maximum(start, value, 0.0, 0, True, "nothing to optimise")
    objective = _remember_last(objective)
    height = value_only if value_only is not None else lambda x: objective(x)[0]
    units = np.ones(len(start)) if units is None else units
    scales = np.flatnonzero(moving & (lower == 0.0) & (start > 0.0))
    x = _probe(height, start, start, scales, (_DOWN, _UP))
    n_iter, reason = 0, ""
    for _ in range(_MAX_SEARCHES):
        x, value, gradient, n, reason = _search(
            objective,
            x,
            lower,
            upper,
            units,
            max_iter - n_iter,
            tol,
            1e-14 if is_exact else 1e-11,
            callback,
        )
        n_iter += n
        # Near zero a standard deviation is nearly stationary whatever the likelihood.
        small = scales[x[scales] < _SMALL * start[scales]]
        elsewhere = _probe(height, x, start, small, tuple((s,) for s in _FINE))
        if (elsewhere == x).all() or n_iter >= max_iter:
            break
        x = elsewhere
    if is_exact and moving.sum() <= _POLISH_UP_TO:
        x, value, gradient = _polish(objective, x, value, gradient, lower, upper, tol)
        callback(x)
    steepness = np.abs(gradient) * _free(x, gradient, lower, upper)
    norm = float(steepness.max(initial=0.0))
    # The line search may stop a little early on rounding noise; what counts is
    # whether the gradient is small.
    converged = norm <= max(100.0 * tol, 1e-3)
    if not is_exact:
        converged = float((units * steepness).max(initial=0.0)) <= _SMALL_SLOPE
    return Maximum(x, value, norm, n_iter, converged, reason)


def _search(
    objective: Objective,
    start: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    units: np.ndarray,
    max_iter: int,
    tol: float,
    smallest_rise: float,
    callback: Callable[[np.ndarray], None],
) -> tuple[np.ndarray, float, np.ndarray, int, str]:
    """Search from one point by L-BFGS-B."""
    moving = lower < upper
    units = units[moving]
    # The first step of the method is the gradient itself; a long one would jump to
    # the bounds.
    step = units**2 * np.abs(objective(start)[1][moving])
    reach = np.maximum(0.5 * np.abs(start[moving]), _REACH * units)
    shrink = max(1.0, float((step / reach).max()))

    def complete(z: np.ndarray) -> np.ndarray:
        full = start.copy()
        full[moving] = np.clip(start[moving] + units * z, lower[moving], upper[moving])
        return full

    def negative(z: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = objective(complete(z))
        return -value / shrink, -units * gradient[moving] / shrink

    result = optimize.minimize(
        negative,
        np.zeros(len(units)),
        jac=True,
        method="L-BFGS-B",
        bounds=optimize.Bounds(
            (lower - start)[moving] / units, (upper - start)[moving] / units
        ),
        callback=lambda z: callback(complete(z)),
        options={
            "maxiter": max(1, max_iter),
            "maxfun": 20 * max(1, max_iter),
            "maxcor": 30,
            "gtol": tol * float(units.min()) / shrink,
            "ftol": smallest_rise,
        },
    )
    gradient = np.zeros_like(start)
    gradient[moving] = -shrink * np.asarray(result.jac) / units
    value = -shrink * float(result.fun)
    return complete(result.x), value, gradient, int(result.nit), str(result.message)


def _probe(
    height: Callable[[np.ndarray], float],
    x: np.ndarray,
    start: np.ndarray,
    indices: np.ndarray,
    chains: tuple[tuple[float, ...], ...],
) -> np.ndarray:
    """Move each standard deviation to the best of some shares of its start.

    A chain of shares is followed as long as the objective rises.
    """
    if not len(indices):
        return x
    best, best_value = x, height(x)
    for index in indices:
        for chain in chains:
            for share in chain:
                moved = best.copy()
                moved[index] = share * start[index]
                value = height(moved)
                if value <= best_value + _RISE:
                    break
                best, best_value = moved, value
    return best


def _remember_last(objective: Objective) -> Objective:
    """Wrap an objective so that asking twice at one point costs once."""
    last: list[tuple[np.ndarray, tuple[float, np.ndarray]]] = []

    def remembered(x: np.ndarray) -> tuple[float, np.ndarray]:
        if not last or not np.array_equal(last[0][0], x):
            last[:] = [(x.copy(), objective(x))]
        value, gradient = last[0][1]
        return value, gradient.copy()

    return remembered


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
