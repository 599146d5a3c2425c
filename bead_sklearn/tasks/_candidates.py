"""Predicted answers in words and their probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import logsumexp, ndtri
from scipy.stats import qmc

from bead_sklearn._frames import make_frame
from bead_sklearn.tasks._answers import by_row, check_candidates
from bead_sklearn.tasks._candidate_utilities import CandidateUtilities, softmax, times
from bead_sklearn.tasks._questions import Asked
from bead_sklearn.tasks._rows import row_ids

#: Logarithm of half the number of points that average over coefficients.
_SOBOL_LOG2 = 3


class CandidateClassifier(CandidateUtilities):
    """Base of the classifiers whose labels are words or texts.

    Subclasses say what a context is (`_read_contexts`), read y (`_read_answers`) and
    say which features candidates have.
    """

    def _reduce(
        self,
        asked: Asked,
        candidates: list[str],
        function: Callable[[np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """Apply a function to probabilities of candidates, for each question."""
        cases = self._cases(asked)
        mean, covariance = self._coefficients(cases)
        results = []
        for part, features in self._each(asked, cases, candidates):
            unit = cases.unit[part]
            points = _points(mean[unit], covariance[unit])
            total = np.zeros(features.shape[:2])
            for k in range(points.shape[1]):
                total += softmax(times(features, points[:, k]))
            results.append(function(total / points.shape[1]))
        return np.concatenate(results)[cases.inverse]

    def predict(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Predict the most probable answer among those seen in fit.

        Parameters
        ----------
        X : list of str, DataFrame or list of dict
            What is shown.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who answers. Participants not seen in fit, and None, stand for a new
            participant.

        Returns
        -------
        answers : ndarray of shape (n_samples,)
            One of ``classes_`` for each row; where rows have several blanks, a list of
            them for each row.
        """
        asked = self._questions(X, groups)
        best = self._reduce(asked, self.classes_.tolist(), lambda p: p.argmax(axis=1))
        return by_row(self.classes_[best], asked.row)

    def predict_proba(
        self, X: Any, *, groups: Any = None, candidates: Any = None
    ) -> Any:
        """Return the probability of each candidate.

        Probabilities are averaged over the uncertainty of the coefficients, and over
        all participants where the participant is new. None is 0.

        Parameters
        ----------
        X : list of str, DataFrame or list of dict
            What is shown.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who answers. Participants not seen in fit, and None, stand for a new
            participant.
        candidates : list of str, default=None
            Answers to choose from, seen in fit or not. None stands for ``classes_``.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_candidates)
            In the order of ``candidates``. Where all rows have the same number of
            blanks, more than one, a list of such arrays, one per blank.

        Raises
        ------
        ValueError
            If rows differ in their number of blanks, or candidates are empty or not
            distinct.
        """
        asked = self._questions(X, groups)
        names = self._read_candidates(candidates)
        n_each = np.bincount(asked.row)
        if (n_each != n_each[0]).any():
            raise ValueError(
                "The rows of X differ in their number of blanks, so probabilities make "
                "no table. Use predict_table, or one number of blanks at a time."
            )
        table = self._reduce(asked, names, lambda p: p)
        if n_each[0] == 1:
            return table
        return [table[b :: n_each[0]] for b in range(n_each[0])]

    def predict_log_proba(
        self, X: Any, *, groups: Any = None, candidates: Any = None
    ) -> Any:
        """Return the logarithm of :meth:`predict_proba`."""
        table = self.predict_proba(X, groups=groups, candidates=candidates)
        if isinstance(table, list):
            return [np.log(part) for part in table]
        return np.log(table)

    def log_proba_of(self, X: Any, y: Any, *, groups: Any = None) -> np.ndarray:
        """Return the log-probability of given answers.

        An answer that is not among ``classes_`` is one more candidate in its row.

        Parameters
        ----------
        X : list of str, DataFrame or list of dict
            What is shown.
        y : array-like of shape (n_samples,)
            The answers, like y in fit.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who answers.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples,)
            Of the answer of each row; the sum over its blanks if there are several.
        """
        asked = self._questions(X, groups)
        answers = self._match_answers(y, asked)
        known = self.classes_.tolist()
        names = list(dict.fromkeys([*known, *answers]))
        places = {name: j for j, name in enumerate(names)}
        codes = np.array([places[answer] for answer in answers])
        cases = self._cases(asked, codes)
        mean, covariance = self._coefficients(cases)
        results, n_known = [], len(known)
        for part, features in self._each(asked, cases, names):
            unit, code = cases.unit[part], codes[cases.first[part]]
            points = _points(mean[unit], covariance[unit])
            logs = np.empty((points.shape[1], len(part)))
            for k in range(points.shape[1]):
                eta = times(features, points[:, k])
                own = eta[np.arange(len(part)), code]
                among = np.column_stack(
                    [eta[:, :n_known], np.where(code < n_known, -np.inf, own)]
                )
                logs[k] = own - logsumexp(among, axis=1)
            results.append(logsumexp(logs, axis=0) - np.log(len(logs)))
        return np.bincount(asked.row, np.concatenate(results)[cases.inverse])

    def score(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> float:
        """Return the share of answers that are predicted exactly.

        Parameters
        ----------
        X : list of str, DataFrame or list of dict
            What was shown.
        y : array-like of shape (n_samples,)
            The answers.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who answered.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            Accuracy; over blanks if rows have several.
        """
        asked = self._questions(X, groups)
        actual = np.array(self._match_answers(y, asked), dtype=object)
        best = self._reduce(asked, self.classes_.tolist(), lambda p: p.argmax(axis=1))
        weights = None
        if sample_weight is not None:
            weights = np.asarray(sample_weight, dtype=float)[asked.row]
        return float(np.average(self.classes_[best] == actual, weights=weights))

    def predict_table(self, X: Any, *, groups: Any = None, ids: Any = None) -> Any:
        """Return predictions as a table.

        Parameters
        ----------
        X : list of str, DataFrame or list of dict
            What is shown.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who answers.
        ids : array-like of shape (n_samples,), default=None
            Names of the rows; their position by default.

        Returns
        -------
        table : DataFrame or list of dict
            Columns ``id``, ``prediction``, ``confidence`` (its probability),
            ``log_probability``, ``runner_up`` (the second most probable answer) and
            ``p_runner_up``; where rows have several blanks one row for each of these,
            numbered by ``blank``. A pandas DataFrame if pandas is installed, else
            polars, else records.
        """
        asked = self._questions(X, groups)
        top = self._reduce(asked, self.classes_.tolist(), _top_two)
        best, second = self.classes_[top[:, :2].astype(np.intp)].T
        columns = {"id": row_ids(ids, int(asked.row[-1]) + 1)[asked.row]}
        if (np.bincount(asked.row) > 1).any():
            starts = np.flatnonzero(np.diff(asked.row, prepend=-1))
            columns["blank"] = np.arange(len(asked.row)) - starts[asked.row]
        columns |= {
            "prediction": best,
            "confidence": top[:, 2],
            "log_probability": np.log(top[:, 2]),
            "runner_up": second,
            "p_runner_up": top[:, 3],
        }
        return make_frame(columns)

    def _match_answers(self, y: Any, asked: Asked) -> list[str]:
        """Read y and check it against the questions."""
        answers = self._read_answers(y)
        n_each = np.bincount(asked.row)
        given = [len(parts) for parts in answers]
        if len(given) != len(n_each) or (n_each != given).any():
            raise ValueError(
                f"y has {len(given)} rows with {sum(given)} answers; X has "
                f"{len(n_each)} rows with {len(asked.row)} questions."
            )
        return [text for parts in answers for text in parts]

    def _read_candidates(self, candidates: Any) -> list[str]:
        if candidates is None:
            names: list[str] = self.classes_.tolist()
            return names
        return check_candidates(candidates)


def _points(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return coefficients over which predictions are averaged, (n, n_points, K)."""
    size = mean.shape[1]
    half = ndtri(qmc.Sobol(size, scramble=True, seed=0).random_base2(_SOBOL_LOG2))
    normal = np.concatenate([half, -half])
    values, vectors = np.linalg.eigh(covariance)
    signs = np.where((vectors**3).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    roots = vectors * signs * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return np.asarray(mean[:, None, :] + normal @ roots.transpose(0, 2, 1))


def _top_two(probabilities: np.ndarray) -> np.ndarray:
    """Return the places of the two largest of each row, and these themselves."""
    best = probabilities.argmax(axis=1)
    row = np.arange(len(best))
    largest = probabilities[row, best]
    others = probabilities.copy()
    others[row, best] = -1.0
    second = others.argmax(axis=1)
    return np.column_stack([best, second, largest, others[row, second]])
