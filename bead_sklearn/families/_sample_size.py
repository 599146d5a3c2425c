"""How many responses of a kind say as much as so many numbers (Harrell 2015, 4.4)."""

from __future__ import annotations

import numpy as np


def smallest_class(y: np.ndarray, weights: np.ndarray, n_classes: int) -> float:
    """Return how often the rarest class was given.

    Of two classes the number of events or of non-events (Harrell 2015, section 4.4);
    of more, that of the class of which least is known (de Jong et al. 2019,
    doi:10.1002/sim.8063).

    Parameters
    ----------
    y : ndarray of shape (n,)
        Numbers of classes.
    weights : ndarray of shape (n,)
        How often each counts.
    n_classes : int
        How many there are.
    """
    counts = np.bincount(y.astype(np.intp), weights=weights, minlength=n_classes)
    return float(counts.min())


def without_ties(y: np.ndarray, weights: np.ndarray) -> float:
    """Return n - sum_k n_k^3 / n^2, n_k the number of responses of each value.

    That many numbers without ties say as much about a shift as n responses with them
    (Whitehead 1993, doi:10.1002/sim.4780122404).

    Parameters
    ----------
    y : ndarray of shape (n,)
        Responses; those of a single value are no ties.
    weights : ndarray of shape (n,)
        How often each counts.
    """
    counts = np.bincount(np.unique(y, return_inverse=True)[1], weights=weights)
    n = counts.sum()
    return float(n - (counts**3).sum() / n**2)
