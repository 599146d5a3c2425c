"""A known part of the linear predictor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bead_sklearn.effects import RandomFactor, full_covariance
from bead_sklearn.families import Bernoulli, CumulativeLogit, Normal
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    SolverOptions,
    VarianceOptions,
    fit_mixed_model,
)

N = 120
CODES = np.repeat(np.arange(12), 10)


def make_design(**changes):
    rng = np.random.RandomState(0)
    fixed = DenseBlock(np.column_stack([np.ones(N), rng.normal(size=N)]))
    factor = RandomFactor(
        "g", CODES, 12, np.ones((N, 1)), full_covariance(np.ones(1)), ("(Intercept)",)
    )
    return replace(Design(N, fixed, None, (factor,)), **changes)


def draw(family):
    rng = np.random.RandomState(1)
    eta = rng.normal(size=12)[CODES] + rng.normal(size=N)
    if isinstance(family, Normal):
        return eta
    cuts = [0.0] if isinstance(family, Bernoulli) else [-1.0, 0.0, 1.0]
    return np.searchsorted(cuts, eta).astype(float)


KINDS = {
    "normal": (Normal(), SolverOptions()),
    "restricted": (Normal(), SolverOptions(reml=True)),
    "held": (Normal(), SolverOptions(variances=VarianceOptions(estimate=False))),
    "laplace": (Bernoulli(), SolverOptions()),
    "restricted laplace": (Bernoulli(), SolverOptions(reml=True)),
    "quadrature": (Bernoulli(), SolverOptions(n_quadrature=7)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_fixed_part_spans_it_takes_up(kind):
    family, options = KINDS[kind]
    y, weights = draw(family), np.ones(N)
    design = make_design()
    shift = np.array([0.7, -1.3])
    moved = replace(design, offset=design.fixed.matvec(shift))
    first = fit_mixed_model(design, family, y, weights, options)
    second = fit_mixed_model(moved, family, y, weights, options)
    assert second.log_likelihood == pytest.approx(first.log_likelihood, abs=1e-6)
    np.testing.assert_allclose(
        second.posterior.fixed, first.posterior.fixed - shift, atol=1e-4
    )
    np.testing.assert_allclose(
        second.posterior.modes[0], first.posterior.modes[0], atol=1e-4
    )
    for found, expected in zip(
        second.posterior.predict(moved), first.posterior.predict(design), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("n_quadrature", [1, 7])
def test_the_offset_is_the_part_it_replaces(n_quadrature):
    # With thresholds there is no intercept: an offset of the only column is the
    # likelihood at a coefficient that is not estimated.
    family, weights = CumulativeLogit(4), np.ones(N)
    y = draw(family)
    options = SolverOptions(n_quadrature=n_quadrature)
    x = DenseBlock(make_design().fixed.values[:, 1:])
    none = DenseBlock(np.zeros((N, 0)))
    free = fit_mixed_model(make_design(fixed=x), family, y, weights, options)
    [slope] = free.posterior.fixed
    held = make_design(fixed=none, offset=x.matvec(np.array([slope])))
    fit = fit_mixed_model(held, family, y, weights, options)
    # The gradient of the quadrature is exact up to its error.
    assert fit.log_likelihood == pytest.approx(free.log_likelihood, abs=1e-5)
    np.testing.assert_allclose(fit.family.parameters, free.family.parameters, atol=1e-3)
    other = make_design(fixed=none, offset=x.matvec(np.array([slope + 0.5])))
    assert fit_mixed_model(other, family, y, weights, options).log_likelihood < (
        free.log_likelihood - 0.5
    )
