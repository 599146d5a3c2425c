"""Kappa coefficients and plain agreement."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from bead_sklearn.agreement._counts import UnitCounts
from bead_sklearn.agreement._ratings import read_ratings

WEIGHTS = (None, "linear", "quadratic")


def percent_agreement(ratings: ArrayLike) -> float:
    r"""Share of pairs of annotators who say the same, averaged over units.

    .. math:: P = \frac{1}{N} \sum_u \sum_k \frac{n_{uk} (n_{uk} - 1)}{m_u (m_u - 1)}

    with :math:`n_{uk}` the annotators who gave label k to unit u and :math:`m_u` all
    who rated it; units rated once do not count. It is not corrected for chance: two
    people who guess agree on half of all yes/no questions, and on most if one answer
    is rare.

    Parameters
    ----------
    ratings : array-like of shape (n_annotators, n_units)
        What each annotator said about each unit; None and NaN are missing.

    Returns
    -------
    share : float
        From 0 to 1; NaN if no unit has two ratings.

    Raises
    ------
    ValueError
        If ratings are no table.

    Examples
    --------
    >>> from bead_sklearn.agreement import percent_agreement
    >>> percent_agreement([["a", "a", "b", None], ["a", "b", "b", "c"]]).__round__(3)
    0.667
    """
    codes, labels = read_ratings(ratings)
    return float(UnitCounts.from_codes(codes, labels).percent()[0])


def fleiss_kappa(ratings: ArrayLike, *, counts: bool = False) -> float:
    r"""Agreement of several annotators on labels, beyond chance.

    .. math:: \kappa = \frac{P - P_e}{1 - P_e}, \qquad P_e = \sum_k p_k^2

    with P as in `percent_agreement` and :math:`p_k` the mean over units of the share
    of label k [1]_. With different numbers of annotators per unit this is the
    extension of [2]_: units with one rating tell about chance and not about P.

    Parameters
    ----------
    ratings : array-like of shape (n_annotators, n_units) or (n_units, n_labels)
        What each annotator said about each unit; None and NaN are missing. With
        ``counts`` how many annotators gave each label to each unit.
    counts : bool, default=False
        Whether the table holds counts.

    Returns
    -------
    kappa : float
        1 for perfect agreement, 0 for that of chance. NaN if no unit has two ratings
        or all labels are the same.

    Raises
    ------
    ValueError
        If ratings are no table, or counts are negative or no whole numbers.

    See Also
    --------
    krippendorff_alpha : Also for scales and numbers; corrects for small samples.

    References
    ----------
    .. [1] Fleiss (1971). Measuring nominal scale agreement among many raters.
       Psychological Bulletin 76, 378-382.
    .. [2] Gwet (2014). Handbook of inter-rater reliability, 4th edition.

    Examples
    --------
    Two units, three annotators:

    >>> from bead_sklearn.agreement import fleiss_kappa
    >>> fleiss_kappa([["a", "b"], ["a", "b"], ["b", "b"]]).__round__(3)
    0.25
    >>> fleiss_kappa([[2, 1], [0, 3]], counts=True).__round__(3)
    0.25
    """
    if not counts:
        codes, labels = read_ratings(ratings)
        return float(UnitCounts.from_codes(codes, labels).kappa()[0])
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(
            f"ratings must be a table of units by labels, got shape {table.shape}."
        )
    if not np.all((table >= 0) & (table == np.floor(table))):
        wrong = table[~((table >= 0) & (table == np.floor(table)))][0]
        raise ValueError(f"ratings must hold counts, got {wrong:g}.")
    units, codes = np.nonzero(table)
    repeats = table[units, codes].astype(np.intp)
    counted = UnitCounts(
        np.repeat(codes, repeats),
        np.repeat(units, repeats),
        list(range(table.shape[1])),
        len(table),
    )
    return float(counted.kappa()[0])


def cohen_kappa(
    first: ArrayLike, second: ArrayLike, *, weights: str | None = None
) -> float:
    r"""Agreement of two annotators, beyond chance.

    .. math:: \kappa = 1 - \frac{\sum_{jk} v_{jk} o_{jk}}{\sum_{jk} v_{jk} e_{jk}}

    with :math:`o_{jk}` the share of units called j by the first and k by the second,
    :math:`e_{jk}` the product of their margins, and disagreement weights :math:`v`:
    0 and 1 [1]_, or the distance of the labels in their order, or its square [2]_.

    Parameters
    ----------
    first, second : array-like of shape (n_units,)
        What each said; None and NaN are missing. Units rated by both count, and
        labels are matched unit by unit before anything is left out.
    weights : {None, "linear", "quadratic"}, default=None
        How bad a disagreement is. Labels are ordered by size, or as strings.

    Returns
    -------
    kappa : float
        NaN if no unit was rated by both, or if both always say the same one thing.

    Raises
    ------
    ValueError
        If lengths differ or the weights are unknown.

    References
    ----------
    .. [1] Cohen (1960). A coefficient of agreement for nominal scales. Educational and
       Psychological Measurement 20, 37-46.
    .. [2] Cohen (1968). Weighted kappa. Psychological Bulletin 70, 213-220.

    Examples
    --------
    >>> from bead_sklearn.agreement import cohen_kappa
    >>> cohen_kappa(["a", "a", "b", "b"], ["a", "b", "b", "b"])
    0.5
    """
    lengths = np.shape(first)[:1], np.shape(second)[:1]
    if lengths[0] != lengths[1]:
        raise ValueError(
            f"first and second must be as long, got {len(list(first))} and "  # type: ignore[arg-type]
            f"{len(list(second))}."  # type: ignore[arg-type]
        )
    both = np.empty((2, *lengths[0]), dtype=object)
    both[0], both[1] = first, second
    codes, labels = read_ratings(both)
    return float(kappa_of_two(codes, len(labels), weights)[0])


def kappa_of_two(
    codes: NDArray[np.intp],
    n_labels: int,
    weights: str | None,
    samples: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return Cohen's kappa of two rows of codes, for each sample of units."""
    paired = (codes >= 0).all(axis=0)
    cell = codes[0, paired] * n_labels + codes[1, paired]
    n = len(cell)
    w = np.ones((1, n)) if samples is None else samples[:, paired]
    shape = (n, n_labels**2)
    cells = sparse.csr_matrix((np.ones(n), (np.arange(n), cell)), shape=shape)
    return kappa_of_tables((w @ cells).reshape(-1, n_labels, n_labels), weights)


def kappa_of_tables(
    tables: NDArray[np.float64], weights: str | None
) -> NDArray[np.float64]:
    """Return Cohen's kappa of tables of counts of shape (..., n_labels, n_labels)."""
    check_weights(weights)
    steps = np.arange(tables.shape[-1], dtype=np.float64)
    distance = np.abs(steps[:, None] - steps[None, :])
    cost = {
        None: (distance > 0).astype(np.float64),
        "linear": distance,
        "quadratic": np.square(distance),
    }[weights]
    rows, columns = tables.sum(axis=-1), tables.sum(axis=-2)
    total = rows.sum(axis=-1)
    observed = (tables * cost).sum(axis=(-2, -1))
    expected = np.sum((rows @ cost) * columns, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(expected > 0, 1.0 - total * observed / expected, np.nan)


def check_weights(weights: str | None) -> None:
    """Refuse weights that do not exist."""
    if weights not in WEIGHTS:
        raise ValueError(f"weights must be one of {WEIGHTS}. Got {weights!r}.")
