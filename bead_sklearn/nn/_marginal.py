"""The marginal log-likelihood of a batch, with its gradient for a network.

The effects of the levels in a batch are integrated out by the solvers' Laplace
approximation, exact for normal responses. Its derivative in each linear predictor,

    rho_i = l'_i - c_i / 2 + W_i (G q)_i / 2,

is what flows back into the network that made it. Batches hold whole levels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

from bead_sklearn.effects import RandomFactor
from bead_sklearn.families import ConditionalLogit, Family, QuadraticFamily
from bead_sklearn.nn._intercepts import has_single_effects, laplace_single_effects
from bead_sklearn.solvers import DenseBlock, Design
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._scales import parameter_slices
from bead_sklearn.solvers._start import em_step

#: Iterations of the profile of intercept and parameters of the family, and EM steps.
_PROFILE_ITERATIONS, _EM_STEPS = 10, 3

#: Share of the largest response below which residuals are rounding errors.
_ROUNDING = 1e-7


@dataclass(frozen=True)
class EffectState:
    """What is known of effects and responses apart from the network.

    Attributes
    ----------
    family : Family
        Response distribution with its parameters.
    theta : dict of str to ndarray
        Variance parameters of each factor, on the scale of eta whatever the family.
    """

    family: Family
    theta: dict[str, np.ndarray]

    def theta_of(self, design: Design) -> np.ndarray:
        """Return the variance parameters in the order of a design."""
        parts = [self.theta[factor.name] for factor in design.factors]
        return np.concatenate([np.zeros(0), *parts])

    def scale(self, factor: RandomFactor) -> np.ndarray:
        """Return L of one factor, (r, r)."""
        return factor.structure.factor(self.theta[factor.name])


def batch_design(
    factors: tuple[RandomFactor, ...], n_rows: int, f: np.ndarray, n_outputs: int
) -> Design:
    """Return the linear predictor of some rows, the network's part known.

    Parameters
    ----------
    factors : tuple of RandomFactor
        Effects of the rows; levels that no row has are left out.
    n_rows : int
        Number of rows.
    f : ndarray of shape (n_rows * n_outputs,)
        What the network says.
    n_outputs : int
        Number of linear predictors per row.
    """
    return Design(
        n_rows,
        DenseBlock(np.zeros((n_rows, 0))),
        factors=tuple(map(_present_levels, factors)),
        n_outputs=n_outputs,
        offset=f,
    )


def _present_levels(factor: RandomFactor) -> RandomFactor:
    """Leave out levels that no row has, and renumber the others."""
    levels, codes = np.unique(factor.codes, return_inverse=True)
    return replace(
        factor,
        codes=codes,
        n_levels=len(levels),
        sizes=None if factor.sizes is None else factor.sizes[levels],
    )


def rows_family(family: Family, sets: np.ndarray | None) -> Family:
    """Return the family for some rows, which for choices knows their sets.

    Parameters
    ----------
    family : Family
        Of all rows.
    sets : ndarray of int of shape (n_rows,) or None
        Choice set of each row, those of a set next to each other.
    """
    if family.sets is None or sets is None:
        return family
    return ConditionalLogit(np.cumsum(np.diff(sets, prepend=sets[0]) != 0))


class _Marginal(torch.autograd.Function):
    """A number that is known together with its gradient in f."""

    @staticmethod
    def forward(ctx: Any, f: Tensor, value: float, rho: Tensor) -> Tensor:
        ctx.save_for_backward(rho)
        return f.new_tensor(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (rho,) = ctx.saved_tensors
        return gradient * rho, None, None


def marginal_log_likelihood(
    f: Tensor,
    y: np.ndarray,
    weights: np.ndarray,
    factors: tuple[RandomFactor, ...],
    state: EffectState,
) -> Tensor:
    """Return the marginal log-likelihood of rows, differentiable in ``f``.

    Parameters
    ----------
    f : Tensor of shape (n,) or (n, J)
        Linear predictor without the effects.
    y : ndarray of shape (n,) or (n, J)
        Encoded responses.
    weights : ndarray of shape (n,)
        How many times each row counts.
    factors : tuple of RandomFactor
        Effects of these rows. Levels must be whole: rows of a level that are not here
        do not count.
    state : EffectState
        Variances and the family of these rows.

    Returns
    -------
    log_likelihood : Tensor of shape ()
        Summed over rows.
    """
    flat = np.asarray(f.detach().cpu(), dtype=np.float64).ravel()
    value, by_eta = _value_and_gradient(flat, y, weights, factors, state)
    rho = torch.as_tensor(by_eta, dtype=f.dtype, device=f.device)
    result: Tensor = _Marginal.apply(  # type: ignore[no-untyped-call]
        f, value, rho.reshape(f.shape)
    )
    return result


def _value_and_gradient(
    flat: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    factors: tuple[RandomFactor, ...],
    state: EffectState,
) -> tuple[float, np.ndarray]:
    if has_single_effects(factors, state.family):
        factor = factors[0]
        a = float(state.scale(factor)[0, 0]) * factor.z[:, 0]
        codes = np.unique(factor.codes, return_inverse=True)[1]
        found = laplace_single_effects(flat, y, weights, a, codes, state.family)
        if found is not None:
            return found
    objective = _objective(flat, y, weights, factors, state.family)
    theta = state.theta_of(objective.design)
    value, *_ = objective(np.zeros(0), theta, state.family.parameters)
    return value, objective.rho


def _objective(
    flat: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    factors: tuple[RandomFactor, ...],
    family: Family,
) -> LaplaceObjective:
    n_rows = len(weights)
    design = batch_design(factors, n_rows, flat, family.n_outputs)
    if family.sets is not None:
        design = replace(design, sets=family.sets)
    return LaplaceObjective(design, family, y, weights, with_fixed=False, reml=False)


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

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, by_beta, _, by_own = objective(x[:n_beta], theta, x[n_beta:])
        if not np.isfinite(value):
            return np.inf, np.zeros_like(x)
        return -value / total, -np.append(by_beta, by_own) / total

    x = np.append(np.zeros(n_beta), current.parameters)
    moving = np.full(len(theta), estimate and bool(factors))
    for step in range(_EM_STEPS if moving.any() else 1):
        if len(x):
            found = optimize.minimize(
                loss,
                x,
                jac=True,
                method="L-BFGS-B",
                options={"maxiter": _PROFILE_ITERATIONS if step == 0 else 2},
            )
            if found.fun <= loss(x)[0]:
                x = found.x
        value, _, gradient, _ = objective(x[:n_beta], theta, x[n_beta:])
        if isinstance(current, QuadraticFamily) and not current.fixed:
            current = current.with_sigma(_sigma(objective, current, y, weights))
            kept = objective.own, objective.rest
            objective = make(current)
            objective.own, objective.rest = kept
            objective._last = None
            value, _, gradient, _ = objective(x[:n_beta], theta, x[n_beta:])
        if moving.any():
            theta = em_step(design, theta, gradient, moving)
    value, *_ = objective(x[:n_beta], theta, x[n_beta:])
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
