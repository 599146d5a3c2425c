"""The step at the end of an epoch: intercept and family profiled, variances moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import optimize

from bead_sklearn.effects import RandomFactor
from bead_sklearn.families import Family, QuadraticFamily
from bead_sklearn.nn._marginal import EffectState, batch_design
from bead_sklearn.solvers import DenseBlock
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._scales import parameter_slices
from bead_sklearn.solvers._start import em_step

#: Iterations of the profile of intercept and parameters of the family, and EM steps.
_PROFILE_ITERATIONS, _EM_STEPS = 10, 3
#: The profile ends when a step would raise the log-likelihood by less than this,
#: which is 1/70 of a standard error.
_PROFILE_GAIN = 1e-4

#: Share of the largest response below which residuals are rounding errors.
_ROUNDING = 1e-7


@dataclass(frozen=True)
class Profile:
    """What the epoch-end step found.

    Attributes
    ----------
    intercept : ndarray of shape (J,)
        What is to be added to the intercepts of the network.
    state : EffectState
        Variances after the step, and the family with new parameters.
    modes : dict of str to ndarray
        Posterior means of the standardised effects of each factor, (q, r), of the
        levels that occur, in order.
    log_likelihood : float
        Marginal, before the last EM step.
    """

    intercept: np.ndarray
    state: EffectState
    modes: dict[str, np.ndarray]
    log_likelihood: float


def profile(
    f: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    factors: tuple[RandomFactor, ...],
    state: EffectState,
    *,
    estimate: bool = True,
) -> Profile:
    """Profile the intercept and the family at fixed ``f``; move the variances.

    The intercepts and parameters of the family go to the maximum of the marginal
    likelihood; without that the effects take up the bias of a network that is not yet
    trained. The variances take EM steps whose fixed point is the maximum too, because
    the posterior second moments in them are corrected for skewness.

    Parameters
    ----------
    f : ndarray of shape (n,) or (n, J)
        Linear predictor without the effects.
    y, weights, factors, state
        As in :func:`marginal_log_likelihood`.
    estimate : bool, default=True
        Whether the variances move.

    Returns
    -------
    profile : Profile
        Intercepts, variances, family and modes.
    """
    family = state.family
    n_outputs = family.n_outputs
    flat = np.asarray(f, dtype=np.float64).ravel()
    n_rows, total = len(weights), float(weights.sum())
    base = batch_design(factors, n_rows, flat, n_outputs)
    ones = DenseBlock(np.ones((n_rows, int(family.has_intercept))))
    design = replace(base, fixed=ones, sets=family.sets)
    theta = state.theta_of(design)
    n_beta = design.n_fixed
    current = family

    def make(family: Family) -> LaplaceObjective:
        return LaplaceObjective(
            design, family, y, weights, with_fixed=False, reml=False
        )

    objective = make(current)
    last: list[Any] = []

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        point = np.append(x, theta)
        if not (last and np.array_equal(last[0], point)):
            last[:] = point, objective(x[:n_beta], theta, x[n_beta:])
        found: tuple[float, np.ndarray, np.ndarray, np.ndarray] = last[1]
        return found

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, by_beta, _, by_own = evaluate(x)
        if not np.isfinite(value):
            return np.inf, np.zeros_like(x)
        return -value / total, -np.append(by_beta, by_own) / total

    x = np.append(np.zeros(n_beta), current.parameters)
    if len(x):
        x = _minimize(loss, x, objective, weights)
    moving = np.full(len(theta), estimate and bool(factors))
    for _ in range(_EM_STEPS if moving.any() else 1):
        value, _, gradient, _ = evaluate(x)
        if isinstance(current, QuadraticFamily) and not current.fixed:
            current = current.with_sigma(_sigma(objective, current, y, weights))
            kept = objective.own, objective.rest
            objective = make(current)
            objective.own, objective.rest = kept
            objective._last = None
            last.clear()
            value, _, gradient, _ = evaluate(x)
        if moving.any():
            theta = em_step(design, theta, gradient, moving)
    value, *_ = evaluate(x)
    slices = parameter_slices(design)
    by_name = {
        factor.name: theta[part]
        for factor, part in zip(design.factors, slices, strict=True)
    }
    return Profile(
        x[:n_beta],
        EffectState(objective.family, by_name),
        _modes(objective),
        float(value),
    )


def _minimize(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]],
    x: np.ndarray,
    objective: LaplaceObjective,
    weights: np.ndarray,
) -> np.ndarray:
    """Return where the loss per judgment is smallest, near ``x``.

    The unit of x is such that the first step is that of Newton's method if the squared
    scores of the rows tell the information; after it L-BFGS knows better.
    """
    value, gradient = loss(x)
    size = float(np.linalg.norm(gradient))
    total = float(weights.sum())
    information = float((objective.rho**2).sum()) / total
    least = _PROFILE_GAIN / total
    if not size > 0 or size**2 < least * information:
        return x
    unit = size / information if information > 0 else size

    def scaled(z: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = loss(x + unit * z)
        return value, unit * gradient

    found = optimize.minimize(
        scaled,
        np.zeros_like(x),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": _PROFILE_ITERATIONS,
            "ftol": least / max(1.0, abs(value)),
            "gtol": 0.0,
        },
    )
    return x + unit * found.x if found.fun <= value else x


def _sigma(
    objective: LaplaceObjective,
    family: QuadraticFamily,
    y: np.ndarray,
    weights: np.ndarray,
) -> float:
    """Take an EM step of sigma: the posterior mean of the squared residuals.

    What is smaller than the rounding of a network's single precision counts as that.
    """
    response = family.working_response(y)
    residual = response - objective.eta
    squares = residual**2 + objective._covariances
    least = _ROUNDING * (float(np.abs(response).max()) or 1.0)
    return max(float(np.sqrt(weights @ squares / weights.sum())), least)


def _modes(objective: LaplaceObjective) -> dict[str, np.ndarray]:
    """Return posterior means of the standardised effects, factor by factor."""
    design = objective.design
    result = {}
    if design.eliminated is not None:
        own = objective.own - 0.5 * objective.own_skew
        result[design.eliminated.name] = own
    rest = objective.rest - 0.5 * objective.rest_skew
    for factor, part in zip(design.rest_factors, design.rest_slices, strict=False):
        result[factor.name] = rest[part].reshape(factor.n_levels, factor.size)
    return result
