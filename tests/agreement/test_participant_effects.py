from __future__ import annotations

import math

import numpy as np
import pytest

from bead_sklearn.agreement import annotation_quality
from bead_sklearn.agreement._participant_effects import participant_effects


def simulate(seed, sd, n_people=30, n_items=60, per_item=6, noise=1.0):
    rng = np.random.RandomState(seed)
    effect = sd * rng.normal(size=n_people)
    item = np.repeat(np.arange(n_items), per_item)
    people = np.concatenate(
        [rng.permutation(n_people)[:per_item] for _ in range(n_items)]
    )
    height = 5.0 * rng.normal(size=n_items)
    values = height[item] + effect[people] + noise * rng.normal(size=len(item))
    return values, item, people, effect


def test_effects_are_found():
    covered, sds, errors, raw = [], [], [], []
    for seed in range(40):
        values, item, people, effect = simulate(seed, sd=0.8)
        found = participant_effects(values, item, people, 30)
        truth = effect - effect.mean()  # items take up what is common
        z = (found.effects - truth) / found.errors
        covered.append(np.mean(np.abs(z) < 1.96))
        sds.append(found.sd)
        errors.append(np.mean(np.square(found.effects - truth)))
        means = [values[people == p].mean() for p in range(30)]
        raw.append(np.mean(np.square(means - np.mean(means) - truth)))
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)
    assert np.mean(np.square(sds)) == pytest.approx(0.64, abs=0.08)
    # Heights of the items are taken out.
    assert np.mean(errors) < 0.25 * np.mean(raw)


def test_no_effects():
    sds = [participant_effects(*simulate(s, sd=0.0)[:3], 30).sd for s in range(30)]
    assert np.median(sds) < 0.15


def test_brute_force_likelihood():
    """REML of a dense mixed model with the same residual variance."""
    values, item, people, _ = simulate(3, sd=0.6, n_people=6, n_items=12, per_item=3)
    found = participant_effects(values, item, people, 6)
    F, Z = np.eye(12)[item], np.eye(6)[people]
    both = np.column_stack([F, Z])
    fit = both @ np.linalg.lstsq(both, values, rcond=None)[0]
    s2 = np.sum((values - fit) ** 2) / (len(values) - np.linalg.matrix_rank(both))

    def loss(tau2):
        V = s2 * np.eye(len(values)) + tau2 * Z @ Z.T
        W = np.linalg.inv(V)
        P = W - W @ F @ np.linalg.inv(F.T @ W @ F) @ F.T @ W
        return (
            np.linalg.slogdet(V)[1]
            + np.linalg.slogdet(F.T @ W @ F)[1]
            + values @ P @ values
        )

    grid = np.linspace(1e-6, 3.0, 4001)
    best = grid[np.argmin([loss(t) for t in grid])]
    assert found.sd**2 == pytest.approx(best, abs=2e-3)
    V = s2 * np.eye(len(values)) + found.sd**2 * Z @ Z.T
    W = np.linalg.inv(V)
    P = W - W @ F @ np.linalg.inv(F.T @ W @ F) @ F.T @ W
    blup = found.sd**2 * Z.T @ P @ values
    np.testing.assert_allclose(found.effects, blup, atol=1e-8)


def test_in_the_report():
    rng = np.random.RandomState(0)
    answers, items, people = [], [], []
    for p, shift in (("a", 0.0), ("b", 0.0), ("c", 2.0)):
        for i in range(30):
            answers.append(i / 3 + shift + 0.3 * rng.normal())
            items.append(i)
            people.append(p)
    result = annotation_quality(
        answers, items=items, participants=people, level="interval"
    )
    by_name = {p.participant: p for p in result.participants}
    assert by_name["c"].effect == pytest.approx(4 / 3, abs=0.15)
    assert by_name["a"].effect_error < 0.1
    assert result.participant_sd == pytest.approx(2 / math.sqrt(3), abs=0.2)
    assert result.to_record()["participants"][2]["effect"] > 1

    yes_no = ["yes" if x > 5 else "no" for x in answers]
    result = annotation_quality(yes_no, items=items, participants=people)
    assert result.participants[2].effect > 0.03
    three = [f"{int(x) % 3}" for x in answers]
    result = annotation_quality(three, items=items, participants=people)
    assert math.isnan(result.participant_sd)
    assert math.isnan(result.participants[0].effect)
    result = annotation_quality(
        three, items=items, participants=people, level="ordinal"
    )
    assert not math.isnan(result.participants[0].effect)


def test_nothing_to_compare():
    found = participant_effects(
        np.array([1.0, 2.0, 3.0]), np.arange(3), np.zeros(3, dtype=np.intp), 1
    )
    assert math.isnan(found.sd)
    same = participant_effects(
        np.ones(20), np.repeat(np.arange(10), 2), np.tile([0, 1], 10), 3
    )
    assert same.sd == 0.0
    assert same.effects[:2].tolist() == [0.0, 0.0]
    assert math.isnan(same.effects[2])
