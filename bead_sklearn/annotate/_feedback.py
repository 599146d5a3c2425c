"""Advice to an annotator from the confidence in the last answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Answers that advice looks back on.
WINDOW = 10
LOW = 0.6
HIGH = 0.9
#: Means of a few decimal fractions are off by less than this.
_TOLERANCE = 1e-9

_ADVICE = {
    "wait": "Feedback comes after ten answers.",
    "pause": "You have been unsure lately. A short break or a look at the "
    "instructions may help.",
    "good": "You answer steadily.",
    "more": "You have been sure of your answers lately. You may do more in one go.",
}


@dataclass(frozen=True)
class Feedback:
    """Advice to an annotator.

    Attributes
    ----------
    status : {"wait", "pause", "good", "more"}
        Too few answers; take a break; go on; larger batches are possible.
    mean_confidence : float or None
        Over the last ten answers; None when there are fewer.
    """

    status: str
    mean_confidence: float | None

    @property
    def advice(self) -> str:
        """A sentence for the annotator."""
        return _ADVICE[self.status]


def confidence_feedback(confidences: Sequence[float]) -> Feedback:
    """Turn the confidence in the last ten answers into advice.

    Below a mean of 0.6 a break is advised, above 0.9 more items in one go. Confidence
    that people report is not quality: see
    `bead_sklearn.agreement.annotation_quality` for what can be measured.

    Parameters
    ----------
    confidences : sequence of float
        All of the annotator's, oldest first, in [0, 1].

    Returns
    -------
    feedback : Feedback
        The advice.

    Examples
    --------
    >>> from bead_sklearn.annotate import confidence_feedback
    >>> confidence_feedback([0.6] * 10).status
    'good'
    """
    for value in confidences:
        if not 0 <= value <= 1:
            raise ValueError(f"confidences must be in [0, 1]. Got {value!r}.")
    last = confidences[-WINDOW:]
    if len(last) < WINDOW:
        return Feedback("wait", None)
    mean = math.fsum(last) / WINDOW
    if mean < LOW - _TOLERANCE:
        return Feedback("pause", mean)
    if mean > HIGH + _TOLERANCE:
        return Feedback("more", mean)
    return Feedback("good", mean)
