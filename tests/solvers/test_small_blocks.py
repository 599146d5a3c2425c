"""Stacks of small matrices, against numpy one by one."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn.solvers._small_blocks import (
    congruence,
    invert_roots,
    times_matrix,
    times_rows,
    times_vectors,
)


@pytest.fixture(params=[1, 2, 3, 4, 6])
def stack(request):
    rng = np.random.RandomState(request.param)
    root = rng.normal(size=(7, request.param, request.param))
    return root @ root.transpose(0, 2, 1) + 0.1 * np.eye(request.param)


def test_inverses_and_roots(stack):
    inverse, inverse_root, log_det = invert_roots(stack)
    lower = np.linalg.cholesky(stack)
    np.testing.assert_allclose(inverse, np.linalg.inv(stack), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(inverse_root, np.linalg.inv(lower), atol=1e-10)
    assert log_det == pytest.approx(np.linalg.slogdet(stack)[1].sum())


def test_indefinite_matrices(stack):
    stack[3, -1, -1] = -1.0
    with pytest.raises(np.linalg.LinAlgError, match="indefinite"):
        invert_roots(stack)


def test_not_a_number(stack):
    stack[3, 0, 0] = np.nan
    with pytest.raises(np.linalg.LinAlgError, match="indefinite"):
        invert_roots(stack)


def test_products(stack):
    rng = np.random.RandomState(0)
    r = stack.shape[1]
    matrix, vectors = rng.normal(size=(r, 3)), rng.normal(size=(len(stack), r))
    scale = np.tril(rng.normal(size=(r, r)))
    np.testing.assert_allclose(times_matrix(stack, matrix), stack @ matrix)
    np.testing.assert_allclose(times_matrix(stack, matrix[:, 0]), stack @ matrix[:, 0])
    np.testing.assert_allclose(
        times_vectors(stack, vectors), (stack @ vectors[:, :, None])[:, :, 0]
    )
    np.testing.assert_allclose(congruence(stack, scale), scale.T @ stack @ scale)


def test_no_columns():
    assert times_matrix(np.zeros((4, 2, 0)), np.zeros(0)).shape == (4, 2)
    assert times_matrix(np.zeros((4, 2, 0)), np.zeros((0, 0))).shape == (4, 2, 0)


@pytest.mark.parametrize("shape", [(5, 1, 4), (5, 3, 2), (0, 1, 4), (5, 2, 0)])
def test_rows_are_summed_over_the_stack(shape):
    rng = np.random.RandomState(0)
    stack, vectors = rng.normal(size=shape), rng.normal(size=shape[:2])
    expected = np.einsum("gam,ga->m", stack, vectors)
    np.testing.assert_allclose(times_rows(stack, vectors), expected, atol=1e-12)
