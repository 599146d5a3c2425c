"""What stands out among participants, in words."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bead_sklearn.agreement._quality_measures import MIN_GOLD, MIN_TREND
from bead_sklearn.agreement._quality_records import ParticipantQuality

#: Judgments below which little agreement with others says nothing.
MIN_AGREEMENT = 10
#: Family-wise error rate of the trend tests, over participants (Holm).
LEVEL_OF_TESTS = 0.05


def flagged(people: list[ParticipantQuality]) -> list[ParticipantQuality]:
    """Add in words what stands out."""
    drifts = _holm([p.drift_p for p in people])
    fatigues = _holm([p.fatigue_p for p in people])
    # One-sided, for all participants together (Bonferroni).
    quantile = float(stats.norm.isf(LEVEL_OF_TESTS / max(1, len(people))))
    shares = [p.agreement for p in people if not math.isnan(p.agreement)]
    low = math.nan
    if len(shares) >= 5:
        median = float(np.median(shares))
        scale = 1.4826 * float(np.median(np.abs(np.array(shares) - median)))
        low = median - 3.5 * max(scale, 0.05)
    result = []
    for person, drift, fatigue in zip(people, drifts, fatigues, strict=True):
        flags = []
        if person.n_gold >= MIN_GOLD and person.gold_interval[1] < 0.8:
            flags.append(f"gold accuracy {person.gold_accuracy:.0%}")
        if person.retest + quantile * person.retest_error < 0.6:
            flags.append(f"repeats with agreement {person.retest:.2f} only")
        if person.agreement < low and person.n_judgments >= MIN_AGREEMENT:
            flags.append(f"agrees with others less than most ({person.agreement:.2f})")
        if drift < LEVEL_OF_TESTS and person.drift > 0:
            flags.append("agreement falls over the session")
        if fatigue < LEVEL_OF_TESTS:
            change = "faster" if person.fatigue < 0 else "slower"
            size = abs(person.fatigue)
            flags.append(f"{size:.0%} {change} per 100 trials")
        if person.share_fast > 0.25 and person.n_judgments >= MIN_TREND:
            flags.append(f"{person.share_fast:.0%} of answers very fast")
        if abs(person.overconfidence) > 0.25 and person.n_judgments >= MIN_TREND:
            word = "over" if person.overconfidence > 0 else "under"
            flags.append(f"{word}confident by {abs(person.overconfidence):.0%}")
        result.append(ParticipantQuality(**{**vars(person), "flags": tuple(flags)}))
    return result


def _holm(p_values: list[float]) -> NDArray[np.float64]:
    """Correct p-values for their number; NaN where there is no test."""
    p = np.array(p_values, dtype=float)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested])]
    steps = p[order] * np.arange(len(order), 0, -1)
    p[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return p
