"""What is asked about: rows, or items with several judgments each."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bead_sklearn.inputs._levels import first_seen_codes
from bead_sklearn.inputs._missing import is_missing
from bead_sklearn.query._selection import select_top_k


class Units:
    """Items that rows belong to, and how many rows of an item are asked about.

    Parameters
    ----------
    codes : ndarray of int of shape (n_rows,)
        The item of each row.
    n_judgments : int or None
        Rows asked about per item and batch; None asks about all that are left.
    """

    def __init__(self, codes: NDArray[np.intp], n_judgments: int | None) -> None:
        self.codes = codes
        self.n_judgments = n_judgments

    def rows_of(
        self, units: NDArray[np.intp], ranked: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        """Return the rows asked about for some units.

        Parameters
        ----------
        units : ndarray of int of shape (n_units,)
            Units, best first.
        ranked : ndarray of int of shape (n_pool,)
            Rows that may be asked about, best first.

        Returns
        -------
        rows : ndarray of int
            Rows, unit by unit.
        """
        place = np.full(int(self.codes.max()) + 1, -1, dtype=np.intp)
        place[units] = np.arange(len(units))
        chosen = ranked[place[self.codes[ranked]] >= 0]
        chosen = chosen[np.argsort(place[self.codes[chosen]], kind="stable")]
        if self.n_judgments is None:
            return chosen
        unit = self.codes[chosen]
        first = np.r_[True, unit[1:] != unit[:-1]] if len(unit) else np.empty(0, bool)
        start = np.maximum.accumulate(np.where(first, np.arange(len(unit)), 0))
        return chosen[np.arange(len(unit)) - start < self.n_judgments]

    def best(
        self,
        utilities: NDArray[np.float64],
        pool: NDArray[np.intp],
        order: NDArray[np.intp],
        n: int,
    ) -> NDArray[np.intp]:
        """Return the units with the highest mean utility of the rows asked about.

        Parameters
        ----------
        utilities : ndarray of shape (n_pool,)
            Utilities of the rows of the pool.
        pool : ndarray of int of shape (n_pool,)
            These rows.
        order : ndarray of int of shape (n_pool,)
            Positions in the pool; of equally good units the first here is taken.
        n : int
            How many units.

        Returns
        -------
        units : ndarray of int
            Units, best first.
        """
        ranked = order[select_top_k(utilities[order], len(order))]
        units, first = np.unique(self.codes[pool[order]], return_index=True)
        value = np.full(len(pool), 0.0)
        value[:] = utilities
        position = np.full(int(self.codes.max()) + 1, -1, dtype=np.intp)
        position[units] = np.arange(len(units))
        rows = self.rows_of(units, pool[ranked])
        by_row = np.empty(int(pool.max()) + 1)
        by_row[pool] = value
        code = position[self.codes[rows]]
        counts = np.bincount(code, minlength=len(units))
        means = np.bincount(code, weights=by_row[rows], minlength=len(units)) / counts
        turn = np.argsort(first, kind="stable")
        return units[turn[select_top_k(means[turn], n)]]


def read_units(X: Any, query_by: str | int, n_judgments: int | None) -> Units | None:
    """Read the items of the rows from a column.

    Parameters
    ----------
    X : array, sparse matrix, list or data frame
        All rows.
    query_by : str or int
        ``"row"``, the name of a column of a data frame, or the position of one in an
        array.
    n_judgments : int or None
        Rows asked about per item and batch.

    Returns
    -------
    units : Units or None
        None where rows are asked about one by one.

    Raises
    ------
    ValueError
        If there is no such column, an item is missing, or ``n_judgments`` is given for
        rows.
    """
    if query_by == "row":
        if n_judgments is not None:
            raise ValueError(
                f"n_judgments={n_judgments} is per item; pass the column of the items "
                "as query_by."
            )
        return None
    values = _column(X, query_by)
    missing = [row for row, value in enumerate(values) if is_missing(value)]
    if missing:
        raise ValueError(
            f"query_by={query_by!r} has {len(missing)} missing items, the first in "
            f"row {missing[0]}."
        )
    return Units(first_seen_codes(values)[1], n_judgments)


def _column(X: Any, query_by: str | int) -> list[Any]:
    if nw.dependencies.is_into_dataframe(X):
        frame = nw.from_native(X, eager_only=True)
        names = frame.columns
        if isinstance(query_by, str) and query_by not in names:
            raise ValueError(f"query_by={query_by!r} is no column of X: {names}.")
        name = query_by if isinstance(query_by, str) else names[query_by]
        return frame[name].to_list()
    if isinstance(query_by, str) or (np.ndim(X) != 2 and not sparse.issparse(X)):
        raise ValueError(
            f"query_by={query_by!r} names a column, but X is {type(X).__name__}: pass "
            "a data frame, or the position of a column of an array."
        )
    if not -X.shape[1] <= query_by < X.shape[1]:
        raise ValueError(f"query_by={query_by} is no column of X: it has {X.shape[1]}.")
    column = X[:, [query_by]]
    values = column.toarray() if sparse.issparse(column) else np.asarray(column)
    return values.ravel().tolist()
