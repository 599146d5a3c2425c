"""Learning curves of one or several runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch


def learning_curve(histories: Sequence[dict[str, NDArray[Any]]]) -> Bunch:
    """Put the scores of several runs on one axis of labels.

    Parameters
    ----------
    histories : sequence of dict
        History of each run, with the columns ``n_labels`` and ``score``.

    Returns
    -------
    curve : Bunch
        ``n_labels`` of shape (n_points,): every number of labels at which some run
        was scored; ``scores`` of shape (n_runs, n_points): the scores, linear between
        the points of a run and NaN outside its range; ``mean`` and ``std`` of shape
        (n_points,): over the runs that reach a point, the standard deviation with
        n - 1 in the denominator and NaN for a single run.
    """
    n_labels = np.unique(np.concatenate([h["n_labels"] for h in histories]))
    scores = np.stack(
        [
            np.interp(n_labels, h["n_labels"], h["score"], left=np.nan, right=np.nan)
            for h in histories
        ]
    )
    present = ~np.isnan(scores)
    count = present.sum(axis=0)
    mean = np.where(present, scores, 0.0).sum(axis=0) / count
    squares = np.where(present, np.square(scores - mean), 0.0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        std = np.where(count > 1, np.sqrt(squares / (count - 1)), np.nan)
    return Bunch(n_labels=n_labels, scores=scores, mean=mean, std=std)


def area_under_curve(n_labels: NDArray[Any], score: NDArray[Any]) -> float:
    """Average height of a learning curve: trapezoids over the range of labels.

    Parameters
    ----------
    n_labels : ndarray of shape (n_points,)
        Numbers of labels, increasing.
    score : ndarray of shape (n_points,)
        Scores.

    Returns
    -------
    area : float
        In the unit of the score; the score itself for a single point.
    """
    width = float(n_labels[-1] - n_labels[0])
    if width == 0.0:
        return float(score[0])
    return float(np.trapezoid(score, n_labels) / width)
