"""Disagreement of a committee over class probabilities.

With the members' probabilities p_m, their consensus c = mean_m p_m and the share v_k of
members that vote for class k:

    vote entropy       -sum_k v_k log v_k
    consensus entropy  -sum_k c_k log c_k
    max KL             max_m  KL(p_m || c)
    mean KL            mean_m KL(p_m || c) = H(c) - mean_m H(p_m)

All in nats, with 0 log 0 = 0 exactly and no small number added to any probability.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

Floats = NDArray[np.float64]

#: Smallest normal number; its logarithm is finite.
_TINY = np.finfo(np.float64).tiny


def entropy(p: Floats) -> Floats:
    """Return the entropy over the last axis, (..., n_classes) to (...)."""
    # A probability of 0 gives exactly 0, as in the limit; faster than xlogy.
    logs = np.maximum(p, _TINY, dtype=np.float64)
    np.log(logs, out=logs)
    result: Floats = 0.0 - np.einsum("...k,...k->...", p, logs)
    return result


def votes(p: Floats) -> Floats:
    """Return the share of members that vote for each class.

    Parameters
    ----------
    p : ndarray of shape (n_members, n_samples, n_classes)
        Probabilities; a member votes for its most probable class, of equally probable
        ones the first.

    Returns
    -------
    shares : ndarray of shape (n_samples, n_classes)
        Shares.
    """
    n_members, n_samples, n_classes = p.shape
    cells = np.arange(n_samples) * n_classes + p.argmax(axis=2)
    counts = np.bincount(cells.ravel(), minlength=n_samples * n_classes)
    shares: Floats = counts.reshape(n_samples, n_classes) / n_members
    return shares


def vote_entropy(p: Floats) -> Floats:
    """Return the entropy of the votes, (n_members, n_samples, K) to (n_samples,)."""
    return entropy(votes(p))


def consensus_entropy(p: Floats) -> Floats:
    """Return the entropy of the mean of the members."""
    return entropy(p.mean(axis=0))


def max_kl(p: Floats) -> Floats:
    """Return the largest divergence of a member from the consensus."""
    divergence: Floats = rel_entr(p, p.mean(axis=0)).sum(axis=2).max(axis=0)
    return np.maximum(divergence, 0.0)


def mean_kl(p: Floats) -> Floats:
    """Return the mean divergence of the members from the consensus."""
    information: Floats = entropy(p.mean(axis=0)) - entropy(p).mean(axis=0)
    return np.maximum(information, 0.0)
