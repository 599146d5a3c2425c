"""Tables of a store, and connections to them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

#: Marks a file as a store of judgments: "BEAD" as a number.
APPLICATION_ID = 0x42454144
VERSION = 1

_TABLES = """
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
CREATE TABLE items (
    item TEXT PRIMARY KEY,
    content TEXT NOT NULL
) STRICT;
CREATE TABLE participants (
    participant TEXT PRIMARY KEY
) STRICT;
CREATE TABLE judgments (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL UNIQUE,
    root TEXT NOT NULL REFERENCES judgments (uid),
    version INTEGER NOT NULL CHECK (version >= 1),
    kind TEXT NOT NULL CHECK (kind IN ('answer', 'correction', 'retraction')),
    item TEXT NOT NULL REFERENCES items (item),
    participant TEXT NOT NULL REFERENCES participants (participant),
    occasion INTEGER NOT NULL CHECK (occasion >= 1),
    answer TEXT NOT NULL CHECK (json_valid(answer)),
    confidence REAL CHECK (confidence BETWEEN 0 AND 1),
    response_time REAL CHECK (response_time >= 0),
    position INTEGER NOT NULL CHECK (position >= 1),
    counted INTEGER NOT NULL CHECK (counted IN (0, 1)),
    shown_at TEXT,
    answered_at TEXT,
    recorded_at TEXT NOT NULL,
    software TEXT NOT NULL,
    source TEXT NOT NULL
) STRICT;
CREATE INDEX judgments_root ON judgments (root);
CREATE TRIGGER judgments_stay BEFORE UPDATE ON judgments
BEGIN SELECT RAISE(ABORT, 'judgments are never changed'); END;
CREATE TRIGGER judgments_are_kept BEFORE DELETE ON judgments
BEGIN SELECT RAISE(ABORT, 'judgments are never deleted'); END;

-- The last word on each answer, derived from judgments.
CREATE TABLE standing (
    root TEXT PRIMARY KEY REFERENCES judgments (uid),
    uid TEXT NOT NULL REFERENCES judgments (uid),
    item TEXT NOT NULL,
    participant TEXT NOT NULL,
    occasion INTEGER NOT NULL,
    holds INTEGER NOT NULL,
    counted INTEGER NOT NULL
) STRICT;
CREATE INDEX standing_item ON standing (item, holds, counted);
CREATE INDEX standing_participant ON standing (participant, item, occasion, holds);

CREATE TABLE leases (
    uid TEXT PRIMARY KEY,
    item TEXT NOT NULL REFERENCES items (item),
    participant TEXT NOT NULL REFERENCES participants (participant),
    occasion INTEGER NOT NULL,
    counted INTEGER NOT NULL,
    shown_at TEXT NOT NULL,
    expires_at REAL NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX leases_participant
    ON leases (participant, item, occasion) WHERE closed = 0;
CREATE INDEX leases_item ON leases (item) WHERE closed = 0;

-- What the refits leave: the current plan and report, and a line per round.
CREATE TABLE documents (
    name TEXT PRIMARY KEY,
    content TEXT NOT NULL
) STRICT;
CREATE TABLE rounds (
    round INTEGER PRIMARY KEY AUTOINCREMENT,
    made_at TEXT NOT NULL,
    content TEXT NOT NULL
) STRICT;
"""


def connect(path: Path, *, durable: bool) -> sqlite3.Connection:
    """Open a connection in write-ahead mode.

    Parameters
    ----------
    path : Path
        The database.
    durable : bool
        Whether a commit waits for the disk. Without, a power cut may take back the
        last commits, but never leaves half of one.
    """
    # Transactions are written out, and one lock in the store guards each connection.
    db = sqlite3.connect(
        path, timeout=60.0, isolation_level=None, check_same_thread=False
    )
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        db.execute("PRAGMA fullfsync = ON")
        db.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        db.close()
        raise
    return db


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new store, or check that an old one can be read.

    Raises
    ------
    ValueError
        If the file is another kind of database, or of a newer version.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application == 0 and version == 0 and tables == 0:
            for statement in _statements(_TABLES):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
        elif application != APPLICATION_ID:
            raise ValueError(f"{path} is a database, but not a store of judgments.")
        elif version != VERSION:
            raise ValueError(
                f"{path} has version {version} of the store; this version of "
                f"bead_sklearn reads version {VERSION}."
            )
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _statements(script: str) -> list[str]:
    """Split a script; executescript would commit the transaction."""
    statements, current = [], ""
    for line in script.splitlines():
        if line.startswith("--"):
            continue
        current += line + "\n"
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements
