"""Questions whose answers are numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from bead_sklearn.annotate.questions._base import (
    AnswerError,
    Columns,
    Fields,
    Question,
    one_value,
)
from bead_sklearn.annotate.questions._choices import check_ends


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
        return self.read(one_value(fields), columns)

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
        object.__setattr__(self, "ends", check_ends(self.ends))

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
