"""When the restricted likelihood is the default."""

from __future__ import annotations

import numpy as np

from bead_sklearn.effects import RandomFactor
from bead_sklearn.solvers import Design

#: Share of a factor's levels from which its own covariates bias its ML variance.
_MANY_COVARIATES = 0.1


def wants_reml(method: str, design: Design) -> bool:
    """Decide between maximum likelihood and restricted maximum likelihood.

    Maximum likelihood shrinks the variance of a factor by about one minus the number
    of covariates that are constant within its levels over the number of levels.

    Parameters
    ----------
    method : {"auto", "ml", "reml"}
        What the user asked for.
    design : Design
        The linear predictor.
    """
    if method != "auto":
        return method == "reml"
    if design.ridge is not None:
        return True
    rows = design.fixed.rows()
    return any(
        _n_between(factor, rows) - 1 >= _MANY_COVARIATES * factor.n_levels
        for factor in design.factors
    )


def _n_between(factor: RandomFactor, rows: np.ndarray) -> int:
    """Count the columns that are constant within the levels of a factor."""
    first = np.zeros(factor.n_levels, dtype=np.intp)
    first[factor.codes[::-1]] = np.arange(len(rows))[::-1]
    same = rows == rows[first][factor.codes]
    return int(same.all(axis=0).sum())
