"""Answers are read strictly, the same from page, terminal and file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import KINDS, make_study

from bead_sklearn.annotate import AnswerError, make_question

#: A line typed, the fields of a form that mean the same, and the answer.
SAME = {
    "binary": ("1", ["0"], "yes"),
    "categorical": ("contradiction", ["2"], "contradiction"),
    "forced_choice": ("3", ["2"], "neither"),
    "multi_select": ("3 1", ["2", "0"], ["joy", "surprise"]),
    "ordinal": ("7", ["6"], 7),
    "slider": ("0,25", ["0.25"], 0.25),
    "magnitude": ("1e2", ["100"], 100.0),
    "cloze": ("a rose,  wall ", ["a  rose", "wall"], ["a rose", "wall"]),
    "free_text": ("Ja, ü!", ["Ja, ü!"], "Ja, ü!"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_line_form_and_file_agree(kind):
    study = make_study(kind)
    question = study.question
    columns = next(iter(study.items.values())).columns
    line, fields, answer = SAME[kind]
    assert question.from_line(line, columns) == answer
    assert question.from_form({"answer": fields}, columns) == answer
    assert question.read(answer, columns) == answer
    assert type(question.read(answer, columns)) is type(answer)
    assert question.show(answer)
    assert question.hint(columns)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fields", [{}, {"answer": []}, {"answer": [""]}])
def test_no_answer(kind, fields):
    study = make_study(kind)
    columns = next(iter(study.items.values())).columns
    with pytest.raises(AnswerError):
        study.question.from_form(fields, columns)
    with pytest.raises(AnswerError):
        study.question.from_line("  ", columns)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_anything_is_read_or_refused(kind, data):
    study = make_study(kind)
    question = study.question
    columns = next(iter(study.items.values())).columns
    value = data.draw(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(),
            st.lists(st.text(max_size=8), max_size=3),
            st.dictionaries(st.text(max_size=2), st.text(max_size=2), max_size=2),
        )
    )
    try:
        answer = question.read(value, columns)
    except AnswerError:
        return
    # Reading is idempotent.
    assert question.read(answer, columns) == answer


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        ("binary", True),
        ("binary", "maybe"),
        ("multi_select", "joy"),
        ("multi_select", ["joy", "love"]),
        ("ordinal", 8),
        ("ordinal", True),
        ("slider", 1.01),
        ("slider", float("nan")),
        ("slider", "1_0"),
        ("magnitude", -1),
        ("magnitude", float("inf")),
        ("cloze", ["one"]),
        ("cloze", ["a", "b\0"]),
        ("free_text", "a\x1b[31m"),
        ("free_text", "x" * 2001),
    ],
)
def test_no_answers(kind, bad):
    study = make_study(kind)
    columns = next(iter(study.items.values())).columns
    with pytest.raises(AnswerError):
        study.question.read(bad, columns)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("nothing", {}, "kind of question must be one of"),
        ("binary", {"prompt": " "}, "prompt must be"),
        ("binary", {"prompt": "?", "labels": ("a",)}, "at least 2"),
        ("binary", {"prompt": "?", "labels": ("a", "b", "c")}, "two labels"),
        ("binary", {"prompt": "?", "label": "a"}, "takes"),
        ("categorical", {"prompt": "?"}, "takes"),
        ("categorical", {"prompt": "?", "labels": ("a", "a")}, "different"),
        ("forced_choice", {"prompt": "?", "options": ("a",)}, "at least 2"),
        ("ordinal", {"prompt": "?", "ends": ("low",)}, "two texts"),
        ("slider", {"prompt": "?", "scale": (1, 0)}, "rising"),
        ("magnitude", {"prompt": "?", "bounds": (3, 2)}, "rise"),
        ("cloze", {"prompt": "?", "text": ("a", "b")}, "one text column"),
        ("free_text", {"prompt": "?", "max_length": 0}, "max_length"),
    ],
)
def test_settings_are_checked(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        make_question(kind, **settings)


def test_types_of_settings_are_checked():
    with pytest.raises(TypeError, match="list of labels"):
        make_question("binary", prompt="?", labels="yes")
    with pytest.raises(TypeError, match="texts or integers"):
        make_question("ordinal", prompt="?", categories=(1.5, 2.5))
    with pytest.raises(TypeError, match="names of columns"):
        make_question("binary", prompt="?", text="text")


def test_ragged_choices():
    question = make_question("forced_choice", prompt="?", options=("a", "b", "c"))
    columns = {"a": "One.", "b": "", "c": "Three."}
    question.check_item(columns)
    assert [choice.value for choice in question.choices(columns)] == ["a", "c"]
    assert question.from_form({"answer": ["1"]}, columns) == "c"
    with pytest.raises(ValueError, match="fewer than two"):
        question.check_item({"a": "One.", "b": None, "c": " "})
