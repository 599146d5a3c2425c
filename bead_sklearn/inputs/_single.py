"""X that is one column of text."""

from __future__ import annotations

from typing import Any

from bead_sklearn.inputs._columns import column_role, column_values
from bead_sklearn.inputs._table import as_table
from bead_sklearn.inputs._text import DistinctText


def read_text(X: Any) -> DistinctText:
    """Read X as one column of text.

    Parameters
    ----------
    X : list, array or Series of str, or DataFrame or 2-D array with one column
        The texts.

    Returns
    -------
    text : DistinctText
        Each distinct string once.

    Raises
    ------
    ValueError
        If a text is missing, or X has no rows.
    TypeError
        If X is not one column of strings.

    Examples
    --------
    >>> read_text(["a dog", "a cat", "a dog"]).values
    ['a dog', 'a cat']
    """
    table = as_table(X)
    if table is None or len(table.columns) != 1:
        got = "no strings" if table is None else f"{len(table.columns)} columns"
        raise TypeError(
            "X must be one column of text: a list, array or Series of str, or a "
            f"DataFrame with one column. Got {got}."
        )
    if table.n_rows == 0:
        raise ValueError("X has 0 rows; at least 1 is needed.")
    ((name, column),) = table.columns.items()
    if column_role(name, column) != "text":
        raise TypeError(f"Column {name!r} of X must be text; it holds numbers.")
    return DistinctText.from_values(column_values(column), name=name)
