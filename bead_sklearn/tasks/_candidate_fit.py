"""Judgments answered in words: a choice among all answers that are known.

    P(f) = exp(eta_f) / sum over the candidates of exp(eta_g),
    eta_f = sum_k x_k(f, context, participant) (beta_k + u_k)

The features x of a candidate are few, so predictions for thousands of candidates
need the distribution of few coefficients per participant.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import Tags, check_random_state

from bead_sklearn._sklearn import Interval, StrOptions
from bead_sklearn.effects import (
    Covariates,
    FormulaTerm,
    MixedEffects,
    resolve_mixed_effects,
)
from bead_sklearn.effects._structure import combine_ids
from bead_sklearn.families import ConditionalLogit
from bead_sklearn.inputs import Judgments
from bead_sklearn.solvers import Design
from bead_sklearn.tasks._alternatives import (
    Alternatives,
    ChoiceSets,
    SampledRows,
    Scores,
    deal_answers,
    deal_contexts,
    informative_columns,
    sample_choice_sets,
)
from bead_sklearn.tasks._candidate_terms import CONSTANTS, are_people, check_slopes
from bead_sklearn.tasks._classifier import MixedModelClassifier
from bead_sklearn.tasks._contexts import Contexts
from bead_sklearn.tasks._features import Columns
from bead_sklearn.tasks._questions import Asked
from bead_sklearn.tasks._rows import AlternativeRows, Rows
from bead_sklearn.tasks._utilities import Answers, CandidateFeatures

#: Fewest and most alternatives that are drawn for an answer, and how many pairs of
#: alternatives all choice sets may have where people have few effects.
_ALTERNATIVES = (8, 20)
_MAX_PAIRS = 2_000_000

#: Features whose coefficients vary over people. That of length does not: a utility
#: that grows with the length of the candidate has no bound; own_length has.
_FOLLOWING = ("typicality",)
_SLOPES = ("typicality", "words", "frequency")


class CandidateModel(MixedModelClassifier):
    """A mixed conditional logit of answers, and how it is fitted."""

    _response = "choice"
    _length_unit: ClassVar[str]
    _with_words: ClassVar[bool]

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MixedModelClassifier._parameter_constraints,
        "n_alternatives": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
    }

    def __init__(
        self,
        *,
        mixed_effects: Any = "auto",
        encoder: Any = None,
        n_alternatives: int | str = "auto",
        alpha: float | str = "auto",
        population: Any = "marginal",
        text_columns: Any = None,
        max_iter: int = 500,
        tol: float = 1e-6,
        warm_start: bool = False,
        device: str | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            mixed_effects=mixed_effects,
            encoder=encoder,
            alpha=alpha,
            population=population,
            text_columns=text_columns,
            max_iter=max_iter,
            tol=tol,
            warm_start=warm_start,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )
        self.n_alternatives = n_alternatives

    # ----------------------------------------------------------------- hooks

    @abstractmethod
    def _read_contexts(self, judgments: Judgments) -> tuple[Contexts, np.ndarray]:
        """Return the context of each question, and the row of X that asks it."""

    @abstractmethod
    def _read_answers(self, y: Any) -> list[list[str]]:
        """Return the answers of each row, one per question."""

    def _offered(self, answers: set[str]) -> list[str] | None:
        """Return the candidates to choose from; None are the answers themselves."""
        del answers
        return None

    def _score_alternatives(self, several: list[Alternatives]) -> Scores:
        """Return more columns of all alternatives, learned from the first of them."""
        return Scores([np.zeros((len(each.index), 0)) for each in several], [], 0, 0)

    def _score_table(
        self, contexts: Contexts, places: np.ndarray, candidates: list[str]
    ) -> np.ndarray:
        """Return these columns of candidates in some contexts, (n, n_candidates, K).

        Parameters
        ----------
        contexts : Contexts
            Contexts.
        places : ndarray of int of shape (n,)
            Which of them.
        candidates : list of str
            Candidates, seen or not.
        """
        del contexts
        return np.zeros((len(places), len(candidates), 0))

    def _offers_unseen(self) -> bool:
        """Whether candidates that nobody gave are alternatives in fit."""
        return False

    def _has_own_features(self) -> bool:
        """Whether features of candidates are learned for each person."""
        return _people_matter(self.mixed_effects)

    # ------------------------------------------------------------------- fit

    def _check_parameters(self) -> None:
        self._sampling_seed = check_random_state(self.random_state).randint(2**31 - 1)

    def _encode_target(self, y: Any, judgments: Judgments) -> np.ndarray:
        if not judgments.texts:
            raise ValueError(
                f"{type(self).__name__} needs a column of text in X: what was shown. "
                f"Got the columns {judgments.numeric_names}."
            )
        answers = self._read_answers(y)
        _, row = self._read_contexts(judgments)
        asked = np.bincount(row, minlength=judgments.n_rows)
        given = np.array([len(parts) for parts in answers])
        wrong = np.flatnonzero(asked != given)
        if len(wrong):
            at = int(wrong[0])
            raise ValueError(
                f"Row {at} of y has {given[at]} answer(s) for {asked[at]} question(s); "
                "each needs one."
            )
        found = {text for parts in answers for text in parts}
        offered = self._offered(found)
        names = sorted(found if offered is None else offered)
        if len(names) < 2:
            raise ValueError(
                f"y has only one class, {names[0]!r}; two are needed to learn which is "
                "given when."
            )
        self.classes_ = np.array(names, dtype=object)
        self._classes_are_answers = offered is None
        codes = {name: code for code, name in enumerate(names)}
        target = np.full((len(answers), max(given)), -1.0)
        for i, parts in enumerate(answers):
            target[i, : len(parts)] = [codes[text] for text in parts]
        return target

    def _lay_out(
        self,
        judgments: Judgments,
        ids: dict[str, np.ndarray],
        target: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> Rows:
        """Return the choice sets of answers; without these the unit rows of people."""
        asked = self._ask(judgments, ids)
        if target is None:
            return self._unit_rows(asked.ids, len(asked.row))
        assert weights is not None
        codes = target[target >= 0].astype(np.intp)
        if self._classes_are_answers:  # those of weight 0 are none
            kept, codes = np.unique(codes, return_inverse=True)
            self.classes_ = self.classes_[kept]
        counts = weights[asked.row]
        numbers = np.arange(len(codes))
        if (counts == counts.round()).all():  # the same as repeated rows
            numbers = np.repeat(numbers, counts.astype(np.intp))
            counts = np.ones(len(numbers))
        index = asked.contexts.index[numbers]
        people = {name: values[numbers] for name, values in asked.ids.items()}
        contexts = replace(asked.contexts, index=index)
        answers = Answers(contexts, codes[numbers], counts, people)
        self._biased = self._biased_factors(people, index)
        if not self._has_own_features():
            answers = replace(answers, ids={})
        self._utilities = CandidateFeatures(
            self.encoder,
            {
                "device": self.device,
                "random_state": self.random_state,
                "verbose": self.verbose,
            },
            self._length_unit,
            self._with_words,
        ).fit(answers, self.classes_.tolist())
        random = np.random.RandomState(self._sampling_seed)
        n_drawn = self._n_drawn(answers.codes)
        sets = self._sample(answers, deal_answers(answers), n_drawn, random)
        if not len(sets.answer):
            raise ValueError(
                f"The {len(answers)} answers in y are too few, or too different, to "
                "learn from: no answer is given twice, and there are too few to tell "
                "those given from others."
            )
        self._n_apart = float(counts.sum() - counts[sets.answer].sum())
        self._held: dict[str, float] = {}
        given = replace(
            asked, contexts=contexts, numeric=asked.numeric[numbers], ids=people
        )
        names = judgments.numeric_names
        parts = [self._choice_rows(sets, given, counts, names)]
        if self.fine_tune != "frozen":  # a tuned network has seen all contexts
            self._alternatives = parts[0][1]
            return self._tell_apart(parts)
        if isinstance(self.n_alternatives, str):
            n_drawn = max(_ALTERNATIVES[0], n_drawn // 2)
        fold = deal_contexts(answers, random)
        sets = self._sample(answers, fold, n_drawn, random)
        if len(sets.answer):
            parts.append(self._choice_rows(sets, given, counts, names))
        return self._tell_apart(parts)

    def _choice_rows(
        self,
        sets: ChoiceSets,
        given: Asked,
        counts: np.ndarray,
        numeric_names: list[str],
    ) -> tuple[SampledRows, Alternatives]:
        """Return choice sets as rows that still lack their columns, and these.

        Parameters
        ----------
        sets : ChoiceSets
            Choices of answers.
        given : Asked
            The question that each answer was given to.
        counts : ndarray of shape (n_answers,)
            How many times each counts.
        numeric_names : list of str
            Numeric columns of X.
        """
        at = sets.answer[sets.sets]
        values, names = self._products(
            sets.features, self._utilities.names, given.numeric[at], numeric_names
        )
        index = given.contexts.index[at]
        alternatives = Alternatives(
            given.contexts, index, sets.sets, sets.codes, values, names
        )
        rows = SampledRows(
            Judgments(len(at), {}, None, [], {}),
            {name: ids[at] for name, ids in given.ids.items()},
            ConditionalLogit(sets.sets),
            sets.chosen,
            counts[at],
            sets.sets,
            sets.codes,
            len(self.classes_),
            sets.offset,
        )
        return rows, alternatives

    def _tell_apart(self, parts: list[tuple[SampledRows, Alternatives]]) -> SampledRows:
        """Return rows with the columns that tell alternatives apart.

        Columns whose coefficients are held become part of the offset. All features
        are kept: under the ridge they may depend on each other, and the effects of
        people need the whole space.

        Parameters
        ----------
        parts : list of tuple of SampledRows and Alternatives
            Choice sets; columns are chosen by the first, and others become its
            ``new_contexts``.
        """
        alternatives = parts[0][1]
        scores = self._score_alternatives([each for _, each in parts])
        tables = [
            np.column_stack([each.values, more])
            for (_, each), more in zip(parts, scores.values, strict=True)
        ]
        names = [*alternatives.names, *scores.names]
        n_known = tables[0].shape[1] - scores.n_bias
        n_plain = n_known - scores.n_features
        free = [j for j in range(n_plain) if names[j] not in self._held]
        plain = informative_columns(tables[0][:, free], alternatives.sets)
        self._kept = np.append(np.array(free)[plain], np.arange(n_plain, n_known))
        self._n_features = scores.n_features
        self._column_names = [names[j] for j in self._kept]
        self._bias_columns = np.arange(n_known, len(names))
        self._bias_names = names[n_known:]
        self._held_columns = np.array(
            [names.index(name) for name in self._held], dtype=np.intp
        )
        rows, *others = (
            self._with_columns(rows, values)
            for (rows, _), values in zip(parts, tables, strict=True)
        )
        return replace(rows, new_contexts=others[0] if others else None)

    def _with_columns(self, rows: SampledRows, values: np.ndarray) -> SampledRows:
        held = values[:, self._held_columns] @ np.array([*self._held.values()])
        return replace(
            rows,
            judgments=self._as_judgments(values[:, self._kept]),
            offset=held if rows.offset is None else rows.offset + held,
            bias=values[:, self._bias_columns],
        )

    def _sample(
        self,
        answers: Answers,
        fold: np.ndarray,
        n_drawn: int,
        random: np.random.RandomState,
    ) -> ChoiceSets:
        return sample_choice_sets(
            self._utilities,
            answers,
            len(self.classes_),
            n_drawn,
            random,
            fold=fold,
            with_unseen=self._offers_unseen(),
        )

    def _n_drawn(self, codes: np.ndarray) -> int:
        """Return the number of alternatives that are drawn for each answer."""
        n_answers = max(int((np.bincount(codes)[codes] > 1).sum()), 1)
        if not isinstance(self.n_alternatives, str):
            return int(self.n_alternatives)
        few, many = _ALTERNATIVES
        return int(np.clip(np.sqrt(self._max_pairs() / n_answers) - 1, few, many))

    def _max_pairs(self) -> int:
        """Return how many pairs of alternatives all choice sets may have."""
        return _MAX_PAIRS

    def _ask(self, judgments: Judgments, ids: dict[str, np.ndarray]) -> Asked:
        contexts, row = self._read_contexts(judgments)
        people = {name: values[row] for name, values in ids.items()}
        return Asked(contexts, row, judgments.numeric_matrix()[row], people)

    def _products(
        self,
        features: np.ndarray,
        names: list[str],
        numeric: np.ndarray,
        numeric_names: list[str],
    ) -> tuple[np.ndarray, list[str]]:
        """Append products of columns of X with features of a candidate by itself."""
        places = [names.index(name) for name in CONSTANTS]
        columns = [features]
        for j in range(numeric.shape[1]):
            value = numeric[:, j].reshape(-1, *[1] * (features.ndim - 1))
            columns.append(value * features[..., places])
        products = [f"{name}:{c}" for name in numeric_names for c in CONSTANTS]
        return np.concatenate(columns, axis=-1), [*names, *products]

    def _as_judgments(self, values: np.ndarray) -> Judgments:
        return Judgments(len(values), {}, values, self._column_names, {})

    def _covariates(
        self, columns: Columns, rows: Rows, mixed_effects: MixedEffects
    ) -> Covariates:
        del columns, mixed_effects
        judgments = rows.judgments
        assert isinstance(rows, SampledRows)
        assert rows.bias is not None
        values = np.hstack([judgments.numeric_matrix(), rows.bias])
        names = [*judgments.numeric_names, *self._bias_names]
        return Covariates(values, names, shares=rows.shares)

    def _terms(
        self,
        mixed_effects: MixedEffects,
        ids: dict[str, np.ndarray],
        covariate_names: list[str],
    ) -> list[FormulaTerm]:
        """Terms in which the constant is how a person follows what others answer.

        And its bias, where there are columns for it.
        """
        constants = tuple(name for name in _FOLLOWING if name in covariate_names)
        bias = tuple(name for name in self._bias_names if name in covariate_names)
        terms = []
        if mixed_effects.formula is not None:
            check_slopes(mixed_effects.terms(), covariate_names)
            for term in mixed_effects.terms():
                slopes = dict.fromkeys([*constants * term.intercept, *term.slopes])
                own = tuple(name for name in slopes if name not in self._held)
                if own or not bias:
                    terms.append(replace(term, intercept=False, slopes=own))
                if term.intercept and bias and term.factor in self._biased:
                    terms.append(FormulaTerm(term.factor, False, bias, True, True))
            return terms
        if mixed_effects.mode == "fixed":
            return []
        own = constants
        heads: tuple[str, ...] = ()
        if mixed_effects.mode == "random_slopes":
            own = tuple(name for name in covariate_names if name in _SLOPES)
            names = self._column_names
            heads = tuple(names[len(names) - self._n_features :])
        correlated = mixed_effects.correlation_structure == "correlated"
        for name in ids:
            terms += [FormulaTerm((name,), False, own, correlated)] * bool(own)
            for features in (bias, heads):
                if features and (name,) in self._biased:
                    terms.append(FormulaTerm((name,), False, features, True, True))
        return terms

    def _biased_factors(
        self, ids: dict[str, np.ndarray], contexts: np.ndarray
    ) -> set[tuple[str, ...]]:
        """Return the factors that may have a bias for candidates, and heads.

        Those of people. An item's bias is what is usual in its contexts, which is
        counted already; beside what was counted without an answer it would tell what
        the answer is.
        """
        terms = resolve_mixed_effects(self.mixed_effects).terms()
        factors = {term.factor for term in terms} or {(name,) for name in ids}
        return {
            factor
            for factor in factors
            if set(factor) <= set(ids)
            and are_people(combine_ids(ids, factor), contexts)
        }

    def _design(
        self, columns: Columns, rows: Rows, *args: Any, **kwargs: Any
    ) -> Design:
        design = super()._design(columns, rows, *args, **kwargs)
        if not isinstance(rows, SampledRows) or rows.offset is None:
            return design
        prior = 0.0 if design.offset is None else design.offset
        return replace(design, offset=rows.offset + prior)

    @abstractmethod
    def _unit_rows(self, ids: dict[str, np.ndarray], n: int) -> AlternativeRows:
        """Return rows whose linear predictors are the coefficients of each person."""

    def _decode_target(self, target: np.ndarray, rows: Rows) -> np.ndarray:
        assert isinstance(rows, AlternativeRows)
        return self.classes_[rows.option[target == 1.0]]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        return tags


def _people_matter(mixed_effects: Any) -> bool:
    """Whether answers of different people may differ."""
    resolved = resolve_mixed_effects(mixed_effects)
    return resolved.formula is not None or resolved.mode != "fixed"
