"""Tables of the documentation from the records of bench_active_learning.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

Record = dict[str, Any]


def _table(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _reached(record: Record | None) -> str:
    if record is None:
        return "not run"
    reached = record["reaches_random_at_300"]
    return "not by 300" if reached is None else str(reached)


def pairs(records: list[Record]) -> str:
    """Judgments to random's error at 300, by world and strategy."""
    own = [r for r in records if r["part"] == "pairs"]
    names = list(dict.fromkeys(r["strategy"] for r in own))
    rows = []
    for sd in sorted({r["sd"] for r in own}):
        found = {r["strategy"]: r for r in own if r["sd"] == sd}
        rows.append([str(sd), *(_reached(found.get(name)) for name in names)])
    return _table(
        ["sd of participants, logits", *(f"`{name}`" for name in names)], rows
    )


def estimated(records: list[Record]) -> str:
    """Errors where the spread of participants is estimated."""
    own = [r for r in records if r["part"] == "estimated"]
    rows = []
    for sd in sorted({r["sd"] for r in own}):
        found = {r["strategy"]: r for r in own if r["sd"] == sd}
        cells = [str(sd)]
        for n in (100, 200, 300):
            for name in ("random", "joint_a_optimal"):
                record = found[name]
                at = record["labels"].index(n)
                cells.append(f"{record['error'][at]:.2f} ({record['median'][at]:.2f})")
        rows.append(cells)
    header = ["sd of participants"]
    for n in (100, 200, 300):
        header += [f"{n}: random", f"{n}: joint"]
    return _table(header, rows)


def studies(records: list[Record]) -> str:
    """Scores of the models on items set aside."""
    own = [r for r in records if r["part"] == "studies"]
    rows = []
    for r in own:
        half = (len(r["n_labels"]) - 1) // 2
        spread = float(np.std(r["known_by_seed"], ddof=1) / np.sqrt(r["n_seeds"]))
        rows.append(
            [
                f"{r['data']} ({r['pool']:,})",
                "judgments" if r["unit"] == "row" else "items",
                f"`{r['strategy']}`",
                *(f"{r['known'][k]:.3f}" for k in (half, -1)),
                f"{np.mean(r['known']):.3f} ± {spread:.3f}",
                *(f"{r['new'][k]:.3f}" for k in (half, -1)),
                f"{np.mean(r['new']):.3f}",
                f"{r['n_labels'][half]:.0f}, {r['n_labels'][-1]:.0f}",
                str(r["n_seeds"]),
            ]
        )
    header = [
        "data (pool)",
        "asked about",
        "strategy",
        "known people: half way",
        "in the end",
        "mean",
        "new people: half way",
        "in the end",
        "mean",
        "judgments half way, in the end",
        "seeds",
    ]
    return _table(header, rows)


def others(records: list[Record]) -> str:
    """Areas on tables on which nothing was chosen."""
    own = [r for r in records if r["part"] == "others"]
    names = list(dict.fromkeys(r["strategy"] for r in own))
    rows = []
    for data in dict.fromkeys(r["data"] for r in own):
        found = {r["strategy"]: r for r in own if r["data"] == data}
        cells = [
            f"{found[n]['area']:.3f} ± {found[n]['area_se']:.3f}" if n in found else "-"
            for n in names
        ]
        rows.append([data, *cells])
    return _table(["data", *(f"`{name}`" for name in names)], rows)


def speed(records: list[Record]) -> str:
    """CPU seconds and memory of one batch; of a cell measured twice the last."""
    own = {
        (r["n"], r["strategy"], r["library"]): r
        for r in records
        if r["part"] == "speed"
    }
    rows = []
    for n in sorted({key[0] for key in own}):
        for name in dict.fromkeys(key[1] for key in own if key[0] == n):
            cells = [f"`{name}`", f"{n:,}"]
            for library in ("floor", "ours", "scikit-activeml", "modAL"):
                record = own.get((n, name, library))
                cells.append("-" if record is None else f"{record['cpu_s']:.4f}")
            ours = own.get((n, name, "ours"))
            cells.append("-" if ours is None else f"{ours['peak_mb']:.0f}")
            rows.append(cells)
    header = ["strategy", "rows", "plain numpy", "ours", "scikit-activeml", "modAL"]
    return _table([*header, "memory of ours, MB"], rows)


TABLES: dict[str, Callable[[list[Record]], str]] = {
    "PAIRS": pairs,
    "ESTIMATED": estimated,
    "STUDIES": studies,
    "OTHERS": others,
    "SPEED": speed,
}


def fill(text: str, records: list[Record]) -> str:
    """Return a text with the tables between its marks renewed."""
    for name, make in TABLES.items():
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.S)
        table = make(records)
        text = marks.sub(lambda m, t=table: m[1] + t + "\n" + m[2], text)
    return text
