"""Places of items that are kept for participants."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable

from bead_sklearn.annotate._database import Database
from bead_sklearn.annotate._records import Lease, Slot, utc
from bead_sklearn.annotate._rows import lease_of


class Leases(Database):
    """A database that keeps places of items, so that no two people get the same."""

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
