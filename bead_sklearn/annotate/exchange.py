"""Judgments in the formats of other tools."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

from bead_sklearn._files import write_file
from bead_sklearn.annotate._jatos import archive_text, to_jatos
from bead_sklearn.annotate._jspsych import from_jspsych, to_jspsych
from bead_sklearn.annotate._label_studio import from_label_studio, to_label_studio
from bead_sklearn.annotate._records import Judgment, to_json
from bead_sklearn.annotate.questions import AnswerError
from bead_sklearn.annotate.store import JudgmentStore
from bead_sklearn.annotate.study import Study

_FIELDS = [field.name for field in fields(Judgment)]
_NUMBERS = {
    "version": int,
    "occasion": int,
    "position": int,
    "seq": int,
    "confidence": float,
    "response_time": float,
}
#: First signs of cells that spreadsheets would take for formulas.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SUFFIXES = (".labelstudio.json", ".jspsych.json", ".jsonl", ".csv", ".txt")
_ARCHIVES = (".jrzip", ".zip")


def export_judgments(
    study: Study, store: JudgmentStore, path: str | PathLike[str]
) -> int:
    """Write the judgments of a store to a file, in one step.

    Parameters
    ----------
    study : Study
        The study.
    store : JudgmentStore
        Its store.
    path : path-like
        The file; the end of its name says the format. ``.jsonl`` and ``.csv`` hold
        every row with all its fields, also what was corrected, and can be imported
        without loss. ``.labelstudio.json`` (tasks with annotations),
        ``.jspsych.json`` (trials) and ``.txt`` (trials as JATOS has them, a line for
        each participant) hold the judgments that stand.

    Returns
    -------
    n_written : int
        Judgments written.
    """
    kind = _kind(path)
    text = export_text(study, store, kind)
    write_file(Path(path), lambda file: file.write(text))
    rows = store.history() if kind in ("csv", "jsonl") else store.judgments()
    return len(rows)


def export_text(study: Study, store: JudgmentStore, kind: str) -> str:
    """Return what `export_judgments` writes for "csv", "jsonl" and so on."""
    writers: dict[str, Callable[[Study, JudgmentStore], str]] = {
        "csv": _to_csv,
        "jsonl": _to_jsonl,
        "labelstudio.json": to_label_studio,
        "jspsych.json": to_jspsych,
        "txt": to_jatos,
    }
    if kind not in writers:
        raise ValueError(f"Judgments are written as {list(writers)}. Got {kind!r}.")
    return writers[kind](study, store)


def import_judgments(
    study: Study, store: JudgmentStore, path: str | PathLike[str]
) -> int:
    """Read judgments of a file into a store: all of them, or none.

    Judgments that are in the store already are skipped, so that a file can be
    imported twice. Items must be those of the study; participants may be new.

    Parameters
    ----------
    study : Study
        The study; answers must be answers to its question.
    store : JudgmentStore
        The store.
    path : path-like
        A file of `export_judgments`, an export of Label Studio (JSON), data of
        jsPsych (JSON), or results of JATOS: ``.txt``, a line of jsPsych data for each
        run, or the archive ``.jrzip``, also named ``.zip``. jsPsych trials need
        ``item`` in their data, and ``participant`` (or ``subject``, ``PROLIFIC_PID``,
        ``workerId``) unless they come in an archive, which knows the worker.

    Returns
    -------
    n_added : int
        Rows that were new.

    Raises
    ------
    ValueError
        If the file cannot be read, or an item or answer does not belong to the study;
        the message names the place.
    """
    path = Path(path)
    is_archive = path.name.lower().endswith(_ARCHIVES)
    kind = "txt" if is_archive else _kind(path)
    readers: dict[str, Callable[[Study, str], list[Judgment]]] = {
        "csv": _from_csv,
        "jsonl": _from_jsonl,
        "labelstudio.json": from_label_studio,
        "jspsych.json": from_jspsych,
        "txt": from_jspsych,
    }
    try:
        text = archive_text(path) if is_archive else _text(path)
        judgments = [
            _checked(study, judgment) for judgment in readers[kind](study, text)
        ]
    except (AnswerError, KeyError, TypeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ValueError(f"{path}: {what}") from error
    store.add_items(study.contents())
    store.add_participants(dict.fromkeys(j.participant for j in judgments))
    return store.add(judgments)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text: {error}.") from error


def _kind(path: str | PathLike[str]) -> str:
    name = Path(path).name.lower()
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return suffix[1:]
    if name.endswith(".json"):
        return "labelstudio.json" if "label" in name else "jspsych.json"
    raise ValueError(
        f"The name of a file must end in one of {_SUFFIXES}, or to be read also in one "
        f"of {_ARCHIVES}. Got {name!r}."
    )


def _checked(study: Study, judgment: Judgment) -> Judgment:
    """Return a judgment whose item and answer belong to the study."""
    where = f"judgment {judgment.uid!r}"
    if judgment.item not in study.items:
        raise ValueError(f"{where}: the study has no item {judgment.item!r}.")
    if judgment.kind != "retraction":
        columns = study.items[judgment.item].columns
        try:
            answer = study.question.read(judgment.answer, columns)
        except AnswerError as error:
            raise ValueError(f"{where}: {error}") from error
        if to_json(answer) != to_json(judgment.answer):
            judgment = Judgment(**{**vars(judgment), "answer": answer})
    judgment.check()
    return judgment


# ------------------------------------------------------------------- JSON Lines, CSV


def _to_jsonl(study: Study, store: JudgmentStore) -> str:
    return "".join(to_json(row.to_record()) + "\n" for row in store.history())


def _from_jsonl(study: Study, text: str) -> list[Judgment]:
    judgments = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                judgments.append(Judgment.from_record(json.loads(line)))
            except (TypeError, ValueError) as error:
                raise ValueError(f"line {number}: {error}") from error
    return judgments


def _to_csv(study: Study, store: JudgmentStore) -> str:
    """Write all rows, with the texts of the items behind them."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = list(next(iter(study.items.values())).columns)
    writer.writerow([*_FIELDS, *(_cell(f"item.{name}") for name in columns)])
    for row in store.history():
        record = row.to_record()
        item = study.items.get(row.item)
        cells = [record[name] for name in _FIELDS]
        cells += [item.columns[name] if item else None for name in columns]
        writer.writerow(map(_cell, cells))
    return stream.getvalue()


def _cell(value: Any) -> str:
    """Write a value so that `_value` reads it again and no spreadsheet runs it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if not isinstance(value, str):
        return to_json(value)
    if value == "" or value.startswith((*_FORMULA, '"')) or _is_json(value):
        return to_json(value)
    return value


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _value(cell: str) -> Any:
    if cell == "":
        return None
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def _from_csv(study: Study, text: str) -> list[Judgment]:
    judgments = []
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    lacking = set(_FIELDS) - set(reader.fieldnames or ()) - {"seq"}
    if lacking:
        raise ValueError(f"the columns {sorted(lacking)} are missing.")
    for row in reader:
        try:
            record = {n: _value(row[n]) for n in _FIELDS if row.get(n) is not None}
            for name, number in _NUMBERS.items():
                if record.get(name) is not None:
                    record[name] = number(record[name])
            for name in ("uid", "root", "item", "participant"):
                # Ids that look like numbers are ids.
                if not isinstance(record[name], str):
                    record[name] = row[name]
            judgments.append(Judgment.from_record(record))
        except (TypeError, ValueError) as error:
            raise ValueError(f"line {reader.line_num}: {error}") from error
    return judgments
