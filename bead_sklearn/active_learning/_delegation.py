"""Methods that a meta-estimator hands on to the estimator it fitted."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from bead_sklearn._sklearn import _routing_enabled, _VisualBlock


def _estimator_has(method: str) -> Callable[[Any], bool]:
    """Whether the estimator has a method; the error is that of the estimator."""

    def check(self: Any) -> bool:
        getattr(self._delegate(), method)
        return True

    return check


class DelegatingMixin:
    """Predictions, tags and display of a meta-estimator with one ``estimator``.

    The class has the parameter ``estimator``, the fitted ``estimator_`` and, in
    ``_fitted``, the estimator fitted last or None.

    Keyword arguments such as ``groups=`` go to the method of the estimator; with
    metadata routing enabled, as its metadata request says.
    """

    estimator: Any
    estimator_: Any
    _fitted: Any = None

    def _delegate(self) -> Any:
        return self.estimator if self._fitted is None else self._fitted

    def _call(self, method: str, *args: Any, **params: Any) -> Any:
        check_is_fitted(self)
        if params and _routing_enabled():
            params = process_routing(self, method, **params)["estimator"][method]
        return getattr(self.estimator_, method)(*args, **params)

    @available_if(_estimator_has("predict"))
    def predict(self, X: Any, **params: Any) -> Any:
        """Predict with the estimator fitted to the labels known.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows to predict.
        **params : dict
            Metadata of the rows, such as ``groups``, for the estimator.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Predictions.
        """
        return self._call("predict", X, **params)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: Any, **params: Any) -> Any:
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows to predict.
        **params : dict
            Metadata of the rows, such as ``groups``, for the estimator.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities, columns in the order of ``classes_``.
        """
        return self._call("predict_proba", X, **params)

    @available_if(_estimator_has("predict_log_proba"))
    def predict_log_proba(self, X: Any, **params: Any) -> Any:
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows to predict.
        **params : dict
            Metadata of the rows, such as ``groups``, for the estimator.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Logarithms of the probabilities.
        """
        return self._call("predict_log_proba", X, **params)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: Any, **params: Any) -> Any:
        """Compute the decision function of the estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows to predict.
        **params : dict
            Metadata of the rows, such as ``groups``, for the estimator.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision values.
        """
        return self._call("decision_function", X, **params)

    @available_if(_estimator_has("transform"))
    def transform(self, X: Any, **params: Any) -> Any:
        """Transform with the estimator fitted to the labels known.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows to transform.
        **params : dict
            Metadata of the rows, such as ``groups``, for the estimator.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_outputs)
            Transformed rows.
        """
        return self._call("transform", X, **params)

    @property
    def classes_(self) -> Any:
        """Class labels of the fitted estimator."""
        return self._fitted_attribute("classes_")

    @property
    def n_features_in_(self) -> int:
        """Number of features seen by the fitted estimator."""
        n_features: int = self._fitted_attribute("n_features_in_")
        return n_features

    @property
    def feature_names_in_(self) -> Any:
        """Names of the features seen by the fitted estimator."""
        return self._fitted_attribute("feature_names_in_")

    def _fitted_attribute(self, name: str) -> Any:
        if not self.__sklearn_is_fitted__():
            raise AttributeError(
                f"{type(self).__name__} has no {name}: it is not fitted."
            )
        return getattr(self.estimator_, name)

    def __sklearn_is_fitted__(self) -> bool:
        return self._fitted is not None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = deepcopy(inner.classifier_tags)
        tags.regressor_tags = deepcopy(inner.regressor_tags)
        tags.transformer_tags = deepcopy(inner.transformer_tags)
        tags.input_tags = deepcopy(inner.input_tags)
        tags.non_deterministic = inner.non_deterministic
        tags.target_tags.required = True
        tags.target_tags.multi_output = inner.target_tags.multi_output
        tags.target_tags.single_output = inner.target_tags.single_output
        return tags

    def _sk_visual_block_(self) -> Any:
        fitted = self._fitted is not None
        name = "estimator_" if fitted else "estimator"
        estimator = self._delegate()
        return _VisualBlock(
            "parallel",
            [estimator],
            names=[f"{name}: {type(estimator).__name__}"],
            name_details=[str(estimator)],
        )
