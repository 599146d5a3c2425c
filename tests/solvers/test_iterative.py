"""The iterative algebra against the exact one, and fits that need it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from crossed_designs import CROSSED, as_covariances, crossed_design, some_theta

from bead_sklearn import BinaryClassifier
from bead_sklearn.effects import RandomFactor, full_covariance
from bead_sklearn.families import Bernoulli, Beta, Normal
from bead_sklearn.persistence import load, save
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    SolverOptions,
    VarianceOptions,
    fit_mixed_model,
)
from bead_sklearn.solvers._algebra import (
    DenseAlgebra,
    SparseAlgebra,
    choose_algebra,
)
from bead_sklearn.solvers._coupling import RowCoupling, factorize
from bead_sklearn.solvers._gaussian import GaussianObjective
from bead_sklearn.solvers._iterative import IterativeAlgebra
from bead_sklearn.solvers._krylov import conjugate_gradients
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._preconditioned import Preconditioned, far_directions
from bead_sklearn.solvers._probes import IterativeOptions
from bead_sklearn.solvers._scales import Scales
from bead_sklearn.solvers._sparse_block import SparseBlock

N = 400
TIGHT = IterativeOptions(tol=1e-12, solve_tol=1e-12)


class EveryDirection(IterativeAlgebra):
    """Unit vectors in place of random signs: their means are exact."""

    def _draw(self, rng, n_rounds):
        m = self.crossproducts.design.n_rest
        for _ in range(n_rounds):
            yield np.sqrt(m) * np.eye(m)


def exact_and_iterative(design, theta, *, with_fixed=True, dense_up_to=0):
    weights = np.random.RandomState(2).uniform(0.2, 2.0, size=design.n_rows)
    scales = Scales(design, theta)
    return [
        algebra.factorize(algebra.compute(weights, with_fixed=with_fixed), scales)
        for algebra in (
            DenseAlgebra(design),
            EveryDirection(design, TIGHT, dense_up_to),
        )
    ]


@pytest.mark.parametrize("dense_up_to", [0, 15])
@pytest.mark.parametrize("with_fixed", [True, False])
@pytest.mark.parametrize("kind", CROSSED)
def test_iterations_end_at_the_solution(kind, with_fixed, dense_up_to):
    design = crossed_design(kind)
    exact, iterative = exact_and_iterative(
        design, some_theta(design), with_fixed=with_fixed, dense_up_to=dense_up_to
    )
    rng = np.random.RandomState(3)
    first = design.eliminated
    own = rng.normal(size=(first.n_levels, first.size))
    rest = rng.normal(size=design.n_rest - (0 if with_fixed else design.n_fixed))
    for found, expected in zip(
        iterative.solve(own, rest), exact.solve(own, rest), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-9)
    if with_fixed:
        np.testing.assert_allclose(
            iterative.fixed_covariance(), exact.fixed_covariance(), atol=1e-9
        )


@pytest.mark.parametrize("eliminate_up_to", [0, 512])
@pytest.mark.parametrize("dense_up_to", [0, 15])
@pytest.mark.parametrize("kind", CROSSED)
def test_estimates_have_the_right_mean(kind, dense_up_to, eliminate_up_to, monkeypatch):
    """Averaged over all directions, estimates are what they estimate."""
    monkeypatch.setattr(
        "bead_sklearn.solvers._iterative._ELIMINATE_UP_TO", eliminate_up_to
    )
    design = crossed_design(kind)
    exact, iterative = exact_and_iterative(
        design, some_theta(design), dense_up_to=dense_up_to
    )
    for n_rest in {design.n_rest, design.n_rest - design.n_fixed}:
        assert iterative.log_det(n_rest) == pytest.approx(exact.log_det(n_rest))
        for found, expected in zip(
            iterative.log_det_gradient(n_rest),
            exact.log_det_gradient(n_rest),
            strict=True,
        ):
            np.testing.assert_allclose(found, expected, atol=1e-7)
        # These are kept in single precision.
        np.testing.assert_allclose(
            iterative.row_variances(n_rest), exact.row_variances(n_rest), rtol=2e-4
        )
        for found, expected in zip(
            as_covariances(iterative, design, n_rest),
            as_covariances(exact, design, n_rest),
            strict=True,
        ):
            np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("kind", CROSSED)
def test_variances_of_new_rows(kind):
    design = crossed_design(kind)
    exact, iterative = exact_and_iterative(design, some_theta(design))
    rng = np.random.RandomState(4)
    rows = rng.randint(N, size=50)
    factors = []
    for factor in design.factors:
        # Pairs of levels that never met, and unknown levels.
        codes = rng.permutation(factor.codes[rows])
        codes[:5] = -1 if factor.name == "item" else codes[:5]
        codes[3:8] = -1 if factor.name == "person" else codes[3:8]
        factors.append(replace(factor, codes=codes, z=factor.z[rows]))
    ridge = design.ridge
    if ridge is not None:
        ridge = replace(ridge, index=ridge.index[rows])
    new = replace(
        design,
        n_rows=50,
        fixed=replace(design.fixed, values=design.fixed.values[rows]),
        ridge=ridge,
        factors=tuple(factors),
    )
    found = iterative.covariances(design.n_rest).scaled(2.0).predictor_variances(new)
    expected = exact.covariances(design.n_rest).scaled(2.0).predictor_variances(new)
    np.testing.assert_allclose(found, expected, rtol=2e-4)


@pytest.mark.parametrize("kind", CROSSED)
def test_error_of_the_log_determinant_is_known(kind):
    design = crossed_design(kind, n=2000, n_persons=150, n_items=120)
    scales = Scales(design, some_theta(design))
    exact = DenseAlgebra(design)
    products = exact.compute(np.ones(2000), with_fixed=True)
    log_det = exact.factorize(products, scales).log_det(design.n_rest)
    deviations = []
    for seed in range(10):
        algebra = IterativeAlgebra(design, IterativeOptions(seed=seed), 0)
        products = algebra.compute(np.ones(2000), with_fixed=True)
        found = algebra.factorize(products, scales)
        error = found.log_det_error(design.n_rest)
        assert 0 < error < 0.3
        deviations.append((found.log_det(design.n_rest) - log_det) / error)
    # Ten standard normal deviates, more or less.
    assert abs(np.mean(deviations)) < 1.2
    assert 0.3 < np.sqrt(np.mean(np.square(deviations))) < 2.0


@pytest.mark.parametrize("kind", ["intercepts", "three", "nested in the rest"])
@pytest.mark.parametrize("cheap", [True, False])
def test_plain_parts_without_exact_traces(kind, cheap, monkeypatch):
    """What is too expensive to compute is estimated with the rest."""
    if not cheap:
        monkeypatch.setattr("bead_sklearn.solvers._sparse_block._CHEAP_TRACE", 0)
        monkeypatch.setattr("bead_sklearn.solvers._sparse_block._CHEAP_INVERSE", 0)
        monkeypatch.setattr("bead_sklearn.solvers._sparse_block._CHEAP_FILL", 0)
    design = crossed_design(kind)
    exact, iterative = exact_and_iterative(design, some_theta(design))
    system = iterative.system(design.n_rest)
    if cheap or kind == "intercepts":
        matrix = system.multiply(np.eye(system.size))
        assert system.trace == pytest.approx(np.trace(matrix))
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-10)
    else:
        assert system.trace is None
    n_rest = design.n_rest
    assert iterative.log_det(n_rest) == pytest.approx(exact.log_det(n_rest))
    np.testing.assert_allclose(
        iterative.row_variances(n_rest), exact.row_variances(n_rest), rtol=2e-4
    )


def test_large_scales_of_a_ridge():
    """The preconditioner stays positive definite, and the mean right."""
    design = crossed_design("ridge", n=1200, n_persons=100, n_items=40)
    for scale in (0.1, 3.0, 300.0):
        theta = np.full(3, scale)
        exact, iterative = exact_and_iterative(design, theta)
        for n_rest in (design.n_rest, design.n_rest - design.n_fixed):
            expected = exact.log_det(n_rest)
            assert iterative.log_det(n_rest) == pytest.approx(expected, abs=1e-5)
            direct = Preconditioned(
                iterative._block, n_rest - 40, np.zeros((40, 0))
            ).multiply(np.eye(n_rest))
            assert np.linalg.eigvalsh(direct)[0] > 0


def test_zero_scales():
    design = crossed_design("three")
    theta = some_theta(design)
    theta[-1] = 0.0
    exact, iterative = exact_and_iterative(design, theta)
    assert iterative.log_det(design.n_rest) == pytest.approx(
        exact.log_det(design.n_rest)
    )
    for found, expected in zip(
        iterative.log_det_gradient(design.n_rest),
        exact.log_det_gradient(design.n_rest),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, atol=1e-7)


def test_separate_communities_are_found():
    """Lists whose participants and items never meet those of other lists."""
    rng = np.random.RandomState(0)
    n, lists = 4000, 6
    person, item = rng.randint(240, size=n), rng.randint(40, size=n)
    item = item + 40 * (person % lists)
    ones = np.ones((n, 1))
    factors = tuple(
        RandomFactor(name, codes, 240, ones, full_covariance(np.ones(1)), ("1",))
        for name, codes in (("person", person), ("item", item))
    )
    design = Design(n, DenseBlock(ones), None, factors)
    algebra = IterativeAlgebra(design, IterativeOptions())
    products, _ = algebra.compute(np.ones(n), with_fixed=True)
    block = SparseBlock(algebra.crossproducts, products, Scales(design, np.ones(2)))
    without = Preconditioned(block, 1, algebra._constants())
    found = far_directions(without, seed=0)
    assert lists - 1 <= found.shape[1] <= 16
    put_right = Preconditioned(block, 1, np.hstack([algebra._constants(), found]))

    def farthest(system):
        values = np.linalg.eigvalsh(system.multiply(np.eye(system.size)))
        return np.abs(np.log(values)).max()

    assert farthest(without) > 1.5
    assert farthest(put_right) < 0.7


def numeric_gradient(function, x, step):
    gradient = np.empty_like(x)
    for index in range(len(x)):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("kind", ["slopes", "three", "ridge"])
def test_gradients_with_every_direction(kind, reml):
    design = crossed_design(kind)
    y = np.random.RandomState(3).randint(2, size=N).astype(float)
    theta, none = some_theta(design), np.zeros(0)
    algebra = EveryDirection(design, TIGHT, 0)
    gaussian = GaussianObjective(
        design,
        y,
        np.ones(N),
        reml=reml,
        absolute=np.zeros(len(theta), dtype=bool),
        algebra=algebra,
    )
    numeric = numeric_gradient(gaussian.value, theta, 1e-5)
    np.testing.assert_allclose(gaussian(theta)[1], numeric, rtol=1e-5, atol=1e-4)
    laplace = LaplaceObjective(
        design,
        Bernoulli(),
        y,
        np.ones(N),
        with_fixed=reml,
        reml=reml,
        coupling=RowCoupling(design, algebra),
    )
    beta = np.zeros(design.n_fixed)
    _, by_beta, by_theta, _ = laplace(beta, theta, none)
    numeric = numeric_gradient(lambda x: laplace(beta, x, none)[0], theta, 1e-5)
    np.testing.assert_allclose(by_theta, numeric, rtol=1e-4, atol=1e-3)
    if not reml:
        numeric = numeric_gradient(lambda x: laplace(x, theta, none)[0], beta, 1e-5)
        np.testing.assert_allclose(by_beta, numeric, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", ["intercepts", "slopes", "three"])
def test_gradient_is_nearly_that_of_the_estimated_value(kind):
    """Value and gradient are estimated apart, but from the same random numbers."""
    design = crossed_design(kind, n=3000, n_persons=300, n_items=250)
    y = np.random.RandomState(3).randint(2, size=3000).astype(float)
    theta, none = 0.7 * some_theta(design), np.zeros(0)
    algebra = IterativeAlgebra(design, IterativeOptions(), 0)
    laplace = LaplaceObjective(
        design,
        Bernoulli(),
        y,
        np.ones(3000),
        with_fixed=False,
        reml=False,
        coupling=RowCoupling(design, algebra),
    )
    beta = np.zeros(design.n_fixed)
    _, by_beta, by_theta, _ = laplace(beta, theta, none)
    # Half a unit of log-likelihood for each standard deviation of size 1 is a tiny
    # part of what a change of it by its standard error, about 0.05, brings.
    numeric = numeric_gradient(lambda x: laplace(beta, x, none)[0], theta, 1e-2)
    np.testing.assert_allclose(by_theta, numeric, atol=1.0, rtol=0.02)
    numeric = numeric_gradient(lambda x: laplace(x, theta, none)[0], beta, 1e-2)
    np.testing.assert_allclose(by_beta, numeric, atol=1.0, rtol=0.02)


def test_indefinite_equations_are_refused():
    design = crossed_design("intercepts")
    algebra = IterativeAlgebra(design, IterativeOptions(), 0)
    products = algebra.compute(-np.ones(N), with_fixed=False)
    with pytest.raises(np.linalg.LinAlgError):
        algebra.factorize(products, Scales(design, np.ones(2)))
    # Blocks may be positive definite where the whole is not.
    n = 10_000
    design = crossed_design("no fixed part", n=n, n_persons=100, n_items=100)
    person, item = np.divmod(np.arange(n), 100)
    factors = zip(design.factors, (person, item), strict=True)
    factors = tuple(replace(factor, codes=codes) for factor, codes in factors)
    design = replace(design, factors=factors)
    algebra = IterativeAlgebra(design, IterativeOptions(), 0)
    curvature = np.where((person < 50) & (item < 50), -0.9, 1.0)
    scales = Scales(design, np.full(2, np.sqrt(0.1)))
    SparseBlock(
        algebra.crossproducts, algebra.compute(curvature, with_fixed=False)[0], scales
    )
    exact = DenseAlgebra(design)
    with pytest.raises(np.linalg.LinAlgError):
        exact.factorize(exact.compute(curvature, with_fixed=False), scales)
    with pytest.raises(np.linalg.LinAlgError):
        algebra.factorize(algebra.compute(curvature, with_fixed=False), scales)
    # Newton steps take the curvature that is left.
    found, expected = (
        factorize(RowCoupling(design, each), curvature, scales, with_fixed=False)
        for each in (algebra, exact)
    )
    own, rest = np.ones((100, 1)), np.ones(100)
    np.testing.assert_allclose(
        found.solve(own, rest)[1], expected.solve(own, rest)[1], atol=1e-7
    )


def test_conjugate_gradients():
    rng = np.random.RandomState(0)
    root = rng.normal(size=(30, 30))
    matrix = np.eye(30) + 0.1 * root @ root.T
    right = rng.normal(size=(30, 20))
    right[:, 3] = 0.0
    found = conjugate_gradients(matrix.__matmul__, right, tol=1e-12, max_iter=200)
    np.testing.assert_allclose(found.x, np.linalg.solve(matrix, right), atol=1e-9)
    values, vectors = np.linalg.eigh(matrix)
    logs = vectors @ np.diag(np.log(values)) @ vectors.T
    quadratic = (found.weights * np.log(found.nodes)).sum(axis=1)
    np.testing.assert_allclose(quadratic, np.diag(right.T @ logs @ right), atol=1e-8)
    none = conjugate_gradients(
        matrix.__matmul__, np.zeros((30, 0)), tol=1e-9, max_iter=9
    )
    assert none.x.shape == (30, 0)
    with pytest.raises(np.linalg.LinAlgError, match="indefinite"):
        conjugate_gradients((-matrix).__matmul__, right, tol=1e-9, max_iter=9)


def simulated(family, kind="intercepts", n=4000, n_persons=200, n_items=160, seed=0):
    design = crossed_design(kind, n=n, n_persons=n_persons, n_items=n_items, seed=seed)
    rng = np.random.RandomState(seed + 1)
    eta = design.fixed.values @ np.array([0.3, 0.5, -0.4])
    for index, factor in enumerate(design.factors):
        sd = [1.0, 0.7, 0.5][index]
        effects = sd * rng.normal(size=(factor.n_levels, factor.size))
        eta = eta + factor.matvec(effects)
    if design.ridge is not None:
        eta = eta + design.ridge.matvec(0.3 * rng.normal(size=design.ridge.n_columns))
    if isinstance(family, Normal):
        return design, eta + rng.normal(size=n)
    if isinstance(family, Beta):
        mean = 1 / (1 + np.exp(-eta))
        return design, np.clip(rng.beta(5 * mean, 5 * (1 - mean)), 1e-6, 1 - 1e-6)
    return design, (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(float)


@pytest.mark.parametrize(
    ("family", "kind", "reml"),
    [
        (Normal(), "intercepts", False),
        (Normal(), "slopes", True),
        (Normal(), "ridge", True),
        (Normal(), "nested", False),
        (Bernoulli(), "intercepts", False),
        (Bernoulli(), "slopes", False),
        (Bernoulli(), "three", False),
        (Bernoulli(), "ridge", True),
        (Beta(), "intercepts", False),
    ],
)
def test_fits_agree_with_exact_ones(family, kind, reml):
    design, y = simulated(family, kind)
    weights = np.random.RandomState(8).randint(1, 3, size=len(y)).astype(float)
    exact, found = (
        fit_mixed_model(
            design, family, y, weights, SolverOptions(reml=reml, linear_algebra=algebra)
        )
        for algebra in ("dense", "iterative")
    )
    assert found.optimum.converged
    assert exact.monte_carlo_error == 0.0 < found.monte_carlo_error < 0.05
    assert found.log_likelihood == pytest.approx(
        exact.log_likelihood, abs=5 * found.monte_carlo_error + 1e-3
    )
    assert found.sigma == pytest.approx(exact.sigma, rel=1e-4)
    for estimate, expected in zip(
        found.posterior.covariances, exact.posterior.covariances, strict=True
    ):
        sds = np.sqrt(np.diagonal(estimate))
        np.testing.assert_allclose(sds, np.sqrt(np.diagonal(expected)), rtol=0.003)
        np.testing.assert_allclose(estimate, expected, atol=0.01 * estimate.max())
    errors = np.sqrt(np.diagonal(exact.posterior.fixed_covariance()))
    difference = found.posterior.fixed - exact.posterior.fixed
    assert np.abs(difference / errors).max() < 0.01
    np.testing.assert_allclose(
        np.sqrt(np.diagonal(found.posterior.fixed_covariance())), errors, rtol=0.003
    )
    for index in range(len(design.factors)):
        np.testing.assert_allclose(
            found.posterior.modes[index], exact.posterior.modes[index], atol=0.01
        )
        ratio = found.posterior.conditional_covariances(index)
        ratio = ratio / exact.posterior.conditional_covariances(index)
        diagonal = np.diagonal(ratio, axis1=1, axis2=2)
        assert np.sqrt(np.mean((diagonal - 1) ** 2)) < 0.03
    mean, variance = found.posterior.predict(design)
    expected_mean, expected_variance = exact.posterior.predict(design)
    np.testing.assert_allclose(mean, expected_mean, atol=0.01)
    assert np.sqrt(np.mean((variance / expected_variance - 1) ** 2)) < 0.03


def test_variances_that_are_given():
    design, y = simulated(Normal(), "slopes")
    held = VarianceOptions(estimate=False, initial_variance=0.4)
    exact, found = (
        fit_mixed_model(
            design,
            Normal(),
            y,
            np.ones(len(y)),
            SolverOptions(variances=held, linear_algebra=algebra),
        )
        for algebra in ("dense", "iterative")
    )
    assert found.sigma == pytest.approx(exact.sigma, rel=3e-4)
    np.testing.assert_allclose(found.posterior.fixed, exact.posterior.fixed, atol=1e-6)


def test_a_factor_without_variance():
    design, y = simulated(Normal(), "intercepts")
    second = design.factors[1]
    effects = np.random.RandomState(1).normal(size=(second.n_levels, 1))
    shuffled = replace(second, codes=np.random.RandomState(9).permutation(second.codes))
    design = replace(design, factors=(design.factors[0], shuffled))
    del effects
    fits = [
        fit_mixed_model(
            design, Normal(), y, np.ones(len(y)), SolverOptions(linear_algebra=algebra)
        )
        for algebra in ("dense", "iterative")
    ]
    exact, found = (fit.posterior.covariances[1][0, 0] for fit in fits)
    assert found == pytest.approx(exact, abs=1e-3)
    assert fits[1].log_likelihood == pytest.approx(fits[0].log_likelihood, abs=0.01)


def test_seed_decides():
    design, y = simulated(Bernoulli())

    def fit(seed, n_probes=32):
        options = SolverOptions(
            linear_algebra="iterative", seed=seed, n_probes=n_probes
        )
        return fit_mixed_model(design, Bernoulli(), y, np.ones(len(y)), options)

    first, again, other = fit(0), fit(0), fit(1)
    assert first.log_likelihood == again.log_likelihood
    np.testing.assert_array_equal(first.theta, again.theta)
    assert first.log_likelihood != other.log_likelihood
    more = fit(0, n_probes=512)
    assert more.monte_carlo_error < 0.5 * first.monte_carlo_error


def test_tolerance_of_conjugate_gradients():
    design, _ = simulated(Bernoulli())
    iterations = []
    for tol in (1e-1, 1e-8):
        algebra = SolverOptions(linear_algebra="iterative", cg_tol=tol).algebra(design)
        products = algebra.compute(np.ones(4000), with_fixed=True)
        system = algebra.factorize(products, Scales(design, np.ones(2))).system(163)
        found = conjugate_gradients(
            system.multiply, algebra.signs, tol=algebra.options.tol, max_iter=99
        )
        iterations.append(found.n_iter)
    assert iterations[0] < iterations[1]


def test_choice():
    def design(n_persons, n_items):
        return crossed_design(
            "intercepts", n=3000, n_persons=n_persons, n_items=n_items
        )

    assert isinstance(choose_algebra(design(2500, 1600)), IterativeAlgebra)
    assert isinstance(choose_algebra(design(2500, 1400)), SparseAlgebra)
    assert isinstance(choose_algebra(design(2500, 200), "iterative"), IterativeAlgebra)
    assert isinstance(choose_algebra(design(2500, 2100), "sparse"), SparseAlgebra)
    assert isinstance(choose_algebra(design(2500, 2100), "dense"), DenseAlgebra)
    # Nothing to iterate over.
    assert isinstance(choose_algebra(design(2500, 100), "iterative"), DenseAlgebra)
    with pytest.raises(ValueError, match=r"linear_algebra must be one of .* Got 'cg'"):
        choose_algebra(design(20, 10), "cg")


@pytest.mark.parametrize("family", [Normal(), Bernoulli()])
def test_recovery(family):
    """Two factors of 2,500 levels each, 12 judgments per participant."""
    design, y = simulated(family, n=30_000, n_persons=2500, n_items=2500, seed=4)
    fit = fit_mixed_model(design, family, y, np.ones(len(y)), SolverOptions())
    assert fit.optimum.converged
    assert 0 < fit.monte_carlo_error < 0.1
    names = fit.posterior.factor_names
    sds = {
        name: np.sqrt(covariance[0, 0])
        for name, covariance in zip(names, fit.posterior.covariances, strict=True)
    }
    # The Laplace approximation is a few percent low at 12 binary judgments.
    assert sds["person"] == pytest.approx(1.0, abs=0.07)
    assert sds["item"] == pytest.approx(0.7, abs=0.06)
    errors = np.sqrt(np.diagonal(fit.posterior.fixed_covariance()))
    deviations = (fit.posterior.fixed - [0.3, 0.5, -0.4]) / errors
    assert np.abs(deviations).max() < 3.5


def test_through_the_task_model(tmp_path):
    pd = pytest.importorskip("pandas")
    rng = np.random.RandomState(0)
    n, q = 14_000, 1_600
    participant, item = rng.randint(q, size=n), rng.randint(q, size=n)
    X = pd.DataFrame(
        {
            "length": rng.normal(size=n),
            "participant": [f"p{i}" for i in participant],
            "item": [f"i{i}" for i in item],
        }
    )
    eta = 0.4 + 0.8 * X["length"].to_numpy()
    eta += rng.normal(size=q)[participant] + 0.7 * rng.normal(size=q)[item]
    y = np.where(rng.uniform(size=n) < 1 / (1 + np.exp(-eta)), "yes", "no")
    model = BinaryClassifier(mixed_effects="(1|participant)+(1|item)").fit(X, y)
    sds = {c.grouping_factor: c.sd[0] for c in model.variance_components_}
    assert sds["participant"] == pytest.approx(1.0, abs=0.12)
    assert sds["item"] == pytest.approx(0.7, abs=0.12)
    assert "estimated with a standard error of" in str(model.summary())
    assert model.effects_["item"].sds.shape == (q, 1)
    assert (model.effects_["item"].sds < 0.8).all()
    known = model.predict_proba(X[:200])
    new = model.predict_proba(X[:200].assign(participant="someone else"))
    truth = 1 / (1 + np.exp(-eta[:200]))
    assert np.mean((known[:, 1] - truth) ** 2) < np.mean((new[:, 1] - truth) ** 2)
    save(model, tmp_path / "model")
    np.testing.assert_array_equal(
        load(tmp_path / "model").predict_proba(X[:200]), known
    )


def test_each_part_of_indefinite_equations_is_refused():
    design = crossed_design("intercepts")
    algebra = IterativeAlgebra(design, IterativeOptions(), 0)
    products, _ = algebra.compute(-np.ones(N), with_fixed=True)
    # Large effects of the items only.
    scales = Scales(design, np.array([0.01, 1.0]))
    with pytest.raises(np.linalg.LinAlgError, match="indefinite"):
        SparseBlock(algebra.crossproducts, products, scales)
    # Small effects of both: the fixed part is left.
    scales = Scales(design, np.full(2, 0.01))
    block = SparseBlock(algebra.crossproducts, products, scales)
    none = np.zeros((block.size, 0))
    assert Preconditioned(block, 0, none).size == block.size
    with pytest.raises(np.linalg.LinAlgError):
        Preconditioned(block, design.n_fixed, none)


def test_the_joint_covariance_of_an_iterative_fit_is_not_known():
    design = crossed_design("intercepts", n=3000, n_persons=160, n_items=140)
    y = np.random.RandomState(0).normal(size=3000)
    options = SolverOptions(linear_algebra="iterative")
    fit = fit_mixed_model(design, Normal(), y, np.ones(3000), options)
    with pytest.raises(
        ValueError, match="joint covariance of all effects is not known"
    ):
        fit.posterior.exact_joint()
