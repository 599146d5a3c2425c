"""Agreement, and the participants whose answers are worth a look."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bead_sklearn.agreement import agreement_interval, annotation_quality
from bead_sklearn.cli._output import print_table, save_csv
from bead_sklearn.cli._study import Study
from bead_sklearn.cli._tasks import LEVELS, TASKS
from bead_sklearn.datasets._columns import measured_column, other_column
from bead_sklearn.datasets._read import Table, read_table

if TYPE_CHECKING:
    from bead_sklearn.agreement import AgreementInterval, AnnotationQuality

_SEPARATOR = "|"
_RESAMPLES = 1_000


def measure(
    study: Study, arguments: argparse.Namespace
) -> tuple[AnnotationQuality, AgreementInterval]:
    """Measure the quality of the judgments.

    Parameters
    ----------
    study : Study
        The judgments.
    arguments : argparse.Namespace
        With the table, and the names of columns of ``order``, ``time``,
        ``confidence`` and ``gold`` or None.

    Returns
    -------
    quality : AnnotationQuality
        For all together and for each participant.
    interval : AgreementInterval
        Krippendorff's alpha of the first judgments, with its bootstrap interval.
    """
    table = read_table(arguments.table, arguments.sep, arguments.encoding)
    level = LEVELS.get(study.roles.task, "nominal")
    answers = _comparable(study)
    measured = {
        option: measured_column(table, _column(table, option, name)).tolist()
        for option in ("order", "time", "confidence")
        if (name := getattr(arguments, option)) is not None
    }
    quality = annotation_quality(
        answers,
        items=study.items.tolist(),
        participants=study.participants.tolist(),
        order=measured.get("order"),
        response_time=measured.get("time"),
        confidence=measured.get("confidence"),
        gold=_gold(study, table, arguments.gold, answers),
        level=level,
    )
    interval = agreement_interval(
        _ratings(study, answers),
        level=level,
        n_resamples=_RESAMPLES,
        random_state=arguments.seed,
    )
    return quality, interval


def print_agreement(
    study: Study, quality: AnnotationQuality, interval: AgreementInterval
) -> None:
    """Print how far people agree with each other, with themselves and with gold."""
    level = LEVELS.get(study.roles.task, "nominal")
    rows = [["agreement", "", "95 % interval"]]
    if not math.isnan(interval.estimate):
        ends = f"{interval.low:.3f} to {interval.high:.3f}"
        rows.append(
            [f"Krippendorff's alpha ({level})", f"{interval.estimate:.3f}", ends]
        )
    if not math.isnan(quality.retest_alpha):
        rows.append(["of repetitions", f"{quality.retest_alpha:.3f}", ""])
    if not math.isnan(quality.gold_accuracy):
        rows.append(["right on gold items", f"{quality.gold_accuracy:.3f}", ""])
    print()
    if len(rows) == 1:
        print("Agreement is not known: no item was judged by two people.")
        return
    print_table(rows)
    if not math.isnan(quality.participant_sd):
        print(
            "Participants differ in how high they answer about the same items, with\n"
            f"an SD of {quality.participant_sd:.3g} in units of the answers."
        )


def print_flagged(quality: AnnotationQuality, max_rows: int) -> None:
    """Print the participants with a flag, those with most first."""
    flagged = [person for person in quality.participants if person.flags]
    flagged.sort(key=lambda person: -len(person.flags))
    print()
    if not flagged:
        print("No participant stands out.")
        return
    print(f"{len(flagged)} of {len(quality.participants)} participants stand out")
    rows = [
        [person.participant, f"{person.n_judgments}", "; ".join(person.flags)]
        for person in flagged[:max_rows]
    ]
    print_table([["participant", "judgments", "why"], *rows], "lrl")
    if len(flagged) > max_rows:
        print(f" and {len(flagged) - max_rows} more")


def save_participants(quality: AnnotationQuality, path: Path) -> None:
    """Save all that is known of each participant as CSV; empty is not known."""
    records = [person.to_record() for person in quality.participants]
    rows = []
    for record in records:
        low, high = record.pop("gold_interval")
        flags = "; ".join(record.pop("flags"))
        cells = [*record.values(), low, high]
        rows.append([*("" if cell is None else cell for cell in cells), flags])
    names = [*records[0], "gold_low", "gold_high", "flags"]
    save_csv(path, names, rows)


def _comparable(study: Study) -> list[Any]:
    """Return the answers as agreement compares them: ordered labels by their rank."""
    if TASKS[study.roles.task].answers == "options":
        assert study.labels is not None
        options = np.asarray(study.labels, dtype=object)
        return [_SEPARATOR.join(options[row == 1].tolist()) for row in study.y]
    values: list[Any] = study.y.tolist()
    if study.roles.task != "ordinal":
        return values
    assert study.labels is not None
    rank = {label: k for k, label in enumerate(study.labels)}
    return [rank[value] for value in values]


def _ratings(study: Study, answers: list[Any]) -> np.ndarray:
    """Return the first answer of each participant about each item, else None."""
    people, person = np.unique(study.participants.astype(str), return_inverse=True)
    place: dict[Any, int] = {}
    unit = np.array([place.setdefault(i, len(place)) for i in study.items.tolist()])
    cells, first = np.unique(person * len(place) + unit, return_index=True)
    ratings = np.full(len(people) * len(place), None, dtype=object)
    ratings[cells] = np.fromiter(answers, dtype=object, count=len(answers))[first]
    return ratings.reshape(len(people), len(place))


def _gold(
    study: Study, table: Table, name: str | None, answers: list[Any]
) -> dict[Any, Any] | None:
    """Return the right answer of the items that have one."""
    if name is None:
        return None
    told = other_column(table, _column(table, "gold", name)).tolist()
    if TASKS[study.roles.task].answers == "numbers":
        right = measured_column(table, name).tolist()
    else:
        spelled = other_column(table, study.roles.response).tolist()
        known = dict(zip(map(str, spelled), answers, strict=True))
        right = [known.get(str(value), str(value)) for value in told]
    gold: dict[Any, Any] = {}
    for row, item in enumerate(study.items.tolist()):
        if told[row] is None or told[row] != told[row]:  # NaN
            continue
        if isinstance(right[row], str) and study.roles.task == "ordinal":
            raise table.error(row, name, f"nobody answered {told[row]!r}.")
        if gold.setdefault(item, right[row]) != right[row]:
            raise table.error(
                row, name, f"the item {item!r} has another right response before."
            )
    return gold


def _column(table: Table, option: str, name: str) -> str:
    if name not in table.columns:
        raise ValueError(
            f"{table.path} has no column {name!r} (--{option}). Its columns are "
            f"{', '.join(map(repr, table.columns))}."
        )
    return name
