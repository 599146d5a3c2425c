"""How many numbers would say as much as the responses."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn.families import (
    Bernoulli,
    Beta,
    ConditionalLogit,
    CumulativeLogit,
    IndependentOutputs,
    LogNormal,
    MultinomialLogit,
    Normal,
    OrderedBeta,
    TruncatedNormal,
)

LABELS = np.repeat([0, 1, 2], [10, 60, 30])


def size(family, y, weights=None):
    y = np.asarray(y)
    weights = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float)
    return family.limiting_sample_size(y, weights)


@pytest.mark.parametrize("family", [Normal(), LogNormal(1.0), Beta(2.0)])
def test_each_number_counts(family):
    assert size(family, np.linspace(0.1, 0.9, 7)) == 7.0
    assert size(family, [0.2, 0.2, 0.4], [1, 2, 0.5]) == 3.5


def test_the_rarer_of_two_answers():
    assert size(Bernoulli(), [0, 1, 1, 1, 0]) == 2.0
    assert size(Bernoulli(), [1, 1, 1]) == 0.0


def test_the_rarest_class():
    assert size(MultinomialLogit(3), LABELS) == 10.0
    assert size(MultinomialLogit(4), LABELS) == 0.0


def test_ordered_categories_without_their_ties():
    # Harrell's formula by hand: 100 - (1000 + 216000 + 27000) / 10000.
    assert size(CumulativeLogit(3), LABELS) == pytest.approx(75.6)
    many = CumulativeLogit(100)
    assert size(many, np.arange(100)) == pytest.approx(100.0 - 0.01)
    assert size(CumulativeLogit(3), np.zeros(5)) == 0.0


def test_only_the_ends_of_a_slider_are_ties():
    inside = np.full(20, 0.5)
    assert size(OrderedBeta(-1.0, 1.0, 3.0), inside) == 20.0
    y = np.concatenate([inside, np.zeros(60), np.ones(20)])
    expected = 100.0 - (60.0**3 + 20.0**3) / 100.0**2
    assert size(OrderedBeta(-1.0, 1.0, 3.0), y) == pytest.approx(expected)
    assert size(TruncatedNormal(0.0, 1.0, 0.2), y) == pytest.approx(expected)


def test_a_choice_between_two_is_half_a_number():
    sets = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2, 3])
    y = np.array([1, 0, 0, 1, 0, 0, 0, 0, 1, 1.0])
    # An only alternative says nothing.
    assert size(ConditionalLogit(sets), y) == pytest.approx(1 / 2 + 2 / 3 + 3 / 4)


def test_the_label_that_is_least_known():
    y = np.column_stack([LABELS == 0, LABELS == 1, LABELS == 2]).astype(float)
    assert size(IndependentOutputs(Bernoulli(), 3), y) == 10.0


@pytest.mark.parametrize(
    ("family", "y"),
    [
        (Normal(), LABELS),
        (Bernoulli(), LABELS > 1),
        (CumulativeLogit(3), LABELS),
        (MultinomialLogit(3), LABELS),
        (OrderedBeta(-1.0, 1.0, 3.0), LABELS / 2),
    ],
)
def test_weights_are_repeats(family, y):
    y = np.asarray(y, dtype=float)
    weights = np.arange(len(y)) % 4
    repeated = size(family, np.repeat(y, weights))
    assert size(family, y, weights) == pytest.approx(repeated)
