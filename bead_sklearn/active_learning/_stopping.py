"""When to stop asking."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from bead_sklearn._sklearn import Interval


@dataclass(frozen=True)
class SearchState:
    """What a stopping rule may look at: the search after fitting, before asking.

    Attributes
    ----------
    iteration : int
        Number of batches asked so far.
    n_labels : int
        Number of labels known.
    history : dict of str to ndarray of shape (iteration + 1,)
        The history of this run up to now, columns as in
        ``ActiveLearningSearch.history_``.
    estimator : estimator
        The estimator fitted on the labels known.
    utilities : ndarray of shape (n_pool,)
        Utilities of the rows that can still be asked about.
    """

    iteration: int
    n_labels: int
    history: dict[str, NDArray[Any]]
    estimator: Any
    utilities: NDArray[np.float64]


class StoppingRule(BaseEstimator, ABC):
    """Base of the stopping rules.

    A rule is called with a `SearchState` after every fit and returns whether to stop.
    It keeps no state of its own, so that a search can be saved and resumed: all it
    needs to remember is in ``state.history``. Any callable of that signature can be a
    rule; this class adds parameters, their validation and `requires_validation`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    @property
    def requires_validation(self) -> bool:
        """Whether the rule reads scores, so that there must be validation data."""
        return False

    def __call__(self, state: SearchState) -> bool:
        """Decide whether to stop.

        Parameters
        ----------
        state : SearchState
            The search as it is.

        Returns
        -------
        stop : bool
            Whether to stop.
        """
        self._validate_params()
        return bool(self._stop(state))

    @abstractmethod
    def _stop(self, state: SearchState) -> bool:
        """Decide whether to stop; parameters are valid."""


class MaxIterations(StoppingRule):
    """Stop after a number of batches.

    Parameters
    ----------
    n : int
        Number of batches.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n": [Interval(Integral, 0, None, closed="left")]
    }

    def __init__(self, n: int) -> None:
        self.n = n

    def _stop(self, state: SearchState) -> bool:
        return state.iteration >= self.n


class MaxLabels(StoppingRule):
    """Stop at the first round with at least a number of labels.

    The rule ends a search; it does not shorten the last batch, which the parameter
    ``max_labels`` of the search does.

    Parameters
    ----------
    n : int
        Number of labels, those known at the start included.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n": [Interval(Integral, 1, None, closed="left")]
    }

    def __init__(self, n: int) -> None:
        self.n = n

    def _stop(self, state: SearchState) -> bool:
        return state.n_labels >= self.n


class Convergence(StoppingRule):
    """Stop when a column of the history no longer improves.

    The search stops when the best value of the last ``patience`` rounds is not at
    least ``min_delta`` better than the best value before them.

    Parameters
    ----------
    metric : str, default="score"
        A column of ``history_``. ``"score"`` is the score on the validation data,
        which no training row is part of.
    patience : int, default=3
        Number of rounds without improvement.
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
        "min_delta": [Interval(Real, 0, None, closed="left")],
        "greater_is_better": ["boolean"],
    }

    def __init__(
        self,
        metric: str = "score",
        *,
        patience: int = 3,
        min_delta: float = 0.01,
        greater_is_better: bool = True,
    ) -> None:
        self.metric = metric
        self.patience = patience
        self.min_delta = min_delta
        self.greater_is_better = greater_is_better

    @property
    def requires_validation(self) -> bool:
        """Whether the rule reads the score."""
        return self.metric == "score"

    def _stop(self, state: SearchState) -> bool:
        if self.metric not in state.history:
            raise ValueError(
                f"Convergence reads {self.metric!r}, but the history has "
                f"{sorted(state.history)}."
            )
        values = np.asarray(state.history[self.metric], dtype=np.float64)
        if not self.greater_is_better:
            values = -values
        if len(values) <= self.patience:
            return False
        best_before = values[: -self.patience].max()
        return bool(values[-self.patience :].max() < best_before + self.min_delta)


Rule = Callable[[SearchState], bool]


def as_rules(stopping: Rule | Sequence[Rule] | None) -> list[Rule]:
    """Turn the ``stopping`` parameter into a list of rules."""
    if stopping is None:
        return []
    rules: list[Any] = [stopping] if callable(stopping) else list(stopping)
    for rule in rules:
        if isinstance(rule, type) or not callable(rule):
            raise TypeError(
                "The 'stopping' parameter must be a rule, a list of rules or None. Got "
                f"{rule!r} instead."
            )
    return rules


def rule_name(rule: Rule) -> str:
    """Name of a rule, for ``stopped_by_``."""
    return getattr(rule, "__name__", type(rule).__name__)
