"""A store of judgments that loses nothing."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bead_sklearn import __version__
from bead_sklearn.annotate._journal import Journal
from bead_sklearn.annotate._leases import Leases
from bead_sklearn.annotate._records import (
    Judgment,
    Lease,
    check_answer,
    check_confidence,
    check_seconds,
    to_json,
    utc,
)
from bead_sklearn.annotate._rows import (
    COLUMNS,
    SELECT,
    judgment_of,
    last_version,
    read_judgments,
    standing_judgment,
)
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


class JudgmentStore(Leases):
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

    def _open(self) -> None:
        """Open the journal, and bring both to the same judgments."""
        self._journal = Journal(self.path.with_name(f"{self.path.name}.journal"))
        self._recovered = self._recover()

    def close(self) -> None:
        """Close the store; harmless if it is closed."""
        with self._lock:
            super().close()
            self._journal.close()

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
