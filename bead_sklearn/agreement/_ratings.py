"""Reading tables of ratings: annotators in rows, units in columns."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from bead_sklearn.inputs._missing import is_missing

LEVELS = ("nominal", "ordinal", "interval", "ratio")


def check_level(level: str) -> None:
    """Refuse a level of measurement that does not exist."""
    if level not in LEVELS:
        raise ValueError(f"level must be one of {LEVELS}. Got {level!r}.")


def read_ratings(
    ratings: Any, *, name: str = "ratings", ndim: int = 2
) -> tuple[NDArray[np.intp], list[Any]]:
    """Give ratings numbers in the order of their values.

    Parameters
    ----------
    ratings : array-like of shape (n_annotators, n_units) or (n_units,)
        Labels; None, NaN and the missing values of pandas are missing.
    name : str, default="ratings"
        What they are called in error messages.
    ndim : int, default=2
        Dimensions they must have.

    Returns
    -------
    codes : ndarray of the same shape
        Positions in the labels; -1 where a rating is missing.
    labels : list
        Distinct labels: numbers by size, others sorted as strings.

    Raises
    ------
    ValueError
        If the dimensions differ.
    """
    table = _as_table(ratings)
    if table.ndim != ndim:
        wanted = "a table of annotators by units" if ndim == 2 else "one-dimensional"
        raise ValueError(f"{name} must be {wanted}, got shape {table.shape}.")
    if table.dtype.kind in "iuf":
        present = ~np.isnan(table) if table.dtype.kind == "f" else np.ones_like(table)
        return _spread(table, present.astype(bool))
    flat = table.astype(object).ravel().tolist()
    given = [not is_missing(value) for value in flat]
    values = [value for value, there in zip(flat, given, strict=True) if there]
    codes, labels = encode(values)
    spread = np.full(table.size, -1, dtype=np.intp)
    spread[np.array(given, dtype=bool)] = codes
    return spread.reshape(table.shape), labels


def encode(values: list[Any]) -> tuple[NDArray[np.intp], list[Any]]:
    """Give values numbers in their order; return the numbers and the labels."""
    labels = sorted(dict.fromkeys(values), key=None if are_numbers(values) else str)
    position = {label: code for code, label in enumerate(labels)}
    return np.array([position[value] for value in values], dtype=np.intp), labels


def are_numbers(values: list[Any]) -> bool:
    """Whether all values are numbers; True and False are labels."""
    return all(
        isinstance(value, int | float | np.number) and not isinstance(value, bool)
        for value in values
    )


def label_values(labels: list[Any], level: str) -> NDArray[np.float64]:
    """Return labels as numbers, for the levels that calculate with them.

    Raises
    ------
    ValueError
        If they are no numbers.
    """
    if not are_numbers(labels):
        raise ValueError(f"level={level!r} needs numbers, got {labels[:3]}.")
    return np.array(labels, dtype=np.float64)


def _as_table(ratings: Any) -> NDArray[Any]:
    if nw.dependencies.is_into_dataframe(ratings):
        return nw.from_native(ratings, eager_only=True).to_numpy()
    table = np.asarray(ratings) if hasattr(ratings, "dtype") else None
    if table is None or table.dtype.kind not in "iuf":
        return np.asarray(ratings, dtype=object)
    return table


def _spread(
    table: NDArray[Any], present: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], list[Any]]:
    labels, codes = np.unique(table[present], return_inverse=True)
    spread = np.full(table.shape, -1, dtype=np.intp)
    spread[present] = codes
    return spread, labels.tolist()
