"""Reading the ids of grouping factors."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence, Set
from typing import Any

import narwhals as nw
import numpy as np
from scipy import sparse

from bead_sklearn.inputs._levels import as_list, object_array
from bead_sklearn.inputs._missing import is_missing_id, rows_phrase, where

_EXPECTED = (
    "groups must be a 1-D array, list or Series of ids, or a DataFrame with one column "
    "of ids per factor"
)


def read_ids(values: Any, *, name: str) -> np.ndarray:
    """Return the ids of one factor after checking that none is missing.

    Parameters
    ----------
    values : list or ndarray of shape (n_rows,)
        Ids of any hashable type.
    name : str
        Name of the factor, for messages.

    Returns
    -------
    ids : ndarray of object of shape (n_rows,)
        The ids as Python objects.

    Raises
    ------
    ValueError
        If an id is None, NaN, NaT, empty or white space only.
    TypeError
        If an id is not hashable.
    """
    values = as_list(values)
    try:
        distinct = set(values)
    except TypeError as error:
        row, _ = where(lambda value: not _is_hashable(value), values)
        raise TypeError(
            f"Ids of {name!r} must be hashable (str, int, tuple, ...); row {row} has a "
            f"{type(values[row]).__name__}."
        ) from error
    if _any_missing(distinct):
        first, count = where(is_missing_id, values)
        raise ValueError(
            f"Ids of {name!r} are missing or empty {rows_phrase(first, count)}. Give "
            "every judgment an id, or drop these rows."
        )
    return object_array(values)


def read_groups(
    groups: Any, n_rows: int, *, names: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Return the factors in the ``groups`` argument.

    Parameters
    ----------
    groups : array-like of shape (n_rows,) or (n_rows, n_factors), or DataFrame
        Ids of any hashable type: a list, array or Series for one factor; a DataFrame
        (anything narwhals reads) or a 2-D array for several.
    n_rows : int
        Number of judgments.
    names : sequence of str, default=None
        Names of the factors: of the columns of an array, or which columns of a
        DataFrame to take. None stands for all columns of a DataFrame and for
        ``["groups"]`` otherwise.

    Returns
    -------
    factors : dict of str to ndarray of object of shape (n_rows,)
        Ids of each factor.

    Raises
    ------
    ValueError
        If lengths or numbers of columns differ, or an id is missing or empty.
    TypeError
        If ``groups`` is no sequence of ids, or an id is not hashable.

    Examples
    --------
    >>> read_groups(["p1", "p2"], 2)
    {'groups': array(['p1', 'p2'], dtype=object)}
    """
    columns = _columns(groups, names)
    for name, values in columns.items():
        if len(values) != n_rows:
            of_factor = "groups" if len(columns) == 1 else f"Factor {name!r} of groups"
            raise ValueError(
                f"{of_factor} has {len(values)} ids and X has {n_rows} rows; each row "
                "needs one id."
            )
    return {name: read_ids(values, name=name) for name, values in columns.items()}


def _columns(groups: Any, names: Sequence[str] | None) -> dict[str, Any]:
    if nw.dependencies.is_into_dataframe(groups):
        return _frame_columns(nw.from_native(groups, eager_only=True), names)
    if nw.dependencies.is_into_series(groups):
        values: Any = nw.from_native(groups, series_only=True).to_list()
    elif sparse.issparse(groups) or isinstance(
        groups, (str, bytes, Mapping, Set, nw.LazyFrame)
    ):
        raise TypeError(f"{_EXPECTED}. Got a {type(groups).__name__}.")
    elif isinstance(groups, Sequence):
        values = groups
    elif hasattr(groups, "__array__"):
        values = np.asarray(groups)
    else:
        raise TypeError(f"{_EXPECTED}. Got {groups!r}.")
    matrix = isinstance(values, np.ndarray) and values.ndim != 1
    if matrix and values.ndim != 2:
        raise ValueError(f"{_EXPECTED}. Got an array with {values.ndim} dimensions.")
    n_columns = values.shape[1] if matrix else 1
    if names is None and n_columns != 1:
        raise ValueError(
            f"groups is an array with {n_columns} columns, whose names are not known. "
            "Pass a DataFrame with one named column per factor."
        )
    names = ["groups"] if names is None else list(names)
    if len(names) != n_columns:
        raise ValueError(
            f"groups has {n_columns} column(s) and there are {len(names)} factors: "
            f"{names}. Pass a DataFrame with one named column per factor."
        )
    return {name: values[:, j] if matrix else values for j, name in enumerate(names)}


def _frame_columns(
    frame: nw.DataFrame[Any], names: Sequence[str] | None
) -> dict[str, Any]:
    columns = {str(column.name): column for column in frame.iter_columns()}
    if not columns:
        raise ValueError("groups is a DataFrame without columns.")
    if names is not None:
        unknown = [name for name in names if name not in columns]
        if unknown:
            raise ValueError(
                f"groups has no column {', '.join(map(repr, unknown))}; its columns "
                f"are {list(columns)}."
            )
        columns = {name: columns[name] for name in names}
    return {name: column.to_list() for name, column in columns.items()}


def _any_missing(distinct: set[Any]) -> bool:
    """Whether an id is missing; without looking at each of them if types tell."""
    types = set(map(type, distinct))
    if types <= {int, bool}:
        return False
    if types == {str}:
        return not all(map(str.strip, distinct))
    return any(map(is_missing_id, distinct))


def _is_hashable(value: Hashable) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
