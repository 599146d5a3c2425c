"""Kenward and Roger's tests against their definition with matrices of all rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import block_diag
from scipy.stats import f_oneway

from bead_sklearn.effects import (
    RandomFactor,
    block_covariance,
    diagonal_covariance,
    full_covariance,
    shared_covariance,
)
from bead_sklearn.families import Bernoulli, Normal
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    Problem,
    SolverOptions,
    VarianceOptions,
    _kenward_roger,
    kenward_roger,
    satterthwaite,
)

COVARIANCES = {
    "intercepts": lambda: full_covariance(np.ones(1)),
    "correlated": lambda: full_covariance(np.array([1.0, 0.5])),
    "independent": lambda: diagonal_covariance(np.array([1.0, 2.0])),
    "shared": lambda: shared_covariance(np.array([0, 1, 1]), np.array([1.0, 0.5, 0.5])),
    "blocks": lambda: block_covariance(
        [full_covariance(np.ones(2)), diagonal_covariance(np.ones(1))]
    ),
}


def make_factor(name, n, q, kind, rng):
    structure = COVARIANCES[kind]()
    z = np.column_stack([np.ones(n), rng.normal(size=(n, structure.size - 1))])
    codes = np.append(np.arange(q), rng.randint(q, size=n - q))
    names = tuple(f"effect{i}" for i in range(structure.size))
    return RandomFactor(name, codes, q, z, structure, names)


def make_problem(*kinds, n=48, weighted=False, seed=0, **options):
    rng = np.random.RandomState(seed)
    factors = [
        make_factor(f"f{i}", n, q, kind, rng)
        for i, (q, kind) in enumerate(zip((9, 5), kinds, strict=False))
    ]
    between = rng.normal(size=9)[factors[0].codes] if factors else rng.normal(size=n)
    rows = np.column_stack([np.ones(n), between, rng.normal(size=n)])
    y = rows @ [1.0, 0.5, -0.3] + rng.normal(size=n)
    for factor in factors:
        y += factor.matvec(0.8 * rng.normal(size=(factor.n_levels, factor.size)))
    weights = rng.randint(1, 4, size=n).astype(float) if weighted else np.ones(n)
    design = Design(n, DenseBlock(rows), None, tuple(factors))
    options = SolverOptions(reml=True, **options)
    return Problem(design, Normal(), y, weights, options)


def by_definition(problem, fit, held=()):
    """Phi, Phi_A, the derivatives of Phi and Omega, from V of all rows."""
    problem = problem.repeated()
    design = problem.design
    n, X = design.n_rows, design.fixed.rows()
    changes, V = [], fit.sigma**2 * np.eye(n)
    for factor, prior in zip(design.factors, fit.posterior.covariances, strict=True):
        Z = np.zeros((n, factor.n_levels, factor.size))
        Z[np.arange(n), factor.codes] = factor.z
        Z = Z.reshape(n, -1)
        V += Z @ block_diag(*[prior] * factor.n_levels) @ Z.T
        if factor.name in held:
            continue
        structure = factor.structure
        # G = L L' is spanned by its differences between random L.
        free = np.zeros((structure.size, structure.size), dtype=bool)
        rng = np.random.RandomState(0)
        samples = []
        for _ in range(12):
            L = structure.factor(rng.normal(size=structure.n_parameters))
            samples.append((L @ L.T).ravel())
            free |= samples[-1].reshape(free.shape) != 0
        _, values, directions = np.linalg.svd(np.array(samples))
        for direction in directions[: (values > 1e-9 * values[0]).sum()]:
            E = direction.reshape(free.shape)
            changes.append(Z @ block_diag(*[E] * factor.n_levels) @ Z.T)
    changes.append(np.eye(n))
    inverse = np.linalg.inv(V)
    phi = np.linalg.inv(X.T @ inverse @ X)
    P = inverse - inverse @ X @ phi @ X.T @ inverse
    k = len(changes)
    information = np.array(
        [[0.5 * np.trace(P @ a @ P @ b) for b in changes] for a in changes]
    )
    omega = np.linalg.inv(information)
    first = [-X.T @ inverse @ a @ inverse @ X for a in changes]
    lack = np.zeros_like(phi)
    for r in range(k):
        for s in range(k):
            Q = X.T @ inverse @ changes[r] @ inverse @ changes[s] @ inverse @ X
            lack += omega[r, s] * (Q - first[r] @ phi @ first[s])
    adjusted = phi + 2.0 * phi @ lack @ phi
    return phi, adjusted, np.array([-phi @ p @ phi for p in first]), omega


def f_by_definition(contrasts, phi, by_parameter, omega):
    """Scale and degrees of freedom as Kenward & Roger (1997, section 3) have them."""
    q = len(contrasts)
    theta = contrasts.T @ np.linalg.inv(contrasts @ phi @ contrasts.T) @ contrasts
    a1 = a2 = 0.0
    for r, left in enumerate(by_parameter):
        for s, right in enumerate(by_parameter):
            a1 += omega[r, s] * np.trace(theta @ left) * np.trace(theta @ right)
            a2 += omega[r, s] * np.trace(theta @ left @ theta @ right)
    b = (a1 + 6 * a2) / (2 * q)
    g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
    d = 3 * q + 2 * (1 - g)
    c1, c2, c3 = g / d, (q - g) / d, (q + 2 - g) / d
    mean = 1 / (1 - a2 / q)
    variance = 2 / q * (1 + c1 * b) / ((1 - c2 * b) ** 2 * (1 - c3 * b))
    rho = variance / (2 * mean**2)
    m = 4 + (q + 2) / (q * rho - 1)
    return m / (mean * (m - 2)), m


PROBLEMS = {
    "intercepts": lambda: make_problem("intercepts"),
    "correlated": lambda: make_problem("correlated"),
    "independent": lambda: make_problem("independent", n=60),
    "shared": lambda: make_problem("shared", n=60),
    "blocks": lambda: make_problem("blocks", n=90),
    "weighted": lambda: make_problem("correlated", weighted=True),
    "crossed": lambda: make_problem("intercepts", "intercepts"),
    "crossed slopes": lambda: make_problem("correlated", "independent", n=80),
    "crossed weighted": lambda: make_problem(
        "independent", "intercepts", weighted=True
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_definition(name):
    problem = PROBLEMS[name]()
    fit = problem.fit()
    found = kenward_roger(problem, fit)
    phi, adjusted, by_parameter, omega = by_definition(problem, fit)
    np.testing.assert_allclose(found.unadjusted, phi, rtol=1e-7)
    np.testing.assert_allclose(found.covariance, adjusted, rtol=1e-6, atol=1e-9)
    # The adjustment is there, and enlarges the variances.
    assert (np.diagonal(adjusted) > np.diagonal(phi)).any()
    for contrasts in (np.eye(3)[[1]], np.array([[0.3, -1.0, 2.0]]), np.eye(3)[1:]):
        scale, df = f_by_definition(contrasts, phi, by_parameter, omega)
        test = found.f_test(contrasts, fit.posterior.fixed)
        values = contrasts @ fit.posterior.fixed
        wald = values @ np.linalg.inv(contrasts @ adjusted @ contrasts.T) @ values
        assert test.df_denominator == pytest.approx(df, rel=1e-5)
        assert test.df_numerator == len(contrasts)
        assert test.statistic == pytest.approx(scale * wald / len(contrasts), rel=1e-5)
        if len(contrasts) == 1:
            assert scale == pytest.approx(1.0)
            assert found.degrees_of_freedom(contrasts[0]) == pytest.approx(df, rel=1e-5)


def test_factors_whose_variance_is_held_are_known():
    variances = VarianceOptions(zero_factors=("f1",))
    problem = make_problem("intercepts", "intercepts", variances=variances)
    fit = problem.fit()
    found = kenward_roger(problem, fit)
    assert len(found.of_parameters) == 2
    phi, adjusted, *_ = by_definition(problem, fit, held=("f1",))
    np.testing.assert_allclose(found.unadjusted, phi, rtol=1e-7)
    np.testing.assert_allclose(found.covariance, adjusted, rtol=1e-6, atol=1e-9)
    variances = VarianceOptions(estimate=False, initial_variance=0.5)
    problem = make_problem("correlated", "intercepts", variances=variances)
    fit = problem.fit()
    found = kenward_roger(problem, fit)
    assert len(found.of_parameters) == 1
    phi, adjusted, *_ = by_definition(problem, fit, held=("f0", "f1"))
    np.testing.assert_allclose(found.covariance, adjusted, rtol=1e-6, atol=1e-9)


def test_without_effects_it_is_least_squares():
    problem = make_problem()
    fit = problem.fit()
    found = kenward_roger(problem, fit)
    X, y = problem.design.fixed.rows(), problem.y
    beta, [rss], *_ = np.linalg.lstsq(X, y, rcond=None)
    variance = rss / (len(y) - 3) * np.linalg.inv(X.T @ X)
    np.testing.assert_allclose(found.covariance, variance, rtol=1e-8)
    test = found.f_test(np.eye(3)[1:], fit.posterior.fixed)
    classic = beta[1:] @ np.linalg.solve(variance[1:, 1:], beta[1:]) / 2
    assert test.statistic == pytest.approx(classic, rel=1e-8)
    assert test.df_denominator == pytest.approx(len(y) - 3, rel=1e-8)
    # Satterthwaite's F is the same here.
    other = satterthwaite(problem, fit).f_test(np.eye(3)[1:], fit.posterior.fixed)
    assert other.statistic == pytest.approx(classic, rel=1e-6)
    assert other.df_denominator == pytest.approx(len(y) - 3, rel=1e-4)


def test_a_balanced_split_plot_is_exact():
    # Whole plots g, of which halves have treatment 0 or 1; a covariate within plots.
    q, m = 10, 4
    rng = np.random.RandomState(3)
    codes = np.repeat(np.arange(q), m)
    rows = np.column_stack(
        [np.ones(q * m), (codes % 2).astype(float), np.tile(np.arange(m) - 1.5, q)]
    )
    factor = RandomFactor(
        "g", codes, q, np.ones((q * m, 1)), full_covariance(np.ones(1)), ("i",)
    )
    y = rng.normal(size=q)[codes] + rng.normal(size=q * m)
    design = Design(q * m, DenseBlock(rows), None, (factor,))
    problem = Problem(design, Normal(), y, np.ones(q * m), SolverOptions(reml=True))
    fit = problem.fit()
    assert fit.theta[0] > 0
    found = kenward_roger(problem, fit)
    between, within = (found.degrees_of_freedom(row) for row in np.eye(3)[1:])
    assert between == pytest.approx(q - 2, rel=1e-6)
    assert within == pytest.approx(q * m - q - 1, rel=1e-6)
    # No adjustment is due in a balanced design.
    np.testing.assert_allclose(found.covariance, found.unadjusted, rtol=1e-8)


def test_several_satterthwaite_t_tests_together():
    problem = make_problem("correlated")
    fit = problem.fit()
    theory = satterthwaite(problem, fit)
    contrasts, estimates = np.eye(3)[1:], fit.posterior.fixed
    test = theory.f_test(contrasts, estimates)
    V = contrasts @ theory.covariance @ contrasts.T
    values = contrasts @ estimates
    assert test.statistic == pytest.approx(values @ np.linalg.solve(V, values) / 2)
    # F has the mean of the mean of squared t statistics, t^2 the mean df / (df - 2).
    rotated = np.linalg.eigh(V)[1].T @ contrasts
    df = np.array([theory.degrees_of_freedom(row) for row in rotated])
    m = test.df_denominator
    assert m / (m - 2) == pytest.approx((df / (df - 2)).mean(), rel=1e-10)
    assert df.min() < m < df.max()
    # One contrast is a t test.
    single = theory.f_test(np.eye(3)[[1]], estimates)
    assert single.df_denominator == pytest.approx(
        theory.degrees_of_freedom(np.eye(3)[1])
    )
    assert single.statistic == pytest.approx(
        estimates[1] ** 2 / theory.covariance[1, 1]
    )
    # Not even a mean with two degrees of freedom.
    few = theory.__class__(
        theory.covariance, theory.by_parameter, 1e3 * theory.of_parameters
    )
    assert few.f_test(contrasts, estimates).df_denominator == 2.0


def test_held_variances_give_normal_tests():
    problem = make_problem("intercepts")
    fit = problem.fit()
    theory = kenward_roger(problem, fit)
    known = theory.__class__(
        theory.covariance,
        theory.unadjusted,
        theory.by_parameter,
        0.0 * theory.of_parameters,
    )
    assert known.degrees_of_freedom(np.eye(3)[0]) == np.inf


def test_where_there_is_no_theory():
    problem = make_problem("intercepts")
    ml = Problem(
        problem.design, problem.family, problem.y, problem.weights, SolverOptions()
    )
    assert kenward_roger(ml, ml.fit()) is None
    binary = Problem(
        problem.design,
        Bernoulli(),
        (problem.y > 1).astype(float),
        problem.weights,
        problem.options,
    )
    assert kenward_roger(binary, binary.fit()) is None


def test_too_many_effects(monkeypatch):
    monkeypatch.setattr(_kenward_roger, "_MOST_EFFECTS", 13)
    problem = make_problem("intercepts", "intercepts")
    with pytest.raises(ValueError, match="matrix of all 14 effects; more than 13"):
        kenward_roger(problem, problem.fit())
    # One factor is handled level by level.
    problem = make_problem("correlated")
    assert kenward_roger(problem, problem.fit()) is not None


def test_the_f_test_of_a_balanced_design_is_that_of_the_level_means():
    q, m = 12, 5
    rng = np.random.RandomState(8)
    codes, arm = np.repeat(np.arange(q), m), np.repeat(np.arange(q) % 3, m)
    rows = np.column_stack([np.ones(q * m), arm == 1, arm == 2]).astype(float)
    factor = RandomFactor(
        "g", codes, q, np.ones((q * m, 1)), full_covariance(np.ones(1)), ("i",)
    )
    y = rng.normal(size=q)[codes] + 0.6 * (arm == 1) + rng.normal(size=q * m)
    design = Design(q * m, DenseBlock(rows), None, (factor,))
    problem = Problem(design, Normal(), y, np.ones(q * m), SolverOptions(reml=True))
    fit = problem.fit()
    assert fit.theta[0] > 0
    means = y.reshape(q, m).mean(axis=1)
    expected = f_oneway(*(means[np.arange(q) % 3 == k] for k in range(3)))
    for theory, tolerance in ((kenward_roger, 1e-6), (satterthwaite, 1e-3)):
        test = theory(problem, fit).f_test(np.eye(3)[1:], fit.posterior.fixed)
        assert test.statistic == pytest.approx(expected.statistic, rel=tolerance)
        assert test.df_denominator == pytest.approx(q - 3, rel=tolerance)
