"""Questions with answers to choose from."""

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


@dataclass(frozen=True, kw_only=True)
class ChoiceQuestion(Question):
    """One of several labels."""

    def choices(self, columns: Columns) -> list[Choice]:
        """Return the labels."""
        raise NotImplementedError

    def read(self, answer: Any, columns: Columns) -> Any:
        """Return the label; a text that reads like one will do."""
        for choice in self.choices(columns):
            if answer == choice.value and not isinstance(answer, bool):
                return choice.value
        for choice in self.choices(columns):
            if isinstance(answer, str) and answer.strip() == str(choice.value):
                return choice.value
        values = [choice.value for choice in self.choices(columns)]
        raise AnswerError(f"The answer must be one of {values}. Got {answer!r}.")

    def from_form(self, fields: Fields, columns: Columns) -> Any:
        """Read the number of the label, from 0."""
        return pick(one_value(fields), self.choices(columns), first=0)

    def from_line(self, line: str, columns: Columns) -> Any:
        """Read the number of the label, from 1, or the label."""
        choices = self.choices(columns)
        try:
            return self.read(line.strip(), columns)
        except AnswerError:
            return pick(line.strip(), choices, first=1)

    def hint(self, columns: Columns) -> str:
        """List the labels."""
        return list_choices(self.choices(columns))


def pick(text: str, choices: Sequence[Choice], first: int) -> Any:
    if text.isascii() and text.isdigit() and len(text) < 5:
        number = int(text) - first
        if 0 <= number < len(choices):
            return choices[number].value
    raise AnswerError("Please choose one of the answers.")


def list_choices(choices: Sequence[Choice]) -> str:
    labels = [str(choice.value) for choice in choices]
    if labels == [str(k) for k in range(1, len(labels) + 1)]:
        return "  ".join(_unique(choice.label, choice.value) for choice in choices)
    return "  ".join(f"[{k}] {c.label}" for k, c in enumerate(choices, start=1))


def _unique(label: str, value: Any) -> str:
    return f"[{value}]" if label == str(value) else f"[{value}] {label}"


@dataclass(frozen=True, kw_only=True)
class Binary(ChoiceQuestion):
    """One of two labels.

    Parameters
    ----------
    labels : tuple of two labels, default=("yes", "no")
        In the order in which they are shown.
    """

    kind = "binary"
    model = "BinaryClassifier"

    labels: tuple[Any, ...] = ("yes", "no")

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "labels", check_labels(self.labels, "labels"))
        if len(self.labels) != 2:
            raise ValueError(f"A binary question has two labels. Got {self.labels}.")

    def choices(self, columns: Columns) -> list[Choice]:
        """Return the labels."""
        return [Choice(label, str(label)) for label in self.labels]


@dataclass(frozen=True, kw_only=True)
class Categorical(ChoiceQuestion):
    """One of several unordered labels.

    Parameters
    ----------
    labels : tuple of labels
        In the order in which they are shown.
    """

    kind = "categorical"
    model = "CategoricalClassifier"

    labels: tuple[Any, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "labels", check_labels(self.labels, "labels"))

    def choices(self, columns: Columns) -> list[Choice]:
        """Return the labels."""
        return [Choice(label, str(label)) for label in self.labels]


@dataclass(frozen=True, kw_only=True)
class ForcedChoice(ChoiceQuestion):
    """One of the item's own texts; the answer is the name of its column.

    Parameters
    ----------
    options : tuple of str
        Columns with the texts to choose from. An item may leave some out, but not
        all but one.
    outside_option : str, default=None
        An answer without a column, such as "neither".
    """

    kind = "forced_choice"
    model = "ForcedChoiceClassifier"

    text: tuple[str, ...] = ()
    options: tuple[str, ...]
    outside_option: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "options", check_labels(self.options, "options"))
        if self.outside_option is not None:
            check_labels((*self.options, self.outside_option), "options")

    def check_item(self, columns: Columns) -> None:
        """Raise ValueError if there is no choice."""
        super().check_item(columns)
        if len(self.choices(columns)) - (self.outside_option is not None) < 2:
            raise ValueError(f"fewer than two of the options {self.options} have text")

    def choices(self, columns: Columns) -> list[Choice]:
        """Return the texts of the item."""
        given = [
            Choice(name, columns[name])
            for name in self.options
            if isinstance(columns.get(name), str) and columns[name].strip()
        ]
        if self.outside_option is not None:
            given.append(Choice(self.outside_option, self.outside_option))
        return given

    def model_parameters(self) -> dict[str, Any]:
        """Return the options."""
        return {
            **super().model_parameters(),
            "options": list(self.options),
            "outside_option": self.outside_option,
        }


@dataclass(frozen=True, kw_only=True)
class MultiSelect(Question):
    """Any number of options, also none.

    Parameters
    ----------
    options : tuple of str
        In the order in which they are shown.
    """

    kind = "multi_select"
    model = "MultiSelectClassifier"

    options: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        options = tuple(map(str, check_labels(self.options, "options")))
        object.__setattr__(self, "options", options)

    def choices(self, columns: Columns) -> list[Choice]:
        """Return the options."""
        return [Choice(option, option) for option in self.options]

    def read(self, answer: Any, columns: Columns) -> list[str]:
        """Return the options in their order."""
        if isinstance(answer, str) or not isinstance(answer, Sequence | set):
            raise AnswerError(f"The answer must be a list of options. Got {answer!r}.")
        unknown = [part for part in answer if part not in self.options]
        if unknown:
            raise AnswerError(f"Options must be of {self.options}. Got {unknown}.")
        return [option for option in self.options if option in answer]

    def from_form(self, fields: Fields, columns: Columns) -> list[str]:
        """Read the numbers of the options, or "none"."""
        sent = [value.strip() for value in fields.get("answer", ()) if value.strip()]
        if not sent:
            raise AnswerError("Please tick what applies, or “none of these”.")
        if "none" in sent:
            if len(set(sent)) > 1:
                raise AnswerError("Please tick either options or “none of these”.")
            return []
        choices = self.choices(columns)
        return self.read([pick(value, choices, first=0) for value in sent], columns)

    def from_line(self, line: str, columns: Columns) -> list[str]:
        """Read numbers of options, from 1; 0 is none of them."""
        parts = line.replace(",", " ").split()
        if not parts:
            raise AnswerError("Please type the numbers of what applies, or 0.")
        if parts == ["0"]:
            return []
        choices = self.choices(columns)
        return self.read([pick(part, choices, first=1) for part in parts], columns)

    def hint(self, columns: Columns) -> str:
        """List the options."""
        return f"{list_choices(self.choices(columns))}  [0] none  (several: 1 3)"

    def show(self, answer: Any) -> str:
        """Write the options."""
        return ", ".join(answer) or "none"

    def model_parameters(self) -> dict[str, Any]:
        """Return the options."""
        return {**super().model_parameters(), "options": list(self.options)}


@dataclass(frozen=True, kw_only=True)
class Ordinal(ChoiceQuestion):
    """A point on a scale of ordered labels.

    Parameters
    ----------
    categories : tuple of labels, default=(1, 2, 3, 4, 5)
        From lowest to highest.
    ends : (str, str), default=None
        What the two ends mean.
    """

    kind = "ordinal"
    level = "ordinal"
    model = "OrdinalScaleClassifier"

    categories: tuple[Any, ...] = (1, 2, 3, 4, 5)
    ends: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(
            self, "categories", check_labels(self.categories, "categories")
        )
        object.__setattr__(self, "ends", check_ends(self.ends))

    def choices(self, columns: Columns) -> list[Choice]:
        """Return the points, the ends with their meaning."""
        labels = [str(category) for category in self.categories]
        if self.ends is not None:
            labels[0] = f"{labels[0]} ({self.ends[0]})"
            labels[-1] = f"{labels[-1]} ({self.ends[1]})"
        return [
            Choice(value, label)
            for value, label in zip(self.categories, labels, strict=True)
        ]

    def model_parameters(self) -> dict[str, Any]:
        """Return the categories."""
        return {**super().model_parameters(), "categories": list(self.categories)}


def check_labels(values: Sequence[Any], name: str, least: int = 2) -> tuple[Any, ...]:
    """Check labels: short texts or integers, all different."""
    if isinstance(values, str):
        raise TypeError(f"{name} must be a list of labels. Got {values!r}.")
    labels = tuple(values)
    for label in labels:
        if isinstance(label, bool) or not isinstance(label, str | int):
            raise TypeError(f"{name} must be texts or integers. Got {label!r}.")
        if isinstance(label, str) and not label.strip():
            raise ValueError(f"{name} has an empty label.")
    if len(set(map(str, labels))) < len(labels) or len(labels) < least:
        raise ValueError(
            f"{name} must be at least {least} different labels. Got {labels}."
        )
    return labels


def check_ends(ends: Any) -> tuple[str, str] | None:
    if ends is None:
        return None
    pair = tuple(ends)
    if len(pair) != 2 or not all(isinstance(end, str) for end in pair):
        raise ValueError(f"ends must be two texts. Got {ends!r}.")
    return pair
