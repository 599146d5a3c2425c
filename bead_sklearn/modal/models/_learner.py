"""A learner with the interface of modAL."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.exceptions import NotFittedError
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
from bead_sklearn.modal.models._query import QueryFunction, query_pool
from bead_sklearn.modal.uncertainty import uncertainty_sampling


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
        return query_pool(self, self, X_pool, query_args, return_metrics, query_kwargs)

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
