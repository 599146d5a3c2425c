"""Which columns of X describe the options of a choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bead_sklearn.inputs import Judgments


@dataclass(frozen=True)
class Options:
    """The options of a choice and the columns that describe them.

    Attributes
    ----------
    names : tuple of str
        The options, in order; the one outside of the columns, if any, last.
    texts, numbers : dict of str to tuple of str
        Columns of the options by attribute, in the order of ``names``; without one for
        the option outside.
    has_outside : bool
        Whether the last option has no columns.
    """

    names: tuple[Any, ...]
    texts: dict[str, tuple[str, ...]]
    numbers: dict[str, tuple[str, ...]]
    has_outside: bool

    @property
    def n_inside(self) -> int:
        """Number of options that columns may describe."""
        return len(self.names) - self.has_outside

    def columns(self) -> set[str]:
        """Return the names of all columns that describe options."""
        named = [*self.texts.values(), *self.numbers.values()]
        return {column for columns in named for column in columns}

    def present(self, judgments: Judgments) -> np.ndarray:
        """Return which options each judgment has, (n_judgments, n_options).

        Raises
        ------
        ValueError
            If an option lacks some of its attributes only, or a judgment has fewer
            than two options.
        """
        shape = (judgments.n_rows, self.n_inside)
        given, missing = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        for columns in self.texts.values():
            for k, column in enumerate(columns):
                lacks = judgments.texts[column].index < 0
                missing[:, k] |= lacks
                given[:, k] |= ~lacks
        numeric = judgments.numeric_matrix() if self.numbers else None
        for columns in self.numbers.values():
            assert numeric is not None
            for k, column in enumerate(columns):
                lacks = np.isnan(numeric[:, judgments.numeric_names.index(column)])
                missing[:, k] |= lacks
                given[:, k] |= ~lacks
        if not (self.texts or self.numbers):
            given[:] = True
        partly = np.argwhere(given & missing)
        if len(partly):
            row, k = partly[0]
            raise ValueError(
                f"The option {self.names[k]!r} has some of its attributes only in row "
                f"{row}: an option is there with all of its columns or with none."
            )
        if self.has_outside:
            given = np.column_stack([given, np.ones(len(given), dtype=bool)])
        few = np.flatnonzero(given.sum(axis=1) < 2)
        if len(few):
            raise ValueError(
                "Every judgment needs at least two options to choose from. Row "
                f"{few[0]} has {int(given[few[0]].sum())}."
            )
        return given


def resolve_options(
    options: Any,
    outside: Any,
    labels: list[Any] | None,
    judgments: Judgments,
    context: tuple[str, ...],
) -> Options:
    """Find the options of a choice among the columns of X.

    Parameters
    ----------
    options : list of str, mapping or None
        Columns that are options; or by option its columns by attribute; or None for
        all text columns of X, and without these the labels.
    outside : label or None
        A response that no column describes.
    labels : list
        The distinct responses.
    judgments : Judgments
        X.
    context : tuple of str
        Text columns that belong to no option.

    Raises
    ------
    ValueError
        If a column is not there, options differ in their attributes, or a response is
        no option.
    """
    texts: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, tuple[str, ...]] = {}
    if isinstance(options, Mapping):
        texts, numbers = _by_attribute(options, judgments)
        names: list[Any] = list(options)
    else:
        of_text = [name for name in judgments.texts if name not in context]
        if options is None:
            names = of_text or [label for label in labels or [] if label != outside]
        else:
            names = np.asarray(options, dtype=object).tolist()
        if len(set(names)) < len(names):
            raise ValueError(f"options must be distinct. Got {names}.")
        known = {**judgments.texts, **dict.fromkeys(judgments.numeric_names)}
        described = [name for name in names if name in known]
        if described and len(described) < len(names):
            lost = [name for name in names if name not in known]
            raise ValueError(
                f"options names {lost[0]!r}, which is not a column of X; its columns "
                f"are {list(known)}. A response without a column is "
                f"outside_option={lost[0]!r}."
            )
        if described:
            in_text = [name in judgments.texts for name in names]
            if any(in_text) and not all(in_text):
                raise ValueError(
                    "options must all be text or all be numbers. Text: "
                    f"{[n for n, yes in zip(names, in_text, strict=True) if yes]}."
                )
            (texts if in_text[0] else numbers)["value"] = tuple(names)
    if outside is not None:
        if outside in names:
            raise ValueError(
                f"outside_option={outside!r} is one of the options {names}; it is a "
                "response that no column describes."
            )
        names = [*names, outside]
    unknown = [label for label in labels or [] if label not in names]
    if unknown:
        raise ValueError(
            f"y has the label {unknown[0]!r}, which is not among the options {names}. "
            "Labels are names of option columns; one that no column describes, such "
            "as 'equal' or 'neither', is outside_option."
        )
    if len(names) < 2:
        raise ValueError(
            f"A choice needs at least two options. Got {names}: X has no columns of "
            "options (text columns, or those named in options=), and y only one class."
        )
    return Options(tuple(names), texts, numbers, outside is not None)


def _by_attribute(
    options: Mapping[Any, Any], judgments: Judgments
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    texts: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, tuple[str, ...]] = {}
    items = list(options.items())
    first_name, first = items[0]
    for name, columns in items:
        if not isinstance(columns, Mapping):
            raise TypeError(
                "options must be a list of columns or a mapping such as "
                "{'left': {'price': 'price_left'}, ...}. Got "
                f"{columns!r} for {name!r}."
            )
        if set(columns) != set(first):
            raise ValueError(
                f"All options need the same attributes. {first_name!r} has "
                f"{sorted(first)}, {name!r} has {sorted(columns)}."
            )
    for attribute in first:
        columns = tuple(by_attribute[attribute] for _, by_attribute in items)
        kinds = []
        for column in columns:
            if column in judgments.texts:
                kinds.append("text")
            elif column in judgments.numeric_names:
                kinds.append("numbers")
            else:
                raise ValueError(
                    f"options names the column {column!r}, which X does not have; its "
                    f"columns are {[*judgments.texts, *judgments.numeric_names]}."
                )
        if len(set(kinds)) > 1:
            raise ValueError(
                f"The attribute {attribute!r} must be text for all options or numbers "
                f"for all. Got {dict(zip(columns, kinds, strict=True))}."
            )
        (texts if kinds[0] == "text" else numbers)[str(attribute)] = columns
    return texts, numbers
