"""The kinds of judgment that people can be asked for, without any estimator."""

from __future__ import annotations

from typing import Any

from bead_sklearn.annotate.questions._base import (
    AnswerError,
    Choice,
    Columns,
    Fields,
    Item,
    Question,
)
from bead_sklearn.annotate.questions._choices import (
    Binary,
    Categorical,
    ChoiceQuestion,
    ForcedChoice,
    MultiSelect,
    Ordinal,
)
from bead_sklearn.annotate.questions._numbers import Magnitude, Slider
from bead_sklearn.annotate.questions._words import Cloze, FreeText

__all__ = [
    "QUESTIONS",
    "AnswerError",
    "Binary",
    "Categorical",
    "Choice",
    "ChoiceQuestion",
    "Cloze",
    "Columns",
    "Fields",
    "ForcedChoice",
    "FreeText",
    "Item",
    "Magnitude",
    "MultiSelect",
    "Ordinal",
    "Question",
    "Slider",
    "make_question",
]

QUESTIONS: dict[str, type[Question]] = {
    cls.kind: cls
    for cls in (
        Binary,
        Categorical,
        ForcedChoice,
        MultiSelect,
        Ordinal,
        Slider,
        Magnitude,
        Cloze,
        FreeText,
    )
}


def make_question(kind: str, **settings: Any) -> Question:
    """Make a question of a kind.

    Parameters
    ----------
    kind : str
        A key of ``QUESTIONS``.
    **settings : dict
        Its parameters.

    Returns
    -------
    question : Question
        The question.

    Raises
    ------
    ValueError
        If the kind or a parameter is unknown, or a value cannot be.

    Examples
    --------
    >>> from bead_sklearn.annotate.questions import make_question
    >>> question = make_question("ordinal", prompt="How natural is it?")
    >>> question.from_line("4", {"text": "The cat slept."})
    4
    """
    if kind not in QUESTIONS:
        raise ValueError(
            f"kind of question must be one of {sorted(QUESTIONS)}. Got {kind!r}."
        )
    try:
        return QUESTIONS[kind](**settings)
    except TypeError as error:
        if "unexpected keyword" in str(error) or "required keyword" in str(error):
            names = sorted(QUESTIONS[kind].__dataclass_fields__)
            raise ValueError(
                f"A {kind} question takes {names}. Got {sorted(settings)}."
            ) from error
        raise
