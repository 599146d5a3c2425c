"""A_ff, the sparse block of the Schur complement, as an operator.

With the first factor eliminated, A = Lambda' (S - C' L D^-1 L' C) Lambda + penalty
remains over the rest: sparse columns f (effects of large factors) and dense columns c
(small factors, ridge, fixed part). A_ff is only ever multiplied with vectors, through
sparse products, in the coordinates of R: the Cholesky factor of its diagonal blocks.
Where the rest has several large factors, their products with each other are triangular
blocks U beside the identity, so that A_ff is near R U U' R'.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.linalg import block_diag

from bead_sklearn.solvers._block_diagonal import BlockDiagonal
from bead_sklearn.solvers._eliminated import (
    EliminatedBlocks,
    times_entries,
    times_table,
)
from bead_sklearn.solvers._entries import Entries, PlainQuadratic
from bead_sklearn.solvers._scales import Scales
from bead_sklearn.solvers._sparse_crossproducts import (
    SparseCrossproducts,
    SparseProducts,
)

#: Products of two factors of the rest through the eliminated one are part of the
#: preconditioner up to this many per judgment-sharing pair.
_CHEAP_FILL = 4

#: The trace of a product with U is computed exactly up to this many operations per
#: entry of the pattern.
_CHEAP_TRACE = 500

#: The same for the inverse of R U U' R'.
_CHEAP_INVERSE = 50


class SparseBlock:
    """A_ff in the coordinates of R, and its coupling with c.

    Parameters
    ----------
    crossproducts : SparseCrossproducts
        Of the design.
    products : SparseProducts
        The cross-products under the row weights.
    scales : Scales
        Prior scales.

    Attributes
    ----------
    own : EliminatedBlocks
        D.
    to_standard : BlockDiagonal
        R^-T.
    to_effects : BlockDiagonal
        Lambda R^-T.
    log_det : float
        log|R R'|.
    cross : ndarray of shape (r, n_entries)
        D^-1/2 L' C Lambda R^-T, in the order of the pattern.
    beside : ndarray of shape (m_f, m_c)
        R^-1 A_fc.
    dense : ndarray of shape (m_c, m_c)
        A_cc.
    trace : float or None
        tr (R U)^-1 A_ff (R U)^-T, unless it would cost too much.
    """

    def __init__(
        self,
        crossproducts: SparseCrossproducts,
        products: SparseProducts,
        scales: Scales,
    ) -> None:
        self.pattern = pattern = crossproducts.pattern
        self.own = EliminatedBlocks(products.own, scales.first)
        half = times_entries(self.own.root, pattern.levels, products.cross)
        lambdas = [
            np.broadcast_to(scale, own.shape)
            for scale, own in zip(scales.factors[1:], products.blocks, strict=False)
        ]
        half = self._times_columns(half, lambdas)
        kept = [
            scale.transpose(0, 2, 1) @ own @ scale + np.eye(own.shape[1])
            for scale, own in zip(lambdas, products.blocks, strict=True)
        ]
        between = _sandwich(products.between, lambdas)
        coupling = self._find_coupling(between, half)
        lower = self._find_pivots(kept, half, coupling)
        inverse = [np.linalg.inv(block).transpose(0, 2, 1) for block in lower]
        self.cross = self._times_columns(half, inverse)
        self._matrix = pattern.matrix(self.cross)
        self._between = _sandwich(between, inverse)
        self._coupling = _sandwich(coupling, inverse)
        self._diagonal = BlockDiagonal(
            [
                block.transpose(0, 2, 1) @ own @ block
                for block, own in zip(inverse, kept, strict=True)
            ]
        )
        self.to_standard = BlockDiagonal(inverse)
        self.from_standard = BlockDiagonal([b.transpose(0, 2, 1) for b in lower])
        self.to_effects = BlockDiagonal(
            [scale @ block for scale, block in zip(lambdas, inverse, strict=True)]
        )
        self._find_dense(crossproducts, products, scales)

    def _times_columns(self, data: np.ndarray, blocks: list[np.ndarray]) -> np.ndarray:
        """Multiply entries (r, n) by a block diagonal matrix on the right."""
        pattern = self.pattern
        if all(factor.size == 1 for factor in pattern.others):
            scale = np.concatenate([block.ravel() for block in blocks])
            return data * scale[pattern.columns]
        result = np.empty_like(data)
        for pairs, position, block in zip(
            pattern.pairs, pattern.positions, blocks, strict=True
        ):
            result[:, position] = np.einsum(
                "apb,pbc->apc", data[:, position], block[pairs.right_levels]
            )
        return result

    def _find_coupling(self, between: _Between, half: np.ndarray) -> _Between:
        """Blocks of A_ff beside the diagonal, exact where they are cheap."""
        if not between:
            return {}
        pattern, slices = self.pattern, self.slices
        matrix = pattern.matrix(half).tocsc()
        n_levels = pattern.first.n_levels
        counts = [
            np.bincount(pairs.left_levels, minlength=n_levels).astype(np.float64)
            for pairs in pattern.pairs
        ]
        coupling = {}
        for (k, j), block in between.items():
            coupling[k, j] = block
            if counts[k] @ counts[j] <= _CHEAP_FILL * (block.nnz + n_levels):
                through = matrix[:, slices[k]].T @ matrix[:, slices[j]]
                coupling[k, j] = sparse.csr_array(block - through)
        return coupling

    def _find_pivots(
        self, kept: list[np.ndarray], half: np.ndarray, coupling: _Between
    ) -> list[np.ndarray]:
        """Return R by factor and set its log-determinant."""
        pattern = self.pattern
        lower: list[np.ndarray] = []
        self.log_det = 0.0
        for j, factor in enumerate(pattern.others):
            position, pairs = pattern.positions[j], pattern.pairs[j]
            pivots = kept[j].copy()
            for b, c in np.ndindex(pivots.shape[1:]):
                entries = half[:, position[:, b]] * half[:, position[:, c]]
                pivots[:, b, c] -= np.bincount(
                    pairs.right_levels,
                    weights=entries.sum(axis=0),
                    minlength=factor.n_levels,
                )
            for k in range(j):
                solved = _block_matrix(np.linalg.inv(lower[k])) @ coupling[k, j]
                pivots -= _column_grams(solved, factor.size)
            lower.append(_cholesky(pivots) if j == 0 else _cholesky(_at_least(pivots)))
            diagonal = np.diagonal(lower[-1], axis1=1, axis2=2)
            self.log_det += 2.0 * float(np.log(diagonal).sum())
        return lower

    def _find_dense(
        self,
        crossproducts: SparseCrossproducts,
        products: SparseProducts,
        scales: Scales,
    ) -> None:
        """Set A_cc and R^-1 A_fc."""
        pattern = self.pattern
        m = products.dense.shape[0]
        scale = _dense_scale(crossproducts, scales)[:, :m]
        half = times_table(self.own.root, products.cross_dense)
        half = _times(pattern.rows(half), scale)
        penalty = scales.penalty[pattern.n_columns : pattern.n_columns + m]
        self.dense = _times(_times(products.dense, scale).T, scale) - half.T @ half
        self.dense[np.diag_indices(m)] += penalty
        self.beside = self.to_effects.T @ _times(products.sparse_dense, scale)
        self.beside -= self._matrix.T @ half

    @property
    def size(self) -> int:
        """Number of sparse columns, m_f."""
        return self.pattern.n_columns

    @cached_property
    def slices(self) -> list[slice]:
        """Columns of each large factor of the rest."""
        ends = np.cumsum([factor.n_effects for factor in self.pattern.others])
        sizes = [factor.n_effects for factor in self.pattern.others]
        return [slice(int(e - s), int(e)) for e, s in zip(ends, sizes, strict=True)]

    @cached_property
    def trace(self) -> float | None:
        """Trace of (R U)^-1 A_ff (R U)^-T, unless it would cost too much."""
        if not self._coupling:
            # The diagonal blocks of R^-1 A_ff R^-T are the identity.
            return float(self.size)
        columns = self._inverse_upper
        if _n_operations(self._matrix, columns) > _CHEAP_TRACE * self._matrix.nnz:
            return None
        rows = [
            [self._symmetric_between(k, j) for j in range(len(self.slices))]
            for k in range(len(self.slices))
        ]
        kept = sparse.block_array(rows, format="csr")
        through = self._matrix @ columns
        inner = columns.multiply(kept @ columns).sum()
        return float(inner - (through.data**2).sum())

    @cached_property
    def quadratic(self) -> PlainQuadratic:
        """Squared lengths of R^-1 g, or (R U)^-1 g where that is cheap."""
        r, pattern = len(self.cross), self.pattern
        shape = pattern.first.n_levels, self.size
        starts, columns, entries = pattern.starts, pattern.columns, self.cross
        half, inner = self._matrix, None
        if self._coupling:
            upper = self._inverse_upper
            cost = _n_operations(half, upper)
            if cost <= _CHEAP_INVERSE * half.nnz:
                through = half @ upper
                cost = _n_operations(through, upper.T.tocsr())
            if cost <= _CHEAP_INVERSE * half.nnz:
                half = through
                inner = Entries.from_matrix(upper @ upper.T, 1)
                found = Entries.from_matrix(half @ upper.T, r)
                starts, columns, entries = found.starts, found.columns, found.data
        return PlainQuadratic(
            cross=Entries(starts, columns, entries, shape[1]),
            inner=inner,
            grams=_row_grams(half, r),
        )

    def plain(self, x: np.ndarray) -> np.ndarray:
        """Multiply by U^-T where :attr:`quadratic` is that of R U."""
        return self.upper_solve(x) if self.is_quadratic_complete else x

    @property
    def is_quadratic_complete(self) -> bool:
        """Whether :attr:`quadratic` is that of R U."""
        return not self._coupling or self.quadratic.inner is not None

    def _symmetric_between(self, k: int, j: int) -> sparse.csr_array | None:
        if k == j:
            return _block_matrix(self._diagonal.blocks[k])
        return self._between[k, j] if k < j else self._between[j, k].T

    @cached_property
    def _inverse_upper(self) -> sparse.csr_array:
        """U^-T as a sparse matrix."""
        n_parts = len(self.slices)
        sizes = [part.stop - part.start for part in self.slices]
        rows: list[list[sparse.csr_array | None]] = [[None] * n_parts for _ in sizes]
        for k in reversed(range(n_parts)):
            rows[k][k] = sparse.eye_array(sizes[k], format="csr")
            for j in range(k + 1, n_parts):
                between = range(k + 1, j + 1)
                rows[k][j] = -sum(self._coupling[k, i] @ rows[i][j] for i in between)
        return sparse.block_array(rows, format="csr")

    def without_mean(self, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return two vectors of effects whose products average to zero.

        Within levels, that is: their mean is the part of A^-1 that is linear in the
        elements of A beside the diagonal blocks. Zero where U is not the identity.
        """
        effects = self.to_effects @ signs
        if self._coupling:
            return np.zeros_like(signs), effects
        return effects - self.to_effects @ self.multiply(signs), effects

    def multiply(self, x: np.ndarray) -> np.ndarray:
        """Multiply by R^-1 A_ff R^-T."""
        result = self._diagonal @ x
        result -= self._matrix.T @ (self._matrix @ x)
        for (k, j), between in self._between.items():
            left, right = self.slices[k], self.slices[j]
            result[left] += between @ x[right]
            result[right] += between.T @ x[left]
        return result

    def upper_multiply(self, x: np.ndarray) -> np.ndarray:
        """Multiply by U'."""
        result = x.copy()
        for (k, j), block in self._coupling.items():
            result[self.slices[k]] += block @ x[self.slices[j]]
        return result

    def lower_solve(self, x: np.ndarray) -> np.ndarray:
        """Multiply by U^-1."""
        if not self._coupling:
            return x
        result = x.copy()
        for k, j in sorted(self._coupling, key=lambda pair: pair[1]):
            update = self._coupling[k, j].T @ result[self.slices[k]]
            result[self.slices[j]] -= update
        return result

    def upper_solve(self, x: np.ndarray) -> np.ndarray:
        """Multiply by U^-T."""
        if not self._coupling:
            return x
        result = x.copy()
        for k, j in sorted(self._coupling, key=lambda pair: -pair[0]):
            update = self._coupling[k, j] @ result[self.slices[j]]
            result[self.slices[k]] -= update
        return result


_Between = dict[tuple[int, int], sparse.csr_array]


def _n_operations(left: sparse.csr_array, right: sparse.csr_array) -> float:
    """Count the multiplications in a product of sparse matrices."""
    return float(np.diff(right.indptr)[left.indices].sum())


def _row_grams(matrix: sparse.csr_array, r: int) -> np.ndarray:
    """Products of the rows of each level, (q, r, r), of rows ordered by effect."""
    q = matrix.shape[0] // r
    rows = [matrix[start * q : (start + 1) * q] for start in range(r)]
    result = np.empty((q, r, r))
    for a, b in np.ndindex(r, r):
        result[:, a, b] = rows[a].multiply(rows[b]).sum(axis=1)
    return result


def _sandwich(between: _Between, blocks: list[np.ndarray]) -> _Between:
    """Multiply by block diagonal matrices on the right, and their transposes left."""
    matrices = [_block_matrix(block) for block in blocks] if between else []
    return {
        (k, j): sparse.csr_array(matrices[k].T @ block @ matrices[j])
        for (k, j), block in between.items()
    }


def _column_grams(matrix: sparse.csr_array, size: int) -> np.ndarray:
    """Products of the columns of each level, (q, size, size)."""
    columns = [matrix[:, start::size] for start in range(size)]
    result = np.empty((columns[0].shape[1], size, size))
    for b, c in np.ndindex(size, size):
        result[:, b, c] = columns[b].multiply(columns[c]).sum(axis=0)
    return result


def _at_least(blocks: np.ndarray) -> np.ndarray:
    """Raise eigenvalues below 1, the least that a true pivot has, to 1."""
    if blocks.shape[1] == 1:
        return np.maximum(blocks, 1.0)
    values, vectors = np.linalg.eigh(blocks)
    raised: np.ndarray = (
        vectors * np.maximum(values, 1.0)[:, None]
    ) @ vectors.transpose(0, 2, 1)
    return raised


def _cholesky(blocks: np.ndarray) -> np.ndarray:
    if blocks.shape[1] > 1:
        return np.linalg.cholesky(blocks)
    if (blocks <= 0).any():
        raise np.linalg.LinAlgError("H is indefinite")
    return np.sqrt(blocks)


def _block_matrix(blocks: np.ndarray) -> sparse.csr_array:
    """Return blocks (q, r, r) as a sparse matrix."""
    q, r, _ = blocks.shape
    index = np.arange(q)
    return sparse.bsr_array(
        (blocks, index, np.arange(q + 1)), shape=(q * r, q * r)
    ).tocsr()


def _dense_scale(crossproducts: SparseCrossproducts, scales: Scales) -> np.ndarray:
    """Lambda of the dense columns, its diagonal (1, m) if it has no more."""
    design = crossproducts.design
    small = design.rest_factors[len(crossproducts.large) :]
    blocks = [
        np.kron(np.eye(factor.n_levels), scale)
        for factor, scale in zip(
            small, scales.factors[1 + len(crossproducts.large) :], strict=True
        )
    ]
    if design.ridge is not None:
        blocks.append(scales.ridge * np.eye(design.ridge.n_columns))
    blocks.append(np.eye(design.n_fixed))
    matrix = block_diag(*blocks)
    if all(factor.size == 1 for factor in small):
        return np.diagonal(matrix)[None, :]
    return matrix


def _times(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Multiply columns by what `_dense_scale` returned."""
    return x * scale if len(scale) == 1 else x @ scale[: x.shape[1]]
