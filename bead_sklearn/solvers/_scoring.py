"""Newton steps for variance parameters, with an information that is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

#: Most steps, and most halvings of one of them.
_MAX_STEPS, _MAX_HALVINGS = 10, 3

#: Logarithms of the factors by which one step changes a standard deviation at most.
_LOG_FACTORS = (-2.0, 2.0)

#: Below this share of its ordinary size a standard deviation is near zero, where the
#: likelihood is flat and its curvature says little.
_SMALL = 0.02

#: Relative rounding error of a log-likelihood, and times its root the gradient that
#: cannot be told from none.
_ROUNDING = 4.0 * np.finfo(np.float64).eps
_NOISE = 0.5

#: Smallest information of a direction relative to the largest, in standard units.
_LEAST = 1e-8


class Scored(NamedTuple):
    """Where the steps led.

    Attributes
    ----------
    theta : ndarray of shape (n_parameters,)
        Variance parameters.
    spread : ndarray of shape (n_parameters, n_parameters)
        Inverse information there, 0 for parameters that do not move.
    n_steps : int
        Number of steps.
    """

    theta: np.ndarray
    spread: np.ndarray
    n_steps: int


def score(
    evaluate: Callable[[np.ndarray], tuple[float, np.ndarray]],
    information: Callable[[], np.ndarray],
    theta: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    ordinary: np.ndarray,
    *,
    max_steps: int,
    tol: float,
    keep: Callable[[np.ndarray], None],
) -> Scored:
    """Climb until a step promises nothing more, or leads nowhere.

    Parameters
    ----------
    evaluate : callable
        theta -> log-likelihood and its gradient.
    information : callable
        Information at the point evaluated last.
    theta : ndarray of shape (n_parameters,)
        Where to start.
    lower, upper : ndarray of shape (n_parameters,)
        Bounds; equal ones hold a parameter fixed.
    ordinary : ndarray of shape (n_parameters,)
        Ordinary sizes of standard deviations; 0 for other parameters.
    max_steps : int
        Largest number of steps.
    tol : float
        Gradient, in units of standard errors, that counts as none.
    keep : callable
        Called with theta after each step.
    """
    moving = np.flatnonzero(lower < upper)
    scales = moving[ordinary[moving] > 0]
    value, gradient = evaluate(theta)
    spread = np.zeros((len(theta), len(theta)))
    n_steps = 0
    while True:
        inverse = _inverse(information()[np.ix_(moving, moving)])
        spread[np.ix_(moving, moving)] = inverse
        step = inverse @ gradient[moving]
        if n_steps == min(max_steps, _MAX_STEPS):
            break
        rounding = _ROUNDING * max(1.0, abs(value))
        if step @ gradient[moving] < max(tol**2, _NOISE**2 * rounding):
            break
        for _ in range(_MAX_HALVINGS):
            change = np.zeros(len(theta))
            change[moving] = step
            other = theta + change
            # A standard deviation is nearly linear on the scale of its logarithm.
            growth = np.exp(np.clip(change[scales] / theta[scales], *_LOG_FACTORS))
            other[scales] = theta[scales] * growth
            other = np.clip(other, lower, upper)
            new_value, new_gradient = evaluate(other)
            if new_value >= value - rounding:
                break
            step = 0.5 * step
        else:
            break
        theta, value, gradient = other, new_value, new_gradient
        n_steps += 1
        keep(theta)
        if (theta[scales] < _SMALL * ordinary[scales]).any():
            break
    return Scored(theta, spread, n_steps)


def _inverse(information: np.ndarray) -> np.ndarray:
    """Invert an information; directions it says nothing of are held."""
    units = np.sqrt(np.maximum(np.diagonal(information), 0.0))
    units = np.where(units > 0, units, 1.0)
    values, vectors = np.linalg.eigh(information / np.outer(units, units))
    known = values > _LEAST * values[-1]
    half = vectors[:, known] / np.sqrt(values[known]) / units[:, None]
    return half @ half.T
