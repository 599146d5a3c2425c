"""Joining the similarities of an item's parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def aggregate_ranks(ranks: Any, method: str = "max") -> float:
    """Return one similarity for an item that was split into parts.

    Parameters
    ----------
    ranks : array-like or Tensor of shape (n_parts,) or ()
        Similarities of the parts.
    method : {"max", "min", "mean"}, default="max"
        How they are joined.

    Returns
    -------
    rank : float or Tensor
        A tensor, with its gradient, if the ranks are one; 0 without parts.

    Raises
    ------
    ValueError
        If the method is unknown.

    Examples
    --------
    >>> aggregate_ranks([0.1, 0.5, -0.2]), aggregate_ranks([])
    (0.5, 0.0)
    """
    if method not in _METHODS:
        raise ValueError(f"method must be one of {sorted(_METHODS)}. Got {method!r}.")
    if hasattr(ranks, "detach"):
        flat = ranks.reshape(-1)
        return flat.sum() if not len(flat) else getattr(flat, _TENSOR[method])()
    values = np.atleast_1d(np.asarray(ranks, dtype=np.float64))
    return float(_METHODS[method](values)) if len(values) else 0.0


_METHODS: dict[str, Callable[[np.ndarray], Any]] = {
    "max": np.max,
    "min": np.min,
    "mean": np.mean,
}
_TENSOR = {"max": "amax", "min": "amin", "mean": "mean"}
