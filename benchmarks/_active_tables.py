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
        if r["part"] == "speed" and r["n"] < 1_000_000
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


def labels(records: list[Record]) -> str:
    """Areas and labels to levels of accuracy on three small tables."""
    own = {(r["data"], r["strategy"]): r for r in records if r["part"] == "labels"}
    columns = {
        "digits": ("0.9", "0.94"),
        "wine": ("0.97",),
        "breast_cancer": ("0.95", "0.965"),
    }
    header = ["strategy"]
    for data, levels in columns.items():
        header += [f"{data.replace('_', ' ')}: area", *(f"to {x}" for x in levels)]
    names = list(dict.fromkeys(name for _, name in own))
    names.sort(key=lambda name: -own["digits", name]["area"])
    rows = []
    for name in names:
        cells = [f"`{name}`" if " " not in name else name]
        for data, levels in columns.items():
            record = own[data, name]
            cells.append(f"{record['area']:.4f}")
            cells += [f"{record[f'labels_to_{x}']:.0f}" for x in levels]
        rows.append(cells)
    return _table(header, rows)


def refits(records: list[Record]) -> str:
    """Expected error reduction beside refits."""
    rows = [
        [
            str(int(r["labels"])),
            f"{r['ours_ms']:.1f}",
            f"{r['tight_ms']:.0f}",
            f"{r['default_ms']:.0f}",
            f"{r['correlation']:.3f}",
            f"{r['default_correlation']:.3f}",
        ]
        for r in records
        if r["part"] == "refits"
    ]
    header = [
        "labels",
        "ours, ms per candidate",
        "refits, tolerance 1e-8",
        "refits, 1e-4",
        "rank correlation with the first refits: ours",
        "second refits",
    ]
    return _table(header, rows)


def rounds(records: list[Record]) -> str:
    """CPU seconds of whole loops."""
    rows = [
        [
            r["kind"],
            r["way"],
            str(r["rounds"]),
            f"{r['cpu_s']:.1f}",
            f"{r['fits_s']:.1f}",
            f"{r['shared']:.0%}",
        ]
        for r in records
        if r["part"] == "rounds"
    ]
    header = ["pool of", "way", "rounds", "CPU s", "of these in fits", "same rows"]
    return _table(header, rows)


TABLES: dict[str, Callable[[list[Record]], str]] = {
    "PAIRS": pairs,
    "ESTIMATED": estimated,
    "STUDIES": studies,
    "LABELS": labels,
    "OTHERS": others,
    "REFITS": refits,
    "ROUNDS": rounds,
    "SPEED": speed,
}


def fill(text: str, records: list[Record]) -> str:
    """Return a text with the tables between its marks renewed."""
    for name, make in TABLES.items():
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.S)
        table = make(records)
        text = marks.sub(lambda m, t=table: m[1] + t + "\n" + m[2], text)
    return text
