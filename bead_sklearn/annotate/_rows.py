"""Judgments and leases as rows of the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from bead_sklearn.annotate._records import Judgment, Lease

#: Columns of the table of judgments, and how all of them are asked for.
COLUMNS = tuple(field.name for field in fields(Judgment))
SELECT = "SELECT " + ", ".join(f"j.{name}" for name in COLUMNS) + " FROM judgments j"


def read_judgments(rows: Iterable[tuple[Any, ...]]) -> list[Judgment]:
    return [read_judgment(row) for row in rows]


def read_judgment(row: tuple[Any, ...]) -> Judgment:
    values = dict(zip(COLUMNS, row, strict=True))
    values["answer"] = json.loads(values["answer"])
    values["counted"] = bool(values["counted"])
    return Judgment(**values)


def judgment_of(db: sqlite3.Connection, uid: str) -> Judgment | None:
    row = db.execute(f"{SELECT} WHERE j.uid = ?", (uid,)).fetchone()
    return None if row is None else read_judgment(row)


def standing_judgment(
    db: sqlite3.Connection, participant: str, item: str, occasion: int
) -> Judgment | None:
    row = db.execute(
        f"{SELECT} JOIN standing s ON s.uid = j.uid WHERE s.participant = ? "
        "AND s.item = ? AND s.occasion = ? AND s.holds = 1 ORDER BY j.seq",
        (participant, item, occasion),
    ).fetchone()
    return None if row is None else read_judgment(row)


def last_version(db: sqlite3.Connection, root: str) -> Judgment:
    """Return the last word on an answer, the same in whatever order rows came."""
    row = db.execute(
        f"{SELECT} WHERE j.root = ? "
        "ORDER BY j.version DESC, j.recorded_at DESC, j.uid DESC LIMIT 1",
        (root,),
    ).fetchone()
    return read_judgment(row)


def lease_of(db: sqlite3.Connection, uid: str) -> Lease:
    row = db.execute(
        "SELECT uid, item, participant, occasion, counted, shown_at, expires_at "
        "FROM leases WHERE uid = ?",
        (uid,),
    ).fetchone()
    uid, item, participant, occasion, counted, shown_at, expires_at = row
    return Lease(
        uid, item, participant, occasion, bool(counted), shown_at, float(expires_at)
    )
