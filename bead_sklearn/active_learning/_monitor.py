"""What labels bring: efficiency along a learning curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Efficiency:
    """What a label, or a unit of cost, has brought.

    Attributes
    ----------
    current : float
        Slope of the score over the last labels.
    average : float
        Gain since the first point, per label.
    relative : float
        ``current / average``: 1 as in the beginning, 0 where nothing is gained any
        more. It has no unit, so that it means the same for every score and batch size.
        NaN if nothing has been gained at all.
    trend : float
        Change of the efficiency of a step per label (least squares over the steps);
        negative when labels bring less and less. NaN with a single step.
    """

    current: float
    average: float
    relative: float
    trend: float


@dataclass(frozen=True)
class Advice:
    """Whether to go on.

    Attributes
    ----------
    status : {"start", "continue", "consider", "stop"}
        In a word.
    text : str
        In a sentence, with the figures.
    """

    status: str
    text: str

    def __str__(self) -> str:
        return self.text


class LearningCurveMonitor:
    """Watch what labels bring, and say whether to go on.

    The score has to come from data that are neither learned from nor kept for the
    final test: advice that reads the test set spoils it.

    Parameters
    ----------
    greater_is_better : bool, default=True
        False where a lower score is better.
    window : int, default=50
        Labels over which the current efficiency is taken (a least-squares line through
        three points at least, so that one noisy point does not decide).

    Attributes
    ----------
    n_labels, scores, costs : list
        What was tracked; ``costs`` stays empty if none were given.

    Examples
    --------
    >>> from bead_sklearn.active_learning import LearningCurveMonitor
    >>> monitor = LearningCurveMonitor()
    >>> for n, score in [(10, 0.60), (40, 0.80), (70, 0.86), (100, 0.88), (130, 0.885)]:
    ...     advice = monitor.track(n, score).advice()
    >>> round(monitor.efficiency().relative, 2)
    0.18
    >>> advice.status
    'consider'
    """

    def __init__(self, *, greater_is_better: bool = True, window: int = 50) -> None:
        if window < 1:
            raise ValueError(f"window must be at least 1, got {window}.")
        self.greater_is_better = greater_is_better
        self.window = window
        self.n_labels: list[int] = []
        self.scores: list[float] = []
        self.costs: list[float] = []

    @classmethod
    def from_search(cls, search: Any, **kwargs: Any) -> Self:
        """Track the learning curve of a fitted search (the mean over its runs).

        Parameters
        ----------
        search : ActiveLearningSearch
            A fitted search with validation data.
        **kwargs : dict
            Parameters of the monitor.

        Returns
        -------
        monitor : LearningCurveMonitor
            The monitor.
        """
        curve, monitor = search.learning_curve_, cls(**kwargs)
        history = search.history_
        paid = [None] * len(curve.n_labels)
        if "cost" in history and len(set(history["repeat"].tolist())) == 1:
            paid = history["cost"].tolist()
        for n, score, cost in zip(curve.n_labels, curve.mean, paid, strict=True):
            monitor.track(int(n), float(score), cost)
        return monitor

    def track(self, n_labels: int, score: float, cost: float | None = None) -> Self:
        """Add a point.

        Parameters
        ----------
        n_labels : int
            Labels known so far, all together.
        score : float
            Score of the model that learned from them.
        cost : float, default=None
            What they have cost so far, all together; with all points or with none.

        Returns
        -------
        monitor : LearningCurveMonitor
            The monitor itself.

        Raises
        ------
        ValueError
            If labels or costs are not cumulative, a score is no number, or costs are
            given with some points only.
        """
        if self.n_labels and n_labels <= self.n_labels[-1]:
            raise ValueError(
                "n_labels must be all labels known so far: got "
                f"{n_labels} after {self.n_labels[-1]}."
            )
        if not np.isfinite(score):
            raise ValueError(f"score must be a number, got {score}.")
        if self.n_labels and (cost is None) != (not self.costs):
            raise ValueError("cost must be given with all points or with none.")
        if cost is not None:
            if self.costs and cost <= self.costs[-1]:
                raise ValueError(
                    "cost must be that of all labels so far: got "
                    f"{cost} after {self.costs[-1]}."
                )
            self.costs.append(float(cost))
        self.n_labels.append(int(n_labels))
        self.scores.append(float(score))
        return self

    def efficiency(self, per: str = "n_labels") -> Efficiency | None:
        """Measure what labels, or costs, have brought.

        Parameters
        ----------
        per : {"n_labels", "cost"}, default="n_labels"
            What is paid.

        Returns
        -------
        efficiency : Efficiency or None
            None as long as there are fewer than two points.

        Raises
        ------
        ValueError
            If there are no costs.
        """
        if per not in ("n_labels", "cost"):
            raise ValueError(f"per must be 'n_labels' or 'cost', got {per!r}.")
        if per == "cost" and not self.costs:
            raise ValueError("No costs were tracked: pass cost to track.")
        if len(self.scores) < 2:
            return None
        n = np.array(self.n_labels, dtype=np.float64)
        paid = n if per == "n_labels" else np.array(self.costs)
        score = np.array(self.scores) * (1.0 if self.greater_is_better else -1.0)
        first = int(np.searchsorted(n, n[-1] - self.window))
        last = slice(max(0, min(first, len(n) - 3)), None)
        current = _slope(paid[last], score[last])
        average = float((score[-1] - score[0]) / (paid[-1] - paid[0]))
        relative = current / average if average > 0 else float("nan")
        steps = np.diff(score) / np.diff(paid)
        middle = (paid[1:] + paid[:-1]) / 2.0
        trend = _slope(middle, steps) if len(steps) > 1 else float("nan")
        return Efficiency(current, average, relative, trend)

    def advice(
        self, *, stop_below: float = 0.1, consider_below: float = 0.25
    ) -> Advice:
        """Say whether to go on, by the relative efficiency.

        Parameters
        ----------
        stop_below : float, default=0.1
            Relative efficiency below which the advice is to stop.
        consider_below : float, default=0.25
            Relative efficiency below which it is to think of it, if labels bring less
            and less.

        Returns
        -------
        advice : Advice
            ``status`` and ``text``. ``"start"`` as long as twice ``window`` labels have
            not been learned.
        """
        found = self.efficiency()
        learned = self.n_labels[-1] - self.n_labels[0] if self.n_labels else 0
        if found is None or len(self.scores) < 4 or learned < 2 * self.window:
            return Advice(
                "start",
                f"Advice comes after {2 * self.window} labels and four points; there "
                f"are {learned} and {len(self.scores)}.",
            )
        if np.isnan(found.relative):
            return Advice(
                "stop", "The score has not improved since the first labels. Stop."
            )
        share = f"{max(found.relative, 0.0):.0%} of what labels brought on average"
        if found.relative < stop_below:
            return Advice("stop", f"A label now brings {share}. Stop.")
        if found.relative < consider_below and found.trend < 0:
            return Advice(
                "consider",
                f"A label now brings {share}, and less and less. Consider stopping.",
            )
        return Advice("continue", f"A label now brings {share}. Continue.")


def _slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    centred = x - x.mean()
    return float(centred @ y / (centred @ centred))
