"""Coordinates in which the curvature of a function is about one."""

from __future__ import annotations

import numpy as np

#: Smallest and largest variance of a direction; what an optimizer knows of the
#: curvature is not exact.
_LEAST, _MOST = 1e-3, 1e3


def bounded_spread(spread: np.ndarray) -> np.ndarray:
    """Return a spread with none of its variances very small or large.

    Parameters
    ----------
    spread : ndarray of shape (k, k)
        Inverse curvature.
    """
    if np.array_equal(spread, np.eye(len(spread))):
        return spread
    values, vectors = np.linalg.eigh(0.5 * (spread + spread.T))
    bounded: np.ndarray = (vectors * np.clip(values, _LEAST, _MOST)) @ vectors.T
    return bounded


def root_of(spread: np.ndarray, bounded: np.ndarray) -> np.ndarray:
    """Return R with R R' about ``spread`` that leaves bounds what they are.

    Coordinates z with x = R z have about unit curvature. The bounded x are multiples
    of single z, so that among them the scales only are right.

    Parameters
    ----------
    spread : ndarray of shape (k, k)
        Inverse curvature.
    bounded : ndarray of bool of shape (k,)
        Which parameters have bounds.
    """
    spread = bounded_spread(spread)
    b, f = np.flatnonzero(bounded), np.flatnonzero(~bounded)
    root = np.zeros_like(spread)
    units = np.sqrt(np.diagonal(spread)[b])
    root[b, b] = units
    slopes = np.linalg.solve(spread[np.ix_(b, b)], spread[np.ix_(b, f)]).T
    root[np.ix_(f, b)] = slopes * units
    rest = spread[np.ix_(f, f)] - slopes @ spread[np.ix_(b, f)]
    root[np.ix_(f, f)] = np.linalg.cholesky(rest)
    return root
