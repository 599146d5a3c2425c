"""Warnings of variances that the data cannot tell, and of fits that fell short."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from bead_sklearn.effects import RandomFactor
from bead_sklearn.exceptions import SingularFitWarning
from bead_sklearn.families import Family, QuadraticFamily
from bead_sklearn.inspection import VarianceComponents
from bead_sklearn.solvers import Design, MixedModelFit
from bead_sklearn.tasks._identifiability import has_free_residual, twin_factors

#: Categorical answers say how much levels differ by the pairs of judgments that share
#: a level. With fewer pairs the likelihood of the variance is nearly flat, and often
#: largest at infinity.
_MIN_PAIRS = 20


def held_factors(design: Design, family: Family, weights: np.ndarray) -> frozenset[str]:
    """Return the factors whose variance the data cannot tell, with a warning each.

    Parameters
    ----------
    design, family, weights
        As in :func:`untold_factors`.
    """
    held = untold_factors(design, family, weights)
    for name, reason in held.items():
        warnings.warn(
            f"The variance of the factor {name!r} cannot be estimated because "
            f"{reason}; it is set to 0.",
            SingularFitWarning,
            stacklevel=4,
        )
    return frozenset(held)


def untold_factors(
    design: Design, family: Family, weights: np.ndarray
) -> dict[str, str]:
    """Return the factors whose variance the data cannot tell, and why.

    Parameters
    ----------
    design : Design
        The linear predictor.
    family : Family
        Response distribution.
    weights : ndarray of shape (n_rows,)
        How many times each row counts.
    """
    held: dict[str, str] = {}
    is_quadratic = isinstance(family, QuadraticFamily)
    for factor in design.factors:
        codes, times = _judgments_of(factor, design, weights)
        rows = np.bincount(codes, minlength=factor.n_levels)
        counts = np.maximum(rows, np.bincount(codes, times, factor.n_levels))
        if factor.n_levels == 1:
            held[factor.name] = "it has one level only"
        elif has_free_residual(family) and (counts <= 1).all():
            held[factor.name] = "every level has one judgment only"
        elif not is_quadratic:
            pairs = float((counts * (counts - 1) / 2).clip(min=0).sum())
            if pairs < _MIN_PAIRS:
                held[factor.name] = (
                    f"only {pairs:g} pairs of judgments share a level, fewer than "
                    f"{_MIN_PAIRS}"
                )
    return held | twin_factors(design, set(held))


def warn_about_fit(
    fit: MixedModelFit,
    components: list[VarianceComponents],
    held: frozenset[str],
    tol: float,
) -> None:
    """Warn of a search that did not end, parameters at bounds, and zero variances.

    Parameters
    ----------
    fit : MixedModelFit
        What was found.
    components : list of VarianceComponents
        The variances.
    held : frozenset of str
        Factors whose variance was set to zero beforehand.
    tol : float
        Tolerance of the search.
    """
    if not fit.optimum.converged:
        warnings.warn(
            f"The optimizer did not converge after {fit.optimum.n_iter} "
            "iterations: the largest gradient component is "
            f"{fit.optimum.gradient_norm:.2g}, the tolerance {tol:g}. "
            "Increase max_iter, or simplify the random effects.",
            ConvergenceWarning,
            stacklevel=4,
        )
    limitation = fit.family.limitation()
    if limitation is not None:
        warnings.warn(limitation, ConvergenceWarning, stacklevel=4)
    zero = [
        component.grouping_factor
        for component in components
        if component.is_singular and component.grouping_factor not in held
    ]
    if np.isinf(fit.alpha):
        warnings.warn(
            "The features under the ridge explain nothing: their coefficients are "
            "0 (alpha is infinite).",
            SingularFitWarning,
            stacklevel=4,
        )
    if zero:
        warnings.warn(
            f"Singular fit: the covariance of the effects of {zero[0]!r} is not of "
            "full rank (a variance is 0 or a correlation is 1). The data give no "
            "evidence for this structure; a simpler one fits as well.",
            SingularFitWarning,
            stacklevel=4,
        )


def _judgments_of(
    factor: RandomFactor, design: Design, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Level and weight of each judgment, rows that compete being one judgment."""
    if design.sets is None or factor.varies_in_sets:
        return factor.codes, weights
    first = np.flatnonzero(np.diff(design.sets, prepend=-1))
    return factor.codes[first], weights[first]
