"""Detection of perfectly predicted responses."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.optimize import linprog

from bead_sklearn.exceptions import SeparationWarning
from bead_sklearn.families import Family

#: Only fitted values this large on the scale of eta make the check worthwhile.
_SUSPICIOUS = 12.0


def warn_if_separated(
    family: Family,
    rows: np.ndarray,
    coefficients: np.ndarray,
    target: np.ndarray,
    names: np.ndarray,
) -> None:
    """Warn if a linear combination of columns predicts a binary response perfectly.

    Parameters
    ----------
    family : Family
        Only families of binary responses can be separated.
    rows : ndarray of shape (n_rows, p)
        Unpenalised columns.
    coefficients : ndarray of shape (p,)
        Their estimated coefficients.
    target : ndarray of shape (n_rows,)
        Responses, 0 or 1.
    names : ndarray of shape (p,)
        Names of the columns.
    """
    if family.response != "binary":
        return
    if np.abs(rows @ coefficients).max() < _SUSPICIOUS:
        return
    direction = separating_direction(rows, target)
    if direction is None:
        return
    involved = names[(np.abs(direction) > 1e-6) & (names != "(Intercept)")]
    shown = ", ".join(repr(str(name)) for name in involved[:5])
    shown += f" and {len(involved) - 5} more" * (len(involved) > 5)
    warnings.warn(
        f"Separation: a combination of {shown or 'the columns'} predicts the response "
        "perfectly for some judgments, so the maximum-likelihood coefficients are "
        "infinite and their standard errors mean nothing. Use a positive alpha, or "
        "drop the columns.",
        SeparationWarning,
        stacklevel=4,
    )


def separating_direction(rows: np.ndarray, target: np.ndarray) -> np.ndarray | None:
    """Return a direction that separates the responses, or None.

    A direction b separates if (2 y_i - 1) x_i'b >= 0 for all rows and > 0 for one
    (Albert & Anderson 1984, doi:10.1093/biomet/71.1.1); it is found by linear
    programming (Konis 2007).
    """
    scale = np.abs(rows).max(axis=0)
    signed = (2.0 * target - 1.0)[:, None] * rows / np.where(scale > 0, scale, 1.0)
    solution = linprog(
        -signed.sum(axis=0),
        A_ub=-signed,
        b_ub=np.zeros(len(signed)),
        bounds=(-1.0, 1.0),
    )
    if solution.x is None or -solution.fun < 1e-6:
        return None
    return np.asarray(solution.x)
