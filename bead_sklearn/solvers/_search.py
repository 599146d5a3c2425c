"""The search for the maximum of a likelihood, in coordinates that suit an optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._mirror import mirrored
from bead_sklearn.solvers._optimize import Maximum, maximize
from bead_sklearn.solvers._parameters import VarianceParameters
from bead_sklearn.solvers._scoring import score
from bead_sklearn.solvers._start import em_step, theta_units

#: Steps of the EM algorithm before the search. A second one saves nothing.
_EM_STEPS = 1

#: An EM step of so many standard errors, and of at most such a share of a standard
#: deviation, tells how much of the information on it the data have: at least so much.
_TELLING, _SHORT, _LEAST_KNOWN = 0.5, 0.15, 0.03

#: A standard deviation below this share of its ordinary size is reported as zero.
_SINGULAR = 1e-4

#: How often a search goes on beyond a zero diagonal entry of L, and by how much the
#: likelihood must rise there.
_MAX_MIRRORS = 4
_RISE = 1e-6

#: (free, theta) -> value, gradient in free, gradient in theta.
Likelihood = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray, np.ndarray]]


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
    basis : ndarray of shape (k, k)
        Root of the covariance of ``free``, about.
    """

    free: np.ndarray
    theta: np.ndarray
    optimum: Maximum
    history: list[np.ndarray]
    unit: np.ndarray
    basis: np.ndarray


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
    information: Callable[[], np.ndarray] | None = None,
    recenter: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None,
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
    information : callable, default=None
        Information of ``theta`` at the last evaluation. The search then begins with
        Newton steps rather than those of the EM algorithm.
    recenter : callable, default=None
        theta -> center, basis: those that suit other variances than the first ones.
    """
    k = len(center)
    lower, upper, precision = parameters.lower, parameters.upper, parameters.precision

    def penalised(
        free: np.ndarray, theta: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        value, by_free, by_theta = likelihood(free, theta)
        pull = precision @ theta
        return value - 0.5 * float(pull @ theta), by_free, by_theta - pull

    theta, moving = parameters.start, lower < upper
    is_far = bool(moving.any()) and not parameters.is_near
    history = [theta]

    def keep(theta: np.ndarray) -> None:
        if verbose:
            shown = np.array2string(theta, precision=5, suppress_small=True)
            print(f"iteration {len(history)}: scales of the effects {shown}")
        history.append(theta)

    spread, n_iter = parameters.spread if parameters.is_near else None, 0
    if information is not None and moving.any():
        theta, known, n_iter = score(
            lambda theta: penalised(center, theta)[::2],
            lambda: information() + precision,
            theta,
            lower,
            upper,
            parameters.ordinary,
            max_steps=max_iter,
            tol=tol,
            keep=keep,
        )
    elif is_far:
        for _ in range(_EM_STEPS):
            before, gradient = theta, penalised(center, theta)[2]
            theta = np.clip(em_step(design, theta, gradient, moving), lower, upper)
            keep(theta)
        if recenter is not None and k:
            center, basis = recenter(theta)
    unit = theta_units(design, theta, parameters.ordinary)
    if n_iter:
        spread = known / np.outer(unit, unit)
    elif is_far and information is None:
        change = unit * (gradient - penalised(center, theta)[2])
        share = known_share(change, (theta - before) / unit, theta / unit)
        spread = np.diag(np.append(np.ones(k), 1.0 / share))

    first, first_x = theta, theta / unit

    def theta_of(x: np.ndarray) -> np.ndarray:
        # The start is met exactly, so that it is not evaluated again.
        return np.where(x[k:] == first_x, first, unit * x[k:])

    def at(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, by_free, by_theta = penalised(center + basis @ x[:k], theta_of(x))
        return value, np.append(basis.T @ by_free, unit * by_theta)

    def record(x: np.ndarray) -> None:
        keep(theta_of(x))

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
            is_scaled=True,
        )
        return found._replace(n_iter=found.n_iter + n_iter)

    optimum = from_point(np.append(np.zeros(k), first_x), spread, n_iter)
    for _ in range(_MAX_MIRRORS):
        theta = theta_of(optimum.x)
        other = mirrored(design, theta, parameters.ordinary)
        if np.array_equal(other, theta) or optimum.n_iter >= max_iter:
            break
        x = np.append(optimum.x[:k], other / unit)
        again = from_point(x, None, optimum.n_iter)
        if again.value <= optimum.value + _RISE:
            optimum = optimum._replace(n_iter=again.n_iter)
            break
        optimum = again
    theta = _zero_if_singular(theta_of(optimum.x), parameters)
    free = center + basis @ optimum.x[:k]
    return Solution(free, theta, optimum, history, unit, basis)


def known_share(change: np.ndarray, moved: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Estimate how much of the information on each parameter the data have.

    From what the gradient did along an EM step, where that was short as such a step is
    when the data have little. All in units of the standard errors that there would be
    if the effects were known.

    Parameters
    ----------
    change, moved : ndarray of shape (n_parameters,)
        By how much the gradient fell and the parameters moved.
    theta : ndarray of shape (n_parameters,)
        Where to.
    """
    is_telling = (np.abs(moved) > _TELLING) & (np.abs(moved) < _SHORT * theta)
    share = np.divide(change, moved, out=np.ones_like(moved), where=is_telling)
    return np.clip(share, _LEAST_KNOWN, 1.0)


def _zero_if_singular(theta: np.ndarray, parameters: VarianceParameters) -> np.ndarray:
    """Report a standard deviation that ran into zero as zero."""
    free = parameters.lower < parameters.upper
    near_zero = np.abs(theta) < _SINGULAR * parameters.ordinary
    return np.where(free & near_zero & (parameters.lower == 0.0), 0.0, theta)
