"""What terminal, web page and rehearsal do with a study and its store."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bead_sklearn.annotate._feedback import Feedback, confidence_feedback
from bead_sklearn.annotate._plan import Plan
from bead_sklearn.annotate._records import Judgment, Lease
from bead_sklearn.annotate._schedule import Schedule
from bead_sklearn.annotate.questions import AnswerError
from bead_sklearn.annotate.store import JudgmentStore
from bead_sklearn.annotate.study import Study


@dataclass(frozen=True)
class Progress:
    """How far a participant is.

    Attributes
    ----------
    done, total : int
        Questions answered, and those there will be at most.
    """

    done: int
    total: int

    @property
    def share(self) -> float:
        """The part that is done."""
        return min(1.0, self.done / self.total) if self.total else 1.0


class Collector:
    """Gives out items and takes answers.

    Parameters
    ----------
    study : Study
        What is asked.
    store : JudgmentStore
        Where answers go. The items and participants of the study are added to it.
    source : str
        How the answers come, such as "web".

    Raises
    ------
    ValueError
        If the store has items or answers of another study.
    """

    def __init__(self, study: Study, store: JudgmentStore, *, source: str) -> None:
        settled = store.settle("question", study.fingerprint)
        if settled != study.fingerprint:
            raise ValueError(
                f"{store.path} has answers to another question (kind, prompt, labels "
                "or scale differ). Use another store for the changed question."
            )
        self.study = study
        self.store = store
        self.source = source
        store.add_items(study.contents())
        store.add_participants(study.participants)
        self._schedule = Schedule(study)
        self._plan = Plan()
        self._full: frozenset[str] = frozenset()
        self._reading = threading.Lock()
        self.refresh()

    def refresh(self) -> None:
        """Read the newest plan, if there is a newer one, and what is complete."""
        with self._reading:
            quota = self.study.quotas.judgments_per_item
            self._full = self.store.full_items(quota)
            if (self.store.document("plan version") or 0) != self._plan.version:
                self._plan = Plan.from_document(self.store.document("plan"))

    @property
    def plan(self) -> Plan:
        """The plan that is followed."""
        return self._plan

    def next(
        self, participant: str, done: Sequence[Judgment] | None = None
    ) -> Lease | None:
        """Give out an item.

        Parameters
        ----------
        participant : str
            Who asks; must be one of the study.
        done : sequence of Judgment, default=None
            What the participant has judged, if it was read already.

        Returns
        -------
        lease : Lease or None
            None if the participant is through, or if all items are with others.
        """
        if done is None:
            done = self.store.judgments(participant=participant)
        if len(done) >= self._schedule.total(participant):
            return None
        return self.store.lease(
            participant,
            self._schedule.slots(participant, done, self._plan, self._full),
            duration=60 * self.study.lease_minutes,
        )

    def submit(
        self,
        lease: Lease,
        answer: Any,
        *,
        confidence: float | None = None,
        response_time: float | None = None,
    ) -> Judgment:
        """Store an answer; see `JudgmentStore.submit`.

        Raises
        ------
        AnswerError
            If it is no answer to the question, or if confidence is missing or not
            asked for.
        """
        return self.store.submit(
            lease,
            self.read(lease.item, answer),
            confidence=self.check_confidence(confidence),
            response_time=response_time,
            source=self.source,
        )

    def correct(
        self,
        judgment: Judgment,
        answer: Any,
        *,
        confidence: float | None = None,
        response_time: float | None = None,
        new_uid: str | None = None,
    ) -> Judgment:
        """Replace an answer; see `JudgmentStore.correct`."""
        return self.store.correct(
            judgment.uid,
            self.read(judgment.item, answer),
            confidence=self.check_confidence(confidence),
            response_time=response_time,
            source=self.source,
            new_uid=new_uid,
        )

    def read(self, item: str, answer: Any) -> Any:
        """Return an answer about an item as it is stored."""
        return self.study.question.read(answer, self.study.items[item].columns)

    def check_confidence(self, confidence: float | None) -> float | None:
        """Return a confidence that the study takes."""
        if confidence is None and self.study.confidence == "required":
            raise AnswerError("Please say how sure you are.")
        if confidence is not None and self.study.confidence == "none":
            raise AnswerError("This study does not ask for confidence.")
        if confidence is not None and not 0 <= confidence <= 1:
            raise AnswerError("Confidence must be from 0 to 1.")
        return confidence

    def progress(self, participant: str, n_done: int) -> Progress:
        """Say how far a participant with so many answers is."""
        return Progress(n_done, self._schedule.total(participant))

    def feedback(self, done: Sequence[Judgment]) -> Feedback | None:
        """Return advice for a participant, if the study gives any."""
        if not self.study.feedback or self.study.confidence == "none":
            return None
        given = [j.confidence for j in done if j.confidence is not None]
        return confidence_feedback(given)
