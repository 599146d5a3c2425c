"""Block diagonal matrices over the effects of several factors."""

from __future__ import annotations

import numpy as np


class BlockDiagonal:
    """A matrix with one small block for each level of each factor.

    Parameters
    ----------
    blocks : list of ndarray of shape (q_k, r_k, r_k)
        Blocks by factor.
    """

    def __init__(self, blocks: list[np.ndarray]) -> None:
        self.blocks = blocks
        self._diagonal = None
        if all(block.shape[1] == 1 for block in blocks):
            self._diagonal = np.concatenate([np.zeros(0), *(b.ravel() for b in blocks)])

    def __matmul__(self, x: np.ndarray) -> np.ndarray:
        """Multiply the rows of ``x`` (size, t)."""
        if self._diagonal is not None:
            return self._diagonal[:, None] * x
        result = np.empty_like(x)
        start = 0
        for blocks in self.blocks:
            q, r, _ = blocks.shape
            rows = slice(start, start + q * r)
            if r == 1:
                result[rows] = blocks[:, :, 0] * x[rows]
            else:
                result[rows] = (blocks @ x[rows].reshape(q, r, -1)).reshape(q * r, -1)
            start += q * r
        return result

    @property
    def T(self) -> BlockDiagonal:  # noqa: N802 - as in numpy
        """The transposed matrix."""
        return BlockDiagonal([block.transpose(0, 2, 1) for block in self.blocks])
