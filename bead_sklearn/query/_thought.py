"""A posterior that is updated as if judgments had been asked: one rank at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.query._latent_rows import LatentRows

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


class ThoughtPosterior:
    """Covariances of linear predictors, given judgments that are only thought of.

    A judgment with curvature W = LL' of its m linear predictors says as much about them
    as m observations of L' eta with unit noise. An observation o with variance v (noise
    not included) takes cov(a, o) cov(o, b) / (1 + v) from every covariance.

    Parameters
    ----------
    rows : LatentRows
        All predictors whose covariances will be asked for.
    """

    def __init__(self, rows: LatentRows) -> None:
        self._rows = rows
        self._moves: list[Floats] = []

    def observe(self, at: Ints, root: Floats) -> list[Floats]:
        """Take one judgment as asked.

        Parameters
        ----------
        at : ndarray of shape (m,)
            Its predictors, positions among the rows.
        root : ndarray of shape (m, m)
            L, a root of its curvature.

        Returns
        -------
        moves : list of ndarray of shape (n_rows,)
            Vectors whose outer products are taken from the covariance, in order.
        """
        before = self._rows.covariance(self._rows.take(at))
        made = []
        for column in root.T:
            if not column.any():
                continue
            cross = before @ column
            for move in self._moves:
                cross = cross - move * (move[at] @ column)
            move = cross / np.sqrt(1.0 + max(float(cross[at] @ column), 0.0))
            self._moves.append(move)
            made.append(move)
        return made


def symmetric_roots(curvature: Floats) -> Floats:
    """Return L with LL' = W for a stack of positive semi-definite matrices."""
    if curvature.shape[-1] == 1:
        return np.sqrt(curvature)
    values, vectors = np.linalg.eigh(curvature)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])


def log_det_gain(covariance: Floats, root: Floats) -> Floats:
    """Return log |I + L'VL| for stacks of V and L, (n, m, m) to (n,)."""
    if root.shape[-1] == 1:
        return np.log1p(covariance[:, 0, 0] * np.square(root[:, 0, 0]))
    inner = root.transpose(0, 2, 1) @ covariance @ root
    values = np.linalg.eigvalsh(inner)
    return np.asarray(np.log1p(np.maximum(values, 0.0)).sum(axis=1))


def trace_gain(covariance: Floats, squares: Floats, root: Floats) -> Floats:
    """Return tr (I + L'VL)^-1 L'TL for stacks of V, T and L."""
    if root.shape[-1] == 1:
        weight = np.square(root[:, 0, 0])
        return np.asarray(
            weight * squares[:, 0, 0] / (1.0 + weight * covariance[:, 0, 0])
        )
    turned = root.transpose(0, 2, 1)
    inner = np.eye(root.shape[-1]) + turned @ covariance @ root
    return np.asarray(
        np.einsum("njj->n", np.linalg.solve(inner, turned @ squares @ root))
    )
