"""Fitting an estimator to some of the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bead_sklearn._callbacks import propagate_callbacks
from bead_sklearn._sklearn import _check_method_params, _safe_indexing


def fit_rows(
    estimator: Any,
    X: Any,
    labels: Any,
    rows: NDArray[np.intp],
    fit_params: dict[str, Any],
    context: Any = None,
) -> Any:
    """Fit an estimator to some rows, with the metadata of those rows.

    Parameters
    ----------
    estimator : estimator
        What to fit, in place.
    X : array, sparse matrix, list or data frame
        All rows.
    labels : ndarray or list
        Labels of ``rows``.
    rows : ndarray of shape (n_labels,)
        Positions in ``X``.
    fit_params : dict
        Metadata aligned with ``X``.
    context : sklearn.callback.CallbackContext or None, default=None
        Task of the fit.

    Returns
    -------
    estimator : estimator
        The same estimator.
    """
    params = _check_method_params(X, fit_params, indices=rows)
    with propagate_callbacks(context, estimator):
        estimator.fit(_safe_indexing(X, rows), labels, **params)
    return estimator
