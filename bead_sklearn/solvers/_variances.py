"""Variances of the linear predictor, row by row."""

from __future__ import annotations

import numpy as np

from bead_sklearn.effects import RandomFactor
from bead_sklearn.solvers._design import DenseBlock, Design
from bead_sklearn.solvers._factorization import Covariances

#: Rows handled at once where a product needs (rows x columns) scratch memory.
_CHUNK_ELEMENTS = 4_000_000


def predictor_covariances(
    left: Design, right: Design | None, covariances: Covariances
) -> np.ndarray:
    """Return Cov(eta_i, eta_i') for pairs of rows of the same linear predictor.

    Parameters
    ----------
    left, right : Design
        First and second row of each pair; None is the same rows as ``left``.
    covariances : Covariances
        Covariance of the effects, with or without the fixed part. Its blocks may be
        any symmetric matrices.

    Returns
    -------
    values : ndarray of shape (n_pairs,)
        Covariances.
    """
    if right is None:
        return _quadratic_forms(left, covariances)
    m = len(covariances.rest)
    left_parts, right_parts = _present_parts(left, m), _present_parts(right, m)
    values = np.zeros(left.n_rows)
    for part, rows in left_parts:
        for other, columns in right_parts:
            block = covariances.rest[rows, columns]
            values += (
                _bilinear(other, part, block.T)
                if isinstance(other, RandomFactor)
                else _bilinear(part, other, block)
            )
    first, second = left.eliminated, right.eliminated
    if first is None or second is None:
        return values
    known = np.flatnonzero((first.codes >= 0) & (second.codes >= 0))
    codes, z, other_z = first.codes[known], first.z[known], second.z[known]
    own = covariances.own[codes]
    values[known] += np.einsum("ia,iab,ib->i", z, own, other_z, optimize=True)
    for parts, covariates in ((right_parts, z), (left_parts, other_z)):
        for part, columns in parts:
            cross = covariances.cross[:, :, columns]
            values[known] += _level_bilinear(covariates, codes, cross, part, known)
    return values


def predictor_variances(design: Design, covariances: Covariances) -> np.ndarray:
    """Return Var(eta_i) from the covariance of all effects.

    Parameters
    ----------
    design : Design
        Rows to predict; unknown levels (code -1) contribute nothing here.
    covariances : Covariances
        Covariance of the effects, with or without the fixed part.

    Returns
    -------
    variances : ndarray of shape (n_rows,)
        t'Vt + z'Sz + 2 z'Ct for a row with covariates z of its level of the first
        factor and t of the rest.
    """
    return np.maximum(_quadratic_forms(design, covariances), 0.0)


def _quadratic_forms(design: Design, covariances: Covariances) -> np.ndarray:
    """Row by row g'Vg for a symmetric V."""
    parts = _present_parts(design, len(covariances.rest))
    variances = np.zeros(design.n_rows)
    for i, (left, left_slice) in enumerate(parts):
        for right, right_slice in parts[i:]:
            block = covariances.rest[left_slice, right_slice]
            times = 1.0 if left is right else 2.0
            variances += times * _bilinear(left, right, block)
    first = design.eliminated
    if first is None:
        return variances
    known = np.flatnonzero(first.codes >= 0)
    codes, z = first.codes[known], first.z[known]
    if z.shape[1] == 1:
        variances[known] += z[:, 0] ** 2 * covariances.own[:, 0, 0][codes]
    else:
        own = covariances.own[codes]
        variances[known] += np.einsum("ia,iab,ib->i", z, own, z, optimize=True)
    for part, part_slice in parts:
        cross = covariances.cross[:, :, part_slice]
        variances[known] += 2.0 * _level_bilinear(z, codes, cross, part, known)
    return variances


_Part = RandomFactor | DenseBlock


def _present_parts(design: Design, m: int) -> list[tuple[_Part, slice]]:
    parts: list[tuple[_Part, slice]] = []
    *factor_slices, ridge, fixed = design.rest_slices
    parts += zip(design.rest_factors, factor_slices, strict=True)
    if design.ridge is not None:
        parts.append((design.ridge, ridge))
    if m > fixed.start and design.fixed.n_columns:
        parts.append((design.fixed, fixed))
    return parts


def _bilinear(left: _Part, right: _Part, block: np.ndarray) -> np.ndarray:
    """Row i of left times block times row i of right."""
    if isinstance(left, RandomFactor):
        table = block.reshape(left.n_levels, left.size, -1)
        rows = np.arange(len(left.z))
        known = rows[left.codes >= 0]
        result = np.zeros(len(rows))
        result[known] = _level_bilinear(
            left.z[known], left.codes[known], table, right, known
        )
        return result
    if isinstance(right, RandomFactor):  # pragma: no cover - factors come first
        raise AssertionError("factors come before dense blocks")
    product = left.values @ block
    if left.index is None and right.index is None:
        return np.einsum("ij,ij->i", product, right.values)
    if left is right:
        return np.einsum("ij,ij->i", product, left.values)[left.index]
    return _paired_dots(product, left.index, right.values, right.index)


def _level_bilinear(
    z: np.ndarray, codes: np.ndarray, table: np.ndarray, part: _Part, rows: np.ndarray
) -> np.ndarray:
    """z_i' table[code_i] (row of part), for the given rows of the part."""
    if isinstance(part, RandomFactor):
        part_codes = part.codes[rows]
        cells = table.reshape(table.shape[0], table.shape[1], part.n_levels, part.size)
        values = cells[codes, :, np.maximum(part_codes, 0), :]
        dots = np.einsum("ia,iab,ib->i", z, values, part.z[rows])
        return np.where(part_codes >= 0, dots, 0.0)
    index = rows if part.index is None else part.index[rows]
    total = np.zeros(len(rows))
    for effect in range(z.shape[1]):
        dots = _paired_dots(table[:, effect], codes, part.values, index)
        total += z[:, effect] * dots
    return total


def _paired_dots(
    left: np.ndarray,
    left_index: np.ndarray | None,
    right: np.ndarray,
    right_index: np.ndarray | None,
) -> np.ndarray:
    """Dot products of indexed rows, in chunks."""
    n = len(left_index) if left_index is not None else len(right_index)  # type: ignore[arg-type]
    left_index = np.arange(n) if left_index is None else left_index
    right_index = np.arange(n) if right_index is None else right_index
    result = np.empty(n)
    step = max(1, _CHUNK_ELEMENTS // max(1, left.shape[1]))
    for start in range(0, n, step):
        rows = slice(start, start + step)
        result[rows] = np.einsum(
            "ij,ij->i", left[left_index[rows]], right[right_index[rows]]
        )
    return result
