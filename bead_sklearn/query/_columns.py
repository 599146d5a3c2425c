"""One value per row, from a column of X, a function of X, or given as they are."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.inputs._levels import object_array


def row_values(X: Any, source: Any, name: str) -> NDArray[Any]:
    """Return one value per row.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        The rows.
    source : str, int or callable
        A column of a data frame or of records by name, one of an array by position,
        or a function of the rows.
    name : str
        What the parameter is called, for errors.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        The values.

    Raises
    ------
    ValueError
        If there is no such column, or not one value per row.
    """
    if callable(source):
        values = np.asarray(source(X))
    elif nw.dependencies.is_into_dataframe(X):
        frame = nw.from_native(X, eager_only=True)
        if source not in frame.columns:
            raise ValueError(
                f"{name}={source!r} is no column of X, which has {frame.columns}."
            )
        values = frame[source].to_numpy()
    elif isinstance(X, list) and X and isinstance(X[0], dict):
        if any(source not in row for row in X):
            raise ValueError(f"{name}={source!r} is missing in a record of X.")
        values = object_array([row[source] for row in X])
    elif isinstance(source, int) and getattr(X, "ndim", 1) == 2:
        column = X[:, source]
        values = column.toarray().ravel() if hasattr(column, "toarray") else column
    else:
        raise ValueError(
            f"{name}={source!r} needs a column: pass X as a data frame, or a function "
            "of the rows."
        )
    if values.shape != (_num_samples(X),):
        raise ValueError(
            f"{name} must give one value per row, got shape {values.shape} for "
            f"{_num_samples(X)} rows."
        )
    return values
