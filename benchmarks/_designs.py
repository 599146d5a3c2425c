"""Designs for the solvers of bead_sklearn, without a task model around them."""

from __future__ import annotations

import numpy as np

from bead_sklearn.effects import RandomFactor, full_covariance, output_covariance
from bead_sklearn.inputs import encode_levels
from bead_sklearn.solvers import DenseBlock, Design


def factor(
    ids: np.ndarray,
    slopes: np.ndarray | None = None,
    name: str = "g",
    contrast: np.ndarray | None = None,
    *,
    intercept: bool = True,
) -> RandomFactor:
    """Random intercepts, with correlated slopes if covariates are given.

    ``contrast`` belongs to a family of several outputs; effects then covary freely
    over the outputs.
    """
    ids = np.asarray(ids)
    if ids.dtype.kind in "iu" and ids.min() >= 0:
        levels, codes = np.unique(ids, return_inverse=True)
    else:
        levels, codes = encode_levels(ids.astype(object))
    z = np.ones((len(codes), int(intercept)))
    if slopes is not None:
        z = np.column_stack([z, slopes])
    structure = full_covariance(1.0 / np.sqrt((z**2).mean(axis=0)))
    if contrast is not None:
        structure = output_covariance(structure, contrast, "full")
    names = tuple(f"effect {i}" for i in range(structure.size))
    return RandomFactor(name, codes, len(levels), z, structure, names)


def design(
    X: np.ndarray,
    *factors: RandomFactor,
    intercept: bool = True,
    ridge: np.ndarray | None = None,
    n_outputs: int = 1,
    sets: np.ndarray | None = None,
) -> Design:
    """The linear predictor of dense columns and factors."""
    n = len(X)
    fixed = np.column_stack([np.ones(n), X]) if intercept else np.asarray(X, float)
    block = None if ridge is None else DenseBlock(np.asarray(ridge, float))
    return Design(n, DenseBlock(fixed), block, factors, n_outputs=n_outputs, sets=sets)
