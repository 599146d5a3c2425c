"""Parameters of families as people know them."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn.families import (
    Bernoulli,
    Beta,
    CumulativeLogit,
    CumulativeProbit,
    LogNormal,
    MultinomialLogit,
    Normal,
    OrderedBeta,
    TruncatedNormal,
)

FAMILIES = {
    "cumulative": CumulativeLogit(4, parameters=np.array([-1.0, 0.3, -0.4])),
    "equidistant": CumulativeProbit(5, True, np.array([-1.0, 0.2])),
    "two categories": CumulativeProbit(2, parameters=np.array([0.4])),
    "truncated normal": TruncatedNormal(0.0, 1.0, 0.4),
    "beta": Beta(3.0),
    "ordered beta": OrderedBeta(-1.0, 1.5, 3.0),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients(name):
    family, step = FAMILIES[name], 1e-6
    own = family.parameters
    reported = family.reported_parameters()
    jacobian = np.array([parameter.gradient for parameter in reported])
    for index in range(len(own)):
        values = []
        for sign in (-1.0, 1.0):
            moved = own.copy()
            moved[index] += sign * step
            other = family.with_parameters(moved).reported_parameters()
            values.append(np.array([parameter.value for parameter in other]))
        numeric = (values[1] - values[0]) / (2 * step)
        np.testing.assert_allclose(jacobian[:, index], numeric, rtol=1e-7, atol=1e-9)
    # They say all there is to say.
    assert np.linalg.matrix_rank(jacobian) == len(own)


def test_names_and_values():
    found = {
        name: {item.name: item.value for item in family.reported_parameters()}
        for name, family in FAMILIES.items()
    }
    assert found["beta"] == {"phi": pytest.approx(3.0)}
    assert found["truncated normal"] == {"sigma": pytest.approx(0.4)}
    assert found["ordered beta"] == {
        "lower_threshold": -1.0,
        "upper_threshold": 1.5,
        "phi": 3.0,
    }
    assert found["two categories"] == {"0|1": pytest.approx(0.4)}
    family = FAMILIES["equidistant"]
    assert list(found["equidistant"]) == ["0|1", "1|2", "2|3", "3|4"]
    np.testing.assert_allclose(
        list(found["equidistant"].values()), family.thresholds, rtol=1e-12
    )
    assert [item.categories for item in family.reported_parameters()] == [
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 4),
    ]


def test_dispersions_are_positive():
    for family in FAMILIES.values():
        for parameter in family.reported_parameters():
            assert parameter.is_positive == (parameter.name in ("phi", "sigma"))


@pytest.mark.parametrize(
    "family", [Bernoulli(), Normal(), LogNormal(), MultinomialLogit(3)]
)
def test_families_without_parameters_report_none(family):
    assert family.reported_parameters() == []
