from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bead_sklearn.query import EntropySampling, select_top_k


def test_best_first_and_ties_in_order():
    scores = [0.1, 0.9, 0.3, 0.9, 0.2, 0.9]
    assert select_top_k(scores, 4).tolist() == [1, 3, 5, 2]
    assert select_top_k(scores, 2).tolist() == [1, 3]
    assert EntropySampling().select_top_k(scores, 2).tolist() == [1, 3]


@pytest.mark.parametrize(
    ("k", "expected"), [(0, []), (-3, []), (3, [1, 0, 2]), (9, [1, 0, 2])]
)
def test_sizes_out_of_range(k, expected):
    picked = select_top_k([0.5, 0.7, 0.1], k)
    assert picked.tolist() == expected
    assert picked.dtype == np.intp


def test_golden_argsort_tail():
    # The sample code of the seed picked the NaN row, and row 3 before row 2.
    with pytest.raises(ValueError, match=r"NaN at 1 of 5 rows, first at row 1"):
        select_top_k([0.1, np.nan, 0.9, 0.9, 0.2], 2)
    assert select_top_k([0.1, 0.0, 0.9, 0.9, 0.2], 2).tolist() == [2, 3]


def test_infinite_scores_are_ranked():
    assert select_top_k([0.0, -np.inf, np.inf], 3).tolist() == [2, 0, 1]


def test_flags_are_scores():
    assert select_top_k([False, True, False], 2).tolist() == [1, 0]


@pytest.mark.parametrize("k", [1.0, "2", True, None])
def test_k_must_be_an_integer(k):
    with pytest.raises(TypeError, match="k must be an integer"):
        select_top_k([0.1, 0.2], k)


def test_scores_must_be_one_dimensional():
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        select_top_k(np.ones((2, 2)), 1)


@given(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0]), min_size=1, max_size=30),
    st.integers(-2, 35),
)
def test_agrees_with_a_stable_sort(scores, k):
    expected = sorted(range(len(scores)), key=lambda i: -scores[i])[: max(k, 0)]
    assert select_top_k(scores, k).tolist() == expected
