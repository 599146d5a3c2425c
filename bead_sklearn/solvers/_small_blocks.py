"""Stacks of small matrices, by arithmetic over all of them at once.

numpy multiplies and factorises a stack matrix by matrix; for thousands of matrices of
two or three rows the calls cost several times the arithmetic.
"""

from __future__ import annotations

import numpy as np

#: Largest side of a small matrix.
SMALL = 4


def times_matrix(stack: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Multiply (q, r, s) by (s, t), or by (s,), as one product."""
    q, r, s = stack.shape
    flat = np.ascontiguousarray(stack).reshape(q * r, s) @ matrix
    return flat.reshape(q, r, *matrix.shape[1:])


def times_vectors(stack: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Multiply each matrix of (q, r, s) by its vector of (q, s)."""
    if stack.shape[2] > SMALL:
        return (stack @ vectors[:, :, None])[:, :, 0]
    result = stack[:, :, 0] * vectors[:, [0]]
    for column in range(1, stack.shape[2]):
        result += stack[:, :, column] * vectors[:, [column]]
    return result


def times_rows(stack: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Sum the products of transposed matrices of (q, r, s) with vectors of (q, r)."""
    flat: np.ndarray = vectors.ravel() @ stack.reshape(vectors.size, stack.shape[2])
    return flat


def congruence(stack: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return M'BM for each B of (q, r, r)."""
    if len(matrix) == 1:
        return stack * matrix[0, 0] ** 2
    if len(matrix) > SMALL:
        return matrix.T @ stack @ matrix
    flat = np.ascontiguousarray(stack).reshape(len(stack), matrix.size)
    return (flat @ np.kron(matrix, matrix)).reshape(stack.shape)


def invert_roots(stack: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Invert positive definite matrices (q, r, r) and their roots.

    Returns
    -------
    inverse : ndarray of shape (q, r, r)
        B^-1 of each B = K K', K lower triangular.
    inverse_root : ndarray of shape (q, r, r)
        K^-1.
    log_det : float
        Sum of log|B|.

    Raises
    ------
    LinAlgError
        If a matrix is not positive definite.
    """
    q, r, _ = stack.shape
    lower, turned = np.zeros((r, r, q)), np.zeros((r, r, q))
    log_det = 0.0
    for j in range(r):
        pivot = stack[:, j, j] - (lower[j, :j] ** 2).sum(axis=0)
        if not (pivot > 0).all():
            raise np.linalg.LinAlgError("H is indefinite")
        log_det += float(np.log(pivot).sum())
        lower[j, j] = np.sqrt(pivot)
        turned[j, j] = 1.0 / lower[j, j]
        for i in range(j + 1, r):
            inner = (lower[i, :j] * lower[j, :j]).sum(axis=0)
            lower[i, j] = (stack[:, i, j] - inner) * turned[j, j]
    for i in range(r):
        for j in range(i):
            turned[i, j] = -(lower[i, j:i] * turned[j:i, j]).sum(axis=0) * turned[i, i]
    inverse, inverse_root = np.empty((q, r, r)), np.empty((q, r, r))
    for i in range(r):
        for j in range(r):
            inverse_root[:, i, j] = turned[i, j]
            if j <= i:
                entry = (turned[i:, i] * turned[i:, j]).sum(axis=0)
                inverse[:, i, j] = inverse[:, j, i] = entry
    return inverse, inverse_root, log_det
