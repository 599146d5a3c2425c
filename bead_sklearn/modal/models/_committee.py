"""A committee of learners with the interface of modAL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.utils import get_tags

from bead_sklearn.modal.disagreement import vote_entropy_sampling
from bead_sklearn.modal.models._learner import ActiveLearner
from bead_sklearn.modal.models._query import QueryFunction, query_pool
from bead_sklearn.query._members import align_classes


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
        return query_pool(
            self, self.learner_list[0], X_pool, query_args, return_metrics, query_kwargs
        )

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
