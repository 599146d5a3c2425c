"""The kinds of judgment that people can be asked for, without any estimator."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

Columns = Mapping[str, Any]
#: Fields of a form: all values that were sent under a name.
Fields = Mapping[str, Sequence[str]]

_RANDOM_INTERCEPTS = "(1 | participant) + (1 | item)"
_MAX_TEXT = 10_000


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
            parameters["mixed_effects"] = _RANDOM_INTERCEPTS
        return parameters


def _one(fields: Fields, name: str = "answer") -> str:
    """Return the single value of a field."""
    values = [value for value in fields.get(name, ()) if value.strip()]
    if not values:
        raise AnswerError("Please answer the question.")
    if len(values) > 1:
        raise AnswerError("Please give one answer.")
    return values[0].strip()


def _labels(values: Sequence[Any], name: str, least: int = 2) -> tuple[Any, ...]:
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
        return _pick(_one(fields), self.choices(columns), first=0)

    def from_line(self, line: str, columns: Columns) -> Any:
        """Read the number of the label, from 1, or the label."""
        choices = self.choices(columns)
        try:
            return self.read(line.strip(), columns)
        except AnswerError:
            return _pick(line.strip(), choices, first=1)

    def hint(self, columns: Columns) -> str:
        """List the labels."""
        return _listed(self.choices(columns))


def _pick(text: str, choices: Sequence[Choice], first: int) -> Any:
    if text.isascii() and text.isdigit() and len(text) < 5:
        number = int(text) - first
        if 0 <= number < len(choices):
            return choices[number].value
    raise AnswerError("Please choose one of the answers.")


def _listed(choices: Sequence[Choice]) -> str:
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
        object.__setattr__(self, "labels", _labels(self.labels, "labels"))
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
        object.__setattr__(self, "labels", _labels(self.labels, "labels"))

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
        object.__setattr__(self, "options", _labels(self.options, "options"))
        if self.outside_option is not None:
            _labels((*self.options, self.outside_option), "options")

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
        options = tuple(map(str, _labels(self.options, "options")))
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
        return self.read([_pick(value, choices, first=0) for value in sent], columns)

    def from_line(self, line: str, columns: Columns) -> list[str]:
        """Read numbers of options, from 1; 0 is none of them."""
        parts = line.replace(",", " ").split()
        if not parts:
            raise AnswerError("Please type the numbers of what applies, or 0.")
        if parts == ["0"]:
            return []
        choices = self.choices(columns)
        return self.read([_pick(part, choices, first=1) for part in parts], columns)

    def hint(self, columns: Columns) -> str:
        """List the options."""
        return f"{_listed(self.choices(columns))}  [0] none  (several: 1 3)"

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
        object.__setattr__(self, "categories", _labels(self.categories, "categories"))
        object.__setattr__(self, "ends", _ends(self.ends))

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


def _ends(ends: Any) -> tuple[str, str] | None:
    if ends is None:
        return None
    pair = tuple(ends)
    if len(pair) != 2 or not all(isinstance(end, str) for end in pair):
        raise ValueError(f"ends must be two texts. Got {ends!r}.")
    return pair


@dataclass(frozen=True, kw_only=True)
class _Number(Question):
    """A number within bounds."""

    @property
    def limits(self) -> tuple[float, float]:
        """Least and largest answer."""
        raise NotImplementedError

    def read(self, answer: Any, columns: Columns) -> float:
        """Return a finite number within the limits."""
        if isinstance(answer, str):
            # A decimal comma is a comma; nobody types thousands here.
            text = answer.strip().replace(",", ".")
            try:
                answer = float(text) if text.isascii() and "_" not in text else None
            except ValueError:
                answer = None
        if isinstance(answer, bool) or not isinstance(answer, int | float):
            raise AnswerError("Please give a number.")
        low, high = self.limits
        if not math.isfinite(answer) or not low <= answer <= high:
            raise AnswerError(f"Please give a number {self.range_text}.")
        return float(answer)

    @property
    def range_text(self) -> str:
        """The limits in words."""
        low, high = self.limits
        if math.isinf(low) and math.isinf(high):
            return "that is finite"
        if math.isinf(high):
            return f"of at least {low:g}"
        if math.isinf(low):
            return f"of at most {high:g}"
        return f"from {low:g} to {high:g}"

    def from_form(self, fields: Fields, columns: Columns) -> float:
        """Read the number."""
        return self.read(_one(fields), columns)

    def from_line(self, line: str, columns: Columns) -> float:
        """Read the number."""
        return self.read(line, columns)

    def show(self, answer: Any) -> str:
        """Write the number."""
        return f"{answer:g}"


@dataclass(frozen=True, kw_only=True)
class Slider(_Number):
    """A point on a continuous scale with two ends.

    Parameters
    ----------
    scale : (float, float), default=(0.0, 1.0)
        The ends.
    ends : (str, str), default=None
        What they mean.
    """

    kind = "slider"
    level = "interval"
    model = "OrdinalScaleRegressor"

    scale: tuple[float, float] = (0.0, 1.0)
    ends: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = map(float, self.scale)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"scale must be two rising numbers. Got {self.scale}.")
        object.__setattr__(self, "scale", (low, high))
        object.__setattr__(self, "ends", _ends(self.ends))

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the scale."""
        return self.scale

    @property
    def step(self) -> float:
        """A hundredth of the scale."""
        return (self.scale[1] - self.scale[0]) / 100

    def hint(self, columns: Columns) -> str:
        """Say what the ends mean."""
        low, high = self.scale
        if self.ends is None:
            return f"a number from {low:g} to {high:g}"
        return f"a number from {low:g} ({self.ends[0]}) to {high:g} ({self.ends[1]})"

    def model_parameters(self) -> dict[str, Any]:
        """Return the scale."""
        return {**super().model_parameters(), "scale": self.scale}


@dataclass(frozen=True, kw_only=True)
class Magnitude(_Number):
    """A number.

    Parameters
    ----------
    bounds : (float or None, float or None), default=(None, None)
        Least and largest number; None where there is none.
    unit : str, default=None
        Shown beside the number.
    """

    kind = "magnitude"
    level = "interval"
    model = "MagnitudeRegressor"

    bounds: tuple[float | None, float | None] = (None, None)
    unit: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        bounds = tuple(self.bounds)
        if len(bounds) != 2:
            raise ValueError(f"bounds must be two numbers or None. Got {self.bounds}.")
        object.__setattr__(self, "bounds", bounds)
        low, high = self.limits
        if not low < high:
            raise ValueError(f"bounds must rise. Got {self.bounds}.")

    @property
    def limits(self) -> tuple[float, float]:
        """The bounds."""
        low, high = self.bounds
        return (
            -math.inf if low is None else float(low),
            math.inf if high is None else float(high),
        )

    def hint(self, columns: Columns) -> str:
        """Say what is asked for."""
        unit = "" if self.unit is None else f" in {self.unit}"
        return f"a number{unit} {self.range_text}".replace(" that is finite", "")


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
        fillers = tuple(map(str, _labels(self.fillers, "fillers", least=0)))
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
                _pick(word.strip(), choices, first=1)
                if word.strip() not in self.fillers
                else word
                for word in words
            ]
        return self.read(words, columns)

    def hint(self, columns: Columns) -> str:
        """Say how many words there are to type."""
        n_blanks = len(self.pieces(columns)) - 1
        if self.fillers:
            listed = _listed([Choice(word, word) for word in self.fillers])
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
        return self.read(_one(fields), columns)

    def from_line(self, line: str, columns: Columns) -> str:
        """Read the text."""
        return self.read(line, columns)

    def hint(self, columns: Columns) -> str:
        """Ask for a text."""
        return f"a text of at most {self.max_length} characters"


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
