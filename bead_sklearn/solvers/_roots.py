"""Square roots of the curvature of judgments: W = V V', one small V per judgment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CurvatureRoots:
    """V of every judgment, lower triangular, those of one size in one array.

    Attributes
    ----------
    rows : list of ndarray of shape (n_judgments, size)
        Rows of each judgment of a size.
    lower, inverse : list of ndarray of shape (n_judgments, size, size)
        V and its inverse. Directions without curvature are 0 in both.
    """

    rows: list[np.ndarray]
    lower: list[np.ndarray]
    inverse: list[np.ndarray]

    def times_transposed(self, x: np.ndarray) -> np.ndarray:
        """Return V'x for x of shape (n_rows,) or (n_rows, k)."""
        return self._times([part.transpose(0, 2, 1) for part in self.lower], x)

    def times(self, x: np.ndarray) -> np.ndarray:
        """Return V x for x of shape (n_rows,) or (n_rows, k)."""
        return self._times(self.lower, x)

    def _times(self, parts: list[np.ndarray], x: np.ndarray) -> np.ndarray:
        table = x.reshape(len(x), -1)
        result = np.zeros_like(table)
        for rows, part in zip(self.rows, parts, strict=True):
            result[rows] = part @ table[rows]
        return result.reshape(x.shape)


def curvature_roots(rows: list[np.ndarray], blocks: list[np.ndarray]) -> CurvatureRoots:
    """Return the roots of positive semidefinite curvatures.

    Parameters
    ----------
    rows : list of ndarray of shape (n_judgments, size)
        Rows of the judgments of each size.
    blocks : list of ndarray of shape (n_judgments, size, size)
        Their curvatures.
    """
    pairs = [_roots(stack) for stack in blocks]
    return CurvatureRoots(rows, [pair[0] for pair in pairs], [p[1] for p in pairs])


def _roots(stack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cholesky factors of (n, r, r) and their inverses; zero pivots stay zero."""
    lower, inverse = np.zeros_like(stack), np.zeros_like(stack)
    r = stack.shape[1]
    for j in range(r):
        pivot = stack[:, j, j] - (lower[:, j, :j] ** 2).sum(axis=1)
        root = np.sqrt(np.maximum(pivot, 0.0))
        turned = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
        lower[:, j, j], inverse[:, j, j] = root, turned
        inner = np.einsum("nik,nk->ni", lower[:, j + 1 :, :j], lower[:, j, :j])
        lower[:, j + 1 :, j] = (stack[:, j + 1 :, j] - inner) * turned[:, None]
    for i in range(r):
        for j in range(i):
            inner = (lower[:, i, j:i] * inverse[:, j:i, j]).sum(axis=1)
            inverse[:, i, j] = -inner * inverse[:, i, i]
    return lower, inverse
