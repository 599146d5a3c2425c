"""What classifiers of judgments share."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, column_or_1d

from bead_sklearn._frames import make_frame
from bead_sklearn.inputs import check_target_present
from bead_sklearn.tasks._base import MixedModel
from bead_sklearn.tasks._rows import Rows, row_ids


class MixedModelClassifier(ClassifierMixin, MixedModel):
    """Base of the classifiers: labels in, labels and probabilities out."""

    __metadata_request__predict_proba: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__predict_log_proba: ClassVar[dict[str, bool]] = {"groups": True}

    classes_: np.ndarray

    def predict(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Predict the most probable label.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges. Participants not seen in fit, and None, stand for a new
            participant.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            One of ``classes_`` for each row.
        """
        probabilities = self.predict_proba(X, groups=groups)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_log_proba(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Return the logarithm of :meth:`predict_proba`."""
        return np.log(self.predict_proba(X, groups=groups))

    def predict_proba(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Return the probability of each label.

        The linear predictor is uncertain; probabilities are averaged over its
        distribution given the judgments by numerical integration, and over all
        participants where the participant is new.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges. Participants not seen in fit, and None, stand for a new
            participant.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        rows, mean, variance = self._predict_eta(X, groups)
        return self._probabilities(rows, mean, variance)

    def _probabilities(
        self, rows: Rows, mean: np.ndarray, variance: np.ndarray
    ) -> np.ndarray:
        """Average probabilities over the distribution of the linear predictor."""
        return rows.family.mean_over(mean, variance)

    def score(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> float:
        """Return the accuracy of :meth:`predict` with these participants.

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
            Share of labels predicted correctly.
        """
        predicted = self.predict(X, groups=groups)
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

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
            Columns ``id``, ``prediction``, one ``p_<label>`` per label, and
            ``confidence``, the probability of the prediction. A pandas DataFrame if
            pandas is installed, else polars, else records.
        """
        probabilities = self.predict_proba(X, groups=groups)
        columns = {
            "id": row_ids(ids, len(probabilities)),
            "prediction": self.classes_[probabilities.argmax(axis=1)],
        }
        for label, column in zip(self.classes_, probabilities.T, strict=True):
            columns[f"p_{label}"] = column
        columns["confidence"] = probabilities.max(axis=1)
        return make_frame(columns)

    def _decode_target(self, target: np.ndarray, rows: Rows) -> np.ndarray:
        del rows
        return self.classes_[target.astype(np.intp)]

    def _target_labels(self) -> list[Any]:
        return self.classes_.tolist()

    def _read_labels(self, y: Any) -> np.ndarray:
        check_target_present(y)
        labels = column_or_1d(y, warn=True)
        if labels.dtype.kind == "f":
            assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        return np.asarray(labels)
