"""How much one judgment is expected to say about its linear predictors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.families import Family, QuadraticFamily

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Simulated responses over which the curvature of other families is averaged.
_N_DRAWS = 64
#: Nodes of the quadrature over one linear predictor.
_N_NODES = 7


def expected_curvature(family: Family, eta: Floats, index: Ints) -> Floats:
    """Return the expected negative second derivative of the log-likelihood.

    At the linear predictors given, over the responses that the model expects there:
    the Fisher information. Exact for labels and for normal responses; the mean over 64
    simulated responses for other families of numbers.

    Parameters
    ----------
    family : Family
        Response distribution.
    eta : ndarray of shape (n,)
        Linear predictors, flat.
    index : ndarray of shape (n_judgments, m)
        Those of each judgment; -1 is none.

    Returns
    -------
    curvature : ndarray of shape (n_judgments, m, m)
        Positive semi-definite; zero where a judgment has fewer than m.
    """
    n, m = index.shape
    if family.pairs is not None:
        return _of_sets(family, eta, index)
    table = eta.reshape(n, m)
    if family.response == "multilabel":
        inner = family.family  # type: ignore[attr-defined]
        flat = _of_labels(inner, eta, 2).reshape(n, m)
        return _diagonal(flat)
    if family.has_output_axis:
        # The curvature of a softmax does not depend on the response.
        return np.asarray(family.derivatives(np.zeros(n), table).curvature)
    if family.response in ("binary", "ordinal"):
        n_labels = getattr(family, "n_categories", 2)
        return _diagonal(_of_labels(family, eta, n_labels)[:, None])
    n_draws = 1 if isinstance(family, QuadraticFamily) else _N_DRAWS
    rng = np.random.RandomState(0)
    total = np.zeros(n)
    for _ in range(n_draws):
        total += family.derivatives(family.simulate(eta, rng), eta).curvature
    return _diagonal(np.maximum(total / n_draws, 0.0)[:, None])


def average_curvature(
    family: Family, eta: Floats, index: Ints, covariance: Floats
) -> Floats:
    """Return the expected curvature, averaged over what is not known of ``eta``.

    By Gauss-Hermite quadrature for one linear predictor per judgment, else over the 2 m
    points of the spherical cubature rule of degree three.

    Parameters
    ----------
    family : Family
        Response distribution.
    eta : ndarray of shape (n,)
        Posterior means of the linear predictors, flat.
    index : ndarray of shape (n_judgments, m)
        Those of each judgment; -1 is none.
    covariance : ndarray of shape (n_judgments, m, m)
        Their posterior covariance.

    Returns
    -------
    curvature : ndarray of shape (n_judgments, m, m)
        Positive semi-definite.
    """
    if isinstance(family, QuadraticFamily):
        return expected_curvature(family, eta, index)
    n, m = index.shape
    total = np.zeros((n, m, m))
    if m == 1:
        nodes, weights = np.polynomial.hermite_e.hermegauss(_N_NODES)
        sd = np.sqrt(np.maximum(covariance[:, 0, 0], 0.0))
        moved = np.empty_like(eta)
        for node, weight in zip(nodes, weights / weights.sum(), strict=True):
            moved[index[:, 0]] = eta[index[:, 0]] + node * sd
            total += weight * expected_curvature(family, moved, index)
        return total
    values, vectors = np.linalg.eigh(covariance)
    roots = vectors * np.sqrt(m * np.maximum(values, 0.0))[:, None, :]
    real = index >= 0
    for column in range(m):
        for sign in (-1.0, 1.0):
            moved = eta.copy()
            moved[index[real]] += sign * roots[:, :, column][real]
            total += expected_curvature(family, moved, index) / (2 * m)
    return total


def _of_labels(family: Family, eta: Floats, n_labels: int) -> Floats:
    """Sum over the labels, each with its probability."""
    total = np.zeros(len(eta))
    for label in range(n_labels):
        parts = family.derivatives(np.full(len(eta), float(label)), eta)
        total += np.exp(parts.log_likelihood) * parts.curvature
    return np.maximum(total, 0.0)


def _of_sets(family: Family, eta: Floats, index: Ints) -> Floats:
    """Curvature of choices, from that of all pairs of rows of a set."""
    assert family.pairs is not None
    n, m = index.shape
    judgment = np.empty(len(eta), dtype=np.intp)
    place = np.empty(len(eta), dtype=np.intp)
    at, column = np.nonzero(index >= 0)
    judgment[index[at, column]], place[index[at, column]] = at, column
    # Any response will do: the curvature does not depend on it.
    first = np.zeros(len(eta))
    first[index[:, 0]] = 1.0
    values = family.derivatives(first, eta).curvature
    left, right = family.pairs
    result = np.zeros((n, m, m))
    result[judgment[left], place[left], place[right]] = values
    return result


def _diagonal(values: Floats) -> Floats:
    """Return diagonal matrices, (n, m) to (n, m, m)."""
    n, m = values.shape
    result = np.zeros((n, m, m))
    result[:, np.arange(m), np.arange(m)] = values
    return result
