"""Delimited and JSON Lines files as columns, with the line of every row.

Lines are counted as editors do: the first is line 1, and a quoted field may run over
several. Nothing is guessed: a row of the wrong length, an open quote, a repeated
column or an undecodable byte is an error that names the line.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
import os
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_JSON_SUFFIXES = (".jsonl", ".ndjson")
_OPENERS: dict[str, Callable[[Any], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
_LINE_END = re.compile(r"\r\n|\r|\n")

#: What to think of when a table has a single column.
ONE_COLUMN = " Only one column was found: is the separator (sep) another character?"


class _Absent:
    """A key that a JSON object does not have."""

    def __repr__(self) -> str:
        return "<absent>"


ABSENT = _Absent()


@dataclass(frozen=True)
class Table:
    """The contents of a file.

    Attributes
    ----------
    path : Path
        The file.
    columns : dict of str to list
        Values of each column: str; for JSON Lines any JSON value, or ``ABSENT``.
    lines : list of int
        Line on which each row starts.
    is_json : bool
        Whether the file was JSON Lines.
    """

    path: Path
    columns: dict[str, list[Any]]
    lines: list[int]
    is_json: bool

    def error(self, row: int, column: str, message: str) -> ValueError:
        """Return an error that names the file, the row's line and the column."""
        return ValueError(
            f"{self.path}, line {self.lines[row]}, column {column!r}: {message}"
        )


def read_table(path: str | os.PathLike[str], sep: str | None, encoding: str) -> Table:
    """Read a whole file.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file, or it is a directory.
    TypeError
        If ``path`` is not a path.
    ValueError
        If the contents cannot be read; the message names the file and the line.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(
            f"path must be a str or a path. Got {type(path).__name__} instead."
        )
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory, not a file.")
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    opener, separator = _format(path, sep)
    text = _decode(path, _read_bytes(path, opener), encoding)
    if not text.strip("\r\n"):
        raise ValueError(f"{path} is empty.")
    if separator is None:
        return _read_json(path, text)
    return _read_delimited(path, text, separator)


def _format(path: Path, sep: str | None) -> tuple[Callable[[Any], Any], str | None]:
    """Return how to open a file, and its separator (None for JSON Lines)."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    opener: Callable[[Any], Any] = open
    if suffixes and suffixes[-1] in _OPENERS:
        opener = _OPENERS[suffixes.pop()]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in _JSON_SUFFIXES:
        if sep is not None:
            raise ValueError(
                f"sep={sep!r} has no effect for the JSON Lines file {path}."
            )
        return opener, None
    if sep is not None:
        if not isinstance(sep, str) or len(sep) != 1 or sep in '"\r\n':
            raise ValueError(f"sep must be one character. Got {sep!r}.")
        return opener, sep
    if suffix not in _SEPARATORS:
        known = ", ".join([*_SEPARATORS, *_JSON_SUFFIXES])
        raise ValueError(
            f"{path} has an unknown suffix. Known are {known}, each also with "
            f"{', '.join(_OPENERS)} after it. For other delimited text pass the "
            "separator (sep)."
        )
    return opener, _SEPARATORS[suffix]


def _read_bytes(path: Path, opener: Callable[[Any], Any]) -> bytes:
    try:
        with path.open("rb") as raw:
            if opener is open:
                return raw.read()
            with opener(raw) as stream:
                data: bytes = stream.read()
                return data
    except EOFError as error:
        raise ValueError(
            f"{path} is truncated: the compressed data end too early."
        ) from error
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise ValueError(
            f"{path} is not a valid {path.suffix} file: {error}."
        ) from error
    except OSError as error:
        if opener is bz2.open and error.errno is None:
            raise ValueError(f"{path} is not a valid .bz2 file: {error}.") from error
        raise


def _decode(path: Path, data: bytes, encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError as error:
        raise ValueError(f"encoding={encoding!r} is not known to Python.") from error
    if name == "utf-8":
        name = "utf-8-sig"  # a byte-order mark is no part of the first column's name
    try:
        return data.decode(name)
    except LookupError as error:
        raise ValueError(f"encoding={encoding!r} is not one of text.") from error
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(name, errors="replace")
        line = len(_LINE_END.findall(before)) + 1
        found = data[error.start : error.start + 1].hex()
        raise ValueError(
            f"{path}, line {line}: byte 0x{found} is not {encoding} ({error.reason}). "
            "Pass the encoding of the file."
        ) from error


def _read_delimited(path: Path, text: str, separator: str) -> Table:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    start = 1
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f'{path}, line {start}: {error}. Check the quotes (") of this row.'
        ) from error
    header, rows = rows[0], rows[1:]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise ValueError(
            f"{path}, line {lines[0]}: duplicate column names "
            f"{', '.join(map(repr, repeated))}."
        )
    if not rows:
        raise ValueError(f"{path} has a header but no judgments.")
    lines = lines[1:]
    if set(map(len, rows)) != {len(header)}:
        bad = next(i for i, row in enumerate(rows) if len(row) != len(header))
        raise ValueError(
            f"{path}, line {lines[bad]}: {len(rows[bad])} fields where the header has "
            f"{len(header)}.{ONE_COLUMN if len(header) == 1 else ''}"
        )
    values = map(list, zip(*rows, strict=True))
    return Table(path, dict(zip(header, values, strict=True)), lines, is_json=False)


def _read_json(path: Path, text: str) -> Table:
    records: list[dict[str, Any]] = []
    lines: list[int] = []
    for number, line in enumerate(io.StringIO(text, newline=""), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, object_pairs_hook=_unique_keys)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{path}, line {number}: invalid JSON at column {error.colno}: "
                f"{error.msg}."
            ) from error
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}, line {number}: {error}.") from error
        if not isinstance(record, dict):
            raise ValueError(
                f"{path}, line {number}: a JSON object is needed, such as "
                f'{{"text": "..."}}. Got {json_type(record)}.'
            )
        records.append(record)
        lines.append(number)
    if not records:
        raise ValueError(f"{path} is empty.")
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: [r.get(name, ABSENT) for r in records] for name in names}
    return Table(path, columns, lines, is_json=True)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"duplicate keys {', '.join(map(repr, repeated))}")
    return result


def json_type(value: Any) -> str:
    """Name the JSON type of a value.

    Examples
    --------
    >>> json_type([1]), json_type(True), json_type(None)
    ('a list', 'a boolean', 'null')
    """
    if value is None:
        return "null"
    for types, name in (
        (bool, "a boolean"),
        ((int, float), "a number"),
        (str, "a string"),
        (list, "a list"),
    ):
        if isinstance(value, types):
            return name
    return "an object"
