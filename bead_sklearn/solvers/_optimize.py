"""Maximisation of a smooth objective under bounds, finished by Newton steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize

from bead_sklearn.solvers._bfgs import DENSE_UP_TO, bfgs
from bead_sklearn.solvers._coordinates import bounded_spread, root_of

#: Up to this many parameters the quasi-Newton solution is polished with Newton steps
#: on a finite-difference Hessian of the exact gradient, if that is not small yet.
_POLISH_UP_TO = 12
_POLISH_STEPS = 4
_POLISH_FROM = 1e-4
_DIFFERENCE = 1e-5
#: By how much a step that makes the gradient smaller may lower the objective: that of
#: adaptive quadrature is the gradient of the integral, not of the sum.
_SLACK = 1e-3

#: Shares of its reference value at which a standard deviation is tried if the search
#: ended below the last figure. The likelihood is even in a standard deviation, so that
#: zero is always stationary but need not be a maximum.
_FINE = (0.3, 0.1, 0.03, 0.01)
_SMALL = 0.02
_RISE = 1e-6
_MAX_SEARCHES = 4

#: Times the square root of the rounding error of the objective: a smaller gradient
#: cannot be told from none.
_NOISE = 10.0

#: Relative rises of the objective that end a search: one known to rounding error, and
#: one that is estimated; and the gradient that the latter may be left with.
_EXACT_RISE, _ESTIMATED_RISE = 1e-14, 1e-11
_SMALL_SLOPE = 0.02

#: Distance from a lower bound, in units of that of the start, which is rounding.
_ON_BOUND = 1e-14

#: Steps after which the search with a dense curvature is given up, and by parameter;
#: and the gradient from which it is.
_PATIENCE, _PATIENCE_EACH = 100, 20
_LOST = 1e-3

#: With more parameters their inverse curvature is not kept.
_SPREAD_UP_TO = 100

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
    spread : ndarray of shape (k, k) or None
        Inverse curvature as the optimizer learned it; None if there are many
        parameters or nothing to optimise.
    """

    x: np.ndarray
    value: float
    gradient_norm: float
    n_iter: int
    converged: bool
    message: str
    spread: np.ndarray | None = None


def maximize(
    objective: Objective,
    start: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    reference: np.ndarray,
    max_iter: int,
    tol: float,
    callback: Callable[[np.ndarray], None],
    spread: np.ndarray | None = None,
    is_exact: bool = True,
    is_scaled: bool = False,
) -> Maximum:
    """Maximise ``objective``, which returns value and gradient, under bounds.

    The parameters should be scaled such that their curvature is about 1.

    Parameters
    ----------
    objective : callable
        x -> (value, gradient).
    start, lower, upper : ndarray of shape (k,)
        Starting point and bounds; equal bounds fix a parameter.
    reference : ndarray of shape (k,)
        Ordinary size of each parameter that is bounded by 0.
    max_iter : int
        Largest number of quasi-Newton iterations.
    tol : float
        The search stops when no component of the gradient exceeds ``tol``.
    callback : callable
        Called with x after each iteration.
    spread : ndarray of shape (k, k), default=None
        Inverse curvature, if it is known from a similar objective. One of another
        shape is ignored.
    is_exact : bool, default=True
        Whether the gradient is that of the value to rounding error. Otherwise the
        search ends where the value rises by less than a part in 10^11, and there are
        no Newton steps.
    is_scaled : bool, default=False
        Whether the curvature is so nearly 1, or ``spread``, that first steps may have
        their full length.

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
    scales = np.flatnonzero(moving & (lower == 0.0) & (reference > 0.0))
    x, n_iter, reason = start, 0, ""
    rounding = np.finfo(np.float64).eps * max(1.0, abs(objective(start)[0]))
    tol = max(tol, _NOISE * float(np.sqrt(rounding)))
    if spread is None or spread.shape != 2 * start.shape:
        spread = np.eye(len(start))
    is_dense = is_exact and is_scaled and moving.sum() <= DENSE_UP_TO
    for _ in range(_MAX_SEARCHES + is_dense):
        if is_dense:
            x, value, gradient, n, reason, spread = _dense_search(
                *(objective, x, lower, upper, reference, spread),
                *(min(max_iter - n_iter, _patience(moving)), tol, callback),
            )
            free = _free(x, gradient, lower, upper)
            is_lost = np.abs(gradient[free]).max(initial=0.0) > _LOST
            if is_lost and n_iter + n < max_iter:
                # Zigzags in the narrow valley of a covariance that loses its rank.
                is_dense, spread = False, np.eye(len(start))
                n_iter += n
                continue
        else:
            root = root_of(spread[np.ix_(moving, moving)], np.isfinite(lower[moving]))
            x, value, gradient, n, reason, spread = _search(
                *(objective, x, lower, upper, root, max_iter - n_iter, tol),
                _EXACT_RISE if is_exact else _ESTIMATED_RISE,
                callback,
            )
        n_iter += n
        # Near zero a standard deviation is nearly stationary whatever the likelihood.
        small = scales[x[scales] < _SMALL * reference[scales]]
        elsewhere = _probe(objective, x, reference, small)
        if (elsewhere == x).all() or n_iter >= max_iter:
            break
        x = elsewhere
    is_rough = is_exact and np.abs(gradient).max() > _POLISH_FROM
    if is_rough and moving.sum() <= _POLISH_UP_TO:
        x, value, gradient = _polish(objective, x, value, gradient, lower, upper, tol)
        callback(x)
    norm = float(np.abs(gradient[_free(x, gradient, lower, upper)]).max(initial=0.0))
    # The line search may stop a little early on rounding noise; what counts is
    # whether the gradient is small.
    converged = norm <= (max(100.0 * tol, 1e-3) if is_exact else _SMALL_SLOPE)
    kept = spread if len(x) <= _SPREAD_UP_TO else None
    return Maximum(x, value, norm, n_iter, converged, reason, kept)


def _patience(moving: np.ndarray) -> int:
    """Return the number of steps after which a dense search is given up."""
    return _PATIENCE + _PATIENCE_EACH * int(moving.sum())


def _dense_search(
    objective: Objective,
    start: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    reference: np.ndarray,
    spread: np.ndarray,
    max_iter: int,
    tol: float,
    callback: Callable[[np.ndarray], None],
) -> tuple[np.ndarray, float, np.ndarray, int, str, np.ndarray]:
    """Search from one point by BFGS, among the parameters that are not held."""
    moving = lower < upper
    inner = np.ix_(moving, moving)

    def complete(z: np.ndarray) -> np.ndarray:
        full = start.copy()
        full[moving] = z
        return full

    def restricted(z: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = objective(complete(z))
        return value, gradient[moving]

    z, value, by_z, n_iter, reason, found = bfgs(
        restricted,
        start[moving],
        lower[moving],
        upper[moving],
        reference=reference[moving],
        spread=bounded_spread(spread[inner]),
        max_iter=max(1, max_iter),
        tol=tol,
        callback=lambda z: callback(complete(z)),
    )
    gradient, spread = np.zeros(len(start)), np.eye(len(start))
    gradient[moving], spread[inner] = by_z, found
    return complete(z), value, gradient, n_iter, reason, spread


def _search(
    objective: Objective,
    start: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    root: np.ndarray,
    max_iter: int,
    tol: float,
    smallest_rise: float,
    callback: Callable[[np.ndarray], None],
) -> tuple[np.ndarray, float, np.ndarray, int, str, np.ndarray]:
    """Search from one point by L-BFGS-B, in steps ``root @ z`` from it."""
    moving = lower < upper
    units = np.diagonal(root)

    def complete(z: np.ndarray) -> np.ndarray:
        full = start.copy()
        full[moving] += root @ z
        # A bound is met exactly, not but for rounding: 1e-17 is not 0 to a scale.
        sizes = _ON_BOUND * np.abs(start)
        full = np.where(np.abs(full - lower) <= sizes, lower, full)
        return np.clip(full, lower, upper)

    def negative(z: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = objective(complete(z))
        return -value, -root.T @ gradient[moving]

    result = optimize.minimize(
        negative,
        np.zeros(len(root)),
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
            "gtol": tol,
            "ftol": smallest_rise,
        },
    )
    x = complete(result.x)
    value, gradient = objective(x)
    gradient[~moving] = 0.0
    spread = np.eye(len(start))
    spread[np.ix_(moving, moving)] = root @ result.hess_inv.todense() @ root.T
    return x, value, gradient, int(result.nit), str(result.message), spread


def _probe(
    objective: Objective,
    x: np.ndarray,
    reference: np.ndarray,
    indices: np.ndarray,
) -> np.ndarray:
    """Move each standard deviation to the best of some shares of its reference."""
    if not len(indices):
        return x
    best, best_value = x, objective(x)[0]
    for index in indices:
        for share in _FINE:
            moved = best.copy()
            moved[index] = share * reference[index]
            value = objective(moved)[0]
            if value > best_value + _RISE:
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
        if not (smaller and new_value >= value - _SLACK):
            break
        x, value, gradient = proposal, new_value, new_gradient
    return x, value, gradient
