"""What is reported about how well people annotate."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


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


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
