"""What a store is made of: connections, transactions, items, people, documents."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bead_sklearn.annotate._records import check_id, to_json, utc
from bead_sklearn.annotate._schema import connect, prepare


class Database:
    """A SQLite database in write-ahead mode that several threads may use.

    Parameters
    ----------
    path : path-like
        The database. It is made if it does not exist.
    clock : callable, default=time.time
        Seconds since 1970.

    Attributes
    ----------
    path : Path
        The database.
    """

    def __init__(
        self, path: str | PathLike[str], *, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = Path(path)
        self._clock = clock
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"There is no folder {self.path.parent}.")
        self._lock = threading.RLock()
        self._reading = threading.Lock()
        self._closed = False
        try:
            self._db = connect(self.path, durable=True)
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{self.path} cannot be opened: {error}.") from error
        try:
            prepare(self._db, self.path)
            # Leases may be lost in a power cut: nobody waits for the disk for them.
            self._soft = connect(self.path, durable=False)
            self._reader = connect(self.path, durable=False)
            self._open()
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        """Prepare what a kind of store has besides the database."""

    # ------------------------------------------------------------- life cycle

    def close(self) -> None:
        """Close the store; harmless if it is closed."""
        with self._lock, self._reading:
            if self._closed:
                return
            self._closed = True
            self._reader.close()
            self._soft.close()
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _transaction(self, db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        """Hold the only writer's place; all or nothing is stored."""
        with self._lock:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            try:
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    # ------------------------------------------------- items and participants

    def add_items(self, items: Mapping[str, Mapping[str, Any]]) -> None:
        """Add items; those the store has already must be the same.

        Parameters
        ----------
        items : mapping of str to mapping
            Content of each item, JSON values, by id.

        Raises
        ------
        ValueError
            If an item is in the store with another content.
        """
        rows = [(check_id(i, "item"), to_json(dict(c))) for i, c in items.items()]
        with self._transaction(self._db) as db:
            known = dict(db.execute("SELECT item, content FROM items"))
            for item, content in rows:
                before = known.get(item, content)
                # An item that came back from the journal has no content yet.
                if before not in (content, "{}"):
                    raise ValueError(
                        f"The store has the item {item!r} with another content: "
                        f"{before}, not {content}. Give changed items new ids."
                    )
            db.executemany(
                "INSERT INTO items VALUES (?, ?) "
                "ON CONFLICT (item) DO UPDATE SET content = excluded.content "
                "WHERE content = '{}' AND excluded.content <> '{}'",
                rows,
            )
        # So that a shortened write-ahead log cannot take them back.
        self.checkpoint()

    def checkpoint(self) -> None:
        """Move the write-ahead log into the database, as far as readers allow."""
        with self._lock:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def add_participants(self, participants: Iterable[str]) -> None:
        """Add participants; those the store has are left as they are."""
        rows = [(check_id(p, "participant"),) for p in participants]
        with self._transaction(self._db) as db:
            db.executemany("INSERT OR IGNORE INTO participants VALUES (?)", rows)

    def items(self) -> dict[str, dict[str, Any]]:
        """Return the content of each item by id."""
        with self._reading:
            rows = self._reader.execute("SELECT item, content FROM items ORDER BY item")
            return {item: json.loads(content) for item, content in rows}

    def participants(self) -> list[str]:
        """Return the ids of the participants, sorted."""
        with self._reading:
            rows = self._reader.execute(
                "SELECT participant FROM participants ORDER BY participant"
            )
            return [participant for (participant,) in rows]

    @staticmethod
    def _require(db: sqlite3.Connection, table: str, name: str, value: str) -> None:
        found = db.execute(f"SELECT 1 FROM {table} WHERE {name} = ?", (value,))
        if found.fetchone() is None:
            raise ValueError(f"The store has no {name} {value!r}.")

    # -------------------------------------------------------------- documents

    def put(self, name: str, content: Any) -> None:
        """Keep a JSON document under a name, instead of the last one."""
        with self._transaction(self._soft) as db:
            db.execute(
                "INSERT INTO documents VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET content = excluded.content",
                (name, to_json(content)),
            )

    def document(self, name: str) -> Any:
        """Return the JSON document of this name; None if there is none."""
        with self._reading:
            row = self._reader.execute(
                "SELECT content FROM documents WHERE name = ?", (name,)
            ).fetchone()
        return None if row is None else json.loads(row[0])

    def add_round(self, content: Mapping[str, Any]) -> None:
        """Keep what a refit has to say."""
        with self._transaction(self._soft) as db:
            db.execute(
                "INSERT INTO rounds (made_at, content) VALUES (?, ?)",
                (utc(self._clock()), to_json(dict(content))),
            )

    def rounds(self) -> list[dict[str, Any]]:
        """Return what the refits said, oldest first."""
        with self._reading:
            rows = self._reader.execute(
                "SELECT made_at, content FROM rounds ORDER BY round"
            ).fetchall()
        return [{"made_at": when, **json.loads(content)} for when, content in rows]

    def settle(self, name: str, value: str) -> str:
        """Note a fact about the store once, and return what was noted first."""
        with self._transaction(self._db) as db:
            db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
            (settled,) = db.execute(
                "SELECT value FROM meta WHERE name = ?", (name,)
            ).fetchone()
        return str(settled)
