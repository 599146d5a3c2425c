"""Judgments as other tools have them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from bead_sklearn.annotate._records import Judgment, utc
from bead_sklearn.annotate.store import SOFTWARE
from bead_sklearn.annotate.study import Study

_EPOCH = utc(0.0)


@dataclass(frozen=True)
class Found:
    """A judgment as another tool has it."""

    name: str
    item: str
    participant: str
    answer: Any
    confidence: Any
    response_time: Any
    answered_at: Any
    occasion: Any


def as_judgments(study: Study, found: list[Found], source: str) -> list[Judgment]:
    """Give judgments of other tools the fields of ours, the same each time."""
    position: dict[str, int] = {}
    seen: dict[tuple[str, str], int] = {}
    judgments = []
    for row in found:
        position[row.participant] = position.get(row.participant, 0) + 1
        pair = row.participant, row.item
        seen[pair] = seen.get(pair, 0) + 1
        occasion = seen[pair] if row.occasion is None else int(row.occasion)
        known = len(row.name) == 24 and all(c in "0123456789abcdef" for c in row.name)
        uid = (
            row.name
            if known
            else uuid.uuid5(uuid.NAMESPACE_OID, f"{source}/{row.name}").hex
        )
        item = study.items.get(row.item)
        time = None if row.answered_at is None else str(row.answered_at)
        judgments.append(
            Judgment(
                uid=uid,
                root=uid,
                version=1,
                kind="answer",
                item=row.item,
                participant=row.participant,
                occasion=occasion,
                answer=row.answer,
                confidence=None if row.confidence is None else float(row.confidence),
                response_time=None
                if row.response_time is None
                else float(row.response_time),
                position=position[row.participant],
                counted=occasion == 1 and item is not None and item.gold is None,
                shown_at=None,
                answered_at=time,
                # Not the time of the import: importing again must give the same rows.
                recorded_at=time or _EPOCH,
                software=SOFTWARE,
                source=source,
            )
        )
    return judgments
