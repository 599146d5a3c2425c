"""Effects of participants and items as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import norm

from bead_sklearn._frames import make_frame
from bead_sklearn.inspection._factor_effects import FactorEffects


def ranef_table(effects: Mapping[str, FactorEffects], *, level: float = 0.95) -> Any:
    """Return the effects of all factors as one tidy table.

    Parameters
    ----------
    effects : mapping of str to FactorEffects
        By factor.
    level : float, default=0.95
        Coverage of the intervals.

    Returns
    -------
    table : DataFrame or list of dict
        Columns ``factor``, ``level``, ``effect``, ``mode``, ``sd``, ``lower`` and
        ``upper``. Levels keep their type if it is the same for all factors and not a
        combination; otherwise they are strings, as ``"school:class"``.

    Raises
    ------
    ValueError
        If ``level`` is not between 0 and 1.
    """
    quantile = interval_quantile(level)
    parts: dict[str, list[np.ndarray]] = {
        name: [] for name in ("factor", "level", "effect", "mode", "sd")
    }
    for factor in effects.values():
        n_levels, n_effects = factor.modes.shape
        names = np.array(factor.effect_names, dtype=object)
        parts["factor"].append(np.full(n_levels * n_effects, factor.grouping_factor))
        parts["level"].append(np.repeat(factor.levels, n_effects))
        parts["effect"].append(np.tile(names, n_levels))
        parts["mode"].append(factor.modes.ravel())
        parts["sd"].append(factor.sds.ravel())
    columns = {
        name: np.concatenate(arrays) if arrays else np.zeros(0)
        for name, arrays in parts.items()
    }
    columns["factor"] = columns["factor"].astype(object)
    columns["level"] = _of_one_type(columns["level"])
    columns["lower"] = columns["mode"] - quantile * columns["sd"]
    columns["upper"] = columns["mode"] + quantile * columns["sd"]
    return make_frame(columns)


def interval_quantile(level: float) -> float:
    """Return the normal quantile at the ends of a central interval.

    Raises
    ------
    ValueError
        If ``level`` is not between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie strictly between 0 and 1. Got {level!r}.")
    return float(norm.ppf(0.5 * (1.0 + level)))


def level_name(level: Any) -> str:
    """Return a level as a string, a combination as ``"a:b"``."""
    return ":".join(map(str, level)) if isinstance(level, tuple) else str(level)


def _of_one_type(levels: np.ndarray) -> np.ndarray:
    """Return levels as they are if they have one plain type, else as strings."""
    types = {type(level) for level in levels.tolist()}
    if len(types) == 1 and types <= {str, int, float, bool}:
        return levels
    return np.array([level_name(level) for level in levels.tolist()], dtype=object)
