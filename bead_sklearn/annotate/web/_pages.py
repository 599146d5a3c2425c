"""HTML of the pages; every value is escaped by the templates."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from bead_sklearn._optional import import_optional
from bead_sklearn.annotate.questions import Question
from bead_sklearn.annotate.study import Study

#: Choices a digit key stands for.
_KEYS = "123456789"

CONFIDENCES = (
    (0.0, "guessed"),
    (0.25, "unsure"),
    (0.5, "halfway"),
    (0.75, "fairly sure"),
    (1.0, "certain"),
)

_STATIC = {
    "style.css": "text/css; charset=utf-8",
    "annotate.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


class Pages:
    """Turns values into HTML."""

    def __init__(self) -> None:
        jinja2 = import_optional("jinja2", extra="web", purpose="The web server")
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("bead_sklearn.annotate.web"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, template: str, **values: Any) -> str:
        """Return a page."""
        html: str = self._environment.get_template(template).render(**values)
        return html


def static_files() -> dict[str, tuple[str, bytes]]:
    """Return type and content of the files that pages refer to."""
    folder = files("bead_sklearn.annotate.web") / "static"
    return {
        name: (kind, (folder / name).read_bytes()) for name, kind in _STATIC.items()
    }


@dataclass(frozen=True)
class ShownChoice:
    """A choice on a page: its number, label, key and whether it is chosen."""

    number: int
    label: str
    key: str
    chosen: bool


def item_values(
    study: Study, item: str, answer: Any, confidence: float | None, typed: list[str]
) -> dict[str, Any]:
    """Return what the page of an item shows.

    Parameters
    ----------
    study : Study
        The study.
    item : str
        The item.
    answer : object
        An answer to show as given; None for none.
    confidence : float or None
        Confidence to show as given.
    typed : list of str
        What was typed when it was no answer, to be put right.
    """
    question = study.question
    columns = study.items[item].columns
    several = len(question.text) > 1
    return {
        "question": question,
        "context": columns[question.context] if question.context else None,
        "texts": [(name if several else None, columns[name]) for name in question.text],
        "choices": [
            ShownChoice(
                number=k,
                label=choice.label,
                key=_KEYS[k] if k < len(_KEYS) else "",
                chosen=answer is not None and _chosen(question, choice.value, answer),
            )
            for k, choice in enumerate(question.choices(columns))
        ],
        "none_chosen": question.kind == "multi_select" and answer == [],
        "pieces": question.pieces(columns) if hasattr(question, "pieces") else [],
        "words": _words(question, answer, typed),
        "asks_confidence": study.confidence != "none",
        "confidence_required": study.confidence == "required",
        "confidences": [
            (value, label, str(k), confidence is not None and confidence == value)
            for k, (value, label) in enumerate(CONFIDENCES, start=1)
        ],
    }


def _chosen(question: Question, value: Any, answer: Any) -> bool:
    return value in answer if isinstance(answer, list) else value == answer


def _words(question: Question, answer: Any, typed: list[str]) -> list[str]:
    """Return the content of text fields."""
    if answer is None:
        return typed
    if isinstance(answer, list):
        return answer
    return [question.show(answer)]
