"""Expectations of functions of a normal linear predictor."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

#: Nodes of the Gauss-Hermite rule that integrates a prediction over its uncertainty.
N_NODES = 15

#: Bands of the standard deviation of the linear predictor in which the trapezoidal rule
#: takes over, and how many standard deviations it covers.
_WIDE_SDS = (2.0, 4.0, 8.0, 16.0, 32.0, np.inf)
_RANGE = 8.0

#: Largest standard deviation at which two outputs are integrated on a product grid,
#: and the share of the largest weight below which its nodes are left out.
_PRODUCT_SD = 3.0
_NEGLIGIBLE = 1e-12

#: Logarithm of half the number of quasi-random points for three outputs and more.
_SOBOL_LOG2 = 8


def integrate_normal(
    function: Callable[..., np.ndarray],
    mean: np.ndarray,
    variance: np.ndarray,
    *of_rows: np.ndarray,
    in_logs: bool = False,
    largest_sd: float = _WIDE_SDS[0],
) -> np.ndarray:
    """Return E f(eta) for normal ``eta``, f mapping (n,) to (n,) or (n, k).

    Gauss-Hermite quadrature with 15 nodes up to a standard deviation of 2, or
    ``largest_sd``; beyond it the trapezoidal rule, whose steps stay below the unit on
    which f varies. ``of_rows`` are further arguments of f, one value per row each.
    With ``in_logs`` the function returns log f, and the result is log E f.
    """
    sd = np.sqrt(variance)
    nodes, weights = np.polynomial.hermite_e.hermegauss(N_NODES)
    summed = _log_weighted_sum if in_logs else _weighted_sum
    result = summed(function, mean, sd, nodes, weights, *of_rows)
    bands = largest_sd, *(band for band in _WIDE_SDS if band > largest_sd)
    for low, high in itertools.pairwise(bands):
        rows = np.flatnonzero((sd > low) & (sd <= high))
        if len(rows):
            nodes = np.linspace(-_RANGE, _RANGE, int(2 * _RANGE * min(high, 64.0)) + 1)
            weights = np.exp(-0.5 * nodes**2)
            result[rows] = summed(
                function,
                mean[rows],
                sd[rows],
                nodes,
                weights,
                *(values[rows] for values in of_rows),
            )
    return result


def integrate_outputs(
    function: Callable[[np.ndarray], np.ndarray],
    mean: np.ndarray,
    covariance: np.ndarray,
) -> np.ndarray:
    """Return E f(eta) for normal ``eta`` of shape (n, J), f mapping to (n, k).

    ``eta`` are differences from a reference, which is one of J + 1 alternatives. One
    output: :func:`integrate_normal`. Two: a product rule, unless a standard deviation
    is large. Otherwise quasi-Monte Carlo over a Sobol sequence along the principal
    directions of all alternatives, so that another order of the alternatives gives
    the same expectations in another order.

    Parameters
    ----------
    function : callable
        (n, J) -> (n, k).
    mean : ndarray of shape (n, J)
        Means.
    covariance : ndarray of shape (n, J, J)
        Covariances, positive semidefinite.
    """
    n_outputs = mean.shape[1]
    if n_outputs == 1:
        variance = np.maximum(covariance[:, 0], 0.0)
        return integrate_normal(function, mean, variance)
    factor, largest = _principal_factor(covariance)
    is_narrow = (largest <= _PRODUCT_SD**2) & (n_outputs == 2)
    result: np.ndarray | None = None
    for narrow in (False, True):
        rows = np.flatnonzero(is_narrow == narrow)
        if not len(rows):
            continue
        points, shares = _product_rule() if narrow else _sobol_rule(n_outputs)
        here, spread = mean[rows], factor[rows]
        total = shares[0] * np.asarray(function(here + spread @ points[0]))
        for point, share in zip(points[1:], shares[1:], strict=True):
            total = total + share * function(here + spread @ point)
        if result is None:
            result = np.empty((len(mean), total.shape[1]))
        result[rows] = total
    return function(mean) if result is None else result


def _principal_factor(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return F with FF' the covariance, and its largest eigenvalue, for each row.

    F holds the principal directions of all alternatives, centred, as differences from
    the reference. Their signs are those for which the sum of cubes is positive.
    """
    n_outputs = covariance.shape[1]
    from_reference = np.eye(n_outputs + 1)[:, 1:]
    centred = from_reference - from_reference.mean(axis=0)
    values, vectors = np.linalg.eigh(centred @ covariance @ centred.T)
    values, vectors = np.maximum(values[:, 1:], 0.0), vectors[:, :, 1:]
    signs = np.where((vectors**3).sum(axis=1) < 0, -1.0, 1.0)
    directions = vectors * (signs * np.sqrt(values))[:, None, :]
    return directions[:, 1:] - directions[:, :1], values.max(axis=1)


@functools.cache
def _product_rule() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the Gauss-Hermite rule in two dimensions."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(N_NODES)
    points = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    shares = np.outer(weights, weights).ravel()
    # Nodes in the corners weigh nothing.
    kept = shares > _NEGLIGIBLE * shares.max()
    return points[kept], shares[kept] / shares[kept].sum()


@functools.cache
def _sobol_rule(n_outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Antithetic quasi-random standard normal points, and their equal weights."""
    sequence = qmc.Sobol(n_outputs, scramble=True, seed=0)
    half = ndtri(sequence.random_base2(_SOBOL_LOG2))
    points = np.concatenate([half, -half])
    return points, np.full(len(points), 1.0 / len(points))


def _weighted_sum(
    function: Callable[..., np.ndarray],
    mean: np.ndarray,
    sd: np.ndarray,
    nodes: np.ndarray,
    weights: np.ndarray,
    *of_rows: np.ndarray,
) -> np.ndarray:
    shares = weights / weights.sum()
    total = shares[0] * np.asarray(function(mean + sd * nodes[0], *of_rows))
    for node, share in zip(nodes[1:], shares[1:], strict=True):
        total = total + share * function(mean + sd * node, *of_rows)
    return total


def _log_weighted_sum(
    function: Callable[..., np.ndarray],
    mean: np.ndarray,
    sd: np.ndarray,
    nodes: np.ndarray,
    weights: np.ndarray,
    *of_rows: np.ndarray,
) -> np.ndarray:
    log_shares = np.log(weights / weights.sum())
    total = np.full(mean.shape, -np.inf)
    for node, log_share in zip(nodes, log_shares, strict=True):
        total = np.logaddexp(total, log_share + function(mean + sd * node, *of_rows))
    return total
