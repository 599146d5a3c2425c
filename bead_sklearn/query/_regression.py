"""Uncertainty sampling for regressors."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from bead_sklearn.model_selection._groups import groups_kwargs
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities


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

    _capabilities: ClassVar[Capabilities] = Capabilities(needs="std", classifiers=False)

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
        _, std = estimator.predict(
            X,
            return_std=True,
            **groups_kwargs(estimator, "predict", groups, name=self._groups_name()),
        )
        std = np.asarray(std, dtype=np.float64)
        return std if std.ndim == 1 else np.sqrt(np.square(std).sum(axis=1))
