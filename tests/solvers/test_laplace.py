"""How the Laplace approximation finds the mode."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn.effects import RandomFactor, full_covariance
from bead_sklearn.families import Bernoulli, Beta, CumulativeLogit
from bead_sklearn.solvers import DenseBlock, Design, SolverOptions, fit_mixed_model
from bead_sklearn.solvers import _laplace as laplace_module
from bead_sklearn.solvers._laplace import LaplaceObjective

N = 150
NONE = np.zeros(0)


def wide_design(size, seed=0):
    """Features under a ridge, as many as judgments."""
    rng = np.random.RandomState(seed)
    features = rng.normal(size=(N, N))
    rows = np.column_stack([np.ones(N), rng.normal(size=N)])
    eta = rows @ [0.5, 1.0] + size * features @ rng.normal(size=N) / np.sqrt(N)
    y = (eta + rng.logistic(size=N) > 0).astype(float)
    return Design(N, DenseBlock(rows), DenseBlock(features)), y


def make_objective(design, y, family=None, **options):
    options = {"with_fixed": True, "reml": False, **options}
    family = Bernoulli() if family is None else family
    return LaplaceObjective(design, family, y, np.ones(design.n_rows), **options)


def log_density(objective, design, y):
    derivatives = objective.family.derivatives(y, objective.eta)
    ridge = objective.rest[: design.ridge.n_columns]
    return derivatives.log_likelihood.sum() - 0.5 * ridge @ ridge


@pytest.mark.parametrize(("size", "tau"), [(0.5, 0.05), (3.0, 0.5)])
def test_the_start_of_wide_designs_is_near_the_mode(monkeypatch, size, tau):
    """Chord steps are enough for small effects; large ones need Newton's."""
    monkeypatch.setattr(laplace_module, "_WIDE", 100)
    design, y = wide_design(size)
    theta, zeros = np.array([tau]), np.zeros(N)
    near, at = make_objective(design, y), make_objective(design, y)
    near.approach_mode(zeros, theta)
    at.find_mode(zeros, theta)
    distance = log_density(at, design, y) - log_density(near, design, y)
    # What a step would gain is about twice the distance.
    assert 0 <= distance < 2 * laplace_module._ROUGH_GAIN
    expected = near.predict(near.own, near.rest)
    np.testing.assert_allclose(near.eta, expected, atol=1e-10)


def test_fits_of_wide_designs_are_those_of_others(monkeypatch):
    design, y = wide_design(1.0)
    fits = []
    for wide in (100, 10_000):
        monkeypatch.setattr(laplace_module, "_WIDE", wide)
        fits.append(
            fit_mixed_model(design, Bernoulli(), y, np.ones(N), SolverOptions())
        )
    assert fits[0].log_likelihood == pytest.approx(fits[1].log_likelihood, abs=1e-5)
    np.testing.assert_allclose(
        fits[0].posterior.fixed, fits[1].posterior.fixed, atol=1e-2
    )


def test_separated_rows_that_others_hide():
    """Two columns differ in separated rows only, whose curvature vanishes.

    At last H is singular to rounding error, and the search ends.
    """
    rng = np.random.RandomState(0)
    x = 1e4 * rng.normal(size=N)
    other = x + np.where(np.arange(N) < 10, 1.0, 0.0)
    y = (1e-4 * x + rng.logistic(size=N) > 0).astype(float)
    y[:10] = 1.0
    design = Design(N, DenseBlock(np.column_stack([np.ones(N), x, other])))
    objective = make_objective(design, y)
    _, curvature, value = objective.find_mode(np.zeros(N), NONE)
    assert np.isfinite(objective.eta).all()
    # The ten rows are certain, the others as without the column.
    assert (objective.eta[:10] > 15).all()
    assert (curvature[:10] < 1e-6).all()
    rest = np.arange(10, N)
    without = make_objective(
        Design(N - 10, DenseBlock(design.fixed.values[10:, :2])), y[10:]
    )
    *_, expected = without.find_mode(np.zeros(N - 10), NONE)
    assert value == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(objective.eta[rest], without.eta, atol=1e-3)


def test_columns_that_are_the_same_are_an_error():
    x = np.random.RandomState(0).normal(size=N)
    design = Design(N, DenseBlock(np.column_stack([x, x])))
    y = (x > 0.3).astype(float)
    with pytest.raises(np.linalg.LinAlgError):
        make_objective(design, y).find_mode(np.zeros(N), NONE)


class Misleading(Bernoulli):
    """A family whose gradient points downhill."""

    def derivatives(self, y, eta):
        right = super().derivatives(y, eta)
        return right._replace(gradient=-right.gradient)


def test_a_step_downhill_is_not_taken():
    x = np.random.RandomState(0).normal(size=N)
    design, y = Design(N, DenseBlock(x[:, None])), (x > 0).astype(float)
    objective = make_objective(design, y, Misleading())
    *_, value = objective.find_mode(np.zeros(N), NONE)
    assert value == pytest.approx(N * np.log(0.5))
    np.testing.assert_allclose(objective.eta, 0.0, atol=1e-6)


def test_quadrature_and_thresholds_do_not_move_the_mode():
    """The mode is found again from wherever the last one was."""
    rng = np.random.RandomState(1)
    codes = np.repeat(np.arange(15), 10)
    factor = RandomFactor(
        "g", codes, 15, np.ones((N, 1)), full_covariance(np.ones(1)), ("1",)
    )
    design = Design(N, DenseBlock(rng.normal(size=(N, 1))), None, (factor,))
    family = CumulativeLogit(3)
    y = family.simulate(2 * rng.normal(size=15)[codes], rng)
    family = family.start(y, np.ones(N))
    moved, fresh = (
        make_objective(design, y, family, with_fixed=False) for _ in range(2)
    )
    own = family.parameters
    moved(np.array([2.0]), np.array([3.0]), own + 0.5)
    point = np.array([0.3]), np.array([0.8]), own
    for found, expected in zip(moved(*point), fresh(*point), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("with_fixed", [False, True])
@pytest.mark.parametrize(
    "far", [(0.0, 0.5, 400.0), (1e308, 1e308, 1.5), (0.0, 0.5, np.nan)]
)
def test_a_point_too_far_out_does_not_spoil_the_next(with_fixed, far):
    """A line search may try what overflows."""
    rng = np.random.RandomState(2)
    codes = np.repeat(np.arange(15), 10)
    factor = RandomFactor(
        "g", codes, 15, np.ones((N, 1)), full_covariance(np.ones(1)), ("1",)
    )
    design = Design(N, DenseBlock(np.ones((N, 1))), None, (factor,))
    y = Beta(5.0).simulate(0.5 * rng.normal(size=15)[codes], rng)
    objective = make_objective(design, y, Beta(), with_fixed=with_fixed)
    point = np.zeros(1), np.array([0.5]), np.array([1.5])
    before, *gradients = objective(*point)
    with np.errstate(all="ignore"):
        value, *_ = objective(*(np.array([x]) for x in far))
    assert not value > before
    after, *others = objective(*point)
    assert after == pytest.approx(before, abs=1e-9)
    for found, expected in zip(others, gradients, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("far", [1e-6, 1e-3, 1e3])
def test_variances_far_from_the_last_ones_do_not_spoil_the_mode(seed, far):
    """Standardised, the effects of before are thousands there."""
    rng = np.random.RandomState(seed)
    n = 17
    features = rng.uniform(size=(n, 3)) * (rng.uniform(size=(n, 3)) > 0.6)
    y = (np.arange(n) < 9).astype(float)
    design = Design(
        n, DenseBlock(np.ones((n, 1))), DenseBlock(rng.permutation(features))
    )
    for reml in (False, True):
        moved = make_objective(design, y, reml=reml)
        moved(np.zeros(1), np.array([2.0]), NONE)
        for theta in (far, 1.0):
            point = np.zeros(1), np.array([theta]), NONE
            fresh = make_objective(design, y, reml=reml)
            for found, expected in zip(moved(*point), fresh(*point), strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
