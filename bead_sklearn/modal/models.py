"""Learners and committees with the interface of modAL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.utils import assert_all_finite, check_consistent_length, get_tags
from sklearn.utils.validation import check_is_fitted

from bead_sklearn._sklearn import _num_samples, _safe_indexing
from bead_sklearn.active_learning._rows import (
    as_labels,
    as_row_container,
    check_labels,
    concatenate_rows,
)
from bead_sklearn.modal.disagreement import vote_entropy_sampling
from bead_sklearn.modal.uncertainty import uncertainty_sampling
from bead_sklearn.query import QueryStrategy, get_query_strategy
from bead_sklearn.query._members import align_classes

QueryFunction = Callable[..., Any]


class ActiveLearner(MetaEstimatorMixin, BaseEstimator):
    """A learner with the interface of modAL.

    It holds its training data and fits ``estimator`` in place: when it is made, if it
    is given training data, and by `teach` and `fit`. A clone has the same training data
    and an estimator of its own.

    Parameters
    ----------
    estimator : estimator
        What to fit, in place.
    query_strategy : callable or str, default=uncertainty_sampling
        ``query_strategy(learner, X_pool, n_instances=1, ...)`` that returns the
        positions of the rows, or these and their metrics; or a strategy of this suite
        or its name, see `bead_sklearn.query.get_query_strategy`.
    X_training : array-like of shape (n_samples, ...), default=None
        Rows with labels. Afterwards all rows learned from.
    y_training : array-like of shape (n_samples,), default=None
        Their labels.
    bootstrap_init : bool, default=False
        Whether the first fit is to a bootstrap sample.
    on_transformed : bool, default=False
        Whether strategies that measure distances do so after the transformers of a
        Pipeline.
    force_all_finite : bool, default=True
        Whether NaN and infinity are refused in numeric rows.
    **fit_kwargs : dict
        Passed on to the first ``fit``.

    Attributes
    ----------
    classes_ : ndarray
        Those of the estimator.

    See Also
    --------
    bead_sklearn.active_learning.ActiveLearner : Knows about participants.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.modal.models import ActiveLearner
    >>> X, y = load_iris(return_X_y=True)
    >>> learner = ActiveLearner(
    ...     LogisticRegression(max_iter=1000),
    ...     X_training=X[[0, 50, 100]], y_training=y[[0, 50, 100]],
    ... )
    >>> query_idx, query_inst = learner.query(X, n_instances=2)
    >>> learner.teach(X[query_idx], y[query_idx])
    >>> learner.X_training.shape
    (5, 4)
    """

    def __init__(
        self,
        estimator: Any,
        query_strategy: QueryFunction | str = uncertainty_sampling,
        X_training: Any = None,
        y_training: Any = None,
        bootstrap_init: bool = False,
        on_transformed: bool = False,
        force_all_finite: bool = True,
        **fit_kwargs: Any,
    ) -> None:
        self.estimator = estimator
        self.query_strategy = query_strategy
        self.X_training = X_training
        self.y_training = y_training
        self.bootstrap_init = bootstrap_init
        self.on_transformed = on_transformed
        self.force_all_finite = force_all_finite
        # As in modAL, a learner with training data is ready when it is made.
        if X_training is not None:
            self._fit_to_known(bootstrap=bootstrap_init, **fit_kwargs)

    # Training -----------------------------------------------------------------------

    def fit(self, X: Any, y: Any, bootstrap: bool = False, **fit_kwargs: Any) -> Self:
        """Forget all training data and fit to these.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels.
        bootstrap : bool, default=False
            Whether to fit to a bootstrap sample.
        **fit_kwargs : dict
            Passed on to the estimator's ``fit``.

        Returns
        -------
        self : object
            The learner.
        """
        X, y = self._check(X, y)
        self.X_training, self.y_training = X, y
        return self._fit_to_known(bootstrap=bootstrap, **fit_kwargs)

    def teach(
        self,
        X: Any,
        y: Any,
        bootstrap: bool = False,
        only_new: bool = False,
        **fit_kwargs: Any,
    ) -> None:
        """Add rows to the training data and fit again.

        Parameters
        ----------
        X : array-like of shape (n_new, ...)
            Rows, in the same kind of container as those so far.
        y : array-like of shape (n_new,)
            Their labels.
        bootstrap : bool, default=False
            Whether to fit to a bootstrap sample.
        only_new : bool, default=False
            Whether to fit to the new rows only. They are kept all the same.
        **fit_kwargs : dict
            Passed on to the estimator's ``fit``.
        """
        X, y = self._check(X, y)
        self._add_training_data(X, y)
        if only_new:
            self._fit_rows(X, y, bootstrap, fit_kwargs)
        else:
            self._fit_to_known(bootstrap=bootstrap, **fit_kwargs)

    def _check(self, X: Any, y: Any) -> tuple[Any, Any]:
        check_consistent_length(X, y)
        X, y = as_row_container(X), as_labels(y)
        if not isinstance(y, list):
            check_labels(y, np.arange(len(y)))
        if self.force_all_finite and getattr(X, "dtype", None) is not None:
            assert_all_finite(X.data if sparse.issparse(X) else X, input_name="X")
        return X, y

    def _add_training_data(self, X: Any, y: Any) -> None:
        if self.X_training is None:
            self.X_training, self.y_training = X, y
            return
        known_X, known_y = self._check(self.X_training, self.y_training)
        all_X, all_y = concatenate_rows([known_X, X]), concatenate_rows([known_y, y])
        self.X_training, self.y_training = all_X, all_y

    def _fit_to_known(self, bootstrap: bool = False, **fit_kwargs: Any) -> Self:
        X, y = self._check(self.X_training, self.y_training)
        return self._fit_rows(X, y, bootstrap, fit_kwargs)

    def _fit_rows(
        self, X: Any, y: Any, bootstrap: bool, fit_kwargs: dict[str, Any]
    ) -> Self:
        if bootstrap:
            n = _num_samples(X)
            drawn = np.random.choice(n, n, replace=True)  # noqa: NPY002
            X, y = _safe_indexing(X, drawn), _safe_indexing(y, drawn)
        self.estimator.fit(X, y, **fit_kwargs)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        try:
            check_is_fitted(self.estimator)
        except NotFittedError:
            return False
        return True

    # Asking and predicting ----------------------------------------------------------

    def query(
        self,
        X_pool: Any,
        *query_args: Any,
        return_metrics: bool = False,
        **query_kwargs: Any,
    ) -> Any:
        """Choose rows of a pool.

        Parameters
        ----------
        X_pool : array-like of shape (n_pool, ...)
            Rows without labels.
        *query_args, **query_kwargs
            Passed on to the strategy: ``n_instances`` and others.
        return_metrics : bool, default=False
            Whether to return the metrics of the rows too.

        Returns
        -------
        indices : ndarray
            Positions in the pool.
        instances : same type as X_pool
            These rows.
        metrics : ndarray or None
            With ``return_metrics``: what the strategy returns beside the positions.
        """
        return _query(self, X_pool, query_args, return_metrics, query_kwargs)

    def predict(self, X: Any, **predict_kwargs: Any) -> Any:
        """Predict with the estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        **predict_kwargs : dict
            Passed on.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Predictions.
        """
        return self.estimator.predict(X, **predict_kwargs)

    def predict_proba(self, X: Any, **predict_proba_kwargs: Any) -> Any:
        """Predict class probabilities with the estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        **predict_proba_kwargs : dict
            Passed on.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities.
        """
        return self.estimator.predict_proba(X, **predict_proba_kwargs)

    def score(self, X: Any, y: Any, **score_kwargs: Any) -> Any:
        """Score with the estimator's own ``score``.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels.
        **score_kwargs : dict
            Passed on.

        Returns
        -------
        score : float
            The score.
        """
        return self.estimator.score(X, y, **score_kwargs)

    def transform_without_estimating(self, X: Any) -> Any:
        """Apply the steps of a Pipeline but the last.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.

        Returns
        -------
        X_new : array-like of shape (n_samples, ...)
            The rows as the last step sees them; as they are if there is no Pipeline.
        """
        if not isinstance(self.estimator, Pipeline):
            return X
        for _, step in self.estimator.steps[:-1]:
            X = X if step in (None, "passthrough") else step.transform(X)
        return X

    @property
    def classes_(self) -> NDArray[Any]:
        """Classes of the estimator."""
        return np.asarray(self.estimator.classes_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        for name in ("estimator_type", "classifier_tags", "regressor_tags"):
            setattr(tags, name, getattr(inner, name))
        tags.input_tags, tags.target_tags = inner.input_tags, inner.target_tags
        return tags


class Committee(MetaEstimatorMixin, BaseEstimator):
    """A committee of learners with the interface of modAL.

    The members may know different classes: probabilities are over all of them.

    Parameters
    ----------
    learner_list : list of ActiveLearner
        The members.
    query_strategy : callable or str, default=vote_entropy_sampling
        As in `ActiveLearner`.
    on_transformed : bool, default=False
        As in `ActiveLearner`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Classes that some member knows; None as long as a member is not fitted.
    n_classes_ : int
        Their number.

    See Also
    --------
    bead_sklearn.query.CommitteeClassifier : A committee as one classifier.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from bead_sklearn.modal.models import ActiveLearner, Committee
    >>> X, y = load_iris(return_X_y=True)
    >>> committee = Committee([
    ...     ActiveLearner(model, X_training=X[::10], y_training=y[::10])
    ...     for model in (LogisticRegression(max_iter=1000), GaussianNB())
    ... ])
    >>> query_idx, query_inst = committee.query(X, n_instances=3)
    >>> committee.teach(X[query_idx], y[query_idx])
    >>> committee.vote(X[:2]).shape
    (2, 2)
    """

    def __init__(
        self,
        learner_list: list[ActiveLearner],
        query_strategy: QueryFunction | str = vote_entropy_sampling,
        on_transformed: bool = False,
    ) -> None:
        self.learner_list = learner_list
        self.query_strategy = query_strategy
        self.on_transformed = on_transformed

    def __len__(self) -> int:
        """Count the members."""
        return len(self.learner_list)

    def __iter__(self) -> Iterator[ActiveLearner]:
        return iter(self.learner_list)

    @property
    def classes_(self) -> NDArray[Any] | None:
        """Classes that some member knows."""
        if not self.__sklearn_is_fitted__():
            return None
        return np.unique(np.concatenate([learner.classes_ for learner in self]))

    @property
    def n_classes_(self) -> int:
        """Number of classes."""
        return 0 if self.classes_ is None else len(self.classes_)

    @property
    def X_training(self) -> Any:  # noqa: N802
        """Rows that the first member has learned from."""
        return self.learner_list[0].X_training

    def __sklearn_is_fitted__(self) -> bool:
        return all(learner.__sklearn_is_fitted__() for learner in self.learner_list)

    def fit(self, X: Any, y: Any, **fit_kwargs: Any) -> Self:
        """Make every member forget its training data and fit to these.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels.
        **fit_kwargs : dict
            Passed on to the members.

        Returns
        -------
        self : object
            The committee.
        """
        for learner in self:
            learner.fit(X, y, **fit_kwargs)
        return self

    def teach(
        self,
        X: Any,
        y: Any,
        bootstrap: bool = False,
        only_new: bool = False,
        **fit_kwargs: Any,
    ) -> None:
        """Teach every member; see `ActiveLearner.teach`.

        Parameters
        ----------
        X : array-like of shape (n_new, ...)
            Rows.
        y : array-like of shape (n_new,)
            Their labels.
        bootstrap : bool, default=False
            Whether every member is fitted to a bootstrap sample of its own.
        only_new : bool, default=False
            Whether to fit to the new rows only.
        **fit_kwargs : dict
            Passed on to the members.
        """
        for learner in self:
            learner.teach(X, y, bootstrap=bootstrap, only_new=only_new, **fit_kwargs)

    def rebag(self, **fit_kwargs: Any) -> None:
        """Fit every member to a bootstrap sample of its training data.

        Parameters
        ----------
        **fit_kwargs : dict
            Passed on to the members.
        """
        for learner in self:
            learner._fit_to_known(bootstrap=True, **fit_kwargs)

    def query(
        self,
        X_pool: Any,
        return_metrics: bool = False,
        *query_args: Any,
        **query_kwargs: Any,
    ) -> Any:
        """Choose rows of a pool; see `ActiveLearner.query`.

        Parameters
        ----------
        X_pool : array-like of shape (n_pool, ...)
            Rows without labels.
        return_metrics : bool, default=False
            Whether to return the metrics of the rows too.
        *query_args, **query_kwargs
            Passed on to the strategy: ``n_instances`` and others.

        Returns
        -------
        indices : ndarray
            Positions in the pool.
        instances : same type as X_pool
            These rows.
        metrics : ndarray or None
            With ``return_metrics``: what the strategy returns beside the positions.
        """
        return _query(self, X_pool, query_args, return_metrics, query_kwargs)

    def vote(self, X: Any, **predict_kwargs: Any) -> NDArray[Any]:
        """Return the prediction of each member.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        **predict_kwargs : dict
            Passed on to the members.

        Returns
        -------
        votes : ndarray of shape (n_samples, n_learners)
            Labels.
        """
        return np.stack(
            [learner.predict(X, **predict_kwargs) for learner in self], axis=1
        )

    def vote_proba(self, X: Any, **predict_proba_kwargs: Any) -> NDArray[np.float64]:
        """Return the probabilities of each member.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        **predict_proba_kwargs : dict
            Passed on to the members.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_learners, n_classes)
            Over ``classes_``; 0 for a class that a member does not know.
        """
        classes = self.classes_
        if classes is None:
            raise NotFittedError("The members of this Committee are not fitted.")
        said = [
            align_classes(
                learner.predict_proba(X, **predict_proba_kwargs),
                learner.classes_,
                classes,
            )
            for learner in self
        ]
        return np.stack(said, axis=1)

    def predict_proba(self, X: Any, **predict_proba_kwargs: Any) -> NDArray[np.float64]:
        """Return the mean of the members' probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        **predict_proba_kwargs : dict
            Passed on to the members.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities over ``classes_``.
        """
        return np.asarray(self.vote_proba(X, **predict_proba_kwargs).mean(axis=1))

    def predict(self, X: Any, **predict_proba_kwargs: Any) -> NDArray[Any]:
        """Return the class that is most probable on average.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        **predict_proba_kwargs : dict
            Passed on to the members.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Labels.
        """
        best = self.predict_proba(X, **predict_proba_kwargs).argmax(axis=1)
        return np.asarray(self.classes_)[best]

    def score(
        self, X: Any, y: Any, sample_weight: Sequence[float] | None = None
    ) -> float:
        """Return the accuracy.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        score : float
            Share of labels predicted correctly.
        """
        return float(accuracy_score(y, self.predict(X), sample_weight=sample_weight))

    def transform_without_estimating(self, X: Any) -> Any:
        """Apply the transformers of every member's Pipeline, side by side.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.

        Returns
        -------
        X_new : array-like of shape (n_samples, n_features)
            The columns of all members.
        """
        parts = [learner.transform_without_estimating(X) for learner in self]
        if any(sparse.issparse(part) for part in parts):
            return sparse.hstack(parts, format="csr")
        return np.hstack(parts)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.learner_list:
            inner = get_tags(self.learner_list[0])
            tags.estimator_type = inner.estimator_type
            tags.classifier_tags = inner.classifier_tags
            tags.input_tags, tags.target_tags = inner.input_tags, inner.target_tags
        return tags


def _query(
    learner: Any,
    X_pool: Any,
    args: tuple[Any, ...],
    return_metrics: bool,
    kwargs: dict[str, Any],
) -> Any:
    """Call the strategy once; it returns positions, or positions and metrics."""
    strategy = learner.query_strategy
    if isinstance(strategy, str | QueryStrategy):
        n_instances = args[0] if args else kwargs.pop("n_instances", 1)
        strategy = get_query_strategy(strategy)
        known_X = learner.X_training
        first = (
            learner if isinstance(learner, ActiveLearner) else learner.learner_list[0]
        )
        pool = strategy.score_pool(
            learner,
            X_pool,
            X_labeled=known_X,
            y_labeled=None if known_X is None else as_labels(first.y_training),
            **kwargs,
        )
        indices = pool.select(n_instances)
        found: Any = (indices, pool.utilities[indices])
    else:
        found = strategy(learner, X_pool, *args, **kwargs)
    chosen, metrics = (
        found if isinstance(found, tuple) and len(found) == 2 else (found, None)
    )
    rows = np.atleast_1d(np.asarray(chosen))
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise TypeError(
            "A query strategy must return positions in the pool, got "
            f"{rows.dtype} of shape {rows.shape}."
        )
    instances = _safe_indexing(as_row_container(X_pool), rows)
    return (rows, instances, metrics) if return_metrics else (rows, instances)
