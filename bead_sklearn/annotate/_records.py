"""What a store holds: judgments and leases."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

KINDS = ("answer", "correction", "retraction")


@dataclass(frozen=True)
class Judgment:
    """One row of a store: an answer, a correction of one, or its retraction.

    Attributes
    ----------
    uid : str
        Name of the row, unique in the world.
    root : str
        The ``uid`` of the first answer that the row belongs to; its own for answers.
    version : int
        1 for an answer, one more for each correction or retraction of it.
    kind : {"answer", "correction", "retraction"}
        What the row does.
    item, participant : str
        What was judged, and by whom.
    occasion : int
        1 for the first judgment of an item by a participant, 2 for its repetition.
    answer : object
        The answer: str, number, or a list of str. None in a retraction.
    confidence : float or None
        The participant's confidence, in [0, 1].
    response_time : float or None
        Seconds from seeing the item to answering.
    position : int
        How many items the participant had answered, this one included.
    counted : bool
        Whether the judgment takes one of the item's places: gold items and
        repetitions do not.
    shown_at, answered_at, recorded_at : str or None
        Times in ISO 8601, UTC.
    software : str
        What recorded it, with its version.
    source : str
        How it came: "web", "terminal", "rehearsal" or "import".
    seq : int
        Number of the row in its store; stores that are merged number anew.
    """

    uid: str
    root: str
    version: int
    kind: str
    item: str
    participant: str
    occasion: int
    answer: Any
    confidence: float | None
    response_time: float | None
    position: int
    counted: bool
    shown_at: str | None
    answered_at: str | None
    recorded_at: str
    software: str
    source: str
    seq: int = 0

    def to_record(self) -> dict[str, Any]:
        """Return the fields as a dict of JSON values."""
        return asdict(self)

    def content(self) -> dict[str, Any]:
        """Return all fields that do not depend on the store the row is in."""
        record = asdict(self)
        del record["seq"]
        return record

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Judgment:
        """Read what `to_record` returned.

        Raises
        ------
        ValueError
            If a field is missing, unknown or of the wrong kind.
        """
        names = {field.name for field in fields(cls)}
        lacking = sorted(names - {"seq"} - record.keys())
        unknown = sorted(record.keys() - names)
        if lacking or unknown:
            raise ValueError(
                f"A judgment needs the fields {sorted(names)}; missing are {lacking}, "
                f"unknown are {unknown}."
            )
        judgment = cls(**{**record, "counted": bool(record["counted"])})
        judgment.check()
        return judgment

    def check(self) -> None:
        """Raise ValueError if a field cannot be."""
        for name in ("uid", "root", "item", "participant", "recorded_at"):
            check_id(getattr(self, name), name)
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}. Got {self.kind!r}.")
        if (self.kind == "answer") != (self.uid == self.root):
            raise ValueError(
                f"The row {self.uid!r} of kind {self.kind!r} has the root "
                f"{self.root!r}: answers, and only they, are their own root."
            )
        for name in ("version", "occasion", "position"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be an integer from 1. Got {value!r}.")
        check_confidence(self.confidence)
        check_seconds(self.response_time, "response_time")
        check_answer(self.answer, empty=self.kind == "retraction")


@dataclass(frozen=True)
class Lease:
    """A place of an item that is kept for a participant for a while.

    Attributes
    ----------
    uid : str
        Name of the lease, and of the judgment that will come of it.
    item, participant : str
        Who judges what.
    occasion : int
        1 for a first judgment, 2 for a repetition.
    counted : bool
        Whether the judgment takes one of the item's places.
    shown_at : str
        When the item was given out.
    expires_at : float
        Until when the place is kept, in seconds since 1970.
    """

    uid: str
    item: str
    participant: str
    occasion: int
    counted: bool
    shown_at: str
    expires_at: float


@dataclass(frozen=True)
class Slot:
    """An item that may be given to a participant.

    Attributes
    ----------
    item : str
        The item.
    quota : int or None
        Judgments wanted for the item; None when it may be judged by everybody.
    occasion : int
        Which judgment of the item by the participant it would be.
    """

    item: str
    quota: int | None = None
    occasion: int = 1


def utc(seconds: float) -> str:
    """Write a time in seconds since 1970 as ISO 8601 with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def check_id(value: Any, name: str) -> str:
    """Return an id, which is a string that is not empty."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string. Got {value!r}.")
    if not value or "\0" in value or not value.isprintable():
        raise ValueError(
            f"{name} must be a string of printable characters that is not empty. "
            f"Got {value!r}."
        )
    return value


def check_confidence(value: Any) -> None:
    """Raise ValueError unless a confidence is None or within [0, 1]."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"confidence must be a number in [0, 1]. Got {value!r}.")
    if not 0 <= value <= 1:
        raise ValueError(f"confidence must be in [0, 1]. Got {value!r}.")


def check_seconds(value: Any, name: str) -> None:
    """Raise ValueError unless a duration is None or finite and not negative."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number of seconds. Got {value!r}.")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be finite and not negative. Got {value!r}.")


def check_answer(value: Any, *, empty: bool = False) -> None:
    """Raise unless an answer is a str, a finite number, a bool or a list of str."""
    if empty:
        if value is not None:
            raise ValueError(f"A retraction has no answer. Got {value!r}.")
        return
    if isinstance(value, list):
        if not all(isinstance(part, str) for part in value):
            raise TypeError(f"An answer of several parts is a list of str: {value!r}.")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"An answer must be a finite number. Got {value!r}.")
    elif isinstance(value, int):
        if abs(value) > 2**53:
            raise ValueError(f"An answer is too large to be exact: {value!r}.")
    elif not isinstance(value, str):
        raise TypeError(
            f"An answer is a string, a number or a list of str. Got {value!r}."
        )


def to_json(value: Any) -> str:
    """Write a value as JSON that every reader takes."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True)
