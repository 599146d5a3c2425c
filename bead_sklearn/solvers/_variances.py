"""Variances of the linear predictor, row by row."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from bead_sklearn.effects import RandomFactor, rows_by_level
from bead_sklearn.solvers._design import DenseBlock, Design
from bead_sklearn.solvers._small_blocks import SMALL

#: Rows handled at once where a product needs (rows x columns) scratch memory.
_CHUNK_ELEMENTS = 4_000_000

#: Number of effects per level from which products level by level are faster, and need
#: far less memory, than those of all rows with the matrices of their levels.
_BY_LEVEL_FROM = 24


class Covariances(NamedTuple):
    """Covariance of all effects, without that between levels of the first factor.

    Attributes
    ----------
    own : ndarray of shape (q, r, r)
        Of the effects of each level of the eliminated factor.
    cross : ndarray of shape (q, r, m)
        Between these and the rest.
    rest : ndarray of shape (m, m)
        Of the rest: other factors, ridge, fixed part.
    """

    own: np.ndarray
    cross: np.ndarray
    rest: np.ndarray

    @property
    def side(self) -> int:
        """Side of the largest dense matrix."""
        return len(self.rest)

    def scaled(self, variance: float) -> Self:
        """Return the covariances times ``variance``."""
        return type(self)(*(variance * part for part in self))

    def predictor_variances(self, design: Design) -> np.ndarray:
        """Return Var(eta_i) of the rows of a design; see `predictor_variances`."""
        return predictor_variances(design, self)

    def level_blocks(self, start: int, n_levels: int, size: int) -> np.ndarray:
        """Return the diagonal blocks of a factor of the rest; see `level_blocks`."""
        return level_blocks(self.rest, start, n_levels, size)

    def fixed_block(self, n_fixed: int) -> np.ndarray:
        """Return the covariance of the last ``n_fixed`` columns of the rest."""
        return self.rest[len(self.rest) - n_fixed :, len(self.rest) - n_fixed :]


def predictor_covariances(
    left: Design, right: Design, covariances: Covariances
) -> np.ndarray:
    """Return Cov(eta_i, eta_i') for pairs of rows of the same linear predictor.

    Parameters
    ----------
    left, right : Design
        First and second row of each pair.
    covariances : Covariances
        Covariance of the effects, with or without the fixed part.

    Returns
    -------
    values : ndarray of shape (n_pairs,)
        Covariances.
    """
    m = len(covariances.rest)
    left_parts, right_parts = present_parts(left, m), present_parts(right, m)
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
    values[known] += _own_bilinear(z, codes, covariances.own, other_z)
    for parts, covariates in ((right_parts, z), (left_parts, other_z)):
        for part, columns in parts:
            cross = covariances.cross[:, :, columns]
            values[known] += level_bilinear(covariates, codes, cross, part, known)
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
    return np.maximum(quadratic_forms(design, covariances), 0.0)


def output_covariances(design: Design, covariances: Covariances) -> np.ndarray:
    """Return the covariance of the outputs of each row, (n_rows, J, J).

    Parameters
    ----------
    design : Design
        Rows, with J outputs.
    covariances : Covariances
        Covariance of the effects on all outputs.
    """
    single, n_outputs = design.per_output(), design.n_outputs
    result = np.empty((design.n_rows, n_outputs, n_outputs))
    for j in range(n_outputs):
        for k in range(j, n_outputs):
            block = _output_block(covariances, j, k, n_outputs)
            values = quadratic_forms(single, block)
            result[:, j, k] = result[:, k, j] = values
    return result


def output_variances(design: Design, covariances: Covariances) -> np.ndarray:
    """Return the variance of each output of each row, (n_rows, J)."""
    single, n_outputs = design.per_output(), design.n_outputs
    blocks = (_output_block(covariances, j, j, n_outputs) for j in range(n_outputs))
    return np.stack([predictor_variances(single, block) for block in blocks], axis=1)


def _output_block(
    covariances: Covariances, j: int, k: int, n_outputs: int
) -> Covariances:
    """Covariance of the effects on output j with those on output k, symmetrised."""
    at_j, at_k = slice(j, None, n_outputs), slice(k, None, n_outputs)
    own, cross, rest = covariances
    own_jk, rest_jk = own[:, at_j, at_k], rest[at_j, at_k]
    return Covariances(
        0.5 * (own_jk + own_jk.transpose(0, 2, 1)),
        0.5 * (cross[:, at_j, at_k] + cross[:, at_k, at_j]),
        0.5 * (rest_jk + rest_jk.T),
    )


def quadratic_forms(design: Design, covariances: Covariances) -> np.ndarray:
    """Return g'Vg of each row for a symmetric V."""
    parts = present_parts(design, len(covariances.rest))
    variances = rest_variances(design, covariances.rest)
    first = design.eliminated
    if first is None:
        return variances
    variances += own_variances(first, covariances.own)
    known = np.flatnonzero(first.codes >= 0)
    codes, z = first.codes[known], first.z[known]
    for part, part_slice in parts:
        cross = covariances.cross[:, :, part_slice]
        variances[known] += 2.0 * level_bilinear(z, codes, cross, part, known)
    return variances


def rest_variances(design: Design, rest: np.ndarray) -> np.ndarray:
    """Return the part t'Vt of the variances, from the covariance of the rest."""
    parts = present_parts(design, len(rest))
    variances = np.zeros(design.n_rows)
    for i, (left, left_slice) in enumerate(parts):
        for right, right_slice in parts[i:]:
            times = 1.0 if left is right else 2.0
            block = rest[left_slice, right_slice]
            variances += times * _bilinear(left, right, block)
    return variances


def own_variances(first: RandomFactor, own: np.ndarray) -> np.ndarray:
    """Return the part z'Sz of the variances, from the blocks of the first factor."""
    if first.size >= _BY_LEVEL_FROM:
        products = np.zeros(len(first.z))
        for level, rows in rows_by_level(first.codes):
            z = first.z[rows]
            products[rows] = np.einsum("ia,ia->i", z @ own[level], z)
    elif first.size > SMALL:
        products = np.einsum("ia,iab,ib->i", first.z, own[first.codes], first.z)
    else:
        products = np.zeros(len(first.z))
        for a in range(first.size):
            for b in range(a + 1):
                entries = own[:, a, b] + own[:, b, a] if b < a else own[:, a, a]
                products += entries[first.codes] * first.z[:, a] * first.z[:, b]
    return np.where(first.codes >= 0, products, 0.0)


def _own_bilinear(
    left: np.ndarray, codes: np.ndarray, own: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Row i of left times the matrix of its level times row i of right."""
    if left.shape[1] < _BY_LEVEL_FROM:
        return np.einsum("ia,iab,ib->i", left, own[codes], right)
    result = np.empty(len(codes))
    for level, rows in rows_by_level(codes):
        products = left[rows] @ own[level]
        result[rows] = np.einsum("ia,ia->i", products, right[rows])
    return result


def level_blocks(rest: np.ndarray, start: int, n_levels: int, size: int) -> np.ndarray:
    """Return the diagonal blocks of a factor's columns, (n_levels, size, size)."""
    stop = start + n_levels * size
    blocks = rest[start:stop, start:stop].reshape(n_levels, size, n_levels, size)
    levels = np.arange(n_levels)
    return blocks[levels, :, levels, :]


_Part = RandomFactor | DenseBlock

#: Cells of the table of all dot products, per dot product wanted, up to which the
#: whole table is the faster way to them.
_TABLE_UP_TO = 12


def present_parts(design: Design, m: int) -> list[tuple[_Part, slice]]:
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
        result[known] = level_bilinear(
            left.z[known], left.codes[known], table, right, known
        )
        return result
    assert isinstance(right, DenseBlock)  # factors come first
    product = left.values @ block
    if left.index is None and right.index is None:
        return np.einsum("ij,ij->i", product, right.values)
    if left is right:
        return np.einsum("ij,ij->i", product, left.values)[left.index]
    return _paired_dots(product, left.index, right.values, right.index)


def level_bilinear(
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
    if z.shape[1] >= _BY_LEVEL_FROM:
        for level, own in rows_by_level(codes):
            products = z[own] @ table[level]
            total[own] = np.einsum("im,im->i", products, part.values[index[own]])
        return total
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
    if len(left) * len(right) <= _TABLE_UP_TO * n:
        table = left @ right.T
        return np.asarray(table[left_index, right_index])
    result = np.empty(n)
    step = max(1, _CHUNK_ELEMENTS // max(1, left.shape[1]))
    for start in range(0, n, step):
        rows = slice(start, start + step)
        result[rows] = np.einsum(
            "ij,ij->i", left[left_index[rows]], right[right_index[rows]]
        )
    return result
