"""Ranked batches: uncertain rows that differ from those known and from each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import pairwise_distances, pairwise_distances_chunked

from bead_sklearn._sklearn import _num_samples, _safe_indexing
from bead_sklearn.modal.uncertainty import classifier_uncertainty
from bead_sklearn.modal.utils.selection import Picks
from bead_sklearn.query._selection import check_batch_size

Metric = str | Callable[..., float]


def uncertainty_batch_sampling(
    classifier: Any,
    X: Any,
    n_instances: int = 20,
    metric: Metric = "euclidean",
    n_jobs: int | None = None,
    **uncertainty_measure_kwargs: Any,
) -> Picks:
    """Choose a ranked batch by uncertainty; see `ranked_batch`.

    Parameters
    ----------
    classifier : ActiveLearner or Committee
        A learner, which knows its training data.
    X : array-like or sparse matrix of shape (n_pool, n_features)
        The pool.
    n_instances : int, default=20
        How many rows; all if there are fewer.
    metric : str or callable, default="euclidean"
        A metric of `sklearn.metrics.pairwise_distances`.
    n_jobs : int, default=None
        Number of jobs for the distances.
    **uncertainty_measure_kwargs : dict
        Passed on to ``predict_proba``.

    Returns
    -------
    indices : ndarray of shape (min(n_instances, n_pool),)
        Positions in the pool, in the order chosen.
    uncertainty : ndarray of the same shape
        Their uncertainty.
    """
    uncertainty = classifier_uncertainty(classifier, X, **uncertainty_measure_kwargs)
    return ranked_batch(classifier, X, uncertainty, n_instances, metric, n_jobs)


def ranked_batch(
    classifier: Any,
    unlabeled: Any,
    uncertainty_scores: ArrayLike,
    n_instances: int,
    metric: Metric = "euclidean",
    n_jobs: int | None = None,
) -> Picks:
    r"""Choose rows one after the other by uncertainty and distance to those known.

    The next row has the highest

    .. math:: \alpha (1 - s_i) + (1 - \alpha) u_i, \qquad
        s_i = \frac{1}{1 + \min_j d(x_i, x_j)}, \quad
        \alpha = \frac{|U|}{|U| + |L|}

    where j runs over the labelled rows and those chosen so far, which count as
    labelled, and U are the rows left [1]_. The nearest distance is kept from pick to
    pick: a pick costs one pass over the pool.

    Parameters
    ----------
    classifier : ActiveLearner or Committee
        A learner; without training data the first row is the one with the lowest mean
        distance to all.
    unlabeled : array-like or sparse matrix of shape (n_pool, n_features)
        The pool.
    uncertainty_scores : array-like of shape (n_pool,)
        Uncertainty of the rows, from 0 to 1.
    n_instances : int
        How many rows; all if there are fewer.
    metric : str or callable, default="euclidean"
        A metric of `sklearn.metrics.pairwise_distances`.
    n_jobs : int, default=None
        Number of jobs for the distances.

    Returns
    -------
    indices : ndarray of shape (min(n_instances, n_pool),)
        Positions in the pool, in the order chosen.
    uncertainty : ndarray of the same shape
        Their uncertainty.

    References
    ----------
    .. [1] Cardoso, Silva, Canuto, Moro and Goncalves (2017). Ranked batch-mode active
       learning. Information Sciences 379, 313-337.
    """
    uncertainty = np.asarray(uncertainty_scores, dtype=np.float64)
    known = classifier.X_training
    if getattr(classifier, "on_transformed", False):
        unlabeled = classifier.transform_without_estimating(unlabeled)
        if known is not None:
            known = classifier.transform_without_estimating(known)
    n_pool = _num_samples(unlabeled)
    n = min(check_batch_size(n_instances, "n_instances"), n_pool)
    options = {"metric": metric, "n_jobs": n_jobs}
    picks: list[int] = []
    if known is None:
        means = pairwise_distances_chunked(unlabeled, reduce_func=_mean, **options)
        picks.append(int(np.concatenate(list(means)).argmin()))
        nearest = _to_row(unlabeled, picks[0], options)
        n_known = 1
    else:
        lowest = pairwise_distances_chunked(
            unlabeled, known, reduce_func=_lowest, **options
        )
        nearest = np.concatenate(list(lowest))
        n_known = _num_samples(known)
    left = np.ones(n_pool, dtype=bool)
    left[picks] = False
    while len(picks) < n:
        n_left = n_pool - len(picks)
        alpha = n_left / (n_left + n_known)
        scores = alpha * (1.0 - 1.0 / (1.0 + nearest)) + (1.0 - alpha) * uncertainty
        pick = int(np.where(left, scores, -np.inf).argmax())
        picks.append(pick)
        left[pick] = False
        n_known += 1
        nearest = np.minimum(nearest, _to_row(unlabeled, pick, options))
    indices = np.array(picks, dtype=np.intp)
    return indices, uncertainty[indices]


def _to_row(X: Any, row: int, options: dict[str, Any]) -> NDArray[np.float64]:
    return pairwise_distances(X, _safe_indexing(X, [row]), **options)[:, 0]


def _mean(distances: NDArray[np.float64], start: int) -> Any:
    return distances.mean(axis=1)


def _lowest(distances: NDArray[np.float64], start: int) -> Any:
    return distances.min(axis=1)
