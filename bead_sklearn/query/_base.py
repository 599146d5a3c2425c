"""What a query strategy is."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from bead_sklearn._sklearn import _num_samples, _safe_indexing
from bead_sklearn.model_selection._groups import ScoreRequestMixin
from bead_sklearn.query._capabilities import Capabilities, check_capabilities
from bead_sklearn.query._scored import ScoredPool, inverse_order
from bead_sklearn.query._selection import (
    check_batch_size,
    check_utilities,
    select_top_k,
)


class QueryStrategy(ScoreRequestMixin, BaseEstimator, ABC):
    """Base of the query strategies: a scorer without ``y``.

    A strategy is called with a fitted estimator and the pool of unlabelled rows and
    returns one utility per row, higher for rows whose labels are expected to teach
    more. It holds no state but its parameters, so ``strategy__...`` can be searched.

    A new strategy overrides `_utilities`; one whose batch is more than the rows with
    the highest utilities overrides `_score_pool`. ``_capabilities`` says what it needs
    of an estimator.
    """

    _capabilities: ClassVar[Capabilities] = Capabilities()
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    def __call__(
        self,
        estimator: Any,
        X: Any,
        *,
        groups: Any = None,
        X_labeled: Any = None,
        y_labeled: Any = None,
        groups_labeled: Any = None,
        n_instances: int | None = None,
    ) -> NDArray[np.float64] | tuple[NDArray[np.intp], Any]:
        """Score every row of the pool, or pick the rows to ask about.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator.
        X : array-like of shape (n_pool, ...)
            The pool: array, sparse matrix, list of str or data frame.
        groups : array-like of shape (n_pool,), default=None
            Participant ids of the pool. They reach the estimator when it takes them.
        X_labeled : array-like of shape (n_labeled, ...), default=None
            Rows whose labels are known.
        y_labeled : array-like of shape (n_labeled,), default=None
            Their labels.
        groups_labeled : array-like of shape (n_labeled,), default=None
            Their participant ids.
        n_instances : int, default=None
            Given: pick that many rows instead, as modAL's strategies do.

        Returns
        -------
        utilities : ndarray of shape (n_pool,)
            Utilities, higher is more informative; with ``n_instances`` the pair
            ``(indices, X[indices])``, best first.

        Raises
        ------
        ValueError
            If the estimator cannot give what the strategy needs, naming both.
        """
        pool = self.score_pool(
            estimator,
            X,
            groups=groups,
            X_labeled=X_labeled,
            y_labeled=y_labeled,
            groups_labeled=groups_labeled,
        )
        if n_instances is None:
            return pool.utilities
        indices = pool.select(check_batch_size(n_instances, "n_instances"))
        return indices, _safe_indexing(X, indices)

    def score_pool(
        self,
        estimator: Any,
        X: Any,
        *,
        groups: Any = None,
        X_labeled: Any = None,
        y_labeled: Any = None,
        groups_labeled: Any = None,
    ) -> ScoredPool:
        """Score every row of the pool and keep what choosing a batch needs.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator.
        X : array-like of shape (n_pool, ...)
            The pool.
        groups, X_labeled, y_labeled, groups_labeled
            As for calling the strategy.

        Returns
        -------
        pool : ScoredPool
            Its ``utilities`` are what calling the strategy returns;
            ``pool.select(n)`` chooses a batch, with regard to how its rows complement
            each other if the strategy is one for batches.

        Raises
        ------
        ValueError
            If the estimator cannot give what the strategy needs, naming both.
        """
        self._validate_params()
        self.check(estimator)
        return self._score_pool(
            estimator,
            X,
            groups=groups,
            X_labeled=X_labeled,
            y_labeled=y_labeled,
            groups_labeled=groups_labeled,
        )

    @property
    def capabilities(self) -> Capabilities:
        """What the strategy needs of an estimator, and how it behaves."""
        return self._capabilities

    def _with_base(self, base: QueryStrategy | None) -> Capabilities:
        """Return the capabilities, those of a base strategy counted in."""
        own = self._capabilities
        if base is None:
            return own
        needed = base.capabilities
        return replace(
            own,
            needs=needed.needs,
            classifiers=needed.classifiers,
            regressors=needed.regressors,
            uses_features=own.uses_features or needed.uses_features,
            is_random=own.is_random or needed.is_random,
        )

    def check(self, estimator: Any) -> None:
        """Check that an estimator suits the strategy, before it is fitted.

        Parameters
        ----------
        estimator : estimator
            Fitted or not.

        Raises
        ------
        ValueError
            If the estimator cannot give what the strategy needs, naming both.
        """
        check_capabilities(type(self).__name__, self.capabilities, estimator)

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
        """Score the pool; strategies for batches override this."""
        utilities = self._utilities(
            estimator,
            X,
            groups=groups,
            X_labeled=X_labeled,
            y_labeled=y_labeled,
            groups_labeled=groups_labeled,
        )
        return self.scored(self._checked(utilities, X))

    @property
    def is_rowwise(self) -> bool:
        """Whether a row may be scored with others that are not in the pool."""
        as_here = type(self)._score_pool is QueryStrategy._score_pool
        return as_here and self.capabilities.rowwise

    def scored(self, utilities: NDArray[np.float64]) -> ScoredPool:
        """Return a pool whose batches are what `select` takes of its utilities.

        Parameters
        ----------
        utilities : ndarray of shape (n_pool,)
            A number for every row.
        """
        return ScoredPool(utilities, _ByUtility(self, utilities))

    def _checked(self, utilities: ArrayLike, X: Any) -> NDArray[np.float64]:
        """Check that every row of the pool has a utility."""
        name = f"utilities of {type(self).__name__}"
        return check_utilities(utilities, name, _num_samples(X))

    def _utilities(
        self,
        estimator: Any,
        X: Any,
        *,
        groups: Any,
        X_labeled: Any,
        y_labeled: Any,
        groups_labeled: Any,
    ) -> ArrayLike:
        """Utilities of the pool; arguments as in `__call__`."""
        return self._score_pool(
            estimator,
            X,
            groups=groups,
            X_labeled=X_labeled,
            y_labeled=y_labeled,
            groups_labeled=groups_labeled,
        ).utilities

    def select(self, utilities: ArrayLike, n: int) -> NDArray[np.intp]:
        """Choose a batch from the utilities alone.

        A strategy for batches needs the rows too: use `score_pool`.

        Parameters
        ----------
        utilities : array-like of shape (n_pool,)
            What calling the strategy returned.
        n : int
            Size of the batch; see `select_top_k` for sizes out of range.

        Returns
        -------
        indices : ndarray of shape (min(n, n_pool),)
            Positions in the pool, best first.
        """
        return select_top_k(utilities, n)

    def select_top_k(self, scores: ArrayLike, k: int) -> NDArray[np.intp]:
        """Select the k rows with the highest scores; see `select_top_k`.

        Parameters
        ----------
        scores : array-like of shape (n_samples,)
            Scores, higher is better.
        k : int
            How many rows.

        Returns
        -------
        indices : ndarray of shape (min(k, n_samples),)
            Positions in ``scores``, from the highest score down.
        """
        return select_top_k(scores, k)

    def as_modal(self) -> ModalStrategy:
        """Give this strategy the calling convention of modAL.

        Returns
        -------
        strategy : ModalStrategy
            Callable ``strategy(learner, X_pool, n_instances=1)`` that returns
            ``(indices, X_pool[indices])``.
        """
        return ModalStrategy(self)


@dataclass(frozen=True)
class _ByUtility:
    """A batch of what `QueryStrategy.select` takes."""

    strategy: QueryStrategy
    utilities: NDArray[np.float64]

    def __call__(self, n: int, priority: NDArray[np.intp] | None) -> NDArray[np.intp]:
        if priority is None:
            return self.strategy.select(self.utilities, n)
        order = inverse_order(priority)
        return order[self.strategy.select(self.utilities[order], n)]


class ModalStrategy:
    """A query strategy with the calling convention of modAL.

    modAL calls its strategies with the learner, the pool and, if the user asked for
    several rows, ``n_instances``, and takes the first value returned for positions in
    the pool. (Without ``n_instances`` a `QueryStrategy` returns utilities, so it is
    this object that goes into ``modAL.models.ActiveLearner(query_strategy=...)``.)

    Parameters
    ----------
    strategy : QueryStrategy
        The strategy to call.
    """

    def __init__(self, strategy: QueryStrategy) -> None:
        self.strategy = strategy

    def __call__(
        self, learner: Any, X_pool: Any, n_instances: int = 1, **kwargs: Any
    ) -> tuple[NDArray[np.intp], Any]:
        """Pick rows of the pool.

        Parameters
        ----------
        learner : estimator
            The learner; modAL's ``ActiveLearner`` or any fitted estimator.
        X_pool : array-like of shape (n_pool, ...)
            The pool.
        n_instances : int, default=1
            How many rows to pick.
        **kwargs : dict
            Further keyword arguments of the strategy, such as ``groups``.

        Returns
        -------
        indices : ndarray of shape (min(n_instances, n_pool),)
            Positions in the pool, best first.
        instances : same type as X_pool
            These rows.
        """
        picked = self.strategy(learner, X_pool, n_instances=n_instances, **kwargs)
        indices, instances = picked
        return indices, instances
