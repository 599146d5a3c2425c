"""Quality measures find what was put into simulated judgments."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bead_sklearn.agreement import annotation_quality, krippendorff_alpha

N_ITEMS, PEOPLE = 80, ["a", "b", "c", "d", "e", "f"]


def simulate(seed=0, bad=None, fault=None):
    """Six people judge 80 items in random order; 40 have known answers, 10 repeat."""
    rng = np.random.RandomState(seed)
    truth = rng.choice(["yes", "no"], N_ITEMS)
    rows = []
    for person in PEOPLE:
        here = fault if person == bad else None
        order = rng.permutation(N_ITEMS)
        for position, item in enumerate([*order, *order[:10]]):
            p_right = 0.9
            if here == "random":
                p_right = 0.5
            elif here == "drift":
                p_right = 0.98 - 0.85 * position / 90
            right = rng.random_sample() < p_right
            other = "no" if truth[item] == "yes" else "yes"
            seconds = rng.lognormal(1.0, 0.3)
            if here == "fatigue":
                seconds *= math.exp(-0.012 * position)
            if here == "fast":
                seconds = 0.2
            sure = rng.uniform(0.8, 1.0) if right else rng.uniform(0.6, 0.9)
            if here == "overconfident":
                sure = 1.0
                right = rng.random_sample() < 0.6
            rows.append(
                (
                    truth[item] if right else other,
                    f"i{item}",
                    person,
                    position,
                    1 + (position >= N_ITEMS),
                    sure,
                    seconds,
                )
            )
    columns = [list(column) for column in zip(*rows, strict=True)]
    names = ("items", "participants", "order", "occasion", "confidence")
    keywords = dict(zip((*names, "response_time"), columns[1:], strict=True))
    gold = {f"i{k}": truth[k] for k in range(40)}
    return columns[0], {**keywords, "gold": gold}


def quality(**kwargs):
    answers, keywords = simulate(**kwargs)
    result = annotation_quality(answers, **keywords)
    return result, {p.participant: p for p in result.participants}


def test_good_people():
    result, people = quality()
    assert list(people) == PEOPLE
    for person in people.values():
        assert person.n_judgments == 90
        assert person.n_gold == 40
        assert person.n_retest == 10
        assert person.gold_accuracy >= 0.7
        assert person.gold_interval[0] < person.gold_accuracy < person.gold_interval[1]
        assert abs(person.overconfidence) < 0.2
        assert person.flags == ()
    assert np.mean([p.confidence_auc for p in people.values()]) > 0.8
    # 0.9 right: two agree with 0.82, so that alpha is about 0.64.
    assert result.alpha == pytest.approx(0.64, abs=0.1)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("random", "gold accuracy"),
        ("drift", "agreement falls"),
        ("fatigue", "faster per 100 trials"),
        ("fast", "very fast"),
        ("overconfident", "overconfident by"),
    ],
)
def test_faults_are_found_where_they_are(fault, words):
    _, people = quality(bad="c", fault=fault, seed=1)
    assert any(words in flag for flag in people["c"].flags), people["c"]
    assert not any(words in flag for p in "abdef" for flag in people[p].flags)


def test_the_size_of_fatigue():
    _, people = quality(bad="c", fault="fatigue")
    assert people["c"].fatigue == pytest.approx(math.expm1(-1.2), abs=0.15)


def test_false_alarms_are_rare():
    """Trend tests are corrected: at most 5 % of sets of people have one."""
    n = 0
    for seed in range(60):
        _, people = quality(seed=100 + seed)
        n += any(
            "trials" in flag or "falls" in flag
            for person in people.values()
            for flag in person.flags
        )
    # Two tests per person: 10 % expected; 60 runs, 99.9 % quantile 14.
    assert n <= 14


def test_alpha_is_that_of_the_coefficient():
    answers, keywords = simulate()
    table = np.full((len(PEOPLE), N_ITEMS), None, dtype=object)
    for answer, item, person, occasion in zip(
        answers,
        keywords["items"],
        keywords["participants"],
        keywords["occasion"],
        strict=True,
    ):
        if occasion == 1:
            table[PEOPLE.index(person), int(item[1:])] = answer
    assert annotation_quality(answers, **keywords).alpha == pytest.approx(
        krippendorff_alpha(table)
    )


def test_numbers():
    rng = np.random.RandomState(0)
    truth = rng.normal(size=40)
    answers, items, people = [], [], []
    for person in "abc":
        noise = 3.0 if person == "c" else 0.1
        answers += (truth + noise * rng.normal(size=40)).tolist()
        items += list(range(40))
        people += [person] * 40
    result = annotation_quality(
        answers,
        items=items,
        participants=people,
        gold={k: float(truth[k]) for k in range(10)},
        level="interval",
    )
    by_name = {p.participant: p for p in result.participants}
    assert by_name["a"].gold_accuracy > 0.95
    assert by_name["c"].gold_accuracy < 0.0
    assert by_name["c"].agreement < by_name["a"].agreement
    assert math.isnan(by_name["a"].overconfidence)


def test_little_is_said_about_little():
    result = annotation_quality(["x"], items=["i"], participants=["p"])
    (person,) = result.participants
    assert math.isnan(result.alpha)
    assert math.isnan(person.agreement)
    assert person.flags == ()
    assert result.to_record()["alpha"] is None
    assert annotation_quality([], items=[], participants=[]).participants == ()


def test_lists_of_options_are_compared_as_sets():
    result = annotation_quality(
        [["a", "b"], ["b", "a"], ["c"], ["c"]],
        items=[1, 1, 2, 2],
        participants=["p", "q", "p", "q"],
    )
    assert result.alpha == 1.0


def test_bad_input():
    with pytest.raises(ValueError, match="2 items for 1 answers"):
        annotation_quality(["x"], items=["i", "j"], participants=["p"])
    with pytest.raises(ValueError, match="confidence must be"):
        annotation_quality(["x"], items=["i"], participants=["p"], confidence=[1.5])
    with pytest.raises(ValueError, match="level must be"):
        annotation_quality(["x"], items=["i"], participants=["p"], level="x")
