"""Checks of y that do not depend on the task."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
from scipy import sparse

from bead_sklearn.inputs._missing import is_missing, rows_phrase


def check_target_present(y: Any) -> None:
    """Raise if a value of y is missing.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, n_outputs), or None
        Targets as the user has them; a row may be a list or set of labels. None is
        left to scikit-learn's own check.

    Raises
    ------
    ValueError
        If a value is None, NaN or NaT: names the first such row and their number.

    Examples
    --------
    >>> check_target_present(["yes", "no"])
    >>> check_target_present(["yes", None])
    Traceback (most recent call last):
    ...
    ValueError: Input y contains missing values (None, NaN or NaT) in row 1. ...
    """
    missing = _missing_rows(y)
    rows = np.flatnonzero(missing)
    if len(rows):
        raise ValueError(
            "Input y contains missing values (None, NaN or NaT) "
            f"{rows_phrase(int(rows[0]), len(rows))}. Drop these rows; a judgment that "
            "is still to be collected belongs in a pool, not in y."
        )


def _missing_rows(y: Any) -> np.ndarray:
    """Return a mask of the rows with a missing value."""
    none = np.zeros(0, dtype=bool)
    if y is None or isinstance(y, str):
        return none
    if nw.dependencies.is_into_dataframe(y):
        frame = nw.from_native(y, eager_only=True)
        masks = [_missing_values(column.to_list()) for column in frame.iter_columns()]
        return np.any(masks, axis=0) if masks else none
    if nw.dependencies.is_into_series(y):
        return _missing_values(nw.from_native(y, series_only=True).to_list())
    if sparse.issparse(y):
        entries = y.tocoo()
        mask = np.zeros(y.shape[0], dtype=bool)
        mask[entries.row[np.isnan(entries.data.astype(float))]] = True
        return mask
    if isinstance(y, (list, tuple)):
        return _missing_values(list(y))
    y = np.asarray(y)
    if y.ndim == 0:
        return none
    if y.dtype.kind in "fcmM":
        masked = np.isnat(y) if y.dtype.kind in "mM" else np.isnan(y)
    elif y.dtype.kind == "O":
        masked = _missing_values(y.ravel().tolist()).reshape(y.shape)
    else:
        return none
    rows: np.ndarray = masked.reshape(len(masked), -1).any(axis=1)
    return rows


def _missing_values(values: list[Any]) -> np.ndarray:
    """Return a mask of missing values, also inside rows that are lists or arrays."""
    if all(issubclass(kind, (str, int)) for kind in set(map(type, values))):
        return np.zeros(len(values), dtype=bool)
    return np.fromiter(map(_is_missing_row, values), bool, len(values))


def _is_missing_row(value: Any) -> bool:
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        return any(map(is_missing, value))
    return is_missing(value)
