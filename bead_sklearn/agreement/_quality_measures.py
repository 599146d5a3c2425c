"""What is measured of the judgments of one participant."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bead_sklearn.agreement._quality_records import ParticipantQuality
from bead_sklearn.agreement._quality_table import JudgmentTable

#: Evidence below which nothing is said about a participant.
MIN_GOLD = 4
MIN_REPEATS = 4
MIN_TREND = 15


def measure(table: JudgmentTable, person: Any) -> ParticipantQuality:
    mine = np.flatnonzero(table.people == person)
    mine = mine[np.argsort(table.order[mine], kind="stable")]
    distance, right = _against_others(table, person, mine)
    gold_rows = np.array(
        [r for r in mine if table.items[r] in table.gold and table.occasion[r] == 1],
        dtype=np.intp,
    )
    accuracy, interval, gold_right = _gold(table, gold_rows)
    retest, retest_error, n_retest = _retest(table, mine)
    known = dict(zip(gold_rows.tolist(), gold_right, strict=True))
    correct = np.array(
        [known.get(r, np.nan) for r in mine.tolist()]
        if len(gold_rows) >= MIN_GOLD
        else right
    )
    over, auc = _calibration(table.confidence[mine], correct, table.numeric)
    drift, drift_p = _trend(distance)
    logs = np.log(np.maximum(table.seconds[mine], 1e-3))
    _, fatigue_p = _trend(logs)
    return ParticipantQuality(
        participant=str(person),
        n_judgments=len(mine),
        agreement=_relative(distance, table.expected),
        gold_accuracy=accuracy,
        gold_interval=interval,
        n_gold=len(gold_rows),
        retest=retest,
        retest_error=retest_error,
        n_retest=n_retest,
        mean_confidence=_mean(table.confidence[mine]),
        overconfidence=over,
        confidence_auc=auc,
        drift=drift,
        drift_p=drift_p,
        median_time=_median(table.seconds[mine]),
        fatigue=_slope(logs),
        fatigue_p=fatigue_p,
        share_fast=_share_fast(table, person, mine),
    )


def _against_others(
    table: JudgmentTable, person: Any, mine: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean distance of each answer to the others', and whether it is the majority's."""
    distance = np.full(len(mine), np.nan)
    right = np.full(len(mine), np.nan)
    for k, row in enumerate(mine.tolist()):
        rows = table.by_item.get(table.items[row])
        if rows is None or table.occasion[row] != 1:
            continue
        others = table.codes[rows[table.people[rows] != person]]
        if len(others) == 0:
            continue
        distance[k] = table.distances[table.codes[row], others].mean()
        counts = np.bincount(others)
        if np.sum(counts == counts.max()) == 1:
            right[k] = float(counts.argmax() == table.codes[row])
    return distance, right


def _gold(
    table: JudgmentTable, rows: NDArray[np.intp]
) -> tuple[float, tuple[float, float], list[float]]:
    truth = np.array([table.gold[table.items[r]] for r in rows], dtype=np.intp)
    errors = table.distances[table.codes[rows], truth]
    right = (errors == 0).astype(float)
    if len(rows) == 0:
        return math.nan, (math.nan, math.nan), []
    if not table.numeric:
        n = len(rows)
        return float(right.mean()), _wilson(float(right.sum()), n), right.tolist()
    targets = np.fromiter(table.gold.values(), dtype=np.intp)
    spread = table.distances[np.ix_(targets, targets)].mean() / 2.0
    accuracy = float(1.0 - errors.mean() / spread) if spread > 0 else math.nan
    return accuracy, (math.nan, math.nan), right.tolist()


def _retest(table: JudgmentTable, mine: NDArray[np.intp]) -> tuple[float, float, int]:
    first = {table.items[r]: r for r in mine.tolist() if table.occasion[r] == 1}
    pairs = [
        (first[table.items[r]], r)
        for r in mine.tolist()
        if table.occasion[r] > 1 and table.items[r] in first
    ]
    if len(pairs) < MIN_REPEATS:
        return math.nan, math.nan, len(pairs)
    a, b = np.array(pairs).T
    distance = table.distances[table.codes[a], table.codes[b]]
    retest = _relative(distance, table.expected)
    if not table.expected > 0:
        return retest, math.nan, len(pairs)
    error = float(distance.std(ddof=1)) / math.sqrt(len(pairs)) / table.expected
    return retest, error, len(pairs)


def _calibration(
    confidence: NDArray[np.float64], right: NDArray[np.float64], numeric: bool
) -> tuple[float, float]:
    known = ~(np.isnan(confidence) | np.isnan(right))
    if numeric or known.sum() < MIN_GOLD:
        return math.nan, math.nan
    sure, correct = confidence[known], right[known] == 1
    over = float(sure.mean() - correct.mean())
    if correct.all() or not correct.any():
        return over, math.nan
    ranks = stats.rankdata(sure)
    n_right = correct.sum()
    above = ranks[correct].sum() - n_right * (n_right + 1) / 2
    return over, float(above / (n_right * (len(sure) - n_right)))


def _trend(values: NDArray[np.float64]) -> tuple[float, float]:
    """Kendall's tau of values and their order, and its p-value."""
    known = ~np.isnan(values)
    if known.sum() < MIN_TREND or np.ptp(values[known]) == 0:
        return math.nan, math.nan
    result = stats.kendalltau(np.flatnonzero(known), values[known])
    return float(result.statistic), float(result.pvalue)


def _slope(logs: NDArray[np.float64]) -> float:
    """Relative change per 100 trials."""
    known = ~np.isnan(logs)
    if known.sum() < MIN_TREND:
        return math.nan
    # Over 300 points the slope is as good, and the pairs are many.
    rows = np.flatnonzero(known)
    rows = rows[np.linspace(0, len(rows) - 1, min(300, len(rows))).astype(int)]
    slope = stats.theilslopes(logs[rows], rows).slope
    return float(np.expm1(100.0 * slope))


def _share_fast(table: JudgmentTable, person: Any, mine: NDArray[np.intp]) -> float:
    """Share of answers in less than a third of the others' median for the item."""
    fast = []
    for row in mine.tolist():
        rows = table.by_item.get(table.items[row])
        if rows is None or np.isnan(table.seconds[row]):
            continue
        others = table.seconds[rows[table.people[rows] != person]]
        others = others[~np.isnan(others)]
        if len(others):
            fast.append(table.seconds[row] < np.median(others) / 3.0)
    return float(np.mean(fast)) if fast else math.nan


def _wilson(successes: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    share = successes / n
    center = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (center - half) / scale), min(1.0, (center + half) / scale)


def _relative(distance: NDArray[np.float64], expected: float) -> float:
    known = distance[~np.isnan(distance)]
    if len(known) == 0 or not expected > 0:
        return math.nan
    return float(1.0 - known.mean() / expected)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else math.nan
