"""Starting values of the variance parameters and the units to search them in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bead_sklearn.effects import CovarianceStructure
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._scales import parameter_slices

#: Smallest and largest factor by which one step changes a variance.
_MOST_SHRINKAGE, _MOST_GROWTH = 0.05, 20.0

#: Share of the ordinary size below which standard deviations count as equal.
_SMALL = 0.1


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
