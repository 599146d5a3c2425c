"""Krippendorff's alpha."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.agreement._counts import UnitCounts, ratio_distances
from bead_sklearn.agreement._ratings import (
    check_level,
    encode,
    label_values,
    read_ratings,
)


def krippendorff_alpha(ratings: Any, *, level: str = "nominal") -> float:
    r"""Agreement of any number of annotators, beyond chance, with missing values.

    .. math::
        \alpha = 1 - \frac{D_o}{D_e}, \qquad
        D_o = \frac{1}{n} \sum_{c, k} o_{ck} \delta^2_{ck}, \quad
        D_e = \frac{1}{n (n - 1)} \sum_{c, k} n_c n_k \delta^2_{ck},

    where :math:`o_{ck}` counts the pairs of values c and k within units, each unit
    with m values weighted by 1 / (m - 1), :math:`n_c` are the margins of o and n
    their sum [1]_. Values without another one in their unit do not count.

    Parameters
    ----------
    ratings : array-like of shape (n_annotators, n_units)
        What each annotator said about each unit; None and NaN are missing.
    level : {"nominal", "ordinal", "interval", "ratio"}, default="nominal"
        How far apart two values are: equal or not; by the ranks of the values
        between them; by their difference; by their difference over their sum.
        Ordinal labels that are not numbers are ordered by sorting.

    Returns
    -------
    alpha : float
        1 for perfect agreement, 0 for that of chance, negative for less. NaN if no
        unit has two values, or if all values are the same, so that chance cannot be
        told from agreement.

    Raises
    ------
    ValueError
        If the level is unknown, or values are not numbers where the level needs them.

    References
    ----------
    .. [1] Krippendorff (2011). Computing Krippendorff's alpha-reliability.
       University of Pennsylvania, https://repository.upenn.edu/asc_papers/43

    Examples
    --------
    >>> from bead_sklearn.agreement import krippendorff_alpha
    >>> krippendorff_alpha([["a", "a", "b", None], ["a", "b", "b", "c"]])
    0.444...
    """
    check_level(level)
    codes, labels = read_ratings(ratings)
    return float(UnitCounts.from_codes(codes, labels).alpha(level)[0])


def alpha_of(values: list[Any], units: NDArray[np.intp], level: str) -> float:
    """Return alpha of values, each of a unit; see `krippendorff_alpha`."""
    check_level(level)
    codes, labels = encode(values)
    n_units = int(units.max()) + 1 if len(units) else 0
    return float(UnitCounts(codes, units, labels, n_units).alpha(level)[0])


def squared_distances(
    labels: list[Any], margins: NDArray[np.float64], level: str
) -> NDArray[np.float64]:
    """Return the squared distance of each pair of values."""
    check_level(level)
    if level == "nominal":
        return 1.0 - np.eye(len(labels))
    if level == "ordinal":
        # Ranks between two values, half of either's own counted.
        ranks = np.cumsum(margins) - margins / 2.0
        return np.square(ranks[:, None] - ranks[None, :])
    numbers = label_values(labels, level)
    if level == "ratio":
        return ratio_distances(numbers)
    return np.square(numbers[:, None] - numbers[None, :])
