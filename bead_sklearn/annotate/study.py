"""A study: items, question, model, strategy and quotas, in one file."""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from os import PathLike
from pathlib import Path
from typing import Any

from bead_sklearn.annotate._records import check_id, to_json
from bead_sklearn.annotate.questions import AnswerError, Item, Question, make_question

CONFIDENCE = ("required", "optional", "none")


@dataclass(frozen=True)
class Quotas:
    """How much is asked of whom.

    Parameters
    ----------
    judgments_per_item : int, default=3
        Judgments of an item, each by another participant.
    items_per_participant : int, default=None
        Judgments of a participant, gold items and repetitions included. None: as
        many as there are.
    gold_share : float, default=0.1
        Share of a participant's questions that are about items with a known answer,
        as long as there are such items.
    repeat_share : float, default=0.0
        Share of a participant's questions that are asked again.
    repeat_gap : int, default=10
        Questions between an item and its repetition, at least.
    """

    judgments_per_item: int = 3
    items_per_participant: int | None = None
    gold_share: float = 0.1
    repeat_share: float = 0.0
    repeat_gap: int = 10

    def __post_init__(self) -> None:
        for name in ("judgments_per_item", "items_per_participant", "repeat_gap"):
            value = getattr(self, name)
            if value is None and name == "items_per_participant":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer from 1. Got {value!r}.")
        for name in ("gold_share", "repeat_share"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{name} must be a number. Got {value!r}.")
            if not 0 <= value <= 0.5:
                raise ValueError(f"{name} must be from 0 to 0.5. Got {value!r}.")


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is asked about what, of whom, and how often.

    Parameters
    ----------
    name : str
        Title that participants see.
    question : Question
        What is asked.
    items : mapping of str to Item
        What is judged, by id.
    participants : sequence of str
        Who may judge; each gets a link of their own.
    quotas : Quotas, default=Quotas()
        How much is asked.
    instructions : str, default=""
        Shown before the first item; an empty line starts a paragraph.
    confidence : {"required", "optional", "none"}, default="required"
        Whether participants say how sure they are.
    feedback : bool, default=True
        Whether participants see advice on breaks.
    estimator : estimator, str or None, default=None
        What is fitted to the answers: an estimator, or the name of one in
        bead_sklearn. None is the model of the question's kind.
    parameters : mapping, default={}
        Parameters of an estimator given by name.
    strategy : str or QueryStrategy, default=None
        Which items come first, see `bead_sklearn.query`. None: entropy for
        labels, predictive_std for numbers, random for words and texts.
    n_initial : int, default=20
        Judgments of items drawn at random before the strategy is asked.
    refit_every : int, default=20
        New judgments after which the model is fitted again.
    lease_minutes : float, default=15.0
        How long an item is kept for a participant who has opened it.
    random_state : int, default=0
        Seed of everything that is drawn.

    See Also
    --------
    load_study : The same from a file.

    Examples
    --------
    >>> from bead_sklearn.annotate import Item, Study, make_question
    >>> study = Study(
    ...     name="Naturalness",
    ...     question=make_question("binary", prompt="Is this sentence natural?"),
    ...     items={"s1": Item({"text": "The cat slept."})},
    ...     participants=["anna", "ben"],
    ... )
    >>> study.strategy_name
    'entropy'
    """

    name: str
    question: Question
    items: Mapping[str, Item]
    participants: Sequence[str]
    quotas: Quotas = field(default_factory=Quotas)
    instructions: str = ""
    confidence: str = "required"
    feedback: bool = True
    estimator: Any = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    strategy: Any = None
    n_initial: int = 20
    refit_every: int = 20
    lease_minutes: float = 15.0
    random_state: int = 0

    def __post_init__(self) -> None:
        if not self.items:
            raise ValueError("A study needs items.")
        if self.confidence not in CONFIDENCE:
            raise ValueError(
                f"confidence must be one of {CONFIDENCE}. Got {self.confidence!r}."
            )
        for name in ("n_initial", "refit_every"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer from 1. Got {value!r}.")
        if not (
            isinstance(self.lease_minutes, int | float)
            and 0 < self.lease_minutes < math.inf
        ):
            raise ValueError(
                f"lease_minutes must be a positive number. Got {self.lease_minutes!r}."
            )
        people = [check_id(person, "participant") for person in self.participants]
        if not people or len(set(people)) < len(people):
            raise ValueError(
                f"participants must be at least one id, each once. Got {people[:9]}."
            )
        columns = {tuple(item.columns) for item in self.items.values()}
        if len(columns) > 1:
            raise ValueError(f"Items must have the same columns. Got {columns}.")
        checked = {}
        for name, item in self.items.items():
            check_id(name, "item")
            try:
                self.question.check_item(item.columns)
                gold = item.gold
                if gold is not None:
                    gold = self.question.read(gold, item.columns)
            except (AnswerError, ValueError) as error:
                raise ValueError(f"Item {name!r}: {error}") from error
            checked[name] = Item(dict(item.columns), gold)
        object.__setattr__(self, "items", checked)

    @property
    def gold(self) -> dict[str, Any]:
        """The right answers of the items that have one."""
        return {i: item.gold for i, item in self.items.items() if item.gold is not None}

    @property
    def open_items(self) -> list[str]:
        """The items without a right answer."""
        return [i for i, item in self.items.items() if item.gold is None]

    @property
    def strategy_name(self) -> Any:
        """The strategy, the kind's own if none was given."""
        if self.strategy is not None:
            return self.strategy
        if self.question.kind in ("slider", "magnitude"):
            return "predictive_std"
        if self.question.kind in ("cloze", "free_text", "multi_select"):
            return "random"
        return "entropy"

    @property
    def fingerprint(self) -> str:
        """Changes with the question and nothing else: answers must stay comparable."""
        question = self.question
        settings = {f.name: getattr(question, f.name) for f in fields(question)}
        text = to_json({"kind": question.kind, **settings})
        return hashlib.sha256(text.encode()).hexdigest()

    def contents(self) -> dict[str, dict[str, Any]]:
        """Return the columns of all items, for a store."""
        return {name: dict(item.columns) for name, item in self.items.items()}


_TOP = {
    "name",
    "instructions",
    "confidence",
    "feedback",
    "lease_minutes",
    "random_state",
    "question",
    "items",
    "item",
    "id_column",
    "gold_column",
    "participants",
    "quotas",
    "model",
}
_MODEL = {"estimator", "parameters", "strategy", "n_initial", "refit_every"}


def load_study(path: str | PathLike[str]) -> Study:
    """Read a study from a TOML file.

    Parameters
    ----------
    path : path-like
        The file; `docs/collecting.md` describes it. A table of items that it names is
        looked for beside it.

    Returns
    -------
    study : Study
        The study.

    Raises
    ------
    ValueError
        If the file is no TOML, or a name or value in it is wrong; the message says
        which.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a TOML file: {error}.") from error
    try:
        return _read_study(content, path)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _read_study(content: dict[str, Any], path: Path) -> Study:
    _check_names(content, _TOP, "The study")
    question = dict(_table(content, "question"))
    if "kind" not in question:
        raise ValueError("[question] needs a kind, such as kind = 'binary'.")
    model = dict(_table(content, "model", {}))
    _check_names(model, _MODEL, "[model]")
    quotas = dict(_table(content, "quotas", {}))
    _check_names(quotas, {f.name for f in fields(Quotas)}, "[quotas]")
    settings = {
        name: content[name]
        for name in (
            "instructions",
            "confidence",
            "feedback",
            "lease_minutes",
            "random_state",
        )
        if name in content
    }
    asked = make_question(question.pop("kind"), **_tuples(question))
    return Study(
        name=content.get("name", path.stem),
        question=asked,
        items=_read_items(content, path, asked),
        participants=_read_participants(content.get("participants", 20)),
        quotas=Quotas(**quotas),
        **settings,
        **model,
    )


def _check_names(given: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(given.keys() - known)
    if unknown:
        raise ValueError(f"{where} has no setting {unknown}; it has {sorted(known)}.")


def _table(content: dict[str, Any], name: str, default: Any = None) -> Any:
    value = content.get(name, default)
    if not isinstance(value, dict):
        raise ValueError(f"The study needs a table [{name}].")
    return value


def _tuples(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in settings.items()
    }


def _read_participants(value: Any) -> list[str]:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        width = max(2, len(str(value)))
        return [f"p{k:0{width}d}" for k in range(1, value + 1)]
    if isinstance(value, list):
        return value
    raise ValueError(f"participants must be a number or a list of ids. Got {value!r}.")


def _read_items(
    content: dict[str, Any], path: Path, question: Question
) -> dict[str, Item]:
    if ("items" in content) == ("item" in content):
        raise ValueError("The study needs either items = 'FILE' or [[item]] tables.")
    id_column = content.get("id_column", "id")
    gold_column = content.get("gold_column", "gold")
    if "item" in content:
        rows = content["item"]
        names = dict.fromkeys(name for row in rows for name in row)
        table = {name: [row.get(name) for row in rows] for name in names}
    else:
        # Imported here: it brings scikit-learn along, which a server does not need.
        from bead_sklearn.datasets._read import ABSENT, read_table

        read = read_table(path.parent / content["items"], None, "utf-8")
        table = {
            name: [None if value is ABSENT else value for value in column]
            for name, column in read.columns.items()
        }
    if id_column not in table:
        raise ValueError(
            f"The items have no column {id_column!r}; they have {list(table)}. "
            "Name the column with their ids in id_column."
        )
    ids = [str(value) for value in table.pop(id_column)]
    twice = [name for name, n in Counter(ids).items() if n > 1]
    if twice:
        raise ValueError(f"The items {twice[:5]} are there twice.")
    golds = table.pop(gold_column, [None] * len(ids))
    texts = {*question.shown, *getattr(question, "options", ())}
    columns = {
        name: values if name in texts else _numbers(values)
        for name, values in table.items()
    }
    return {
        name: Item(
            {column: columns[column][row] for column in columns}, _gold(golds[row])
        )
        for row, name in enumerate(ids)
    }


def _gold(value: Any) -> Any:
    """Read a right answer; several parts are a JSON list in a cell of a table."""
    if isinstance(value, str) and value.startswith("["):
        return json.loads(value)
    return None if value == "" else value


def _numbers(values: list[Any]) -> list[Any]:
    """Turn a column of numerals into numbers; leave others as they are."""
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        return values
    return numbers if all(map(math.isfinite, numbers)) else values
