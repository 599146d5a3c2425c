"""Heads in bases of each level's rows, for several outputs and for choice sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bead_sklearn.effects import (
    RandomFactor,
    level_bases,
    output_covariance,
    shared_covariance,
)
from bead_sklearn.families import ConditionalLogit, MultinomialLogit
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    SolverOptions,
    VarianceOptions,
    draw_posterior,
    fit_mixed_model,
)
from bead_sklearn.solvers._draws import _add_prior
from bead_sklearn.solvers._prediction import predict_outputs, predict_sets

D, Q = 30, 8
OPTIONS = SolverOptions(variances=VarianceOptions(estimate=False, initial_variance=0.3))
FORMS = ["dual", "primal"]


class Heads:
    """Random heads of levels in either form."""

    def __init__(self, form, rows, codes, contrast=None):
        self.form, self.contrast = form, contrast
        self.bases = level_bases(rows, codes)
        n_effects = self.bases.size if form == "dual" else D
        parameters = np.r_[0, np.ones(n_effects, dtype=int)]
        structure = shared_covariance(parameters, np.ones(n_effects + 1))
        if contrast is not None:
            structure = output_covariance(structure, contrast, "isotropic")
        self.structure = structure

    def factor(self, rows, codes):
        n, left = len(rows), {}
        coordinates = rows
        if self.form == "dual":
            coordinates = self.bases.coordinates(rows, codes)
            left = {
                "unspanned": self.bases.unspanned(rows, coordinates),
                "outside": self.bases.outside(rows, codes, coordinates),
            }
        z = np.column_stack([np.ones(n), coordinates])
        names = tuple(map(str, range(D + 1)))
        return RandomFactor("g", codes, Q, z, self.structure, names, **left)


def some_rows(seed, n, unknown=0):
    rng = np.random.RandomState(seed)
    codes = np.sort(rng.randint(Q, size=n))
    codes[:Q] = np.arange(Q)
    codes[n - unknown :] = -1
    return rng.normal(size=(n, D)) / np.sqrt(D), np.sort(codes)[::-1].copy()


def both(fit):
    return {form: fit(form) for form in FORMS}


@pytest.fixture(scope="module")
def outputs():
    """Posteriors and new rows of a multinomial model in both forms."""
    family = MultinomialLogit(3)
    contrast = family.output_contrast()

    def fit(form):
        rows, codes = some_rows(0, 60)
        heads = Heads(form, rows, codes, contrast)
        rng = np.random.RandomState(1)
        y = family.simulate(rng.normal(size=(60, 2)), rng)

        def design(rows, codes):
            ones = DenseBlock(np.ones((len(rows), 1)))
            return Design(
                len(rows), ones, None, (heads.factor(rows, codes),), n_outputs=2
            )

        fitted = fit_mixed_model(design(rows, codes), family, y, np.ones(60), OPTIONS)
        return fitted.posterior, design(*some_rows(2, 25, unknown=6))

    return both(fit)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("marginal", [None, ()])
def test_moments_of_outputs(outputs, tied, marginal):
    found, expected = (
        predict_outputs(*outputs[form], tied=tied, marginal=marginal) for form in FORMS
    )
    np.testing.assert_allclose(found[0], expected[0], atol=1e-9)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-9)


def test_new_effects_of_outputs_are_drawn_jointly(outputs):
    posterior, design = outputs["dual"]
    [primal], G = outputs["primal"][1].factors, outputs["primal"][0].covariances[0]
    # Unknown rows are one level more.
    codes = np.where(primal.codes < 0, Q, primal.codes)
    [factor] = design.factors
    eta = np.zeros((4000, 50))
    _add_prior(
        *(eta, replace(factor, codes=codes, n_levels=Q + 1)),
        *(posterior.covariances[0], np.random.RandomState(0)),
    )
    prior = G.reshape(D + 1, 2, D + 1, 2)
    kernel = np.einsum("ia,ajbk,mb->ijmk", primal.z, prior, primal.z, optimize=True)
    same = codes[:, None] == codes
    expected = (kernel * same[:, None, :, None]).reshape(50, 50)
    found = np.cov(eta, rowvar=False)
    sizes = np.diagonal(expected)
    errors = np.sqrt((np.outer(sizes, sizes) + expected**2) / len(eta))
    assert np.abs((found - expected) / errors).max() < 5.5


@pytest.fixture(scope="module")
def choices():
    """Posteriors and new rows of a model of choices in both forms."""
    sets = np.repeat(np.arange(20), 3)
    family = ConditionalLogit(sets)

    def fit(form):
        rows, _ = some_rows(0, 60)
        codes = np.repeat(np.r_[np.arange(Q), np.arange(Q), 0, 1, 2, 3], 3)
        heads = Heads(form, rows, codes)
        rng = np.random.RandomState(1)
        y = family.simulate(rng.normal(size=60), rng)

        def design(rows, codes):
            x = DenseBlock(rows[:, :1])
            return Design(60, x, None, (heads.factor(rows, codes),), sets=sets)

        fitted = fit_mixed_model(design(rows, codes), family, y, np.ones(60), OPTIONS)
        new_rows, _ = some_rows(3, 60)
        unknown = np.where(np.arange(60) < 30, codes, -1)
        return fitted.posterior, design(new_rows, unknown)

    return both(fit), family.pairs


@pytest.mark.parametrize("marginal", [None, ()])
def test_moments_of_choice_sets(choices, marginal):
    posteriors, pairs = choices
    found, expected = (
        predict_sets(*posteriors[form], pairs, marginal=marginal) for form in FORMS
    )
    np.testing.assert_allclose(found[0], expected[0], atol=1e-9)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-9)


def test_draws_of_choice_sets(choices):
    posteriors, pairs = choices
    posterior, design = posteriors["dual"]
    new = {"g": np.where(design.factors[0].codes < 0, design.sets, -1)}
    draws = draw_posterior(
        *(posterior, design, 4000, np.random.RandomState(0)),
        new_levels=new,
        marginal=["g"],
    )
    _, expected = predict_sets(*posteriors["primal"], pairs)
    left, right = pairs
    found = np.cov(draws, rowvar=False)
    sizes = expected[left == right]
    errors = np.sqrt((sizes[left] * sizes[right] + expected**2) / 4000)
    assert np.abs((found[pairs] - expected) / errors).max() < 5.0


@pytest.mark.parametrize("marginal", [None, ()])
def test_moments_where_levels_vary_within_sets(marginal):
    """Heads of what is chosen among, and a known part of the linear predictor."""
    sets = np.repeat(np.arange(20), 3)
    family = ConditionalLogit(sets)
    codes = np.random.RandomState(4).permutation(np.arange(60) % Q)
    unknown = np.where(np.arange(60) < 30, codes, -1)

    def moments(form):
        rows, _ = some_rows(0, 60)
        heads = Heads(form, rows, codes)
        y = family.simulate(np.zeros(60), np.random.RandomState(1))

        def design(rows, codes, offset=None):
            [x, factor] = DenseBlock(rows[:, :1]), heads.factor(rows, codes)
            return Design(60, x, None, (factor,), sets=sets, offset=offset)

        fitted = fit_mixed_model(design(rows, codes), family, y, np.ones(60), OPTIONS)
        new, _ = some_rows(3, 60)
        plain, shifted = (
            predict_sets(
                fitted.posterior,
                design(new, unknown, offset),
                family.pairs,
                marginal=marginal,
            )
            for offset in (None, np.arange(60.0))
        )
        np.testing.assert_allclose(shifted[0], plain[0] + np.arange(60))
        np.testing.assert_array_equal(shifted[1], plain[1])
        return *plain, float(fitted.posterior.joint.fixed_block(1)[0, 0]) * new[:, 0]

    (*found, slope), expected = moments("dual"), moments("primal")
    np.testing.assert_allclose(found[0], expected[0], atol=1e-8)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-8)
    # Different new levels have the coefficients in common, nothing else.
    left, right = family.pairs
    apart = (left != right) & (unknown[left] < 0)
    x = some_rows(3, 60)[0][:, 0]
    common = slope[left] * x[right]
    np.testing.assert_allclose(found[1][apart], common[apart], atol=1e-10)
