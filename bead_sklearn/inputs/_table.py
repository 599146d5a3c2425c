"""The containers X may come in, as named columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from scipy import sparse

from bead_sklearn.inputs._columns import Column
from bead_sklearn.inputs._levels import object_array


@dataclass(frozen=True)
class Table:
    """Columns of X.

    Attributes
    ----------
    columns : dict
        Columns by name, in the order of X.
    n_rows : int
        Number of rows.
    container : {"frame", "records", "array"}
        Where the names come from: a DataFrame, the keys of dicts, or made up.
    frame : narwhals DataFrame or None
        The DataFrame.
    """

    columns: dict[Any, Column]
    n_rows: int
    container: str
    frame: nw.DataFrame[Any] | None = None


def as_table(X: Any) -> Table | None:
    """Read X as columns, or return None for a matrix of numbers.

    Parameters
    ----------
    X : object
        What the user passed.

    Returns
    -------
    table : Table or None
        None if X holds no text and no names: scikit-learn's own checks apply then.

    Raises
    ------
    TypeError
        If X is a single string, a mapping, or a frame that is not collected.
    ValueError
        If records have different keys, or a frame has duplicate names.
    """
    if sparse.issparse(X):  # first: one of the sparse formats is also a mapping
        return None
    if nw.dependencies.is_into_dataframe(X):
        return _from_frame(nw.from_native(X, eager_only=True))
    if nw.dependencies.is_into_series(X):
        series = nw.from_native(X, series_only=True)
        if series.dtype.is_numeric() or series.dtype == nw.Boolean:
            return None
        return Table({"text": series}, len(series), "array")
    if isinstance(X, (str, bytes, Mapping)):
        raise TypeError(
            "X must have one entry per judgment: a matrix, a DataFrame, a list of str "
            f"or a list of dicts. Got a single {type(X).__name__}."
        )
    if nw.dependencies.is_into_lazyframe(X):
        raise TypeError("X is a lazy frame; call its collect() first.")
    if isinstance(X, np.ndarray):
        return _from_array(X)
    if isinstance(X, (list, tuple)):
        if not X:
            raise ValueError("X is empty (0 samples); it needs one entry per judgment.")
        return _from_list(list(X))
    return None


def _from_frame(frame: nw.DataFrame[Any]) -> Table:
    return Table(
        {column.name: column for column in frame.iter_columns()},
        frame.shape[0],
        "frame",
        frame,
    )


def _from_array(X: np.ndarray) -> Table | None:
    if X.dtype.kind not in "USTO":
        return None
    if X.dtype.kind == "S":
        raise TypeError("X is an array of bytes; decode it to str first.")
    if X.ndim == 1:
        return _from_list(X.tolist())
    if X.ndim != 2 or not any(isinstance(cell, str) for cell in X.ravel().tolist()):
        return None
    cells = X.astype(object)
    columns: dict[Any, Column] = {f"x{j}": cells[:, j] for j in range(X.shape[1])}
    return Table(columns, len(X), "array")


def _from_list(rows: list[Any]) -> Table | None:
    kinds = set(map(type, rows))
    if any(issubclass(kind, Mapping) for kind in kinds):
        return _from_records(rows)
    if any(issubclass(kind, str) for kind in kinds):
        return Table({"text": object_array(rows)}, len(rows), "array")
    if kinds and all(issubclass(kind, (list, tuple)) for kind in kinds):
        return _from_rows(rows)
    return None


def _from_rows(rows: list[Any]) -> Table | None:
    if not any(isinstance(cell, str) for row in rows for cell in row):
        return None
    width = len(rows[0])
    for i, row in enumerate(rows):
        if len(row) != width:
            raise ValueError(
                f"Rows of X have different lengths: row 0 has {width} cells, row {i} "
                f"has {len(row)}."
            )
    columns: dict[Any, Column] = {
        f"x{j}": object_array([row[j] for row in rows]) for j in range(width)
    }
    return Table(columns, len(rows), "array")


def _from_records(rows: list[Any]) -> Table:
    keys = dict.fromkeys(rows[0]) if isinstance(rows[0], Mapping) else {}
    for i, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TypeError(
                f"X is a list of dicts, but row {i} is a {type(row).__name__}."
            )
        if row.keys() != keys.keys():
            missing = [key for key in keys if key not in row]
            extra = [key for key in row if key not in keys]
            raise ValueError(
                f"Every record of X needs the keys of row 0, {list(keys)}: row {i} "
                f"misses {missing} and has {extra} besides."
            )
    for key in keys:
        if not isinstance(key, str):
            raise TypeError(
                f"Keys of the records in X must be strings. Got {key!r}, a "
                f"{type(key).__name__}."
            )
    columns: dict[Any, Column] = {
        key: object_array([row[key] for row in rows]) for key in keys
    }
    return Table(columns, len(rows), "records")
