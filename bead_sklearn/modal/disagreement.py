"""Disagreement of a committee, and sampling by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.modal.utils.selection import Picks, multi_argmax, shuffled_argmax
from bead_sklearn.query import _disagreement

Floats = NDArray[np.float64]


def vote_entropy(committee: Any, X: Any, **predict_proba_kwargs: Any) -> Floats:
    """Return the entropy of the members' votes, in nats.

    Parameters
    ----------
    committee : Committee
        A committee: an object with ``vote_proba`` or ``vote``.
    X : array-like of shape (n_samples, ...)
        Rows.
    **predict_proba_kwargs : dict
        Passed on.

    Returns
    -------
    entropy : ndarray of shape (n_samples,)
        0 where the committee is not fitted.
    """
    try:
        votes = np.asarray(committee.vote(X, **predict_proba_kwargs))
    except NotFittedError:
        return np.zeros(_num_samples(X))
    shares = (votes[:, :, None] == np.asarray(committee.classes_)).mean(axis=1)
    return _disagreement.entropy(shares)


def consensus_entropy(committee: Any, X: Any, **predict_proba_kwargs: Any) -> Floats:
    """Return the entropy of the mean of the members' probabilities, in nats.

    Parameters
    ----------
    committee : Committee
        A committee: an object with ``vote_proba``.
    X : array-like of shape (n_samples, ...)
        Rows.
    **predict_proba_kwargs : dict
        Passed on.

    Returns
    -------
    entropy : ndarray of shape (n_samples,)
        0 where the committee is not fitted.
    """
    return _measure(_disagreement.consensus_entropy, committee, X, predict_proba_kwargs)


def KL_max_disagreement(  # noqa: N802
    committee: Any, X: Any, **predict_proba_kwargs: Any
) -> Floats:
    """Return the largest divergence of a member from the mean, in nats.

    Parameters
    ----------
    committee : Committee
        A committee: an object with ``vote_proba``.
    X : array-like of shape (n_samples, ...)
        Rows.
    **predict_proba_kwargs : dict
        Passed on.

    Returns
    -------
    divergence : ndarray of shape (n_samples,)
        0 where the committee is not fitted.
    """
    return _measure(_disagreement.max_kl, committee, X, predict_proba_kwargs)


def vote_entropy_sampling(
    committee: Any,
    X: Any,
    n_instances: int = 1,
    random_tie_break: bool = False,
    **disagreement_measure_kwargs: Any,
) -> Picks:
    """Choose the rows with the highest entropy of the votes.

    Parameters
    ----------
    committee : Committee
        The committee.
    X : array-like of shape (n_pool, ...)
        The pool.
    n_instances : int, default=1
        How many rows; all if there are fewer.
    random_tie_break : bool, default=False
        Whether rows that are equally good come in random order.
    **disagreement_measure_kwargs : dict
        Passed on to the members.

    Returns
    -------
    indices : ndarray of shape (min(n_instances, n_pool),)
        Positions in the pool, best first.
    disagreement : ndarray of the same shape
        Their entropies.
    """
    values = vote_entropy(committee, X, **disagreement_measure_kwargs)
    return (shuffled_argmax if random_tie_break else multi_argmax)(values, n_instances)


def consensus_entropy_sampling(
    committee: Any,
    X: Any,
    n_instances: int = 1,
    random_tie_break: bool = False,
    **disagreement_measure_kwargs: Any,
) -> Picks:
    """Choose the rows with the highest entropy of the members' mean.

    Parameters
    ----------
    committee : Committee
        The committee.
    X : array-like of shape (n_pool, ...)
        The pool.
    n_instances : int, default=1
        How many rows; all if there are fewer.
    random_tie_break : bool, default=False
        Whether rows that are equally good come in random order.
    **disagreement_measure_kwargs : dict
        Passed on to the members.

    Returns
    -------
    indices : ndarray of shape (min(n_instances, n_pool),)
        Positions in the pool, best first.
    disagreement : ndarray of the same shape
        Their entropies.
    """
    values = consensus_entropy(committee, X, **disagreement_measure_kwargs)
    return (shuffled_argmax if random_tie_break else multi_argmax)(values, n_instances)


def max_disagreement_sampling(
    committee: Any,
    X: Any,
    n_instances: int = 1,
    random_tie_break: bool = False,
    **disagreement_measure_kwargs: Any,
) -> Picks:
    """Choose the rows where one member is farthest from the mean.

    Parameters
    ----------
    committee : Committee
        The committee.
    X : array-like of shape (n_pool, ...)
        The pool.
    n_instances : int, default=1
        How many rows; all if there are fewer.
    random_tie_break : bool, default=False
        Whether rows that are equally good come in random order.
    **disagreement_measure_kwargs : dict
        Passed on to the members.

    Returns
    -------
    indices : ndarray of shape (min(n_instances, n_pool),)
        Positions in the pool, best first.
    disagreement : ndarray of the same shape
        Their divergences.
    """
    values = KL_max_disagreement(committee, X, **disagreement_measure_kwargs)
    return (shuffled_argmax if random_tie_break else multi_argmax)(values, n_instances)


def _measure(
    function: Callable[[Floats], Floats],
    committee: Any,
    X: Any,
    kwargs: dict[str, Any],
) -> Floats:
    try:
        said = np.asarray(committee.vote_proba(X, **kwargs))
    except NotFittedError:
        return np.zeros(_num_samples(X))
    return function(said.transpose(1, 0, 2))
