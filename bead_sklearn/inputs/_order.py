"""The order that a column of labels declares."""

from __future__ import annotations

from typing import Any

import narwhals as nw


def declared_order(y: Any) -> list[Any] | None:
    """Return the categories of an ordered column; None if it declares no order.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, 1)
        Labels. A pandas Series of an ordered Categorical and a polars Series of an
        Enum declare an order.

    Examples
    --------
    >>> import pandas as pd
    >>> from bead_sklearn.inputs import declared_order
    >>> y = pd.Categorical(["bad", "good"], ["bad", "fair", "good"], ordered=True)
    >>> declared_order(pd.Series(y))
    ['bad', 'fair', 'good']
    """
    if nw.dependencies.is_into_dataframe(y):
        frame = nw.from_native(y, eager_only=True)
        y = frame[:, 0].to_native() if len(frame.columns) == 1 else None
    dtype = getattr(y, "dtype", None)
    categories = getattr(dtype, "categories", None)
    # All categories of an Enum are in order; those of a pandas Categorical may be.
    is_enum = (
        nw.dependencies.is_polars_series(y)
        and nw.from_native(y, series_only=True).dtype == nw.Enum
    )
    if categories is None or not (is_enum or getattr(dtype, "ordered", False)):
        return None
    return list(categories.to_list())
