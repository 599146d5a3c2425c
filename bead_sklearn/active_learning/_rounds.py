"""The steps of a round, the same in a simulation and in an interactive session."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, wraps
from time import perf_counter
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from bead_sklearn._sklearn import _check_method_params, _safe_indexing
from bead_sklearn.active_learning._cold_start import cold_start_selection
from bead_sklearn.active_learning._costs import affordable
from bead_sklearn.active_learning._fitting import fit_rows
from bead_sklearn.active_learning._ledger import LabelLedger
from bead_sklearn.active_learning._rows import as_row_container, fingerprint
from bead_sklearn.active_learning._seeding import child_seed, seeded
from bead_sklearn.active_learning._stopping import (
    Rule,
    SearchState,
    fired,
    record_all,
)
from bead_sklearn.active_learning._units import Units
from bead_sklearn.active_learning._view import ModelView
from bead_sklearn.active_learning._warm import WarmStart, continues, fit_next
from bead_sklearn.encoders._memory import EmbeddingMemory
from bead_sklearn.exceptions import SeparationWarning, SingularFitWarning
from bead_sklearn.query._selection import select_top_k

#: Share of the rows from which on a pool is scored with all rows, without a copy, and
#: bytes from which on a copy costs anything.
_SHARE_IN_PLACE, _COPIED = 0.9, 2**22
_QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}
# Streams of a run's seed, so that no two draws share their numbers.
_START_STREAM = 1
_TIES_STREAM = 3


def _remembering(method: Callable[..., Any]) -> Callable[..., Any]:
    """Have frozen encoders embed every text once in a run, not once in a round."""

    @wraps(method)
    def with_memory(self: Rounds, *args: Any, **kwargs: Any) -> Any:
        with self._memory.use():
            return method(self, *args, **kwargs)

    return with_memory


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
    units : Units or None
        Items that are asked about, or None for rows. Sizes of batches and of the
        starting set then count items.
    costs : ndarray of shape (n_rows,) or None
        What the label of each row costs.
    max_cost : float or None
        What may be spent.
    groups : array-like or None
        Participant ids of all rows, for the stopping rules.
    semi_supervised : bool
        Whether rows without label are learned from too, with the label -1.
    predictions : list of (int, ndarray)
        Numbers of labels and predictions of the last two rounds in which stopping
        rules have read predictions.
    memories : list of (int, dict)
        Numbers of labels of the last two rounds in which stopping rules were asked, and
        what they keep, see `SearchState`.
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
    units: Units | None = None
    costs: NDArray[np.float64] | None = None
    max_cost: float | None = None
    groups: Any = None
    semi_supervised: bool = False
    predictions: list[tuple[int, NDArray[Any]]] = field(default_factory=list)
    memories: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    fitted: Any = None
    iteration: int = 0
    records: list[dict[str, float]] = field(default_factory=list)
    _scored: Any = None
    _fitted_labels: Any = None
    _start_order: NDArray[np.intp] | None = None
    _memory: EmbeddingMemory = field(default_factory=EmbeddingMemory)

    # Starting rows ------------------------------------------------------------------

    def next_start_rows(self) -> NDArray[np.intp]:
        """Rows to label before an estimator can be fitted.

        Returns
        -------
        rows : ndarray
            What is missing of the starting set; one row (or item) more, drawn at
            random, as long as a classifier has seen a single class only; empty when
            fitting can begin or when no row may be asked any more.
        """
        missing = self.n_initial - self._n_begun()
        if missing <= 0:
            missing = 0 if self.can_fit() else 1
        return self.first_rows(missing)

    def first_rows(self, n: int) -> NDArray[np.intp]:
        """Return the rows of the next n rows, or items, of the starting order."""
        order = self.start_order()
        if n <= 0 or not len(order):
            return order[:0]
        if self.units is None:
            rows = order[:n]
        else:
            codes = self.units.codes[order]
            first = np.sort(np.unique(codes, return_index=True)[1])[:n]
            rows = self.units.rows_of(codes[first], order)
        return self._payable(rows)

    def _n_begun(self) -> int:
        """Rows, or items, that have labels or were asked about in vain."""
        if self.units is None:
            return len(self.ledger)
        begun = self.ledger.labeled | self.ledger.declined
        return len(np.unique(self.units.codes[begun]))

    def start_order(self) -> NDArray[np.intp]:
        """Rows that may be asked about in the order in which the start takes them."""
        if self._start_order is None:
            self._start_order = self._draw_start_order()
        order = self._start_order
        order = order[self.ledger.open[order]]
        if self.units is None or not len(order):
            return order
        # Items that have been begun are not the start's business any more.
        begun = self.ledger.labeled | self.ledger.declined
        fresh = ~np.isin(self.units.codes[order], self.units.codes[begun])
        return order[fresh] if fresh.any() else order

    def _draw_start_order(self) -> NDArray[np.intp]:
        rng = np.random.RandomState(child_seed(self.seed, _START_STREAM))
        # Rows are permuted before the labelled ones are left out, so that a resumed
        # session, in which more rows are labelled, continues in the same order.
        order = rng.permutation(self.ledger.n_rows)
        n_first = min(self.n_initial - self._n_begun(), self.room())
        if self.cold_start == "random" or n_first <= 0:
            return order
        pool = self.ledger.pool
        if self.units is not None:  # one row speaks for its item
            pool = pool[np.unique(self.units.codes[pool], return_index=True)[1]]
            n_first = min(n_first, len(pool))
        rows = _safe_indexing(self.X, pool)
        picked = np.asarray(
            cold_start_selection(rows, n_first, self.cold_start, random_state=rng)
            if isinstance(self.cold_start, str)
            else self.cold_start(rows, n_first, rng)
        )
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

    @property
    def spent(self) -> float:
        """What the labels known have cost."""
        return (
            0.0 if self.costs is None else float(self.costs[self.ledger.labeled].sum())
        )

    def _payable(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of the rows, best first, that the limits allow."""
        if self.costs is not None and self.max_cost is not None:
            rows = affordable(rows, self.costs, self.max_cost - self.spent)
        return rows[: self.room()]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the rows."""
        return fingerprint(as_row_container(self.X))

    # One round ----------------------------------------------------------------------

    @_remembering
    def fit(self, context: Any = None) -> None:
        """Fit the estimator to the labels known and open a record of the round."""
        n_labels = len(self.ledger)
        if self.fitted is None and continues(self.estimator, self.warm_start):
            # Of a resumed run the fits before are done again, each from the last.
            for earlier in self.records:
                self._fit_to(int(earlier["n_labels"]), None)
        started = perf_counter()
        self._fit_to(n_labels, context)
        record = {
            "iteration": self.iteration,
            "n_labels": n_labels,
            "fit_time": perf_counter() - started,
        }
        if self.costs is not None:
            record["cost"] = self.spent
        if self.validation is not None:
            record["score"] = self._score(self.validation)
        self.records.append(record)

    def _fit_to(self, n: int, context: Any) -> None:
        """Fit the estimator to the first n labels."""
        labels = self.ledger.labels[:n]
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
                    estimator, self.X, *self.learned(n), self.fit_params, context
                ),
            )
        self._fitted_labels = labels

    def learned(self, n: int | None = None) -> tuple[Any, NDArray[np.intp]]:
        """Labels and rows that the estimator is fitted to, given the first n labels."""
        rows, labels = self.ledger.indices[:n], self.ledger.labels[:n]
        if not self.semi_supervised:
            return labels, rows
        if np.ndim(labels) != 1 or labels.dtype.kind not in "iu" or labels.min() < 0:
            raise ValueError(
                "semi_supervised=True marks rows without label by -1 and needs classes "
                f"0, 1, 2, ..., got labels such as {np.ravel(labels)[0]!r}."
            )
        every = np.flatnonzero(~self.ledger.held_out)
        marked = np.full(self.ledger.n_rows, -1, dtype=np.intp)
        marked[rows] = labels
        return marked[every], every

    def _score(self, validation: ValidationData) -> float:
        score = self.scorer(
            self.fitted, validation.X, validation.y, **validation.score_params
        )
        if np.ndim(score) != 0 or isinstance(score, dict):
            raise ValueError(
                f"The 'scoring' parameter must give one number, got {score!r}."
            )
        return float(score)

    @_remembering
    def utilities(self) -> NDArray[np.float64]:
        """Score the pool (`LabelLedger.pool`) and note the quantiles in the record."""
        pool, rows = self.ledger.pool, self.ledger.indices
        params: dict[str, Any] = {}
        if "groups" in self.query_params:
            params["groups_labeled"] = _check_method_params(
                self.X, {"groups": self.query_params["groups"]}, indices=rows
            )["groups"]
        started = perf_counter()
        strategy = seeded(self.strategy, self.seed, len(rows))
        known = {
            "X_labeled": _safe_indexing(self.X, rows),
            "y_labeled": self.ledger.labels,
            **params,
        }
        if self._scores_every_row(strategy, len(pool)):
            params = _check_method_params(self.X, self.query_params)
            every = strategy.score_pool(self.fitted, self.X, **known, **params)
            self._scored = strategy.scored(every.utilities[pool])
        else:
            params = _check_method_params(self.X, self.query_params, indices=pool)
            self._scored = strategy.score_pool(
                self.fitted, _safe_indexing(self.X, pool), **known, **params
            )
        utilities = self._scored.utilities
        record = self.records[-1]
        record["query_time"] = perf_counter() - started
        for name, value in zip(
            _QUANTILES, np.quantile(utilities, list(_QUANTILES.values())), strict=True
        ):
            record[f"utility_{name}"] = float(value)
        return utilities

    def _scores_every_row(self, strategy: Any, n_pool: int) -> bool:
        """Whether scoring all rows is cheaper than a copy of those in the pool."""
        return (
            isinstance(self.X, np.ndarray)
            and self.X.nbytes >= _COPIED
            and strategy.is_rowwise
            and n_pool >= _SHARE_IN_PLACE * len(self.X)
        )

    def limit_reached(self) -> str | None:
        """Name of the hard limit that ends the run, if one does."""
        if len(self.ledger.pool) == 0:
            return "pool_exhausted"
        if self.room() == 0:
            return "max_labels"
        if not len(self._payable(self._cheapest())):
            return "max_cost"
        if self.max_iterations is not None and self.iteration >= self.max_iterations:
            return "max_iterations"
        return None

    def _cheapest(self) -> NDArray[np.intp]:
        pool = self.ledger.pool
        return pool[:1] if self.costs is None else pool[[self.costs[pool].argmin()]]

    @_remembering
    def rule_fired(self, utilities: NDArray[np.float64]) -> str | None:
        """Name of the first stopping rule that says stop, if one does."""
        if not self.rules:
            return None
        n_labels = len(self.ledger)
        # A round that is asked about again, or resumed, is compared with the one before
        # it and not with itself.
        earlier = [entry for entry in self.predictions if entry[0] < n_labels]
        known = [entry for entry in self.memories if entry[0] < n_labels]
        view = ModelView(
            self.fitted,
            self.X,
            np.flatnonzero(~self.ledger.held_out),
            self.ledger.pool,
            self.groups,
            earlier[-1][1] if earlier else None,
        )
        state = SearchState(
            iteration=self.iteration,
            n_labels=n_labels,
            history=self.history(),
            estimator=self.fitted,
            utilities=utilities,
            view=view,
            memory=dict(known[-1][1]) if known else {},
        )
        self.records[-1].update(record_all(self.rules, state))
        if view.seen is not None:
            self.predictions = [*earlier[-1:], (n_labels, view.seen)]
        self.memories = [*known[-1:], (n_labels, state.memory)]
        state = replace(state, history=self.history())
        for rule in self.rules:
            if names := fired(rule, state):
                return " & ".join(names)
        return None

    def select(self, utilities: NDArray[np.float64], n: int) -> NDArray[np.intp]:
        """Rows of X to ask about next; ties are broken at random.

        A table is often sorted by item or participant, and a model that knows little
        yet finds all rows equally informative: the first rows would be one item's.

        Returns
        -------
        rows : ndarray
            Best first; empty if the strategy allows none.
        """
        seed = child_seed(self.seed, _TIES_STREAM, len(self.ledger))
        order = np.random.RandomState(seed).permutation(len(utilities))
        pool = self.ledger.pool
        if self.units is not None:
            rows = self._rows_of_best_units(utilities, pool, order, n)
        else:
            rows = pool[self._scored.select(min(n, self.room()), order)]
        paid = self._payable(rows)
        if len(rows) and not len(paid):  # all too dear: the best that can be paid
            ranked = pool[order[select_top_k(utilities[order], len(order))]]
            paid = self._payable(ranked)[:n]
        return paid

    def _rows_of_best_units(
        self,
        utilities: NDArray[np.float64],
        pool: NDArray[np.intp],
        order: NDArray[np.intp],
        n: int,
    ) -> NDArray[np.intp]:
        """Rows of the n best items, an item being as good as its rows on average.

        A strategy that chooses the rows of a batch with regard to each other names
        items by choosing rows, until they are of n items.
        """
        units = cast(Units, self.units)
        ranked = pool[order[select_top_k(utilities[order], len(order))]]
        if not self.strategy.capabilities.batch_aware:
            return units.rows_of(units.best(utilities, pool, order, n), ranked)
        n_rows = n
        while True:
            picks = pool[self._scored.select(min(n_rows, len(pool)), order)]
            codes = units.codes[picks]
            first = np.sort(np.unique(codes, return_index=True)[1])
            if len(first) >= n or n_rows >= len(pool):
                return units.rows_of(codes[first[:n]], ranked)
            n_rows *= 2

    def history(self) -> dict[str, NDArray[Any]]:
        """Return the records as columns, NaN where a round has no value."""
        names = ["iteration", "n_labels"]
        if self.costs is not None:
            names.append("cost")
        if self.validation is not None:
            names.append("score")
        names += [f"utility_{name}" for name in _QUANTILES]
        for rule in self.rules:
            names += [c for c in getattr(rule, "columns", ()) if c not in names]
        names += ["fit_time", "query_time"]
        columns = {
            name: np.array([record.get(name, np.nan) for record in self.records])
            for name in names
        }
        for name in ("iteration", "n_labels"):
            columns[name] = columns[name].astype(np.intp)
        return columns
