"""The Schur complement as an operator, near the identity after preconditioning.

With the first factor eliminated, A = Lambda' (S - C' L D^-1 L' C) Lambda + penalty
remains over the rest: sparse columns f (effects of large factors) and dense columns c
(small factors, ridge, fixed part). It is only ever multiplied with vectors, through
sparse products. The preconditioner is P = K K' with

    K = [[R U, 0], [A_cf (R U)^-T, R_c]],

R the Cholesky factor of the diagonal blocks of A_ff, U unit triangular blocks that
carry the products of one large factor of the rest with another, and R_c the Cholesky
factor of A_cc - A_cf (R U U'R')^-1 A_fc. For two crossed factors this is symmetric
successive over-relaxation, which Kuendig & Sigrist (2025, arXiv:2505.09552) recommend,
with the diagonal of the exact complement. In the coordinates of K,

    K^-1 A K^-T = I - J E J',   J = [I; -G],   G = R_c^-1 A_cf (R U)^-T,

E = I - (R U)^-1 A_ff (R U)^-T, so that only what the sparse block lacks is iterated.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import linalg

from bead_sklearn.solvers._sparse_block import SparseBlock

#: By how much the diagonal blocks are enlarged, one after the other, until the
#: preconditioner of the dense columns is positive definite.
_INFLATIONS = (1.0, 1.25, 2.0, 4.0, 8.0)

#: Steps and width of the search for directions, how many of them are kept, and how far
#: from 0 the logarithm of M must be in a direction that is.
_SEARCH_STEPS = 6
_SEARCH_WIDTH = 8
_MOST_DIRECTIONS = 16
_FAR = 0.35


class Preconditioned:
    """M = K^-1 A K^-T over the sparse and some of the dense columns.

    Some directions in which A is far from P are put right: M has S M S in its place
    with S the inverse root of M within their span and the identity outside.

    Parameters
    ----------
    block : SparseBlock
        A_ff and its coupling.
    n_dense : int
        Number of dense columns that belong to A.
    directions : ndarray of shape (m_f, k)
        Sparse parts of the directions, standardised.

    Attributes
    ----------
    log_det : float
        log|P|.
    size : int
        Number of columns.
    """

    def __init__(
        self, block: SparseBlock, n_dense: int, directions: np.ndarray
    ) -> None:
        self.block = block
        self.size = block.size + n_dense
        self._n_sparse = block.size
        self._find_dense(n_dense)
        self._find_directions(directions)

    def _find_dense(self, n_dense: int) -> None:
        block = self.block
        beside = block.lower_solve(block.beside[:, :n_dense])
        gram = beside.T @ beside
        for inflation in _INFLATIONS:
            try:
                lower = linalg.cholesky(
                    block.dense[:n_dense, :n_dense] - gram / inflation,
                    lower=True,
                    check_finite=False,
                )
                break
            except np.linalg.LinAlgError:
                if inflation == _INFLATIONS[-1]:
                    raise
        self._inflation = inflation
        self._beside = beside / np.sqrt(inflation)
        self._lower = lower
        self._coupling = linalg.solve_triangular(
            lower, self._beside.T, lower=True, check_finite=False
        ).T
        self.log_det = (
            block.log_det
            + self._n_sparse * np.log(inflation)
            + 2.0 * float(np.log(np.diagonal(lower)).sum())
        )

    @cached_property
    def trace(self) -> float | None:
        """Trace of M, where it can be had without estimation."""
        if self.block.trace is None:
            return None
        through = np.einsum("ij,ij->", self._coupling, self._lack(self._coupling))
        n_dense = self.size - self._n_sparse
        trace = n_dense + self.block.trace / self._inflation - float(through)
        # V'MV is the identity.
        return trace + float((1.0 - (1.0 + self._shift) ** -2.0).sum())

    def _lack(self, x: np.ndarray) -> np.ndarray:
        """Multiply by E."""
        block = self.block
        image = block.lower_solve(block.multiply(block.upper_solve(x)))
        image *= -1.0 / self._inflation
        image += x
        return image

    def _multiply(self, x: np.ndarray) -> np.ndarray:
        """Multiply by K^-1 A K^-T."""
        n = self._n_sparse
        if n == self.size:
            return x - self._lack(x)
        lack = self._lack(x[:n] - self._coupling @ x[n:])
        result = np.empty_like(x)
        np.subtract(x[:n], lack, out=result[:n])
        np.add(x[n:], self._coupling.T @ lack, out=result[n:])
        return result

    def _find_directions(self, directions: np.ndarray) -> None:
        """Set the span V in which M is put right, and S."""
        block = self.block
        # The range of E is that of J.
        sparse_part = block.upper_multiply(block.from_standard @ directions)
        span = np.vstack([sparse_part, -self._coupling.T @ sparse_part])
        basis, triangle = np.linalg.qr(span)
        diagonal = np.abs(np.diagonal(triangle))
        basis = basis[:, diagonal > 1e-8 * diagonal.max(initial=0.0)]
        values, rotation = np.linalg.eigh(basis.T @ self._multiply(basis))
        if (values <= 0).any():
            raise np.linalg.LinAlgError("H is indefinite")
        self._span = basis @ rotation
        self._shift = 1.0 / np.sqrt(values) - 1.0
        self.log_det += float(np.log(values).sum())

    def _put_right(self, x: np.ndarray) -> np.ndarray:
        """Multiply by S."""
        if not len(self._shift):
            return x
        return x + self._span @ (self._shift[:, None] * (self._span.T @ x))

    def multiply(self, x: np.ndarray) -> np.ndarray:
        """Multiply by M."""
        return self._put_right(self._multiply(self._put_right(x)))

    def shifts(self) -> tuple[np.ndarray, np.ndarray]:
        """Return vectors d and weights c: P^-1 is (K K')^-1 plus the sum of c d d'."""
        return self._to_standard(self._span), (1.0 + self._shift) ** 2 - 1.0

    def from_right(self, x: np.ndarray) -> np.ndarray:
        """Multiply by S K^-1, which turns a right-hand side of A into one of M."""
        block, n = self.block, self._n_sparse
        result = np.empty_like(x)
        sparse_part = block.lower_solve(block.to_standard.T @ x[:n])
        result[:n] = sparse_part / np.sqrt(self._inflation)
        result[n:] = linalg.solve_triangular(
            self._lower,
            x[n:] - self._beside.T @ result[:n],
            lower=True,
            check_finite=False,
        )
        return self._put_right(result)

    def to_standard(self, x: np.ndarray) -> np.ndarray:
        """Multiply by K^-T S, which turns a solution of M into one of A."""
        return self._to_standard(self._put_right(x))

    def _to_standard(self, x: np.ndarray) -> np.ndarray:
        """Multiply by K^-T."""
        block, n = self.block, self._n_sparse
        result = np.empty_like(x)
        result[n:] = linalg.solve_triangular(
            self._lower, x[n:], lower=True, trans="T", check_finite=False
        )
        sparse_part = block.upper_solve(x[:n] - self._beside @ result[n:])
        result[:n] = block.to_standard @ sparse_part
        result[:n] /= np.sqrt(self._inflation)
        return result


def far_directions(system: Preconditioned, seed: int) -> np.ndarray:
    """Return directions in which M is farthest from the identity.

    Communities of participants and items that hardly meet others, lists for instance,
    give A directions in which P is far too large. They are found in the Krylov space
    of a few random vectors (Rayleigh & Ritz).

    Parameters
    ----------
    system : Preconditioned
        M.
    seed : int
        Seed of the random vectors.

    Returns
    -------
    directions : ndarray of shape (m_f, k)
        Sparse parts of the directions, standardised.
    """
    block = system.block
    width = min(_SEARCH_WIDTH, block.size)
    found = np.random.default_rng(seed).normal(size=(block.size, width))
    found = np.vstack([found, np.zeros((system.size - block.size, width))])
    basis = np.linalg.qr(found)[0]
    last, images = basis, []
    for _ in range(_SEARCH_STEPS):
        images.append(system.multiply(last))
        fresh = images[-1] - basis @ (basis.T @ images[-1])
        last, triangle = np.linalg.qr(fresh - basis @ (basis.T @ fresh))
        if np.abs(np.diagonal(triangle)).min() < 1e-8:
            break
        if len(images) < _SEARCH_STEPS:
            basis = np.hstack([basis, last])
    image = np.hstack(images)
    values, rotation = np.linalg.eigh(basis.T @ image)
    residuals = np.linalg.norm(image @ rotation - basis @ rotation * values, axis=0)
    distance = np.abs(np.log(np.maximum(values, 1e-12)))
    far = np.flatnonzero((distance > _FAR) & (residuals < 0.5 * np.abs(1.0 - values)))
    far = far[np.argsort(-distance[far])][:_MOST_DIRECTIONS]
    sparse_part = (basis @ rotation[:, far])[: block.size]
    return block.to_standard @ block.upper_solve(sparse_part)
