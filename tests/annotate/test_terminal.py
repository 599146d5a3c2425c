"""Annotating in a terminal."""

from __future__ import annotations

import dataclasses
import os
import pty
import subprocess
import sys

import pytest
from studies import KINDS, make_study
from test_questions import SAME

from bead_sklearn.annotate import Collector, Item, JudgmentStore, Quotas
from bead_sklearn.annotate.terminal import TerminalSession


@pytest.fixture
def store(tmp_path):
    with JudgmentStore(tmp_path / "study.db") as store:
        yield store


class Typist:
    """Types lines and remembers what was shown."""

    def __init__(self, *lines):
        self.lines = list(lines)
        self.shown = []
        self.now = 0.0

    def read(self, prompt):
        self.shown.append(prompt)
        self.now += 1.5
        if not self.lines:
            raise EOFError
        return self.lines.pop(0)

    def session(self, collector, who="p01"):
        return TerminalSession(
            collector,
            who,
            read=self.read,
            write=self.shown.append,
            clock=lambda: self.now,
        )

    @property
    def text(self):
        return "\n".join(self.shown)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind, store):
    collector = Collector(make_study(kind), store, source="terminal")
    typist = Typist(SAME[kind][0], "80", ":q")
    assert typist.session(collector).run() == 1
    (judgment,) = store.judgments()
    assert judgment.answer == SAME[kind][2]
    assert judgment.confidence == 0.8
    assert judgment.response_time == 3.0
    assert judgment.source == "terminal"
    assert "1 of 6" in typist.text
    assert "Trust your ear." in typist.text
    # Stopping gives the item back.
    assert store.leases() == []


def test_wrong_lines_are_asked_again(store):
    collector = Collector(make_study(), store, source="terminal")
    typist = Typist("3", "", "perhaps", ":h", ":i", "yes", "101", "-1", "x", "50%")
    assert typist.session(collector).run() == 1
    assert store.judgments()[0].confidence == 0.5
    assert "Please choose one of the answers." in typist.text
    assert "Please type a number from 0" in typist.text


def test_changing_the_last_answer(store):
    collector = Collector(make_study(), store, source="terminal")
    typist = Typist(":b", "1", "10", ":b", "2", "90", ":b", ":b", "1", "20")
    assert typist.session(collector).run() == 2
    assert "There is no answer to change yet." in typist.text
    assert "Nothing was changed." in typist.text
    assert [j.answer for j in store.judgments()] == ["no", "yes"]
    assert [j.kind for j in store.history()] == ["answer", "correction", "answer"]


def test_going_on_where_one_stopped(store):
    collector = Collector(make_study(confidence="none"), store, source="terminal")
    assert Typist(*["1"] * 4).session(collector).run() == 4
    typist = Typist(*["1"] * 4)
    assert typist.session(collector).run() == 2
    assert "4 of 6" in typist.text
    assert "That was all: 6 answers." in typist.text
    assert Typist("1").session(collector).run() == 0


def test_nothing_left_for_now(store):
    study = make_study(confidence="none", quotas=Quotas(judgments_per_item=1))
    collector = Collector(study, store, source="terminal")
    Typist(*["1"] * 6).session(collector).run()
    typist = Typist("1")
    assert typist.session(collector, "p02").run() == 0
    assert "Nothing to judge now" in typist.text


def test_advice_and_optional_confidence(store):
    study = make_study(n_items=12, confidence="optional")
    collector = Collector(study, store, source="terminal")
    typist = Typist(*["1", "0"] * 10, "1", "")
    assert typist.session(collector).run() == 11
    assert "break" in typist.text
    assert store.judgments()[-1].confidence is None


def test_terminals_take_no_commands_from_texts(store):
    study = make_study(confidence="none")
    items = {"x": Item({"text": "red \x1b[31m and \x07bell"})}
    study = dataclasses.replace(study, items=items)
    typist = Typist("1")
    typist.session(Collector(study, store, source="terminal")).run()
    assert "\x1b" not in typist.text
    assert "\x07" not in typist.text


def test_unknown_participants(store):
    collector = Collector(make_study(), store, source="terminal")
    with pytest.raises(ValueError, match="no participant 'zoe'"):
        TerminalSession(collector, "zoe")


STUDY = """
participants = ["anna", "ben"]
confidence = "none"
[question]
kind = "binary"
prompt = "Is this natural?"
[model]
strategy = "random"
[[item]]
id = "s1"
text = "The cat slept."
[[item]]
id = "s2"
text = "Slept the cat."
"""


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    return path


def command(*arguments, **settings):
    return subprocess.run(
        [sys.executable, "-m", "bead_sklearn", "annotate", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        **settings,
    )


def test_the_command_in_a_real_terminal(study_file):
    """The installed command, its keys typed into a pseudo-terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "bead_sklearn", "annotate"),
            *(study_file, "--participant", "anna"),
        ],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    os.close(theirs)
    shown = b""
    typed = [b"1\n", b"2\n"]
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
        if typed and shown.endswith(b"> "):
            os.write(ours, typed.pop(0))
    os.close(ours)
    assert process.wait() == 0
    assert b"That was all: 2 answers." in shown
    with JudgmentStore(study_file.with_suffix(".db")) as store:
        assert sorted(j.answer for j in store.judgments()) == ["no", "yes"]


def test_the_commands_around_it(study_file, tmp_path):
    done = command(study_file, input="")
    assert done.returncode == 2
    assert "--participant ID" in done.stderr
    done = command(study_file, "--rehearse")
    assert done.returncode == 0, done.stderr
    assert "4 judgments by 2 simulated participants" in done.stdout
    assert command(study_file, "--rehearse").returncode == 2
    rehearsal = study_file.with_suffix(".rehearsal.db")
    done = command(study_file, "--store", rehearsal, "--export", tmp_path / "a.csv")
    assert "Wrote 4 judgments" in done.stderr
    done = command(study_file, "--import", tmp_path / "a.csv")
    assert "Added 4 judgments" in done.stderr
    done = command(study_file, "--merge", rehearsal)
    assert "Added 0 rows" in done.stderr
    done = command(study_file, "--check")
    assert done.stdout.strip() == "4 rows, all sound"
    assert command(study_file, "--merge", tmp_path / "no.db").returncode == 2
