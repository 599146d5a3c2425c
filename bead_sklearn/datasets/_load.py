"""Judgments from CSV, TSV and JSON Lines files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from bead_sklearn._frames import make_frame, resolve_container
from bead_sklearn.datasets import _columns
from bead_sklearn.datasets._judgments import Judgments
from bead_sklearn.datasets._read import ONE_COLUMN, Table, read_table
from bead_sklearn.datasets._tasks import get_task


def load_judgments(
    path: str | os.PathLike[str],
    *,
    text: str | Sequence[str],
    response: str,
    participant: str | None = None,
    item: str | None = None,
    task: str | None = None,
    covariates: Sequence[str] = (),
    options: Sequence[str] | None = None,
    option_separator: str = "|",
    relabel: Mapping[str, str] | None = None,
    sep: str | None = None,
    encoding: str = "utf-8",
    container: str = "auto",
) -> Judgments:
    r"""Read judgments from a file with one row per judgment.

    CSV (``.csv``), TSV (``.tsv``, ``.tab``) and JSON Lines (``.jsonl``, ``.ndjson``)
    are read, also compressed (``.gz``, ``.bz2``, ``.xz`` after the suffix). Only an
    empty field (in JSON also null) is missing: words such as "null", "nan", "none"
    and "NA" are texts and responses like any other.

    Parameters
    ----------
    path : str or path-like
        The file.
    text : str or list of str
        Column or columns that hold the texts: the options of a forced choice, the
        premise and hypothesis, ...
    response : str
        Column of the responses.
    participant, item : str, default=None
        Columns of the ids. Ids are strings; whole JSON numbers become their digits.
    task : str, default=None
        A task of :func:`make_judgments`; it decides how responses are read.

        - "binary", "categorical", "forced_choice": labels. They stay strings unless
          all are integers, which become ints. JSON booleans become "true", "false".
        - "cloze", "free_text": strings.
        - "ordinal": ints, or floats if some are not integers.
        - "slider", "magnitude": floats.
        - "multi_select": options joined by ``option_separator``, or a JSON list;
          empty means that none was selected. ``y`` is an indicator matrix with the
          options in ``classes``.
        - None: ints or floats if all responses are such, else strings.
    covariates : sequence of str, default=()
        Numeric columns to put into ``X`` after the texts. True and false count as 1
        and 0.
    options : sequence of str, default=None
        Multi-select: all options, in order; None takes those that occur, sorted.
    option_separator : str, default="|"
        What joins the options of a multi-select response.
    relabel : mapping of str to str, default=None
        New names for responses, as spelled in the file; others stay as they are. For
        a forced choice whose responses are "a" and "b" and whose columns are
        "option_a" and "option_b": ``{"a": "option_a", "b": "option_b"}``.
    sep : str, default=None
        Character between fields; None goes by the suffix. With ``sep`` any suffix
        will do.
    encoding : str, default="utf-8"
        Encoding of the file. A UTF-8 byte-order mark is skipped.
    container : {"auto", "pandas", "polars", "records"}, default="auto"
        Type of ``X`` and ``frame``, as in :func:`make_judgments`.

    Returns
    -------
    judgments : Judgments
        ``X`` holds the texts and covariates under the file's names; ``frame`` holds
        all columns, with the responses and covariates as read (sets as strings) and
        the others as strings (JSON: as typed).

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    ValueError
        If the file cannot be read as described; the message names the file, the line
        (the header of a CSV file is line 1) and the column.

    See Also
    --------
    make_judgments : Simulate judgments.

    Notes
    -----
    In a forced choice a row may lack some of the options (but not all, and not the
    one chosen); they are None in ``X``.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from bead_sklearn.datasets import load_judgments
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "study.csv"
    ...     _ = path.write_text(
    ...         "who,sentence,rating\nann,The cat sat.,7\nbob,Cat the sat.,1\n"
    ...     )
    ...     d = load_judgments(
    ...         path,
    ...         text="sentence",
    ...         response="rating",
    ...         participant="who",
    ...         task="ordinal",
    ...     )
    >>> d
    Judgments(task='ordinal', n_judgments=2, n_participants=2)
    >>> d.y.tolist(), d.groups.tolist(), d.classes
    ([7, 1], ['ann', 'bob'], (1, 7))
    """
    if task is not None:
        get_task(task)
    if task != "multi_select" and (options is not None or option_separator != "|"):
        raise ValueError(
            "options and option_separator have an effect only for task "
            f"'multi_select'. Got task={task!r}."
        )
    if not option_separator:
        raise ValueError("option_separator must not be empty.")
    texts = _names("text", text)
    numbers = _names("covariates", covariates)
    if not texts:
        raise ValueError("text must name one column at least. Got none.")
    _check_roles(texts, numbers, response, participant, item)
    container = resolve_container(container)
    table = read_table(path, sep, encoding)
    for role, names in (
        ("text", texts),
        ("response", [response]),
        ("participant", [participant]),
        ("item", [item]),
        ("covariates", numbers),
    ):
        _check_columns(table, role, names)

    if relabel is not None:
        table.columns[response] = _relabel(table, response, relabel)
    if task == "forced_choice":
        in_x = dict(zip(texts, _columns.option_columns(table, texts), strict=True))
    else:
        in_x = {name: _columns.text_column(table, name) for name in texts}
    in_x.update({name: _columns.covariate_column(table, name) for name in numbers})
    groups = _ids(table, participant, "participant id")
    items = _ids(table, item, "item id")
    y, classes = _read_response(table, response, task, options, option_separator)
    if task == "forced_choice":
        _check_chosen(table, response, y, {name: in_x[name] for name in texts})
    read = dict(in_x)
    read[response] = y if y.ndim == 1 else _columns.set_texts(table, response)
    if participant is not None and groups is not None:
        read[participant] = groups
    if item is not None and items is not None and item not in read:
        read[item] = items
    columns = {
        name: read[name] if name in read else _columns.other_column(table, name)
        for name in table.columns
    }
    return Judgments(
        X=make_frame(in_x, container),
        y=y,
        groups=groups,
        items=items,
        frame=make_frame(columns, container),
        task=task,
        classes=classes,
        DESCR=f"{len(y)} judgments read from {table.path.name}.",
    )


def _names(parameter: str, given: str | Sequence[str]) -> list[str]:
    names = [given] if isinstance(given, str) else list(given)
    if len(set(names)) != len(names):
        raise ValueError(f"{parameter} names a column twice. Got {names!r}.")
    return names


def _check_roles(
    texts: list[str],
    numbers: list[str],
    response: str,
    participant: str | None,
    item: str | None,
) -> None:
    """Refuse a column in two roles; only an item may be known by its text or number."""
    roles = [("text", texts), ("covariates", numbers), ("response", [response])]
    if participant is not None:
        roles.append(("participant", [participant]))
    if item is not None and item not in {*texts, *numbers}:
        roles.append(("item", [item]))
    seen: dict[str, str] = {}
    for role, names in roles:
        for name in names:
            if name in seen:
                raise ValueError(
                    f"Column {name!r} is given both as {seen[name]} and as {role}."
                )
            seen[name] = role


def _check_columns(table: Table, role: str, names: Sequence[str | None]) -> None:
    for name in names:
        if name is not None and name not in table.columns:
            existing = ", ".join(map(repr, table.columns))
            one_column = not table.is_json and len(table.columns) == 1
            hint = ONE_COLUMN if one_column else ""
            raise ValueError(
                f"{table.path} has no column {name!r} ({role}). Its columns are "
                f"{existing}.{hint}"
            )


def _ids(table: Table, name: str | None, what: str) -> np.ndarray | None:
    return None if name is None else _columns.id_column(table, name, what)


def _relabel(table: Table, response: str, relabel: Mapping[str, str]) -> list[object]:
    values = table.columns[response]
    if not all(isinstance(new, str) and new for new in relabel.values()):
        raise ValueError(
            f"relabel must map to non-empty strings. Got {dict(relabel)!r}."
        )
    known = {value for value in values if isinstance(value, str)}
    absent = [old for old in relabel if old not in known]
    if absent:
        raise ValueError(
            f"relabel names responses that do not occur in column {response!r} of "
            f"{table.path}: {', '.join(map(repr, absent))}."
        )
    return [
        relabel.get(value, value) if isinstance(value, str) else value
        for value in values
    ]


def _read_response(
    table: Table,
    name: str,
    task: str | None,
    options: Sequence[str] | None,
    option_separator: str,
) -> tuple[np.ndarray, tuple[object, ...] | None]:
    """Return the responses and the classes, if they have any."""
    if task == "multi_select":
        return _columns.set_column(table, name, option_separator, options)
    if task in ("cloze", "free_text"):
        return _columns.string_response_column(table, name), None
    if task in ("slider", "magnitude"):
        return _columns.number_column(table, name, "response").astype(float), None
    if task is None:
        return _columns.response_column(table, name), None
    if task == "ordinal":
        y = _columns.number_column(table, name, "response")
    else:
        y = _columns.label_column(table, name)
    classes = tuple(sorted(set(y.tolist())))
    if task == "binary" and len(classes) > 2:
        raise ValueError(
            f"{table.path}, column {name!r}: binary responses have two labels, but "
            f"{len(classes)} occur: {', '.join(map(repr, classes[:5]))}"
            f"{', ...' if len(classes) > 5 else '.'}"
        )
    return y, classes


def _check_chosen(
    table: Table, response: str, y: np.ndarray, options: Mapping[str, np.ndarray]
) -> None:
    for name, column in options.items():
        for row in np.flatnonzero((y == name) & (column == None))[:1]:  # noqa: E711
            raise table.error(
                row, response, f"option {name!r} was chosen but is missing in this row."
            )
