"""Levels of a grouping factor and the codes of ids in them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import repeat
from typing import Any

import numpy as np


def encode_levels(
    ids: Sequence[Hashable] | np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct ids of a factor and the code of each row.

    Ids are told apart as the keys of a dict are: ``1`` and ``"1"`` are two levels;
    ``1``, ``1.0`` and ``True`` are one, shown as the first of them seen.

    Parameters
    ----------
    ids : sequence of hashable of length n_rows
        Ids, none of them missing.

    Returns
    -------
    levels : ndarray of object of shape (n_levels,)
        Distinct ids: sorted if they are all strings, all real numbers or of one other
        type that sorts (sets do not), else in order of first appearance.
    codes : ndarray of intp of shape (n_rows,)
        ``levels[codes[i]]`` is the id of row i.

    Raises
    ------
    TypeError
        If an id is not hashable.

    Examples
    --------
    >>> levels, codes = encode_levels(["p2", "p1", "p2"])
    >>> levels.tolist(), codes.tolist()
    (['p1', 'p2'], [1, 0, 1])
    """
    values = as_list(ids)
    if set(map(type, values)) == {int}:
        try:
            numbers = np.fromiter(values, np.int64, len(values))
        except OverflowError:
            pass
        else:
            distinct, codes = np.unique(numbers, return_inverse=True)
            return object_array(distinct.tolist()), codes.astype(np.intp, copy=False)
    levels = _in_order(list(dict.fromkeys(values)))
    return object_array(levels), _lookup_known(levels, values)


def match_levels(
    levels: Sequence[Hashable] | np.ndarray, ids: Sequence[Hashable] | np.ndarray
) -> np.ndarray:
    """Return the code of each id in known levels.

    Parameters
    ----------
    levels : sequence of hashable of length n_levels
        Levels, as :func:`encode_levels` returns them.
    ids : sequence of hashable of length n_rows
        Ids to look up, compared as the keys of a dict are.

    Returns
    -------
    codes : ndarray of intp of shape (n_rows,)
        Position of each id in ``levels``; -1 for an id that is not there.

    Raises
    ------
    TypeError
        If an id is not hashable.

    Examples
    --------
    >>> match_levels(["p1", "p2"], ["p2", "p3"]).tolist()
    [1, -1]
    """
    codes = {level: code for code, level in enumerate(as_list(levels))}
    values = as_list(ids)
    return np.fromiter(map(codes.get, values, repeat(-1)), np.intp, len(values))


def first_seen_codes(values: list[Any]) -> tuple[list[Any], np.ndarray]:
    """Return the distinct values in order of first appearance, and each row's code."""
    distinct = list(dict.fromkeys(values))
    return distinct, _lookup_known(distinct, values)


def as_list(values: Any) -> list[Any]:
    """Return a sequence or an array as a list of Python objects."""
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def object_array(values: Sequence[Any]) -> np.ndarray:
    """Return a 1-D object array of the values, also where they are tuples."""
    return np.fromiter(values, dtype=object, count=len(values))


def _lookup_known(levels: list[Any], values: list[Any]) -> np.ndarray:
    codes = {level: code for code, level in enumerate(levels)}
    return np.fromiter(map(codes.__getitem__, values), np.intp, len(values))


def _in_order(levels: list[Any]) -> list[Any]:
    types = {type(level) for level in levels}
    numbers = all(issubclass(t, (int, float, np.integer, np.floating)) for t in types)
    strings = all(issubclass(t, str) for t in types)
    if not (numbers or strings or len(types) == 1) or frozenset in types:
        return levels
    try:
        return sorted(levels)
    except TypeError:  # one type without an order
        return levels
