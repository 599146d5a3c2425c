"""When to stop asking."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from bead_sklearn._sklearn import Interval
from bead_sklearn.active_learning._view import ModelView


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
    view : ModelView or None, default=None
        What the estimator says about the rows of the search.
    memory : dict, default={}
        What rules have kept of the round before that is no column: JSON values by
        name. `StoppingRule.record` may replace its own.
    """

    iteration: int
    n_labels: int
    history: dict[str, NDArray[Any]]
    estimator: Any
    utilities: NDArray[np.float64]
    view: ModelView | None = None
    memory: dict[str, Any] = field(default_factory=dict)

    def rounds_within(self, window: float) -> NDArray[np.intp] | None:
        """Return the rounds of the last ``window`` labels, with at least the last one.

        Parameters
        ----------
        window : int or float
            Number of labels; a float between 0 and 1 is a share of those known.

        Returns
        -------
        rounds : ndarray of int or None
            Rounds with more than ``n_labels - window`` labels; None as long as the
            search has not learned that many labels since its first round.
        """
        n_labels = np.asarray(self.history["n_labels"])
        if 0 < window < 1:
            window = max(1.0, window * self.n_labels)
        start = self.n_labels - window
        return None if n_labels[0] > start else np.flatnonzero(n_labels > start)


class StoppingRule(BaseEstimator, ABC):
    """Base of the stopping rules.

    A rule is called with a `SearchState` after every fit and returns whether to stop.
    It keeps no state of its own, so that a search can be saved and resumed: all it
    needs to remember is in ``state.history``, where the numbers that `record` returns
    are added as columns, and in ``state.memory``. Any callable of that signature can be
    a rule; this class adds parameters, their validation, columns and composition:
    ``a | b`` stops when one does, ``a & b`` when both do.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    #: Columns of the history that `record` fills.
    columns: tuple[str, ...] = ()
    #: Whether what `record` measures depends on parameters, so that there can be one
    #: rule of the kind only.
    is_single: ClassVar[bool] = False

    def record(self, state: SearchState) -> dict[str, float]:
        """Measure what the rule has to remember of this round.

        Parameters
        ----------
        state : SearchState
            The search as it is; its history ends with this round.

        Returns
        -------
        values : dict of str to float
            A number, or NaN, for each of ``columns``.
        """
        return {}

    def fired(self, state: SearchState) -> list[str]:
        """Name what stops the search; empty if nothing does.

        Parameters
        ----------
        state : SearchState
            The search as it is.

        Returns
        -------
        names : list of str
            Names of rules.
        """
        return [rule_name(self)] if self(state) else []

    def __or__(self, other: Rule) -> AnyOf:
        return AnyOf([self, other])

    def __ror__(self, other: Rule) -> AnyOf:
        return AnyOf([other, self])

    def __and__(self, other: Rule) -> AllOf:
        return AllOf([self, other])

    def __rand__(self, other: Rule) -> AllOf:
        return AllOf([other, self])

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


Rule = Callable[[SearchState], bool]


class _Composite(StoppingRule):
    """Several rules as one."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"rules": [list, tuple]}

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules

    @property
    def requires_validation(self) -> bool:
        """Whether one of the rules reads scores."""
        return any(getattr(rule, "requires_validation", False) for rule in self.rules)

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        """Columns of all rules."""
        names = [name for rule in self.rules for name in getattr(rule, "columns", ())]
        return tuple(dict.fromkeys(names))

    def record(self, state: SearchState) -> dict[str, float]:
        """Measure what the rules have to remember; see `StoppingRule.record`."""
        return record_all(self.rules, state)

    def _validate_params(self) -> None:
        super()._validate_params()
        as_rules(self.rules)


class AnyOf(_Composite):
    """Stop when one of several rules says so.

    ``a | b`` is ``AnyOf([a, b])``. ``stopped_by_`` names the first that stops.

    Parameters
    ----------
    rules : list of callable
        Stopping rules.

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.active_learning import MaxIterations, MaxLabels, SearchState
    >>> state = SearchState(3, 40, {}, estimator=None, utilities=np.ones(5))
    >>> (MaxLabels(40) | MaxIterations(9))(state)
    True
    """

    def _stop(self, state: SearchState) -> bool:
        return any(rule(state) for rule in self.rules)

    def fired(self, state: SearchState) -> list[str]:
        """Name the first rule that stops the search; see `StoppingRule.fired`."""
        self._validate_params()
        return next((found for rule in self.rules if (found := fired(rule, state))), [])


class AllOf(_Composite):
    """Stop when all of several rules say so, in the same round.

    ``a & b`` is ``AllOf([a, b])``. ``stopped_by_`` names them all.

    Parameters
    ----------
    rules : list of callable
        Stopping rules.

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.active_learning import MaxIterations, MaxLabels, SearchState
    >>> state = SearchState(3, 40, {}, estimator=None, utilities=np.ones(5))
    >>> (MaxLabels(40) & MaxIterations(9))(state)
    False
    """

    def _stop(self, state: SearchState) -> bool:
        return len(self.rules) > 0 and all(rule(state) for rule in self.rules)

    def fired(self, state: SearchState) -> list[str]:
        """Name all rules if they stop the search; see `StoppingRule.fired`."""
        self._validate_params()
        found = [fired(rule, state) for rule in self.rules]
        return [name for names in found for name in names] if all(found) else []


def fired(rule: Rule, state: SearchState) -> list[str]:
    """Names of what stops the search by a rule; empty if nothing does."""
    if isinstance(rule, StoppingRule):
        return rule.fired(state)
    return [rule_name(rule)] if rule(state) else []


def record_all(rules: Sequence[Rule], state: SearchState) -> dict[str, float]:
    """Columns of the history that rules fill, for this round."""
    values: dict[str, float] = {}
    for rule in rules:
        if isinstance(rule, StoppingRule):
            rule._validate_params()
            values |= rule.record(state)
    return values


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
    single = [rule for rule in _each(rules) if getattr(rule, "is_single", False)]
    kinds = [type(rule).__name__ for rule in single]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(
                f"The 'stopping' parameter has {kinds.count(kind)} rules {kind}, which "
                "would fill the same columns of the history. Use one."
            )
    return rules


def _each(rules: Sequence[Rule]) -> Iterator[Rule]:
    """Yield rules, those inside others too."""
    for rule in rules:
        if isinstance(rule, _Composite) and isinstance(rule.rules, list | tuple):
            yield from _each(rule.rules)
        else:
            yield rule


def rule_name(rule: Rule) -> str:
    """Name of a rule, for ``stopped_by_``."""
    return getattr(rule, "__name__", type(rule).__name__)
