"""Rows that say the same are one row that counts more often.

Judgments of few conditions, without a factor for the items, repeat each other: the
likelihood of all is that of the distinct ones with the sums of their weights.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bead_sklearn.families import Family, QuadraticFamily
from bead_sklearn.solvers._design import DenseBlock, Design

#: With fewer rows there is nothing to gain, with more columns the search is dear.
_FROM_ROWS, _UP_TO_COLUMNS = 1000, 32

#: Rows at which it is tried first, and the share of them up to which distinct ones
#: promise something.
_SAMPLE, _PROMISING = 1024, 0.5

#: Share of distinct rows up to which they are worth it.
_WORTH = 0.75


def merge_duplicates(
    design: Design, family: Family, y: np.ndarray, weights: np.ndarray
) -> tuple[Design, np.ndarray, np.ndarray]:
    """Return distinct rows, their responses and weights; or all if few repeat.

    Parameters
    ----------
    design : Design
        The linear predictor.
    family : Family
        Response distribution; one that is linear in the response takes the mean of
        those of equal rows.
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Encoded responses.
    weights : ndarray of shape (n_rows,)
        Number of times each row counts.
    """
    unchanged = design, y, weights
    if (
        design.n_rows < _FROM_ROWS
        or design.sets is not None
        or isinstance(family, QuadraticFamily)
        or any(factor.unspanned is not None for factor in design.factors)
    ):
        return unchanged
    columns = [*_dense_columns(design.fixed)]
    if design.ridge is not None:
        columns.extend(_dense_columns(design.ridge))
    for factor in design.factors:
        columns.extend(factor.z.T)
    if design.offset is not None:
        columns.extend(design.offset.reshape(design.n_rows, -1).T)
    takes_means = family.is_linear_in_response and y.ndim == 1
    if not takes_means:
        columns.extend(y.reshape(design.n_rows, -1).T)
    if len(columns) > _UP_TO_COLUMNS:
        return unchanged
    sample = np.s_[:: max(1, design.n_rows // _SAMPLE)]
    tried = _keys([column[sample] for column in columns])
    if len(np.unique(tried)) > _PROMISING * len(tried):
        return unchanged
    columns.extend(factor.codes for factor in design.factors)
    keys = _keys(columns)
    order = np.argsort(keys, kind="stable")
    is_new = np.ones(design.n_rows, dtype=bool)
    # Equal keys are of equal rows but for rounding; the rows decide.
    is_new[1:] = keys[order][1:] != keys[order][:-1]
    for column in columns:
        values = column[order]
        is_new[1:] |= values[1:] != values[:-1]
    if is_new.sum() > _WORTH * design.n_rows:
        return unchanged
    first = order[is_new]
    place = np.empty(len(first), dtype=np.intp)
    place[np.argsort(first)] = np.arange(len(first))
    group = np.empty(design.n_rows, dtype=np.intp)
    group[order] = place[np.cumsum(is_new) - 1]
    rows = np.sort(first)
    sums = np.bincount(group, weights)
    merged = replace(
        design.take(rows),
        fixed=_distinct(design.fixed, rows),
        ridge=None if design.ridge is None else _distinct(design.ridge, rows),
    )
    if not takes_means:
        return merged, y[rows], sums
    ones = np.bincount(group, weights * y)
    means = np.divide(ones, sums, out=y[rows].astype(np.float64), where=sums > 0)
    return merged, means, sums


def _dense_columns(block: DenseBlock) -> list[np.ndarray]:
    return [*block.values.T] if block.index is None else [block.index]


def _distinct(block: DenseBlock, rows: np.ndarray) -> DenseBlock:
    """Return the block at some rows, without the others."""
    return DenseBlock(block.values[rows]) if block.index is None else block.take(rows)


def _keys(columns: list[np.ndarray]) -> np.ndarray:
    """Sum up columns, each times a number of its own; equal rows have equal sums."""
    keys = np.zeros(len(columns[0]))
    for i, column in enumerate(columns):
        keys += column * np.sqrt(2.0 + i)
    return keys
