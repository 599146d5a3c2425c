"""Dual equations: those with a row per effect, in another form."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn.effects import (
    RandomFactor,
    block_covariance,
    diagonal_covariance,
    full_covariance,
    output_covariance,
    shared_covariance,
)
from bead_sklearn.families import Bernoulli, ConditionalLogit, MultinomialLogit
from bead_sklearn.families._independent import IndependentOutputs
from bead_sklearn.solvers import DenseBlock, Design, SolverOptions, fit_mixed_model
from bead_sklearn.solvers import _coupling as coupling_module
from bead_sklearn.solvers._coupling import couple
from bead_sklearn.solvers._dual import DualEquations, choose_dual
from bead_sklearn.solvers._dual_rows import dual_rows
from bead_sklearn.solvers._laplace import LaplaceObjective
from bead_sklearn.solvers._scales import Scales

D, Q, N = 30, 6, 60


def heads(rows, codes, structure):
    names = tuple(map(str, range(structure.size)))
    z = np.column_stack([np.ones(len(rows)), rows])
    return RandomFactor("g", codes, Q, z, structure, names)


def shared():
    return shared_covariance(np.r_[0, np.ones(D, dtype=int)], np.full(D + 1, 0.7))


def items(codes, structure):
    z = np.ones((len(codes), 1))
    names = tuple(map(str, range(structure.size)))
    return RandomFactor("item", codes, 5, z, structure, names)


def multinomial(kind="full", other=False):
    rng = np.random.default_rng(0)
    family = MultinomialLogit(3)
    rows = rng.standard_normal((N, D)) / np.sqrt(D)
    codes = np.r_[np.arange(Q), rng.integers(0, Q, N - Q)]
    contrast = family.output_contrast()
    factors = [heads(rows, codes, output_covariance(shared(), contrast, kind))]
    if other:
        single = diagonal_covariance(np.ones(1))
        structure = output_covariance(single, contrast, "full")
        factors.append(items(rng.integers(0, 5, N), structure))
    design = Design(
        n_rows=N,
        fixed=DenseBlock(np.column_stack([np.ones(N), rng.standard_normal(N)])),
        ridge=DenseBlock(rows),
        factors=tuple(factors),
        n_outputs=2,
        ridge_contrast=contrast,
    )
    return design, family, rng.integers(0, 3, N).astype(float), rng.uniform(0.5, 2, N)


def independent(kind="full"):
    rng = np.random.default_rng(1)
    family = IndependentOutputs(Bernoulli(), 3)
    rows = rng.standard_normal((N, D)) / np.sqrt(D)
    codes = np.r_[np.arange(Q), rng.integers(0, Q, N - Q)]
    structure = output_covariance(shared(), family.output_contrast(), kind)
    design = Design(
        n_rows=N,
        fixed=DenseBlock(np.ones((N, 1))),
        ridge=DenseBlock(rows),
        factors=(heads(rows, codes, structure),),
        n_outputs=3,
    )
    y = rng.integers(0, 2, (N, 3)).astype(float)
    return design, family, y, rng.uniform(0.5, 2, N)


def choice(ragged=True):
    rng = np.random.default_rng(2)
    sizes = rng.integers(2, 5, N) if ragged else np.full(N, 3)
    sets = np.repeat(np.arange(N), sizes)
    n = len(sets)
    family = ConditionalLogit(sets)
    rows = rng.standard_normal((n, D)) / np.sqrt(D)
    by_set = np.r_[np.arange(Q), rng.integers(0, Q, N - Q)]
    structure = block_covariance(
        [
            full_covariance(np.ones(2)),
            shared_covariance(np.zeros(D - 1, int), np.ones(D - 1)),
        ]
    )
    first = np.flatnonzero(np.diff(sets, prepend=-1))
    chosen = np.zeros(n)
    chosen[first + rng.integers(0, sizes)] = 1.0
    design = Design(
        n_rows=n,
        fixed=DenseBlock(rng.standard_normal((n, 2))),
        ridge=DenseBlock(rows),
        factors=(
            heads(rows, by_set[sets], structure),
            items(rng.integers(0, 5, n), diagonal_covariance(np.ones(1))),
        ),
        sets=sets,
    )
    return design, family, chosen, rng.uniform(0.5, 2, N)[sets]


PROBLEMS = {
    "multinomial": multinomial,
    "isotropic": lambda: multinomial("isotropic"),
    "crossed": lambda: multinomial("full", other=True),
    "independent": independent,
    "separate": lambda: independent("diagonal"),
    "sets": choice,
    "sets of one size": lambda: choice(ragged=False),
}


def both(monkeypatch, design, family):
    """Couplings that use the dual equations, and that do not."""
    monkeypatch.setattr(coupling_module, "choose_dual", dual_rows)
    dual = couple(design, family)
    monkeypatch.setattr(coupling_module, "choose_dual", lambda design: None)
    return dual, couple(design, family)


def some_theta(design):
    rng = np.random.default_rng(5)
    n = sum(factor.structure.n_parameters for factor in design.factors) + 1
    return rng.uniform(0.3, 1.2, n)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_likelihood_and_gradient_are_the_same(problem, reml, monkeypatch):
    design, family, y, weights = PROBLEMS[problem]()
    values = []
    for coupling in both(monkeypatch, design, family):
        objective = LaplaceObjective(
            design, family, y, weights, with_fixed=reml, reml=reml, coupling=coupling
        )
        beta = np.full(0 if reml else design.n_fixed, 0.2)
        value, by_beta, by_theta, _ = objective(beta, some_theta(design), np.zeros(0))
        values.append([[value], by_beta, by_theta, objective.own, objective.rest])
    for one, other in zip(*values, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("problem", ["crossed", "sets"])
def test_posteriors_are_the_same(problem, monkeypatch):
    design, family, y, weights = PROBLEMS[problem]()
    fits = []
    for choose in (dual_rows, lambda design: None):
        monkeypatch.setattr(coupling_module, "choose_dual", choose)
        fits.append(fit_mixed_model(design, family, y, weights, SolverOptions()))
    one, other = fits
    assert one.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-5)
    for mine, theirs in zip(
        one.posterior.effects, other.posterior.effects, strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=2e-4)
    np.testing.assert_allclose(
        one.posterior.fixed_covariance(),
        other.posterior.fixed_covariance(),
        rtol=1e-3,
        atol=1e-5,
    )


@pytest.mark.parametrize("problem", PROBLEMS)
def test_solutions_and_covariances_are_the_same(problem, monkeypatch):
    design, family, y, weights = PROBLEMS[problem]()
    rng = np.random.default_rng(7)
    eta = rng.standard_normal(design.n_eta)
    scales = Scales(design, some_theta(design))
    found = []
    for coupling in both(monkeypatch, design, family):
        derivatives = family.derivatives(y, coupling.shaped(eta))
        curvature = coupling.weighted(weights, derivatives.curvature)
        equations = coupling.equations(curvature, scales, with_fixed=True)
        own = np.random.default_rng(8).standard_normal((Q, design.factors[0].size))
        rest = np.random.default_rng(9).standard_normal(design.n_rest)
        parts = [*equations.solve(own, rest), equations.fixed_covariance()]
        for n_rest in (design.n_rest, design.n_rest - design.n_fixed):
            covariances = coupling.covariances(equations, n_rest)
            parts += [
                derivatives.skew(covariances),
                [equations.log_det(n_rest)],
                equations.covariances(n_rest).own,
            ]
        found.append(parts)
        equations = getattr(equations, "_parts", [equations])[0]
        assert isinstance(equations, DualEquations) == (len(found) == 1)
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9)


def test_certain_answers_have_no_curvature():
    """Probabilities of one leave rows without curvature, not without a solution."""
    design, family, y, weights = multinomial()
    coupling = couple(design, family)
    eta = np.zeros((N, 2))
    eta[:10, 0] = 800.0
    derivatives = family.derivatives(y, eta)
    curvature = coupling.weighted(weights, derivatives.curvature)
    assert (curvature[:10] == 0).all()
    scales = Scales(design, some_theta(design))
    equations = coupling.equations(curvature, scales, with_fixed=False)
    assert isinstance(equations, DualEquations)
    n_rest = design.n_rest - design.n_fixed
    assert np.isfinite(coupling.covariances(equations, n_rest)).all()
    for gradient in equations.log_det_gradient(n_rest):
        assert np.isfinite(gradient).all()


def test_few_effects_or_many_rows_keep_the_primal_form():
    design, *_ = multinomial()
    assert choose_dual(design) is not None
    assert choose_dual(design.take(np.repeat(np.arange(N), 40))) is None
    plain = Design(
        n_rows=N,
        fixed=design.fixed,
        factors=(items(np.arange(N) % 5, diagonal_covariance(np.ones(1))),),
    )
    assert choose_dual(plain) is None
