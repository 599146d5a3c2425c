"""Conjugate gradients for many right-hand sides, and what their coefficients tell.

With an operator near the identity a dozen products solve a system. The same
coefficients are those of Lanczos' method started at the right-hand side, which gives
Gauss quadrature for quadratic forms of functions of the operator (Golub & Meurant
2010; Ubaru, Chen & Saad 2017, doi:10.1137/16M1104974).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

#: Right-hand sides that are iterated together: few enough to stay in the cache.
_TOGETHER = 16

Apply = Callable[[np.ndarray], np.ndarray]


class KrylovSolution(NamedTuple):
    """Solutions of M x = b, one per column of b.

    Attributes
    ----------
    x : ndarray of shape (m, t)
        The solutions.
    nodes, weights : ndarray of shape (t, k)
        Gauss quadrature of each column: b'f(M)b is about the sum of weights times f at
        the nodes. Surplus weights are zero.
    n_iter : int
        Largest number of iterations of a column.
    """

    x: np.ndarray
    nodes: np.ndarray
    weights: np.ndarray
    n_iter: int


def conjugate_gradients(
    apply: Apply, right: np.ndarray, *, tol: float, max_iter: int
) -> KrylovSolution:
    """Solve M x = b for each column b of ``right``.

    Parameters
    ----------
    apply : callable
        V of shape (m, t) -> M V, for a positive definite M.
    right : ndarray of shape (m, t)
        Right-hand sides.
    tol : float
        Length of the residual relative to b at which a column is solved.
    max_iter : int
        Largest number of iterations.

    Returns
    -------
    solution : KrylovSolution
        Solutions and quadrature.

    Raises
    ------
    LinAlgError
        If M is seen not to be positive definite.
    """
    parts = [
        _solve(
            apply,
            np.ascontiguousarray(right[:, start : start + _TOGETHER]),
            tol,
            max_iter,
        )
        for start in range(0, right.shape[1], _TOGETHER)
    ]
    longest = max((part.nodes.shape[1] for part in parts), default=0)

    def pad(x: np.ndarray, value: float) -> np.ndarray:
        missing = longest - x.shape[1]
        return np.pad(x, ((0, 0), (0, missing)), constant_values=value)

    return KrylovSolution(
        x=np.hstack([np.empty((len(right), 0)), *(part.x for part in parts)]),
        nodes=np.vstack([np.empty((0, longest)), *(pad(p.nodes, 1.0) for p in parts)]),
        weights=np.vstack(
            [np.empty((0, longest)), *(pad(p.weights, 0.0) for p in parts)]
        ),
        n_iter=longest,
    )


def _solve(
    apply: Apply, right: np.ndarray, tol: float, max_iter: int
) -> KrylovSolution:
    x = np.zeros_like(right)
    residual = right.copy()
    direction = right.copy()
    lengths = _dots(right, right)
    squares = lengths
    steps, growths = [], []
    for _ in range(max_iter):
        if (squares <= tol**2 * lengths).all():
            break
        image = apply(direction)
        curvature = _dots(direction, image)
        if (curvature[squares > 0] <= 0).any():
            raise np.linalg.LinAlgError("H is indefinite")
        step = squares / np.where(curvature > 0, curvature, 1.0)
        x += step * direction
        image *= step
        residual -= image
        new_squares = _dots(residual, residual)
        growth = new_squares / np.where(squares > 0, squares, 1.0)
        direction *= growth
        direction += residual
        squares = new_squares
        steps.append(step)
        growths.append(growth)
    nodes, weights = _quadrature(np.array(steps), np.array(growths), lengths)
    return KrylovSolution(x, nodes, weights, len(steps))


def _dots(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Dot products of columns."""
    dots: np.ndarray = np.einsum("ij,ij->j", left, right)
    return dots


def _quadrature(
    steps: np.ndarray, growths: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights from the coefficients (k, t) of conjugate gradients."""
    k, t = len(steps), len(lengths)
    if k == 0:
        return np.ones((t, 0)), np.zeros((t, 0))
    # A column that is solved exactly has no further steps.
    live = steps > 0
    inverse = np.where(live, 1.0 / np.where(live, steps, 1.0), 1.0)
    diagonal = inverse.copy()
    diagonal[1:] += np.where(live[1:], growths[:-1] * inverse[:-1], 0.0)
    beside = np.where(live[1:], np.sqrt(growths[:-1]) * inverse[:-1], 0.0)
    matrices = np.zeros((t, k, k))
    index = np.arange(k)
    matrices[:, index, index] = diagonal.T
    matrices[:, index[1:], index[:-1]] = beside.T
    nodes, vectors = np.linalg.eigh(matrices)
    return nodes, lengths[:, None] * vectors[:, 0] ** 2
