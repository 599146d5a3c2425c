"""Starting values of the variance parameters and the units to search them in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from bead_sklearn.effects import CovarianceStructure
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._parameters import VarianceParameters
from bead_sklearn.solvers._scales import parameter_slices

#: Steps of the EM algorithm before the search.
_EM_STEPS = 2

#: Smallest and largest factor by which one step changes a variance.
_MOST_SHRINKAGE, _MOST_GROWTH = 0.05, 20.0

#: Rate of convergence of the EM algorithm that is believed.
_SLOWEST = 0.97

#: Smallest cosine between a step and the change of the gradient that says something
#: about curvature.
_LEAST_COSINE = 1e-8

#: Share of the ordinary size below which standard deviations count as equal.
_SMALL = 0.1


#: (free, theta) -> value, gradient in free, gradient in theta.
Likelihood = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray, np.ndarray]]


class Visited(NamedTuple):
    """A point and the gradients there."""

    free: np.ndarray
    theta: np.ndarray
    by_free: np.ndarray
    by_theta: np.ndarray


def approach(
    likelihood: Likelihood,
    design: Design,
    parameters: VarianceParameters,
    center: np.ndarray,
    basis: np.ndarray,
    callback: Callable[[np.ndarray], None],
) -> tuple[np.ndarray, np.ndarray, Visited]:
    """Take steps of the EM algorithm; with the first, a Newton step of the others.

    Parameters
    ----------
    likelihood : callable
        (free, theta) -> value, gradient in free, gradient in theta.
    design : Design
        The linear predictor.
    parameters : VarianceParameters
        Start and bounds of ``theta``.
    center : ndarray of shape (k,)
        Start of the free parameters.
    basis : ndarray of shape (k, k)
        Root of their covariance, about.
    callback : callable
        Called with ``theta`` after each step.

    Returns
    -------
    center, theta : ndarray
        Where the steps lead.
    last : Visited
        The last point at which the likelihood was evaluated.
    """
    lower, upper, theta = parameters.lower, parameters.upper, parameters.start
    last_value, last_center = -np.inf, center
    for step in range(_EM_STEPS):
        value, by_free, by_theta = likelihood(center, theta)
        last = Visited(center, theta, by_free, by_theta)
        if value < last_value:
            center = last_center
        elif step == 0:
            last_value = value
            center = center + basis @ (basis.T @ by_free)
        theta = em_step(design, theta, by_theta, lower < upper)
        theta = np.clip(theta, lower, upper)
        callback(theta)
    return center, theta, last


def em_step(
    design: Design, theta: np.ndarray, gradient: np.ndarray, moving: np.ndarray
) -> np.ndarray:
    """Take one step of the EM algorithm for the variance parameters.

    With D the derivative of the log-likelihood in L and q levels the step is

        G <- L M L',   M = I + sym(L'D) / q,

    for M is the posterior second moment of the standardised effects. Its fixed point
    is the maximum, whichever approximation the gradient belongs to.

    Parameters
    ----------
    design : Design
        The linear predictor.
    theta : ndarray of shape (n_parameters,)
        Variance parameters.
    gradient : ndarray of shape (n_parameters,)
        Derivative of the log-likelihood.
    moving : ndarray of bool of shape (n_parameters,)
        Which parameters are estimated.
    """
    result = theta.copy()
    for part, structure, q in _blocks(design):
        if not moving[part].any():
            continue
        if structure is None:
            growth = 1.0 + theta[part] * gradient[part] / q
            result[part] *= np.sqrt(np.clip(growth, _MOST_SHRINKAGE, _MOST_GROWTH))
            continue
        factor = structure.factor(theta[part])
        derivative = np.zeros_like(factor)
        shares = np.bincount(structure.parameters, minlength=structure.n_parameters)
        derivative[structure.rows, structure.columns] = (gradient[part] / shares)[
            structure.parameters
        ] / structure.scales
        change = factor.T @ derivative / q
        change = np.tril(change) + np.tril(change, -1).T
        values, vectors = np.linalg.eigh(np.eye(len(factor)) + change)
        values = np.clip(values, _MOST_SHRINKAGE, _MOST_GROWTH)
        moved = factor @ np.linalg.cholesky((vectors * values) @ vectors.T)
        entries = moved[structure.rows, structure.columns] / structure.scales
        result[part] = np.bincount(structure.parameters, weights=entries) / shares
    return np.where(moving, result, theta)


def slowness(design: Design, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return how much flatter the likelihood is than the effects alone would have it.

    In the units of :func:`theta_units` a step of the EM algorithm is about the
    gradient, and its rate of convergence the share of information that is missing
    because the effects are not observed (Dempster, Laird & Rubin 1977).

    Parameters
    ----------
    design : Design
        The linear predictor.
    before, after : ndarray of shape (n_parameters,)
        Gradients before and after the last step, in these units.

    Returns
    -------
    slowness : ndarray of shape (n_parameters,)
        1 / (1 - rate), the inverse curvature of each parameter.
    """
    result = np.ones_like(before)
    for part, *_ in _blocks(design):
        length = float(np.linalg.norm(before[part]))
        rate = float(np.linalg.norm(after[part])) / length if length > 0.0 else 1.0
        if rate < 1.0:
            result[part] = 1.0 / (1.0 - min(rate, _SLOWEST))
    return result


def secant_update(
    spread: np.ndarray, step: np.ndarray, change: np.ndarray
) -> np.ndarray:
    """Make an inverse curvature agree with a step: that of Broyden, Fletcher et al.

    Parameters
    ----------
    spread : ndarray of shape (k, k)
        Inverse curvature.
    step : ndarray of shape (k,)
        From one point to another.
    change : ndarray of shape (k,)
        By how much the gradient fell on the way.

    Returns
    -------
    spread : ndarray of shape (k, k)
        The nearest one with ``spread @ change = step``; the same if the gradient did
        not fall along the step.
    """
    along = float(step @ change)
    if along <= _LEAST_COSINE * np.linalg.norm(step) * np.linalg.norm(change):
        return spread
    moved = spread @ change
    growth = (along + change @ moved) / along**2
    mixed = np.outer(moved, step) / along
    result: np.ndarray = spread + growth * np.outer(step, step) - mixed - mixed.T
    return result


def theta_units(design: Design, theta: np.ndarray, ordinary: np.ndarray) -> np.ndarray:
    """Return the size of a standard error of each variance parameter.

    That of a standard deviation known from q values: sd / sqrt(2 q). In these units
    the log-likelihood has about unit curvature, which is what an optimizer wants.

    Parameters
    ----------
    design : Design
        The linear predictor.
    theta : ndarray of shape (n_parameters,)
        Variance parameters.
    ordinary : ndarray of shape (n_parameters,)
        Ordinary size of standard deviations; far smaller ones are taken as larger.
    """
    theta = np.where(ordinary > 0, np.maximum(theta, _SMALL * ordinary), theta)
    units = np.ones_like(theta)
    for part, structure, q in _blocks(design):
        if structure is None:
            units[part] = theta[part] / np.sqrt(2.0 * q)
            continue
        factor = structure.factor(theta[part])
        sds = np.sqrt((factor**2).sum(axis=1))
        per_entry = sds[structure.rows] / np.abs(structure.scales)
        shares = np.bincount(structure.parameters, minlength=structure.n_parameters)
        units[part] = np.bincount(structure.parameters, weights=per_entry) / shares
        units[part] /= np.sqrt(q * shares * (1.0 + structure.is_scale))
    return units


def _blocks(design: Design) -> Iterator[tuple[slice, CovarianceStructure | None, int]]:
    """Slice, structure and number of levels; None and coefficients for the ridge."""
    slices = parameter_slices(design)
    for factor, part in zip(design.factors, slices, strict=False):
        yield part, factor.structure, factor.n_levels
    if design.ridge is not None:
        yield slices[-1], None, design.ridge.n_columns * design.n_outputs
