"""Learning what the columns of X are, and reading X by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import validate_data

from bead_sklearn.inputs._columns import (
    Column,
    Role,
    column_role,
    column_values,
    numeric_values,
)
from bead_sklearn.inputs._ids import read_ids
from bead_sklearn.inputs._judgments import Judgments
from bead_sklearn.inputs._names import check_names
from bead_sklearn.inputs._table import Table, as_table
from bead_sklearn.inputs._text import DistinctText

#: Rows of numeric columns that are put together at once.
_CHUNK = 4096


class InputReader:
    """Reads X in any of its forms into :class:`Judgments`.

    X may be a matrix of numbers (array, sparse matrix, list of lists); a list, array
    or Series of strings, which is one text column named ``"text"``; a 2-D array with
    strings in it, whose columns are named ``"x0"``, ``"x1"``, ...; a DataFrame of any
    library that narwhals reads; or a list of dicts with the same keys.

    Columns that are grouping factors are taken out first. Of the rest, strings and
    categories that are strings are text; numbers are covariates, and booleans are
    covariates with the values 0 and 1. No column left is a model with only an
    intercept.

    Parameters
    ----------
    text_columns : sequence of str, default=None
        Columns that are text, in the order in which they are wanted; another column
        of strings is an error then. None stands for all columns of strings. A column
        named here may be a grouping factor at the same time.
    factors : sequence of str, default=()
        Columns with the ids of grouping factors; X must have them.
    optional_factors : sequence of str, default=()
        Columns that are grouping factors where X has them.
    incomplete_columns : sequence of str or None, default=()
        Columns whose texts and numbers may be missing. None stands for all columns of
        text.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> reader = InputReader(factors=["participant"])
    >>> judgments = reader.read(
    ...     BaseEstimator(),
    ...     [
    ...         {"participant": "p1", "sentence": "Dogs bark.", "trial": 1},
    ...         {"participant": "p2", "sentence": "Dogs bark.", "trial": 5},
    ...     ],
    ...     reset=True,
    ... )
    >>> judgments.texts["sentence"].values, judgments.numeric.tolist()
    (['Dogs bark.'], [[1.0], [5.0]])
    >>> judgments.factors["participant"].tolist()
    ['p1', 'p2']
    """

    def __init__(
        self,
        *,
        text_columns: Sequence[str] | None = None,
        factors: Sequence[str] = (),
        optional_factors: Sequence[str] = (),
        incomplete_columns: Sequence[str] | None = (),
    ) -> None:
        if isinstance(text_columns, str):
            raise TypeError(
                "text_columns must be a sequence of column names. Got the string "
                f"{text_columns!r}; write [{text_columns!r}]."
            )
        self.text_columns = None if text_columns is None else tuple(text_columns)
        self.factors = tuple(factors)
        self.optional_factors = tuple(optional_factors)
        self.incomplete_columns = (
            None if incomplete_columns is None else tuple(incomplete_columns)
        )
        self._names: list[str] | None = None
        self._roles: list[Role] = []

    def read(self, estimator: Any, X: Any, *, reset: bool) -> Judgments:
        """Read X.

        Parameters
        ----------
        estimator : estimator
            Where ``n_features_in_`` and ``feature_names_in_`` are kept; they count and
            name the columns without the grouping factors.
        X : object
            The judgments, in any form that the class describes.
        reset : bool
            Whether to learn the columns of X (in fit) or to check that they are those
            learned.

        Returns
        -------
        judgments : Judgments
            X, split by what its columns are.

        Raises
        ------
        ValueError
            If X lacks a column or has another one than in fit; if a text, number or id
            is missing; if records differ in their keys.
        TypeError
            If a column is neither text nor numbers.
        """
        if not reset and self._names is None:
            raise NotFittedError("This InputReader has not learned the columns of X.")
        table = as_table(X)
        if table is None:
            return self._read_matrix(estimator, X, reset)
        if table.n_rows == 0:
            raise ValueError("X has 0 rows; at least 1 is needed.")
        factors = self._read_factors(table)
        taken = set(factors) - set(self.text_columns or ())
        features = {
            name: column for name, column in table.columns.items() if name not in taken
        }
        features = check_names(estimator, table, features, reset=reset)
        if reset:
            self._learn(features)
        else:
            self._check_roles([column_role(*item) for item in features.items()])
        return self._split(table.n_rows, features, factors)

    def _read_matrix(self, estimator: Any, X: Any, reset: bool) -> Judgments:
        if self.factors:
            raise ValueError(_no_columns("X is a matrix", self.factors))
        if self.text_columns:
            raise ValueError(
                f"text_columns names {list(self.text_columns)}, but X is a matrix of "
                "numbers. Pass a DataFrame that has these columns."
            )
        numeric = validate_data(
            estimator, X, accept_sparse="csr", dtype=np.float64, reset=reset
        )
        roles: list[Role] = ["numeric"] * numeric.shape[1]
        if reset:
            self._names = [f"x{j}" for j in range(len(roles))]
            self._roles = roles
        else:
            self._check_roles(roles)
        return Judgments(numeric.shape[0], {}, numeric, list(self._names or ()), {})

    def _read_factors(self, table: Table) -> dict[str, np.ndarray]:
        if self.factors and table.container == "array":
            raise ValueError(_no_columns("X is an array of text", self.factors))
        absent = [name for name in self.factors if name not in table.columns]
        if absent:
            raise ValueError(
                f"X has no column {', '.join(map(repr, absent))} for the grouping "
                f"factor(s) {list(self.factors)}; its columns are "
                f"{list(table.columns)}."
            )
        if table.container == "array":
            return {}
        present = [name for name in self.optional_factors if name in table.columns]
        return {
            name: read_ids(column_values(table.columns[name]), name=name)
            for name in dict.fromkeys([*self.factors, *present])
        }

    def _learn(self, features: dict[Any, Column]) -> None:
        wanted = self.text_columns
        absent = [name for name in wanted or () if name not in features]
        if absent:
            raise ValueError(
                f"text_columns names {', '.join(map(repr, absent))}, which X does not "
                f"have; its columns are {list(features)}."
            )
        roles = {name: column_role(name, column) for name, column in features.items()}
        if wanted is not None:
            numbers = [name for name in wanted if roles[name] != "text"]
            if numbers:
                raise ValueError(
                    f"text_columns names {', '.join(map(repr, numbers))}, which holds "
                    "numbers and no strings."
                )
            others = [n for n, role in roles.items() if role == "text"]
            others = [name for name in others if name not in wanted]
            if others:
                raise ValueError(
                    f"X has columns of strings that text_columns does not name: "
                    f"{', '.join(map(repr, others))}. Drop them from X, add them to "
                    "text_columns, or name them as grouping factors in a formula such "
                    f"as '(1 | {others[0]})'."
                )
        self._names = [str(name) for name in features]
        self._roles = list(roles.values())

    def _check_roles(self, roles: list[Role]) -> None:
        assert self._names is not None
        for name, learned, role in zip(self._names, self._roles, roles, strict=True):
            if learned != role:
                raise ValueError(
                    f"Column {name!r} of X was {learned} in fit and is {role} now."
                )

    def _split(
        self,
        n_rows: int,
        features: dict[Any, Column],
        factors: dict[str, np.ndarray],
    ) -> Judgments:
        assert self._names is not None
        columns = dict(zip(self._names, features.values(), strict=True))
        roles = dict(zip(self._names, self._roles, strict=True))
        text_names = [name for name in self._names if roles[name] == "text"]
        if self.text_columns is not None:
            text_names = [str(name) for name in self.text_columns]
        texts = {
            name: DistinctText.from_values(
                column_values(columns[name]),
                name=name,
                optional=self._is_optional(name, "text"),
            )
            for name in text_names
        }
        numeric_names = [name for name in self._names if roles[name] == "numeric"]
        numeric = None
        if numeric_names:
            numeric = _side_by_side(
                [
                    numeric_values(
                        name, columns[name], optional=self._is_optional(name, "numeric")
                    )
                    for name in numeric_names
                ]
            )
        return Judgments(n_rows, texts, numeric, numeric_names, factors)

    def _is_optional(self, name: str, role: Role) -> bool:
        if self.incomplete_columns is None:
            return role == "text"
        return name in self.incomplete_columns


def _side_by_side(columns: list[np.ndarray]) -> np.ndarray:
    """Return columns as a matrix, some rows at a time, which caches like."""
    n_rows = len(columns[0])
    result = np.empty((n_rows, len(columns)))
    for start in range(0, n_rows, _CHUNK):
        rows = slice(start, start + _CHUNK)
        np.stack([column[rows] for column in columns], axis=1, out=result[rows])
    return result


def _no_columns(what: str, factors: Sequence[str]) -> str:
    return (
        f"{what} and has no named columns, so the grouping factor(s) {list(factors)} "
        "cannot be read from it. Pass a DataFrame that has these columns, or the ids "
        "through groups=."
    )
