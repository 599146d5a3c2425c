"""Krippendorff's alpha."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = ("nominal", "ordinal", "interval", "ratio")


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
    table = np.asarray(ratings, dtype=object)
    if table.ndim != 2:
        raise ValueError(
            f"ratings must be a table of annotators by units, got shape {table.shape}."
        )
    values, units = [], []
    for row in table:
        for unit, value in enumerate(row.tolist()):
            if value is not None and value == value:
                values.append(value)
                units.append(unit)
    return alpha_of(values, np.array(units, dtype=np.intp), level)


def alpha_of(values: list[Any], units: NDArray[np.intp], level: str) -> float:
    """Return alpha of values, each of a unit; see `krippendorff_alpha`."""
    codes, labels = encode(values, level)
    counts = np.bincount(units) if len(units) else np.empty(0, dtype=np.intp)
    paired = counts[units] > 1 if len(units) else np.empty(0, dtype=bool)
    codes, units = codes[paired], units[paired]
    n = len(codes)
    if n == 0:
        return float("nan")
    margins = np.bincount(codes, minlength=len(labels)).astype(float)
    # Values of a unit against each other, through counts per unit and value.
    _, unit = np.unique(units, return_inverse=True)
    table = np.zeros((unit.max() + 1, len(labels)))
    np.add.at(table, (unit, codes), 1.0)
    weighted = table / (table.sum(axis=1, keepdims=True) - 1.0)
    coincidences = table.T @ weighted - np.diag(weighted.sum(axis=0))
    distances = squared_distances(labels, margins, level)
    expected = (margins @ distances @ margins) / (n - 1.0)
    if not expected > 0:
        return float("nan")
    return float(1.0 - np.sum(coincidences * distances) / expected)


def encode(values: list[Any], level: str) -> tuple[NDArray[np.intp], list[Any]]:
    """Give values numbers in their order; return the numbers and the values."""
    if level not in LEVELS:
        raise ValueError(f"level must be one of {LEVELS}. Got {level!r}.")
    numbers = all(
        isinstance(v, int | float | np.number) and not isinstance(v, bool)
        for v in values
    )
    if level in ("interval", "ratio") and not numbers:
        raise ValueError(f"level={level!r} needs numbers, got {values[:3]}.")
    distinct = dict.fromkeys(values)
    labels = sorted(distinct, key=None if numbers else str)
    position = {label: code for code, label in enumerate(labels)}
    return np.array([position[value] for value in values], dtype=np.intp), labels


def squared_distances(
    labels: list[Any], margins: NDArray[np.float64], level: str
) -> NDArray[np.float64]:
    """Return the squared distance of each pair of values."""
    if level == "nominal":
        return 1.0 - np.eye(len(labels))
    if level == "ordinal":
        # Ranks between two values, half of either's own counted.
        ranks = np.cumsum(margins) - margins / 2.0
        return np.square(ranks[:, None] - ranks[None, :])
    numbers = np.array(labels, dtype=float)
    difference = numbers[:, None] - numbers[None, :]
    if level == "interval":
        return np.square(difference)
    total = numbers[:, None] + numbers[None, :]
    ratio = np.divide(
        difference, total, out=np.zeros_like(difference), where=total != 0
    )
    return np.square(ratio)
