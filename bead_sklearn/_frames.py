"""Tables in whichever container the user has."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np

from bead_sklearn._optional import import_optional

CONTAINERS = ("auto", "pandas", "polars", "records")


def resolve_container(container: str) -> str:
    """Resolve "auto": pandas if installed, else polars, else records."""
    if container not in CONTAINERS:
        names = ", ".join(map(repr, CONTAINERS))
        raise ValueError(f"container must be one of {names}. Got {container!r}.")
    if container != "auto":
        return container
    for name in ("pandas", "polars"):
        if importlib.util.find_spec(name) is not None:
            return name
    return "records"


def make_frame(columns: Mapping[str, np.ndarray], container: str = "auto") -> Any:
    """Build a table from columns of equal length; None is a missing string.

    Parameters
    ----------
    columns : mapping of str to ndarray
        The columns in order.
    container : {"auto", "pandas", "polars", "records"}, default="auto"
        A pandas or polars DataFrame, or a list with one dict per row.

    Returns
    -------
    table : DataFrame or list of dict
        The table.
    """
    container = resolve_container(container)
    if container == "records":
        names = list(columns)
        values = [column.tolist() for column in columns.values()]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
    module = import_optional(
        container, extra=container, purpose=f"container={container!r}"
    )
    if container == "pandas":
        return module.DataFrame(dict(columns))
    return module.DataFrame(
        {
            name: column.tolist() if column.dtype == object else column
            for name, column in columns.items()
        }
    )
