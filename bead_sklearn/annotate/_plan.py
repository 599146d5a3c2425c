"""Which items come next, for whom: what a refit leaves for the annotators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Items of a participant's ranking that are kept; the rest come in random order.
MAX_RANKED = 100


@dataclass(frozen=True)
class Plan:
    """An order of questions.

    Attributes
    ----------
    version : int
        Rises with every plan.
    n_judgments : int
        Judgments that the model behind it had seen.
    batch : sequence of (str, str)
        The pairs of item and participant that the strategy chose, best first.
    rankings : mapping of str to sequence of str
        Further items of each participant, best first.
    """

    version: int = 0
    n_judgments: int = 0
    batch: Sequence[tuple[str, str]] = ()
    rankings: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def items_for(self, participant: str) -> Iterator[str]:
        """Items for a participant, best first, some of them twice."""
        yield from (item for item, person in self.batch if person == participant)
        yield from self.rankings.get(participant, ())

    def to_document(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "version": self.version,
            "n_judgments": self.n_judgments,
            "batch": [list(pair) for pair in self.batch],
            "rankings": {who: list(items) for who, items in self.rankings.items()},
        }

    @classmethod
    def from_document(cls, document: dict[str, Any] | None) -> Plan:
        """Read what `to_document` returned; an empty plan if there is none."""
        if document is None:
            return cls()
        return cls(
            version=document["version"],
            n_judgments=document["n_judgments"],
            batch=[(item, person) for item, person in document["batch"]],
            rankings=document["rankings"],
        )
