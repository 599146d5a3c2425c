"""Active learning one call at a time."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_consistent_length, indexable
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import check_is_fitted

from bead_sklearn._sklearn import (
    HasMethods,
    StrOptions,
    _routing_enabled,
    _safe_indexing,
)
from bead_sklearn.active_learning._delegation import DelegatingMixin
from bead_sklearn.active_learning._metadata import fit_groups_kwargs
from bead_sklearn.active_learning._rows import (
    as_groups,
    as_labels,
    as_row_container,
    check_labels,
    concatenate_rows,
)
from bead_sklearn.active_learning._seeding import draw_seeds, seeded
from bead_sklearn.active_learning._warm import (
    check_warm_start,
    fit_next,
    may_end_elsewhere,
)
from bead_sklearn.query import get_query_strategy, get_query_strategy_names
from bead_sklearn.query._selection import check_batch_size


class ActiveLearner(DelegatingMixin, MetaEstimatorMixin, BaseEstimator):
    """An estimator that says which rows it wants to learn next.

    The loop of modAL on today's scikit-learn: `query` picks rows of a pool, `teach`
    adds their labels to the training data and fits again. The pool stays with the
    caller. Arrays, sparse matrices, lists of str and data frames are kept as they are.

    Parameters
    ----------
    estimator : estimator
        What to fit; cloned for every fit.
    strategy : str, QueryStrategy or callable, default="entropy"
        Query strategy, see `bead_sklearn.query.get_query_strategy_names`.
    X_training : array-like of shape (n_samples, ...), default=None
        Rows whose labels are known at the start.
    y_training : array-like of shape (n_samples,), default=None
        Their labels.
    groups_training : array-like of shape (n_samples,), default=None
        Their participant ids.
    warm_start : "auto" or bool, default="auto"
        Whether `teach` continues from the estimator fitted last instead of starting
        afresh. "auto": the task models of this suite do, which saves time and changes
        nothing else. True: so do others with a ``warm_start`` parameter, which may
        then end elsewhere than a fresh fit. New classes, and ``only_new``, are fitted
        afresh.
    random_state : int, RandomState instance or None, default=None
        Seed of random strategies; every query draws anew.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator. With ``X_training`` it is fitted when first needed.
    X_training_, y_training_, groups_training_
        All training data so far.

    See Also
    --------
    ActiveLearningSearch : Runs the whole loop, and is searched and cross-validated.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.active_learning import ActiveLearner
    >>> learner = ActiveLearner(
    ...     LogisticRegression(), X_training=[[0.0], [4.0]], y_training=["no", "yes"]
    ... )
    >>> rows, instances = learner.query([[9.0], [2.0], [-1.0]])
    >>> rows, instances
    (array([1]), [[2.0]])
    >>> learner.teach(instances, ["no"]).predict([[2.0]])
    array(['no'], dtype='<U3')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [HasMethods(["fit"])],
        "strategy": [StrOptions(set(get_query_strategy_names())), callable],
        "X_training": "no_validation",
        "y_training": "no_validation",
        "groups_training": "no_validation",
        "warm_start": [StrOptions({"auto"}), "boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        strategy: Any = "entropy",
        *,
        X_training: Any = None,
        y_training: Any = None,
        groups_training: Any = None,
        warm_start: str | bool = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.strategy = strategy
        self.X_training = X_training
        self.y_training = y_training
        self.groups_training = groups_training
        self.warm_start = warm_start
        self.random_state = random_state

    # Training -----------------------------------------------------------------------

    def fit(self, X: Any, y: Any, *, groups: Any = None) -> Self:
        """Forget all training data and fit to these.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their labels.
        groups : array-like of shape (n_samples,), default=None
            Their participant ids.

        Returns
        -------
        self : object
            The fitted learner.

        Raises
        ------
        ValueError
            If lengths differ or labels are missing.
        """
        self._validate_params()
        get_query_strategy(self.strategy)
        check_warm_start(self.estimator, self.warm_start)
        X, y, groups = self._check(X, y, groups)
        estimator = self._fit_estimator(X, y, groups)
        self._keep(estimator, X, y, groups)
        self._seed = draw_seeds(self.random_state, 1)[0]
        self._n_queries = 0
        return self

    def teach(
        self, X: Any, y: Any, *, groups: Any = None, only_new: bool = False
    ) -> Self:
        """Add labelled rows to the training data and fit.

        Parameters
        ----------
        X : array-like of shape (n_new, ...)
            Rows, in the same kind of container as the training data.
        y : array-like of shape (n_new,) or (n_new, n_outputs)
            Their labels.
        groups : array-like of shape (n_new,), default=None
            Their participant ids; given if and only if the training data have them.
        only_new : bool, default=False
            Whether to fit to the new rows only. They are kept all the same, so that a
            later call with False fits to everything.

        Returns
        -------
        self : object
            The learner. On an error it is as it was before.

        Raises
        ------
        TypeError
            If the rows come in another kind of container, or the labels are strings
            and those so far are not, or the other way round.
        ValueError
            If lengths or columns differ, labels are missing, or groups are given on
            one side only.
        """
        if not self._has_training_data():
            return self.fit(X, y, groups=groups)
        self._fit_training()
        X, y, groups = self._check(X, y, groups)
        if (groups is None) != (self.groups_training_ is None):
            raise ValueError(
                "groups must be given with all training data or with none: the data "
                f"so far have {'no ' if self.groups_training_ is None else ''}groups."
            )
        all_X = concatenate_rows([self.X_training_, X])
        all_y = concatenate_rows([self.y_training_, y])
        all_groups = (
            None
            if groups is None
            else concatenate_rows([self.groups_training_, groups])
        )
        fitted_to = (X, y, groups) if only_new else (all_X, all_y, all_groups)
        earlier = None if only_new else self._fitted
        estimator = self._fit_estimator(*fitted_to, earlier)
        self._keep(estimator, all_X, all_y, all_groups)
        return self

    def _check(self, X: Any, y: Any, groups: Any) -> tuple[Any, Any, Any]:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None."
            )
        check_consistent_length(X, y, groups)
        X, y = as_row_container(X), as_labels(y)
        check_labels(y, np.arange(len(y)))
        return X, y, None if groups is None else as_groups(groups)

    def _fit_estimator(self, X: Any, y: Any, groups: Any, earlier: Any = None) -> Any:
        if _routing_enabled():
            given = {} if groups is None else {"groups": groups}
            params = process_routing(self, "fit", **given)["estimator"]["fit"]
        else:
            params = fit_groups_kwargs(self.estimator, groups)
        if may_end_elsewhere(self.estimator, self.warm_start):
            earlier = deepcopy(earlier)  # on an error the learner is as it was before
        return fit_next(
            self.estimator,
            earlier,
            self.warm_start,
            y,
            None if earlier is None else self.y_training_,
            lambda estimator: estimator.fit(X, y, **params),
        )

    def _keep(self, estimator: Any, X: Any, y: Any, groups: Any) -> None:
        self._fitted = estimator
        self.X_training_ = X
        self.y_training_ = y
        self.groups_training_ = groups

    def _has_training_data(self) -> bool:
        return self._fitted is not None or self.X_training is not None

    def _fit_training(self) -> None:
        """Fit to the training data of the constructor, unless it has been done."""
        if self._fitted is None and self.X_training is not None:
            self.fit(self.X_training, self.y_training, groups=self.groups_training)

    @property
    def estimator_(self) -> Any:
        """The fitted estimator."""
        self._fit_training()
        if self._fitted is None:
            raise AttributeError(f"This {type(self).__name__} is not fitted.")
        return self._fitted

    def __sklearn_is_fitted__(self) -> bool:
        return self._has_training_data()

    # Asking -------------------------------------------------------------------------

    def query(
        self, X_pool: Any, n_instances: int = 1, *, groups: Any = None
    ) -> tuple[NDArray[np.intp], Any]:
        """Pick the rows of a pool to ask about.

        Parameters
        ----------
        X_pool : array-like of shape (n_pool, ...)
            Rows without labels.
        n_instances : int, default=1
            How many; all if the pool has fewer.
        groups : array-like of shape (n_pool,), default=None
            Participant ids of the pool, for strategies and estimators that use them.

        Returns
        -------
        indices : ndarray of shape (min(n_instances, n_pool),)
            Positions in the pool, best first.
        instances : same type as X_pool
            These rows.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If there are no training data yet.
        ValueError
            If the strategy and the estimator do not fit together.
        """
        if not self._has_training_data():
            raise NotFittedError(
                f"This {type(self).__name__} has no training data. Call fit or teach, "
                "or pass X_training and y_training."
            )
        n_instances = check_batch_size(n_instances, "n_instances")
        X_pool, groups = indexable(X_pool, groups)
        estimator = self.estimator_
        strategy = get_query_strategy(self.strategy)
        drawing = seeded(strategy, self._seed, self._n_queries)
        known = {} if groups is None else {"groups_labeled": self.groups_training_}
        scored = drawing.score_pool(
            estimator,
            X_pool,
            groups=groups,
            X_labeled=self.X_training_,
            y_labeled=self.y_training_,
            **known,
        )
        self._n_queries += 1
        indices = scored.select(n_instances)
        return indices, _safe_indexing(X_pool, indices)

    # Scoring and routing ------------------------------------------------------------

    def score(self, X: Any, y: Any, **params: Any) -> float:
        """Score the estimator with its own ``score``.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows to predict.
        y : array-like of shape (n_samples,)
            True labels.
        **params : dict
            Metadata of the rows, such as ``groups``.

        Returns
        -------
        score : float
            The score.
        """
        check_is_fitted(self)
        return float(self._call("score", X, y, **params))

    def get_metadata_routing(self) -> MetadataRouter:
        """Get the metadata routing of this object.

        Returns
        -------
        routing : MetadataRouter
            Everything goes to the estimator.
        """
        mapping = MethodMapping()
        for method in (
            "fit",
            "predict",
            "predict_proba",
            "predict_log_proba",
            "decision_function",
            "transform",
            "score",
        ):
            mapping.add(caller=method, callee=method)
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(estimator=self.estimator, method_mapping=mapping)
        )
