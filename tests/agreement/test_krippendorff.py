"""Krippendorff's alpha against published values and brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bead_sklearn.agreement import krippendorff_alpha

# Krippendorff (2011), section C: four observers, twelve units.
NA = None
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NA, NA, NA],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NA, 3],
    [NA, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NA],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NA],
]


@pytest.mark.parametrize(
    ("level", "alpha"),
    [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)],
)
def test_published_table(level, alpha):
    assert krippendorff_alpha(PUBLISHED, level=level) == pytest.approx(alpha, abs=5e-4)


def test_published_binary_and_nominal_pairs():
    # Krippendorff (2011), sections A and B.
    meg = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    owen = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert krippendorff_alpha([meg, owen]) == pytest.approx(0.095, abs=5e-4)
    gerry = list("babbbccceddd")
    ben = ["a", "a", "b", "b", "d", "c", "c", "c", "e", "d", "d", "a"]
    assert krippendorff_alpha([ben, gerry]) == pytest.approx(0.692, abs=5e-4)


def brute_force(table, distance):
    """Mean distance within units and over all pairs, by loops."""
    units = [
        [row[u] for row in table if row[u] is not None] for u in range(len(table[0]))
    ]
    units = [unit for unit in units if len(unit) > 1]
    values = [value for unit in units for value in unit]
    n = len(values)
    observed = sum(
        distance(a, b) / (len(unit) - 1)
        for unit in units
        for a, b in itertools.permutations(unit, 2)
    )
    expected = sum(distance(a, b) for a, b in itertools.permutations(values, 2))
    if expected == 0:
        return math.nan
    return 1 - (n - 1) * observed / expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.integers(0, 4)), min_size=5, max_size=5),
        min_size=2,
        max_size=4,
    )
)
def test_brute_force(table):
    for level, distance in {
        "nominal": lambda a, b: float(a != b),
        "interval": lambda a, b: (a - b) ** 2,
        "ratio": lambda a, b: ((a - b) / (a + b)) ** 2 if a + b else 0.0,
    }.items():
        alpha = krippendorff_alpha(table, level=level)
        assert alpha == pytest.approx(brute_force(table, distance), nan_ok=True)


def test_ordinal_depends_on_order_only():
    table = np.array(PUBLISHED[1:], dtype=object)
    other = np.array([[NA if v is None else v**3 for v in row] for row in table])
    assert krippendorff_alpha(table, level="ordinal") == pytest.approx(
        krippendorff_alpha(other, level="ordinal")
    )


def test_what_cannot_be_said():
    assert math.isnan(krippendorff_alpha([[1, 1], [1, 1]]))
    assert math.isnan(krippendorff_alpha([[1, None], [None, 2]]))
    assert math.isnan(krippendorff_alpha([[None, math.nan]]))
    with pytest.raises(ValueError, match="level must be one of"):
        krippendorff_alpha(PUBLISHED, level="metric")
    with pytest.raises(ValueError, match="needs numbers"):
        krippendorff_alpha([["a", "b"], ["a", "b"]], level="interval")
    with pytest.raises(ValueError, match="table of annotators by units"):
        krippendorff_alpha([1, 2, 3])
