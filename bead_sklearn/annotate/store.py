"""A store of judgments that loses nothing."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bead_sklearn import __version__
from bead_sklearn.annotate._journal import Journal
from bead_sklearn.annotate._records import (
    Judgment,
    Lease,
    Slot,
    check_answer,
    check_confidence,
    check_id,
    check_seconds,
    to_json,
    utc,
)
from bead_sklearn.annotate._rows import (
    COLUMNS,
    SELECT,
    judgment_of,
    last_version,
    lease_of,
    read_judgments,
    standing_judgment,
)
from bead_sklearn.annotate._schema import connect, prepare
from bead_sklearn.annotate._store_report import StoreReport

SOFTWARE = f"bead_sklearn {__version__}"


class AlreadyAnsweredError(ValueError):
    """The question has another answer already.

    Attributes
    ----------
    judgment : Judgment
        The answer that stands.
    """

    def __init__(self, judgment: Judgment) -> None:
        super().__init__(
            f"Participant {judgment.participant!r} has already judged the item "
            f"{judgment.item!r}: {judgment.answer!r}. Correct that answer instead."
        )
        self.judgment = judgment


class JudgmentStore:
    """Judgments on disk: append-only, durable before they are acknowledged.

    The store is a SQLite database in write-ahead mode beside a journal, a text file
    with one line per judgment. A method that stores a judgment returns when both are
    on the disk. Opening a store brings back from the journal whatever the database
    has lost, for example with a write-ahead log that a power cut shortened.

    Rows are never changed or deleted (triggers of the database refuse it): a
    correction or retraction is a new row that names the answer it is about. Several
    processes and threads may use one store at a time.

    Parameters
    ----------
    path : path-like
        The database. It is made if it does not exist; the journal is beside it, with
        ``.journal`` appended to its name.
    clock : callable, default=time.time
        Seconds since 1970.

    Attributes
    ----------
    path : Path
        The database.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from bead_sklearn.annotate import JudgmentStore, Slot
    >>> folder = tempfile.TemporaryDirectory()
    >>> with JudgmentStore(Path(folder.name) / "study.db") as store:
    ...     store.add_items({"s1": {"text": "The cat slept."}})
    ...     store.add_participants(["anna"])
    ...     lease = store.lease("anna", [Slot("s1", quota=1)])
    ...     judgment = store.submit(lease, "yes", confidence=0.9)
    ...     [(j.item, j.participant, j.answer) for j in store.judgments()]
    [('s1', 'anna', 'yes')]
    >>> folder.cleanup()
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
            self._journal = Journal(self.path.with_name(f"{self.path.name}.journal"))
            self._recovered = self._recover()
        except BaseException:
            self._db.close()
            raise

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
            self._journal.close()

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

    def _recover(self) -> tuple[str, ...]:
        """Bring database and journal to the same judgments."""
        with self._transaction(self._db) as db:
            written = self._journal.read().judgments
            known = {uid for (uid,) in db.execute("SELECT uid FROM judgments")}
            lost = [row for uid, row in written.items() if uid not in known]
            # Answers before what corrects them.
            for row in sorted(lost, key=lambda row: (row.version, row.seq)):
                db.execute("INSERT OR IGNORE INTO items VALUES (?, '{}')", (row.item,))
                db.execute(
                    "INSERT OR IGNORE INTO participants VALUES (?)", (row.participant,)
                )
                taken = db.execute(
                    "SELECT 1 FROM judgments WHERE seq = ?", (row.seq,)
                ).fetchone()
                self._insert(db, replace(row, seq=0) if taken else row)
            if known - written.keys():
                rows = read_judgments(db.execute(f"{SELECT} ORDER BY seq"))
                self._journal.append(row for row in rows if row.uid not in written)
        return tuple(row.uid for row in lost)

    def check(self) -> StoreReport:
        """Read everything and say whether it is sound.

        Returns
        -------
        report : StoreReport
            What was found; its ``sound`` says whether all is well.
        """
        with self._transaction(self._soft) as db:
            journal = self._journal.read()
            numbers = {seq for (seq,) in db.execute("SELECT seq FROM judgments")}
            found = [row[0] for row in db.execute("PRAGMA integrity_check")]
            found += [
                f"row {row[1]} of {row[0]} refers to nothing in {row[2]}"
                for row in db.execute("PRAGMA foreign_key_check")
            ]
        last = max(numbers, default=0)
        return StoreReport(
            n_judgments=len(numbers),
            recovered=self._recovered,
            damaged_lines=tuple(journal.damaged),
            missing=tuple(n for n in range(1, last + 1) if n not in numbers),
            problems=tuple(problem for problem in found if problem != "ok"),
        )

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

    # ----------------------------------------------------------------- leases

    def lease(
        self, participant: str, slots: Iterable[Slot], *, duration: float = 600.0
    ) -> Lease | None:
        """Keep a place of an item for a participant.

        A participant has one place at a time: asking again gives the same one for
        another ``duration``. A place whose lease has expired is free for others; if
        nobody took it, the same participant gets it again under the same ``uid``, so
        that an answer given twice stays one judgment.

        Parameters
        ----------
        participant : str
            Who asks.
        slots : iterable of Slot
            Items in the order of preference. The first that the participant has not
            judged and that has a free place is taken.
        duration : float, default=600.0
            Seconds for which the place is kept.

        Returns
        -------
        lease : Lease or None
            None if no slot is free.

        Raises
        ------
        ValueError
            If the participant or an item is unknown.
        """
        now = self._clock()
        with self._transaction(self._soft) as db:
            self._require(db, "participants", "participant", participant)
            row = db.execute(
                "SELECT uid FROM leases WHERE participant = ? AND closed = 0 "
                "AND expires_at > ?",
                (participant, now),
            ).fetchone()
            if row is None:
                row = self._take(db, participant, slots, now)
            if row is None:
                return None
            db.execute(
                "UPDATE leases SET expires_at = ? WHERE uid = ?",
                (now + duration, row[0]),
            )
            return lease_of(db, row[0])

    def _take(
        self,
        db: sqlite3.Connection,
        participant: str,
        slots: Iterable[Slot],
        now: float,
    ) -> tuple[str] | None:
        for slot in slots:
            done = db.execute(
                "SELECT 1 FROM standing WHERE participant = ? AND item = ? "
                "AND occasion = ? AND holds = 1",
                (participant, slot.item, slot.occasion),
            ).fetchone()
            if done is not None:
                continue
            if slot.quota is not None and self._taken(db, slot.item, now) >= slot.quota:
                continue
            old: tuple[str] | None = db.execute(
                "SELECT uid FROM leases WHERE participant = ? AND item = ? "
                "AND occasion = ? AND closed = 0",
                (participant, slot.item, slot.occasion),
            ).fetchone()
            if old is not None:
                return old
            self._require(db, "items", "item", slot.item)
            uid = secrets.token_hex(12)
            db.execute(
                "INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
                (
                    uid,
                    slot.item,
                    participant,
                    slot.occasion,
                    int(slot.quota is not None),
                    utc(now),
                    now,
                ),
            )
            return (uid,)
        return None

    def _taken(self, db: sqlite3.Connection, item: str, now: float) -> int:
        """Count the places of an item that are judged or kept for somebody."""
        (n,) = db.execute(
            "SELECT (SELECT count(*) FROM standing "
            "WHERE item = ?1 AND holds = 1 AND counted = 1) "
            "+ (SELECT count(*) FROM leases "
            "WHERE item = ?1 AND closed = 0 AND counted = 1 AND expires_at > ?2)",
            (item, now),
        ).fetchone()
        return int(n)

    @staticmethod
    def _require(db: sqlite3.Connection, table: str, name: str, value: str) -> None:
        found = db.execute(f"SELECT 1 FROM {table} WHERE {name} = ?", (value,))
        if found.fetchone() is None:
            raise ValueError(f"The store has no {name} {value!r}.")

    def release(self, participant: str) -> None:
        """Give up the place that is kept for a participant, if there is one."""
        with self._transaction(self._soft) as db:
            db.execute(
                "UPDATE leases SET expires_at = min(expires_at, ?) "
                "WHERE participant = ? AND closed = 0",
                (self._clock(), participant),
            )

    def leases(self) -> list[Lease]:
        """Return the leases that hold now."""
        with self._reading:
            rows = self._reader.execute(
                "SELECT uid FROM leases WHERE closed = 0 AND expires_at > ? "
                "ORDER BY uid",
                (self._clock(),),
            ).fetchall()
            return [lease_of(self._reader, uid) for (uid,) in rows]

    # -------------------------------------------------------------- judgments

    def submit(
        self,
        lease: Lease,
        answer: Any,
        *,
        confidence: float | None = None,
        response_time: float | None = None,
        source: str = "import",
    ) -> Judgment:
        """Store the answer to what was given out.

        Submitting the same again changes nothing and returns the same judgment. An
        answer that comes after its lease expired is stored too, unless the
        participant has meanwhile judged the item: work that was done is kept, even
        if the item then has one judgment more than was wanted.

        Parameters
        ----------
        lease : Lease
            What `lease` returned.
        answer : str, number or list of str
            The answer.
        confidence : float, default=None
            In [0, 1].
        response_time : float, default=None
            In seconds.
        source : str, default="import"
            How the answer came.

        Returns
        -------
        judgment : Judgment
            The row stored. It is on the disk when this returns.

        Raises
        ------
        AlreadyAnsweredError
            If this question has another answer already.
        ValueError
            If confidence or response time are out of range, or item or participant
            unknown.
        TypeError
            If the answer is of another kind.
        """
        check_answer(answer)
        check_confidence(confidence)
        check_seconds(response_time, "response_time")
        now = utc(self._clock())
        with self._transaction(self._db) as db:
            for judgment in (
                judgment_of(db, lease.uid),
                standing_judgment(db, lease.participant, lease.item, lease.occasion),
            ):
                if judgment is None:
                    continue
                if judgment.root == lease.uid and _same(judgment, answer, confidence):
                    return judgment
                raise AlreadyAnsweredError(judgment)
            self._require(db, "items", "item", lease.item)
            self._require(db, "participants", "participant", lease.participant)
            judgment = self._insert(
                db,
                Judgment(
                    uid=lease.uid,
                    root=lease.uid,
                    version=1,
                    kind="answer",
                    item=lease.item,
                    participant=lease.participant,
                    occasion=lease.occasion,
                    answer=answer,
                    confidence=_float(confidence),
                    response_time=_float(response_time),
                    position=self._n_answers(db, lease.participant) + 1,
                    counted=lease.counted,
                    shown_at=lease.shown_at,
                    answered_at=now,
                    recorded_at=now,
                    software=SOFTWARE,
                    source=source,
                ),
            )
            # Last before the commit: what is in the journal is as good as stored.
            self._journal.append([judgment])
        return judgment

    @staticmethod
    def _n_answers(db: sqlite3.Connection, participant: str) -> int:
        (n,) = db.execute(
            "SELECT count(*) FROM standing WHERE participant = ?", (participant,)
        ).fetchone()
        return int(n)

    def correct(
        self,
        uid: str,
        answer: Any,
        *,
        confidence: float | None = None,
        response_time: float | None = None,
        source: str = "import",
        new_uid: str | None = None,
    ) -> Judgment:
        """Replace an answer by another, in a new row.

        Parameters
        ----------
        uid : str
            The judgment to correct, or any earlier version of it.
        answer, confidence, response_time, source
            As in `submit`.
        new_uid : str, default=None
            Name of the correction. One that is in the store already with the same
            content is returned, so that a repeated request corrects once.

        Returns
        -------
        judgment : Judgment
            The correction, on the disk when this returns.
        """
        check_answer(answer)
        check_confidence(confidence)
        check_seconds(response_time, "response_time")
        return self._follow(
            uid,
            new_uid,
            kind="correction",
            answer=answer,
            confidence=_float(confidence),
            response_time=_float(response_time),
            source=source,
        )

    def retract(
        self, uid: str, *, source: str = "import", new_uid: str | None = None
    ) -> Judgment:
        """Take an answer back, in a new row; its place becomes free.

        Arguments and result are those of `correct`.
        """
        return self._follow(
            uid,
            new_uid,
            kind="retraction",
            answer=None,
            confidence=None,
            response_time=None,
            source=source,
        )

    def _follow(self, uid: str, new_uid: str | None, **content: Any) -> Judgment:
        new_uid = secrets.token_hex(12) if new_uid is None else new_uid
        now = utc(self._clock())
        with self._transaction(self._db) as db:
            judgment = judgment_of(db, uid)
            if judgment is None:
                raise ValueError(f"The store has no judgment {uid!r}.")
            before = judgment_of(db, new_uid)
            if before is not None:
                if (
                    before.root == judgment.root
                    and before.kind == content["kind"]
                    and _same(before, content["answer"], content["confidence"])
                ):
                    return before
                raise AlreadyAnsweredError(before)
            last = last_version(db, judgment.root)
            if last.kind == "retraction":
                raise ValueError(f"The judgment {uid!r} is retracted.")
            judgment = self._insert(
                db,
                replace(
                    last,
                    uid=new_uid,
                    version=last.version + 1,
                    answered_at=now,
                    recorded_at=now,
                    software=SOFTWARE,
                    seq=0,
                    **content,
                ),
            )
            self._journal.append([judgment])
        return judgment

    def _insert(self, db: sqlite3.Connection, judgment: Judgment) -> Judgment:
        """Insert a row within a transaction, and note what stands now."""
        judgment.check()
        values = judgment.to_record()
        values["answer"] = to_json(judgment.answer)
        values["counted"] = int(judgment.counted)
        values["seq"] = judgment.seq or None
        cursor = db.execute(
            f"INSERT INTO judgments ({', '.join(COLUMNS)}) "
            f"VALUES ({', '.join(f':{name}' for name in COLUMNS)})",
            values,
        )
        last = last_version(db, judgment.root)
        db.execute(
            "INSERT INTO standing VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (root) DO UPDATE SET uid = excluded.uid, "
            "holds = excluded.holds",
            (
                last.root,
                last.uid,
                last.item,
                last.participant,
                last.occasion,
                int(last.kind != "retraction"),
                int(last.counted),
            ),
        )
        db.execute("UPDATE leases SET closed = 1 WHERE uid = ?", (judgment.uid,))
        return replace(judgment, seq=int(cursor.lastrowid or 0))

    def add(self, judgments: Iterable[Judgment]) -> int:
        """Add judgments as they are, of an import or of another store.

        Parameters
        ----------
        judgments : iterable of Judgment
            The rows. Those in the store already, by ``uid``, are skipped; their items
            and participants must be known.

        Returns
        -------
        n_added : int
            How many rows were new.

        Raises
        ------
        ValueError
            If a row has the ``uid`` of another judgment, or a correction comes
            without its answer. Then nothing is added.
        """
        added = []
        with self._transaction(self._db) as db:
            for judgment in sorted(judgments, key=lambda row: (row.version, row.seq)):
                before = judgment_of(db, judgment.uid)
                if before is not None:
                    if before.content() != judgment.content():
                        raise ValueError(
                            f"The judgment {judgment.uid!r} is in the store with "
                            f"another content: {before}, not {judgment}."
                        )
                    continue
                root = judgment_of(db, judgment.root)
                if judgment.kind != "answer" and root is None:
                    raise ValueError(
                        f"The {judgment.kind} {judgment.uid!r} is about the answer "
                        f"{judgment.root!r}, which is missing."
                    )
                if root is not None and _question(root) != _question(judgment):
                    raise ValueError(
                        f"The {judgment.kind} {judgment.uid!r} is about another "
                        f"question than its answer {judgment.root!r}."
                    )
                self._require(db, "items", "item", judgment.item)
                self._require(db, "participants", "participant", judgment.participant)
                added.append(self._insert(db, replace(judgment, seq=0)))
            self._journal.append(added)
        return len(added)

    def merge(self, other: JudgmentStore) -> int:
        """Add everything that another store has.

        Merging twice changes nothing, and the order of merging does not matter. Where
        both stores corrected one answer, the correction with the higher version
        stands, and of equal ones the later.

        Parameters
        ----------
        other : JudgmentStore
            The other store; it is left as it is.

        Returns
        -------
        n_added : int
            How many rows were new.
        """
        self.add_items(other.items())
        self.add_participants(other.participants())
        return self.add(other.history())

    # ---------------------------------------------------------------- reading

    def judgments(
        self, *, participant: str | None = None, item: str | None = None
    ) -> list[Judgment]:
        """Return the judgments that stand: corrected, and without those retracted.

        Parameters
        ----------
        participant, item : str, default=None
            Only those of a participant or of an item.

        Returns
        -------
        judgments : list of Judgment
            In the order in which the questions were first answered.
        """
        where, values = ["s.holds = 1"], []
        for name, value in (("participant", participant), ("item", item)):
            if value is not None:
                where.append(f"s.{name} = ?")
                values.append(value)
        with self._reading:
            return read_judgments(
                self._reader.execute(
                    f"{SELECT} JOIN standing s ON s.uid = j.uid "
                    "JOIN judgments first ON first.uid = s.root "
                    f"WHERE {' AND '.join(where)} ORDER BY first.seq",
                    values,
                )
            )

    def history(self, *, since: int = 0) -> list[Judgment]:
        """Return all rows after number ``since``, what was replaced included."""
        with self._reading:
            return read_judgments(
                self._reader.execute(
                    f"{SELECT} WHERE j.seq > ? ORDER BY j.seq", (since,)
                )
            )

    def get(self, uid: str) -> Judgment | None:
        """Return the row of this name, if there is one."""
        with self._reading:
            return judgment_of(self._reader, uid)

    def counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Count the judgments that stand.

        Returns
        -------
        by_item : dict of str to int
            Those that take a place of the item.
        by_participant : dict of str to int
            All of the participant.
        """
        with self._reading:
            items = self._reader.execute(
                "SELECT item, count(*) FROM standing "
                "WHERE holds = 1 AND counted = 1 GROUP BY item"
            ).fetchall()
            people = self._reader.execute(
                "SELECT participant, count(*) FROM standing "
                "WHERE holds = 1 GROUP BY participant"
            ).fetchall()
        return dict(items), dict(people)

    def full_items(self, quota: int) -> frozenset[str]:
        """Return the items with at least ``quota`` judgments that take a place."""
        with self._reading:
            rows = self._reader.execute(
                "SELECT item FROM standing WHERE holds = 1 AND counted = 1 "
                "GROUP BY item HAVING count(*) >= ?",
                (quota,),
            ).fetchall()
        return frozenset(item for (item,) in rows)

    def last_number(self) -> int:
        """Return the number of the newest row, 0 if there is none."""
        with self._reading:
            (last,) = self._reader.execute(
                "SELECT coalesce(max(seq), 0) FROM judgments"
            ).fetchone()
        return int(last)

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


def _question(judgment: Judgment) -> tuple[str, str, int, bool]:
    return (
        judgment.item,
        judgment.participant,
        judgment.occasion,
        judgment.counted,
    )


def _same(judgment: Judgment, answer: Any, confidence: float | None) -> bool:
    return to_json(judgment.answer) == to_json(answer) and (
        judgment.confidence == _float(confidence)
    )


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)
