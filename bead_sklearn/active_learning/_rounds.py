"""The steps of a round, the same in a simulation and in an interactive session."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from bead_sklearn._callbacks import propagate_callbacks
from bead_sklearn._sklearn import _check_method_params, _safe_indexing
from bead_sklearn.active_learning._ledger import LabelLedger
from bead_sklearn.active_learning._seeding import child_seed, seeded
from bead_sklearn.active_learning._stopping import Rule, SearchState, rule_name
from bead_sklearn.active_learning._warm import WarmStart, fit_next
from bead_sklearn.exceptions import SeparationWarning, SingularFitWarning

_QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}
# Streams of a run's seed, so that no two draws share their numbers.
_START_STREAM = 1
_TIES_STREAM = 3


@dataclass
class ValidationData:
    """Rows a search is scored on, none of them a training row."""

    X: Any
    y: Any
    score_params: dict[str, Any]


@dataclass
class Rounds:
    """One run of a search: a ledger of labels and what to do with them.

    Attributes
    ----------
    estimator : estimator
        Template of every fit.
    strategy : QueryStrategy
        The query strategy.
    scorer : callable or None
        ``scorer(estimator, X, y, **score_params)``.
    X : array, sparse matrix, list or data frame
        All rows.
    ledger : LabelLedger
        Which of them have labels.
    fit_params, query_params : dict
        Metadata aligned with the rows of ``X``, for the estimator and the strategy.
    validation : ValidationData or None
        What to score on.
    seed : int
        Seed of the run.
    cold_start : "random" or callable
        How the starting rows are chosen.
    n_initial : int
        Size of the starting set.
    max_labels, max_iterations : int or None
        Limits.
    rules : list of callable
        Stopping rules.
    warm_start : "auto" or bool
        Whether a round continues from the estimator of the round before, see
        `bead_sklearn.active_learning._warm.fit_next`.
    """

    estimator: Any
    strategy: Any
    scorer: Any
    X: Any
    ledger: LabelLedger
    fit_params: dict[str, Any]
    query_params: dict[str, Any]
    validation: ValidationData | None
    seed: int
    cold_start: Any
    n_initial: int
    max_labels: int | None
    max_iterations: int | None
    rules: Sequence[Rule]
    warm_start: WarmStart
    fitted: Any = None
    iteration: int = 0
    records: list[dict[str, float]] = field(default_factory=list)
    _scored: Any = None
    _fitted_labels: Any = None
    _start_order: NDArray[np.intp] | None = None

    # Starting rows ------------------------------------------------------------------

    def next_start_rows(self) -> NDArray[np.intp]:
        """Rows to label before an estimator can be fitted.

        Returns
        -------
        rows : ndarray
            What is missing of the starting set; one row more, drawn at random, as long
            as a classifier has seen a single class only; empty when fitting can begin
            or when no row may be asked any more.
        """
        missing = self.n_initial - len(self.ledger)
        if missing <= 0:
            missing = 0 if self.can_fit() else 1
        missing = min(missing, self.room())
        if missing <= 0:
            return np.empty(0, dtype=np.intp)
        return self.start_order()[:missing]

    def start_order(self) -> NDArray[np.intp]:
        """Unlabelled rows in the order in which the start takes them."""
        if self._start_order is None:
            self._start_order = self._draw_start_order()
        order = self._start_order
        return order[~(self.ledger.labeled | self.ledger.held_out)[order]]

    def _draw_start_order(self) -> NDArray[np.intp]:
        rng = np.random.RandomState(child_seed(self.seed, _START_STREAM))
        # Rows are permuted before the labelled ones are left out, so that a resumed
        # session, in which more rows are labelled, continues in the same order.
        order = rng.permutation(self.ledger.n_rows)
        n_first = min(self.n_initial - len(self.ledger), self.room())
        if self.cold_start == "random" or n_first <= 0:
            return order
        pool = self.ledger.pool
        picked = np.asarray(self.cold_start(_safe_indexing(self.X, pool), n_first, rng))
        if picked.shape != (n_first,) or picked.dtype.kind not in "iu":
            raise ValueError(
                f"cold_start must return {n_first} positions, got shape {picked.shape} "
                f"of {picked.dtype}."
            )
        if picked.min() < 0 or picked.max() >= len(pool):
            raise ValueError(
                f"cold_start must return positions from 0 to {len(pool) - 1}, got "
                f"{picked.tolist()}."
            )
        first = self.ledger.check_indices(pool[picked])
        return np.concatenate([first, order[~np.isin(order, first)]])

    def can_fit(self) -> bool:
        """Whether the labels suffice: one, or two classes for a classifier."""
        if len(self.ledger) == 0:
            return False
        labels = self.ledger.labels
        if not is_classifier(self.estimator) or isinstance(labels, list):
            return True
        columns = labels.reshape(len(labels), -1).T
        return all(len(set(column.tolist())) > 1 for column in columns)

    def room(self) -> int:
        """How many rows may still be asked."""
        room = len(self.ledger.pool)
        if self.max_labels is not None:
            room = min(room, self.max_labels - len(self.ledger))
        return max(room, 0)

    # One round ----------------------------------------------------------------------

    def fit(self, context: Any = None) -> None:
        """Fit the estimator to the labels known and open a record of the round."""
        rows = self.ledger.indices
        labels = self.ledger.labels
        started = perf_counter()
        with warnings.catch_warnings():
            # Early rounds have too few judgments for coefficients and variances, as a
            # matter of course; the last fit, the one that is kept, says so if it has.
            warnings.simplefilter("ignore", SingularFitWarning)
            warnings.simplefilter("ignore", SeparationWarning)
            self.fitted = fit_next(
                self.estimator,
                self.fitted,
                self.warm_start,
                labels,
                self._fitted_labels,
                lambda estimator: fit_rows(
                    estimator, self.X, labels, rows, self.fit_params, context
                ),
            )
        self._fitted_labels = labels
        record = {
            "iteration": self.iteration,
            "n_labels": len(rows),
            "fit_time": perf_counter() - started,
        }
        if self.validation is not None:
            record["score"] = self._score(self.validation)
        self.records.append(record)

    def _score(self, validation: ValidationData) -> float:
        score = self.scorer(
            self.fitted, validation.X, validation.y, **validation.score_params
        )
        if np.ndim(score) != 0 or isinstance(score, dict):
            raise ValueError(
                f"The 'scoring' parameter must give one number, got {score!r}."
            )
        return float(score)

    def utilities(self) -> NDArray[np.float64]:
        """Score the pool (`LabelLedger.pool`) and note the quantiles in the record."""
        pool, rows = self.ledger.pool, self.ledger.indices
        params = _check_method_params(self.X, self.query_params, indices=pool)
        if "groups" in params:
            params["groups_labeled"] = _check_method_params(
                self.X, {"groups": self.query_params["groups"]}, indices=rows
            )["groups"]
        started = perf_counter()
        strategy = seeded(self.strategy, self.seed, len(rows))
        self._scored = strategy.score_pool(
            self.fitted,
            _safe_indexing(self.X, pool),
            X_labeled=_safe_indexing(self.X, rows),
            y_labeled=self.ledger.labels,
            **params,
        )
        utilities = self._scored.utilities
        record = self.records[-1]
        record["query_time"] = perf_counter() - started
        for name, value in zip(
            _QUANTILES, np.quantile(utilities, list(_QUANTILES.values())), strict=True
        ):
            record[f"utility_{name}"] = float(value)
        return utilities

    def limit_reached(self) -> str | None:
        """Name of the hard limit that ends the run, if one does."""
        if len(self.ledger.pool) == 0:
            return "pool_exhausted"
        if self.room() == 0:
            return "max_labels"
        if self.max_iterations is not None and self.iteration >= self.max_iterations:
            return "max_iterations"
        return None

    def rule_fired(self, utilities: NDArray[np.float64]) -> str | None:
        """Name of the first stopping rule that says stop, if one does."""
        state = SearchState(
            iteration=self.iteration,
            n_labels=len(self.ledger),
            history=self.history(),
            estimator=self.fitted,
            utilities=utilities,
        )
        return next((rule_name(rule) for rule in self.rules if rule(state)), None)

    def select(self, utilities: NDArray[np.float64], n: int) -> NDArray[np.intp]:
        """Rows of X to ask about next; ties are broken at random.

        A table is often sorted by item or participant, and a model that knows little
        yet finds all rows equally informative: the first rows would be one item's.
        """
        seed = child_seed(self.seed, _TIES_STREAM, len(self.ledger))
        order = np.random.RandomState(seed).permutation(len(utilities))
        picks = self._scored.select(min(n, self.room()), order)
        rows: NDArray[np.intp] = self.ledger.pool[picks]
        return rows

    def history(self) -> dict[str, NDArray[Any]]:
        """Return the records as columns, NaN where a round has no value."""
        names = ["iteration", "n_labels"]
        if self.validation is not None:
            names.append("score")
        names += [f"utility_{name}" for name in _QUANTILES]
        names += ["fit_time", "query_time"]
        columns = {
            name: np.array([record.get(name, np.nan) for record in self.records])
            for name in names
        }
        for name in ("iteration", "n_labels"):
            columns[name] = columns[name].astype(np.intp)
        return columns


def fit_rows(
    estimator: Any,
    X: Any,
    labels: Any,
    rows: NDArray[np.intp],
    fit_params: dict[str, Any],
    context: Any = None,
) -> Any:
    """Fit an estimator to some rows, with the metadata of those rows.

    Parameters
    ----------
    estimator : estimator
        What to fit, in place.
    X : array, sparse matrix, list or data frame
        All rows.
    labels : ndarray or list
        Labels of ``rows``.
    rows : ndarray of shape (n_labels,)
        Positions in ``X``.
    fit_params : dict
        Metadata aligned with ``X``.
    context : sklearn.callback.CallbackContext or None, default=None
        Task of the fit.

    Returns
    -------
    estimator : estimator
        The same estimator.
    """
    params = _check_method_params(X, fit_params, indices=rows)
    with propagate_callbacks(context, estimator):
        estimator.fit(_safe_indexing(X, rows), labels, **params)
    return estimator
