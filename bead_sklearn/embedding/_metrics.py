"""How well items are ranked, session by session."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.validation import check_consistent_length, column_or_1d

from bead_sklearn.inputs import encode_levels, read_groups


def mean_reciprocal_rank(
    y: Any, scores: Any, *, groups: Any = None, k: int | None = None
) -> float:
    """Return the mean over sessions of 1 / (rank of the first relevant item).

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Grades; above 0 is relevant.
    scores : array-like of shape (n_rows,)
        What items are ranked by. Ties take the mean of their ranks.
    groups : array-like of shape (n_rows,), default=None
        Sessions; None is one session.
    k : int, default=None
        A first relevant item below rank k counts 0.

    Returns
    -------
    value : float
        Over the sessions that have a relevant item.

    Raises
    ------
    ValueError
        If no session has a relevant item, a grade is negative, a grade or score is
        not finite, or k is below 1.

    Examples
    --------
    >>> mean_reciprocal_rank([0, 1, 1, 0], [2.0, 1.0, 3.0, 1.0], groups=[0, 0, 1, 1])
    0.75
    """
    _check_k(k)

    def value(grades: np.ndarray, ranks: np.ndarray) -> float:
        first = ranks[grades > 0].min()
        return 1.0 / first if k is None or first <= k else 0.0

    return _mean(value, y, scores, groups)


def recall_at_k(y: Any, scores: Any, *, groups: Any = None, k: int = 10) -> float:
    """Return the mean share of relevant items at ranks up to k.

    Parameters are those of :func:`mean_reciprocal_rank`.

    Examples
    --------
    >>> recall_at_k([0, 1, 1], [3.0, 2.0, 1.0], k=2)
    0.5
    """
    _check_k(k)

    def value(grades: np.ndarray, ranks: np.ndarray) -> float:
        return float((ranks[grades > 0] <= k).mean())

    return _mean(value, y, scores, groups)


def normalized_dcg(
    y: Any, scores: Any, *, groups: Any = None, k: int | None = None
) -> float:
    """Return the mean over sessions of DCG / best DCG, gains being the grades.

    Parameters are those of :func:`mean_reciprocal_rank`; the discount of rank r is
    1 / log2(r + 1) (Jarvelin & Kekalainen 2002, doi:10.1145/582415.582418).

    Examples
    --------
    >>> round(normalized_dcg([0, 1], [2.0, 1.0]), 4)
    0.6309
    """
    _check_k(k)

    def value(grades: np.ndarray, ranks: np.ndarray) -> float:
        limit = np.inf if k is None else k
        best = -np.sort(-grades)
        places = np.arange(1.0, len(best) + 1.0)
        ideal = (best / np.log2(places + 1.0))[places <= limit].sum()
        return float((grades / np.log2(ranks + 1.0))[ranks <= limit].sum() / ideal)

    return _mean(value, y, scores, groups)


def distance_shift(
    y: Any, before: Any, after: Any, *, groups: Any = None, target: int = 1
) -> tuple[float, float]:
    """Return how far similarities moved: of clicked items, and in other sessions.

    The first is the mean, over sessions with clicks, of the mean of
    target * (after - before) over the clicked items; the second that of
    target * (before - after) over all items of sessions without clicks. A shift alone
    is no success: it rises when all similarities rise.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Grades; above 0 is a click.
    before, after : array-like of shape (n_rows,)
        Similarities (``target=1``) or distances (``target=-1``).
    groups : array-like of shape (n_rows,), default=None
        Sessions; None is one session.
    target : {1, -1}, default=1
        What the numbers are.

    Returns
    -------
    clicked, not_clicked : float
        The two shifts, 0.0 where there are no such sessions.

    Examples
    --------
    >>> clicked, other = distance_shift([1, 0], [0.5, 0.5], [0.75, 0.0])
    >>> clicked, other
    (0.25, 0.0)
    """
    if target not in (1, -1):
        raise ValueError(f"target must be 1 or -1. Got {target!r}.")
    grades, first, second = (
        _vector(values, name)
        for name, values in (("y", y), ("before", before), ("after", after))
    )
    check_consistent_length(grades, first, second)
    moved = target * (second - first)
    clicked, others = [], []
    for rows in _sessions(groups, len(grades)):
        chosen = rows[grades[rows] > 0]
        if len(chosen):
            clicked.append(moved[chosen].mean())
        else:
            others.append(-moved[rows].mean())
    return (
        float(np.mean(clicked)) if clicked else 0.0,
        float(np.mean(others)) if others else 0.0,
    )


def _mean(value: Any, y: Any, scores: Any, groups: Any) -> float:
    grades = _vector(y, "y")
    numbers = _vector(scores, "scores")
    check_consistent_length(grades, numbers)
    if (grades < 0).any():
        raise ValueError(f"y must be at least 0. Got {grades.min():g}.")
    found = []
    for rows in _sessions(groups, len(grades)):
        if (grades[rows] > 0).any():
            own = numbers[rows]
            above = (own[:, None] < own).sum(axis=1)
            ties = (own[:, None] == own).sum(axis=1) - 1
            found.append(value(grades[rows], 1.0 + above + 0.5 * ties))
    if not found:
        raise ValueError("No session has a relevant item: all of y is 0.")
    return float(np.mean(found))


def _vector(values: Any, name: str) -> np.ndarray:
    return np.asarray(
        column_or_1d(
            check_array(values, ensure_2d=False, dtype=np.float64, input_name=name)
        )
    )


def _check_k(k: Any) -> None:
    is_whole = isinstance(k, Integral) and not isinstance(k, bool)
    if k is not None and not (is_whole and k >= 1):
        raise ValueError(f"k must be an integer of at least 1. Got {k!r}.")


def _sessions(groups: Any, n_rows: int) -> list[np.ndarray]:
    if groups is None:
        return [np.arange(n_rows)]
    _, codes = encode_levels(next(iter(read_groups(groups, n_rows).values())))
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


RANKING_METRICS = {
    "mrr": mean_reciprocal_rank,
    "ndcg": normalized_dcg,
    "recall": recall_at_k,
}


class RankingScorer:
    """Scorer of embedders: ranks the items of each session by similarity.

    Parameters
    ----------
    metric : {"mrr", "ndcg", "recall"}, default="mrr"
        What is measured.
    k : int, default=10
        Number of ranks that count.

    Notes
    -----
    ``groups`` reach it where metadata routing is on; without them rows with the same
    query are a session.
    """

    def __init__(self, metric: str = "mrr", k: int = 10) -> None:
        if metric not in RANKING_METRICS:
            raise ValueError(
                f"metric must be one of {sorted(RANKING_METRICS)}. Got {metric!r}."
            )
        if k is None:
            raise ValueError("k must be an integer of at least 1. Got None.")
        _check_k(k)
        self.metric = metric
        self.k = k

    def __call__(self, estimator: Any, X: Any, y: Any, groups: Any = None) -> float:
        """Score a fitted embedder."""
        sessions = estimator.sessions(X) if groups is None else groups
        value: Any = RANKING_METRICS[self.metric]
        return float(value(y, estimator.predict(X), groups=sessions, k=self.k))

    def __repr__(self) -> str:
        return f"RankingScorer({self.metric!r}, k={self.k})"

    def get_metadata_routing(self) -> MetadataRequest:
        """Ask for groups."""
        request = MetadataRequest(owner=self)
        request.score.add_request(param="groups", alias=True)
        return request


def make_ranking_scorer(metric: str = "mrr", *, k: int = 10) -> RankingScorer:
    """Return a scorer that ranks the items of each session by similarity.

    Parameters
    ----------
    metric : {"mrr", "ndcg", "recall"}, default="mrr"
        What is measured.
    k : int, default=10
        Number of ranks that count.

    Returns
    -------
    scorer : RankingScorer
        For ``scoring=`` of scikit-learn's searches and cross-validation.
    """
    return RankingScorer(metric, k)
