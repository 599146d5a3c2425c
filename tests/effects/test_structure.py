"""Levels, covariates and covariance structures learned from formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bead_sklearn.effects import (
    Covariates,
    FormulaTerm,
    MixedEffects,
    RandomFactor,
    build_structures,
    diagonal_covariance,
    full_covariance,
)

NAMES = ["x", "w", "a", "b", "c", "d", "e"]
N_ROWS = 12


@pytest.fixture
def covariates():
    columns = np.random.RandomState(0).normal(5.0, 2.0, size=(N_ROWS, len(NAMES)))
    columns[:, NAMES.index("e")] = 0.0
    return columns


@pytest.fixture
def ids():
    rng = np.random.RandomState(1)
    return {
        "person": rng.choice(np.array(["p1", "p2", "p3"], dtype=object), N_ROWS),
        "item": rng.randint(4, size=N_ROWS).astype(object),
    }


def build(formula, ids, covariates, *, rotation_invariant=False, center=True):
    return build_structures(
        MixedEffects(formula=formula).terms(),
        ids,
        Covariates(covariates, NAMES),
        np.arange(1.0, N_ROWS + 1),
        mixed_effects=MixedEffects(estimate_variance_components=center),
        rotation_invariant=rotation_invariant,
    )


def test_no_formula_has_no_terms():
    assert MixedEffects().terms() == []


def test_factor_names():
    assert FormulaTerm(("a", "b"), True, (), True).factor_name == "a:b"


def test_levels_and_codes(ids, covariates):
    [person, item] = build("(1 | person) + (1 | item)", ids, covariates)
    assert (person.name, person.levels.tolist()) == ("person", ["p1", "p2", "p3"])
    assert item.effect_names == ("(Intercept)",)
    factor = person.factor(ids, covariates)
    assert (factor.n_levels, factor.size, factor.n_effects) == (3, 1, 3)
    assert person.levels[factor.codes].tolist() == ids["person"].tolist()
    np.testing.assert_array_equal(factor.z, np.ones((N_ROWS, 1)))


def test_combinations_are_levels_of_pairs(ids, covariates):
    [pair] = build("(1 | person:item)", ids, covariates)
    assert (pair.name, pair.sources) == ("person:item", ("person", "item"))
    codes = pair.factor(ids, covariates).codes
    found = [pair.levels[code] for code in codes]
    assert found == list(zip(ids["person"], ids["item"], strict=True))


def test_new_and_missing_ids_are_unknown(ids, covariates):
    [person] = build("(1 + x | person)", ids, covariates)
    new = np.array(["p2", "somebody", "p1"], dtype=object)
    factor = person.factor({"person": new}, covariates[:3])
    assert factor.codes.tolist() == [1, -1, 0]
    effects = np.arange(1.0, 7.0).reshape(3, 2)
    known = (factor.z * effects[[1, 0, 0]]).sum(axis=1)
    np.testing.assert_allclose(factor.matvec(effects), [known[0], 0.0, known[2]])
    unknown = person.factor({}, covariates)
    assert (unknown.codes == -1).all()
    np.testing.assert_array_equal(unknown.matvec(effects), np.zeros(N_ROWS))


@pytest.mark.parametrize(
    ("formula", "center", "is_centred"),
    [
        ("(1 + x + w | person)", True, True),
        ("(1 + x + w | person)", False, False),
        ("(1 + x + w || person)", True, False),
        ("(0 + x + w | person)", True, False),
    ],
)
def test_centring_leaves_the_model_the_same(
    formula, center, is_centred, ids, covariates
):
    [person] = build(formula, ids, covariates, center=center)
    [block] = person.blocks
    if is_centred:
        weights = np.arange(1.0, N_ROWS + 1)
        expected = np.average(covariates[:, :2], axis=0, weights=weights)
        np.testing.assert_allclose(block.centers, expected)
    else:
        assert (block.centers == 0).all()
    # Effects of the centred covariates, turned into those of the columns of X.
    factor = person.factor(ids, covariates)
    effects = np.random.RandomState(2).normal(size=(3, factor.size))
    columns = covariates[:, :2]
    if block.intercept:
        columns = np.column_stack([np.ones(N_ROWS), columns])
    of_columns = effects @ person.to_columns().T
    expected = (columns * of_columns[factor.codes]).sum(axis=1)
    np.testing.assert_allclose(factor.matvec(effects), expected)


def test_parameters_are_in_the_unit_of_the_covariates(ids, covariates):
    weights = np.arange(1.0, N_ROWS + 1)
    size = np.sqrt(np.average(covariates[:, 0] ** 2, weights=weights))
    [person] = build("(1 + x || person)", ids, covariates)
    sds = person.factor(ids, covariates).structure.factor(np.ones(2))
    np.testing.assert_allclose(sds, np.diag([1.0, 1.0 / size]))
    [person] = build("(1 + x | person)", ids, covariates, center=False)
    structure = person.factor(ids, covariates).structure
    assert structure.is_scale.tolist() == [True, False, True]
    np.testing.assert_allclose(
        structure.factor(np.ones(3)), [[1.0, 0.0], [1.0 / size, 1.0 / size]]
    )


def test_a_covariate_of_zeros_has_a_unit(ids, covariates):
    [person] = build("(0 + e | person)", ids, covariates)
    assert person.blocks[0].structure.scales.tolist() == [1.0]


def test_terms_of_one_factor_are_independent_blocks(ids, covariates):
    [person] = build("(1 | person) + (0 + x | person)", ids, covariates)
    assert person.effect_names == ("(Intercept)", "x")
    structure = person.factor(ids, covariates).structure
    assert structure.n_parameters == 2
    factor = structure.factor(np.array([2.0, 3.0]))
    assert np.count_nonzero(factor) == 2
    z = person.factor(ids, covariates).z
    np.testing.assert_allclose(z, np.column_stack([np.ones(N_ROWS), covariates[:, 0]]))


@pytest.mark.parametrize("intercept", [0, 1])
def test_many_features_share_a_variance_that_does_not_turn(intercept, ids, covariates):
    slopes = "x + w + a + b + c + d"
    formula = f"({intercept} + {slopes} | person)"
    [person] = build(formula, ids, covariates, rotation_invariant=True)
    structure = person.blocks[0].structure
    assert structure.n_parameters == 1 + intercept
    covariance = np.diag(structure.factor(np.ones(1 + intercept))) ** 2
    features = covariates[:, :6]
    size = np.average(features**2, axis=0, weights=np.arange(1.0, N_ROWS + 1)).sum()
    np.testing.assert_allclose(covariance[intercept:], 1.0 / size)
    assert (person.blocks[0].centers == 0).all()
    # Rotated features give the same variance of the linear predictor.
    turn, _ = np.linalg.qr(np.random.RandomState(3).normal(size=(6, 6)))
    rotated = covariates.copy()
    rotated[:, :6] = features @ turn
    [other] = build(formula, ids, rotated, rotation_invariant=True)
    theta = np.full(1 + intercept, 1.3)
    factors = person.factor(ids, covariates), other.factor(ids, rotated)
    spreads = [
        ((factor.z @ factor.structure.factor(theta)) ** 2).sum(axis=1)
        for factor in factors
    ]
    np.testing.assert_allclose(*spreads)


def test_few_features_keep_their_covariances(ids, covariates):
    [person] = build("(1 + x + w | person)", ids, covariates, rotation_invariant=True)
    assert person.blocks[0].structure.n_parameters == 6


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("(1 | school)", r"grouping factor 'school'.*Known factors: \['item', 'person"),
        ("(1 | person:school)", "grouping factor 'school'"),
        ("(1 + age | person)", r"covariate 'age'.*Numeric columns: \['x', 'w'"),
        ("(1 | person) + (1 + x | person)", r"'\(Intercept\)' twice.*'person'.*0 \+"),
        ("(0 + x | item) + (0 + x | item)", "'x' twice for the factor 'item'"),
    ],
)
def test_errors(formula, message, ids, covariates):
    with pytest.raises(ValueError, match=message):
        build(formula, ids, covariates)


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 3))
def test_sums_over_levels_are_the_transpose(seed, n_levels, size):
    rng = np.random.RandomState(seed)
    structure = full_covariance(np.ones(size))
    codes = rng.randint(n_levels, size=9)
    z = rng.normal(size=(9, size))
    factor = RandomFactor("g", codes, n_levels, z, structure, ("e",) * size)
    dense = np.zeros((9, n_levels, size))
    dense[np.arange(9), codes] = z
    dense = dense.reshape(9, -1)
    effects, x = rng.normal(size=(n_levels, size)), rng.normal(size=9)
    np.testing.assert_allclose(factor.matvec(effects), dense @ effects.ravel())
    np.testing.assert_allclose(factor.rmatvec(x).ravel(), dense.T @ x, atol=1e-14)


def test_deviations_give_their_parameters():
    for structure in (
        full_covariance(np.array([1.0, 0.25])),
        diagonal_covariance(np.array([1.0, 0.25])),
    ):
        factor = structure.factor(structure.from_sds(np.array([3.0, 0.5])))
        np.testing.assert_allclose(factor, np.diag([3.0, 0.5]))


def test_heads_beside_another_term_have_no_bases(ids, covariates):
    formula = "(1 | person) + (0 + x + w + a + b + c + d | person)"
    [person] = build(formula, ids, covariates, rotation_invariant=True)
    assert person.bases is None
    assert person.factor(ids, covariates).sizes.tolist() == [7, 7, 7]
    [person] = build("(1 + x + w || person)", ids, covariates)
    assert person.factor(ids, covariates).sizes is None


def test_sizes_are_those_of_the_bases(ids, covariates):
    [item] = build(
        "(1 + x + w + a + b + c + d | item)", ids, covariates, rotation_invariant=True
    )
    counts = np.bincount(ids["item"].astype(int))
    assert counts.max() < 6
    assert item.bases.counts.tolist() == counts.tolist()
    factor = item.factor(ids, covariates)
    assert factor.sizes.tolist() == (1 + counts).tolist()
    assert factor.z.shape == (N_ROWS, 1 + counts.max())
    assert len(item.effect_names) == 7
    assert item.names_of(np.array([0])) == ["(Intercept)"]
    assert item.names_of(np.array([1, 2])) == list(item.effect_names[1:])
