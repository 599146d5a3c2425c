"""Tables and the figure of bench_tasks.py."""

from __future__ import annotations

import json
from pathlib import Path

from _measure import Record


def read_results(paths: list[Path]) -> list[Record]:
    """Read results; of two for one cell the last counts."""
    found = {}
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if "model" in record:
                names = ("data", "encoder", "rows", "people", "fold", "model")
                found[tuple(record[name] for name in names)] = record
    return list(found.values())


def tables(records):
    return ""


def page(records, path):
    pass


def draw(records, path):
    pass
