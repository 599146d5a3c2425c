"""Uncertainty of a classifier, and sampling by it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.modal.utils.selection import (
    Picks,
    multi_argmax,
    multi_argmin,
    shuffled_argmax,
    shuffled_argmin,
)
from bead_sklearn.query import (
    EntropySampling,
    LeastConfidenceSampling,
    MarginSampling,
    UncertaintyStrategy,
)

Floats = NDArray[np.float64]


def classifier_uncertainty(
    classifier: Any, X: Any, **predict_proba_kwargs: Any
) -> Floats:
    """Return one minus the probability of the most probable class.

    Parameters
    ----------
    classifier : classifier
        A learner or a classifier with ``predict_proba``.
    X : array-like of shape (n_samples, ...)
        Rows.
    **predict_proba_kwargs : dict
        Passed on.

    Returns
    -------
    uncertainty : ndarray of shape (n_samples,)
        From 0 to 1; 1 where the classifier is not fitted.
    """
    return _measure(LeastConfidenceSampling(), 1.0, classifier, X, predict_proba_kwargs)


def classifier_margin(classifier: Any, X: Any, **predict_proba_kwargs: Any) -> Floats:
    """Return the difference of the two highest probabilities.

    Parameters
    ----------
    classifier : classifier
        A learner or a classifier with ``predict_proba``.
    X : array-like of shape (n_samples, ...)
        Rows.
    **predict_proba_kwargs : dict
        Passed on.

    Returns
    -------
    margin : ndarray of shape (n_samples,)
        From 0 to 1; 0 where the classifier is not fitted. Of a single class it is 1
        (modAL: 0, which it takes for the most uncertain).
    """
    return 1.0 - _measure(MarginSampling(), 1.0, classifier, X, predict_proba_kwargs)


def classifier_entropy(classifier: Any, X: Any, **predict_proba_kwargs: Any) -> Floats:
    """Return the entropy of the class probabilities, in nats.

    Parameters
    ----------
    classifier : classifier
        A learner or a classifier with ``predict_proba``.
    X : array-like of shape (n_samples, ...)
        Rows.
    **predict_proba_kwargs : dict
        Passed on.

    Returns
    -------
    entropy : ndarray of shape (n_samples,)
        Entropies; 0 where the classifier is not fitted.
    """
    return _measure(EntropySampling(), 0.0, classifier, X, predict_proba_kwargs)


def uncertainty_sampling(
    classifier: Any,
    X: Any,
    n_instances: int = 1,
    random_tie_break: bool = False,
    **uncertainty_measure_kwargs: Any,
) -> Picks:
    """Choose the rows whose most probable class is least probable.

    Parameters
    ----------
    classifier : classifier
        A learner or a classifier with ``predict_proba``.
    X : array-like of shape (n_pool, ...)
        The pool.
    n_instances : int, default=1
        How many rows; all if there are fewer.
    random_tie_break : bool, default=False
        Whether rows that are equally good come in random order.
    **uncertainty_measure_kwargs : dict
        Passed on to ``predict_proba``.

    Returns
    -------
    indices : ndarray of shape (min(n_instances, n_pool),)
        Positions in the pool, best first.
    uncertainty : ndarray of the same shape
        Their uncertainty.
    """
    values = classifier_uncertainty(classifier, X, **uncertainty_measure_kwargs)
    return (shuffled_argmax if random_tie_break else multi_argmax)(values, n_instances)


def margin_sampling(
    classifier: Any,
    X: Any,
    n_instances: int = 1,
    random_tie_break: bool = False,
    **uncertainty_measure_kwargs: Any,
) -> Picks:
    """Choose the rows whose two most probable classes are closest.

    Parameters
    ----------
    classifier : classifier
        A learner or a classifier with ``predict_proba``.
    X : array-like of shape (n_pool, ...)
        The pool.
    n_instances : int, default=1
        How many rows; all if there are fewer.
    random_tie_break : bool, default=False
        Whether rows that are equally good come in random order.
    **uncertainty_measure_kwargs : dict
        Passed on to ``predict_proba``.

    Returns
    -------
    indices : ndarray of shape (min(n_instances, n_pool),)
        Positions in the pool, best first.
    margin : ndarray of the same shape
        Their margins.
    """
    values = classifier_margin(classifier, X, **uncertainty_measure_kwargs)
    return (shuffled_argmin if random_tie_break else multi_argmin)(values, n_instances)


def entropy_sampling(
    classifier: Any,
    X: Any,
    n_instances: int = 1,
    random_tie_break: bool = False,
    **uncertainty_measure_kwargs: Any,
) -> Picks:
    """Choose the rows with the highest entropy of the class probabilities.

    Parameters
    ----------
    classifier : classifier
        A learner or a classifier with ``predict_proba``.
    X : array-like of shape (n_pool, ...)
        The pool.
    n_instances : int, default=1
        How many rows; all if there are fewer.
    random_tie_break : bool, default=False
        Whether rows that are equally good come in random order.
    **uncertainty_measure_kwargs : dict
        Passed on to ``predict_proba``.

    Returns
    -------
    indices : ndarray of shape (min(n_instances, n_pool),)
        Positions in the pool, best first.
    entropy : ndarray of the same shape
        Their entropies.
    """
    values = classifier_entropy(classifier, X, **uncertainty_measure_kwargs)
    return (shuffled_argmax if random_tie_break else multi_argmax)(values, n_instances)


def _measure(
    strategy: UncertaintyStrategy,
    unfitted: float,
    classifier: Any,
    X: Any,
    kwargs: dict[str, Any],
) -> Floats:
    try:
        probabilities = classifier.predict_proba(X, **kwargs)
    except NotFittedError:
        return np.full(_num_samples(X), unfitted)
    return strategy.compute_scores(probabilities)
