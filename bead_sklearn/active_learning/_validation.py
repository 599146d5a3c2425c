"""Rows set aside to score a search on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.active_learning._rows import as_groups, group_codes


def draw_held_out(
    share: float, labeled: NDArray[np.bool_], groups: Any, seed: int
) -> NDArray[np.bool_]:
    """Draw the rows to hold out.

    Parameters
    ----------
    share : float
        Share of the rows, or of the participants if there are groups.
    labeled : ndarray of shape (n_rows,)
        Rows known at the start: they are training rows and are never held out.
    groups : array-like of shape (n_rows,) or None
        Participant ids; whole participants are held out.
    seed : int
        Seed of the draw.

    Returns
    -------
    held_out : ndarray of shape (n_rows,)
        Mask of the rows.

    Raises
    ------
    ValueError
        If nothing can be held out or nothing would remain.
    """
    n_rows = len(labeled)
    if groups is None:
        codes = np.arange(n_rows)
    elif np.ndim(as_groups(groups)) > 1:
        raise ValueError(
            "validation as a share needs one participant id per row, got groups of "
            f"shape {np.shape(groups)}. Pass validation as a tuple (X, y, groups)."
        )
    else:
        codes = group_codes(groups)
    units = "rows" if groups is None else "participants"
    n_units = int(codes.max()) + 1
    free = np.setdiff1d(np.arange(n_units), codes[labeled])
    n_held_out = max(1, round(share * n_units))
    if n_held_out > len(free) or n_held_out >= n_units:
        raise ValueError(
            f"validation={share} would hold out {n_held_out} of {n_units} {units}, but "
            f"{len(free)} have no labelled row, and some must remain to learn from."
        )
    drawn = np.random.RandomState(seed).permutation(free)[:n_held_out]
    held_out: NDArray[np.bool_] = np.isin(codes, drawn)
    return held_out


def unpack_validation(validation: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """Unpack ``(X, y)`` or ``(X, y, groups)`` and check the lengths."""
    if len(validation) not in (2, 3):
        raise ValueError(
            "validation must be (X, y) or (X, y, groups), got a tuple of length "
            f"{len(validation)}."
        )
    X, y, groups = (*validation, None)[:3]
    lengths = {
        name: _num_samples(value)
        for name, value in (("X", X), ("y", y), ("groups", groups))
        if value is not None
    }
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Parts of validation differ in length: {lengths}.")
    return X, y, groups
