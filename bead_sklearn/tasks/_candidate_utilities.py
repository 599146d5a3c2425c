"""Utilities of candidates: their features times the coefficients of who answers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from bead_sklearn.inputs import match_levels
from bead_sklearn.tasks._answers import by_row
from bead_sklearn.tasks._candidate_coefficients import CandidateCoefficients
from bead_sklearn.tasks._inference import check_count, check_temperature
from bead_sklearn.tasks._questions import Asked, Cases, distinct_people
from bead_sklearn.tasks._rows import read_ids
from bead_sklearn.tasks._utilities import OWN_FEATURES

#: Entries of a table of judgments by candidates by features that are held at once.
_MAX_ENTRIES = 12_000_000


class CandidateUtilities(CandidateCoefficients):
    """A model that has the utilities of candidates, and draws of them."""

    def _questions(self, X: Any, groups: Any) -> Asked:
        check_is_fitted(self)
        judgments = self._reader.read(self, X, reset=False)
        given = self._match_ids(read_ids(groups, judgments.n_rows))
        return self._ask(judgments, {**judgments.factors, **given})

    def _cases(self, asked: Asked, *extra: np.ndarray) -> Cases:
        """Return distinct questions, as far as the model tells them apart."""
        person, people = distinct_people(asked.ids, len(asked.row))
        units, unit = np.unique(
            2 * person + self._are_new(asked.contexts), return_inverse=True
        )
        people = {name: values[units // 2] for name, values in people.items()}
        columns = [asked.contexts.index, person, *asked.numeric.T, *extra]
        _, first, inverse = np.unique(
            np.column_stack(columns), axis=0, return_index=True, return_inverse=True
        )
        codes = {
            name: match_levels(levels, asked.ids[name][first])
            for name, levels in self._utilities.levels_.items()
            if name in asked.ids
        }
        return Cases(first, inverse.ravel(), unit[first], people, units % 2 == 1, codes)

    def _each(
        self, asked: Asked, cases: Cases, candidates: list[str]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield parts of the cases and their features, (n, n_candidates, K)."""
        relations = self._utilities.space_.relate(asked.contexts)
        size = len(candidates) * (1 + len(self._column_names) + len(self._bias_names))
        step = max(1, _MAX_ENTRIES // size)
        for start in range(0, len(cases.first), step):
            part = np.arange(start, min(start + step, len(cases.first)))
            at = cases.first[part]
            contexts, place = np.unique(asked.contexts.index[at], return_inverse=True)
            table = self._utilities.table(relations.take(contexts), candidates)[place]
            own = []
            for name in self._utilities.levels_:
                values = np.zeros((*table.shape[:2], len(OWN_FEATURES)))
                if name in cases.codes:
                    levels, rows = np.unique(
                        cases.codes[name][part], return_inverse=True
                    )
                    values = self._utilities.own_table(name, levels, candidates)[rows]
                own.append(values)
            features = np.concatenate([table, *own], axis=-1)
            values, _ = self._products(
                features, self._utilities.names, asked.numeric[at], []
            )
            more = self._score_table(asked.contexts, contexts, candidates)[place]
            values = np.concatenate([values, more], axis=-1)
            columns = [values[..., [*self._kept, *self._bias_columns]]]
            if self._held:
                held = values[..., self._held_columns] @ [*self._held.values()]
                columns.append(held[..., None])
            yield part, np.concatenate(columns, axis=-1)

    def predict_linear(
        self, X: Any, *, groups: Any = None, return_std: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Return the utility of each candidate, relative to their mean.

        Parameters
        ----------
        X : list of str, DataFrame or list of dict
            What is shown.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who answers.
        return_std : bool, default=False
            Whether standard deviations are returned too.

        Returns
        -------
        eta : ndarray of shape (n_questions, n_classes)
            Posterior means in logits; one row per row of X, or per blank.
        std : ndarray of the same shape
            Posterior standard deviations. Only if ``return_std``.
        """
        asked = self._questions(X, groups)
        cases = self._cases(asked)
        mean, covariance = self._coefficients(cases)
        eta, std = [], []
        for part, features in self._each(asked, cases, self.classes_.tolist()):
            unit = cases.unit[part]
            centred = features - features.mean(axis=1, keepdims=True)
            eta.append(times(centred, mean[unit]))
            if return_std:
                spread = np.einsum("nfk,nkl->nfl", centred, covariance[unit])
                std.append(np.sqrt(np.maximum((spread * centred).sum(axis=-1), 0.0)))
        first = np.concatenate(eta)[cases.inverse]
        return (first, np.concatenate(std)[cases.inverse]) if return_std else first

    def sample_posterior(
        self,
        n_draws: int,
        X: Any,
        groups: Any = None,
        random_state: Any = None,
        *,
        response: bool = False,
    ) -> np.ndarray:
        """Draw the utilities of all candidates jointly from their posterior.

        Parameters
        ----------
        n_draws : int
            Number of draws.
        X : list of str, DataFrame or list of dict
            What is shown.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who answers. Rows of one participant share its drawn coefficients.
        random_state : int, RandomState or None, default=None
            Seed.
        response : bool, default=False
            Whether probabilities are returned rather than utilities.

        Returns
        -------
        draws : ndarray of shape (n_draws, n_questions, n_classes)
            One row per row of X, or per blank.

        Raises
        ------
        ValueError
            If ``n_draws`` is not a positive integer.
        """
        check_count("n_draws", n_draws)
        rng = check_random_state(random_state)
        asked = self._questions(X, groups)
        theta = self._draws(asked, rng, partial(self._draw, n_draws))
        cases = self._cases(asked).one_by_one()
        parts = []
        for part, features in self._each(asked, cases, self.classes_.tolist()):
            centred = features - features.mean(axis=1, keepdims=True)
            eta = np.einsum("nfk,snk->snf", centred, theta[:, part])
            parts.append(softmax(eta) if response else eta)
        return np.concatenate(parts, axis=1)

    def simulate(
        self,
        n_simulations: int,
        X: Any,
        groups: Any = None,
        random_state: Any = None,
        *,
        conditional: bool = False,
        temperature: float = 1.0,
    ) -> np.ndarray:
        """Simulate answers from the fitted model.

        Parameters
        ----------
        n_simulations : int
            Number of simulations.
        X : list of str, DataFrame or list of dict
            What is shown.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who answers. Rows of one participant share its effects; without ids each
            row is a new participant of its own.
        random_state : int, RandomState or None, default=None
            Seed.
        conditional : bool, default=False
            Whether the participants seen in fit keep their estimated effects.
            Otherwise the effects of all are drawn anew. Words that a participant used
            in the training data count in both cases.
        temperature : float, default=1.0
            Utilities are divided by it. Near 0 every answer is the most probable one.

        Returns
        -------
        answers : ndarray of shape (n_simulations, n_samples)
            Like y.

        Raises
        ------
        ValueError
            If ``n_simulations`` is not a positive integer, or ``temperature`` not
            positive.
        """
        check_count("n_simulations", n_simulations)
        check_temperature(temperature)
        rng = check_random_state(random_state)
        asked = self._questions(X, groups)
        draw = partial(self._draw_new, n_simulations, conditional)
        theta = self._draws(asked, rng, draw)
        points = rng.uniform(size=(n_simulations, len(asked.row)))
        cases = self._cases(asked).one_by_one()
        codes = np.empty(points.shape, dtype=np.intp)
        for part, features in self._each(asked, cases, self.classes_.tolist()):
            for s in range(n_simulations):
                eta = times(features, theta[s, part]) / temperature
                below = np.cumsum(softmax(eta), axis=1) < points[s, part, None]
                codes[s, part] = below[:, :-1].sum(axis=1)
        return np.stack([by_row(self.classes_[row], asked.row) for row in codes])


def times(features: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return utilities from features (n, n_candidates, K) and coefficients (n, K)."""
    return np.asarray((features @ coefficients[:, :, None])[:, :, 0])


def softmax(eta: np.ndarray) -> np.ndarray:
    """Return probabilities over the last axis, none of them 0."""
    shifted = np.exp(np.maximum(eta - eta.max(axis=-1, keepdims=True), -600.0))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
