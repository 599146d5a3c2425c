"""Query functions of modAL as strategies of this suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._members import Members, is_committee
from bead_sklearn.query._scored import ScoredPool


def is_modal_function(function: Any) -> bool:
    """Whether a function is called as those of modAL are: with ``n_instances``."""
    if not callable(function) or isinstance(function, QueryStrategy | type):
        return False
    try:
        named = signature(function).parameters
    except (TypeError, ValueError):
        return False
    return "n_instances" in named and named["n_instances"].kind in (
        Parameter.POSITIONAL_OR_KEYWORD,
        Parameter.KEYWORD_ONLY,
    )


def from_modal(
    function: Callable[..., Any], *, score_all: bool = True, **kwargs: Any
) -> ModalFunctionStrategy:
    """Make a query strategy of a function written for modAL.

    `ActiveLearningSearch` and `ActiveLearner` take such a function as it is if it names
    ``n_instances``.

    Parameters
    ----------
    function : callable
        ``function(learner, X_pool, n_instances=1, **kwargs)`` that returns positions in
        the pool, or these and their metrics, as the strategies of modAL do.
    score_all : bool, default=True
        Whether to ask the function for all rows of the pool, so that all have
        utilities. False for functions whose time grows with the number of rows chosen,
        such as ranked batches: utilities are then zero and only the batch counts.
    **kwargs : dict
        Further arguments of the function.

    Returns
    -------
    strategy : ModalFunctionStrategy
        The strategy. It can be pickled if the function can.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.modal.uncertainty import margin_sampling
    >>> from bead_sklearn.query import from_modal
    >>> model = LogisticRegression().fit([[0.0], [1.0]], ["no", "yes"])
    >>> strategy = from_modal(margin_sampling)
    >>> rows, _ = strategy(model, [[0.0], [0.4], [9.0]], n_instances=2)
    >>> rows
    array([1, 0])
    """
    strategy = ModalFunctionStrategy(
        function, kwargs=kwargs or None, score_all=score_all
    )
    strategy._validate_params()
    return strategy


class ModalFunctionStrategy(QueryStrategy):
    """A query strategy that calls a function of modAL.

    Made by `from_modal`. The batch is what the function returns. The utilities are its
    metrics, turned so that those it prefers are the highest; where it returns none,
    places in its order.

    Parameters
    ----------
    function : callable
        See `from_modal`.
    kwargs : dict or None, default=None
        Further arguments of the function.
    score_all : bool, default=True
        See `from_modal`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "function": [callable],
        "kwargs": [dict, None],
        "score_all": ["boolean"],
    }

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        kwargs: dict[str, Any] | None = None,
        score_all: bool = True,
    ) -> None:
        self.function = function
        self.kwargs = kwargs
        self.score_all = score_all

    def _score_pool(
        self,
        estimator: Any,
        X: Any,
        *,
        groups: Any,
        X_labeled: Any,
        y_labeled: Any,
        groups_labeled: Any,
    ) -> ScoredPool:
        learner = PretendedLearner(estimator, X_labeled, y_labeled)
        n_pool = _num_samples(X)

        def call(n: int) -> tuple[NDArray[np.intp], NDArray[np.float64] | None]:
            found = self.function(learner, X, n_instances=n, **(self.kwargs or {}))
            pair = isinstance(found, tuple) and len(found) == 2
            rows, metrics = found if pair else (found, None)
            rows = np.atleast_1d(np.asarray(rows))
            if rows.shape != (n,) or rows.dtype.kind not in "iu":
                name = getattr(self.function, "__name__", self.function)
                raise ValueError(
                    f"{name} must return {n} positions in the pool, got "
                    f"{rows.dtype} of shape {rows.shape}."
                )
            values = None if metrics is None else np.asarray(metrics)
            if values is None or values.shape != (n,) or values.dtype.kind not in "fiu":
                return rows.astype(np.intp), None
            return rows.astype(np.intp), values.astype(np.float64)

        utilities = np.zeros(n_pool)
        if self.score_all:
            rows, metrics = call(n_pool)
            if metrics is None:
                metrics = -np.arange(n_pool, dtype=np.float64)
            best = metrics[rows == call(1)[0][0]][0]
            lower_is_better = best == metrics.min() < metrics.max()
            utilities[rows] = -metrics if lower_is_better else metrics
        return ScoredPool(self._checked(utilities, X), lambda n, _: call(n)[0])


@dataclass
class PretendedLearner:
    """A fitted estimator with the attributes that functions of modAL read.

    Attributes
    ----------
    estimator : estimator
        The fitted estimator.
    X_training, y_training : array-like or None
        Rows and labels it has learned from.
    on_transformed : bool
        Always False: distances are those of the rows as they are.
    """

    estimator: Any
    X_training: Any = None
    y_training: Any = None
    on_transformed: bool = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "estimator":
            raise AttributeError(name)
        return getattr(self.estimator, name)

    def __len__(self) -> int:
        """Count the members of a committee."""
        return len(self._members)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._members.members)

    @property
    def _members(self) -> Members:
        if not is_committee(self.estimator):
            raise ValueError(
                "The query function needs a committee, but "
                f"{type(self.estimator).__name__} is none. Wrap the estimator in "
                "CommitteeClassifier."
            )
        return Members(self.estimator)

    def vote_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of the members, (n_samples, n_members, n_classes)."""
        (said,) = self._members.stacked(X, None)
        return np.asarray(said.transpose(1, 0, 2))

    def vote(self, X: Any) -> NDArray[Any]:
        """Labels that the members vote for, (n_samples, n_members)."""
        return np.asarray(self.estimator.classes_)[self.vote_proba(X).argmax(axis=2)]
