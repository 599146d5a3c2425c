"""Whatever happens to a store in whatever order, it agrees with a simple model."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from bead_sklearn.annotate import AlreadyAnsweredError, JudgmentStore, Slot

PEOPLE = ["anna", "ben", "carl"]
ITEMS = {f"i{k}": {"text": str(k)} for k in range(4)}
QUOTA = 2
DURATION = 100.0
ANSWERS = st.one_of(
    st.sampled_from(["yes", "no"]),
    st.integers(-5, 5),
    st.floats(-1e6, 1e6),
    st.lists(st.text(max_size=5), max_size=3),
)
CONFIDENCES = st.one_of(st.none(), st.floats(0, 1))


class StoreMachine(RuleBasedStateMachine):
    """Leases, answers, corrections, restarts and power cuts, in any order."""

    leases = Bundle("leases")

    @initialize()
    def open(self):
        self.folder = tempfile.TemporaryDirectory()
        self.now = 1000.0
        self.store = self.make("study.db")
        self.store.add_items(ITEMS)
        self.store.add_participants(PEOPLE)
        self.answers = {}  # root -> (item, participant, answer, confidence) or None
        self.held = {}  # participant -> lease
        self.rows = 0

    def make(self, name):
        return JudgmentStore(Path(self.folder.name) / name, clock=lambda: self.now)

    def judged(self, participant):
        return {a[0] for a in self.answers.values() if a and a[1] == participant}

    def places_taken(self, item, besides):
        n = sum(1 for a in self.answers.values() if a and a[0] == item)
        return n + sum(
            lease.item == item and lease.expires_at > self.now
            for who, lease in self.held.items()
            if who != besides
        )

    @rule(target=leases, participant=st.sampled_from(PEOPLE))
    def ask(self, participant):
        lease = self.store.lease(
            participant, [Slot(i, QUOTA) for i in ITEMS], duration=DURATION
        )
        before = self.held.get(participant)
        if before is not None and before.expires_at > self.now:
            assert lease.uid == before.uid
        elif lease is None:
            for item in ITEMS.keys() - self.judged(participant):
                assert self.places_taken(item, participant) >= QUOTA
        else:
            assert lease.item not in self.judged(participant)
            assert self.places_taken(lease.item, participant) < QUOTA
        if lease is None:
            self.held.pop(participant, None)
            return multiple()
        self.held[participant] = lease
        return lease

    @rule(lease=leases, answer=ANSWERS, confidence=CONFIDENCES)
    def answer(self, lease, answer, confidence):
        try:
            judgment = self.store.submit(lease, answer, confidence=confidence)
        except AlreadyAnsweredError as error:
            standing = error.judgment
            assert standing.participant == lease.participant
            assert lease.uid in self.answers or (
                lease.item in self.judged(lease.participant)
            )
            return
        if lease.uid not in self.answers:
            self.rows += 1
            self.answers[lease.uid] = (
                lease.item,
                lease.participant,
                answer,
                confidence,
            )
        assert judgment.answer == answer
        if self.held.get(lease.participant, lease).uid == lease.uid:
            self.held.pop(lease.participant, None)

    @rule(lease=leases, answer=ANSWERS)
    def correct(self, lease, answer):
        standing = self.answers.get(lease.uid)
        if standing is None:
            with pytest.raises(ValueError, match=r"no judgment|is retracted"):
                self.store.correct(lease.uid, answer)
            return
        self.store.correct(lease.uid, answer)
        self.rows += 1
        self.answers[lease.uid] = (*standing[:2], answer, None)

    @rule(lease=leases)
    def retract(self, lease):
        if self.answers.get(lease.uid) is not None:
            self.store.retract(lease.uid)
            self.rows += 1
            self.answers[lease.uid] = None

    @rule(seconds=st.sampled_from([1.0, 50.0, 150.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def restart(self):
        self.store.close()
        self.store = self.make("study.db")

    @rule()
    def lose_the_database(self):
        self.store.close()
        for file in Path(self.folder.name).glob("study.db*"):
            if not file.name.endswith(".journal"):
                file.unlink()
        self.store = self.make("study.db")
        self.store.add_items(ITEMS)
        self.store.add_participants(PEOPLE)
        # Leases are not in the journal.
        self.held = {}

    @rule()
    def merge_away_and_back(self):
        other = self.make("other.db")
        other.merge(self.store)
        other.merge(self.store)
        assert self.store.merge(other) == 0
        assert other.check().sound
        other.close()

    @invariant()
    def says_what_was_said(self):
        if not hasattr(self, "store"):
            return
        stored = {
            j.root: (j.item, j.participant, j.answer, j.confidence)
            for j in self.store.judgments()
        }
        assert stored == {root: a for root, a in self.answers.items() if a}
        assert len(self.store.history()) == self.rows
        report = self.store.check()
        assert report.sound, report

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_merging_in_any_order_gives_the_same(data):
    """Three copies of a store go their ways and are merged in both directions."""
    with tempfile.TemporaryDirectory() as folder:
        now = [1000.0]
        stores = [
            JudgmentStore(Path(folder) / f"{k}.db", clock=lambda: now[0])
            for k in range(4)
        ]
        for store in stores:
            store.add_items(ITEMS)
            store.add_participants(PEOPLE)
        for who in PEOPLE:
            stores[0].submit(stores[0].lease(who, [Slot("i0")]), who)
        for store in stores[1:3]:
            store.merge(stores[0])
        for _ in range(data.draw(st.integers(0, 6))):
            store = data.draw(st.sampled_from(stores[:3]))
            now[0] += data.draw(st.sampled_from([0.0, 1.0]))
            judgment = data.draw(st.sampled_from(store.history()))
            answer = data.draw(ANSWERS)
            if judgment.root in {j.root for j in store.judgments()}:
                if data.draw(st.booleans()):
                    store.correct(judgment.uid, answer)
                else:
                    store.retract(judgment.uid)
        for source in data.draw(st.permutations(stores[:3])):
            stores[3].merge(source)
        stores[0].merge(stores[1])
        stores[0].merge(stores[2])

        def standing(store):
            return {j.root: j.content() for j in store.judgments()}

        assert standing(stores[0]) == standing(stores[3])
        assert all(store.check().sound for store in stores)
        for store in stores:
            store.close()
