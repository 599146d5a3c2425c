"""Questions whose answers are words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bead_sklearn.annotate.questions._base import (
    AnswerError,
    Choice,
    Columns,
    Fields,
    Question,
    one_value,
)
from bead_sklearn.annotate.questions._choices import check_labels, list_choices, pick

_MAX_TEXT = 10_000


@dataclass(frozen=True, kw_only=True)
class Cloze(Question):
    """Words for the blanks of a text.

    Parameters
    ----------
    blank : str, default="___"
        What marks a blank.
    fillers : tuple of str, default=()
        Words to choose from; empty if any word will do.
    """

    kind = "cloze"
    model = "ClozeClassifier"
    mixed = False

    blank: str = "___"
    fillers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.text) != 1:
            raise ValueError(f"A cloze has one text column. Got {self.text}.")
        if not self.blank:
            raise ValueError("blank must not be empty.")
        fillers = tuple(map(str, check_labels(self.fillers, "fillers", least=0)))
        object.__setattr__(self, "fillers", fillers)

    def check_item(self, columns: Columns) -> None:
        """Raise ValueError if there is no blank."""
        super().check_item(columns)
        if self.blank not in columns[self.text[0]]:
            raise ValueError(f"the column {self.text[0]!r} has no {self.blank!r}")

    def pieces(self, columns: Columns) -> list[str]:
        """Return what stands before, between and after the blanks."""
        pieces: list[str] = columns[self.text[0]].split(self.blank)
        return pieces

    def read(self, answer: Any, columns: Columns) -> Any:
        """Return the filler, or a list of them for several blanks."""
        words = [answer] if isinstance(answer, str) else answer
        n_blanks = len(self.pieces(columns)) - 1
        if not isinstance(words, Sequence) or len(words) != n_blanks:
            raise AnswerError(f"Please fill {n_blanks} blanks.")
        fillers = [self._read_word(word) for word in words]
        return fillers[0] if n_blanks == 1 else fillers

    def _read_word(self, word: Any) -> str:
        if not isinstance(word, str) or not word.strip():
            raise AnswerError("Please fill every blank.")
        word = " ".join(word.split())
        if len(word) > 100 or not word.isprintable():
            raise AnswerError("A word is too long or has characters that do not print.")
        if self.fillers and word not in self.fillers:
            raise AnswerError(f"Words must be of {self.fillers}. Got {word!r}.")
        return word

    def from_form(self, fields: Fields, columns: Columns) -> Any:
        """Read a word per blank."""
        return self.read(list(fields.get("answer", ())), columns)

    def from_line(self, line: str, columns: Columns) -> Any:
        """Read the words, between commas if there are several blanks."""
        n_blanks = len(self.pieces(columns)) - 1
        words = [line] if n_blanks == 1 else line.split(",")
        if self.fillers:
            choices = [Choice(word, word) for word in self.fillers]
            words = [
                pick(word.strip(), choices, first=1)
                if word.strip() not in self.fillers
                else word
                for word in words
            ]
        return self.read(words, columns)

    def hint(self, columns: Columns) -> str:
        """Say how many words there are to type."""
        n_blanks = len(self.pieces(columns)) - 1
        if self.fillers:
            listed = list_choices([Choice(word, word) for word in self.fillers])
        else:
            listed = "a word" if n_blanks == 1 else f"{n_blanks} words"
        return listed + (" (several: a, b)" if n_blanks > 1 else "")

    def model_parameters(self) -> dict[str, Any]:
        """Return the blank."""
        return {"blank": self.blank}


@dataclass(frozen=True, kw_only=True)
class FreeText(Question):
    """A text of one's own.

    Parameters
    ----------
    max_length : int, default=2000
        Most characters.
    """

    kind = "free_text"
    model = "FreeTextGenerator"
    mixed = False

    max_length: int = 2000

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.max_length <= _MAX_TEXT:
            raise ValueError(
                f"max_length must be from 1 to {_MAX_TEXT}. Got {self.max_length}."
            )

    def read(self, answer: Any, columns: Columns) -> str:
        """Return the text without spaces around it."""
        if not isinstance(answer, str) or not answer.strip():
            raise AnswerError("Please write an answer.")
        text = answer.replace("\r\n", "\n").replace("\r", "\n").strip()
        if len(text) > self.max_length:
            raise AnswerError(
                f"Please write at most {self.max_length} characters; "
                f"these are {len(text)}."
            )
        if any(not c.isprintable() and c not in "\n\t" for c in text):
            raise AnswerError("The answer has characters that cannot be shown.")
        return text

    def from_form(self, fields: Fields, columns: Columns) -> str:
        """Read the text."""
        return self.read(one_value(fields), columns)

    def from_line(self, line: str, columns: Columns) -> str:
        """Read the text."""
        return self.read(line, columns)

    def hint(self, columns: Columns) -> str:
        """Ask for a text."""
        return f"a text of at most {self.max_length} characters"
