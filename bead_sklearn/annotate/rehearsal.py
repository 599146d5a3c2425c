"""Rehearsing a study: simulated participants answer through the same interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from bead_sklearn.annotate._model import Rows
from bead_sklearn.annotate._refits import Refitter
from bead_sklearn.annotate.collector import Collector
from bead_sklearn.annotate.questions import Choice
from bead_sklearn.annotate.store import JudgmentStore
from bead_sklearn.annotate.study import Study
from bead_sklearn.datasets import make_judgments

#: How often simulated participants are right about gold items.
_GOLD_ACCURACY = 0.9
#: Confidences that pages offer.
_LEVELS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])


@dataclass(frozen=True)
class SimulatedAnswer:
    """What a simulated participant says.

    Attributes
    ----------
    answer : object
        The answer.
    confidence : float
        Rises with the probability of the answer.
    response_time : float
        In seconds; falls with practice.
    """

    answer: Any
    confidence: float
    response_time: float


class SimulatedAnnotators:
    """Participants made from a model.

    Use `from_truth` or `from_model`.

    Parameters
    ----------
    study : Study
        What is asked.
    draw : callable
        ``draw(item, participant, random_state) -> (answer, probability)``, where the
        probability is that of the answer, or None.
    item_values : ndarray of shape (n_items,) or None
        True value of each item on the scale of the linear predictor, in the order of
        the study.
    random_state : int or RandomState
        Seed.
    """

    def __init__(
        self,
        study: Study,
        draw: Callable[[str, str, np.random.RandomState], tuple[Any, float | None]],
        *,
        item_values: np.ndarray | None = None,
        random_state: Any = None,
    ) -> None:
        self._study = study
        self._draw = draw
        self.item_values = item_values
        self._random = check_random_state(random_state)
        self._n_answers: dict[str, int] = {}

    @classmethod
    def from_truth(
        cls, study: Study, *, random_state: int = 0, **settings: Any
    ) -> SimulatedAnnotators:
        """Draw items, participants and answers as `make_judgments` does.

        The study's own texts play no part in what is answered: the k-th item has the
        value of the k-th simulated one.

        Parameters
        ----------
        study : Study
            What is asked.
        random_state : int, default=0
            Seed.
        **settings : dict
            Further parameters of `bead_sklearn.datasets.make_judgments`, such as
            ``participant_sd``.
        """
        truth = _Truth(study, random_state, settings)
        return cls(
            study,
            truth.draw,
            item_values=truth.item_values,
            random_state=random_state + 1,
        )

    @classmethod
    def from_model(
        cls, study: Study, estimator: Any, *, random_state: int = 0
    ) -> SimulatedAnnotators:
        """Draw answers from a fitted model of the study's kind.

        Participants of the study that the model has seen answer like themselves,
        others like new ones.

        Parameters
        ----------
        study : Study
            What is asked.
        estimator : estimator
            A fitted classifier, or a fitted regressor of this suite.
        random_state : int, default=0
            Seed.
        """
        rows = Rows(study, estimator)

        def draw(
            item: str, participant: str, random: np.random.RandomState
        ) -> tuple[Any, float | None]:
            pair = [(item, participant)]
            groups = {"groups": rows.groups(pair)} if rows.takes_groups else {}
            if hasattr(estimator, "predict_proba"):
                chances = estimator.predict_proba(rows.X(pair), **groups)[0]
                code = int(random.choice(len(chances), p=chances / chances.sum()))
                label = estimator.classes_[code]
                label = label.item() if isinstance(label, np.generic) else label
                return label, float(chances[code])
            drawn = estimator.simulate(
                1,
                rows.X(pair),
                random_state=random.randint(2**31 - 1),
                conditional=True,
                **groups,
            )
            low, high = getattr(study.question, "limits", (-np.inf, np.inf))
            return float(np.clip(np.ravel(drawn)[0], low, high)), None

        return cls(study, draw, random_state=random_state + 1)

    def answer(self, item: str, participant: str) -> SimulatedAnswer:
        """Return what a participant says about an item, drawn anew each time."""
        answer, probability = self._draw(item, participant, self._random)
        columns = self._study.items[item].columns
        gold = self._study.items[item].gold
        if gold is not None:
            if self._random.random_sample() < _GOLD_ACCURACY:
                answer = gold
            probability = _GOLD_ACCURACY
        n_answers = self._n_answers.get(participant, 0)
        self._n_answers[participant] = n_answers + 1
        sure = 0.5 if probability is None else probability
        sure = np.clip(sure + 0.15 * self._random.standard_normal(), 0.0, 1.0)
        seconds = 4.0 * np.exp(
            0.4 * self._random.standard_normal() - 0.3 * n_answers / (n_answers + 20.0)
        )
        return SimulatedAnswer(
            self._study.question.read(answer, columns),
            float(_LEVELS[np.argmin(np.abs(_LEVELS - sure))]),
            float(seconds),
        )


class _Truth:
    """Answers of `make_judgments`, in the labels of a study."""

    def __init__(self, study: Study, seed: int, settings: dict[str, Any]) -> None:
        question = study.question
        self._study = study
        self._kind = question.kind
        n_items, n_people = len(study.items), len(study.participants)
        choices = question.choices(next(iter(study.items.values())).columns)
        n_choices = len(choices) or len(getattr(question, "fillers", ()))
        if self._kind == "forced_choice":
            n_choices = len(question.options)  # type: ignore[attr-defined]
        several = self._kind not in ("binary", "slider", "magnitude", "free_text")
        if several and n_choices:
            settings = {"n_categories": n_choices, **settings}
        if self._kind == "slider":
            settings = {"scale": question.scale, **settings}  # type: ignore[attr-defined]
        judgments = make_judgments(
            self._kind,
            n_participants=n_people,
            n_items=n_items,
            n_per_participant=n_items,
            extra_columns=(),
            container="records",
            random_state=seed,
            **settings,
        )
        assert judgments.truth is not None
        assert judgments.groups is not None
        assert judgments.items is not None
        truth = judgments.truth
        self._probabilities, self._mean = truth.probabilities, truth.mean
        self._y = judgments.y
        self._classes = judgments.classes
        item = {str(name): k for k, name in enumerate(truth.item_ids)}
        person = {str(name): k for k, name in enumerate(truth.participant_ids)}
        self._row = np.zeros((n_items, n_people), dtype=np.intp)
        self._row[
            [item[str(name)] for name in judgments.items],
            [person[str(name)] for name in judgments.groups],
        ] = np.arange(len(judgments))
        self._items = {name: k for k, name in enumerate(study.items)}
        self._people = {name: k for k, name in enumerate(study.participants)}
        values = truth.intercept + truth.text_effects + truth.item_effects
        self.item_values = values if np.ndim(values) == 1 else None

    def draw(
        self, item: str, participant: str, random: np.random.RandomState
    ) -> tuple[Any, float | None]:
        row = self._row[self._items[item], self._people[participant]]
        columns = self._study.items[item].columns
        if self._probabilities is None:
            return self._number(row, random), None
        chances = self._probabilities[row]
        choices = self._study.question.choices(columns)
        if self._kind == "multi_select":
            ticked = random.random_sample(len(chances)) < chances
            probability = float(np.prod(np.where(ticked, chances, 1 - chances)))
            return [c.value for c, t in zip(choices, ticked, strict=True) if t], (
                probability
            )
        code = int(random.choice(len(chances), p=chances / chances.sum()))
        return self._label(code, choices, columns), float(chances[code])

    def _label(self, code: int, choices: list[Choice], columns: Any) -> Any:
        if self._kind == "binary":
            # The second simulated class is the first label, which says yes.
            return choices[1 - code].value
        if self._kind == "cloze":
            question: Any = self._study.question
            word = question.fillers[code] if question.fillers else self._class(code)
            return [word] * (len(question.pieces(columns)) - 1)
        if self._kind == "free_text":
            return self._class(code)
        return choices[min(code, len(choices) - 1)].value

    def _class(self, code: int) -> str:
        assert self._classes is not None
        return str(self._classes[code])

    def _number(self, row: int, random: np.random.RandomState) -> float:
        """Return an expected value with the residual of another judgment."""
        assert self._mean is not None
        other = random.randint(len(self._y))
        low, high = self._study.question.limits  # type: ignore[attr-defined]
        value = self._mean[row] + self._y[other] - self._mean[other]
        return float(np.clip(value, low, high))


class Rehearsal:
    """A study with simulated participants, from the first answer to the last.

    Items are given out, leased, answered and stored as for people, and the model is
    fitted again after every ``refit_every`` answers.

    Parameters
    ----------
    study : Study
        The study.
    store : JudgmentStore
        Where the answers go.
    annotators : SimulatedAnnotators
        Who answers.
    random_state : int, default=0
        Seed of the order in which participants come.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from bead_sklearn.annotate import (
    ...     Item, JudgmentStore, Quotas, Rehearsal, SimulatedAnnotators, Study,
    ...     make_question,
    ... )
    >>> study = Study(
    ...     name="Naturalness",
    ...     question=make_question("ordinal", prompt="How natural is it?"),
    ...     items={f"s{k}": Item({"text": f"Sentence {k}."}) for k in range(6)},
    ...     participants=["anna", "ben", "carl"],
    ...     quotas=Quotas(judgments_per_item=2),
    ...     strategy="random",
    ... )
    >>> folder = tempfile.TemporaryDirectory()
    >>> with JudgmentStore(Path(folder.name) / "rehearsal.db") as store:
    ...     annotators = SimulatedAnnotators.from_truth(study)
    ...     Rehearsal(study, store, annotators).run(max_judgments=4)
    4
    >>> folder.cleanup()
    """

    def __init__(
        self,
        study: Study,
        store: JudgmentStore,
        annotators: SimulatedAnnotators,
        *,
        random_state: int = 0,
    ) -> None:
        self._study = study
        self._store = store
        self._annotators = annotators
        self._random = check_random_state(random_state)
        self.collector = Collector(study, store, source="rehearsal")
        self.refitter = Refitter(study, store)

    def run(
        self,
        *,
        max_judgments: int | None = None,
        watch: Callable[[int], Any] | None = None,
    ) -> int:
        """Collect answers until nothing is left to ask.

        Parameters
        ----------
        max_judgments : int, default=None
            Answers at which to end.
        watch : callable, default=None
            Called with the number of answers after each refit.

        Returns
        -------
        n_judgments : int
            Answers collected.
        """
        n = 0
        present = list(self._study.participants)
        while present and (max_judgments is None or n < max_judgments):
            if self.refitter.step():
                self.collector.refresh()
                if watch is not None:
                    watch(n)
            participant = self._whose_turn(present)
            lease = self.collector.next(participant)
            if lease is None:
                present.remove(participant)
                continue
            said = self._annotators.answer(lease.item, participant)
            wanted = self._study.confidence != "none"
            self.collector.submit(
                lease,
                said.answer,
                confidence=said.confidence if wanted else None,
                response_time=said.response_time,
            )
            n += 1
        self.refitter.step(force=True)
        return n

    def _whose_turn(self, present: Sequence[str]) -> str:
        """Ask whom the strategy chose; otherwise people come at random."""
        judged = {
            (j.item, j.participant)
            for who in dict.fromkeys(person for _, person in self.collector.plan.batch)
            for j in self._store.judgments(participant=who)
        }
        for item, person in self.collector.plan.batch:
            if person in present and (item, person) not in judged:
                return person
        return present[self._random.randint(len(present))]


def run_rehearsal(
    study: Study, path: Path, *, seed: int = 0, say: Callable[[str], Any] = print
) -> None:
    """Rehearse a study with a store of its own, and print how it went.

    Parameters
    ----------
    study : Study
        The study.
    path : Path
        The store; must not exist.
    seed : int, default=0
        Seed of the participants.
    say : callable, default=print
        Where to tell how far it is.

    Raises
    ------
    FileExistsError
        If there is such a store: a rehearsal is not mixed with answers.
    """
    if path.exists():
        raise FileExistsError(
            f"{path} exists. A rehearsal begins with an empty store: remove it, or "
            "name another with --store."
        )
    annotators = SimulatedAnnotators.from_truth(study, random_state=seed)
    with JudgmentStore(path) as store:
        rehearsal = Rehearsal(study, store, annotators, random_state=seed)
        n = rehearsal.run(watch=lambda n: say(f"{n} judgments, model fitted again"))
        report = store.document("report") or {}
        rounds = store.rounds()
    quality = report.get("quality", {})
    print(f"{n} judgments by {len(study.participants)} simulated participants")
    for name, text in (
        ("alpha", "Krippendorff's alpha"),
        ("retest_alpha", "alpha of repetitions"),
        ("gold_accuracy", "right on gold items"),
    ):
        value = quality.get(name)
        print(f"{text}: {'not known' if value is None else f'{value:.3f}'}")
    seconds = [line["seconds"] for line in rounds if "seconds" in line]
    if seconds:
        print(f"{len(seconds)} refits, {max(seconds):.1f} s at most")
    for line in dict.fromkeys(line["error"] for line in rounds if "error" in line):
        print(f"A refit failed: {line}")
    for name in ("unavailable",):
        if report.get(name):
            print(report[name])
    print(report.get("advice", {}).get("text", ""))
    print(f"The judgments are in {path}.")
