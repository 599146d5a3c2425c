"""One column of X: what it is, and its values."""

from __future__ import annotations

import numbers
from decimal import Decimal
from typing import Any, Literal

import narwhals as nw
import numpy as np

from bead_sklearn.inputs._missing import is_missing, rows_phrase, where

Column = nw.Series[Any] | np.ndarray
Role = Literal["text", "numeric"]

_HINT = (
    "Columns of X must be text (str) or numbers; convert the column, drop it, or name "
    "it as a grouping factor."
)


def column_role(name: Any, column: Column) -> Role:
    """Tell whether a column is text or numbers.

    Parameters
    ----------
    name : hashable
        Name of the column, for messages.
    column : narwhals Series or ndarray of object of shape (n_rows,)
        The column.

    Returns
    -------
    role : {"text", "numeric"}
        Strings and categories that are strings are text; numbers and booleans are
        numeric.

    Raises
    ------
    TypeError
        If the column is neither, or mixes the two.
    ValueError
        If no value of the column is present.
    """
    if isinstance(column, np.ndarray):
        return _role_of_values(name, column.tolist())
    dtype = column.dtype
    if dtype == nw.String:
        return "text"
    if dtype.is_numeric() or dtype == nw.Boolean:
        return "numeric"
    if dtype in (nw.Categorical, nw.Enum):
        present = column.unique().drop_nulls().to_list()
        if all(isinstance(category, str) for category in present):
            return "text"
        raise TypeError(
            f"Column {name!r} of X has categories that are not strings. {_HINT}"
        )
    if dtype == nw.Object:
        return _role_of_values(name, column.to_list())
    if len(column) and column.null_count() == len(column):
        raise ValueError(f"Column {name!r} of X has only missing values.")
    shown = column.to_native().dtype if dtype == nw.Unknown else dtype
    raise TypeError(f"Column {name!r} of X has dtype {shown}. {_HINT}")


def column_values(column: Column) -> list[Any]:
    """Return the values of a column as Python objects."""
    return column.tolist() if isinstance(column, np.ndarray) else column.to_list()


def numeric_values(name: Any, column: Column, *, optional: bool = False) -> np.ndarray:
    """Return the numbers of a column.

    Parameters
    ----------
    name : hashable
        Name of the column, for messages.
    column : narwhals Series or ndarray of object of shape (n_rows,)
        A column of role "numeric".
    optional : bool
        Whether numbers may be missing; they are NaN then.

    Returns
    -------
    values : ndarray of float64 of shape (n_rows,)
        The numbers; booleans as 0 and 1.

    Raises
    ------
    ValueError
        If a number is missing or infinite.
    """
    values = _plain_numbers(column)
    if values is None:
        listed = column_values(column)
        present = (np.nan if is_missing(value) else float(value) for value in listed)
        values = np.fromiter(present, np.float64, len(listed))
    bad = np.flatnonzero(np.isinf(values) if optional else ~np.isfinite(values))
    if len(bad):
        first = int(bad[0])
        what = "NaN" if np.isnan(values[first]) else "infinity"
        raise ValueError(
            f"Input X contains {what}: column {name!r}, "
            f"{rows_phrase(first, len(bad))}. Drop these rows or impute the values, "
            "for instance by sklearn.impute.SimpleImputer."
        )
    return values


def _plain_numbers(column: Column) -> np.ndarray | None:
    """Return a column of numbers as an array, NaN where missing; None if it is none."""
    if isinstance(column, np.ndarray):
        return None
    dtype = column.dtype
    if not (dtype.is_float() or dtype.is_integer()):
        return None
    values = column.to_numpy()
    if values.dtype.kind not in "fiu":
        return None
    return np.asarray(values, dtype=np.float64)


def _role_of_values(name: Any, values: list[Any]) -> Role:
    kinds = set(map(type, values))
    text = any(issubclass(kind, str) for kind in kinds)
    if all(issubclass(kind, str) for kind in kinds):
        return "text"
    fits = _is_text if text else _is_number
    row, _ = where(lambda value: not (fits(value) or is_missing(value)), values)
    if row < 0 and not text and all(map(is_missing, values)):
        raise ValueError(f"Column {name!r} of X has only missing values.")
    if row < 0:
        return "text" if text else "numeric"
    kind = type(values[row]).__name__
    if text:
        raise TypeError(
            f"Column {name!r} of X mixes text with other values: row {row} has a "
            f"{kind}. Convert the column to str or to numbers."
        )
    raise TypeError(f"Column {name!r} of X has a {kind} in row {row}. {_HINT}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (numbers.Real, np.bool_, Decimal))
