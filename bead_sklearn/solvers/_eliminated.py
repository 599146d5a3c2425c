"""The block diagonal of the eliminated factor, D = L'Z'WZL + I."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from bead_sklearn.solvers._small_blocks import (
    SMALL,
    congruence,
    invert_roots,
    times_matrix,
)

#: Side from which triangles are inverted one by one rather than as full matrices.
_LARGE = 24


class EliminatedBlocks:
    """Factorised D, one block for each level.

    Parameters
    ----------
    products : ndarray of shape (q, r, r)
        Z'WZ of each level.
    scale : ndarray of shape (r, r)
        L of the factor.

    Attributes
    ----------
    inverse : ndarray of shape (q, r, r)
        D^-1.
    root : ndarray of shape (q, r, r)
        K^-1 L' with D = K K': its square root'root is L D^-1 L'.
    solved : ndarray of shape (q, r, r)
        D^-1 L'.
    log_det : float
        log|D|.

    Raises
    ------
    LinAlgError
        If a block is not positive definite.
    """

    def __init__(self, products: np.ndarray, scale: np.ndarray) -> None:
        sds = np.diagonal(scale)
        if len(scale) == 1:
            self._invert_single(products, float(scale[0, 0]))
            return
        if (scale == np.diag(sds)).all():
            self._invert_scaled(products, sds)
            return
        if len(scale) <= SMALL:
            blocks = congruence(products, scale) + np.eye(len(scale))
            self.inverse, root, self.log_det = invert_roots(blocks)
            self.root = times_matrix(root, scale.T)
            self.solved = times_matrix(self.inverse, scale.T)
            return
        blocks = scale.T @ products @ scale + np.eye(len(scale))
        lower = np.linalg.cholesky(blocks)
        self.inverse = np.linalg.inv(blocks)
        self.root = np.linalg.solve(lower, np.broadcast_to(scale.T, lower.shape))
        diagonal = np.diagonal(lower, axis1=1, axis2=2)
        self.log_det = 2.0 * float(np.log(diagonal).sum())
        self.solved = self.inverse @ scale.T

    def _invert_single(self, products: np.ndarray, sd: float) -> None:
        """Invert blocks of one effect."""
        blocks = sd * (sd * products) + 1.0
        if (blocks <= 0).any():
            raise np.linalg.LinAlgError("H is indefinite")
        self.inverse = 1.0 / blocks
        self.root = sd * np.sqrt(self.inverse)
        self.log_det = float(np.log(blocks).sum())
        self.solved = sd * self.inverse

    def _invert_scaled(self, products: np.ndarray, sds: np.ndarray) -> None:
        """Factorise blocks of independent effects: L has standard deviations only."""
        blocks = products * np.outer(sds, sds)
        blocks[:, np.arange(len(sds)), np.arange(len(sds))] += 1.0
        lower = np.linalg.cholesky(blocks)
        diagonal = np.diagonal(lower, axis1=1, axis2=2)
        self.log_det = 2.0 * float(np.log(diagonal).sum())
        root = _invert_triangles(lower)
        self.inverse = root.transpose(0, 2, 1) @ root
        self.root = root * sds
        self.solved = self.inverse * sds


def times_table(blocks: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Multiply (q, r, r) by (q, r, m)."""
    return blocks * table if blocks.shape[1] == 1 else blocks @ table


def times_entries(
    blocks: np.ndarray, levels: np.ndarray, data: np.ndarray
) -> np.ndarray:
    """Multiply each entry's column (r,) of data (r, n) by its level's block (r, r)."""
    if len(data) == 1:
        return blocks[levels, 0, 0] * data
    return np.einsum("eab,be->ae", blocks[levels], data)


def _invert_triangles(lower: np.ndarray) -> np.ndarray:
    """Return the inverses of lower triangular matrices (q, r, r)."""
    if lower.shape[1] < _LARGE:
        return np.linalg.inv(lower)
    result = np.empty_like(lower)
    for block, inverse in zip(lower, result, strict=True):
        upper, _ = lapack.dtrtri(block.T, lower=0)
        inverse[:] = upper.T
    return result
