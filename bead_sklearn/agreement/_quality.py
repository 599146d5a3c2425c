"""What can be measured about how well people annotate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bead_sklearn.agreement._krippendorff import alpha_of, squared_distances
from bead_sklearn.agreement._participant_effects import (
    ParticipantEffects,
    participant_effects,
)
from bead_sklearn.agreement._ratings import check_level, encode

#: Evidence below which nothing is said about a participant.
MIN_GOLD = 4
MIN_REPEATS = 4
MIN_AGREEMENT = 10
MIN_TREND = 15
#: Family-wise error rate of the trend tests, over participants (Holm).
LEVEL_OF_TESTS = 0.05


@dataclass(frozen=True)
class ParticipantQuality:
    """What the judgments of a participant show. NaN where there is too little.

    Attributes
    ----------
    participant : str
        Who.
    n_judgments : int
        Judgments, repetitions included.
    agreement : float
        1 minus the mean squared distance to others' answers about the same items,
        over what chance would give: 1 is full agreement, 0 that of chance.
    gold_accuracy : float
        Share of right answers on items with a known one. For numbers: 1 minus the
        squared error over the variance of the right answers.
    gold_interval : (float, float)
        95 % Wilson interval of the share; NaN for numbers.
    n_gold : int
        Items with a known answer.
    retest : float
        Agreement with oneself on repeated items, on the scale of ``agreement``.
    retest_error : float
        Standard error of ``retest``.
    n_retest : int
        Repeated items.
    mean_confidence : float
        Mean of the confidence.
    overconfidence : float
        Mean confidence minus the share of right answers (on gold items; without them,
        of answers that the majority of the others gave), labels only.
    confidence_auc : float
        Probability that confidence is higher in a right answer than in a wrong one.
    drift : float
        Kendall's tau of trial order and distance to others' answers: positive when
        agreement falls.
    drift_p : float
        Its two-sided p-value.
    median_time : float
        Median response time in seconds.
    fatigue : float
        Relative change of response time per 100 trials (Theil-Sen slope of its
        logarithm).
    fatigue_p : float
        Two-sided p-value of Kendall's tau of trial order and response time.
    share_fast : float
        Share of answers faster than a third of the item's median time over others.
    effect : float
        How much higher than others the participant answers about the same items,
        shrunken towards 0 as far as chance could have done it (conditional mean of a
        random effect). In the unit of numbers; in steps of an ordinal scale; of two
        labels the difference in the share of the second. NaN for more labels.
    effect_error : float
        Its conditional standard deviation.
    flags : tuple of str
        What is worth a look, in words.
    """

    participant: str
    n_judgments: int
    agreement: float
    gold_accuracy: float
    gold_interval: tuple[float, float]
    n_gold: int
    retest: float
    retest_error: float
    n_retest: int
    mean_confidence: float
    overconfidence: float
    confidence_auc: float
    drift: float
    drift_p: float
    median_time: float
    fatigue: float
    fatigue_p: float
    share_fast: float
    effect: float = math.nan
    effect_error: float = math.nan
    flags: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """Return the fields as a dict, with None for NaN."""
        record = asdict(self)
        record["gold_interval"] = [_or_none(end) for end in self.gold_interval]
        record["flags"] = list(self.flags)
        return {
            name: _or_none(value) if isinstance(value, float) else value
            for name, value in record.items()
        }


@dataclass(frozen=True)
class AnnotationQuality:
    """Quality of a set of judgments.

    Attributes
    ----------
    alpha : float
        Krippendorff's alpha of the first judgments of all items.
    retest_alpha : float
        The same of first judgments and repetitions, by participant and item.
    gold_accuracy : float
        Mean over judgments of items with a known answer.
    participant_sd : float
        Standard deviation of the participants' effects (REML, items fixed); NaN for
        more than two unordered labels.
    participants : tuple of ParticipantQuality
        One by one, in alphabetical order.
    """

    alpha: float
    retest_alpha: float
    gold_accuracy: float
    participant_sd: float
    participants: tuple[ParticipantQuality, ...]

    def to_record(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "alpha": _or_none(self.alpha),
            "retest_alpha": _or_none(self.retest_alpha),
            "gold_accuracy": _or_none(self.gold_accuracy),
            "participant_sd": _or_none(self.participant_sd),
            "participants": [person.to_record() for person in self.participants],
        }


@dataclass
class _Table:
    """Judgments as columns."""

    values: list[Any]
    codes: NDArray[np.intp]
    items: NDArray[Any]
    people: NDArray[Any]
    order: NDArray[np.float64]
    occasion: NDArray[np.intp]
    confidence: NDArray[np.float64]
    seconds: NDArray[np.float64]
    distances: NDArray[np.float64]
    expected: float
    gold: Mapping[str, Any]
    numeric: bool
    scale: NDArray[np.float64] | None
    by_item: dict[Any, NDArray[np.intp]] = field(default_factory=dict)


def annotation_quality(
    answers: Sequence[Any],
    *,
    items: Sequence[Any],
    participants: Sequence[Any],
    order: Sequence[float] | None = None,
    occasion: Sequence[int] | None = None,
    confidence: Sequence[float | None] | None = None,
    response_time: Sequence[float | None] | None = None,
    gold: Mapping[Any, Any] | None = None,
    level: str = "nominal",
) -> AnnotationQuality:
    r"""Measure agreement, accuracy, consistency, calibration, drift and fatigue.

    Answers are compared by the squared distances :math:`\delta^2` of Krippendorff's
    alpha [1]_, so that labels, scales and numbers are treated alike: an agreement is
    :math:`1 - \bar{\delta^2} / D_e`, with :math:`D_e` the mean over all pairs of
    answers. Trends over trials are Kendall's tau and Theil-Sen slopes [2]_, which
    outliers do not move; their p-values are corrected over participants (Holm).

    Parameters
    ----------
    answers : sequence of shape (n_judgments,)
        What was said: labels, numbers, or lists of options, which agree if they are
        the same.
    items, participants : sequence of shape (n_judgments,)
        What was judged, and by whom.
    order : sequence of shape (n_judgments,), default=None
        Position of the judgment in the participant's session. None: as given.
    occasion : sequence of int of shape (n_judgments,), default=None
        1 for the first judgment of the item by the participant, 2 for a repetition.
        None: counted in the order given.
    confidence : sequence of shape (n_judgments,), default=None
        In [0, 1]; None where it was not said.
    response_time : sequence of shape (n_judgments,), default=None
        In seconds; None where it was not measured.
    gold : mapping, default=None
        Right answers by item.
    level : {"nominal", "ordinal", "interval", "ratio"}, default="nominal"
        Level of measurement, see `krippendorff_alpha`.

    Returns
    -------
    quality : AnnotationQuality
        For all together and for each participant.

    Raises
    ------
    ValueError
        If lengths differ, the level is unknown or a confidence is out of range.

    References
    ----------
    .. [1] Krippendorff (2011). Computing Krippendorff's alpha-reliability.
    .. [2] Sen (1968). Estimates of the regression coefficient based on Kendall's tau.
       Journal of the American Statistical Association 63, 1379-1389.

    Examples
    --------
    >>> from bead_sklearn.agreement import annotation_quality
    >>> quality = annotation_quality(
    ...     ["yes", "no", "yes", "yes", "no", "no"],
    ...     items=["a", "b", "c", "a", "b", "c"],
    ...     participants=["anna"] * 3 + ["ben"] * 3,
    ... )
    >>> round(quality.alpha, 3)
    0.444
    """
    table = _read(
        answers,
        items,
        participants,
        order,
        occasion,
        confidence,
        response_time,
        gold or {},
        level,
    )
    first = table.occasion == 1
    people = sorted(set(table.people.tolist()), key=str)
    effects = _effects(table, people)
    measured = [
        replace(
            _measure(table, person),
            effect=float(effects.effects[k]),
            effect_error=float(effects.errors[k]),
        )
        for k, person in enumerate(people)
    ]
    flagged = _flag(measured)
    return AnnotationQuality(
        alpha=_alpha(table, first, table.items, level),
        retest_alpha=_retest_alpha(table, level),
        gold_accuracy=_weighted(
            [p.gold_accuracy for p in measured], [p.n_gold for p in measured]
        ),
        participant_sd=effects.sd,
        participants=tuple(flagged),
    )


def _read(
    answers: Sequence[Any],
    items: Sequence[Any],
    participants: Sequence[Any],
    order: Sequence[float] | None,
    occasion: Sequence[int] | None,
    confidence: Sequence[float | None] | None,
    response_time: Sequence[float | None] | None,
    gold: Mapping[Any, Any],
    level: str,
) -> _Table:
    check_level(level)
    n = len(answers)
    for name, column in {
        "items": items,
        "participants": participants,
        "order": order,
        "occasion": occasion,
        "confidence": confidence,
        "response_time": response_time,
    }.items():
        if column is not None and len(column) != n:
            raise ValueError(f"Got {len(column)} {name} for {n} answers.")
    values = [_hashable(answer) for answer in answers]
    gold = {item: _hashable(answer) for item, answer in gold.items()}
    if occasion is None:
        seen: dict[Any, int] = {}
        counted = []
        for pair in zip(items, participants, strict=True):
            seen[pair] = seen.get(pair, 0) + 1
            counted.append(seen[pair])
        occasion = counted
    sure = _floats(confidence, n)
    if np.any((sure < 0) | (sure > 1)):
        raise ValueError("confidence must be in [0, 1].")
    # Right answers are coded along, so that they have distances too.
    codes, labels = encode([*values, *gold.values()])
    margins = np.bincount(codes[:n], minlength=len(labels)).astype(float)
    distances = squared_distances(labels, margins, level)
    expected = (
        float(margins @ distances @ margins / (n * (n - 1))) if n > 1 else math.nan
    )
    object_items = np.empty(n, dtype=object)
    object_items[:] = list(items)
    people = np.empty(n, dtype=object)
    people[:] = list(participants)
    table = _Table(
        values=values,
        codes=codes[:n],
        items=object_items,
        people=people,
        order=np.arange(n, dtype=float) if order is None else _floats(order, n),
        occasion=np.asarray(occasion, dtype=np.intp),
        confidence=sure,
        seconds=_floats(response_time, n),
        distances=distances,
        expected=expected,
        gold=dict(zip(gold, codes[n:].tolist(), strict=True)),
        numeric=level in ("interval", "ratio"),
        scale=_scale(labels, level, len(np.unique(codes[:n]))),
    )
    rows: dict[Any, list[int]] = {}
    for row, item in enumerate(object_items.tolist()):
        if table.occasion[row] == 1:
            rows.setdefault(item, []).append(row)
    table.by_item = {item: np.array(found) for item, found in rows.items()}
    return table


def _scale(labels: list[Any], level: str, n_used: int) -> NDArray[np.float64] | None:
    """Heights of the labels: numbers, steps, or 0 and 1."""
    if level in ("interval", "ratio"):
        return np.array(labels, dtype=np.float64)
    if level == "ordinal" or (len(labels) == 2 and n_used == 2):
        return np.arange(len(labels), dtype=np.float64)
    return None


def _hashable(answer: Any) -> Any:
    if isinstance(answer, list | tuple | set):
        return tuple(sorted(map(str, answer)))
    return answer.item() if isinstance(answer, np.generic) else answer


def _floats(values: Sequence[float | None] | None, n: int) -> NDArray[np.float64]:
    if values is None:
        return np.full(n, np.nan)
    return np.array([np.nan if v is None else v for v in values], dtype=float)


def _alpha(
    table: _Table, rows: NDArray[np.bool_], units: NDArray[Any], level: str
) -> float:
    chosen = np.flatnonzero(rows)
    position: dict[Any, int] = {}
    numbers = [position.setdefault(units[row], len(position)) for row in chosen]
    values = [table.values[row] for row in chosen]
    return alpha_of(values, np.array(numbers, dtype=np.intp), level)


def _retest_alpha(table: _Table, level: str) -> float:
    units = np.empty(len(table.items), dtype=object)
    units[:] = list(zip(table.people, table.items, strict=True))
    return _alpha(table, np.ones(len(units), dtype=bool), units, level)


def _effects(table: _Table, people: list[Any]) -> ParticipantEffects:
    """Effects of participants on the scale of the answers, if they have one."""
    rows = np.flatnonzero(table.occasion == 1)
    if table.scale is None:
        rows, scale = rows[:0], np.empty(0)
    else:
        scale = table.scale
    number = {person: k for k, person in enumerate(people)}
    item: dict[Any, int] = {}
    return participant_effects(
        scale[table.codes[rows]],
        np.array([item.setdefault(table.items[r], len(item)) for r in rows], np.intp),
        np.array([number[table.people[r]] for r in rows], np.intp),
        len(people),
    )


def _measure(table: _Table, person: Any) -> ParticipantQuality:
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
    table: _Table, person: Any, mine: NDArray[np.intp]
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
    table: _Table, rows: NDArray[np.intp]
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


def _retest(table: _Table, mine: NDArray[np.intp]) -> tuple[float, float, int]:
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


def _share_fast(table: _Table, person: Any, mine: NDArray[np.intp]) -> float:
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


def _flag(people: list[ParticipantQuality]) -> list[ParticipantQuality]:
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
    flagged = []
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
        flagged.append(ParticipantQuality(**{**vars(person), "flags": tuple(flags)}))
    return flagged


def _holm(p_values: list[float]) -> NDArray[np.float64]:
    """Correct p-values for their number; NaN where there is no test."""
    p = np.array(p_values, dtype=float)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested])]
    steps = p[order] * np.arange(len(order), 0, -1)
    p[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return p


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


def _weighted(values: list[float], weights: list[int]) -> float:
    pairs = [(v, w) for v, w in zip(values, weights, strict=True) if w]
    total = sum(w for _, w in pairs)
    return sum(v * w for v, w in pairs) / total if total else math.nan


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else math.nan


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
