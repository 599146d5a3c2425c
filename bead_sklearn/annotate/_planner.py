"""Refits: from the judgments so far to a plan of the next ones."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from bead_sklearn.active_learning import ActiveLearningSearch
from bead_sklearn.annotate._model import Rows, make_estimator, make_strategy
from bead_sklearn.annotate._plan import MAX_RANKED, Plan
from bead_sklearn.annotate._records import Judgment, to_json
from bead_sklearn.annotate.study import Study

#: Pairs of item and participant that are scored in a refit.
MAX_PAIRS = 20_000
#: Relative differences of predictions below this are none.
_ROUNDING = 1e-9


class Planner:
    """A search over pairs of item and participant, fed from a store.

    Parameters
    ----------
    study : Study
        The study.
    clock : callable, default=time.perf_counter
        Measures how long a refit takes.
    """

    def __init__(
        self, study: Study, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._study = study
        self._clock = clock
        self._estimator = make_estimator(study)
        self._rows = Rows(study, self._estimator)
        self._search: ActiveLearningSearch | None = None
        self._pairs: list[tuple[str, str]] = []
        self._index: dict[tuple[str, str], int] = {}
        self._told: dict[tuple[str, str], Any] = {}
        self._fitted = False
        self._population: Any = None

    def update(self, judgments: Sequence[Judgment]) -> tuple[Plan, dict[str, Any]]:
        """Learn from all judgments that stand, and choose the next ones.

        Parameters
        ----------
        judgments : sequence of Judgment
            What stands in the store; repetitions are left out.

        Returns
        -------
        plan : Plan
            The next questions; its version is that of no plan yet.
        round : dict
            What the refit found, in JSON values: see `JudgmentStore.rounds`.
        """
        started = self._clock()
        answers = {
            (j.item, j.participant): j.answer
            for j in judgments
            if j.occasion == 1 and j.item in self._study.items
        }
        new = {pair: a for pair, a in answers.items() if pair not in self._told}
        note: dict[str, Any] = {"n_judgments": len(answers)}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            note.update(self._score(new))
            search = self._continue(answers, new)
            batch = search.ask(self._study.refit_every)
            self._fitted = search._require_session().rounds.fitted is not None
            note.update(self._stability())
            plan = Plan(
                n_judgments=len(answers),
                batch=[self._pairs[row] for row in batch],
                rankings=self._rank() if self._fitted else {},
            )
        note["fitted"] = self._fitted
        note["seconds"] = self._clock() - started
        note["warnings"] = sorted({str(warning.message) for warning in caught})
        return plan, note

    @property
    def estimator(self) -> Any:
        """The fitted estimator; None until there is one."""
        return self._search.estimator_ if self._search and self._fitted else None

    def _continue(
        self, answers: dict[tuple[str, str], Any], new: dict[tuple[str, str], Any]
    ) -> ActiveLearningSearch:
        """Tell a search what is new; begin another if it cannot take it."""
        same = all(answers.get(pair) == answer for pair, answer in self._told.items())
        if self._search is None or not same or not new.keys() <= self._index.keys():
            self._search = self._start(answers)
        elif new:
            self._search.tell(
                [self._index[pair] for pair in new], self._rows.y(list(new.values()))
            )
        self._told = dict(answers)
        return self._search

    def _start(self, answers: dict[tuple[str, str], Any]) -> ActiveLearningSearch:
        self._pairs = [*answers, *self._candidates(answers)]
        self._index = {pair: row for row, pair in enumerate(self._pairs)}
        study = self._study
        search = ActiveLearningSearch(
            self._estimator,
            make_strategy(study, self._estimator),
            batch_size=study.refit_every,
            n_initial=study.n_initial,
            random_state=study.random_state,
        )
        search.start(self._rows.X(self._pairs), groups=self._rows.groups(self._pairs))
        if answers:
            search.tell(list(range(len(answers))), self._rows.y(list(answers.values())))
        return search

    def _candidates(self, answers: dict[tuple[str, str], Any]) -> list[tuple[str, str]]:
        """All pairs that may be asked, or as many at random as can be scored."""
        items, people = self._study.open_items, list(self._study.participants)
        rng = np.random.RandomState(self._study.random_state)
        n_items = max(1, MAX_PAIRS // len(people))
        pairs = []
        for person in people:
            order = np.arange(len(items))
            if n_items < len(items):
                order = rng.permutation(len(items))[:n_items]
            pairs += [(items[k], person) for k in order.tolist()]
        return [pair for pair in pairs if pair not in answers]

    def _rank(self) -> dict[str, list[str]]:
        """Order each participant's items by utility."""
        assert self._search is not None
        pool = [pair for pair in self._pairs if pair not in self._told]
        if not pool:
            return {}
        strategy = make_strategy(self._study, self._estimator)
        if "random_state" in strategy.get_params():
            strategy.set_params(random_state=self._study.random_state)
        labeled = list(self._told)
        groups: dict[str, Any] = {}
        if self._rows.takes_groups:
            groups = {
                "groups": self._rows.groups(pool),
                "groups_labeled": self._rows.groups(labeled),
            }
        utilities = strategy(
            self._search.estimator_,
            self._rows.X(pool),
            X_labeled=self._rows.X(labeled),
            y_labeled=self._rows.y(list(self._told.values())),
            **groups,
        )
        # Ties at random, differently for each participant.
        rng = np.random.RandomState(len(self._told))
        order = np.lexsort((rng.random_sample(len(pool)), -np.asarray(utilities)))
        rankings: dict[str, list[str]] = {}
        for row in order.tolist():
            item, person = pool[row]
            ranking = rankings.setdefault(person, [])
            if len(ranking) < MAX_RANKED:
                ranking.append(item)
        return rankings

    def _groups(self, pairs: list[tuple[str, str]]) -> dict[str, Any]:
        return {"groups": self._rows.groups(pairs)} if self._rows.takes_groups else {}

    def _score(self, new: dict[tuple[str, str], Any]) -> dict[str, Any]:
        """Score the last model on the answers that it has not seen."""
        model = self.estimator
        if model is None or not new:
            return {}
        pairs, y = list(new), self._rows.y(list(new.values()))
        keywords = (
            {"groups": self._rows.groups(pairs)} if self._rows.takes_groups else {}
        )
        predicted = model.predict(self._rows.X(pairs), **keywords)
        if self._study.question.kind == "multi_select":
            chosen = [[name in answer for name in model.classes_] for answer in y]
            right = np.asarray(predicted, dtype=bool) == np.array(chosen)  # options
            return {"accuracy": float(np.mean(right)), "n_scored": len(pairs)}
        if is_classifier(model) or np.asarray(y).dtype.kind not in "fiu":
            right = _labels(predicted) == _labels(y)
            return {"accuracy": float(np.mean(right)), "n_scored": len(pairs)}
        error = predicted - y
        return {
            "rmse": float(np.sqrt(np.mean(np.square(error)))),
            "n_scored": len(pairs),
        }

    def _stability(self) -> dict[str, Any]:
        """Compare predictions for a new participant with those of the last model.

        Classifiers: Cohen's kappa of the predicted labels (Bloodgood & Vijay-Shanker
        2009). Regressors: Lin's (1989, doi:10.2307/2532051) concordance correlation.
        """
        if not self._fitted:
            return {}
        assert self._search is not None
        # Nobody has this id, so that it stands for a new participant.
        pairs = [(item, "\N{WHITE SQUARE}") for item in self._study.open_items]
        pairs = pairs[:MAX_PAIRS]
        keywords = (
            {"groups": self._rows.groups(pairs)} if self._rows.takes_groups else {}
        )
        now = np.asarray(
            self._search.estimator_.predict(self._rows.X(pairs), **keywords)
        )
        is_number = now.ndim == 1 and now.dtype.kind in "fiu"
        if is_classifier(self._search.estimator_) or not is_number:
            now = _labels(now)
        before, self._population = self._population, now
        if before is None or len(now) < 2:
            return {}
        if now.dtype.kind == "U":
            return {"stability": _kappa(before, now)}
        return {"stability": _concordance(before, now)}


def _labels(values: Any) -> Any:
    """Return one text for each label, that of several blanks or options too."""
    return np.array([to_json(np.asarray(value).tolist()) for value in values], str)


def _concordance(a: np.ndarray, b: np.ndarray) -> float:
    """Return Lin's concordance correlation; 1 if both are the same but for rounding."""
    distance = float(np.mean((a - b) ** 2))
    if distance <= _ROUNDING**2 * float(np.mean(a**2 + b**2)):
        return 1.0
    spread = float(np.var(a) + np.var(b) + (np.mean(a) - np.mean(b)) ** 2)
    return 1.0 - distance / spread


def _kappa(a: Any, b: Any) -> float:
    """Return Cohen's kappa of two labellings; 1 if both have one and the same label."""
    agreed = float(np.mean(a == b))
    labels = np.unique(np.concatenate([a, b]))
    chance = float(sum(np.mean(a == label) * np.mean(b == label) for label in labels))
    return 1.0 if chance == 1 else (agreed - chance) / (1 - chance)
