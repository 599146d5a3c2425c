"""Coefficients against published tables, other packages and loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from bead_sklearn.agreement import (
    agreement_interval,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    pairwise_agreement,
    percent_agreement,
)
from bead_sklearn.agreement._pairwise import _one_by_one
from bead_sklearn.agreement._ratings import read_ratings


def from_table(table):
    """Two annotators with this table of counts."""
    pairs = [
        (j, k)
        for j, row in enumerate(table)
        for k, count in enumerate(row)
        for _ in range(count)
    ]
    return [list(column) for column in zip(*pairs, strict=True)]


# Fourteen annotators, ten units, five labels: the worked example of Fleiss' kappa
# in general use, 0.210.
FOURTEEN = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def random_table(seed, n_annotators=5, n_units=40, missing=0.3, n_labels=4):
    rng = np.random.RandomState(seed)
    truth = rng.randint(n_labels, size=n_units)
    table = np.where(
        rng.uniform(size=(n_annotators, n_units)) < 0.6,
        truth,
        rng.randint(n_labels, size=(n_annotators, n_units)),
    ).astype(float)
    table[rng.uniform(size=table.shape) < missing] = np.nan
    return table


def test_fleiss_published():
    assert fleiss_kappa(FOURTEEN, counts=True) == pytest.approx(0.210, abs=5e-4)
    ratings = np.array(
        [[k for k, count in enumerate(row) for _ in range(count)] for row in FOURTEEN]
    ).T
    assert fleiss_kappa(ratings) == pytest.approx(fleiss_kappa(FOURTEEN, counts=True))
    assert percent_agreement(ratings) == pytest.approx(0.378, abs=5e-4)


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        # Fleiss, Cohen and Everitt (1969), in units of a hundredth of 200.
        ([[106, 10, 4], [22, 28, 10], [2, 12, 6]], 0.429),
        # Fleiss, Levin and Paik (2003), table 18.1.
        ([[75, 1, 4], [5, 4, 1], [0, 0, 10]], 0.676),
    ],
)
def test_cohen_published(table, kappa):
    first, second = from_table(table)
    assert cohen_kappa(first, second) == pytest.approx(kappa, abs=5e-4)


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_cohen_is_that_of_scikit_learn(weights):
    a, b = random_table(0, 2, missing=0.0)
    expected = cohen_kappa_score(a, b, weights=weights)
    assert cohen_kappa(a, b, weights=weights) == pytest.approx(expected)


def test_missing_ratings_do_not_shift_units():
    first = ["a", None, "b", "a", "b", "c"]
    second = ["a", "b", "b", None, "b", "c"]
    assert cohen_kappa(first, second) == 1.0
    assert percent_agreement([first, second]) == 1.0
    assert pairwise_agreement([first, second]).n_units.tolist() == [[5, 4], [4, 5]]


def test_containers_agree():
    table = random_table(1)
    objects = np.where(np.isnan(table), None, table.astype(object))
    frames = pd.DataFrame(table).astype("Int64")
    texts = [[None if v is None else f"label {v}" for v in row] for row in objects]
    for measure in (krippendorff_alpha, fleiss_kappa, percent_agreement):
        expected = measure(table)
        for other in (objects, objects.tolist(), frames, texts):
            assert measure(other) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval", "ratio"])
@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_the_krippendorff_package(level, seed):
    krippendorff = pytest.importorskip(
        "krippendorff", reason="needs the package krippendorff"
    )
    table = random_table(seed, n_labels=5) + 1.0
    expected = krippendorff.alpha(table, level_of_measurement=level)
    assert krippendorff_alpha(table, level=level) == pytest.approx(expected, rel=1e-10)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=6, max_size=6),
        min_size=2,
        max_size=4,
    )
)
def test_fleiss_and_percent_by_loops(table):
    units = [[r[u] for r in table if r[u] is not None] for u in range(6)]
    paired = [unit for unit in units if len(unit) > 1]
    if not paired:
        assert math.isnan(percent_agreement(table))
        assert math.isnan(fleiss_kappa(table))
        return
    percent = np.mean(
        [np.mean([a == b for a, b in itertools.combinations(u, 2)]) for u in paired]
    )
    assert percent_agreement(table) == pytest.approx(percent)
    rated = [unit for unit in units if unit]
    shares = [np.mean([u.count(k) / len(u) for u in rated]) for k in range(4)]
    chance = sum(share**2 for share in shares)
    kappa = (percent - chance) / (1 - chance) if chance < 1 - 1e-12 else math.nan
    assert fleiss_kappa(table) == pytest.approx(kappa, nan_ok=True)


@pytest.mark.parametrize(
    ("coefficient", "level", "weights"),
    [
        ("krippendorff_alpha", "nominal", None),
        ("krippendorff_alpha", "ordinal", None),
        ("fleiss_kappa", "nominal", None),
        ("percent_agreement", "nominal", None),
        ("cohen_kappa", "nominal", None),
        ("cohen_kappa", "nominal", "linear"),
    ],
)
def test_pairs_at_once_are_pairs_one_by_one(coefficient, level, weights):
    table = random_table(2, 6)
    table[4] = np.where(np.isnan(table[4]), np.nan, 1.0)  # always the same label
    table[5, :30] = np.nan
    pairs = pairwise_agreement(table, coefficient, level=level, weights=weights)
    slow = _one_by_one(*read_ratings(table), coefficient, level, weights)
    np.testing.assert_allclose(pairs.values, slow, rtol=1e-10, atol=1e-12)
    assert np.array_equal(pairs.values, pairs.values.T, equal_nan=True)


def test_pairs_of_numbers():
    table = np.random.RandomState(0).normal(size=(3, 20)) + np.arange(20)
    pairs = pairwise_agreement(table, level="interval", annotators=list("abc"))
    assert pairs.values[0, 2] == pytest.approx(
        krippendorff_alpha(table[[0, 2]], level="interval")
    )
    frame = pairs.to_frame()
    assert frame["first"].tolist() == ["a", "a", "b"]
    assert frame["agreement"].tolist() == pairs.values[np.triu_indices(3, 1)].tolist()
    assert pairs.mean()[0] == pytest.approx(np.nanmean(pairs.values[0]))


def test_interval_matches_resampling_by_hand():
    table = random_table(3, 3, 30)
    interval = agreement_interval(
        table, method="percentile", n_resamples=200, random_state=5
    )
    draws = np.random.RandomState(5).randint(30, size=(200, 30))
    by_hand = [krippendorff_alpha(table[:, drawn]) for drawn in draws]
    np.testing.assert_allclose(interval.resamples, by_hand, rtol=1e-10)
    assert interval.estimate == krippendorff_alpha(table)
    assert interval.low == pytest.approx(np.quantile(by_hand, 0.025))
    assert interval.standard_error == pytest.approx(np.std(by_hand, ddof=1))


@pytest.mark.parametrize(
    ("coefficient", "options"),
    [
        ("krippendorff_alpha", {"level": "ordinal"}),
        ("krippendorff_alpha", {"level": "interval"}),
        ("krippendorff_alpha", {"level": "ratio"}),
        ("fleiss_kappa", {}),
        ("percent_agreement", {}),
    ],
)
def test_every_coefficient_is_resampled(coefficient, options):
    table = random_table(4, 3, 25) + 1.0
    measure = {
        "krippendorff_alpha": krippendorff_alpha,
        "fleiss_kappa": fleiss_kappa,
        "percent_agreement": percent_agreement,
    }[coefficient]
    found = agreement_interval(
        table, coefficient, n_resamples=40, random_state=1, **options
    )
    draws = np.random.RandomState(1).randint(25, size=(40, 25))
    by_hand = [measure(table[:, drawn], **options) for drawn in draws]
    np.testing.assert_allclose(found.resamples, by_hand, rtol=1e-9)
    assert found.low < found.estimate < found.high


def test_intervals_cover():
    """Share of 95 % intervals that hold the value of very many units."""
    rng = np.random.RandomState(0)

    def simulate(n_units):
        truth = rng.randint(2, size=n_units)
        wrong = rng.uniform(size=(3, n_units)) < 0.15
        return np.where(wrong, 1 - truth, truth)

    value = krippendorff_alpha(simulate(200_000))
    covered = 0
    for seed in range(200):
        interval = agreement_interval(simulate(60), n_resamples=400, random_state=seed)
        covered += interval.low <= value <= interval.high
    # Binomial(200, 0.95): 99.9 % between 178 and 199; the bootstrap is approximate.
    assert 174 <= covered <= 199


def test_what_cannot_be_said():
    assert math.isnan(cohen_kappa(["a", "a"], ["a", "a"]))
    assert math.isnan(cohen_kappa(["a", None], [None, "a"]))
    assert math.isnan(fleiss_kappa([["a"], ["a"]]))
    assert math.isnan(percent_agreement([["a", None], [None, "b"]]))
    assert math.isnan(agreement_interval([[1, 1], [1, 1]]).low)
    with pytest.raises(ValueError, match="as long, got 2 and 1"):
        cohen_kappa([1, 2], [1])
    with pytest.raises(ValueError, match="weights must be one of"):
        cohen_kappa([1, 2], [1, 2], weights="cubic")
    with pytest.raises(ValueError, match=r"counts, got 0\.5"):
        fleiss_kappa([[0.5, 1.0]], counts=True)
    with pytest.raises(ValueError, match="table of units by labels"):
        fleiss_kappa([1, 2], counts=True)
    with pytest.raises(ValueError, match="coefficient must be one of"):
        agreement_interval([[1], [1]], "alpha")
    with pytest.raises(ValueError, match="no effect on fleiss_kappa"):
        pairwise_agreement([[1], [1]], "fleiss_kappa", level="ordinal")
    with pytest.raises(ValueError, match="no effect on percent_agreement"):
        pairwise_agreement([[1], [1]], "percent_agreement", weights="linear")
    with pytest.raises(ValueError, match="of two annotators, got 3"):
        agreement_interval([[1], [1], [2]], "cohen_kappa")
    with pytest.raises(ValueError, match="name 2 rows of ratings, got 1"):
        pairwise_agreement([[1], [1]], annotators=["a"])
    for wrong in ({"confidence": 1.0}, {"n_resamples": 1}, {"method": "t"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            agreement_interval([[1, 2], [1, 2]], **wrong)
