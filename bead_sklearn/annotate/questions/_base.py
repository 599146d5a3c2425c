"""What all questions have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bead_sklearn.effects import MixedEffects

Columns = Mapping[str, Any]
#: Fields of a form: all values that were sent under a name.
Fields = Mapping[str, Sequence[str]]

#: Effects of models whose users chose none. The first models see some twenty
#: judgments, whose likelihood often has no maximum without a prior.
_RANDOM_INTERCEPTS, _PLAUSIBLE_SD = "(1 | participant) + (1 | item)", 2.5


class AnswerError(ValueError):
    """An answer that cannot be; its message is for the person who gave it."""


@dataclass(frozen=True)
class Choice:
    """Something to choose.

    Attributes
    ----------
    value : str or int
        What is stored.
    label : str
        What is shown.
    """

    value: Any
    label: str


@dataclass(frozen=True, kw_only=True)
class Question(ABC):
    """What participants are asked about each item.

    Parameters
    ----------
    prompt : str
        The question itself.
    text : tuple of str, default=("text",)
        Columns of an item that are shown, with their names if there are several.
    context : str, default=None
        Column with text that is shown above the item, such as a preceding sentence.
    """

    #: Name in study files.
    kind: ClassVar[str]
    #: Level of measurement, for agreement.
    level: ClassVar[str] = "nominal"
    #: Name of the model in bead_sklearn.
    model: ClassVar[str]
    #: Whether the model takes a random-effects formula.
    mixed: ClassVar[bool] = True

    prompt: str
    text: tuple[str, ...] = ("text",)
    context: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise ValueError(f"prompt must be a text. Got {self.prompt!r}.")
        names: Any = self.text
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            raise TypeError(f"text must be names of columns. Got {names!r}.")
        object.__setattr__(self, "text", tuple(names))

    @property
    def shown(self) -> tuple[str, ...]:
        """Columns that every item must have, as texts."""
        return self.text if self.context is None else (*self.text, self.context)

    def check_item(self, columns: Columns) -> None:
        """Raise ValueError if an item cannot be asked about."""
        for name in self.shown:
            value = columns.get(name)
            if not isinstance(value, str) or not value.strip():
                raise ValueError(f"the column {name!r} must be a text, got {value!r}")

    @abstractmethod
    def read(self, answer: Any, columns: Columns) -> Any:
        """Return an answer in the form in which it is stored.

        Raises
        ------
        AnswerError
            If it is no answer to this question.
        """

    @abstractmethod
    def from_form(self, fields: Fields, columns: Columns) -> Any:
        """Read the answer from the fields of a form; errors as in `read`."""

    @abstractmethod
    def from_line(self, line: str, columns: Columns) -> Any:
        """Read the answer from a line that was typed; errors as in `read`."""

    @abstractmethod
    def hint(self, columns: Columns) -> str:
        """Say in the terminal what to type."""

    def choices(self, columns: Columns) -> list[Choice]:
        """Return what can be chosen for an item; empty if the answer is open."""
        return []

    def show(self, answer: Any) -> str:
        """Write an answer for people."""
        return ", ".join(answer) if isinstance(answer, list) else str(answer)

    def target(self, answer: Any) -> Any:
        """Return the answer as estimators take it."""
        return answer

    def model_parameters(self) -> dict[str, Any]:
        """Return the parameters of the model that the question settles."""
        parameters: dict[str, Any] = {}
        if self.mixed:
            parameters["mixed_effects"] = MixedEffects(
                formula=_RANDOM_INTERCEPTS, prior_sd_scale=_PLAUSIBLE_SD
            )
        return parameters


@dataclass(frozen=True)
class Item:
    """Something to judge.

    Attributes
    ----------
    columns : mapping of str to str, int or float
        What is shown, and covariates of the model.
    gold : object, default=None
        The right answer, for items that have one.
    """

    columns: Columns
    gold: Any = field(default=None)


def one_value(fields: Fields, name: str = "answer") -> str:
    """Return the single value of a field."""
    values = [value for value in fields.get(name, ()) if value.strip()]
    if not values:
        raise AnswerError("Please answer the question.")
    if len(values) > 1:
        raise AnswerError("Please give one answer.")
    return values[0].strip()
