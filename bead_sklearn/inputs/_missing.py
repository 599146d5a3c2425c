"""What counts as a missing value, and where the first one is."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import narwhals as nw
import numpy as np


def is_missing(value: Any) -> bool:
    """Tell whether a scalar is None, NaN, NaT or the missing value of pandas."""
    if value is None:
        return True
    if isinstance(value, (numbers.Number, np.generic, datetime)):
        return bool(value != value)
    if isinstance(value, str):
        return False
    pandas = nw.dependencies.get_pandas()  # None unless someone imported it
    return pandas is not None and value is pandas.NA


def is_missing_id(value: Any) -> bool:
    """Tell whether an id is missing or consists of white space only."""
    if isinstance(value, (str, bytes)):
        return not value.strip()
    return is_missing(value)


def where(test: Callable[[Any], bool], values: Iterable[Any]) -> tuple[int, int]:
    """Return the first row where ``test`` holds (-1 if none) and how many do."""
    rows = [row for row, value in enumerate(values) if test(value)]
    return (rows[0], len(rows)) if rows else (-1, 0)


def rows_phrase(first: int, count: int) -> str:
    """Say in which rows something is found."""
    return f"in row {first}" if count == 1 else f"in {count} rows, first in row {first}"
