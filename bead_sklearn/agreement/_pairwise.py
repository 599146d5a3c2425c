"""Agreement of every pair of annotators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from bead_sklearn._optional import import_optional
from bead_sklearn._tables import lay_out
from bead_sklearn.agreement._coefficients import check_coefficient, coefficient_of
from bead_sklearn.agreement._kappa import kappa_of_tables
from bead_sklearn.agreement._ratings import read_ratings

#: Numbers held at a time in the joint tables of labels of pairs.
_BLOCK = 4_000_000
#: Labels above which pairs are compared one by one.
_MANY_LABELS = 50

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairwiseAgreement:
    """A coefficient for each pair of annotators.

    Attributes
    ----------
    annotators : tuple
        Their names.
    values : ndarray of shape (n_annotators, n_annotators)
        The coefficient of each pair; NaN on the diagonal and where it is not defined.
    n_units : ndarray of int of shape (n_annotators, n_annotators)
        Units that both rated; on the diagonal those that the annotator rated.
    coefficient : str
        Its name.
    """

    annotators: tuple[Any, ...]
    values: Floats
    n_units: NDArray[np.intp]
    coefficient: str

    def mean(self) -> Floats:
        """Return the mean agreement of each annotator with the others.

        Returns
        -------
        means : ndarray of shape (n_annotators,)
            Weighted by the units in common; NaN for those who share none.
        """
        known = ~np.isnan(self.values)
        weights = np.where(known, self.n_units, 0)
        total = np.where(known, self.values * self.n_units, 0.0).sum(axis=1)
        with np.errstate(invalid="ignore"):
            means: Floats = total / weights.sum(axis=1)
        return means

    def to_frame(self) -> Any:
        """Return the pairs as a pandas data frame.

        Returns
        -------
        frame : pandas.DataFrame
            A row per pair: ``first``, ``second``, ``n_units``, ``agreement``.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pandas = import_optional(
            "pandas", extra="pandas", purpose="A table of pairs as a data frame"
        )
        first, second = np.triu_indices(len(self.annotators), k=1)
        return pandas.DataFrame(
            {
                "first": [self.annotators[i] for i in first],
                "second": [self.annotators[j] for j in second],
                "n_units": self.n_units[first, second],
                "agreement": self.values[first, second],
            }
        )

    def __str__(self) -> str:
        names = [str(name) for name in self.annotators]
        rows = [
            [name, *("" if np.isnan(v) else f"{v:.3f}" for v in line), f"{mean:.3f}"]
            for name, line, mean in zip(names, self.values, self.mean(), strict=True)
        ]
        header = ["", *names, "mean"]
        lines = lay_out([header, *rows], "l" + "r" * (len(names) + 1))
        return "\n".join([f"{self.coefficient} of pairs", *lines])


def pairwise_agreement(
    ratings: ArrayLike,
    coefficient: str = "krippendorff_alpha",
    *,
    level: str = "nominal",
    weights: str | None = None,
    annotators: Sequence[Any] | None = None,
) -> PairwiseAgreement:
    """Compute a coefficient for every pair of annotators.

    Each pair is compared on the units that both rated; labels are ordered, and
    expectations computed, within the pair.

    Parameters
    ----------
    ratings : array-like of shape (n_annotators, n_units)
        What each annotator said about each unit; None and NaN are missing.
    coefficient : str, default="krippendorff_alpha"
        ``"krippendorff_alpha"``, ``"fleiss_kappa"`` (of two annotators: Scott's pi),
        ``"cohen_kappa"`` or ``"percent_agreement"``.
    level : {"nominal", "ordinal", "interval", "ratio"}, default="nominal"
        See `krippendorff_alpha`.
    weights : {None, "linear", "quadratic"}, default=None
        See `cohen_kappa`. Steps are counted over the labels of all annotators.
    annotators : sequence of length n_annotators, default=None
        Their names; by default numbers from 0.

    Returns
    -------
    table : PairwiseAgreement
        Values and units in common; printed as a table.

    Raises
    ------
    ValueError
        If a name is unknown, an option has no effect or lengths differ.

    Examples
    --------
    >>> from bead_sklearn.agreement import pairwise_agreement
    >>> print(pairwise_agreement(
    ...     [list("aabb"), list("aabb"), list("abab")], "cohen_kappa",
    ...     annotators=["ann", "bob", "cem"],
    ... ))
    cohen_kappa of pairs
            ann    bob    cem   mean
     ann         1.000  0.000  0.500
     bob  1.000         0.000  0.500
     cem  0.000  0.000         0.000
    """
    check_coefficient(coefficient, level, weights)
    codes, labels = read_ratings(ratings)
    names = tuple(range(len(codes)) if annotators is None else annotators)
    if len(names) != len(codes):
        raise ValueError(
            f"annotators must name {len(codes)} rows of ratings, got {len(names)}."
        )
    rated = (codes >= 0).astype(np.intp)
    if level in ("nominal", "ordinal") and len(labels) <= _MANY_LABELS:
        values = _by_tables(codes, len(labels), coefficient, level, weights)
    else:
        values = _one_by_one(codes, labels, coefficient, level, weights)
    np.fill_diagonal(values, np.nan)
    return PairwiseAgreement(names, values, rated @ rated.T, coefficient)


def _by_tables(
    codes: NDArray[np.intp],
    n_labels: int,
    coefficient: str,
    level: str,
    weights: str | None,
) -> Floats:
    """All pairs from their joint tables of labels: one product of indicators."""
    n, n_units = codes.shape
    rows, units = np.nonzero(codes >= 0)
    position = rows * n_labels + codes[rows, units]
    shape = (n * n_labels, n_units)
    indicators = sparse.csr_matrix((np.ones(len(rows)), (position, units)), shape=shape)
    values = np.empty((n, n))
    step = max(1, _BLOCK // max(1, n * n_labels**2))
    for start in range(0, n, step):
        stop = min(start + step, n)
        block = indicators[start * n_labels : stop * n_labels] @ indicators.T
        joint = block.toarray().reshape(stop - start, n_labels, n, n_labels)
        joint = joint.transpose(0, 2, 1, 3)
        values[start:stop] = (
            kappa_of_tables(joint, weights)
            if coefficient == "cohen_kappa"
            else _of_tables(joint, coefficient, level)
        )
    return values


def _of_tables(tables: Floats, coefficient: str, level: str) -> Floats:
    """Coefficients that pool the margins of both annotators."""
    same = np.trace(tables, axis1=-2, axis2=-1)
    rows, columns = tables.sum(axis=-1), tables.sum(axis=-2)
    margins = rows + columns
    n = margins.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        if coefficient == "percent_agreement":
            return np.asarray(2.0 * same / n)
        if coefficient == "fleiss_kappa":
            chance = np.square(margins / n[..., None]).sum(axis=-1)
            result = (2.0 * same / n - chance) / (1.0 - chance)
        elif level == "nominal":
            expected = np.square(n) - np.square(margins).sum(axis=-1)
            result = 1.0 - (n - 1.0) * (n - 2.0 * same) / expected
        else:
            ranks = np.cumsum(margins, axis=-1) - margins / 2.0
            squares = np.square(ranks)
            mixed = np.einsum("...j,...jk,...k->...", ranks, tables, ranks)
            observed = 2.0 * ((margins * squares).sum(axis=-1) - 2.0 * mixed)
            sums = (margins * ranks).sum(axis=-1)
            expected = 2.0 * (n * (margins * squares).sum(axis=-1) - np.square(sums))
            result = 1.0 - (n - 1.0) * observed / expected
    return np.where(np.count_nonzero(margins, axis=-1) > 1, result, np.nan)


def _one_by_one(
    codes: NDArray[np.intp],
    labels: list[Any],
    coefficient: str,
    level: str,
    weights: str | None,
) -> Floats:
    """Pair after pair, for numbers and long lists of labels."""
    n = len(codes)
    values = np.full((n, n), np.nan)
    for i in range(n):
        for j in range(i + 1, n):
            pair = codes[[i, j]][:, (codes[[i, j]] >= 0).all(axis=0)]
            if coefficient != "cohen_kappa":  # only its weights need all labels
                used, own = np.unique(pair, return_inverse=True)
                pair = own.reshape(pair.shape).astype(np.intp)
                names = [labels[code] for code in used]
            else:
                names = labels
            value = coefficient_of(pair, names, coefficient, level, weights)
            values[i, j] = values[j, i] = value(None)[0]
    return values
