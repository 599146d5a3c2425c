"""Random draws of the linear predictor."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from bead_sklearn._threads import blas_threads
from bead_sklearn.effects import RandomFactor
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._posterior import Posterior
from bead_sklearn.solvers._separate import SeparateCovariances

#: Eigenvalues of a correlation matrix below this share of the largest are rounding.
_RANK = 1e-12


def draw_posterior(
    posterior: Posterior,
    design: Design,
    n_draws: int,
    random_state: np.random.RandomState,
    *,
    new_levels: Mapping[str, np.ndarray],
    marginal: Collection[str],
) -> np.ndarray:
    """Draw the linear predictor of all rows jointly, given the judgments.

    Given the effects of the rest, those of the levels of the eliminated factor are
    independent:

        u_g | r ~ N(m_g + C_g V^-1 (r - m), S_g - C_g V^-1 C_g'),

    V the covariance of the rest, C_g that with level g and S_g that of level g.

    Parameters
    ----------
    posterior : Posterior
        Of all effects.
    design : Design
        Rows, in the columns of the fit; level code -1 is unknown.
    n_draws : int
        Number of draws.
    random_state : RandomState
        Source of the draws.
    new_levels : mapping of str to ndarray of shape (n_rows,)
        By factor, which rows of unknown level share one; -1 for rows whose level is
        known.
    marginal : collection of str
        Factors whose unknown levels have drawn effects; those of others are zero.

    Returns
    -------
    eta : ndarray of shape (n_draws, n_predictors)
        One linear predictor per row, or per row and output.
    """
    eta = np.tile(posterior.mean(design), (n_draws, 1))
    with blas_threads(posterior.joint.side):
        joint = posterior.joint
        if isinstance(joint, SeparateCovariances):
            single, by_output = (
                design.per_output(),
                eta.reshape(len(eta), -1, len(joint.parts)),
            )
            for j, part in enumerate(joint.parts):
                own = replace(posterior, joint=part)
                _add_known(by_output[:, :, j], own, single, random_state)
        else:
            _add_known(eta, posterior, design, random_state)
    for factor, covariance in zip(design.factors, posterior.covariances, strict=True):
        if factor.name in marginal:
            new = _at_levels(factor, new_levels[factor.name])
            _add_prior(eta, new, covariance, random_state)
        _add_outside(eta, factor, covariance, random_state)
    return eta


def draw_prior(
    posterior: Posterior,
    design: Design,
    n_draws: int,
    random_state: np.random.RandomState,
    *,
    levels: Mapping[str, np.ndarray],
    ridge_variance: float,
) -> np.ndarray:
    """Draw the linear predictor with new effects for all levels.

    Parameters
    ----------
    posterior : Posterior
        Its fixed effects and covariances are taken as true, and its ridge
        coefficients where ``ridge_variance`` is 0.
    design : Design
        Rows, in the columns of the fit.
    n_draws : int
        Number of draws.
    random_state : RandomState
        Source of the draws.
    levels : mapping of str to ndarray of shape (n_rows,)
        By factor, the level of each row, from 0.
    ridge_variance : float
        Variance of newly drawn ridge coefficients; 0 keeps the estimated ones.

    Returns
    -------
    eta : ndarray of shape (n_draws, n_predictors)
        One linear predictor per row, or per row and output.
    """
    eta = np.tile(population_mean(posterior, design), (n_draws, 1))
    if ridge_variance > 0:
        *_, ridge, _ = design.rest_slices
        sd = np.sqrt(ridge_variance)
        for row in eta:
            change = np.zeros(design.n_rest)
            new = random_state.normal(scale=sd, size=posterior.ridge.shape)
            if design.ridge_contrast is not None:
                by_output = new.reshape(-1, design.n_outputs)
                new = (by_output @ design.ridge_contrast.T).ravel()
            change[ridge] = (new - posterior.ridge).ravel()
            row += design.rest_matvec(change).ravel()
    for factor, covariance in zip(design.factors, posterior.covariances, strict=True):
        _add_prior(
            eta, _at_levels(factor, levels[factor.name]), covariance, random_state
        )
    return eta


def draw_conditional(
    posterior: Posterior,
    design: Design,
    n_draws: int,
    random_state: np.random.RandomState,
    *,
    new_levels: Mapping[str, np.ndarray],
) -> np.ndarray:
    """Draw the linear predictor with known levels at their conditional modes.

    Parameters
    ----------
    posterior : Posterior
        Of all effects.
    design : Design
        Rows, in the columns of the fit; level code -1 is unknown.
    n_draws : int
        Number of draws.
    random_state : RandomState
        Source of the draws.
    new_levels : mapping of str to ndarray of shape (n_rows,)
        As for `draw_posterior`.

    Returns
    -------
    eta : ndarray of shape (n_draws, n_predictors)
        One linear predictor per row, or per row and output.
    """
    at_modes = population_mean(posterior, design)
    for factor, modes in zip(design.factors, posterior.modes, strict=True):
        at_modes = at_modes + factor.matvec(modes).ravel()
    eta = np.tile(at_modes, (n_draws, 1))
    for factor, covariance in zip(design.factors, posterior.covariances, strict=True):
        new = _at_levels(factor, new_levels[factor.name])
        _add_prior(eta, new, covariance, random_state)
    return eta


def population_mean(posterior: Posterior, design: Design) -> np.ndarray:
    """Return the linear predictor of levels whose effects are zero, flat."""
    nobody = np.full(design.n_rows, -1)
    unknown = tuple(replace(factor, codes=nobody) for factor in design.factors)
    return posterior.mean(replace(design, factors=unknown))


def _add_known(
    eta: np.ndarray,
    posterior: Posterior,
    design: Design,
    random_state: np.random.RandomState,
) -> None:
    """Add what the effects of known levels, ridge and fixed part deviate by."""
    first, seen = design.eliminated, None
    if first is not None:
        seen, codes = np.unique(first.codes, return_inverse=True)
        known = seen >= 0
        seen, codes = seen[known], codes - (len(known) - known.sum())
        first = replace(first, codes=codes, n_levels=len(seen))
    joint = posterior.exact_joint(seen)
    root, back = covariance_roots(joint.rest)
    carried: np.ndarray | None = None
    if first is not None:
        carried = joint.cross @ back
        left = joint.own - carried @ carried.transpose(0, 2, 1)
        values, vectors = np.linalg.eigh(left)
        own_root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    for row in eta:
        z = random_state.normal(size=root.shape[1])
        row += design.rest_matvec(root @ z).ravel()
        if first is not None and carried is not None and len(carried):
            own = random_state.normal(size=own_root.shape[:2])
            effects = carried @ z + (own_root @ own[:, :, None])[:, :, 0]
            row += first.matvec(effects).ravel()


def covariance_roots(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return R and its pseudo-inverse transposed: RR' is the covariance.

    Computed on the scale of correlations, so that small variances keep their digits;
    the covariance may be singular.
    """
    sd = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
    inverse = np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 0)
    values, vectors = np.linalg.eigh(covariance * np.outer(inverse, inverse))
    kept = values > _RANK * values.max(initial=0.0)
    roots = np.sqrt(values[kept])
    return (
        sd[:, None] * vectors[:, kept] * roots,
        inverse[:, None] * vectors[:, kept] / roots,
    )


def _at_levels(factor: RandomFactor, codes: np.ndarray) -> RandomFactor:
    """Return a factor with other levels, -1 for rows without one."""
    return replace(factor, codes=codes, n_levels=int(codes.max(initial=-1)) + 1)


def _add_prior(
    eta: np.ndarray,
    factor: RandomFactor,
    covariance: np.ndarray,
    random_state: np.random.RandomState,
) -> None:
    """Add effects of levels drawn from N(0, covariance)."""
    if factor.n_levels == 0:
        return
    root = _root(covariance)
    for row in eta:
        z = random_state.normal(size=(factor.n_levels, len(root)))
        row += factor.matvec(z @ root.T).ravel()
    _add_outside(eta, factor, covariance, random_state)


def _add_outside(
    eta: np.ndarray,
    factor: RandomFactor,
    covariance: np.ndarray,
    random_state: np.random.RandomState,
) -> None:
    """Add what coefficients outside of the bases of the levels contribute.

    Nothing is known of them but their prior, which is that of the last effect.
    """
    if factor.outside is None or factor.unspanned is None:
        return
    drawn = np.flatnonzero((factor.codes >= 0) & (factor.unspanned > 0))
    if not len(drawn):
        return
    levels, codes = np.unique(factor.codes[drawn], return_inverse=True)
    rows, n_outputs = factor.outside[drawn], factor.n_outputs
    root = _root(covariance[-n_outputs:, -n_outputs:])
    for row in eta.reshape(len(eta), -1, n_outputs):
        z = random_state.normal(size=(len(levels), rows.shape[1], n_outputs))
        row[drawn] += np.einsum("nd,ndj->nj", rows, (z @ root.T)[codes])


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return R with RR' the covariance, which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
