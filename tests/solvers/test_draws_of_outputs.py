"""Coefficients under a ridge drawn anew for several outputs."""

from __future__ import annotations

import numpy as np

from bead_sklearn.families import MultinomialLogit
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    SolverOptions,
    VarianceOptions,
    draw_prior,
    fit_mixed_model,
)


def test_drawn_ridge_coefficients_covary_over_the_outputs():
    family, rng = MultinomialLogit(3), np.random.RandomState(0)
    contrast, x = family.output_contrast(), rng.normal(size=(40, 2))
    design = Design(
        40,
        DenseBlock(np.ones((40, 1))),
        DenseBlock(x),
        n_outputs=2,
        ridge_contrast=contrast,
    )
    y = family.simulate(np.zeros((40, 2)), rng)
    options = SolverOptions(variances=VarianceOptions(alpha=2.0))
    posterior = fit_mixed_model(design, family, y, np.ones(40), options).posterior
    eta = draw_prior(posterior, design, 4000, rng, levels={}, ridge_variance=0.5)
    found = np.cov(eta.reshape(4000, 40, 2)[:, 0], rowvar=False)
    expected = 0.5 * (x[0] @ x[0]) * contrast @ contrast.T
    np.testing.assert_allclose(found, expected, rtol=0.15)
    # The mean is that of the intercepts.
    means = eta.mean(axis=0).reshape(40, 2)[0]
    error = np.sqrt(np.diagonal(expected) / 4000)
    assert (np.abs(means - posterior.fixed) < 5 * error).all()
