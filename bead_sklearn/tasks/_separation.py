"""Detection of perfectly predicted responses."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from bead_sklearn.exceptions import SeparationWarning
from bead_sklearn.families import Cumulative, Family
from bead_sklearn.inspection import VarianceComponents

#: Only fitted probabilities this close to 0 or 1 make the check worthwhile.
_SUSPICIOUS = 1e-5

#: Kinds of responses that can be predicted perfectly.
_SEPARABLE = ("binary", "ordinal")

#: Effects with a standard deviation of so many times that of the response on the
#: scale of eta predict responses perfectly; their variance has no finite estimate.
_LARGEST_SD = 6.0


def warn_if_separated(
    family: Family,
    rows: np.ndarray,
    coefficients: np.ndarray,
    target: np.ndarray,
    names: np.ndarray,
) -> None:
    """Warn if a linear combination of columns predicts a response perfectly.

    Parameters
    ----------
    family : Family
        Only binary and ordinal responses can be separated. With the estimated
        parameters.
    rows : ndarray of shape (n_rows, p)
        Unpenalised columns.
    coefficients : ndarray of shape (p,)
        Their estimated coefficients.
    target : ndarray of shape (n_rows,)
        Responses, 0 or 1, or numbers of categories.
    names : ndarray of shape (p,)
        Names of the columns.
    """
    if family.response not in _SEPARABLE:
        return
    if _smallest_probability(family, rows @ coefficients, target) > _SUSPICIOUS:
        return
    message = _separation(family, rows, target, names)
    if message is not None:
        warnings.warn(message, SeparationWarning, stacklevel=4)


def raise_if_separated(
    family: Family, rows: np.ndarray, target: np.ndarray, names: np.ndarray
) -> None:
    """Raise a ValueError if separation explains why a fit broke down.

    Parameters
    ----------
    family, rows, target, names
        As in :func:`warn_if_separated`.
    """
    message = None
    if family.response in _SEPARABLE:
        message = _separation(family, rows, target, names)
    if message is not None:
        raise ValueError(message)


def warn_if_levels_separate(
    family: Family, components: list[VarianceComponents]
) -> None:
    """Warn if effects of a factor predict responses perfectly.

    Parameters
    ----------
    family : Family
        Only binary and ordinal responses can be separated.
    components : list of VarianceComponents
        The estimated variances.
    """
    if family.response not in _SEPARABLE:
        return
    for component in components:
        sd = float(np.sqrt(component.mean_square))
        if sd <= _LARGEST_SD * np.sqrt(family.latent_variance()):
            continue
        warnings.warn(
            f"Separation: the levels of {component.grouping_factor!r}, perhaps with "
            "the columns of X, predict the response perfectly for nearly all "
            f"judgments. The estimate of their standard deviation, {sd:.3g}, is where "
            "the search stopped: the likelihood has no maximum, or hardly one. Hold "
            "the variance (MixedEffects with prior_variance and "
            "estimate_variance_components=False, or regularization_strength), or "
            "leave the factor out.",
            SeparationWarning,
            stacklevel=4,
        )


def _smallest_probability(family: Family, eta: np.ndarray, target: np.ndarray) -> float:
    """Return the smallest fitted probability of another response than the one given.

    Of ordered categories, of all lower or of all higher ones.
    """
    if isinstance(family, Cumulative):
        return float(family.outside_probabilities(target, eta).min())
    probabilities = family.mean(eta)
    return float(np.minimum(probabilities, 1.0 - probabilities).min())


def _separation(
    family: Family, rows: np.ndarray, target: np.ndarray, names: np.ndarray
) -> str | None:
    """Say which columns separate the responses; None if they do not."""
    if isinstance(family, Cumulative):
        direction = ordinal_separating_direction(
            rows, target, family.n_categories, family.equidistant
        )
    else:
        direction = separating_direction(rows, target)
    if direction is None:
        return None
    involved = names[(np.abs(direction) > 1e-6) & (names != "(Intercept)")]
    shown = ", ".join(repr(str(name)) for name in involved[:5])
    shown += f" and {len(involved) - 5} more" * (len(involved) > 5)
    return (
        f"Separation: a combination of {shown or 'the columns'} predicts the response "
        "perfectly for some judgments, so the maximum-likelihood coefficients are "
        "infinite; standard errors, and variances if there are any, mean nothing. Use "
        "a positive alpha, or drop the columns."
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


def ordinal_separating_direction(
    rows: np.ndarray, target: np.ndarray, n_categories: int, equidistant: bool
) -> np.ndarray | None:
    """Return a direction that separates ordered responses, or None.

    Along a direction b of the coefficients and d of the thresholds no response becomes
    less probable, and one more so, if d_(y_i) >= x_i'b >= d_(y_i - 1) for all rows, not
    always as equalities: the likelihood then has no maximum.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, p)
        Columns.
    target : ndarray of shape (n_rows,)
        Numbers of categories.
    n_categories : int
        How many there are.
    equidistant : bool
        Whether thresholds keep equal distances.

    Returns
    -------
    direction : ndarray of shape (p,) or None
        b.
    """
    scale = np.abs(rows).max(axis=0, initial=0.0)
    scaled = rows / np.where(scale > 0, scale, 1.0)
    category, n_cuts = target.astype(np.intp), n_categories - 1
    has_upper, has_lower = category < n_cuts, category > 0
    cuts = sparse.eye_array(n_cuts, format="csr")
    if equidistant:
        steps = np.arange(n_cuts)[:, None]
        steps = np.hstack([np.ones((n_cuts, 1)), steps])[:, : min(2, n_cuts)]
        cuts = sparse.csr_array(steps)
    upper = sparse.hstack(
        [sparse.csr_array(-scaled[has_upper]), cuts[category[has_upper]]]
    )
    lower = sparse.hstack(
        [sparse.csr_array(scaled[has_lower]), -cuts[category[has_lower] - 1]]
    )
    slack = sparse.vstack([upper, lower], format="csr")
    solution = linprog(
        -np.asarray(slack.sum(axis=0)).ravel(),
        A_ub=-slack,
        b_ub=np.zeros(slack.shape[0]),
        bounds=(-1.0, 1.0),
    )
    if solution.x is None or -solution.fun < 1e-6:
        return None
    return np.asarray(solution.x[: rows.shape[1]])
