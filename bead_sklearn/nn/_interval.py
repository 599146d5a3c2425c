"""Log-probability of an interval, differentiable in its bounds to any order.

An interval of the normal distribution is integrated where a difference of distribution
functions would lose its digits: in a tail and where it is narrow. The integrand,
exp(-edge x - x^2 / 2) at distance x from the nearer bound, is of ordinary size however
far out the bound is. Both ways are computed for every row, the one that does not apply
at harmless values, so that no gradient is lost in a branch that is not taken.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_SQRT_HALF = math.sqrt(0.5)
LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)

#: Width of an interval below which it is integrated.
_NARROW_WIDTH = 0.5
#: Twice the fall of the log-density after which the rest of a tail is left out.
_FALL = 90.0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)


class Interval(NamedTuple):
    """Bounds of intervals of a standard distribution, all of one shape.

    Attributes
    ----------
    upper, lower, width : Tensor
        Bounds and their distance; any finite number stands for an infinite one.
    has_upper, has_lower : Tensor of bool
        Whether a bound is finite. At least one is.
    """

    upper: Tensor
    lower: Tensor
    width: Tensor
    has_upper: Tensor
    has_lower: Tensor


class NormalMass(NamedTuple):
    """Probability of an interval under the standard normal distribution.

    Attributes
    ----------
    is_near : Tensor of bool
        Whether the interval is integrated from its nearer bound; ``log_probability``
        is only meant where it is not, ``log_integral`` only where it is.
    flip : Tensor of bool
        Whether the upper bound is the nearer one.
    edge : Tensor
        The nearer bound, positive if it lies between the interval and the centre.
    log_integral : Tensor
        Log of the probability over the density at the nearer bound.
    log_probability : Tensor
        Log of the probability.
    """

    is_near: Tensor
    flip: Tensor
    edge: Tensor
    log_integral: Tensor
    log_probability: Tensor


def log_expit(x: Tensor) -> Tensor:
    """Return log F(x), F logistic, with derivatives that vanish as they should.

    Those of ``logsigmoid`` are differences from 1 where F(x) is near 1.
    """
    positive = x > 0
    falling = torch.where(positive, -x, x)
    return torch.where(positive, torch.zeros_like(x), x) - torch.log1p(falling.exp())


def logistic_log_mass(interval: Interval) -> Tensor:
    """Return log P = log F(U) + log F(-L) + log(1 - exp(-width))."""
    zero = torch.zeros_like(interval.upper)
    bounded = interval.has_upper & interval.has_lower
    share = torch.log(-torch.expm1(-interval.width))
    return (
        torch.where(interval.has_upper, log_expit(interval.upper), zero)
        + torch.where(interval.has_lower, log_expit(-interval.lower), zero)
        + torch.where(bounded, share, zero)
    )


def normal_log_mass(interval: Interval) -> Tensor:
    """Return log P for the standard normal distribution."""
    mass = normal_mass(interval)
    near = -0.5 * mass.edge**2 - LOG_SQRT_2PI + mass.log_integral
    return torch.where(mass.is_near, near, mass.log_probability)


def normal_mass(interval: Interval) -> NormalMass:
    """Return the probability of an interval in the two forms of the module."""
    bounded = interval.has_upper & interval.has_lower
    flip = torch.where(bounded, interval.upper + interval.lower < 0, interval.has_upper)
    edge = torch.where(flip, -interval.upper, interval.lower)
    is_near = (edge > 0) | (bounded & (interval.width < _NARROW_WIDTH))
    zero = torch.zeros_like(edge)
    outside = zero
    for has_bound, bound in (
        (interval.has_upper, -interval.upper),
        (interval.has_lower, interval.lower),
    ):
        counts = has_bound & ~is_near
        tail = 0.5 * torch.erfc(-_SQRT_HALF * torch.where(counts, bound, zero - 1.0))
        outside = outside + torch.where(counts, tail, zero)
    return NormalMass(
        is_near,
        flip,
        edge,
        _log_integral(torch.where(is_near, edge, zero), interval.width, bounded),
        torch.log1p(-outside),
    )


def _log_integral(edge: Tensor, width: Tensor, bounded: Tensor) -> Tensor:
    """Return the log of the integral of exp(-edge x - x^2 / 2) from 0 to the width."""
    # The end of an infinite interval is where nothing is left: no gradient.
    reach = (_FALL / (edge + torch.sqrt(edge**2 + _FALL))).detach()
    reach = torch.where(bounded & (width < reach), width, reach)
    nodes = torch.as_tensor(0.5 * (1.0 + _NODES), dtype=edge.dtype, device=edge.device)
    log_weights = torch.as_tensor(
        np.log(0.5 * _WEIGHTS), dtype=edge.dtype, device=edge.device
    )
    x = reach[..., None] * nodes
    exponent = log_weights - x * (edge[..., None] + 0.5 * x)
    return torch.log(reach) + torch.logsumexp(exponent, dim=-1)
