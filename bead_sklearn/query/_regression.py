"""Uncertainty sampling for regressors."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bead_sklearn.model_selection._groups import groups_kwargs
from bead_sklearn.query._base import QueryStrategy


class PredictiveStdSampling(QueryStrategy):
    """Ask about the rows with the largest predictive standard deviation.

    The utility is the standard deviation, in the unit of y, that
    ``estimator.predict(X, return_std=True)`` returns; for several targets the square
    root of the summed variances. It needs a regressor that gives one, such as
    ``GaussianProcessRegressor``, ``BayesianRidge`` or `MagnitudeRegressor`.

    Examples
    --------
    >>> from sklearn.linear_model import BayesianRidge
    >>> from bead_sklearn.query import PredictiveStdSampling
    >>> model = BayesianRidge().fit([[0.0], [1.0], [2.0]], [0.0, 1.1, 1.9])
    >>> strategy = PredictiveStdSampling()
    >>> strategy.select(strategy(model, [[1.0], [9.0], [3.0]]), 2)
    array([1, 2])
    """

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
        if not _returns_std(estimator):
            raise ValueError(
                f"{type(self).__name__} needs a regressor whose predict takes "
                f"return_std, which that of {type(estimator).__name__} does not. Use "
                "the strategy 'random'."
            )
        _, std = estimator.predict(
            X,
            return_std=True,
            **groups_kwargs(estimator, "predict", groups, name=self._groups_name()),
        )
        std = np.asarray(std, dtype=np.float64)
        return std if std.ndim == 1 else np.sqrt(np.square(std).sum(axis=1))


def _returns_std(estimator: Any) -> bool:
    """Whether predict takes return_std; a Pipeline passes it on to its last step."""
    if hasattr(estimator, "steps"):
        return _returns_std(estimator.steps[-1][1])
    predict = getattr(estimator, "predict", None)
    return predict is not None and "return_std" in signature(predict).parameters
