"""Hyper-parameters of a fine-tuning run, as one value with an identity."""

from __future__ import annotations

import enum
import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any, Self

import numpy as np


class ExamplesType(enum.Enum):
    """Which pairs a stage of training sees.

    With d the difference of the similarities of a clicked and another item and
    thresholds (lo, hi), a pair is soft if ``|d| <= lo``, medium if ``lo < |d| < hi``
    and hard if ``|d| >= hi``. ``positive`` takes pairs within sessions with clicks,
    ``negative`` those of sessions without clicks, whose items stand against items
    clicked elsewhere, ``all`` both. ``negative_only`` and ``all_examples`` take medium
    pairs, as the original does for every stage.
    """

    medium_all = 1
    hard_all = 2
    soft_all = 3
    medium_positive = 4
    hard_positive = 5
    soft_positive = 6
    medium_negative = 7
    hard_negative = 8
    soft_negative = 9
    negative_only = 10
    all_examples = 11

    @property
    def difficulty(self) -> str:
        """``"soft"``, ``"medium"`` or ``"hard"``."""
        first = self.name.split("_")[0]
        return first if first in ("soft", "hard") else "medium"

    @property
    def with_clicks(self) -> bool:
        """Whether sessions with clicks are seen."""
        return not (self.name.endswith("_negative") or self.name == "negative_only")

    @property
    def without_clicks(self) -> bool:
        """Whether sessions without clicks are seen."""
        return not self.name.endswith("_positive")


_FLOATS = {
    "query_lr": "positive",
    "items_lr": "positive",
    "query_weight_decay": "non-negative",
    "items_weight_decay": "non-negative",
    "margin": "non-negative",
}


@dataclass(frozen=True, kw_only=True, eq=True)
class FineTuningParams:
    """Validated, immutable hyper-parameters of fine-tuning from clicks.

    Numbers may be of any real type and strings that read as numbers, so that what a
    tracker logged can be loaded again; NaN and infinity are refused.

    Parameters
    ----------
    num_fixed_layers : int
        Number of layers of the encoder that are not trained, at least 0.
    query_lr, items_lr : float
        Learning rates of the two towers, above 0.
    query_weight_decay, items_weight_decay : float
        Weight decays, at least 0.
    margin : float
        Difference of similarities that a pair should have, at least 0.
    not_irrelevant_only : bool
        Whether only sessions with clicks are used.
    negative_downsampling : float
        Share of the items without a click that are used, in (0, 1].
    min_abs_difference_threshold, max_abs_difference_threshold : float
        Thresholds of :class:`ExamplesType`, ``0 <= min < max``.
    examples_order : ExamplesType, int, str or sequence of these
        One stage of training per entry; at least one.

    Raises
    ------
    ValueError
        If a value is out of range or of the wrong type.

    Examples
    --------
    >>> params = FineTuningParams(
    ...     num_fixed_layers=3, query_lr=0.001, items_lr=0.001,
    ...     query_weight_decay=0.0001, items_weight_decay=0.0001, margin=1.0,
    ...     not_irrelevant_only=True, negative_downsampling=0.5,
    ... )
    >>> params.id[:12]
    'a02055259514'
    >>> FineTuningParams.from_string(str(params)) == params
    True
    """

    num_fixed_layers: int
    query_lr: float
    items_lr: float
    query_weight_decay: float
    items_weight_decay: float
    margin: float
    not_irrelevant_only: bool
    negative_downsampling: float
    min_abs_difference_threshold: float = 0.0
    max_abs_difference_threshold: float = 1.0
    examples_order: Any = (ExamplesType.all_examples,)

    def __post_init__(self) -> None:
        layers: Any = self.num_fixed_layers
        if isinstance(layers, str) and layers.strip().isdecimal():
            layers = int(layers)
        is_whole = isinstance(layers, Integral) and not isinstance(layers, bool)
        if not is_whole or int(layers) < 0:
            raise ValueError(
                f"num_fixed_layers: `{layers}` must be a non-negative integer"
            )
        self._set("num_fixed_layers", int(layers))
        for name, kind in _FLOATS.items():
            value = _real(getattr(self, name))
            if value is None or value < 0 or (kind == "positive" and value == 0):
                raise ValueError(
                    f"{name}: `{getattr(self, name)}` must be a {kind} float"
                )
            self._set(name, value)
        share = _real(self.negative_downsampling)
        if share is None or not 0 < share <= 1:
            raise ValueError(
                f"negative_downsampling: `{self.negative_downsampling}` must be a "
                "float in (0, 1]"
            )
        self._set("negative_downsampling", share)
        low = _real(self.min_abs_difference_threshold)
        high = _real(self.max_abs_difference_threshold)
        if low is None or high is None or not 0 <= low < high:
            raise ValueError(
                "min_abs_difference_threshold and max_abs_difference_threshold must "
                f"be floats with 0 <= min < max. Got "
                f"`{self.min_abs_difference_threshold}` and "
                f"`{self.max_abs_difference_threshold}`"
            )
        self._set("min_abs_difference_threshold", low)
        self._set("max_abs_difference_threshold", high)
        self._set("not_irrelevant_only", _boolean(self.not_irrelevant_only))
        self._set("examples_order", read_examples_order(self.examples_order))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def __str__(self) -> str:
        parts = []
        for name in sorted(field.name for field in fields(self)):
            value = getattr(self, name)
            if name == "examples_order":
                value = ",".join(f"ExamplesType.{stage.name}" for stage in value)
            parts.append(f"{name}: {value}")
        return " / ".join(parts)

    @property
    def id(self) -> str:
        """SHA-256, in hexadecimal digits, of ``str(self)``: equal for equal values."""
        return hashlib.sha256(str(self).encode("utf-8")).hexdigest()

    @classmethod
    def from_string(cls, text: str) -> Self:
        """Read what ``str`` wrote.

        Parameters
        ----------
        text : str
            Names and values, as ``name: value`` joined by `` / ``.

        Returns
        -------
        params : FineTuningParams
            The value.

        Raises
        ------
        ValueError
            If a part is no such pair, or names no parameter.
        """
        values: dict[str, Any] = {}
        known = {field.name for field in fields(cls)}
        for part in text.split(" / "):
            name, separator, value = part.partition(": ")
            if not separator or name not in known:
                raise ValueError(f"{part!r} is not a parameter of {cls.__name__}.")
            values[name] = value
        missing = sorted(known - set(values) - set(_DEFAULTED))
        if missing:
            raise ValueError(f"Field required: {', '.join(missing)}.")
        return cls(**values)

    def to_estimator_params(self) -> dict[str, Any]:
        """Return the parameters of a :class:`TwoTowerEmbedder` with this meaning."""
        params = {field.name: getattr(self, field.name) for field in fields(self)}
        # As plain text, which a saved model may hold.
        return params | {"examples_order": [s.name for s in self.examples_order]}


_DEFAULTED = (
    "min_abs_difference_threshold",
    "max_abs_difference_threshold",
    "examples_order",
)


def read_examples_order(value: Any) -> tuple[ExamplesType, ...]:
    """Return stages from members, numbers or names, one or several.

    Parameters
    ----------
    value : ExamplesType, int, str or iterable of these
        ``"1,2"``, ``"ExamplesType.hard_all"``, ``[1, 2]`` and so on.

    Returns
    -------
    stages : tuple of ExamplesType
        At least one.

    Raises
    ------
    ValueError
        If an entry is no stage, or there is none.
    """
    entries: list[Any]
    if isinstance(value, str):
        entries = [part.strip() for part in value.split(",")]
    elif isinstance(value, ExamplesType | Real):
        entries = [value]
    elif isinstance(value, Iterable):
        entries = list(value)
    else:
        entries = [value]
    if not entries:
        raise ValueError("examples_order: at least one stage is needed, got none")
    return tuple(_stage(entry) for entry in entries)


def _stage(entry: Any) -> ExamplesType:
    if isinstance(entry, ExamplesType):
        return entry
    if isinstance(entry, str):
        name = entry.removeprefix("ExamplesType.")
        if name in ExamplesType.__members__:
            return ExamplesType[name]
        try:
            return ExamplesType(int(name))
        except ValueError:
            pass
    else:
        number = _real(entry)
        if number in {member.value for member in ExamplesType}:
            return ExamplesType(number)
    raise ValueError(f"examples_order: {entry!r} is not a valid ExamplesType")


def _real(value: Any) -> float | None:
    """Return a finite float, or None if this is no number."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    is_number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    if not is_number or not math.isfinite(value):
        return None
    # float32(0.1) is meant as 0.1.
    return float(str(value) if hasattr(value, "dtype") else value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    text = str(value).strip().lower() if isinstance(value, str | Integral) else ""
    if text in ("1", "true", "yes", "on", "t", "y"):
        return True
    if text in ("0", "false", "no", "off", "f", "n"):
        return False
    raise ValueError(f"not_irrelevant_only: `{value}` must be a boolean")
