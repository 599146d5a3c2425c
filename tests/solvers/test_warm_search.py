"""Searches that begin where that for similar data ended."""

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
    Start,
    VarianceOptions,
    fit_mixed_model,
)
from bead_sklearn.solvers._coordinates import root_of
from bead_sklearn.solvers._parameters import variance_parameters

Q, N = 25, 500
FAMILIES = {
    "normal": Normal(),
    "bernoulli": Bernoulli(),
    "cumulative": CumulativeLogit(4),
}
KINDS = ["intercepts", "slopes", "crossed", "ridge", "fixed"]


def make_rows(n=N, seed=0):
    rng = np.random.RandomState(seed)
    codes = {"p": rng.randint(Q, size=N), "i": rng.randint(12, size=N)}
    codes["p"][:Q], codes["i"][:12] = np.arange(Q), np.arange(12)
    x, features = rng.normal(size=N), rng.normal(size=(N, 5))
    u, w = rng.normal(size=(Q, 2)), 0.5 * rng.normal(size=12)
    eta = 0.3 + 0.5 * x + u[codes["p"], 0] + 0.6 * u[codes["p"], 1] * x
    eta += w[codes["i"]] + 0.3 * features.sum(axis=1)
    noise = rng.logistic(size=N)
    return {
        "codes": {name: values[:n] for name, values in codes.items()},
        "x": x[:n],
        "features": features[:n],
        "response": (eta + noise)[:n],
    }


def make_design(rows, kind, family, *, unit=1.0):
    x = unit * rows["x"]
    n = len(x)
    ones = np.ones((n, 1))
    columns = [ones, x[:, None]] if family.has_intercept else [x[:, None]]
    ridge = None
    if kind == "ridge":
        # The same features in another basis.
        rotation = np.linalg.qr(np.random.RandomState(int(unit)).normal(size=(5, 5)))[0]
        ridge = DenseBlock(rows["features"] @ rotation)
    factors = []
    if kind != "fixed":
        slopes = kind == "slopes"
        z = np.column_stack([np.ones(n), x]) if slopes else ones
        scales = np.array([1.0, 1.0 / unit]) if slopes else np.ones(1)
        names = ("(Intercept)", "x")[: len(scales)]
        codes = rows["codes"]["p"]
        structure = full_covariance(scales)
        factors.append(RandomFactor("p", codes, codes.max() + 1, z, structure, names))
    if kind == "crossed":
        codes = rows["codes"]["i"]
        one = full_covariance(np.ones(1))
        factors.append(
            RandomFactor("i", codes, codes.max() + 1, ones, one, ("(Intercept)",))
        )
    return Design(n, DenseBlock(np.hstack(columns)), ridge, tuple(factors))


def make_response(rows, family):
    if isinstance(family, Normal):
        return rows["response"]
    cuts = [0.0] if isinstance(family, Bernoulli) else [-1.0, 0.5, 1.5]
    return np.searchsorted(cuts, rows["response"]).astype(float)


def fit(rows, kind, family, options, *, start=None, unit=1.0):
    design = make_design(rows, kind, family, unit=unit)
    weights = np.ones(design.n_rows)
    y = make_response(rows, family)
    found = fit_mixed_model(design, family, y, weights, options, start)
    return found, Start.of(design, weights, found)


def assert_equal(warm, cold):
    assert warm.optimum.converged
    assert warm.log_likelihood == pytest.approx(cold.log_likelihood, abs=1e-6)
    np.testing.assert_allclose(warm.posterior.fixed, cold.posterior.fixed, atol=1e-4)
    np.testing.assert_allclose(np.abs(warm.theta), np.abs(cold.theta), atol=1e-4)
    np.testing.assert_allclose(
        warm.family.parameters, cold.family.parameters, atol=1e-4
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("reml", [False, True])
def test_more_rows(kind, name, reml):
    family, options = FAMILIES[name], SolverOptions(reml=reml)
    _, start = fit(make_rows(440), kind, family, options)
    cold, _ = fit(make_rows(), kind, family, options, unit=7.0)
    warm, _ = fit(make_rows(), kind, family, options, start=start, unit=7.0)
    assert_equal(warm, cold)


def test_searches_are_shorter():
    cold_steps, warm_steps = 0, 0
    for kind in KINDS:
        for family in FAMILIES.values():
            options = SolverOptions()
            _, start = fit(make_rows(480), kind, family, options)
            cold, _ = fit(make_rows(), kind, family, options)
            warm, _ = fit(make_rows(), kind, family, options, start=start)
            cold_steps += cold.optimum.n_iter
            warm_steps += warm.optimum.n_iter
    assert warm_steps < cold_steps


def test_quadrature():
    options = SolverOptions(n_quadrature=7)
    family = Bernoulli()
    _, start = fit(make_rows(440), "intercepts", family, options)
    cold, _ = fit(make_rows(), "intercepts", family, options)
    warm, _ = fit(make_rows(), "intercepts", family, options, start=start)
    assert_equal(warm, cold)


@pytest.mark.parametrize("name", FAMILIES)
def test_held_variances_stay_held(name):
    family = FAMILIES[name]
    _, start = fit(make_rows(440), "slopes", family, SolverOptions())
    held = SolverOptions(variances=VarianceOptions(estimate=False))
    cold, _ = fit(make_rows(), "slopes", family, held)
    warm, _ = fit(make_rows(), "slopes", family, held, start=start)
    assert_equal(warm, cold)
    np.testing.assert_allclose(warm.posterior.covariances[0], np.eye(2))


@pytest.mark.parametrize("earlier", KINDS)
@pytest.mark.parametrize("later", ["slopes", "ridge"])
def test_other_effects(earlier, later):
    family, options = Bernoulli(), SolverOptions()
    _, start = fit(make_rows(), earlier, family, options)
    cold, _ = fit(make_rows(), later, family, options)
    warm, _ = fit(make_rows(), later, family, options, start=start)
    assert_equal(warm, cold)


@pytest.mark.parametrize("name", FAMILIES)
def test_another_family(name):
    _, start = fit(make_rows(), "intercepts", FAMILIES["cumulative"], SolverOptions())
    family = FAMILIES[name]
    if name == "cumulative":
        family = CumulativeLogit(2)
        rows = make_rows()
        rows["response"] = np.where(rows["response"] > 0, 0.0, -9.0)
    else:
        rows = make_rows()
    cold, _ = fit(rows, "intercepts", family, SolverOptions())
    warm, _ = fit(rows, "intercepts", family, SolverOptions(), start=start)
    assert_equal(warm, cold)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("factor", [0.03, 30.0])
def test_a_start_far_away_does_no_harm(name, factor):
    family, options = FAMILIES[name], SolverOptions()
    cold, start = fit(make_rows(), "slopes", family, options)
    names, theta = start.factors["p"]
    far = replace(start, factors={"p": (names, factor * theta)})
    warm, _ = fit(make_rows(), "slopes", family, options, start=far)
    assert warm.log_likelihood == pytest.approx(cold.log_likelihood, abs=1e-5)


def test_a_deviation_at_zero_is_no_start():
    rng = np.random.RandomState(0)
    rows = make_rows()
    lonely = {**rows, "response": rng.logistic(size=N)}
    options = SolverOptions(reml=True)
    earlier, start = fit(lonely, "intercepts", Normal(), options)
    if earlier.theta[0] > 0:
        start = replace(start, factors={"p": (("(Intercept)",), np.zeros(1))})
    cold, _ = fit(rows, "intercepts", Normal(), options)
    warm, _ = fit(rows, "intercepts", Normal(), options, start=start)
    assert cold.theta[0] > 0.1
    assert_equal(warm, cold)
    design = make_design(rows, "intercepts", Normal())
    parameters = variance_parameters(design, VarianceOptions(), np.ones(N), Normal())
    assert start.begin(design, np.ones(N), parameters) is None


def test_root_of_the_inverse_curvature():
    rng = np.random.RandomState(0)
    matrix = rng.normal(size=(5, 5))
    spread = matrix @ matrix.T + 0.1 * np.eye(5)
    bounded = np.array([False, True, False, True, False])
    root = root_of(spread, bounded)
    product = root @ root.T
    # What is bounded moves by itself; all else is as it should be given that.
    np.testing.assert_array_equal(root[bounded][:, ~bounded], 0.0)
    np.testing.assert_allclose(
        root[np.ix_(bounded, bounded)],
        np.diag(np.sqrt(np.diagonal(spread)[bounded])),
    )
    slopes = np.linalg.solve(spread[bounded][:, bounded], spread[bounded][:, ~bounded])
    conditional = spread[~bounded][:, ~bounded] - spread[~bounded][:, bounded] @ slopes
    free = root[np.ix_(~bounded, ~bounded)]
    np.testing.assert_allclose(free @ free.T, conditional)
    np.testing.assert_allclose(
        root_of(spread, np.zeros(5, bool)) @ root_of(spread, np.zeros(5, bool)).T,
        spread,
    )
    np.testing.assert_allclose(
        product[bounded][:, bounded], np.diag(np.diagonal(spread)[bounded])
    )
    flat = root_of(np.diag([1e-9, 1.0, 1e9]), np.zeros(3, bool))
    np.testing.assert_allclose(np.diagonal(flat) ** 2, [1e-3, 1.0, 1e3])
