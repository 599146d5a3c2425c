"""Judgments go to files and come back the same."""

from __future__ import annotations

import csv
import dataclasses
import json
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import KINDS, make_study

from bead_sklearn.annotate import (
    JudgmentStore,
    Rehearsal,
    SimulatedAnnotators,
    Slot,
    export_judgments,
    import_judgments,
)
from bead_sklearn.annotate.exchange import _cell, _value

FORMATS = [
    "out.jsonl",
    "out.csv",
    "out.labelstudio.json",
    "out.jspsych.json",
    "out.txt",
]


def filled(study, path):
    store = JudgmentStore(path)
    people = SimulatedAnnotators.from_truth(study)
    Rehearsal(study, store, people).run()
    first, second, third = store.judgments()[:3]
    store.correct(first.uid, second.answer, confidence=0.5)
    store.retract(third.uid)
    return store


def simple(kind):
    return dataclasses.replace(make_study(kind), strategy="random", estimator="None")


@pytest.fixture(params=list(KINDS))
def study(request):
    return simple(request.param)


@pytest.mark.parametrize("name", FORMATS)
def test_round_trip(study, name, tmp_path):
    with (
        filled(study, tmp_path / "a.db") as store,
        JudgmentStore(tmp_path / "b.db") as other,
    ):
        n = export_judgments(study, store, tmp_path / name)
        whole = name.endswith(("csv", "jsonl"))
        assert n == len(store.history() if whole else store.judgments())
        assert import_judgments(study, other, tmp_path / name) == n
        assert import_judgments(study, other, tmp_path / name) == 0
        if whole:
            assert [j.content() for j in other.history()] == sorted(
                (j.content() for j in store.history()), key=lambda row: row["version"]
            )
            return
        kept = ("item", "participant", "occasion", "answer", "confidence")

        def said(store):
            return sorted(
                tuple(str(getattr(j, name)) for name in kept) for j in store.judgments()
            )

        assert said(other) == said(store)

        def seconds(store):
            return sorted(round(j.response_time or 0.0, 2) for j in store.judgments())

        assert seconds(other) == seconds(store)


@given(
    st.one_of(
        st.none(),
        st.text(),
        st.integers(-(10**6), 10**6),
        st.floats(allow_nan=False, allow_infinity=False),
        st.lists(st.text(max_size=5), max_size=3),
    )
)
@settings(max_examples=100)
def test_cells(value):
    """Any value comes back, and no cell is a formula."""
    cell = _cell(value)
    assert _value(cell) == value
    if isinstance(value, str):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_spreadsheets_run_nothing(tmp_path):
    study = simple("free_text")
    with JudgmentStore(tmp_path / "a.db") as store:
        store.add_items(study.contents())
        store.add_participants(study.participants)
        evil = '=HYPERLINK("http://evil.example","x")'
        store.submit(store.lease("p01", [Slot("s00")]), evil)
        export_judgments(study, store, tmp_path / "a.csv")
        with (tmp_path / "a.csv").open(newline="") as file:
            (row,) = csv.DictReader(file)
        assert row["answer"].startswith('"=')
        with JudgmentStore(tmp_path / "b.db") as other:
            import_judgments(study, other, tmp_path / "a.csv")
            assert other.judgments()[0].answer == evil


def test_jspsych_and_jatos_as_they_come(tmp_path):
    """Button responses are numbers of buttons, and JATOS has a line per run."""
    study = simple("binary")
    runs = [
        [
            {"trial_type": "html-keyboard-response", "rt": 900, "trial_index": 0},
            {
                "trial_type": "html-button-response",
                "rt": 1234,
                "response": 1,
                "trial_index": 1,
                "item": "s00",
                "PROLIFIC_PID": who,
            },
            {
                "trial_type": "survey-multi-choice",
                "rt": 2000,
                "response": {"Q0": "yes"},
                "trial_index": 2,
                "item": "s01",
                "PROLIFIC_PID": who,
            },
        ]
        for who in ("worker1", "worker2")
    ]
    path = tmp_path / "jatos_results.txt"
    path.write_text("\n".join(map(json.dumps, runs)), encoding="utf-8")
    with JudgmentStore(tmp_path / "a.db") as store:
        assert import_judgments(study, store, path) == 4
        assert import_judgments(study, store, path) == 0
        assert [(j.participant, j.item, j.answer) for j in store.judgments()] == [
            ("worker1", "s00", "no"),
            ("worker1", "s01", "yes"),
            ("worker2", "s00", "no"),
            ("worker2", "s01", "yes"),
        ]
        assert store.judgments()[0].response_time == 1.234


def write_archive(path, runs, metadata=None):
    """Write results of (worker, text of the data file) as JATOS archives them."""
    results = [
        {
            "id": number,
            "workerId": worker,
            "componentResults": [
                {"id": 1, "path": f"/study_result_{number}/comp_result_1"},
                {"id": 2, "path": f"/study_result_{number}/comp_result_2"},
            ],
        }
        for number, (worker, _) in enumerate(runs, start=1)
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for number, (_, text) in enumerate(runs, start=1):
            archive.writestr(f"study_result_{number}/comp_result_2/data.txt", text)
        data = {"apiVersion": "1.0.1", "data": [{"studyResults": results}]}
        archive.writestr("metadata.json", json.dumps(metadata or data))


@pytest.mark.parametrize("suffix", [".jrzip", ".zip"])
def test_results_archives_of_jatos(tmp_path, suffix):
    """Workers are known from the archive; a run may be a list or lines."""
    study = simple("binary")
    trials = [
        {"trial_type": "preload", "success": True},
        {"item": "s00", "response": "yes", "rt": 500, "trial_index": 1},
        {"item": "s01", "response": "no", "rt": 600, "trial_index": 2},
    ]
    path = tmp_path / f"results{suffix}"
    runs = [
        (11, json.dumps(trials)),
        (12, "\n".join(map(json.dumps, trials))),
        (11, json.dumps(trials)),  # comes again: a retest
        (13, ""),
    ]
    write_archive(path, runs)
    with JudgmentStore(tmp_path / "a.db") as store:
        assert import_judgments(study, store, path) == 6
        assert import_judgments(study, store, path) == 0
        found = [(j.participant, j.item, j.occasion) for j in store.judgments()]
    assert sorted(found) == [
        ("11", "s00", 1),
        ("11", "s00", 2),
        ("11", "s01", 1),
        ("11", "s01", 2),
        ("12", "s00", 1),
        ("12", "s01", 1),
    ]


def test_archives_that_are_none(tmp_path):
    study = simple("binary")
    with JudgmentStore(tmp_path / "a.db") as store:
        path = tmp_path / "a.jrzip"
        path.write_bytes(b"nothing")
        with pytest.raises(ValueError, match="no ZIP archive"):
            import_judgments(study, store, path)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("other.txt", "")
        with pytest.raises(ValueError, match=r"no metadata\.json"):
            import_judgments(study, store, path)
        write_archive(path, [(1, "{]")])
        with pytest.raises(ValueError, match=r"study_result_1/comp_result_2/data\.txt"):
            import_judgments(study, store, path)
        write_archive(path, [(1, "[]")], metadata={"other": 1})
        with pytest.raises(ValueError, match="'data' is missing"):
            import_judgments(study, store, path)
        assert store.judgments() == []
        with pytest.raises(ValueError, match=r"must end in one of .*\.jrzip"):
            export_judgments(study, store, path)


def test_label_studio_as_it_comes(tmp_path):
    study = simple("binary")
    tasks = [
        {
            "id": 7,
            "data": {"item": "s02", "text": "x"},
            "annotations": [
                {
                    "id": 3,
                    "completed_by": 1,
                    "lead_time": 4.5,
                    "created_at": "2026-01-01T10:00:00Z",
                    "result": [
                        {
                            "from_name": "sentiment",
                            "to_name": "text",
                            "type": "choices",
                            "value": {"choices": ["no"]},
                        }
                    ],
                },
                {"id": 4, "completed_by": 2, "result": [], "was_cancelled": True},
            ],
        }
    ]
    path = tmp_path / "project.labelstudio.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    with JudgmentStore(tmp_path / "a.db") as store:
        assert import_judgments(study, store, path) == 1
        (judgment,) = store.judgments()
        assert (judgment.participant, judgment.answer) == ("1", "no")
        assert judgment.response_time == 4.5


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"uid": "x"}', "line 1: A judgment needs"),
        ("a.jsonl", "{", "line 1"),
        ("a.csv", "item,answer\n", "columns .* are missing"),
        ("a.jspsych.json", '[{"item": "s00", "response": "yes"}]', "has none of"),
        (
            "a.jspsych.json",
            '[{"item": "zz", "response": "yes", "subject": 1}]',
            "no item 'zz'",
        ),
        (
            "a.jspsych.json",
            '[{"item": "s00", "response": "maybe", "subject": 1}]',
            "must be one of",
        ),
        ("a.labelstudio.json", "{}", "list of tasks"),
        ("a.xml", "", "name of a file must end"),
    ],
)
def test_bad_files_add_nothing(name, text, message, tmp_path):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    study = simple("binary")
    with JudgmentStore(tmp_path / "a.db") as store:
        with pytest.raises(ValueError, match=message):
            import_judgments(study, store, path)
        assert store.history() == []
