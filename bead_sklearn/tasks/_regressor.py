"""What regressors of judgments share."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array, column_or_1d

from bead_sklearn._frames import make_frame
from bead_sklearn.families import QuadraticFamily
from bead_sklearn.inputs import Judgments, check_target_present
from bead_sklearn.tasks._base import MixedModel, row_ids

#: Probabilities at the ends of a 95 % interval.
_INTERVAL = (0.025, 0.975)


class MixedModelRegressor(RegressorMixin, MixedModel):
    """Base of the regressors: numbers in, means and quantiles out."""

    def predict(
        self, X: Any, *, groups: Any = None, return_std: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Predict the mean response.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges. Participants not seen in fit, and None, stand for a new
            participant.
        return_std : bool, default=False
            Whether the standard deviation of a new judgment is returned too.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
            In the unit of y.
        std : ndarray of shape (n_samples,)
            Standard deviation of one judgment: uncertainty of the coefficients and
            effects, variation between participants where the participant is new, and
            residual. Only if ``return_std``.
        """
        _, mean, variance = self._predict_eta(X, groups)
        response = self._family.mean_over(mean, variance)
        if return_std:
            return response, self._quadratic.predictive_sd(mean, variance)
        return response

    def predict_dist(
        self, X: Any, *, groups: Any = None, quantiles: Any = (0.025, 0.5, 0.975)
    ) -> np.ndarray:
        """Predict quantiles of a new judgment.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges.
        quantiles : array-like of shape (n_quantiles,), default=(0.025, 0.5, 0.975)
            Probabilities strictly between 0 and 1.

        Returns
        -------
        values : ndarray of shape (n_samples, n_quantiles)
            In the unit of y.

        Raises
        ------
        ValueError
            If a quantile is not between 0 and 1.
        """
        levels = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
        if not ((levels > 0) & (levels < 1)).all():
            raise ValueError(
                f"quantiles must lie strictly between 0 and 1. Got {quantiles!r}."
            )
        _, mean, variance = self._predict_eta(X, groups)
        columns = [
            self._quadratic.predictive_quantile(mean, variance, level)
            for level in levels
        ]
        return np.stack(columns, axis=1)

    def score(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> float:
        """Return R2 of :meth:`predict` with these participants.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What was judged.
        y : array-like of shape (n_samples,)
            The answers.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judged.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the judgments.

        Returns
        -------
        score : float
            Share of the variance of y explained.
        """
        predicted = self.predict(X, groups=groups)
        return float(r2_score(y, predicted, sample_weight=sample_weight))

    def predict_table(self, X: Any, *, groups: Any = None, ids: Any = None) -> Any:
        """Return predictions as a table.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges.
        ids : array-like of shape (n_samples,), default=None
            Names of the rows; their position by default.

        Returns
        -------
        table : DataFrame or list of dict
            Columns ``id``, ``prediction``, ``lower`` and ``upper`` (95 % interval of
            a new judgment) and ``std``. A pandas DataFrame if pandas is installed,
            else polars, else records.
        """
        mean, std = self.predict(X, groups=groups, return_std=True)
        lower, upper = self.predict_dist(X, groups=groups, quantiles=_INTERVAL).T
        return make_frame(
            {
                "id": row_ids(ids, len(mean)),
                "prediction": mean,
                "lower": lower,
                "upper": upper,
                "std": std,
            }
        )

    def _set_coefficients(
        self, intercept: np.ndarray, coefficients: np.ndarray
    ) -> None:
        self.intercept_, self.coef_ = float(intercept[0]), coefficients[0]

    @property
    def _quadratic(self) -> QuadraticFamily:
        assert isinstance(self._family, QuadraticFamily)
        return self._family

    def _check_kept(self, target: np.ndarray) -> None:
        if len(target) < 2:
            raise ValueError(
                f"y has {len(target)} judgment(s) of positive sample_weight "
                f"(n_samples = {len(target)}); at least 2 are needed."
            )

    def _encode_target(self, y: Any, judgments: Judgments) -> np.ndarray:
        del judgments
        check_target_present(y)
        values = check_array(
            y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=self
        )
        return np.asarray(column_or_1d(values, warn=True))
