"""Joint draws of the linear predictor against dense linear algebra."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import block_diag

from bead_sklearn.effects import RandomFactor, diagonal_covariance, full_covariance
from bead_sklearn.families import Bernoulli, Normal
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    SolverOptions,
    VarianceOptions,
    draw_conditional,
    draw_posterior,
    draw_prior,
    fit_mixed_model,
)

N, N_DRAWS = 80, 8000


def make_design(kind, seed=0):
    rng = np.random.RandomState(seed)
    x = rng.normal(size=N)
    fixed = DenseBlock(np.column_stack([np.ones(N), x]))
    g, i = rng.randint(12, size=N), rng.randint(6, size=N)
    slopes = np.column_stack([np.ones(N), x])
    people = RandomFactor("g", g, 12, slopes, full_covariance(np.ones(2)), ("1", "x"))
    items = RandomFactor(
        "i", i, 6, np.ones((N, 1)), diagonal_covariance(np.ones(1)), ("1",)
    )
    ridge = DenseBlock(rng.normal(size=(10, 4)), rng.randint(10, size=N))
    return {
        "slopes": Design(N, fixed, None, (people,)),
        "crossed": Design(N, fixed, None, (people, items)),
        "ridge": Design(N, fixed, ridge, (people, items)),
        "fixed": Design(N, fixed),
    }[kind]


def fit_whole(design, family, *, reml=False, **variances):
    rng = np.random.RandomState(1)
    y = rng.normal(size=N) + design.fixed.rows()[:, 1]
    if design.ridge is not None:
        y = y + design.ridge.matvec(rng.normal(size=design.ridge.n_columns))
    for factor in design.factors:
        effects = rng.normal(size=(factor.n_levels, factor.size))
        y = y + factor.matvec(effects)
    if not isinstance(family, Normal):
        y = (y > 0).astype(float)
    options = SolverOptions(reml=reml, variances=VarianceOptions(**variances))
    return fit_mixed_model(design, family, y, np.ones(N), options)


def fit(*args, **options):
    return fit_whole(*args, **options).posterior


def dense(design):
    """All columns of eta: eliminated factor, rest factors, ridge, fixed."""
    parts = []
    for factor in design.factors:
        columns = np.zeros((design.n_rows, factor.n_levels, factor.size))
        known = factor.codes >= 0
        columns[known, factor.codes[known]] = factor.z[known]
        parts.append(columns.reshape(design.n_rows, -1))
    if design.ridge is not None:
        parts.append(design.ridge.rows())
    return np.hstack([*parts, design.fixed.rows()])


def dense_covariance(design, posterior):
    """Covariance of all effects, that between levels of the first factor included.

    Between levels g and h of the eliminated factor it is C_g V^-1 C_h'.
    """
    joint = posterior.joint
    q, r, m = joint.cross.shape
    cross = joint.cross.reshape(q * r, m)
    between = cross @ np.linalg.pinv(joint.rest, rcond=1e-12, hermitian=True) @ cross.T
    for level in range(q):
        part = slice(level * r, level * r + r)
        between[part, part] = joint.own[level]
    if not design.factors:
        return joint.rest
    return np.block([[between, cross], [cross.T, joint.rest]])


def known(design):
    return {factor.name: np.full(design.n_rows, -1) for factor in design.factors}


def check_moments(draws, mean, covariance):
    """Sample moments within five standard errors."""
    n = len(draws)
    sd = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
    np.testing.assert_array_less(
        np.abs(draws.mean(axis=0) - mean), 5 * sd / np.sqrt(n) + 1e-6
    )
    found = np.cov(draws.T)
    error = np.sqrt((np.outer(sd, sd) ** 2 + covariance**2) / n)
    np.testing.assert_array_less(np.abs(found - covariance), 6 * error + 1e-6)


@pytest.mark.parametrize("kind", ["slopes", "crossed", "ridge", "fixed"])
def test_the_dense_covariance_is_the_inverse_of_the_normal_equations(kind):
    design = make_design(kind)
    found = fit_whole(design, Normal())
    posterior = found.posterior
    precisions = [
        np.kron(np.eye(factor.n_levels), np.linalg.inv(G))
        for factor, G in zip(design.factors, posterior.covariances, strict=True)
    ]
    if design.ridge is not None:
        precisions.append(np.eye(4) * found.alpha / found.sigma**2)
    precisions.append(np.zeros((2, 2)))
    columns = dense(design)
    H = columns.T @ columns / found.sigma**2 + block_diag(*precisions)
    np.testing.assert_allclose(
        dense_covariance(design, posterior), np.linalg.inv(H), atol=1e-8
    )


@pytest.mark.parametrize("kind", ["slopes", "crossed", "ridge", "fixed"])
@pytest.mark.parametrize("family", [Normal(), Bernoulli()], ids=["normal", "bernoulli"])
def test_posterior_draws_have_the_joint_moments(kind, family):
    design = make_design(kind)
    posterior = fit(design, family)
    rng = np.random.RandomState(0)
    draws = draw_posterior(
        posterior, design, N_DRAWS, rng, new_levels=known(design), marginal=()
    )
    mean, variance = posterior.predict(design)
    columns = dense(design)
    covariance = columns @ dense_covariance(design, posterior) @ columns.T
    np.testing.assert_allclose(np.diagonal(covariance), variance, rtol=1e-6)
    check_moments(draws, mean, covariance)


def test_posterior_draws_with_a_variance_of_zero():
    design = make_design("crossed")
    posterior = fit(design, Normal(), zero_factors=("i",))
    draws = draw_posterior(
        posterior,
        design,
        N_DRAWS,
        np.random.RandomState(0),
        new_levels=known(design),
        marginal=(),
    )
    mean, variance = posterior.predict(design)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.1)
    np.testing.assert_allclose(draws.var(axis=0), variance, rtol=0.1)


def unknown_rows(design):
    """The first rows of unknown people: two of one, one of another."""
    people = next(factor for factor in design.factors if factor.name == "g")
    codes = people.codes.copy()
    codes[:3] = -1
    new = np.full(N, -1)
    new[:3] = [0, 0, 1]
    factors = tuple(
        replace(factor, codes=codes) if factor.name == "g" else factor
        for factor in design.factors
    )
    return replace(design, factors=factors), {**known(design), "g": new}, people


@pytest.mark.parametrize("marginal", [("g",), ()])
def test_new_levels_share_a_draw(marginal):
    design = make_design("crossed")
    posterior = fit(design, Bernoulli())
    rows, new_levels, people = unknown_rows(design)
    draws = draw_posterior(
        posterior,
        rows,
        N_DRAWS,
        np.random.RandomState(0),
        new_levels=new_levels,
        marginal=marginal,
    )
    mean, variance = posterior.predict(rows, marginal=marginal)
    columns = dense(rows)
    covariance = columns @ dense_covariance(design, posterior) @ columns.T
    if marginal:
        G = posterior.covariances[posterior.factor_names.index("g")]
        z = people.z[:3]
        shared = z @ G @ z.T
        shared[2, :2] = shared[:2, 2] = 0.0
        covariance[:3, :3] += shared
    np.testing.assert_allclose(np.diagonal(covariance), variance, rtol=1e-6)
    check_moments(draws, mean, covariance)


def test_prior_draws_have_new_effects_for_all_levels():
    design = make_design("ridge")
    posterior = fit(design, Normal())
    for ridge_variance in (0.0, 0.49):
        draws = draw_prior(
            posterior,
            design,
            N_DRAWS,
            np.random.RandomState(0),
            levels={factor.name: factor.codes for factor in design.factors},
            ridge_variance=ridge_variance,
        )
        mean = design.fixed.matvec(posterior.fixed)
        covariance = ridge_variance * design.ridge.rows() @ design.ridge.rows().T
        if ridge_variance == 0:
            mean = mean + design.ridge.matvec(posterior.ridge)
        for factor, G in zip(design.factors, posterior.covariances, strict=True):
            same = factor.codes[:, None] == factor.codes
            covariance = covariance + same * (factor.z @ G @ factor.z.T)
        check_moments(draws, mean, covariance)


def test_conditional_draws_stay_at_the_modes():
    design = make_design("ridge")
    posterior = fit(design, Bernoulli())
    rows, new_levels, people = unknown_rows(design)
    draws = draw_conditional(
        posterior,
        rows,
        N_DRAWS,
        np.random.RandomState(0),
        new_levels=new_levels,
    )
    modes = design.fixed.matvec(posterior.fixed)
    modes = modes + design.ridge.matvec(posterior.ridge)
    for factor, effects in zip(rows.factors, posterior.modes, strict=True):
        modes = modes + factor.matvec(effects)
    np.testing.assert_allclose(draws[:, 3:], np.tile(modes[3:], (N_DRAWS, 1)))
    G = posterior.covariances[posterior.factor_names.index("g")]
    covariance = people.z[:3] @ G @ people.z[:3].T
    covariance[2, :2] = covariance[:2, 2] = 0.0
    check_moments(draws[:, :3], modes[:3], covariance)
