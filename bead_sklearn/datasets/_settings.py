"""Parameters of a simulation: checked, and defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from bead_sklearn._sklearn import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from bead_sklearn.datasets._responses import default_thresholds
from bead_sklearn.datasets._tasks import Task

EXTRA_COLUMNS = ("participant", "item", "trial", "progress")

_COUNT = Interval(Integral, 1, None, closed="left")
_NON_NEGATIVE = Interval(Real, 0, None, closed="left")
_POSITIVE = Interval(Real, 0, None, closed="neither")

_CONSTRAINTS: dict[str, list[Any]] = {
    "n_participants": [_COUNT],
    "n_items": [_COUNT],
    "n_per_participant": [_COUNT, None],
    "n_categories": [Interval(Integral, 2, None, closed="left"), None],
    "participant_sd": [_NON_NEGATIVE, None],
    "item_sd": [_NON_NEGATIVE, None],
    "text_sd": [_NON_NEGATIVE, None],
    "slope_sd": [_NON_NEGATIVE],
    "slope_correlation": [Interval(Real, -1, 1, closed="both")],
    "slope": [Interval(Real, None, None, closed="neither"), "array-like"],
    "intercept": [Interval(Real, None, None, closed="neither"), "array-like", None],
    "sigma": [_POSITIVE, None],
    "precision": [_POSITIVE, None],
    "thresholds": ["array-like", None],
    "scale": ["array-like", None],
    "link": [StrOptions({"logit", "probit"}), None],
    "random_state": ["random_state"],
}


@dataclass(frozen=True)
class Settings:
    """Every number a simulation needs; arrays have one entry per output."""

    n_participants: int
    n_items: int
    n_per_participant: int
    n_categories: int
    participant_sd: float
    item_sd: float
    text_sd: float
    slope_sd: float
    slope_correlation: float
    intercept: np.ndarray
    slope: np.ndarray
    distribution: str
    link: str
    sigma: float | None
    precision: float | None
    thresholds: np.ndarray | None
    scale: tuple[float, float] | None


def resolve_settings(task: Task, given: Mapping[str, Any]) -> Settings:
    """Check the parameters of ``make_judgments`` and fill in the task's defaults.

    Raises
    ------
    ValueError
        If a parameter has a bad value, or has no effect for the task.
    """
    validate_parameter_constraints(
        _CONSTRAINTS,
        {name: given[name] for name in _CONSTRAINTS},
        caller_name="make_judgments",
    )
    n_items = given["n_items"]
    n_per_participant = given["n_per_participant"]
    if n_per_participant is None:
        n_per_participant = min(n_items, 40)
    if n_per_participant > n_items:
        raise ValueError(
            f"n_per_participant={n_per_participant} exceeds n_items={n_items}: a "
            "participant judges an item once at most."
        )
    if given["slope_correlation"] and not given["slope_sd"]:
        raise ValueError(
            f"slope_correlation={given['slope_correlation']} has no effect when "
            "slope_sd is 0."
        )
    distribution = _distribution(task, given)
    n_categories = _n_categories(task, given["n_categories"])
    scale = _scale(given["scale"]) if task.name == "slider" else None
    link = _link(task, distribution, given["link"])
    defaults = _defaults(task, distribution, scale)

    def value(name: str) -> float:
        return float(defaults[name] if given[name] is None else given[name])

    outputs = task.outputs(n_categories)
    n_outputs = len(outputs.names)
    if given["intercept"] is None:
        intercept = outputs.intercept + defaults["intercept"]
    else:
        intercept = _per_output(task, "intercept", given["intercept"], n_outputs)
    has = task.parameters[distribution]
    return Settings(
        n_participants=given["n_participants"],
        n_items=n_items,
        n_per_participant=n_per_participant,
        n_categories=n_categories,
        participant_sd=value("participant_sd"),
        item_sd=value("item_sd"),
        text_sd=value("text_sd"),
        slope_sd=float(given["slope_sd"]),
        slope_correlation=float(given["slope_correlation"]),
        intercept=intercept,
        slope=_per_output(task, "slope", given["slope"], n_outputs),
        distribution=distribution,
        link=link,
        sigma=value("sigma") if "sigma" in has else None,
        precision=value("precision") if "precision" in has else None,
        thresholds=(
            _thresholds(task, given["thresholds"], n_categories, link)
            if "thresholds" in has
            else None
        ),
        scale=scale,
    )


def _distribution(task: Task, given: Mapping[str, Any]) -> str:
    """Return the response distribution, refusing parameters without effect."""
    known = list(task.parameters)
    distribution: str = given["distribution"] or known[0]
    if distribution not in known:
        raise ValueError(
            f"distribution of task {task.name!r} must be one of "
            f"{', '.join(map(repr, known))}. Got {distribution!r}."
        )
    for name in ("link", "thresholds", "scale", "sigma", "precision"):
        if given[name] is not None and name not in task.parameters[distribution]:
            raise ValueError(
                f"{name}={given[name]!r} has no effect for task {task.name!r} with "
                f"distribution {distribution!r}; leave it at None."
            )
    return distribution


def _n_categories(task: Task, n_categories: int | None) -> int:
    if task.n_categories is None:
        if n_categories is not None:
            raise ValueError(
                f"n_categories={n_categories} has no effect for task {task.name!r}; "
                "leave it at None."
            )
        return 2
    least, default, most = task.n_categories
    if n_categories is None:
        return default
    if not least <= n_categories <= most:
        raise ValueError(
            f"n_categories of task {task.name!r} must be from {least} to {most}. "
            f"Got {n_categories}."
        )
    return n_categories


def _scale(scale: Any) -> tuple[float, float]:
    if scale is None:
        return (0.0, 1.0)
    ends = np.asarray(scale, dtype=float)
    if ends.shape != (2,) or not np.isfinite(ends).all() or ends[0] >= ends[1]:
        raise ValueError(
            f"scale must be two finite numbers, the lower end first. Got {scale!r}."
        )
    return (float(ends[0]), float(ends[1]))


def _link(task: Task, distribution: str, link: str | None) -> str:
    if distribution == "lognormal":
        return "log"
    if distribution in ("normal", "truncated_normal"):
        return "identity"
    return link or "logit"


def _defaults(
    task: Task, distribution: str, scale: tuple[float, float] | None
) -> dict[str, float]:
    """Return the task's defaults, in the unit of its linear predictor."""
    logits = {
        "intercept": 0.0,
        "text_sd": 2.0 if task.name == "cloze" else 1.0,
        "participant_sd": 1.0,
        "item_sd": 0.5,
        "precision": 5.0,
    }
    if distribution == "lognormal":  # log milliseconds
        numbers = {"intercept": 6.0, "text_sd": 0.2, "participant_sd": 0.3}
        return {**numbers, "item_sd": 0.1, "sigma": 0.35}
    if distribution == "normal":  # milliseconds
        numbers = {"intercept": 500.0, "text_sd": 40.0, "participant_sd": 80.0}
        return {**numbers, "item_sd": 20.0, "sigma": 80.0}
    if distribution == "truncated_normal":
        assert scale is not None
        width = scale[1] - scale[0]
        numbers = {"intercept": (scale[0] + scale[1]) / 2, "text_sd": 0.2 * width}
        return {
            **numbers,
            "participant_sd": 0.2 * width,
            "item_sd": 0.1 * width,
            "sigma": 0.2 * width,
        }
    return logits


def _thresholds(task: Task, given: Any, n_categories: int, link: str) -> np.ndarray:
    n_thresholds = 2 if task.name == "slider" else n_categories - 1
    if given is None:
        if task.name == "slider":
            return np.array([-2.5, 2.5])
        return default_thresholds(n_categories, link)
    thresholds = np.asarray(given, dtype=float)
    if (
        thresholds.shape != (n_thresholds,)
        or not np.isfinite(thresholds).all()
        or (np.diff(thresholds) <= 0).any()
    ):
        raise ValueError(
            f"thresholds of task {task.name!r} must be {n_thresholds} finite, strictly "
            f"increasing numbers (n_categories={n_categories}). Got {given!r}."
            if task.name == "ordinal"
            else f"thresholds of task {task.name!r} must be 2 finite, strictly "
            f"increasing numbers. Got {given!r}."
        )
    return thresholds


def _per_output(task: Task, name: str, given: Any, n_outputs: int) -> np.ndarray:
    """Expand a fixed effect to one number per output."""
    values = np.asarray(given, dtype=float)
    if task.kind == "choice" and values.ndim == 0 and values != 0:
        raise ValueError(
            f"{name}={given!r} has no effect for task {task.name!r}: adding the same "
            f"number to all outputs changes no probability. Give {n_outputs} numbers."
        )
    if values.ndim == 0:
        values = np.full(n_outputs, values)
    if values.shape != (n_outputs,) or not np.isfinite(values).all():
        raise ValueError(
            f"{name} of task {task.name!r} must be {n_outputs} finite number(s), one "
            f"per output. Got {given!r}."
        )
    return values
