"""What the organiser sees: computed beside the refits, read by the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bead_sklearn.agreement import annotation_quality
from bead_sklearn.annotate._records import Judgment
from bead_sklearn.annotate.study import Study

#: Agreement of successive models at which nothing is left to learn, for three rounds
#: (Bloodgood & Vijay-Shanker 2009).
STABLE = 0.99
ROUNDS = 3
#: Robust standard deviations from the median at which a participant is unusual.
UNUSUAL = 3.0


def make_report(
    study: Study,
    judgments: Sequence[Judgment],
    rounds: Sequence[dict[str, Any]],
    estimator: Any,
) -> dict[str, Any]:
    """Say how a study stands, in JSON values.

    Parameters
    ----------
    study : Study
        The study.
    judgments : sequence of Judgment
        What stands in its store.
    rounds : sequence of dict
        What the refits found, oldest first.
    estimator : estimator or None
        The last fitted model.
    """
    judgments = [j for j in judgments if j.item in study.items]
    quality = annotation_quality(
        [_comparable(study, j.answer) for j in judgments],
        items=[j.item for j in judgments],
        participants=[j.participant for j in judgments],
        order=[j.position for j in judgments],
        occasion=[j.occasion for j in judgments],
        confidence=[j.confidence for j in judgments],
        response_time=[j.response_time for j in judgments],
        gold={item: _comparable(study, answer) for item, answer in study.gold.items()},
        level=study.question.level,
    )
    return {
        "n_judgments": len(judgments),
        "quality": quality.to_record(),
        "unusual": unusual_participants(estimator),
        "advice": stopping_advice(study, judgments, rounds),
    }


def _comparable(study: Study, answer: Any) -> Any:
    """Return an answer as agreement compares it: ordinal labels by their rank."""
    categories = getattr(study.question, "categories", None)
    return answer if categories is None else categories.index(answer)


def unusual_participants(estimator: Any) -> list[dict[str, Any]]:
    """Return the participants whose effects are far from the mean, if there are any.

    The conditional mode of the first effect is compared with the median of all, in
    units of the median absolute deviation, which somebody unusual does not inflate
    (half the estimated standard deviation is the least unit).
    """
    effects = getattr(estimator, "effects_", {})
    for name in ("participant", "groups"):
        if name in effects:
            found = effects[name]
            break
    else:
        return []
    modes = np.asarray(found.modes, dtype=float).reshape(len(found.levels), -1)[:, 0]
    components = {c.grouping_factor: c for c in estimator.variance_components_}
    variance = np.atleast_2d(np.asarray(components[name].covariance, dtype=float))[0, 0]
    if not variance > 0:
        return []
    centred = modes - np.median(modes)
    unit = max(1.4826 * np.median(np.abs(centred)), 0.5 * math.sqrt(variance))
    scores = centred / unit
    return [
        {"participant": str(found.levels[k]), "score": float(scores[k])}
        for k in np.argsort(-np.abs(scores), kind="stable").tolist()
        if abs(scores[k]) > UNUSUAL
    ]


def stopping_advice(
    study: Study, judgments: Sequence[Judgment], rounds: Sequence[dict[str, Any]]
) -> dict[str, str]:
    """Say whether it pays to go on.

    Returns
    -------
    advice : dict
        ``status`` ("start", "continue", "consider" or "stop") and ``text``.
    """
    wanted = len(study.open_items) * study.quotas.judgments_per_item
    n = sum(j.counted for j in judgments)
    if n >= wanted:
        return {
            "status": "stop",
            "text": "Every item has the judgments that were wanted.",
        }
    steps = [line["stability"] for line in rounds if line.get("stability") is not None]
    if len(steps) < ROUNDS:
        return {
            "status": "start",
            "text": f"Advice comes after {ROUNDS + 1} models; "
            f"{n} of {wanted} judgments are in.",
        }
    last = steps[-ROUNDS:]
    if min(last) >= STABLE:
        return {
            "status": "consider",
            "text": f"The last {ROUNDS + 1} models predict the same for new "
            f"participants (agreement {min(last):.3f} or more): further judgments "
            "change little. Consider stopping.",
        }
    return {
        "status": "continue",
        "text": "Predictions still change from model to model (agreement "
        f"{sum(last) / len(last):.3f} over the last {ROUNDS}; {STABLE} would be "
        "stable). Continue.",
    }
