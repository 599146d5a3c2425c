"""Tables and the figure of bench_tasks.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from _measure import Record, markdown, show
from _tasks_data import ENCODERS, STUDIES
from _tasks_models import MODELS

KEYS = ("data", "encoder", "rows", "people", "fold", "model")
OURS = ("fixed", "intercepts", "slopes", "crossed")
EFFECTS = {"intercepts", "slopes", "crossed"}
#: Models whose difference to the best is within this many standard errors are level.
LEVEL = 2.0

_COLORS = {
    "scikit-learn": "0.55",
    "fixed": "#56b4e9",
    "intercepts": "#0072b2",
    "crossed": "#d55e00",
}


def read_results(paths: list[Path]) -> list[Record]:
    """Read results; of two for one cell the last counts."""
    found = {}
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if "model" in record:
                found[tuple(record[name] for name in KEYS)] = record
    return list(found.values())


def difference(records: list[Record], others: list[Record]) -> tuple[float, float]:
    """Mean difference of the log scores of two models, and its standard error.

    Over parts of the participants, both models on the same judgments; a ratio of sums.
    """
    gaps, counts = [], []
    for one, other in zip(records, others, strict=True):
        n = np.array(one["parts"]["counts"], dtype=float)
        gap = np.array(one["parts"]["sums"]) - np.array(other["parts"]["sums"])
        gaps.append(gap[n > 0])
        counts.append(n[n > 0])
    gap, n = np.concatenate(gaps), np.concatenate(counts)
    mean = gap.sum() / n.sum()
    rest = gap - mean * n
    error = np.sqrt(len(n) / max(len(n) - 1, 1) * (rest**2).sum()) / n.sum()
    return float(mean), float(error)


def rows(records: list[Record]) -> list[dict]:
    """Return a row of the table per data set, encoder and kind of participants.

    Where no model with effects was run there is none.
    """
    found = []
    for study in STUDIES:
        for people in ("known", "new"):
            for encoder in ENCODERS:
                models = {}
                for model in MODELS:
                    cells = [
                        record
                        for record in records
                        if record["data"] == study.name
                        and record["people"] == people
                        and record["model"] == model
                        and (model == "shares" or record["encoder"] == encoder)
                    ]
                    if cells:
                        models[model] = sorted(cells, key=lambda cell: cell["fold"])
                if set(models) & EFFECTS:  # others say nothing of effects
                    found.append(_row(study, people, encoder, models))
    return found


def _row(study, people: str, encoder: str, models: dict[str, list[Record]]) -> dict:
    done = {
        name: cells
        for name, cells in models.items()
        if all(cell["status"] == "ok" for cell in cells)
    }
    score = {
        name: float(np.mean([cell["log_score"] for cell in cells]))
        for name, cells in done.items()
    }
    best = min(score, key=score.__getitem__)
    level = {best}
    for name, cells in done.items():
        gap, error = difference(cells, done[best])
        if gap <= LEVEL * error:
            level.add(name)
    return {
        "study": study,
        "people": people,
        "encoder": encoder,
        "score": score,
        "second": {
            name: float(np.mean([cell["second"] for cell in cells]))
            for name, cells in done.items()
        },
        "best": best,
        "level": level,
        "failed": {
            name: _failure(cells[0])
            for name, cells in models.items()
            if name not in done
        },
        "cells": done,
    }


def _failure(cell: Record) -> str:
    """Say what came of a fit without a result that counts."""
    return "too slow" if cell["status"] == "limit" else str(cell["status"])


def _cell(row: dict, model: str, marked: bool) -> str:
    if model not in row["score"]:
        return row["failed"].get(model, "-")
    second = row["second"][model]
    shown = f"{row['score'][model]:.3f} / " + (
        f"{second:.3f}" if second < 10 else f"{second:.1f}"
    )
    if marked and model == row["best"]:
        return f"**{shown}**"
    return f"*{shown}*" if marked and model in row["level"] else shown


def table(records: list[Record], marked: bool) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of the table."""
    header = ["task", "participants", "encoder", *MODELS]
    lines = [
        [
            row["study"].task,
            row["people"],
            row["encoder"],
            *(_cell(row, model, marked) for model in MODELS),
        ]
        for row in rows(records)
    ]
    return header, lines


def tables(records: list[Record]) -> str:
    """Lay out the table for the terminal."""
    return show(*table(records, marked=False))


def claims(records: list[Record]) -> tuple[list[str], list[str]]:
    """Return the rows in which ours with effects is not best, or not level with it."""
    known, new = [], []
    for row in rows(records):
        name = f"{row['study'].task} ({row['encoder']})"
        if row["people"] == "known" and row["best"] not in EFFECTS:
            known.append(name)
        if row["people"] == "new" and not row["level"] & EFFECTS:
            new.append(name)
    return known, new


def _sizes(records: list[Record]) -> list[list[str]]:
    lines = []
    for study in STUDIES:
        cells = [r for r in records if r["data"] == study.name and r["status"] == "ok"]
        if not cells:
            continue
        seconds = {
            model: [
                cell["seconds"]
                for cell in cells
                if cell["model"] == model and cell["encoder"] == "default"
            ]
            for model in OURS
        }
        lines.append(
            [
                study.task,
                f"`{study.name}`",
                f"{cells[0]['judgments']:,}",
                str(cells[0]["participants"]),
                *(
                    f"{np.mean(times):.1f}" if times else "-"
                    for times in seconds.values()
                ),
            ]
        )
    return lines


def page(records: list[Record], path: Path) -> None:
    """Write the tables between the marks of a page."""
    header, lines = table(records, marked=True)
    words = {r["data"]: r["scored"] for r in records if r.get("scored", 1.0) < 1.0}
    known, new = claims(records)
    parts = [
        markdown(header, lines),
        "",
        "Known participants: ours with effects is best in every row"
        + (f" but {', '.join(known)}." if known else "."),
        "New participants: ours with effects is best, or level with it, in every row"
        + (f" but {', '.join(new)}." if new else "."),
        "",
        "Judgments and participants used, and CPU seconds of one fit with the default "
        "encoder on four fifths of them:",
        "",
        markdown(
            ["task", "table", "judgments", "participants", *OURS], _sizes(records)
        ),
        "",
        "Share of the held-out answers in words that occur in the training data, on "
        "which the rows of these tasks are scored: "
        + ", ".join(f"`{name}` {100 * share:.0f} %" for name, share in words.items())
        + ".",
    ]
    start, end = "<!-- results -->", "<!-- end of results -->"
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    path.write_text(
        f"{before}{start}\n\n" + "\n".join(parts) + f"\n\n{end}{after}",
        encoding="utf-8",
    )


def draw(records: list[Record], path: Path) -> None:
    """Draw the calibration of predictions for known participants."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown = [
        row
        for row in rows(records)
        if row["people"] == "known" and row["encoder"] == "default"
    ]
    figure, axes = plt.subplots(
        3, 3, figsize=(9.0, 8.6), sharex=True, sharey=True, layout="constrained"
    )
    for axis in axes.ravel()[len(shown) :]:
        axis.axis("off")
    for axis, row in zip(axes.ravel(), shown, strict=False):
        axis.plot([0, 1], [0, 1], color="0.8", linewidth=1, zorder=0)
        for model, color in _COLORS.items():
            if model not in row["cells"]:
                continue
            bins = row["cells"][model][0]["bins"]
            sizes = np.array(bins["count"], dtype=float)
            enough = sizes >= 20
            axis.plot(
                np.array(bins["stated"])[enough],
                np.array(bins["observed"])[enough],
                "o-",
                color=color,
                markersize=3.5,
                linewidth=1.2,
                label=model,
            )
        what = {
            "number": "quantiles",
            "words": "the answer predicted",
            "selection": "each option",
        }.get(row["study"].kind, "each label")
        axis.set_title(f"{row['study'].task}: {what}", fontsize=10)
        axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axis.spines[["top", "right"]].set_visible(False)
    axes.ravel()[0].legend(frameon=False, fontsize=8, loc="upper left")
    figure.supxlabel("probability stated, or level of the quantile", fontsize=10)
    figure.supylabel("share that came true, or lay below the quantile", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
