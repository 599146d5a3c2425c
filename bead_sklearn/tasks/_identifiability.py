"""What the data cannot tell about variances, found before and after a fit."""

from __future__ import annotations

import warnings
from collections.abc import Set
from itertools import combinations

import numpy as np

from bead_sklearn.effects import RandomFactor
from bead_sklearn.exceptions import SingularFitWarning
from bead_sklearn.families import (
    BoundedFamily,
    Family,
    QuadraticFamily,
    TruncatedNormal,
)
from bead_sklearn.solvers import Design

#: A residual standard deviation below this share of the response's own is a sign that
#: nothing is left to chance. (Standard deviations of effects are bounded by 1e4 of it.)
_EXACT = 2e-4


def twin_factors(design: Design, held: Set[str]) -> dict[str, str]:
    """Find factors that are relabelings of others, with effects those have too.

    Parameters
    ----------
    design : Design
        The linear predictor.
    held : set of str
        Factors whose variance is held at 0 already.

    Returns
    -------
    reasons : dict of str to str
        By the name of the factor to hold at 0, why.
    """
    reasons: dict[str, str] = {}
    free = [factor for factor in design.factors if factor.name not in held]
    for first, second in combinations(free, 2):
        if {first.name, second.name} & set(reasons) or not _same_levels(first, second):
            continue
        names = set(first.effect_names), set(second.effect_names)
        if not names[0] & names[1]:
            continue
        kept, dropped = (first, second) if names[0] >= names[1] else (second, first)
        if set(dropped.effect_names) <= set(kept.effect_names):
            reasons[dropped.name] = (
                f"its levels are those of {kept.name!r} under other names, so that "
                f"only the sum of the variances of {kept.name!r} and "
                f"{dropped.name!r} can be told"
            )
        else:
            shared = sorted(names[0] & names[1])
            _warn(
                f"The variances of {first.name!r} and {second.name!r} for {shared} "
                "cannot be told apart: the levels of one are those of the other under "
                "other names. Write one term for both."
            )
    return reasons


def warn_if_confounded(
    design: Design, family: Family, weights: np.ndarray, held: Set[str]
) -> None:
    """Warn of covariances whose parts cannot be told from each other.

    Parameters
    ----------
    design : Design
        The linear predictor.
    family : Family
        Response distribution.
    weights : ndarray of shape (n_rows,)
        Number of times each judgment counts.
    held : set of str
        Factors whose variance is held at 0.
    """
    for factor in design.factors:
        n_effects = max(factor.size, len(factor.effect_names))
        free = factor.structure.n_parameters >= n_effects
        if factor.name in held or not free:
            continue
        if _are_dependent(factor):
            _warn(
                f"The effects {list(factor.effect_names)} of {factor.name!r} cannot be "
                "told apart, because their covariates are constant or a linear "
                "combination of others; so cannot their variances. Drop one."
            )
        elif has_free_residual(family) and _absorbs_residual(factor, weights):
            _warn(
                f"The variances of the effects {list(factor.effect_names)} of "
                f"{factor.name!r} cannot be told from the residual variance: no level "
                "has more judgments than effects, and the effects can reproduce "
                "independent residuals. Only the sum is estimated. Leave out a "
                "slope, or collect more judgments per level."
            )


def warn_if_exact(
    family: Family, sigma: float, y: np.ndarray, weights: np.ndarray
) -> bool:
    """Warn if the model reproduces the responses; return whether it does.

    Parameters
    ----------
    family : Family
        Only families of numbers can do so. With the estimated parameters.
    sigma : float
        Estimated residual standard deviation of a quadratic family.
    y, weights : ndarray of shape (n_rows,)
        Responses and number of times each judgment counts.
    """
    if getattr(family, "fixed", False):
        return False
    working = y
    if isinstance(family, QuadraticFamily):
        working = family.working_response(y)
    elif isinstance(family, BoundedFamily):
        at = np.array([family.initial_eta(y, weights)])
        sigma = float(np.sqrt(family.conditional_variance(at)[0]))
    else:
        return False
    if (working == working[0]).all():
        _warn(
            f"y is constant: all {len(y)} judgments are {y[0]:g}. Every prediction is "
            "this number; variances are 0, likelihood and standard errors mean "
            "nothing. Check the responses."
        )
        return True
    center = np.average(working, weights=weights)
    spread = np.sqrt(np.average((working - center) ** 2, weights=weights))
    if sigma > _EXACT * spread:
        return False
    _warn(
        f"The predictors reproduce y: the residual standard deviation, {sigma:.2g}, is "
        f"next to nothing beside that of y, {spread:.2g}, so that likelihood, standard "
        "errors and variances mean nothing. There are as many coefficients as "
        "judgments, or y is a function of the columns of X or of the grouping "
        "factors: leave out columns or factors, or use a positive alpha."
        + _about_ends(family, y)
    )
    return True


def _about_ends(family: Family, y: np.ndarray) -> str:
    """Return what to do where the density of many responses has no bound."""
    if not isinstance(family, TruncatedNormal):
        return ""
    n_ends = int(((y == family.lower) | (y == family.upper)).sum())
    if not n_ends:
        return ""
    return (
        f" {n_ends} of {len(y)} judgments are at the ends of the scale, where the "
        "density of a truncated distribution has no bound as its standard deviation "
        "falls: family='ordered_beta' of OrdinalScaleRegressor gives the ends "
        "probabilities of their own."
    )


def has_free_residual(family: Family) -> bool:
    """Whether judgments have a variance of their own that is to be estimated."""
    return isinstance(family, QuadraticFamily) and not family.fixed


def _same_levels(first: RandomFactor, second: RandomFactor) -> bool:
    if first.n_levels != second.n_levels:
        return False
    pairs = np.unique(first.codes.astype(np.int64) * second.n_levels + second.codes)
    return len(pairs) == first.n_levels


def _are_dependent(factor: RandomFactor) -> bool:
    norms = np.linalg.norm(factor.z, axis=0)
    if (norms == 0).any():
        return True
    return bool(np.linalg.matrix_rank(factor.z / norms, tol=1e-9) < len(norms))


def _absorbs_residual(factor: RandomFactor, weights: np.ndarray) -> bool:
    """Whether some symmetric G makes every Z_g G Z_g' the identity.

    G and the residual variance are then confounded.
    """
    rows = np.bincount(factor.codes, minlength=factor.n_levels)
    counts = np.maximum(rows, np.bincount(factor.codes, weights=weights))
    if factor.size == 1 or (counts > factor.size).any():
        return False
    order = np.argsort(factor.codes, kind="stable")
    codes, z = factor.codes[order], factor.z[order]
    left, right = [np.arange(len(codes))], [np.arange(len(codes))]
    for distance in range(1, factor.size):
        pairs = np.flatnonzero(codes[distance:] == codes[:-distance])
        left.append(pairs)
        right.append(pairs + distance)
    i, j = np.concatenate(left), np.concatenate(right)
    a, b = np.tril_indices(factor.size)
    products = z[i][:, a] * z[j][:, b] + (a != b) * z[i][:, b] * z[j][:, a]
    target = (i == j).astype(float)
    solution = np.linalg.lstsq(products, target)[0]
    return bool(np.abs(products @ solution - target).max() < 1e-8)


def _warn(message: str) -> None:
    warnings.warn(message, SingularFitWarning, stacklevel=5)
