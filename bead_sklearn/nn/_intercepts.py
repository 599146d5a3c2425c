"""The Laplace approximation where every level has one effect and every row one eta.

The same as the solvers' for this case, in a few sums per Newton step: batches of a
network are small, and what a general design costs to set up would be felt.
"""

from __future__ import annotations

import numpy as np

from bead_sklearn.effects import RandomFactor
from bead_sklearn.families import Family

_MAX_NEWTON, _MAX_HALVINGS = 50, 30
#: The mode is found when a Newton step would raise no level's density by more.
_SMALLEST_GAIN = 1e-14


def has_single_effects(factors: tuple[RandomFactor, ...], family: Family) -> bool:
    """Return whether this module applies."""
    return (
        len(factors) == 1
        and factors[0].size == 1
        and not family.has_output_axis
        and family.sets is None
    )


def laplace_single_effects(
    f: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    a: np.ndarray,
    codes: np.ndarray,
    family: Family,
) -> tuple[float, np.ndarray] | None:
    """Return the marginal log-likelihood and its derivative in each eta.

    Parameters
    ----------
    f : ndarray of shape (n,)
        Linear predictor without the effects.
    y, weights : ndarray of shape (n,)
        Encoded responses, and how many times each row counts.
    a : ndarray of shape (n,)
        What the standardised effect of its level is multiplied by in each row.
    codes : ndarray of int of shape (n,)
        Levels, 0, 1, ... without gaps.
    family : Family
        Response distribution.

    Returns
    -------
    log_likelihood : float
        Marginal, summed.
    rho : ndarray of shape (n,)
        Its derivative; None instead of both where Newton's method did not find a
        maximum, as may happen where the likelihood is not log-concave.
    """
    n_levels = int(codes.max()) + 1

    def sums(x: np.ndarray) -> np.ndarray:
        return np.bincount(codes, weights=x, minlength=n_levels)

    v = np.zeros(n_levels)
    derivatives = family.derivatives(y, f)
    h = sums(weights * derivatives.log_likelihood)
    for _ in range(_MAX_NEWTON):
        gradient = sums(weights * derivatives.gradient * a) - v
        curvature = 1.0 + sums(weights * derivatives.curvature * a**2)
        step = gradient / np.maximum(curvature, 1.0)
        if (gradient * step).max() < _SMALLEST_GAIN:
            break
        share = np.ones(n_levels)
        for _ in range(_MAX_HALVINGS):
            new_v = v + share * step
            new = family.derivatives(y, f + a * new_v[codes])
            new_h = sums(weights * new.log_likelihood) - 0.5 * new_v**2
            worse = ~(new_h >= h - 1e-11 * np.maximum(1.0, np.abs(h)))
            if not worse.any():
                break
            share = np.where(worse, 0.5 * share, share)
        else:
            return None
        v, derivatives, h = new_v, new, new_h
    else:
        return None
    if not (curvature > 0).all():
        return None
    variance = a**2 / curvature[codes]
    c = weights * derivatives.skew(variance)
    q = sums(c * a) / curvature
    moved = weights * derivatives.curvature * a * q[codes]
    rho = weights * derivatives.gradient + 0.5 * (moved - c)
    return float(h.sum() - 0.5 * np.log(curvature).sum()), rho
