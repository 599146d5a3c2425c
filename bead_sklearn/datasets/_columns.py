"""Columns of a file as texts, ids, numbers, labels and sets.

Only an empty string (in JSON also null or an absent key) is missing; words such as
"null", "nan", "none" and "NA" are texts and responses like any other.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from bead_sklearn.datasets._read import ABSENT, Table, json_type

# Integers in their only spelling, small enough for 64 bits: "01" stays a label.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.A)


def text_column(table: Table, name: str) -> np.ndarray:
    """Return a column of texts; a missing one is an error."""
    return _strings(table, name, "text", allow_missing=False)


def option_columns(table: Table, names: Sequence[str]) -> list[np.ndarray]:
    """Return the options of a forced choice; some may be missing (None) in a row."""
    columns = [_strings(table, name, "text", allow_missing=True) for name in names]
    empty = np.array([[value is None for value in column] for column in columns])
    for row in np.flatnonzero(empty.all(axis=0))[:1]:
        raise table.error(row, names[0], "the row has no option at all.")
    return columns


def id_column(table: Table, name: str, what: str) -> np.ndarray:
    """Return a column of ids as str; whole JSON numbers become their digits."""
    values = table.columns[name]
    if table.is_json:
        values = [str(v) if type(v) is int else v for v in values]
    return _strings(table, name, what, values=values, allow_missing=False)


def other_column(table: Table, name: str) -> np.ndarray:
    """Return a column that has no role: str as in the file, None where missing.

    JSON columns of numbers or of booleans alone keep their type; in a mixed one every
    value but the strings is written as JSON.
    """
    values = [
        None if value is ABSENT or value == "" else value
        for value in table.columns[name]
    ]
    kinds = {type(value) for value in values if value is not None}
    if kinds in ({int}, {int, float}, {float}) and all(map(_fits, values)):
        if None not in values:
            return np.array(values)
        return np.array([np.nan if v is None else v for v in values], dtype=float)
    if kinds == {bool} and None not in values:
        return np.array(values)
    return _objects(
        [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
    )


def number_column(table: Table, name: str, what: str) -> np.ndarray:
    """Return a column of finite numbers: int64 if all are integers, else float64."""
    values = table.columns[name]
    _refuse_missing(table, name, what, values)
    if set(map(type, values)) == {str}:
        if all(map(_INTEGER.fullmatch, values)):
            return np.array(list(map(int, values)), dtype=np.int64)
        if all(map(_NUMBER.fullmatch, values)):
            numbers = np.array(list(map(float, values)))
            if np.isfinite(numbers).all():
                return numbers
    numbers = np.array([_number(table, name, row, v) for row, v in enumerate(values)])
    if all(type(value) is int for value in values) and all(map(_fits, values)):
        return np.array(values, dtype=np.int64)
    return numbers


def measured_column(table: Table, name: str) -> np.ndarray:
    """Return a column of numbers, NaN where they are missing."""
    values = table.columns[name]
    missing = [value is None or value is ABSENT or value == "" for value in values]
    return np.array(
        [
            math.nan if gap else _number(table, name, row, value)
            for row, (value, gap) in enumerate(zip(values, missing, strict=True))
        ]
    )


def covariate_column(table: Table, name: str) -> np.ndarray:
    """Return a column of numbers; true and false (any case) count as 1 and 0."""
    values = table.columns[name]
    _refuse_missing(table, name, "covariate", values)
    if {str(value).lower() for value in values} <= {"true", "false"}:
        return np.array([str(value).lower() == "true" for value in values], dtype=float)
    return number_column(table, name, "covariate")


def label_column(table: Table, name: str) -> np.ndarray:
    """Return a column of labels: int64 if all are integers, else str."""
    labels = _labels(table, name)
    if all(map(_INTEGER.fullmatch, labels)):
        return np.array(list(map(int, labels)), dtype=np.int64)
    return _objects(labels)


def response_column(table: Table, name: str) -> np.ndarray:
    """Return responses of an unnamed task: integers, numbers or strings."""
    labels = _labels(table, name)
    if all(map(_INTEGER.fullmatch, labels)):
        return np.array(list(map(int, labels)), dtype=np.int64)
    if all(map(_NUMBER.fullmatch, labels)):
        numbers = np.array(list(map(float, labels)))
        if np.isfinite(numbers).all():
            return numbers
    return _objects(labels)


def string_response_column(table: Table, name: str) -> np.ndarray:
    """Return responses that are texts."""
    return _strings(table, name, "response", allow_missing=False)


def set_column(
    table: Table, name: str, separator: str, options: Sequence[str] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return sets of options as an indicator matrix, and the options.

    Raises
    ------
    ValueError
        If an option is named twice in a row, or is not among ``options``.
    """
    distinct: dict[Any, int] = {}
    codes: list[int] = []
    rows: list[int] = []
    for row, value in enumerate(table.columns[name]):
        key = tuple(value) if isinstance(value, list) and _hashable(value) else value
        if isinstance(key, (dict, list, int, float)):
            raise table.error(
                row,
                name,
                "the response must be a string of options joined by "
                f"{separator!r} or a list of strings. Got {json_type(value)}.",
            )
        if key not in distinct:
            distinct[key] = len(rows)
            rows.append(row)
        codes.append(distinct[key])
    sets = [
        _parse_set(table, name, row, key, separator)
        for key, row in zip(distinct, rows, strict=True)
    ]
    found = {option for chosen in sets for option in chosen}
    names = tuple(sorted(found)) if options is None else tuple(options)
    if not names:
        raise ValueError(
            f"{table.path}, column {name!r}: no option is selected in any row, so the "
            "options are unknown. Pass options=."
        )
    positions = {option: k for k, option in enumerate(names)}
    if len(positions) != len(names):
        raise ValueError(f"options holds a name twice. Got {list(names)!r}.")
    indicator = np.zeros((len(sets), len(names)), dtype=np.int64)
    for i, (chosen, row) in enumerate(zip(sets, rows, strict=True)):
        for option in chosen:
            if option not in positions:
                raise table.error(
                    row, name, f"{option!r} is not among the options {list(names)}."
                )
            indicator[i, positions[option]] = 1
    return indicator[np.array(codes)], names


def set_texts(table: Table, name: str) -> np.ndarray:
    """Return sets as spelled in the file, lists as JSON, and "" for the empty set."""
    texts = other_column(table, name)
    texts[texts == None] = ""  # noqa: E711
    return texts


def _parse_set(
    table: Table, name: str, row: int, value: Any, separator: str
) -> list[str]:
    if value is ABSENT:
        raise table.error(row, name, "the key is missing.")
    if value is None or value == "":
        return []
    chosen = value.split(separator) if isinstance(value, str) else list(value)
    if "" in chosen:
        raise table.error(row, name, f"an option of {value!r} is empty.")
    if len(set(chosen)) != len(chosen):
        raise table.error(row, name, f"an option is named twice in {value!r}.")
    return chosen


def _hashable(value: list[Any]) -> bool:
    return all(isinstance(option, str) for option in value)


def _labels(table: Table, name: str) -> list[str]:
    values = table.columns[name]
    _refuse_missing(table, name, "response", values)
    if set(map(type, values)) == {str}:
        return values
    for row, value in enumerate(values):
        is_nan = isinstance(value, float) and not math.isfinite(value)
        if isinstance(value, (list, dict)) or is_nan:
            got = str(value) if is_nan else json_type(value)
            raise table.error(
                row,
                name,
                f"the response must be a string, a number or a boolean. Got {got}.",
            )
    return [v if isinstance(v, str) else json.dumps(v) for v in values]


def _strings(
    table: Table,
    name: str,
    what: str,
    *,
    values: list[Any] | None = None,
    allow_missing: bool,
) -> np.ndarray:
    values = table.columns[name] if values is None else values
    if allow_missing:
        values = [None if v is ABSENT or v == "" else v for v in values]
    else:
        _refuse_missing(table, name, what, values)
    allowed = {str, type(None)} if allow_missing else {str}
    if not set(map(type, values)) <= allowed:
        row = next(i for i, v in enumerate(values) if type(v) not in allowed)
        raise table.error(
            row, name, f"the {what} must be a string. Got {json_type(values[row])}."
        )
    return _objects(values)


def _refuse_missing(table: Table, name: str, what: str, values: list[Any]) -> None:
    for value, message in (
        (ABSENT, "the key is missing."),
        (None, f"the {what} is null."),
        ("", f"the {what} is missing (empty)."),
    ):
        if value in values:
            raise table.error(values.index(value), name, message)


def _number(table: Table, name: str, row: int, value: Any) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        spelled = str(value).strip().lower().lstrip("+-")
        if spelled in ("nan", "inf", "infinity"):
            raise table.error(row, name, f"{value!r} is not a finite number.")
        got = repr(value) if isinstance(value, str) else json_type(value)
        raise table.error(row, name, f"a number is needed. Got {got}.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise table.error(row, name, f"{value!r} is not a finite number.")
    return number


def _fits(value: Any) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _objects(values: list[Any]) -> np.ndarray:
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result
