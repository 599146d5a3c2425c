"""Reading who may be asked, how often and at which cost."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from bead_sklearn.inputs import match_levels

#: Stands for no limit.
_NO_LIMIT = int(np.iinfo(np.int32).max)


class Conditions:
    """Reads the arguments of a routing, by annotator or by item and annotator.

    Parameters
    ----------
    ids : list
        All annotators, in the order of columns.
    n_items : int
        Number of items.
    """

    def __init__(self, ids: list[Any], n_items: int) -> None:
        self.ids = ids
        self.shape = (n_items, len(ids))

    def n_per_item(self, value: Any) -> int:
        """Check the number of annotators per item."""
        is_whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not (is_whole and 1 <= value <= len(self.ids)):
            raise ValueError(
                "n_per_item must be an integer from 1 to the number of annotators, "
                f"{len(self.ids)}. Got {value!r}."
            )
        return int(value)

    def costs(self, cost: Any) -> np.ndarray:
        """Return costs, (n_annotators,) or (n_items, n_annotators)."""
        if isinstance(cost, Mapping):
            values = self._by_id(cost, "cost", 0.0)
        else:
            values = np.asarray(cost, dtype=np.float64)
        if values.shape not in (self.shape, self.shape[1:]):
            raise ValueError(
                f"cost must be of shape {self.shape[1:]} or {self.shape}. Got shape "
                f"{values.shape}."
            )
        if not np.isfinite(values).all():
            raise ValueError(f"cost must be finite. Got {cost!r}.")
        return values

    def capacities(self, capacity: Any) -> np.ndarray | None:
        """Return the largest number of items of each annotator, None for no limit."""
        if capacity is None:
            return None
        n = len(self.ids)
        if isinstance(capacity, Mapping):
            values = self._by_id(capacity, "capacity", float(_NO_LIMIT))
        else:
            values = np.asarray(capacity, dtype=np.float64)
            values = np.full(n, float(values)) if values.ndim == 0 else values
        if (
            values.shape != (n,)
            or not (
                (values >= 0) & (values == np.floor(values)) & np.isfinite(values)
            ).all()
        ):
            raise ValueError(
                f"capacity must be whole numbers of at least 0, one or {n}. Got "
                f"{capacity!r}."
            )
        return np.minimum(values, _NO_LIMIT).astype(np.int64)

    def allowed(self, exclude: Any) -> np.ndarray:
        """Return who may be asked about which item, (n_items, n_annotators)."""
        allowed = np.ones(self.shape, dtype=bool)
        if exclude is None:
            return allowed
        values = np.asarray(exclude)
        if values.ndim == 2 and values.dtype == bool:
            if values.shape != self.shape:
                raise ValueError(
                    f"exclude must have the shape {self.shape}. Got {values.shape}."
                )
            return ~values
        if isinstance(exclude, str) or values.ndim != 1:
            raise ValueError(
                "exclude must be a list of annotators, or whether each is left out of "
                f"each item, of shape {self.shape}. Got {exclude!r}."
            )
        ids = list(exclude)
        self._check_known(ids, "exclude")
        allowed[:, match_levels(self.ids, ids)] = False
        return allowed

    def _by_id(self, values: Mapping[Any, Any], name: str, other: float) -> np.ndarray:
        self._check_known(list(values), name)
        for key, value in values.items():
            if not isinstance(value, Real):
                raise ValueError(f"{name} of {key!r} must be a number. Got {value!r}.")
        return np.array([float(values.get(key, other)) for key in self.ids])

    def _check_known(self, ids: list[Any], name: str) -> None:
        codes = match_levels(self.ids, ids)
        unknown = [key for key, code in zip(ids, codes, strict=True) if code < 0]
        if unknown:
            raise ValueError(f"{name} names unknown annotators: {unknown[:5]}.")


def check_number(value: Any, name: str, high: float) -> float:
    """Check a number from 0 to ``high``."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not (is_number and 0 <= value <= high and value < np.inf):
        limit = "at least 0" if high == np.inf else f"from 0 to {high:g}"
        raise ValueError(f"{name} must be a number {limit}. Got {value!r}.")
    return float(value)
