"""Bases of the rows of each level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bead_sklearn.effects import level_bases

D = 9


def make_rows(seed, *, dependent=False):
    """Rows of levels with one to seven rows each, some of them the same."""
    rng = np.random.RandomState(seed)
    codes = rng.permutation(np.repeat(np.arange(7), np.arange(1, 8)))
    rows = rng.normal(size=(len(codes), D))
    if dependent:
        rows = rows[:, :2] @ rng.normal(size=(2, D))
        rows[rng.randint(len(rows), size=3)] = 0.0
    rows[1], codes[1] = rows[0], codes[0]
    codes[-7:] = np.arange(7)
    return rows, codes


@given(st.integers(0, 1000), st.booleans())
def test_bases_are_orthonormal_and_span_the_rows(seed, dependent):
    rows, codes = make_rows(seed, dependent=dependent)
    bases = level_bases(rows, codes)
    coordinates = bases.coordinates(rows, codes)
    assert coordinates.shape == (len(rows), bases.size)
    for level in range(bases.n_levels):
        basis = bases.basis(level)
        np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-12)
        own = codes == level
        spanned = coordinates[own, : len(basis)] @ basis
        np.testing.assert_allclose(spanned, rows[own], atol=1e-12)
        assert (coordinates[own, len(basis) :] == 0).all()
        assert len(basis) == len(np.unique(rows[own], axis=0))
    assert (bases.unspanned(rows, coordinates) == 0).all()
    left = bases.outside(rows, codes, coordinates)
    np.testing.assert_allclose(left, 0.0, atol=1e-12)


@given(st.integers(0, 1000))
def test_new_rows_are_split_into_what_is_spanned_and_what_is_not(seed):
    bases = level_bases(*make_rows(seed))
    rng = np.random.RandomState(seed + 1)
    rows, codes = rng.normal(size=(20, D)), rng.randint(-1, 7, size=20)
    coordinates = bases.coordinates(rows, codes)
    left = bases.outside(rows, codes, coordinates)
    for row, code, own, outside in zip(rows, codes, coordinates, left, strict=True):
        basis = bases.basis(code) if code >= 0 else np.zeros((0, D))
        np.testing.assert_allclose(basis @ outside, 0.0, atol=1e-12)
        np.testing.assert_allclose(own[: len(basis)] @ basis + outside, row, atol=1e-12)
    lengths = (left**2).sum(axis=1)
    np.testing.assert_allclose(bases.unspanned(rows, coordinates), lengths, atol=1e-12)
    np.testing.assert_array_equal(left[codes < 0], rows[codes < 0])


def test_coefficients_and_variances_are_those_of_dense_algebra():
    bases = level_bases(*make_rows(3))
    rng = np.random.RandomState(0)
    effects = rng.normal(size=(7, bases.size))
    roots = rng.normal(size=(7, bases.size, bases.size))
    covariances = roots @ roots.transpose(0, 2, 1)
    coefficients = bases.coefficients(effects)
    for level in range(7):
        q = bases.basis(level).T
        k = q.shape[1]
        np.testing.assert_allclose(coefficients[level], q @ effects[level, :k])
        dense = q @ covariances[level, :k, :k] @ q.T + 0.7 * (np.eye(D) - q @ q.T)
        variances = bases.variances(level, covariances[level], 0.7)
        np.testing.assert_allclose(variances, np.diagonal(dense))


def test_only_distinct_rows_count():
    rng = np.random.RandomState(0)
    rows = np.repeat(rng.normal(size=(6, D)), 4, axis=0)
    assert level_bases(rows, np.zeros(24, dtype=int)).size == 6
    assert level_bases(rng.normal(size=(24, D)), np.zeros(24, dtype=int)) is None


def test_a_level_with_many_rows_has_all_directions():
    rows, codes = make_rows(0)
    rng = np.random.RandomState(1)
    rows = np.vstack([rows, rng.normal(size=(12, D))])
    codes = np.append(codes, np.full(12, 7))
    bases = level_bases(rows, codes)
    assert bases.counts[-1] == bases.size == D
    coordinates = bases.coordinates(rows, codes)
    np.testing.assert_array_equal(coordinates[-12:], rows[-12:])
    new = rng.normal(size=(3, D))
    at_last = bases.coordinates(new, np.full(3, 7))
    np.testing.assert_array_equal(bases.unspanned(new, at_last), np.zeros(3))


def test_rows_of_any_memory_layout():
    rows, codes = make_rows(5)
    expected = level_bases(rows, codes)
    for same in (np.asfortranarray(rows), np.repeat(rows, 2, axis=1)[:, ::2]):
        np.testing.assert_allclose(level_bases(same, codes).vectors, expected.vectors)


@pytest.mark.parametrize("codes", [[], [-1, -1]])
def test_no_row_of_a_known_level(codes):
    bases = level_bases(*make_rows(0))
    rows = np.ones((len(codes), D))
    coordinates = bases.coordinates(rows, np.array(codes, dtype=int))
    np.testing.assert_array_equal(coordinates, np.zeros((len(codes), bases.size)))
