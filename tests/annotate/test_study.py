"""Study files: read whole, or refused with the place of the error."""

from __future__ import annotations

import dataclasses

import pytest
from studies import make_study

from bead_sklearn.annotate import Item, Quotas, load_study

STUDY = """
name = "Naturalness"
instructions = "Read each sentence once."
participants = ["anna", "ben"]
items = "items.csv"
gold_column = "right"
confidence = "optional"

[question]
kind = "ordinal"
prompt = "How natural is this sentence?"
categories = [1, 2, 3, 4, 5, 6, 7]
ends = ["not at all", "completely"]

[quotas]
judgments_per_item = 2
repeat_share = 0.1

[model]
estimator = "BinaryClassifier"
strategy = "random"
refit_every = 5
parameters = { alpha = 1.0 }
"""
ITEMS = "id,text,length,right\ns1,The cat slept.,3,7\ns2,5,1,\n"


@pytest.fixture
def write(tmp_path):
    def write(study=STUDY, items=ITEMS):
        (tmp_path / "items.csv").write_text(items, encoding="utf-8")
        path = tmp_path / "study.toml"
        path.write_text(study, encoding="utf-8")
        return path

    return write


def test_a_file_is_read(write):
    study = load_study(write())
    assert study.name == "Naturalness"
    assert study.participants == ["anna", "ben"]
    assert study.items["s1"].gold == 7
    # Numerals are numbers, except where they are shown.
    assert study.items["s2"].columns == {"text": "5", "length": 1.0}
    assert study.items["s2"].gold is None
    assert study.question.categories == (1, 2, 3, 4, 5, 6, 7)
    assert study.quotas == Quotas(judgments_per_item=2, repeat_share=0.1)
    assert study.strategy_name == "random"
    assert study.parameters == {"alpha": 1.0}
    assert study.gold == {"s1": 7}
    assert study.open_items == ["s2"]


def test_items_in_the_file(write):
    inline = """
    participants = 3
    [question]
    kind = "multi_select"
    prompt = "Which?"
    options = ["joy", "anger"]
    [[item]]
    id = "a"
    text = "One."
    gold = ["joy"]
    [[item]]
    id = "b"
    text = "Two."
    """
    study = load_study(write(inline))
    assert study.name == "study"
    assert study.participants == ["p01", "p02", "p03"]
    assert study.gold == {"a": ["joy"]}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "Naturalness"', 'nam = "x"', r"no setting \['nam'\]"),
        ('kind = "ordinal"', 'kind = "likert"', "kind of question must be one of"),
        ('kind = "ordinal"', "", "needs a kind"),
        ("[question]", "[questions]", "no setting"),
        ('items = "items.csv"', "", "either items"),
        ('items = "items.csv"', 'items = "none.csv"', "none.csv"),
        ("judgments_per_item = 2", "judgments_per_item = 0", "integer from 1"),
        ("repeat_share = 0.1", "repeat_share = 0.9", "from 0 to 0.5"),
        ("repeat_share = 0.1", "repeats = 1", "no setting"),
        ('["anna", "ben"]', '["anna", "anna"]', "each once"),
        ('["anna", "ben"]', "0", "participants must be a number"),
        ('"optional"', '"maybe"', "confidence must be one of"),
        ("refit_every = 5", "refit_every = true", "integer from 1"),
        ("name =", "name", "not a TOML file"),
    ],
)
def test_errors_name_the_file_and_the_place(write, old, new, message):
    path = write(STUDY.replace(old, new, 1))
    with pytest.raises((ValueError, OSError), match=message) as caught:
        load_study(path)
    assert "study.toml" in str(caught.value) or "none.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ("id,text\ns1,a\ns1,b\n", r"\['s1'\] are there twice"),
        ("name,text\ns1,a\n", "no column 'id'"),
        ("id,sentence\ns1,a\n", "column 'text' must be a text"),
        ("id,text\ns1,\n", "Item 's1'"),
        ("id,text,right\ns1,a,9\n", "must be one of"),
    ],
)
def test_bad_items(write, items, message):
    with pytest.raises(ValueError, match=message):
        load_study(write(items=items))


def test_a_study_needs_items_of_one_kind():
    study = make_study()
    items = {**study.items, "x": Item({"text": "a", "more": 1.0})}
    with pytest.raises(ValueError, match="same columns"):
        dataclasses.replace(study, items=items)
    with pytest.raises(ValueError, match="needs items"):
        dataclasses.replace(study, items={})
    with pytest.raises(ValueError, match="lease_minutes"):
        dataclasses.replace(study, lease_minutes=0)


def test_the_fingerprint_is_of_the_question():
    study = make_study("ordinal")
    assert study.fingerprint == dataclasses.replace(study, name="x").fingerprint
    other = dataclasses.replace(study.question, prompt="Another?")
    assert study.fingerprint != dataclasses.replace(study, question=other).fingerprint
