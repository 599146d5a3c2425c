"""The store: what is acknowledged stays, nothing is there twice."""

from __future__ import annotations

import dataclasses
import sqlite3
import threading

import pytest

from bead_sklearn.annotate import (
    AlreadyAnsweredError,
    JudgmentStore,
    Lease,
    Slot,
)

ITEMS = {f"i{k}": {"text": f"Sentence {k}."} for k in range(5)}
PEOPLE = ["anna", "ben", "carl"]


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    with JudgmentStore(tmp_path / "study.db", clock=clock) as store:
        store.add_items(ITEMS)
        store.add_participants(PEOPLE)
        yield store


def slots(quota=1):
    return [Slot(item, quota) for item in ITEMS]


def test_a_judgment_keeps_what_was_said(store, clock):
    lease = store.lease("anna", slots())
    clock.now += 3.0
    judgment = store.submit(
        lease, ["a", "b"], confidence=0.25, response_time=2.5, source="web"
    )
    assert store.judgments() == [judgment]
    assert judgment.seq == 1
    assert judgment.position == 1
    assert judgment.answer == ["a", "b"]
    assert judgment.confidence == 0.25
    assert judgment.response_time == 2.5
    assert judgment.source == "web"
    assert judgment.software.startswith("bead_sklearn ")
    assert judgment.shown_at == "1970-01-12T13:46:40.000000+00:00"
    assert judgment.answered_at == "1970-01-12T13:46:43.000000+00:00"


def test_submitting_again_is_one_judgment(store):
    lease = store.lease("anna", slots())
    first = store.submit(lease, "yes", confidence=1)
    assert store.submit(lease, "yes", confidence=1.0) == first
    with pytest.raises(AlreadyAnsweredError, match="already judged") as caught:
        store.submit(lease, "no", confidence=1)
    assert caught.value.judgment == first
    assert store.history() == [first]


def test_a_place_is_not_given_to_two(store):
    assert store.lease("anna", slots()).item == "i0"
    assert store.lease("ben", slots()).item == "i1"
    # Asking again gives the same place, not another.
    assert store.lease("anna", slots()).item == "i0"
    assert store.lease("carl", slots(quota=2)).item == "i0"


def test_a_place_is_free_when_its_lease_expires(store, clock):
    late = store.lease("anna", slots(), duration=60)
    clock.now += 61
    assert store.lease("ben", slots(), duration=60).item == "i0"
    assert [lease.participant for lease in store.leases()] == ["ben"]
    # Anna's work is kept, although the place was given on.
    store.submit(late, "yes")
    assert [j.participant for j in store.judgments(item="i0")] == ["anna"]
    assert store.lease("carl", slots()).item == "i1"


def test_an_expired_lease_is_renewed_under_its_name(store, clock):
    first = store.lease("anna", slots(), duration=60)
    clock.now += 61
    again = store.lease("anna", slots(), duration=60)
    assert again.uid == first.uid
    assert again.expires_at > first.expires_at
    store.submit(again, "yes")
    assert store.submit(first, "yes").seq == 1


def test_a_lease_that_was_lost_can_be_answered(store):
    lost = Lease("made-up", "i3", "ben", 1, True, "2026-01-01T00:00:00+00:00", 0.0)
    store.submit(lost, 4)
    assert store.judgments()[0].answer == 4


def test_one_question_has_one_answer_under_two_leases(store, clock):
    lease = store.lease("anna", slots())
    other = dataclasses.replace(lease, uid="other")
    store.submit(lease, "yes")
    with pytest.raises(AlreadyAnsweredError):
        store.submit(other, "yes")


def test_release(store):
    store.lease("anna", slots())
    store.release("anna")
    assert store.leases() == []
    assert store.lease("ben", slots()).item == "i0"


def test_repetitions_and_gold_take_no_place(store):
    store.submit(store.lease("anna", [Slot("i0", None)]), "yes")
    assert store.counts() == ({}, {"anna": 1})
    assert store.lease("ben", slots()).item == "i0"
    repetition = store.lease("anna", [Slot("i0", None, occasion=2)])
    assert repetition.occasion == 2
    store.submit(repetition, "no")
    assert [j.answer for j in store.judgments(participant="anna")] == ["yes", "no"]


def test_corrections_and_retractions_are_new_rows(store):
    first = store.submit(store.lease("anna", slots()), "yes")
    second = store.correct(first.uid, "no", confidence=0.5)
    third = store.correct(second.uid, "perhaps")
    assert [row.version for row in store.history()] == [1, 2, 3]
    assert store.judgments() == [third]
    assert third.position == first.position
    assert store.lease("anna", slots()).item == "i1"
    store.release("anna")
    store.retract(first.uid)
    assert store.judgments() == []
    assert len(store.history()) == 4
    assert store.lease("anna", slots()).item == "i0"
    with pytest.raises(ValueError, match="is retracted"):
        store.correct(first.uid, "yes")
    with pytest.raises(ValueError, match="no judgment 'nothing'"):
        store.retract("nothing")


def test_a_correction_sent_twice_is_one(store):
    first = store.submit(store.lease("anna", slots()), "yes")
    correction = store.correct(first.uid, "no", new_uid="c1")
    assert store.correct(first.uid, "no", new_uid="c1") == correction
    with pytest.raises(AlreadyAnsweredError):
        store.correct(first.uid, "yes", new_uid="c1")
    assert len(store.history()) == 2


def test_rows_cannot_be_changed(store):
    store.submit(store.lease("anna", slots()), "yes")
    db = sqlite3.connect(store.path)
    for statement in (
        "UPDATE judgments SET answer = '\"no\"'",
        "DELETE FROM judgments",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="judgments are never"):
            db.execute(statement)
    db.close()


@pytest.mark.parametrize("confidence", [-0.01, 1.01, float("nan"), "0.5", True])
def test_confidence_is_checked(store, confidence):
    lease = store.lease("anna", slots())
    with pytest.raises(ValueError, match="confidence must be"):
        store.submit(lease, "yes", confidence=confidence)
    assert store.history() == []


@pytest.mark.parametrize("time", [-1, float("inf"), float("nan"), "1"])
def test_response_times_are_checked(store, time):
    lease = store.lease("anna", slots())
    with pytest.raises(ValueError, match="response_time must be"):
        store.submit(lease, "yes", response_time=time)


@pytest.mark.parametrize(
    "answer", [None, {"a": 1}, [1], [["a"]], float("nan"), 2**60, b"yes"]
)
def test_answers_are_checked(store, answer):
    lease = store.lease("anna", slots())
    with pytest.raises((TypeError, ValueError), match="answer"):
        store.submit(lease, answer)


def test_unknown_ids_are_refused(store):
    with pytest.raises(ValueError, match="no participant 'zoe'"):
        store.lease("zoe", slots())
    with pytest.raises(ValueError, match="no item 'i9'"):
        store.lease("anna", [Slot("i9")])
    with pytest.raises(ValueError, match="no item 'i9'"):
        store.submit(Lease("u", "i9", "anna", 1, True, "", 0.0), "yes")
    for bad in ("", "a\0b", "a\nb"):
        with pytest.raises(ValueError, match="printable"):
            store.add_participants([bad])


def test_items_do_not_change(store):
    store.add_items(ITEMS)
    with pytest.raises(ValueError, match="another content"):
        store.add_items({"i0": {"text": "Something else."}})
    assert store.items() == ITEMS


def test_reopening_gives_the_same(tmp_path, store):
    store.submit(store.lease("anna", slots()), "yes")
    with JudgmentStore(store.path) as again:
        assert again.history() == store.history()
        assert again.items() == ITEMS
        assert again.participants() == PEOPLE
        assert again.check().sound


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("These are notes, not a database, and they are long enough." * 9)
    with pytest.raises(ValueError, match="cannot be opened"):
        JudgmentStore(text)
    other = tmp_path / "other.db"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(ValueError, match="not a store of judgments"):
        JudgmentStore(other)
    with pytest.raises(FileNotFoundError, match="no folder"):
        JudgmentStore(tmp_path / "nowhere" / "study.db")


def test_a_newer_store_is_refused(store):
    db = sqlite3.connect(store.path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ValueError, match="version 99"):
        JudgmentStore(store.path)


def test_threads_get_places_of_their_own(tmp_path):
    items = {f"i{k}": {} for k in range(40)}
    people = [f"p{k}" for k in range(8)]
    with JudgmentStore(tmp_path / "study.db") as store:
        store.add_items(items)
        store.add_participants(people)

        def work(participant):
            while lease := store.lease(participant, [Slot(i, 1) for i in items]):
                store.submit(lease, participant)

        threads = [threading.Thread(target=work, args=(p,)) for p in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        judged = [judgment.item for judgment in store.judgments()]
        assert sorted(judged) == sorted(items)
        assert store.leases() == []
        assert store.check().sound


def test_merging(tmp_path, store, clock):
    shared = store.submit(store.lease("anna", slots(9)), "yes")
    with JudgmentStore(tmp_path / "other.db", clock=clock) as other:
        other.merge(store)
        ours = store.correct(shared.uid, "no")
        clock.now += 1
        theirs = other.correct(shared.uid, "perhaps")
        other.submit(other.lease("ben", slots(9)), "yes")
        assert store.merge(other) == 2
        assert store.merge(other) == 0
        assert other.merge(store) == 1
        assert {j.uid for j in store.judgments()} == {j.uid for j in other.judgments()}
        # Both are corrections of the same answer: the later one stands.
        assert ours.version == theirs.version == 2
        assert store.judgments(participant="anna")[0].answer == "perhaps"
        assert store.check().sound
        assert other.check().sound


def test_merging_refuses_contradictions(tmp_path, store):
    judgment = store.submit(store.lease("anna", slots()), "yes")
    with JudgmentStore(tmp_path / "other.db") as other:
        other.merge(store)
        with pytest.raises(ValueError, match="another content"):
            other.add([dataclasses.replace(judgment, answer="no")])
        with pytest.raises(ValueError, match="which is missing"):
            other.add(
                [
                    dataclasses.replace(
                        judgment, uid="c", root="x", version=2, kind="correction"
                    )
                ]
            )
        with pytest.raises(ValueError, match="another question"):
            other.add(
                [
                    dataclasses.replace(
                        judgment, uid="c", item="i4", version=2, kind="correction"
                    )
                ]
            )
        assert other.history() == store.history()


def test_documents_and_rounds(store):
    assert store.document("plan") is None
    store.put("plan", {"n": 1})
    store.put("plan", {"n": 2})
    assert store.document("plan") == {"n": 2}
    store.add_round({"score": 0.5})
    (line,) = store.rounds()
    assert line["score"] == 0.5
    assert store.settle("study", "a") == "a"
    assert store.settle("study", "b") == "a"
