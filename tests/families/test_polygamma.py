"""The derivatives of the digamma function against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import polygamma

from bead_sklearn.families._polygamma import polygammas


def test_all_arguments_from_one_on():
    z = np.concatenate([1.0 + np.geomspace(1e-16, 1.0), np.geomspace(1.0, 1e12, 2000)])
    trigamma, tetragamma = polygammas(z)
    np.testing.assert_allclose(trigamma, polygamma(1, z), rtol=4e-15)
    np.testing.assert_allclose(tetragamma, polygamma(2, z), rtol=4e-15)


def test_values_known_in_closed_form():
    trigamma, tetragamma = polygammas(np.array([1.0, 2.0]))
    np.testing.assert_allclose(
        trigamma, np.pi**2 / 6.0 - np.array([0.0, 1.0]), rtol=1e-15
    )
    apery = 1.2020569031595942
    np.testing.assert_allclose(tetragamma, -2.0 * apery + np.array([0.0, 2.0]), 1e-15)


@pytest.mark.parametrize("shape", [(), (0,), (3, 2)])
def test_shapes_are_kept(shape):
    assert [part.shape for part in polygammas(np.full(shape, 2.5))] == [shape, shape]
