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
from torch import Tensor

from bead_sklearn.effects import RandomFactor
from bead_sklearn.families import ConditionalLogit, Family
from bead_sklearn.nn._intercepts import has_single_effects, laplace_single_effects
from bead_sklearn.solvers import DenseBlock, Design
from bead_sklearn.solvers._laplace import LaplaceObjective


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
