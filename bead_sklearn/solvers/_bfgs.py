"""Quasi-Newton maximisation under bounds, in coordinates of about unit curvature.

Every evaluation of a marginal likelihood is dear, and its curvature is nearly known
before the search. So steps begin with their full length, rejected points teach the
curvature as accepted ones do, and the estimate of the curvature is a dense matrix
(Nocedal & Wright 2006, Numerical Optimization, chapters 6 and 16).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: With more parameters a dense matrix no longer pays.
DENSE_UP_TO = 600

#: Rise of the objective that is enough, as a share of the expected one, and the share
#: of a step that is tried next, at least and at most.
_ENOUGH = 1e-4
_SHORTER, _LITTLE_SHORTER = 0.1, 0.6
_MAX_SHORTENINGS = 20

#: Longest first step in units of about a standard error, as an average over parameters,
#: and by how much the next one may be longer; parameters with a lower bound have a
#: limit of their own.
_LONGEST, _LONGER = 10.0, 3.0

#: Largest share of its value by which a parameter with a lower bound falls in a step,
#: unless it is below this share of its ordinary size.
_MOST_FALL, _SMALL = 0.75, 0.05

#: Rounding of the objective, relative, and what an inconsistent gradient may cost.
_ROUNDING, _SLACK = 1e-14, 1e-9

#: Least curvature along a step, as a share of the one expected, with which it is used.
_LEAST_CURVATURE = 0.02

_ACTIVE_SET_ROUNDS = 10
_QUIET_STEPS = 2

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


def bfgs(
    objective: Objective,
    start: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    reference: np.ndarray,
    spread: np.ndarray,
    max_iter: int,
    tol: float,
    callback: Callable[[np.ndarray], None],
) -> tuple[np.ndarray, float, np.ndarray, int, str, np.ndarray]:
    """Maximise ``objective``, which returns value and gradient.

    Parameters
    ----------
    objective : callable
        x -> (value, gradient).
    start, lower, upper : ndarray of shape (k,)
        Starting point and bounds; different ones.
    reference : ndarray of shape (k,)
        Ordinary size of each parameter that is bounded by 0.
    spread : ndarray of shape (k, k)
        Inverse curvature, about; positive definite.
    max_iter : int
        Largest number of steps.
    tol : float
        Largest component of the gradient at the end.
    callback : callable
        Called with x after each step.

    Returns
    -------
    x, value, gradient : ndarray, float, ndarray
        Where the search ended.
    n_iter : int
        Number of steps.
    message : str
        Why it ended.
    spread : ndarray of shape (k, k)
        Inverse curvature as the search learned it.
    """
    known = _Curvature(spread)
    x = start
    value, gradient = objective(x)
    quiet, longest = 0, _LONGEST * float(np.sqrt(len(x)))
    for n_iter in range(max_iter):
        free = _free(x, gradient, lower, upper)
        if np.abs(gradient[free]).max(initial=0.0) <= tol:
            return x, value, gradient, n_iter, "the gradient is small", known.inverse
        floor = _floor(x, lower, reference)
        step = _step(x, gradient, known, free, floor, upper, longest)
        slope = float(gradient @ step)
        rounding = _ROUNDING * max(1.0, abs(value))
        for _ in range(_MAX_SHORTENINGS):
            proposal = np.clip(x + step, lower, upper)
            with np.errstate(
                over="ignore", invalid="ignore"
            ):  # such steps are too long
                new_value, new_gradient = objective(proposal)
            if np.isfinite(new_value):
                known.learn(proposal - x, new_gradient - gradient)
            if _is_enough(value, slope, new_value, float(new_gradient @ step)):
                break
            share = _shorter(value, slope, new_value, float(new_gradient @ step))
            step, slope = share * step, share * slope
        else:
            return x, value, gradient, n_iter, "no step rises", known.inverse
        if _length(proposal - x, lower) > 0.5 * longest:
            longest *= _LONGER
        quiet = quiet + 1 if new_value - value <= rounding else 0
        x, value, gradient = proposal, new_value, new_gradient
        callback(x)
        if quiet >= _QUIET_STEPS:
            message = "the objective rises no more"
            return x, value, gradient, n_iter + 1, message, known.inverse
    message = "as many iterations as allowed"
    return x, value, gradient, max_iter, message, known.inverse


class _Curvature:
    """What is known of the curvature of minus the objective, and its inverse.

    Parameters
    ----------
    inverse : ndarray of shape (k, k)
        A first guess.
    """

    def __init__(self, inverse: np.ndarray) -> None:
        self.inverse = inverse.copy()
        self.matrix = np.linalg.inv(inverse)

    def solve(self, x: np.ndarray, inner: np.ndarray) -> np.ndarray:
        """Return the inverse of the curvature in some parameters, times ``x``."""
        if len(inner) == len(self.matrix):
            full: np.ndarray = self.inverse @ x
            return full
        return np.linalg.solve(self.matrix[np.ix_(inner, inner)], x)

    def learn(self, step: np.ndarray, change: np.ndarray) -> None:
        """Learn from what the gradient of the objective did along a step.

        Where the objective curves upwards, or hardly downwards, the change is taken
        partly from what was expected (Powell's damping).
        """
        product = self.matrix @ step
        expected = float(step @ product)
        change = -change
        found = float(step @ change)
        if expected <= 0.0 or not np.isfinite(found):
            return
        if found < _LEAST_CURVATURE * expected:
            share = (1.0 - _LEAST_CURVATURE) * expected / (expected - found)
            change = share * change + (1.0 - share) * product
            found = _LEAST_CURVATURE * expected
        self.matrix += np.outer(change, change / found)
        self.matrix -= np.outer(product, product / expected)
        moved = self.inverse @ change
        step = step / found
        half = 0.5 * (found + float(change @ moved)) * step - moved
        self.inverse += np.outer(step, half) + np.outer(half, step)


def _free(
    x: np.ndarray, gradient: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    """Parameters that are neither fixed nor held at a bound by the gradient."""
    held = ((x <= lower) & (gradient <= 0)) | ((x >= upper) & (gradient >= 0))
    return ~held & (lower < upper)


def _floor(x: np.ndarray, lower: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Lowest point of the next step: zero is met from nearby only.

    A standard deviation of zero is stationary whatever the likelihood.
    """
    is_scale = (lower == 0.0) & (x > _SMALL * reference)
    return np.where(is_scale, (1.0 - _MOST_FALL) * x, lower)


def _length(step: np.ndarray, lower: np.ndarray) -> float:
    """Length of the part of a step that is without bounds."""
    return float(np.linalg.norm(step[np.isinf(lower)]))


def _step(
    x: np.ndarray,
    gradient: np.ndarray,
    known: _Curvature,
    free: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    longest: float,
) -> np.ndarray:
    """Newton's step among the points within the bounds."""
    step = np.zeros_like(x)
    free = free.copy()
    for _ in range(_ACTIVE_SET_ROUNDS):
        inner = np.flatnonzero(free)
        if not len(inner):
            break
        pull = gradient - known.matrix @ np.where(free, 0.0, step)
        step[inner] = known.solve(pull[inner], inner)
        length = _length(step, lower)
        if length > longest:
            step *= longest / length
        low, high = lower - x, upper - x
        outside = free & ((step < low) | (step > high))
        step = np.clip(step, low, high)
        if not outside.any():
            break
        free &= ~outside
    if gradient @ step <= 0.0:
        step = np.clip(x + gradient, lower, upper) - x
    return step


def _is_enough(value: float, slope: float, new_value: float, new_slope: float) -> bool:
    """Whether a step is good; one that rounding hides is judged by its slopes."""
    if not (np.isfinite(new_value) and np.isfinite(new_slope)):
        return False
    if new_value >= value + _ENOUGH * slope:
        return True
    near = new_value >= value - _SLACK * max(1.0, abs(value))
    return near and abs(new_slope) <= 0.9 * slope


def _shorter(value: float, slope: float, new_value: float, new_slope: float) -> float:
    """Share of a step at which the cubic through both ends is largest."""
    if not (np.isfinite(new_value) and np.isfinite(new_slope)):
        return _SHORTER
    rise = new_value - value
    a = slope + new_slope - 2.0 * rise
    b = 3.0 * rise - 2.0 * slope - new_slope
    # The cubic is value + slope t + b t^2 + a t^3; where the rise is less than a
    # quarter of the slope, it has a maximum.
    best = slope / (np.sqrt(b * b - 3.0 * a * slope) - b)
    return float(np.clip(best, _SHORTER, _LITTLE_SHORTER))
