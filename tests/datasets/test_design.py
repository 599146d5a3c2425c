import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bead_sklearn.datasets._design import balanced_design


@settings(max_examples=60, deadline=None)
@given(
    n_participants=st.integers(1, 30),
    n_items=st.integers(1, 20),
    data=st.data(),
    seed=st.integers(0, 1000),
)
def test_items_are_distinct_and_balanced(n_participants, n_items, data, seed):
    size = data.draw(st.integers(1, n_items))
    design = balanced_design(n_participants, n_items, size, np.random.RandomState(seed))
    assert design.shape == (n_participants, size)
    assert all(len(set(row)) == size for row in design.tolist())
    counts = np.bincount(design.ravel(), minlength=n_items)
    assert counts.size == n_items
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("size", [5, 7])
def test_every_pair_of_items_meets_equally_often(size):
    """Whole random subsets: no lists that split items into separate blocks."""
    design = balanced_design(20_000, 10, size, np.random.RandomState(0))
    judged = np.zeros((20_000, 10))
    np.put_along_axis(judged, design, 1, axis=1)
    together = (judged.T @ judged / 20_000)[np.triu_indices(10, 1)]
    expected = size * (size - 1) / 90
    # Standard error of a share: at most 0.0036.
    np.testing.assert_allclose(together, expected, atol=0.018)


@pytest.mark.parametrize("size", [5, 7, 10])
def test_order_of_presentation_is_random(size):
    design = balanced_design(20_000, 10, size, np.random.RandomState(1))
    for position in (0, size - 1):
        shares = np.bincount(design[:, position], minlength=10) / 20_000
        np.testing.assert_allclose(shares, 0.1, atol=0.012)
