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
_SEPARABLE = ("binary", "ordinal", "categorical", "multilabel", "choice")

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
        Only responses that are labels can be separated. With the estimated
        parameters.
    rows : ndarray of shape (n_rows, p)
        Unpenalised columns.
    coefficients : ndarray of shape (p * n_outputs,)
        Their estimated coefficients, the output fastest.
    target : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Responses, 0 or 1, or numbers of categories.
    names : ndarray of shape (p * n_outputs,)
        Names of the coefficients.
    """
    if family.response not in _SEPARABLE:
        return
    by_output = coefficients.reshape(rows.shape[1], family.n_outputs)
    eta = rows @ (by_output if family.has_output_axis else coefficients)
    if _smallest_probability(family, eta, target) > _SUSPICIOUS:
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
        Only responses that are labels can be separated.
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
    if family.sets is not None:  # an only alternative is chosen for certain
        probabilities = probabilities[np.bincount(family.sets)[family.sets] > 1]
    return float(np.minimum(probabilities, 1.0 - probabilities).min(initial=1.0))


def _separation(
    family: Family, rows: np.ndarray, target: np.ndarray, names: np.ndarray
) -> str | None:
    """Say which columns separate the responses; None if they do not."""
    if isinstance(family, Cumulative):
        direction = ordinal_separating_direction(
            rows, target, family.n_categories, family.equidistant
        )
    elif family.response == "multilabel":
        direction = label_separating_direction(rows, target)
    elif family.response == "categorical":
        direction = class_separating_direction(rows, target, family.n_outputs)
    elif family.sets is not None:
        direction = choice_separating_direction(rows, target, family.sets)
    else:
        direction = separating_direction(rows, target)
    if direction is None:
        return None
    is_constant = np.array([str(name).startswith("(Intercept)") for name in names])
    involved = names[(np.abs(direction) > 1e-6) & ~is_constant]
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
    return _separate(sparse.csr_array(signed))


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
    direction = _separate(slack)
    return None if direction is None else direction[: rows.shape[1]]


def label_separating_direction(
    rows: np.ndarray, target: np.ndarray
) -> np.ndarray | None:
    """Return a direction that separates one of several binary responses, or None.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, p)
        Columns.
    target : ndarray of shape (n_rows, J)
        Responses, 0 or 1.

    Returns
    -------
    direction : ndarray of shape (p * J,) or None
        The output fastest; zero for the other responses.
    """
    directions = np.zeros((rows.shape[1], target.shape[1]))
    for j, column in enumerate(target.T):
        found = separating_direction(rows, column)
        if found is not None:
            directions[:, j] = found
    return directions.ravel() if directions.any() else None


def class_separating_direction(
    rows: np.ndarray, target: np.ndarray, n_outputs: int
) -> np.ndarray | None:
    """Return a direction that separates unordered classes, or None.

    Along b no response becomes less probable if x_i'(b_(y_i) - b_k) >= 0 for all other
    classes k, b_0 = 0 (Albert & Anderson 1984).

    Parameters
    ----------
    rows : ndarray of shape (n_rows, p)
        Columns.
    target : ndarray of shape (n_rows,)
        Numbers of the classes.
    n_outputs : int
        One less than the number of classes.

    Returns
    -------
    direction : ndarray of shape (p * n_outputs,) or None
        The output fastest.
    """
    scale = np.abs(rows).max(axis=0, initial=0.0)
    scaled = sparse.csr_array(rows / np.where(scale > 0, scale, 1.0))
    codes = np.eye(n_outputs + 1)[:, 1:]
    slack = []
    for own in range(n_outputs + 1):
        of_class = scaled[np.flatnonzero(target == own)]
        for other in range(n_outputs + 1):
            if other != own:
                slack.append(sparse.kron(of_class, codes[[own]] - codes[[other]]))
    return _separate(sparse.vstack(slack, format="csr"))


def choice_separating_direction(
    rows: np.ndarray, target: np.ndarray, sets: np.ndarray
) -> np.ndarray | None:
    """Return a direction that separates chosen from other alternatives, or None.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, p)
        Columns of the alternatives.
    target : ndarray of shape (n_rows,)
        1 for the chosen alternative of each set.
    sets : ndarray of shape (n_rows,)
        Choice set of each alternative.

    Returns
    -------
    direction : ndarray of shape (p,) or None
        Along which no choice becomes less probable.
    """
    scale = np.abs(rows).max(axis=0, initial=0.0)
    scaled = rows / np.where(scale > 0, scale, 1.0)
    chosen = np.flatnonzero(target == 1.0)[sets]
    others = np.flatnonzero(target == 0.0)
    return _separate(sparse.csr_array(scaled[chosen[others]] - scaled[others]))


def _separate(slack: sparse.csr_array) -> np.ndarray | None:
    """Return d in [-1, 1] with slack d >= 0, not always 0, or None."""
    solution = linprog(
        -np.asarray(slack.sum(axis=0)).ravel(),
        A_ub=-slack,
        b_ub=np.zeros(slack.shape[0]),
        bounds=(-1.0, 1.0),
    )
    if solution.x is None or -solution.fun < 1e-6:
        return None
    return np.asarray(solution.x)
