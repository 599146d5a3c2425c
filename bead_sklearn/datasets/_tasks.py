"""The nine tasks: their templates, outputs and the parameters each one takes."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bead_sklearn.datasets._lexicon import WORD_CLASSES
from bead_sklearn.datasets._sentences import Template

_SENTENCES = (
    Template(
        ("The {0} {1} {2} the {3}.",), ("person_adjective", "person", "verb", "object")
    ),
    Template(
        ("The {0} {1} {2} the {3} {4}.",),
        ("person", "adverb", "verb", "object_adjective", "object"),
    ),
    Template(
        ("{0}, the {1} {2} the {3} {4}.",),
        ("time", "person", "verb", "object_adjective", "object"),
    ),
    Template(
        ("The {0} {1} {2} {3}.",),
        ("person_adjective", "person", "intransitive", "place"),
    ),
    Template(
        ("{0}, the {1} {2} {3} {4}.",),
        ("time", "person_adjective", "person", "intransitive", "adverb"),
    ),
    Template(("The {0} {1} {2} {3}.",), ("person", "intransitive", "adverb", "place")),
    Template(
        ("The {0} {1} the {2} {3} {4}.",),
        ("person", "verb", "object_adjective", "object", "place"),
    ),
)
_INFERENCES = (
    Template(
        (
            "The {0} {1} that the {2} had {3} the {4}.",
            "The {2} {3} the {4}.",
        ),
        ("person", "embedding_verb", "person", "verb", "object"),
    ),
    Template(
        (
            "The {0} {1} {2} that the {3} had {4} the {5}.",
            "The {3} {4} the {5}.",
        ),
        ("person_adjective", "person", "embedding_verb", "person", "verb", "object"),
    ),
)
_CLOZES = (
    Template(("The {0} {1} {2} the ___.",), ("person_adjective", "person", "verb")),
    Template(("{0}, the {1} {2} {3} the ___.",), ("time", "person", "adverb", "verb")),
    Template(
        ("The {0} {1} the {2} ___ {3}.",),
        ("person", "verb", "object_adjective", "place"),
    ),
)
_SCENES = (
    Template(
        ("Describe the picture of a {0} {1} {2}.",), ("person", "action", "place")
    ),
)

#: Ways to describe a scene: name of the style and its pattern.
STYLES: tuple[tuple[str, str], ...] = (
    ("plain", "A {0} is {1}."),
    ("located", "A {0} is {1} {2}."),
    ("terse", "{0} {1}"),
    ("existential", "There is a {0} {1}."),
    ("hedged", "It looks like a {0} is {1}."),
    ("viewer", "I see a {0} {1} {2}."),
    ("place first", "{2}, a {0} is {1}."),
    ("picture", "The picture shows a {0} {1}."),
)

# Feelings on offer in the multi-select task, with the sign of their valence.
_FEELINGS = {
    "joy": 1,
    "anger": -1,
    "surprise": 0,
    "sadness": -1,
    "trust": 1,
    "fear": -1,
    "pride": 1,
    "boredom": -0.5,
    "hope": 1,
    "disgust": -1,
    "amusement": 1,
    "confusion": -0.5,
}


@dataclass(frozen=True)
class Outputs:
    """The linear predictors of a judgment.

    Attributes
    ----------
    names : tuple of str
        What each output stands for.
    directions : ndarray of shape (n_outputs,)
        How much a word's rating counts for each output.
    intercept : ndarray of shape (n_outputs,)
        Default intercepts.
    """

    names: tuple[str, ...]
    directions: np.ndarray
    intercept: np.ndarray


@dataclass(frozen=True)
class Task:
    """What distinguishes one task from another.

    Attributes
    ----------
    name : str
        Name of the task.
    templates : tuple of Template
        What its texts are made from.
    text_columns : tuple of str
        Names of the text columns; empty for one column per option.
    kind : {"single", "choice", "several"}
        One output; outputs that compete (softmax); independent outputs.
    n_categories : tuple of (int, int, int) or None
        Least, default and largest number of categories, None if there are none.
    parameters : mapping of str to tuple of str
        Distributions of the response, the default first, and for each the names of
        the further parameters that it takes.
    """

    name: str
    templates: tuple[Template, ...]
    kind: str
    text_columns: tuple[str, ...] = ("text",)
    n_categories: tuple[int, int, int] | None = None
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def labels(self, n_categories: int) -> tuple[str, ...]:
        """Return the names of the categories of tasks whose outputs are named."""
        if self.name == "categorical":
            return _categorical_labels(n_categories)
        if self.name == "forced_choice":
            return tuple(f"option_{c}" for c in string.ascii_lowercase[:n_categories])
        if self.name == "multi_select":
            return tuple(_FEELINGS)[:n_categories]
        if self.name == "cloze":
            return WORD_CLASSES["object"][:n_categories]
        return tuple(name for name, _ in STYLES[:n_categories])

    def outputs(self, n_categories: int) -> Outputs:
        """Return the outputs that the words of a text act on."""
        if self.kind == "single":
            return Outputs(("response",), np.ones(1), np.zeros(1))
        names = self.labels(n_categories)
        zeros = np.zeros(n_categories)
        if self.name == "forced_choice":
            return Outputs(names, np.ones(1), zeros)
        if self.name == "categorical":
            return Outputs(names, np.linspace(-1.0, 1.0, n_categories), zeros)
        if self.name == "multi_select":
            signs = np.array([_FEELINGS[name] for name in names])
            return Outputs(names, signs, zeros - 1.0)  # a feeling is ticked by few
        # Fillers and styles: the first is the most frequent, as in Zipf's law.
        frequency = -np.log(np.arange(1, n_categories + 1))
        return Outputs(names, zeros, frequency - frequency.mean())


def _categorical_labels(n_categories: int) -> tuple[str, ...]:
    if n_categories == 2:
        return ("contradiction", "entailment")
    if n_categories == 3:
        return ("contradiction", "neutral", "entailment")
    width = len(str(n_categories))
    return tuple(f"label_{k:0{width}d}" for k in range(1, n_categories + 1))


_TASKS: Sequence[Task] = (
    Task("binary", _SENTENCES, "single", parameters={"bernoulli": ("link",)}),
    Task(
        "categorical",
        _INFERENCES,
        "choice",
        text_columns=("premise", "hypothesis"),
        n_categories=(2, 3, 50),
        parameters={"multinomial": ()},
    ),
    Task(
        "forced_choice",
        _SENTENCES,
        "choice",
        text_columns=(),
        n_categories=(2, 2, len(string.ascii_lowercase)),
        parameters={"conditional": ()},
    ),
    Task(
        "multi_select",
        _SENTENCES,
        "several",
        n_categories=(2, 5, len(_FEELINGS)),
        parameters={"bernoulli": ()},
    ),
    Task(
        "ordinal",
        _SENTENCES,
        "single",
        n_categories=(2, 5, 101),
        parameters={"cumulative": ("link", "thresholds")},
    ),
    Task(
        "slider",
        _SENTENCES,
        "single",
        parameters={
            "ordered_beta": ("scale", "thresholds", "precision"),
            "truncated_normal": ("scale", "sigma"),
            "beta": ("scale", "precision"),
        },
    ),
    Task(
        "magnitude",
        _SENTENCES,
        "single",
        parameters={"lognormal": ("sigma",), "normal": ("sigma",)},
    ),
    Task(
        "cloze",
        _CLOZES,
        "choice",
        n_categories=(2, 8, len(WORD_CLASSES["object"])),
        parameters={"multinomial": ()},
    ),
    Task(
        "free_text",
        _SCENES,
        "choice",
        n_categories=(2, 5, len(STYLES)),
        parameters={"multinomial": ()},
    ),
)

TASKS: dict[str, Task] = {task.name: task for task in _TASKS}


def get_task(name: str) -> Task:
    """Return the task of this name, or say which names there are."""
    if name not in TASKS:
        known = ", ".join(map(repr, TASKS))
        raise ValueError(f"task must be one of {known}. Got {name!r}.")
    return TASKS[name]
