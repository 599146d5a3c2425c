"""Stopping rules that read the learning curve."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bead_sklearn._sklearn import Interval, StrOptions
from bead_sklearn.active_learning._stopping import SearchState, StoppingRule


class _MetricRule(StoppingRule):
    """A rule that reads one column of the history."""

    metric: str
    greater_is_better: bool

    @property
    def requires_validation(self) -> bool:
        """Whether the rule reads the score."""
        return self.metric == "score"

    def _values(self, state: SearchState) -> NDArray[np.float64]:
        """Return the column, turned so that greater is better."""
        if self.metric not in state.history:
            raise ValueError(
                f"{type(self).__name__} reads {self.metric!r}, but the history has "
                f"{sorted(state.history)}."
            )
        values = np.asarray(state.history[self.metric], dtype=np.float64)
        return values if self.greater_is_better else -values


class PerformanceThreshold(_MetricRule):
    """Stop when a column of the history is good enough.

    Parameters
    ----------
    value : float
        What suffices, in the unit of the metric.
    metric : str, default="score"
        A column of ``history_``. ``"score"`` is the score on the validation data,
        which no training row is part of.
    greater_is_better : bool, default=True
        False where a lower value is better.

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.active_learning import PerformanceThreshold, SearchState
    >>> history = {"score": np.array([0.6, 0.8, 0.91])}
    >>> state = SearchState(2, 30, history, estimator=None, utilities=np.ones(5))
    >>> PerformanceThreshold(0.9)(state)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "value": [Interval(Real, None, None, closed="neither")],
        "metric": [str],
        "greater_is_better": ["boolean"],
    }

    def __init__(
        self, value: float, metric: str = "score", *, greater_is_better: bool = True
    ) -> None:
        self.value = value
        self.metric = metric
        self.greater_is_better = greater_is_better

    def _stop(self, state: SearchState) -> bool:
        limit = self.value if self.greater_is_better else -self.value
        return bool(self._values(state)[-1] >= limit)


class Convergence(_MetricRule):
    """Stop when a column of the history no longer improves.

    The search stops when the best value of the last ``patience`` rounds, or of the
    last ``window`` labels, is not at least ``min_delta`` better than the best value
    before them.

    Parameters
    ----------
    metric : str, default="score"
        A column of ``history_``. ``"score"`` is the score on the validation data,
        which no training row is part of.
    patience : int, default=3
        Number of rounds without improvement.
    window : int or None, default=None
        Number of labels without improvement, instead of rounds: it means the same
        whatever the size of the batches.
    min_delta : float, default=0.01
        Smallest improvement that counts, in the unit of the metric.
    greater_is_better : bool, default=True
        False where a lower value is better. The scorers of scikit-learn, and so
        ``"score"``, are always better when greater (losses are negated).

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.active_learning import Convergence, SearchState
    >>> history = {"score": np.array([0.6, 0.8, 0.801, 0.802])}
    >>> state = SearchState(3, 40, history, estimator=None, utilities=np.ones(5))
    >>> Convergence(patience=2)(state), Convergence(patience=3)(state)
    (True, False)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "metric": [str],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "window": [Interval(Integral, 1, None, closed="left"), None],
        "min_delta": [Interval(Real, 0, None, closed="left")],
        "greater_is_better": ["boolean"],
    }

    def __init__(
        self,
        metric: str = "score",
        *,
        patience: int = 3,
        window: int | None = None,
        min_delta: float = 0.01,
        greater_is_better: bool = True,
    ) -> None:
        self.metric = metric
        self.patience = patience
        self.window = window
        self.min_delta = min_delta
        self.greater_is_better = greater_is_better

    def _stop(self, state: SearchState) -> bool:
        values = self._values(state)
        if self.window is None:
            before = max(len(values) - self.patience, 0)
        else:
            n_labels = np.asarray(state.history["n_labels"])
            before = int(np.searchsorted(n_labels, n_labels[-1] - self.window, "right"))
        if before == 0:
            return False
        best_before = values[:before].max()
        return bool(values[before:].max() < best_before + self.min_delta)


class MarginalEfficiency(_MetricRule):
    r"""Stop when a label brings much less than labels have brought so far.

    .. math::
        \frac{\text{slope of the metric over the last labels}}
        {\text{gain since the start per label}} < \text{threshold}

    Both are in units of the metric per label, so that their ratio depends on neither
    the unit of the metric nor the size of the batches. The slope is a least-squares
    line through the rounds of the last ``window`` labels (three rounds at least), which
    one noisy round does not turn.

    Parameters
    ----------
    threshold : float, default=0.1
        Share of the average efficiency below which a label is not worth its while.
    metric : str, default="score"
        A column of ``history_``.
    window : int, default=50
        Labels over which the slope is taken. Nothing is decided before twice as many
        have been learned.
    per : {"n_labels", "cost"}, default="n_labels"
        What is paid: labels, or what they cost (column ``cost``).
    greater_is_better : bool, default=True
        False where a lower value is better.

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.active_learning import MarginalEfficiency, SearchState
    >>> n_labels = np.arange(10, 210, 20)
    >>> history = {"n_labels": n_labels, "score": 0.9 - 0.5 * np.exp(-n_labels / 30)}
    >>> state = SearchState(9, 190, history, estimator=None, utilities=np.ones(5))
    >>> MarginalEfficiency()(state)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "threshold": [Interval(Real, 0, None, closed="left")],
        "metric": [str],
        "window": [Interval(Integral, 1, None, closed="left")],
        "per": [StrOptions({"n_labels", "cost"})],
        "greater_is_better": ["boolean"],
    }

    def __init__(
        self,
        threshold: float = 0.1,
        *,
        metric: str = "score",
        window: int = 50,
        per: str = "n_labels",
        greater_is_better: bool = True,
    ) -> None:
        self.threshold = threshold
        self.metric = metric
        self.window = window
        self.per = per
        self.greater_is_better = greater_is_better

    def _stop(self, state: SearchState) -> bool:
        values = self._values(state)
        n_labels = np.asarray(state.history["n_labels"], dtype=np.float64)
        if n_labels[-1] - n_labels[0] < 2 * self.window or len(values) < 4:
            return False
        if self.per not in state.history:
            raise ValueError(
                f"MarginalEfficiency reads {self.per!r}, but the history has "
                f"{sorted(state.history)}."
            )
        paid = np.asarray(state.history[self.per], dtype=np.float64)
        first = np.searchsorted(n_labels, n_labels[-1] - self.window)
        last = slice(min(int(first), len(values) - 3), None)
        price = paid[last] - paid[last].mean()
        slope = float(price @ values[last] / (price @ price))
        average = float((values[-1] - values[0]) / (paid[-1] - paid[0]))
        return slope < self.threshold * max(average, 0.0) or average <= 0.0
