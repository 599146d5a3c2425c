"""A column of text with each distinct string once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bead_sklearn.inputs._levels import first_seen_codes
from bead_sklearn.inputs._missing import is_missing, rows_phrase, where

#: Stands between the two texts of a pair. Encoders that read pairs split there; to
#: others it is white space.
PAIR_SEPARATOR = "\x1e"


@dataclass(frozen=True)
class DistinctText:
    """One text column, each distinct string once.

    Attributes
    ----------
    values : list of str
        Distinct strings in order of first appearance.
    index : ndarray of intp of shape (n_rows,)
        ``values[index[i]]`` is the text of row i; -1 where there is none.

    Examples
    --------
    >>> text = DistinctText.from_values(["a dog", "a cat", "a dog"])
    >>> text.values, text.index.tolist()
    (['a dog', 'a cat'], [0, 1, 0])
    """

    values: list[str]
    index: np.ndarray

    @classmethod
    def from_values(
        cls, values: list[Any], *, name: str = "text", optional: bool = False
    ) -> DistinctText:
        """Read the values of a column that holds strings only.

        Parameters
        ----------
        values : list
            One string per row; an empty string is a text like others.
        name : str
            Name of the column, for messages.
        optional : bool
            Whether a text may be missing.

        Returns
        -------
        text : DistinctText
            The column.

        Raises
        ------
        ValueError
            If a text is missing.
        """
        distinct, index = first_seen_codes(values)
        if not all(isinstance(value, str) for value in distinct):
            if optional:
                return cls._without_missing(distinct, index)
            first, count = where(is_missing, values)
            raise ValueError(
                f"Column {name!r} of X has a missing text "
                f"{rows_phrase(first, count)}. Drop these rows, or put an empty string "
                "if no text is what was shown."
            )
        return cls([str(value) for value in distinct], index)

    @classmethod
    def _without_missing(cls, distinct: list[Any], index: np.ndarray) -> DistinctText:
        present = np.array([isinstance(value, str) for value in distinct])
        numbers = np.where(present, np.cumsum(present) - 1, -1)
        values = [str(value) for value in distinct if isinstance(value, str)]
        return cls(values, numbers[index])

    def take(self, rows: np.ndarray) -> DistinctText:
        """Return the column at some rows, without strings that no row has."""
        if (self.index[rows] < 0).any():
            result = np.full(len(rows), -1, dtype=np.intp)
            present = self.index[rows] >= 0
            text = self.take(rows[present])
            result[present] = text.index
            return DistinctText(text.values, result)
        kept, index = np.unique(self.index[rows], return_inverse=True)
        first = np.full(len(kept), len(rows))
        np.minimum.at(first, index, np.arange(len(rows)))
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return DistinctText([self.values[kept[i]] for i in order], rank[index])


@dataclass(frozen=True)
class PairedText:
    """Two texts per row that are compared with each other.

    Attributes
    ----------
    values : list of str
        Distinct strings.
    first, second : ndarray of intp of shape (n_rows,)
        Positions of the two texts of each row.
    """

    values: list[str]
    first: np.ndarray
    second: np.ndarray

    def take(self, rows: np.ndarray) -> PairedText:
        """Return the texts of some rows."""
        return PairedText(self.values, self.first[rows], self.second[rows])


def join_texts(columns: list[DistinctText]) -> DistinctText:
    """Join the texts of several columns row by row, as pairs.

    Parameters
    ----------
    columns : list of DistinctText
        At least two. The first is the first text of the pair; the others, with
        spaces between them, are the second. Without a first text there is no pair.

    Returns
    -------
    text : DistinctText
        Texts with `PAIR_SEPARATOR` in them.

    Examples
    --------
    >>> premise = DistinctText.from_values(["It rains.", "It rains."])
    >>> hypothesis = DistinctText.from_values(["It is wet.", "It is dry."])
    >>> joint = join_texts([premise, hypothesis])
    >>> joint.values[1].split(PAIR_SEPARATOR)
    ['It rains.', 'It is dry.']
    """
    keys = np.zeros(len(columns[0].index), dtype=np.int64)
    for column in columns:
        keys = np.unique(keys * len(column.values) + column.index, return_inverse=True)[
            1
        ]
    _, first = np.unique(keys, return_index=True)
    values = []
    for row in first.tolist():
        one, *others = (column.values[column.index[row]] for column in columns)
        values.append(one + PAIR_SEPARATOR + " ".join(others))
    return DistinctText(values, keys).take(np.arange(len(keys)))


def pool_texts(
    columns: list[DistinctText], rows: np.ndarray, which: np.ndarray
) -> DistinctText:
    """Read texts from one of several columns, row by row.

    Parameters
    ----------
    columns : list of DistinctText
        The columns.
    rows : ndarray of int of shape (n,)
        Row to read.
    which : ndarray of int of shape (n,)
        Column to read it from; one that is not there holds no text.

    Returns
    -------
    text : DistinctText
        Each distinct string of all columns once.

    Examples
    --------
    >>> left = DistinctText.from_values(["a cat", "a dog"])
    >>> right = DistinctText.from_values(["a dog", "a cow"])
    >>> text = pool_texts([left, right], np.array([0, 0, 1]), np.array([0, 1, 2]))
    >>> text.values, text.index.tolist()
    (['a cat', 'a dog'], [0, 1, -1])
    """
    numbers: dict[str, int] = {}
    for column in columns:
        for value in column.values:
            numbers.setdefault(value, len(numbers))
    pooled = np.full(len(rows), -1, dtype=np.intp)
    for k, column in enumerate(columns):
        chosen = np.flatnonzero(which == k)
        index = column.index[rows[chosen]]
        new = np.array([numbers[value] for value in column.values] or [-1])
        pooled[chosen] = np.where(index >= 0, new[index], -1)
    return DistinctText(list(numbers), pooled).take(np.arange(len(rows)))
