"""Moments of the linear predictors of rows that have several, or that compete."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from bead_sklearn._threads import blas_threads
from bead_sklearn.effects import RandomFactor
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._posterior import Posterior
from bead_sklearn.solvers._separate import SeparateCovariances
from bead_sklearn.solvers._variances import (
    output_covariances,
    output_variances,
    predictor_covariances,
)


def predict_outputs(
    posterior: Posterior,
    design: Design,
    *,
    tied: bool,
    marginal: Collection[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance of all outputs of each row.

    Parameters
    ----------
    posterior : Posterior
        Of all effects.
    design : Design
        Rows, in the columns of the fit; level code -1 is unknown.
    tied : bool
        Whether covariances between outputs matter.
    marginal : collection of str, default=None
        Factors whose unknown levels contribute their prior covariance; None is all of
        them. The effects of unknown levels of others are taken to be zero.

    Returns
    -------
    mean : ndarray of shape (n_rows, J)
        Means given the judgments, at the estimated variances.
    covariance : ndarray of shape (n_rows, J, J) or (n_rows, J)
        Covariances; variances if not ``tied``.
    """
    n_outputs = design.n_outputs
    with blas_threads(posterior.joint.side):
        if isinstance(posterior.joint, SeparateCovariances):
            total = posterior.joint.output_variances(design)
        else:
            covariances = output_covariances if tied else output_variances
            total = covariances(design, posterior.exact_joint())
    for factor, prior in _marginal_factors(posterior, design, marginal):
        new = np.flatnonzero(factor.codes < 0)
        z, r = factor.z[new], factor.z.shape[1]
        by_effect = prior.reshape(r, n_outputs, r, n_outputs)
        added = np.einsum("na,nb,ajbk->njk", z, z, by_effect, optimize=True)
        total[new] += added if tied else np.einsum("njj->nj", added)
    for factor, prior, rows in _outside_bases(posterior, design, marginal):
        assert factor.unspanned is not None
        own = prior[-n_outputs:, -n_outputs:]
        lengths = np.where(rows, factor.unspanned, 0.0).reshape(-1, 1, 1)
        total += lengths * own if tied else lengths[:, 0] * np.diagonal(own)
    return posterior.mean(design).reshape(-1, n_outputs), total


def predict_sets(
    posterior: Posterior,
    design: Design,
    pairs: tuple[np.ndarray, np.ndarray],
    *,
    marginal: Collection[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariances of rows that compete within sets.

    Parameters
    ----------
    posterior : Posterior
        Of all effects.
    design : Design
        Rows, in the columns of the fit; level code -1 is unknown. Rows of one set
        share an unknown level, except of a factor that varies within sets. Factors
        with bases know what these leave of each row (``outside``).
    pairs : tuple of ndarray
        Left and right row of all pairs of rows of one set.
    marginal : collection of str, default=None
        As in :func:`predict_outputs`.

    Returns
    -------
    mean : ndarray of shape (n_rows,)
        Means given the judgments, at the estimated variances.
    covariance : ndarray of shape (n_pairs,)
        Covariances at the pairs of rows.
    """
    left, right = pairs
    joint = posterior.exact_joint()
    with blas_threads(joint.side):
        total = predictor_covariances(design.take(left), design.take(right), joint)
    for factor, prior in _marginal_factors(posterior, design, marginal):
        new = (factor.codes[left] < 0) & (factor.codes[right] < 0)
        if factor.varies_in_sets:
            new &= left == right  # each unknown level is another one
        at = np.flatnonzero(new)
        z, other = factor.z[left[at]], factor.z[right[at]]
        total[at] += np.einsum("ia,ab,ib->i", z, prior, other, optimize=True)
    for factor, prior, rows in _outside_bases(posterior, design, marginal):
        assert factor.outside is not None
        same = rows[left] & (factor.codes[left] == factor.codes[right])
        if factor.varies_in_sets:
            same &= (factor.codes[left] >= 0) | (left == right)
        at = np.flatnonzero(same)
        products = factor.outside[left[at]] * factor.outside[right[at]]
        total[at] += prior[-1, -1] * products.sum(axis=1)
    return posterior.mean(design), total


def _marginal_factors(
    posterior: Posterior, design: Design, marginal: Collection[str] | None
) -> list[tuple[RandomFactor, np.ndarray]]:
    """Factors whose unknown levels vary, with their prior covariances."""
    return [
        (factor, covariance)
        for factor, covariance in zip(
            design.factors, posterior.covariances, strict=True
        )
        if marginal is None or factor.name in marginal
    ]


def _outside_bases(
    posterior: Posterior, design: Design, marginal: Collection[str] | None
) -> list[tuple[RandomFactor, np.ndarray, np.ndarray]]:
    """Factors with bases, their prior covariances, and rows whose levels vary."""
    return [
        (
            factor,
            covariance,
            (factor.codes >= 0) | (marginal is None or factor.name in marginal),
        )
        for factor, covariance in zip(
            design.factors, posterior.covariances, strict=True
        )
        if factor.unspanned is not None
    ]
