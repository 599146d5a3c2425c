"""Pairs of a clicked and another item, as tensors."""

from __future__ import annotations

from typing import Any, Self

import torch

NAMES = (
    "positive_ranks",
    "negative_ranks",
    "target",
    "positive_confidences",
    "negative_confidences",
)


class PairFeatures:
    """What losses read of pairs: similarities, their sign, and confidences.

    Parameters
    ----------
    positive_ranks, negative_ranks : Tensor of shape (n_pairs,), default=None
        Similarities of the clicked item and of the other one with the query.
    target : Tensor of shape (n_pairs,), default=None
        1 where ranks are similarities, -1 where they are distances.
    positive_confidences, negative_confidences : Tensor of shape (n_pairs,), \
default=None
        Confidences of the two items.

    Raises
    ------
    TypeError
        If a value is neither a tensor nor None.
    ValueError
        If tensors have no dimension, or different lengths; setters check it too, so
        that whoever changes the length makes a new object.

    Examples
    --------
    >>> import torch
    >>> pairs = PairFeatures(torch.tensor([0.9]), torch.tensor([0.2]))
    >>> len(pairs + pairs)
    2
    """

    def __init__(
        self,
        positive_ranks: Any = None,
        negative_ranks: Any = None,
        target: Any = None,
        positive_confidences: Any = None,
        negative_confidences: Any = None,
    ) -> None:
        values = (
            positive_ranks,
            negative_ranks,
            target,
            positive_confidences,
            negative_confidences,
        )
        self._values: dict[str, Any] = dict.fromkeys(NAMES)
        self._replace(dict(zip(NAMES, values, strict=True)))

    def _replace(self, values: dict[str, Any]) -> None:
        """Check and take all values at once, or none."""
        lengths = set()
        for name, value in values.items():
            if value is None:
                continue
            if not isinstance(value, torch.Tensor):
                raise TypeError(f"{name} must be a torch.Tensor or None")
            if value.ndim == 0:
                raise ValueError(f"{name} must have a dimension, got a 0-d tensor")
            lengths.add(len(value))
        if len(lengths) > 1:
            raise ValueError("All non-None parameters must have the same length")
        self._values = dict(values)

    def __len__(self) -> int:
        return next((len(v) for v in self._values.values() if v is not None), 0)

    def __repr__(self) -> str:
        given = [name for name in NAMES if self._values[name] is not None]
        return f"PairFeatures({len(self)} pairs: {', '.join(given) or 'empty'})"

    @property
    def is_empty(self) -> bool:
        """Whether there is no tensor at all."""
        return all(value is None for value in self._values.values())

    def __add__(self, other: PairFeatures) -> PairFeatures:
        """Return the pairs of both, which keep theirs."""
        result = PairFeatures(**self._values)
        result += other
        return result

    def __iadd__(self, other: PairFeatures) -> Self:
        if not isinstance(other, PairFeatures):
            return NotImplemented
        if other.is_empty:
            return self
        if self.is_empty:
            self._replace(other._values)
            return self
        for name in NAMES:
            if (self._values[name] is None) != (other._values[name] is None):
                raise ValueError(
                    f"{name} is given for one of the two sets of pairs only, so that "
                    "they cannot be joined without losing it."
                )
        self._replace(
            {
                name: None
                if self._values[name] is None
                else torch.cat([self._values[name], other._values[name]])
                for name in NAMES
            }
        )
        return self

    def clamp_diff_in(self, min: float, max: float) -> None:
        """Keep pairs with min < abs(positive rank - negative rank) < max.

        Pairs with a NaN rank are dropped. Nothing happens if either rank is None.

        Parameters
        ----------
        min, max : float
            The bounds, both excluded.
        """
        self.keep(lambda difference: (difference > min) & (difference < max))

    def keep(self, wanted: Any) -> None:
        """Keep pairs by the absolute difference of their ranks.

        Parameters
        ----------
        wanted : callable
            Takes the differences (n_pairs,) and returns a mask.
        """
        positive, negative = self.positive_ranks, self.negative_ranks
        if positive is None or negative is None:
            return
        difference = (positive - negative).abs()
        rows = wanted(difference) & ~difference.isnan()
        self._replace(
            {name: None if v is None else v[rows] for name, v in self._values.items()}
        )

    def use_positive_from(self, other: PairFeatures) -> None:
        """Set these negatives against the positives of others.

        Both are cut to the shorter of the two; positives bring their confidences.

        Parameters
        ----------
        other : PairFeatures
            Where positive ranks, and their confidences, come from.

        Raises
        ------
        ValueError
            If these have no negative ranks, or the others no positive ranks.
        """
        if self.negative_ranks is None or other.positive_ranks is None:
            raise ValueError(
                "use_positive_from needs negative_ranks here and positive_ranks in "
                "the other."
            )
        n = min(len(self.negative_ranks), len(other.positive_ranks))
        values = {
            name: None if value is None else value[:n]
            for name, value in self._values.items()
        }
        values["positive_ranks"] = other.positive_ranks[:n]
        confidences = other.positive_confidences
        if confidences is not None or self.positive_confidences is not None:
            values["positive_confidences"] = (
                torch.ones_like(other.positive_ranks[:n])
                if confidences is None
                else confidences[:n]
            )
        self._replace(values)

    @property
    def positive_ranks(self) -> Any:
        """Similarities of clicked items, or None."""
        return self._values["positive_ranks"]

    @positive_ranks.setter
    def positive_ranks(self, value: Any) -> None:
        self._replace(self._values | {"positive_ranks": value})

    @property
    def negative_ranks(self) -> Any:
        """Similarities of the other items, or None."""
        return self._values["negative_ranks"]

    @negative_ranks.setter
    def negative_ranks(self, value: Any) -> None:
        self._replace(self._values | {"negative_ranks": value})

    @property
    def target(self) -> Any:
        """1 for similarities, -1 for distances, or None."""
        return self._values["target"]

    @target.setter
    def target(self, value: Any) -> None:
        self._replace(self._values | {"target": value})

    @property
    def positive_confidences(self) -> Any:
        """Confidences of clicked items, or None."""
        return self._values["positive_confidences"]

    @positive_confidences.setter
    def positive_confidences(self, value: Any) -> None:
        self._replace(self._values | {"positive_confidences": value})

    @property
    def negative_confidences(self) -> Any:
        """Confidences of the other items, or None."""
        return self._values["negative_confidences"]

    @negative_confidences.setter
    def negative_confidences(self, value: Any) -> None:
        self._replace(self._values | {"negative_confidences": value})
