"""The tasks that commands know: their estimators, options and measures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import r2_score

import bead_sklearn

#: The least probability that a label is counted with.
_TINY = 1e-12


@dataclass(frozen=True)
class Task:
    """One kind of judgment.

    Attributes
    ----------
    estimator : str
        Name of the estimator.
    answers : {"labels", "options", "numbers", "words"}
        What is predicted: one of some labels, any of some options, a number, or one
        of the answers seen.
    settings : tuple of str
        Options of the command that are parameters of the estimator.
    labels_are : str or None
        Parameter that takes all labels of the table, in order.
    texts_are : str
        Parameter that takes the columns of texts.
    """

    estimator: str
    answers: str
    settings: tuple[str, ...] = ()
    labels_are: str | None = None
    texts_are: str = "text_columns"

    @property
    def is_better_lower(self) -> bool:
        """Whether low scores are good ones: log loss rather than R2."""
        return self.answers != "numbers"

    @property
    def measure(self) -> str:
        """Name of the score."""
        return "log loss" if self.is_better_lower else "R2"


TASKS = {
    "binary": Task("BinaryClassifier", "labels"),
    "categorical": Task("CategoricalClassifier", "labels"),
    "forced_choice": Task(
        "ForcedChoiceClassifier", "labels", ("outside_option",), texts_are="options"
    ),
    "multi_select": Task("MultiSelectClassifier", "options", labels_are="options"),
    "ordinal": Task("OrdinalScaleClassifier", "labels", labels_are="categories"),
    "slider": Task("OrdinalScaleRegressor", "numbers", ("scale",)),
    "magnitude": Task("MagnitudeRegressor", "numbers"),
    "cloze": Task("ClozeClassifier", "words", ("blank",)),
    "free_text": Task("FreeTextGenerator", "words"),
}

#: Level of measurement of the answers, where it is not nominal.
LEVELS = {"ordinal": "ordinal", "slider": "interval", "magnitude": "interval"}

_SETTINGS = tuple(name for task in TASKS.values() for name in task.settings)


def default_strategy(task: str) -> str:
    """Return the name of the query strategy that asks about what is uncertain."""
    return "predictive_std" if TASKS[task].answers == "numbers" else "entropy"


def read_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of the task's estimator that options give.

    Raises
    ------
    ValueError
        If an option belongs to another task.
    """
    known = TASKS[arguments.task].settings
    found = {}
    for name in _SETTINGS:
        value = getattr(arguments, name)
        if value is None:
            continue
        option = "--" + name.replace("_", "-")
        if name not in known:
            [task] = [key for key, item in TASKS.items() if name in item.settings]
            raise ValueError(
                f"{option} has no effect for --task {arguments.task}; it belongs to "
                f"--task {task}."
            )
        found[name] = value
    if "outside_option" in found:
        found["outside_option"] = _as_label(found["outside_option"])
    return found


def make_estimator(
    task: str,
    texts: Sequence[str],
    labels: Sequence[Any] | None,
    settings: dict[str, Any],
    **options: Any,
) -> Any:
    """Return the estimator of a task.

    Parameters
    ----------
    task : str
        Name of the task.
    texts : sequence of str
        Columns of texts.
    labels : sequence or None
        All labels of the table, in order.
    settings : dict
        What `read_settings` returned.
    **options : dict
        Other parameters; one that is None is left at its default.

    Raises
    ------
    ValueError
        If the estimator has no such parameter.
    """
    item = TASKS[task]
    cls = getattr(bead_sklearn, item.estimator)
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in cls().get_params(deep=False):
            raise ValueError(
                f"--{name.replace('_', '-')} has no effect for --task {task}: "
                f"{item.estimator} has no such parameter."
            )
    given[item.texts_are] = list(texts)
    if item.labels_are is not None and labels is not None:
        given[item.labels_are] = list(labels)
    if "scale" in settings:
        settings = settings | {"scale": tuple(settings["scale"])}
    return cls(**given, **settings)


def loss(task: str, model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    """Return minus the log-probability of each answer, or the number predicted.

    Parameters
    ----------
    task : str
        Name of the task.
    model : estimator
        A fitted one.
    X, y : DataFrame or list of dict, ndarray
        Judgments.

    Returns
    -------
    values : ndarray of shape (n,)
        For several options the mean over these. For tasks of numbers the predictions.
    """
    answers = TASKS[task].answers
    if answers == "numbers":
        return np.asarray(model.predict(X), dtype=float)
    if answers == "words":
        return -np.asarray(model.log_proba_of(X, y))
    p = np.asarray(model.predict_proba(X))
    if answers == "options":
        return selection_loss(y, p)
    return label_loss(y, p, model.classes_)


def label_loss(y: np.ndarray, p: np.ndarray, classes: Any) -> np.ndarray:
    """Return minus the log-probability of each label; unknown ones have the least."""
    places = {label: k for k, label in enumerate(np.asarray(classes).tolist())}
    codes = np.array([places.get(label, -1) for label in y.tolist()])
    found = np.where(codes >= 0, p[np.arange(len(p)), codes], 0.0)
    return -np.log(np.maximum(found, _TINY))


def selection_loss(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return minus the mean log-probability of what was done with each option."""
    found = np.where(y == 1, p, 1.0 - p)
    losses: np.ndarray = -np.log(np.maximum(found, _TINY)).mean(axis=1)
    return losses


def summarise(task: str, y: np.ndarray, values: np.ndarray) -> float:
    """Return the score of what `loss` returned for all judgments."""
    if TASKS[task].answers == "numbers":
        return float(r2_score(y, values))
    return float(values.mean())


def shares_loss(task: str, train: np.ndarray, test: np.ndarray) -> np.ndarray | None:
    """Return the loss of predicting how often each answer is given; None for numbers.

    None also for words, most of which may be new.
    """
    answers = TASKS[task].answers
    if answers == "labels":
        classes, counts = np.unique(train, return_counts=True)
        p = np.tile(counts / counts.sum(), (len(test), 1))
        return label_loss(test, p, classes)
    if answers == "options":
        return selection_loss(test, np.tile(train.mean(axis=0), (len(test), 1)))
    return None


def _as_label(text: str) -> str | int:
    """Read a label as tables are read: whole numbers are numbers."""
    try:
        number = int(text)
    except ValueError:
        return text
    return number if str(number) == text else text
