"""The Laplace approximation by dense algebra, for small designs of every kind."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import block_diag
from scipy.special import logsumexp

from bead_sklearn.solvers._scales import parameter_slices


class DenseFit(NamedTuple):
    """The Laplace approximation and what it is made of.

    ``covariance`` is that of all effects and, last, the fixed part.
    """

    value: float
    effects: np.ndarray
    covariance: np.ndarray


def n_theta(design):
    """Number of variance parameters."""
    slices = parameter_slices(design)
    return slices[-1].stop if slices else 0


def numeric_gradient(function, x, step=1e-4):
    """Central differences of a scalar function, of the fourth order."""
    gradient = np.empty_like(x)
    for index in range(len(x)):
        values = {}
        for times in (-2, -1, 1, 2):
            moved = x.copy()
            moved[index] += times * step
            values[times] = function(moved)
        near, far = values[1] - values[-1], values[2] - values[-2]
        gradient[index] = (8 * near - far) / (12 * step)
    return gradient


def effect_columns(design):
    """Columns of all random and ridge effects, a row per entry of eta."""
    n, n_outputs = design.n_rows, design.n_outputs
    blocks = [np.zeros((n * n_outputs, 0))]
    for factor in design.factors:
        block = np.zeros((n, n_outputs, factor.n_levels, factor.z.shape[1], n_outputs))
        for j in range(n_outputs):
            block[np.arange(n), j, factor.codes, :, j] = factor.z
        blocks.append(block.reshape(n * n_outputs, -1))
    if design.ridge is not None:
        blocks.append(np.kron(design.ridge.rows(), np.eye(n_outputs)))
    return np.hstack(blocks)


def effect_scales(design, theta):
    """Root of the prior covariance of these effects."""
    slices, blocks = parameter_slices(design), [np.zeros((0, 0))]
    for factor, part in zip(design.factors, slices, strict=False):
        scale = factor.structure.factor(theta[part])
        blocks.append(np.kron(np.eye(factor.n_levels), scale))
    if design.ridge is not None:
        contrast = design.ridge_contrast
        contrast = np.eye(design.n_outputs) if contrast is None else contrast
        blocks.append(np.kron(np.eye(design.ridge.n_columns), theta[-1] * contrast))
    return block_diag(*blocks)


def fixed_columns(design):
    """Columns of the fixed part, a row per entry of eta."""
    return np.kron(design.fixed.rows(), np.eye(design.n_outputs))


def weighted_parts(family, y, eta, weights):
    """Log-likelihood, gradient and curvature as number, vector and matrix."""
    n = len(y)
    shaped = eta.reshape(n, -1) if family.n_outputs > 1 else eta
    parts = family.derivatives(y, shaped)
    n_eta = len(eta)
    per_eta = np.repeat(weights, n_eta // n)
    curvature = np.zeros((n_eta, n_eta))
    if family.pairs is not None:
        curvature[family.pairs] = parts.curvature
    elif parts.curvature.ndim == 3:
        curvature = block_diag(*parts.curvature)
    else:
        curvature = np.diag(parts.curvature.ravel())
    return (
        weights @ parts.log_likelihood,
        per_eta * parts.gradient.ravel(),
        np.sqrt(per_eta)[:, None] * curvature * np.sqrt(per_eta),
    )


def integral_over_level(log_density, n_effects):
    """Logarithm of an integral over independent standard normal effects.

    The trapezoidal rule, which converges exponentially; halving its step must not
    matter. ``log_density`` maps points (m, n_effects) to (m,).
    """
    values = []
    for n_steps in (120, 240):
        axis = np.linspace(-9.0, 9.0, n_steps + 1)
        grid = np.stack(np.meshgrid(*[axis] * n_effects), axis=-1)
        points = grid.reshape(-1, n_effects)
        heights = log_density(points) - 0.5 * (points**2).sum(axis=1)
        step = np.log(18.0 / n_steps) - 0.5 * np.log(2 * np.pi)
        values.append(logsumexp(heights) + n_effects * step)
    assert abs(values[1] - values[0]) < 1e-9
    return values[1]


def dense_laplace(design, family, y, weights, beta, theta, *, reml=False):
    """Mode by Newton's method and log-determinant of the dense Hessian.

    ``reml`` integrates the fixed effects out; otherwise they are ``beta``.
    """
    Z, X = effect_columns(design), fixed_columns(design)
    scales = effect_scales(design, theta)
    latent, offset = Z @ scales, np.zeros(len(X))
    if design.offset is not None:
        offset = design.offset
    columns = np.hstack([latent, X]) if reml else latent
    if not reml:
        offset = offset + X @ beta
    penalty = np.zeros(columns.shape[1])
    penalty[: latent.shape[1]] = 1.0
    v = np.zeros(len(penalty))

    def height(v):
        value, *_ = weighted_parts(family, y, offset + columns @ v, weights)
        return value - 0.5 * penalty @ v**2

    for _ in range(100):
        _, gradient, curvature = weighted_parts(
            family, y, offset + columns @ v, weights
        )
        step = np.linalg.solve(
            columns.T @ curvature @ columns + np.diag(penalty),
            columns.T @ gradient - penalty * v,
        )
        while np.abs(step).max(initial=0.0) > 1e-13 and height(v + step) < height(v):
            step = 0.5 * step
        v = v + step
        if np.abs(step).max(initial=0.0) < 1e-12:
            break
    _, _, curvature = weighted_parts(family, y, offset + columns @ v, weights)
    hessian = columns.T @ curvature @ columns + np.diag(penalty)
    value = height(v) - 0.5 * np.linalg.slogdet(hessian)[1]
    if reml:
        value += 0.5 * X.shape[1] * np.log(2 * np.pi)
    k = latent.shape[1]
    everything = np.hstack([latent, X])
    joint = everything.T @ curvature @ everything
    joint[:k, :k] += np.eye(k)
    turn = block_diag(scales, np.eye(X.shape[1]))
    covariance = turn @ np.linalg.inv(joint) @ turn.T
    return DenseFit(float(value), scales @ v[:k], covariance)
