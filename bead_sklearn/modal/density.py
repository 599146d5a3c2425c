"""How many rows are near a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_chunked


def information_density(
    X: Any, metric: str | Callable[..., float] = "euclidean"
) -> NDArray[np.float64]:
    r"""Return the mean similarity of each row to all rows.

    .. math:: \frac{1}{n} \sum_j \frac{1}{1 + d(x_i, x_j)}

    Distances are computed in blocks, so that memory stays small; the time grows with
    the square of the number of rows.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Rows.
    metric : str or callable, default="euclidean"
        A metric of `sklearn.metrics.pairwise_distances`.

    Returns
    -------
    density : ndarray of shape (n_samples,)
        From 0 to 1.

    Examples
    --------
    >>> from bead_sklearn.modal.density import information_density
    >>> information_density([[0.0], [0.0], [1.0]]).round(3)
    array([0.833, 0.833, 0.667])
    """
    blocks = pairwise_distances_chunked(X, metric=metric, reduce_func=_mean_similarity)
    return np.concatenate(list(blocks))


def _mean_similarity(distances: NDArray[np.float64], start: int) -> Any:
    return np.mean(1.0 / (1.0 + distances), axis=1)
