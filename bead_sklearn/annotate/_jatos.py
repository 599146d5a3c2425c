"""Result files of JATOS: trials of jsPsych, a line or a file for each run."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from bead_sklearn.annotate._jspsych import PERSON, to_trials
from bead_sklearn.annotate._records import Judgment
from bead_sklearn.annotate.store import JudgmentStore
from bead_sklearn.annotate.study import Study

_METADATA, _DATA = "metadata.json", "data.txt"


def to_jatos(study: Study, store: JudgmentStore) -> str:
    """Write a line of trials for each participant."""
    by_participant: dict[str, list[Judgment]] = {}
    for judgment in store.judgments():
        by_participant.setdefault(judgment.participant, []).append(judgment)
    return "".join(
        json.dumps(to_trials(study, judgments), ensure_ascii=False) + "\n"
        for judgments in by_participant.values()
    )


def archive_text(path: Path) -> str:
    """Read a results archive (JRZIP) as the lines of a plain result file.

    Trials that do not say whose they are get the id of the JATOS worker.

    Raises
    ------
    ValueError
        If the file is no such archive, or what it holds is no data of jsPsych.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if _METADATA not in names:
                raise ValueError(f"the archive has no {_METADATA}.")
            metadata = json.loads(archive.read(_METADATA))
            lines = []
            for worker, name in _runs(metadata):
                if name not in names:
                    continue  # a component that sent nothing
                lines += [
                    json.dumps(_named(trials, worker))
                    for trials in _lists(name, archive.read(name).decode("utf-8-sig"))
                ]
    except zipfile.BadZipFile as error:
        raise ValueError(f"no ZIP archive: {error}.") from error
    return "\n".join(lines)


def _runs(metadata: Any) -> Iterator[tuple[str, str]]:
    """Worker and data file of each component of each run."""
    for study in metadata["data"]:
        for run in study["studyResults"]:
            for component in run["componentResults"]:
                folder = component.get("path") or (
                    f"study_result_{run['id']}/comp_result_{component['id']}"
                )
                yield (
                    str(run.get("workerId", run["id"])),
                    str(PurePosixPath(str(folder).lstrip("/")) / _DATA),
                )


def _lists(name: str, text: str) -> Iterator[list[Any]]:
    """Trials of one file; pages that send after each trial write a line for each."""
    try:
        pieces = [json.loads(text)] if text.strip() else []
    except ValueError:
        try:
            pieces = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    for piece in pieces:
        yield piece if isinstance(piece, list) else [piece]


def _named(trials: list[Any], worker: str) -> list[Any]:
    return [
        {"workerId": worker, **trial}
        if isinstance(trial, Mapping) and not any(name in trial for name in PERSON)
        else trial
        for trial in trials
    ]
