"""What labels cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from bead_sklearn._sklearn import _num_samples

Cost = float | str | Callable[[Any], Any]


def read_costs(X: Any, cost: Cost | None) -> NDArray[np.float64] | None:
    """Return what the label of each row costs.

    Parameters
    ----------
    X : array, sparse matrix, list or data frame
        All rows.
    cost : float, str, callable or None
        One cost for all rows; the name of a column of a data frame; or
        ``cost(X) -> costs``.

    Returns
    -------
    costs : ndarray of shape (n_rows,) or None
        None where costs do not matter.

    Raises
    ------
    ValueError
        If there is no such column, or costs are not positive numbers, one per row.
    """
    if cost is None:
        return None
    n_rows = _num_samples(X)
    values: Any
    if isinstance(cost, str):
        if not nw.dependencies.is_into_dataframe(X):
            raise ValueError(
                f"cost={cost!r} names a column, but X is {type(X).__name__} and no "
                "data frame."
            )
        frame = nw.from_native(X, eager_only=True)
        if cost not in frame.columns:
            raise ValueError(f"cost={cost!r} is no column of X: {frame.columns}.")
        values = frame[cost].to_numpy()
    else:
        values = cost(X) if callable(cost) else np.full(n_rows, cost)
    costs = np.asarray(values, dtype=np.float64)
    if costs.shape != (n_rows,):
        raise ValueError(
            f"cost must give one number for each of {n_rows} rows, got shape "
            f"{costs.shape}."
        )
    wrong = np.flatnonzero(~(costs > 0) | ~np.isfinite(costs))
    if len(wrong):
        raise ValueError(
            f"cost must be positive, got {costs[wrong[0]]:g} in row {wrong[0]}."
        )
    return costs


def affordable(
    rows: NDArray[np.intp], costs: NDArray[np.float64], budget: float
) -> NDArray[np.intp]:
    """Take rows in order as long as there is money; dear rows are passed over.

    Parameters
    ----------
    rows : ndarray of int
        Rows, best first.
    costs : ndarray of shape (n_rows,)
        Cost of every row of X.
    budget : float
        What may be spent.

    Returns
    -------
    rows : ndarray of int
        Those that can be paid, in order.
    """
    price = costs[rows]
    if price.sum() <= budget * (1.0 + 1e-12):
        return rows
    taken = []
    for row, one in zip(rows.tolist(), price.tolist(), strict=True):
        if one <= budget * (1.0 + 1e-12):
            taken.append(row)
            budget -= one
    return np.array(taken, dtype=np.intp)
