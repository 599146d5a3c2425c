"""The search for the maximum of a likelihood, in coordinates that suit an optimizer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._mirror import mirrored
from bead_sklearn.solvers._optimize import Maximum, maximize
from bead_sklearn.solvers._parameters import VarianceParameters
from bead_sklearn.solvers._start import (
    Likelihood,
    Visited,
    approach,
    secant_update,
    slowness,
    theta_units,
)

#: A standard deviation below this share of its ordinary size is reported as zero.
_SINGULAR = 1e-4

#: Below this share so is one without which the log-likelihood is lower by no more.
_SMALL, _FLAT = 1e-3, 1e-8

#: How often a search goes on beyond a zero diagonal entry of L, and by how much the
#: likelihood must rise there.
_MAX_MIRRORS = 4
_RISE = 1e-6


def remember_last(likelihood: Likelihood) -> Likelihood:
    """Wrap a likelihood so that asking twice in a row at one point costs once.

    What it keeps of the last point besides stays valid.
    """
    last: list[tuple[np.ndarray, tuple[float, np.ndarray, np.ndarray]]] = []

    def remembered(
        free: np.ndarray, theta: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        point = np.append(free, theta)
        if not last or not np.array_equal(last[0][0], point):
            last[:] = [(point, likelihood(free, theta))]
        return last[0][1]

    return remembered


class Solution(NamedTuple):
    """Where a likelihood is largest.

    Attributes
    ----------
    free : ndarray of shape (k,)
        Parameters without bounds: fixed effects and those of the family.
    theta : ndarray of shape (n_parameters,)
        Variance parameters; exactly 0 where they ran into zero.
    optimum : Maximum
        How the optimizer ended.
    history : list of ndarray
        ``theta`` at the start, after each EM step and after each iteration.
    unit : ndarray of shape (n_parameters,)
        About the standard errors of ``theta``.
    """

    free: np.ndarray
    theta: np.ndarray
    optimum: Maximum
    history: list[np.ndarray]
    unit: np.ndarray


def search(
    likelihood: Likelihood,
    design: Design,
    parameters: VarianceParameters,
    center: np.ndarray,
    basis: np.ndarray,
    *,
    max_iter: int,
    tol: float,
    verbose: bool,
    is_exact: bool = True,
) -> Solution:
    """Maximise a likelihood from a good starting point.

    Parameters
    ----------
    likelihood : callable
        (free, theta) -> value, gradient in free, gradient in theta.
    design : Design
        The linear predictor.
    parameters : VarianceParameters
        Start, bounds and prior of ``theta``.
    center : ndarray of shape (k,)
        Start of the free parameters.
    basis : ndarray of shape (k, k)
        Root of their covariance, about; the search is in ``center + basis @ x``.
    max_iter : int
        Largest number of iterations.
    tol : float
        Largest component of the gradient, in units of standard errors, at the end.
    verbose : bool
        Whether each iteration prints a line.
    is_exact : bool, default=True
        Whether the likelihood is known to rounding error, not estimated.
    """
    k = len(center)
    lower, upper, precision = parameters.lower, parameters.upper, parameters.precision

    def penalised(
        free: np.ndarray, theta: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        value, by_free, by_theta = likelihood(free, theta)
        pull = precision * theta
        return value - 0.5 * float(pull @ theta), by_free, by_theta - pull

    theta, moving = parameters.start, lower < upper
    history = [theta]

    def keep(theta: np.ndarray) -> None:
        if verbose:
            shown = np.array2string(theta, precision=5, suppress_small=True)
            print(f"iteration {len(history)}: scales of the effects {shown}")
        history.append(theta)

    last: Visited | None = None
    if moving.any() and not parameters.is_near:
        center, theta, last = approach(
            penalised, design, parameters, center, basis, keep
        )
    unit = theta_units(design, theta, parameters.ordinary)

    def at(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, by_free, by_theta = penalised(center + basis @ x[:k], unit * x[k:])
        return value, np.append(basis.T @ by_free, unit * by_theta)

    def record(x: np.ndarray) -> None:
        keep(unit * x[k:])

    unbounded = np.full(k, np.inf)

    def from_point(x: np.ndarray, spread: np.ndarray | None, n_iter: int) -> Maximum:
        found = maximize(
            at,
            x,
            np.append(-unbounded, lower / unit),
            np.append(unbounded, upper / unit),
            reference=np.append(np.zeros(k), parameters.ordinary / unit),
            max_iter=max_iter - n_iter,
            tol=tol,
            callback=record,
            spread=spread,
            is_exact=is_exact,
        )
        return found._replace(n_iter=found.n_iter + n_iter)

    x = np.append(np.zeros(k), theta / unit)
    spread = parameters.spread if parameters.is_near else None
    if last is not None:
        before = np.append(basis.T @ last.by_free, unit * last.by_theta)
        after = at(x)[1]
        slow = slowness(design, before[k:], after[k:])
        spread = np.diag(np.append(np.ones(k), slow))
        if (last.free == center).all():
            step = np.append(np.zeros(k), (theta - last.theta) / unit)
            spread = secant_update(spread, step, before - after)
    optimum = from_point(x, spread, 0)
    for _ in range(_MAX_MIRRORS):
        theta = unit * optimum.x[k:]
        other = mirrored(design, theta, parameters.ordinary)
        if (other == theta).all() or optimum.n_iter >= max_iter:
            break
        x = np.append(optimum.x[:k], other / unit)
        again = from_point(x, None, optimum.n_iter)
        if again.value <= optimum.value + _RISE:
            optimum = optimum._replace(n_iter=again.n_iter)
            break
        optimum = again
    free, theta = center + basis @ optimum.x[:k], unit * optimum.x[k:]
    theta = _zero_below(_SINGULAR, theta, parameters)
    zero = _zero_below(_SMALL, theta, parameters)
    if (zero != theta).any() and penalised(free, zero)[0] > optimum.value - _FLAT:
        theta = zero
    return Solution(free, theta, optimum, history, unit)


def _zero_below(
    share: float, theta: np.ndarray, parameters: VarianceParameters
) -> np.ndarray:
    """Set standard deviations below a share of their ordinary size to zero."""
    free = parameters.lower < parameters.upper
    near_zero = np.abs(theta) < share * parameters.ordinary
    return np.where(free & near_zero & (parameters.lower == 0.0), 0.0, theta)
