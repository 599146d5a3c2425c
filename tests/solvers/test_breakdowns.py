"""Equations that cannot be factorised, and equations in another form."""

from __future__ import annotations

import numpy as np
import pytest
from crossed_designs import crossed_design
from test_dual import D, N, Q, heads, shared

from bead_sklearn.effects import full_covariance, output_covariance
from bead_sklearn.families import Bernoulli, MultinomialLogit, Normal
from bead_sklearn.solvers import DenseBlock, Design, SolverOptions, fit_mixed_model
from bead_sklearn.solvers import _laplace as laplace_module
from bead_sklearn.solvers._coupling import couple
from bead_sklearn.solvers._dual import choose_dual
from bead_sklearn.solvers._laplace import LaplaceObjective

DESIGN = crossed_design("intercepts")
Y = (np.random.RandomState(0).normal(size=DESIGN.n_rows) > 0.3).astype(float)
BETA, NONE = np.array([0.1, 0.3, -0.2]), np.zeros(0)
NEAR, THERE = np.array([1.0, 0.8]), np.array([0.5, 1.3])


def objective():
    return LaplaceObjective(
        DESIGN, Bernoulli(), Y, np.ones(len(Y)), with_fixed=False, reml=False
    )


def fail(monkeypatch, n_times, *, after=0):
    """Let the next factorisations break down."""
    real, left = laplace_module.factorize, [n_times + after]

    def factorize(*arguments):
        left[0] -= 1
        if 0 <= left[0] < n_times:
            raise np.linalg.LinAlgError("H is indefinite")
        return real(*arguments)

    monkeypatch.setattr(laplace_module, "factorize", factorize)
    return left


def test_a_search_begins_afresh_where_the_curvature_breaks_down(monkeypatch):
    expected, *gradients = objective()(BETA, THERE, NONE)
    again = objective()
    again(BETA, NEAR, NONE)
    left = fail(monkeypatch, 1)
    value, *found = again(BETA, THERE, NONE)
    assert left[0] < 0
    assert value == pytest.approx(expected, abs=1e-8)
    for one, other in zip(found, gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_search_stays_where_it_was_if_it_breaks_down_again(monkeypatch):
    known = objective()
    *_, expected = known.find_mode(DESIGN.fixed.matvec(BETA), THERE)
    stuck = objective()
    offset = DESIGN.fixed.matvec(BETA)
    stuck.find_mode(offset, NEAR)
    before = stuck.factorization
    fail(monkeypatch, 100)
    *_, value = stuck.find_mode(offset, THERE)
    assert stuck.factorization is before
    assert -np.inf < value <= expected
    reached = offset + stuck.predict(stuck.own, stuck.rest)
    np.testing.assert_allclose(stuck.eta, reached, atol=1e-10)


def test_a_first_search_ends_where_the_curvature_breaks_down(monkeypatch):
    offset = DESIGN.fixed.matvec(BETA)
    known, first = objective(), objective()
    *_, expected = known.find_mode(offset, THERE)
    fail(monkeypatch, 100, after=1)
    *_, value = first.find_mode(offset, THERE)
    # One Newton step was made.
    nothing = Bernoulli().derivatives(Y, offset).log_likelihood.sum()
    assert nothing < value <= expected


def test_the_very_first_factorisation_must_succeed(monkeypatch):
    fail(monkeypatch, 100)
    with pytest.raises(np.linalg.LinAlgError):
        objective().find_mode(np.zeros(len(Y)), THERE)


# ----------------------------------------------------------------- dual equations


def head_design(structure, codes, *, n_outputs=2, sets=None, same=False):
    rows = np.random.RandomState(0).normal(size=(N, D)) / np.sqrt(D)
    rows = np.tile(rows[:1], (N, 1)) if same else rows
    return Design(
        n_rows=N,
        fixed=DenseBlock(np.ones((N, 1))),
        factors=(heads(rows, codes, structure),),
        n_outputs=n_outputs,
        sets=sets,
    )


def test_dual_equations_beyond_rounding_error():
    """Equal rows and effects so large that what tells the rows apart is lost."""
    family = MultinomialLogit(3)
    structure = output_covariance(shared(), family.output_contrast(), "full")
    design = head_design(structure, np.arange(N) % Q, same=True)
    assert choose_dual(design) is not None
    objective = LaplaceObjective(
        design,
        family,
        np.arange(N) % 3,
        np.ones(N),
        with_fixed=True,
        reml=False,
        coupling=couple(design, family),
    )
    with pytest.raises(np.linalg.LinAlgError):
        objective.find_mode(
            np.zeros(design.n_eta), structure.from_sds(np.full(structure.size, 1e12))
        )


def test_effects_that_all_covary_over_outputs_have_no_dual_equations():
    contrast = MultinomialLogit(3).output_contrast()
    every = output_covariance(full_covariance(np.ones(D + 1)), contrast, "full")
    assert choose_dual(head_design(every, np.arange(N) % Q)) is None


def test_levels_that_chose_nothing_have_no_dual_equations():
    # The first level has sets of an only alternative.
    codes = np.repeat(np.arange(Q), N // Q)
    sets = np.where(codes == 0, np.arange(N), N // Q + np.arange(N) // 2)
    sets = np.unique(sets, return_inverse=True)[1]
    design = head_design(shared(), codes, n_outputs=1, sets=sets)
    assert choose_dual(design) is None
    everywhere = np.arange(N) // 2
    assert choose_dual(head_design(shared(), codes, n_outputs=1, sets=everywhere))


# -------------------------------------------------------- joint covariance, sparse


@pytest.mark.parametrize("levels", [None, np.array([5, 0, 17])])
def test_the_joint_covariance_does_not_depend_on_the_algebra(levels):
    design = crossed_design("intercepts", n=1200, n_persons=160, n_items=140)
    y = np.random.RandomState(0).normal(size=design.n_rows)
    fits = [
        fit_mixed_model(
            design,
            Normal(),
            y + design.factors[0].codes / 50.0,
            np.ones(len(y)),
            SolverOptions(linear_algebra=algebra),
        )
        for algebra in ("sparse", "dense")
    ]
    sparse, dense = (fit.posterior.exact_joint(levels) for fit in fits)
    chosen = slice(None) if levels is None else levels
    for name in ("own", "cross"):
        one, other = getattr(sparse, name), getattr(dense, name)
        other = other if len(one) == len(other) else other[chosen]
        np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(sparse.rest, dense.rest, atol=1e-6)
