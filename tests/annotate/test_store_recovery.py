"""Power cuts, damaged files and killed processes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest

from bead_sklearn.annotate import JudgmentStore, Slot

ITEMS = {f"i{k:02d}": {"text": f"Sentence {k}."} for k in range(30)}


def filled(path, n=12):
    """Return a store with n judgments that are in the write-ahead log only."""
    store = JudgmentStore(path)
    store.add_items(ITEMS)
    store.add_participants(["anna", "ben"])
    for k in range(n):
        who = ("anna", "ben")[k % 2]
        lease = store.lease(who, [Slot(item, 1) for item in ITEMS])
        store.submit(lease, f"answer {k}", confidence=0.5)
    return store


def copy_files(path, folder):
    """Copy what a power cut would leave: the files as they are, nothing closed."""
    folder.mkdir()
    for suffix in ("", "-wal", ".journal"):
        shutil.copy(f"{path}{suffix}", folder / f"{path.name}{suffix}")
    return folder / path.name


@pytest.fixture
def running(tmp_path):
    store = filled(tmp_path / "study.db")
    yield store
    store.close()


def wal_lengths():
    """Where to cut a log: at its ends, in headers, and anywhere."""
    draw = random.Random(0)
    return [0, 1, 31, 32, 40, *(draw.random() for _ in range(15)), 0.9999]


@pytest.mark.parametrize("length", wal_lengths())
def test_a_shortened_log_loses_nothing(tmp_path, running, length):
    rows = running.history()
    copy = copy_files(running.path, tmp_path / "copy")
    log = copy.with_name(f"{copy.name}-wal")
    size = log.stat().st_size
    assert size > 10_000
    os.truncate(log, length if isinstance(length, int) else int(length * size))
    with JudgmentStore(copy) as store:
        assert {row.uid for row in store.history()} == {row.uid for row in rows}
        assert [row.content() for row in store.judgments()] == [
            row.content() for row in rows
        ]
        assert store.items() == ITEMS
        report = store.check()
        assert report.sound, report
        # Work goes on, and the numbers with it.
        lease = store.lease("anna", [Slot(item, 1) for item in ITEMS])
        assert store.submit(lease, "next").seq == len(rows) + 1


def test_a_log_without_its_end_is_said_to_be_recovered(tmp_path, running):
    copy = copy_files(running.path, tmp_path / "copy")
    os.truncate(copy.with_name(f"{copy.name}-wal"), 0)
    with JudgmentStore(copy) as store:
        report = store.check()
    assert report.recovered == tuple(row.uid for row in running.history())
    assert "recovered from the journal" in str(report)


def test_a_garbled_log_loses_nothing(tmp_path, running):
    copy = copy_files(running.path, tmp_path / "copy")
    log = copy.with_name(f"{copy.name}-wal")
    content = bytearray(log.read_bytes())
    for place in random.Random(1).sample(range(len(content)), 50):
        content[place] ^= 0xFF
    log.write_bytes(content)
    with JudgmentStore(copy) as store:
        assert len(store.judgments()) == 12
        assert store.check().sound


@pytest.mark.parametrize("cut", [1, 10, 100, 1000])
def test_a_shortened_journal_is_completed(tmp_path, running, cut):
    copy = copy_files(running.path, tmp_path / "copy")
    journal = copy.with_name(f"{copy.name}.journal")
    os.truncate(journal, journal.stat().st_size - cut)
    with JudgmentStore(copy) as store:
        assert len(store.judgments()) == 12
        lease = store.lease("anna", [Slot(item, 1) for item in ITEMS])
        store.submit(lease, "next")
        # A torn line stays where it is and is reported; nothing is missing.
        assert store.check().missing == ()
    with JudgmentStore(copy) as store:
        assert len(store.judgments()) == 13


def test_what_both_have_lost_is_named(tmp_path, running):
    copy = copy_files(running.path, tmp_path / "copy")
    os.truncate(copy.with_name(f"{copy.name}-wal"), 0)
    journal = copy.with_name(f"{copy.name}.journal")
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"answer 3", b"answer 9")
    lines[6] = lines[6][:40] + b"\n"
    journal.write_bytes(b"".join(lines))
    with JudgmentStore(copy) as store:
        report = store.check()
        assert len(store.judgments()) == 10
    assert not report.sound
    assert report.damaged_lines == (4, 7)
    assert report.missing == (4, 7)
    assert "missing judgments: numbers 4, 7" in str(report)


def test_a_lost_database_is_made_again_from_the_journal(tmp_path, running):
    copy = copy_files(running.path, tmp_path / "copy")
    copy.unlink()
    copy.with_name(f"{copy.name}-wal").unlink()
    with JudgmentStore(copy) as store:
        assert len(store.judgments()) == 12
        store.add_items(ITEMS)
        assert store.items() == ITEMS
        assert store.check().sound


def test_a_judgment_that_cannot_be_written_is_not_acknowledged(running, monkeypatch):
    lease = running.lease("anna", [Slot(item, 1) for item in ITEMS])

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            running.submit(lease, "yes")
    assert len(running.history()) == 12
    # The participant tries again, with another answer: that one counts.
    running.submit(lease, "no")
    assert running.judgments()[-1].answer == "no"
    with JudgmentStore(running.path) as store:
        assert store.judgments()[-1].answer == "no"
        assert len(store.history()) == 13


WRITER = """
import sys, threading
from bead_sklearn.annotate import JudgmentStore, Slot
store = JudgmentStore(sys.argv[1])
items = store.items()
slots = [Slot(item, 1) for item in items]
say = threading.Lock()
def work(participant):
    while lease := store.lease(participant, slots, duration=60):
        judgment = store.submit(lease, participant)
        with say:
            print(judgment.uid, flush=True)
for k in range(8):
    threading.Thread(target=work, args=(f"p{k}",)).start()
"""


def test_killed_processes_lose_nothing(tmp_path):
    path = tmp_path / "study.db"
    with JudgmentStore(path) as store:
        store.add_items({f"i{k}": {} for k in range(400)})
        store.add_participants([f"p{k}" for k in range(8)])
    acknowledged = set()
    draw = random.Random(2)
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(draw.randrange(1, 40)):
            if not (line := process.stdout.readline()):
                break
            acknowledged.add(line.strip())
        process.send_signal(signal.SIGKILL)
        acknowledged.update(process.stdout.read().split())
        process.wait()
        process.stdout.close()
        with JudgmentStore(path) as store:
            stored = [judgment.uid for judgment in store.judgments()]
            judged = [judgment.item for judgment in store.judgments()]
            assert acknowledged <= set(stored)
            assert len(set(judged)) == len(judged)
            assert store.check().sound
    assert len(acknowledged) > 20
