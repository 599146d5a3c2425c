"""What regressors of judgments share."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    column_or_1d,
)

from bead_sklearn._frames import make_frame
from bead_sklearn.families import ContinuousFamily, Family
from bead_sklearn.inputs import Judgments, check_target_present
from bead_sklearn.tasks._base import MixedModel
from bead_sklearn.tasks._rows import Rows, row_ids

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
        response = self._to_scale(self._family.mean_over(mean, variance))
        if return_std:
            std = self._continuous.predictive_sd(mean, variance)
            return response, self._unit * std
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
            self._continuous.predictive_quantile(mean, variance, level)
            for level in levels
        ]
        return self._to_scale(np.stack(columns, axis=1))

    def predict_cdf(self, X: Any, y: Any, *, groups: Any = None) -> np.ndarray:
        """Predict the probability that a new judgment is at most ``y``.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        y : array-like of shape (n_samples,)
            One value per row, in the unit of y.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges.

        Returns
        -------
        probabilities : ndarray of shape (n_samples,)
            Over judgments held out these are uniform if the model is calibrated: the
            probability integral transform.
        """
        rows, mean, variance = self._predict_eta(X, groups)
        target = self._encode_target(y, rows.judgments)
        check_consistent_length(mean, target)
        return self._continuous.predictive_cdf(target, mean, variance)

    def log_predictive_density(
        self, X: Any, y: Any, *, groups: Any = None
    ) -> np.ndarray:
        """Return the log-density that was predicted for each judgment.

        Its mean over judgments held out is the logarithmic score, a proper score of
        the whole predicted distribution.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What was judged.
        y : array-like of shape (n_samples,)
            The answers.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judged.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Per unit of y, averaged over the linear predictor; the log-probability
            where a value has a probability of its own.
        """
        rows, mean, variance = self._predict_eta(X, groups)
        target = self._encode_target(y, rows.judgments)
        check_consistent_length(mean, target)
        self._family.check_response(target)
        log_density = self._continuous.predictive_log_density(target, mean, variance)
        return log_density + self._log_unit(target)

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
    def _continuous(self) -> ContinuousFamily:
        assert isinstance(self._family, ContinuousFamily)
        return self._family

    @property
    def _unit(self) -> float:
        """Length that the encoded responses take for 1."""
        return 1.0

    def _to_scale(self, values: np.ndarray) -> np.ndarray:
        """Return encoded responses in the unit of y."""
        return values

    def _log_unit(self, target: np.ndarray) -> np.ndarray:
        """Return the log-density of y minus that of the encoded response."""
        return np.zeros(len(target))

    def _response_mean(self, family: Family, eta: np.ndarray) -> np.ndarray:
        return self._to_scale(family.mean(eta))

    def _decode_target(self, target: np.ndarray, rows: Rows) -> np.ndarray:
        del rows
        return self._to_scale(target)

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
