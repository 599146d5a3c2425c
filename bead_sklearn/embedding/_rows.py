"""Reading rows of queries and items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from bead_sklearn._sklearn import _check_sample_weight
from bead_sklearn.embedding._clicks import ClickstreamPairs
from bead_sklearn.inputs import (
    DistinctText,
    InputReader,
    encode_levels,
    read_groups,
    read_text,
)
from bead_sklearn.inputs._table import as_table


@dataclass(frozen=True)
class Side:
    """Distinct queries, or items, and which of them each row has.

    Attributes
    ----------
    values : list of str or ndarray of shape (n_distinct, d)
        Texts, or features.
    index : ndarray of intp of shape (n_rows,)
        Number of each row.
    """

    values: Any
    index: np.ndarray

    @property
    def is_text(self) -> bool:
        """Whether these are texts."""
        return isinstance(self.values, list)

    def take(self, rows: np.ndarray) -> Side:
        """Return the side of some rows."""
        return Side(self.values, self.index[rows])


class RowReader:
    """Splits the columns of X into those of the query and those of the item.

    Two columns of text are query and item. One column of text, and numbers without
    ``n_query_features``, are items that stand for their own query.

    Parameters
    ----------
    query_column, item_column : str or None
        Names of the two columns of a DataFrame; None takes them in their order.
    n_query_features : int or None
        Number of leading numeric columns that describe the query.
    """

    def __init__(
        self,
        query_column: str | None,
        item_column: str | None,
        n_query_features: int | None,
    ) -> None:
        self.query_column = query_column
        self.item_column = item_column
        self.n_query_features = n_query_features
        named = [name for name in (query_column, item_column) if name is not None]
        if len(named) == 1 or len(set(named)) < len(named):
            raise ValueError(
                "query_column and item_column name two columns, or neither. Got "
                f"{query_column!r} and {item_column!r}."
            )
        self._reader = InputReader(text_columns=named or None)

    def read(self, estimator: Any, X: Any, *, reset: bool) -> tuple[Side, Side]:
        """Return the sides of the query and of the item."""
        judgments = self._reader.read(estimator, X, reset=reset)
        texts, numeric = judgments.texts, judgments.numeric
        if texts and numeric is not None:
            raise ValueError(
                "X holds text and numbers; a query and an item are both texts or both "
                f"features. Numeric columns: {judgments.numeric_names}."
            )
        if len(texts) > 2:
            raise ValueError(
                "X has more than two columns of text: "
                f"{list(texts)}. Name query_column and item_column."
            )
        if texts:
            sides = [_text_side(text) for text in texts.values()]
            return sides[0], sides[-1]
        assert numeric is not None
        dense = _dense(numeric)
        n = self.n_query_features
        if n is None:
            side = _feature_side(dense)
            return side, side
        if 2 * n != dense.shape[1]:
            raise ValueError(
                f"n_query_features={n} leaves {dense.shape[1] - n} columns for the "
                "item; query and item must have as many features as each other."
            )
        return _feature_side(dense[:, :n]), _feature_side(dense[:, n:])


def single_side(X: Any) -> Side | None:
    """Read one column of text, whatever the columns in fit; None if X is not that."""
    table = as_table(X)
    if table is None or len(table.columns) != 1:
        return None
    return _text_side(read_text(X))


def _dense(values: Any) -> np.ndarray:
    return np.asarray(values.toarray() if sparse.issparse(values) else values)


def _text_side(text: DistinctText) -> Side:
    return Side(text.values, text.index)


def _feature_side(rows: np.ndarray) -> Side:
    values, index = np.unique(rows, axis=0, return_inverse=True)
    return Side(values, index.reshape(-1))


def read_clicks(
    estimator: Any,
    query: Side,
    item: Side,
    y: Any,
    groups: Any,
    sample_weight: Any,
    *,
    needs_pairs: bool,
) -> ClickstreamPairs:
    """Read what was clicked in which session.

    Parameters
    ----------
    estimator : estimator
        Named in messages.
    query, item : Side
        Query and item of each row.
    y : array-like of shape (n_rows,)
        Clicks, or their grades.
    groups : array-like of shape (n_rows,) or None
        Session of each row; None: rows with the same query.
    sample_weight : array-like of shape (n_rows,) or None
        Confidences.
    needs_pairs : bool
        Whether some session must have an item with and one without a click.

    Raises
    ------
    ValueError
        If no session has a click, or pairs are needed and there are none.
    """
    n_rows = len(item.index)
    clicks = check_array(
        y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=estimator
    )
    clicks = clicks[:, 0] if clicks.ndim == 2 and clicks.shape[1] == 1 else clicks
    check_consistent_length(item.index, clicks)
    if clicks.ndim != 1:
        raise ValueError(f"y must be a vector of clicks. Got shape {clicks.shape}.")
    weights = _check_sample_weight(
        sample_weight, item.index, dtype=np.float64, ensure_non_negative=True
    )
    session = query.index
    if groups is not None:
        ids = next(iter(read_groups(groups, n_rows).values()))
        session = encode_levels(ids)[1]
    else:
        session = encode_levels(session)[1]
    found = ClickstreamPairs(query.index, item.index, clicks, weights, session)
    if not found.has_clicks.any():
        raise ValueError("No session has a click: all of y is 0.")
    if needs_pairs and not any(
        len(np.unique(clicks[rows] > 0)) == 2 for rows in found.sessions
    ):
        raise ValueError(
            f"loss={estimator.loss!r} compares items with and without a click of one "
            "session, and no session has both."
        )
    return found
