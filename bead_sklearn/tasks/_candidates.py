"""Judgments answered in words: a choice among all answers that are known.

    P(f) = exp(eta_f) / sum over the candidates of exp(eta_g),
    eta_f = sum_k x_k(f, context, participant) (beta_k + u_k)

The features x of a candidate are few, so predictions for thousands of candidates
need the distribution of few coefficients per participant.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar

import narwhals as nw
import numpy as np
from scipy.special import logsumexp, ndtri
from scipy.stats import qmc
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from bead_sklearn._frames import make_frame
from bead_sklearn._sklearn import Interval, StrOptions
from bead_sklearn.effects import (
    Covariates,
    FormulaTerm,
    MixedEffects,
    resolve_mixed_effects,
)
from bead_sklearn.families import ConditionalLogit
from bead_sklearn.inputs import (
    Judgments,
    check_target_present,
    encode_levels,
    match_levels,
)
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    MixedModelFit,
    Posterior,
    draw_conditional,
    draw_posterior,
    draw_prior,
    fit_mixed_model,
    predict_sets,
)
from bead_sklearn.tasks._alternatives import SampledRows, sample_choice_sets
from bead_sklearn.tasks._base import row_ids
from bead_sklearn.tasks._classifier import MixedModelClassifier
from bead_sklearn.tasks._contexts import Contexts
from bead_sklearn.tasks._features import Columns
from bead_sklearn.tasks._inference import check_count, check_temperature
from bead_sklearn.tasks._population import marginal_factors
from bead_sklearn.tasks._rows import AlternativeRows, Rows, read_ids
from bead_sklearn.tasks._utilities import OWN_FEATURES, Answers, CandidateFeatures

#: Entries of a table of judgments by candidates that are held at once, and logarithm
#: of half the number of points that average over coefficients.
_MAX_ENTRIES = 2_000_000
_SOBOL_LOG2 = 3

#: Fewest and most alternatives that are drawn for an answer, and how many pairs of
#: alternatives all choice sets may have.
_ALTERNATIVES = (8, 20)
_MAX_PAIRS = 2_000_000

#: Features of a candidate whatever the context, which columns of X act on.
_CONSTANTS = ("frequency", "length")

#: Features whose coefficients vary over people. That of length does not: a utility
#: that grows with the length of the candidate has no bound; own_length has.
_FOLLOWING = ("typicality",)
_SLOPES = ("typicality", "words", "frequency")


@dataclass(frozen=True)
class Asked:
    """Questions that are answered by a candidate each, one per row or blank.

    Attributes
    ----------
    contexts : Contexts
        What is answered; its index is the context of each question.
    row : ndarray of int of shape (n_questions,)
        Row of X, in order.
    numeric : ndarray of shape (n_questions, n_columns)
        Numeric columns of X.
    ids : dict of str to ndarray of shape (n_questions,)
        Who answers, by factor.
    """

    contexts: Contexts
    row: np.ndarray
    numeric: np.ndarray
    ids: dict[str, np.ndarray]


class CandidateClassifier(MixedModelClassifier):
    """Base of the classifiers whose labels are words or texts.

    Subclasses say what a context is (`_read_contexts`), read y (`_read_answers`) and
    say which features candidates have.
    """

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

    n_alternatives: int | str

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
        if not _people_matter(self.mixed_effects):
            answers = replace(answers, ids={})
        self._utilities = CandidateFeatures(
            self.encoder,
            {"device": self.device, "random_state": self.random_state},
            self._length_unit,
            self._with_words,
        ).fit(answers, self.classes_.tolist())
        sets = sample_choice_sets(
            self._utilities,
            answers,
            len(self.classes_),
            self._n_drawn(answers.codes),
            np.random.RandomState(self._sampling_seed),
        )
        if not len(sets.answer):
            raise ValueError(
                f"The {len(answers)} answers in y are too few, or too different, to "
                "learn from: no answer is given twice, and there are too few to tell "
                "those given from others."
            )
        at = numbers[sets.answer][sets.sets]
        values, names = self._products(
            sets.features,
            self._utilities.names,
            asked.numeric[at],
            judgments.numeric_names,
        )
        self._kept = _informative(values, sets.sets)
        self._column_names = [names[j] for j in self._kept]
        return SampledRows(
            self._as_judgments(values[:, self._kept]),
            {name: given[at] for name, given in asked.ids.items()},
            ConditionalLogit(sets.sets),
            sets.chosen,
            counts[sets.answer][sets.sets],
            sets.sets,
            sets.codes,
            len(self.classes_),
            sets.offset,
        )

    def _n_drawn(self, codes: np.ndarray) -> int:
        """Return the number of alternatives that are drawn for each answer."""
        n_answers = max(int((np.bincount(codes)[codes] > 1).sum()), 1)
        if not isinstance(self.n_alternatives, str):
            return int(self.n_alternatives)
        few, many = _ALTERNATIVES
        return int(np.clip(np.sqrt(_MAX_PAIRS / n_answers) - 1, few, many))

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
        places = [names.index(name) for name in _CONSTANTS]
        columns = [features]
        for j in range(numeric.shape[1]):
            value = numeric[:, j].reshape(-1, *[1] * (features.ndim - 1))
            columns.append(value * features[..., places])
        products = [f"{name}:{c}" for name in numeric_names for c in _CONSTANTS]
        return np.concatenate(columns, axis=-1), [*names, *products]

    def _as_judgments(self, values: np.ndarray) -> Judgments:
        return Judgments(len(values), {}, values, self._column_names, {})

    def _covariates(
        self, columns: Columns, rows: Rows, mixed_effects: MixedEffects
    ) -> Covariates:
        del columns, mixed_effects
        judgments = rows.judgments
        return Covariates(judgments.numeric_matrix(), judgments.numeric_names)

    def _terms(
        self,
        mixed_effects: MixedEffects,
        ids: dict[str, np.ndarray],
        covariate_names: list[str],
    ) -> list[FormulaTerm]:
        """Terms in which the constant is how a person follows what others answer."""
        constants = tuple(name for name in _FOLLOWING if name in covariate_names)
        if mixed_effects.formula is not None:
            return [
                replace(
                    term,
                    intercept=False,
                    slopes=tuple(
                        dict.fromkeys([*constants * term.intercept, *term.slopes])
                    ),
                )
                for term in mixed_effects.terms()
            ]
        if mixed_effects.mode == "fixed":
            return []
        slopes = constants
        if mixed_effects.mode == "random_slopes":
            slopes = tuple(name for name in covariate_names if name in _SLOPES)
        correlated = mixed_effects.correlation_structure == "correlated"
        return [
            FormulaTerm((name,), False, slopes, correlated) for name in ids if slopes
        ]

    def _design(
        self, columns: Columns, rows: Rows, *args: Any, **kwargs: Any
    ) -> Design:
        design = super()._design(columns, rows, *args, **kwargs)
        if not isinstance(rows, SampledRows) or rows.offset is None:
            return design
        prior = 0.0 if design.offset is None else design.offset
        return replace(design, offset=rows.offset + prior)

    # ------------------------------------------------------------- newcomers

    def _store(self, fit: MixedModelFit, design: Design, rows: Rows) -> None:
        """Fit what is known of participants without answers of their own, too.

        Nothing is known about their words and lengths, and the coefficients of the
        other features mean what they mean beside these: newcomers have coefficients
        of their own, from the same answers.
        """
        super()._store(fit, design, rows)
        self._newcomers: Posterior | None = None
        # A basis of the rows mixes the columns.
        if not self._utilities.levels_ or self._features.ridge_basis_ is not None:
            return
        reduced = self._without_own(design)
        names = {factor.name for factor in reduced.factors}
        variances = self._options.variances
        zero = tuple(name for name in variances.zero_factors if name in names)
        options = replace(
            self._options, variances=replace(variances, zero_factors=zero)
        )
        assert rows.target is not None
        assert rows.weights is not None
        if reduced.n_rest > 0:
            self._newcomers = fit_mixed_model(
                reduced, rows.family, rows.target, rows.weights, options
            ).posterior

    def _without_own(self, design: Design) -> Design:
        """Leave out features of one person's answers, and that person's effects."""
        own = tuple(OWN_FEATURES)
        fixed = _columns_of(design.fixed, self._features.coefficient_names_, own)
        ridge = design.ridge
        if ridge is not None:
            ridge = _columns_of(ridge, self._features.ridge_names_, own)
        people = set(self._utilities.levels_)
        sources = {item.name: set(item.sources) for item in self._structures}
        factors = tuple(f for f in design.factors if not sources[f.name] & people)
        return replace(design, fixed=fixed, ridge=ridge, factors=factors)

    def _are_newcomers(self, ids: dict[str, np.ndarray], n: int) -> np.ndarray:
        """Whether nothing is known about the answers of each person."""
        new = np.full(n, self._newcomers is not None)
        for name, levels in self._utilities.levels_.items():
            if name in ids:
                new &= match_levels(levels, ids[name]) < 0
        marginal = marginal_factors(self.population, self._posterior.factor_names)
        people = set(self._utilities.levels_) & set(self._posterior.factor_names)
        return new & (people <= marginal)

    # --------------------------------------------------------------- predict

    def _unit_rows(self, ids: dict[str, np.ndarray], n: int) -> AlternativeRows:
        """Return rows whose linear predictors are the coefficients of each person.

        For each person a row of zeros and one for each feature.
        """
        n_people = len(next(iter(ids.values()))) if ids else n
        size = len(self._column_names) + 1
        person = np.repeat(np.arange(n_people), size)
        units = np.tile(np.eye(size)[:, 1:], (n_people, 1))
        return AlternativeRows(
            self._as_judgments(units),
            {name: values[person] for name, values in ids.items()},
            ConditionalLogit(person),
            judgment=person,
            option=np.tile(np.arange(size), n_people),
            n_options=size,
        )

    def _questions(self, X: Any, groups: Any) -> Asked:
        check_is_fitted(self)
        judgments = self._reader.read(self, X, reset=False)
        given = self._match_ids(read_ids(groups, judgments.n_rows))
        return self._ask(judgments, {**judgments.factors, **given})

    def _coefficients(
        self, ids: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean (n_people, K) and covariance (n_people, K, K) of coefficients."""
        rows = self._unit_rows(ids, 1)
        _, design = self._build(rows)
        mean, covariance = self._moments(self._posterior, design, rows)
        new = self._are_newcomers(ids, len(mean))
        if new.any():
            assert self._newcomers is not None
            found = self._moments(self._newcomers, self._without_own(design), rows)
            mean[new], covariance[new] = (part[new] for part in found)
        return mean, covariance

    def _moments(
        self, posterior: Posterior, design: Design, rows: AlternativeRows
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of the coefficients that unit rows stand for."""
        assert rows.family.pairs is not None
        names = posterior.factor_names
        marginal = marginal_factors(self.population, self._posterior.factor_names)
        mean, covariance = predict_sets(
            posterior, design, rows.family.pairs, marginal=marginal & set(names)
        )
        size = rows.n_options
        table = mean.reshape(-1, size)
        contrast = np.eye(size)[1:] - np.eye(size)[0]
        spread = covariance.reshape(-1, size, size)
        return table[:, 1:] - table[:, :1], contrast @ spread @ contrast.T

    def _cases(self, asked: Asked, *extra: np.ndarray) -> Cases:
        """Return distinct questions, as far as the model tells them apart."""
        person, people = _distinct_people(asked.ids, len(asked.row))
        columns = [asked.contexts.index, person, *asked.numeric.T, *extra]
        _, first, inverse = np.unique(
            np.column_stack(columns), axis=0, return_index=True, return_inverse=True
        )
        codes = {
            name: match_levels(levels, asked.ids[name][first])
            for name, levels in self._utilities.levels_.items()
            if name in asked.ids
        }
        return Cases(first, inverse.ravel(), person[first], people, codes)

    def _each(
        self, asked: Asked, cases: Cases, candidates: list[str]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield parts of the cases and their features, (n, n_candidates, K)."""
        relations = self._utilities.space_.relate(asked.contexts)
        step = max(1, _MAX_ENTRIES // len(candidates))
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
            yield part, values[..., self._kept]

    def _reduce(
        self,
        asked: Asked,
        candidates: list[str],
        function: Callable[[np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """Apply a function to probabilities of candidates, for each question."""
        cases = self._cases(asked)
        mean, covariance = self._coefficients(cases.people)
        results = []
        for part, features in self._each(asked, cases, candidates):
            person = cases.person[part]
            points = _points(mean[person], covariance[person])
            total = np.zeros(features.shape[:2])
            for k in range(points.shape[1]):
                total += _softmax(_times(features, points[:, k]))
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
        return _by_row(self.classes_[best], asked.row)

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
        mean, covariance = self._coefficients(cases.people)
        results, n_known = [], len(known)
        for part, features in self._each(asked, cases, names):
            person, code = cases.person[part], codes[cases.first[part]]
            points = _points(mean[person], covariance[person])
            logs = np.empty((points.shape[1], len(part)))
            for k in range(points.shape[1]):
                eta = _times(features, points[:, k])
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
        mean, covariance = self._coefficients(cases.people)
        eta, std = [], []
        for part, features in self._each(asked, cases, self.classes_.tolist()):
            person = cases.person[part]
            centred = features - features.mean(axis=1, keepdims=True)
            eta.append(_times(centred, mean[person]))
            if return_std:
                spread = np.einsum("nfk,nkl->nfl", centred, covariance[person])
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
        ids, person = self._people(asked)
        rows = self._unit_rows(ids, len(asked.row))
        _, design = self._build(rows)
        theta = self._draw(self._posterior, design, rows, n_draws, rng)
        new = self._are_newcomers(ids, theta.shape[1])
        if new.any():
            assert self._newcomers is not None
            reduced = self._without_own(design)
            drawn = self._draw(self._newcomers, reduced, rows, n_draws, rng)
            theta[:, new] = drawn[:, new]
        theta = theta[:, person]
        cases = Cases.all_of(asked, self._cases(asked))
        parts = []
        for part, features in self._each(asked, cases, self.classes_.tolist()):
            centred = features - features.mean(axis=1, keepdims=True)
            eta = np.einsum("nfk,snk->snf", centred, theta[:, part])
            parts.append(_softmax(eta) if response else eta)
        return np.concatenate(parts, axis=1)

    def _draw(
        self,
        posterior: Posterior,
        design: Design,
        rows: AlternativeRows,
        n_draws: int,
        rng: np.random.RandomState,
    ) -> np.ndarray:
        """Draw the coefficients that unit rows stand for, (n_draws, n_people, K)."""
        marginal = marginal_factors(self.population, self._posterior.factor_names)
        theta = draw_posterior(
            posterior,
            design,
            n_draws,
            rng,
            new_levels=self._new_levels(design, rows.ids, everyone=False),
            marginal=marginal & set(posterior.factor_names),
        ).reshape(n_draws, -1, rows.n_options)
        return np.asarray(theta[:, :, 1:] - theta[:, :, :1])

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
        ids, person = self._people(asked)
        rows = self._unit_rows(ids, len(asked.row))
        _, design = self._build(rows)
        levels = self._new_levels(design, rows.ids, everyone=not conditional)
        if conditional:
            theta = draw_conditional(
                self._posterior, design, n_simulations, rng, new_levels=levels
            )
        else:
            is_estimated = self._options.variances.alpha is None
            theta = draw_prior(
                self._posterior,
                design,
                n_simulations,
                rng,
                levels=levels,
                ridge_variance=self._ridge_variance() if is_estimated else 0.0,
            )
        theta = theta.reshape(n_simulations, -1, rows.n_options)
        theta = (theta[:, :, 1:] - theta[:, :, :1])[:, person]
        points = rng.uniform(size=(n_simulations, len(asked.row)))
        cases = Cases.all_of(asked, self._cases(asked))
        codes = np.empty(points.shape, dtype=np.intp)
        for part, features in self._each(asked, cases, self.classes_.tolist()):
            for s in range(n_simulations):
                eta = _times(features, theta[s, part]) / temperature
                below = np.cumsum(_softmax(eta), axis=1) < points[s, part, None]
                codes[s, part] = below[:, :-1].sum(axis=1)
        return np.stack([_by_row(self.classes_[row], asked.row) for row in codes])

    def _people(self, asked: Asked) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Distinct people and the person of each question; all new ones differ."""
        if not asked.ids:
            return {}, np.arange(len(asked.row))
        person, people = _distinct_people(asked.ids, len(asked.row))
        return people, person

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

    def _decode_target(self, target: np.ndarray, rows: Rows) -> np.ndarray:
        assert isinstance(rows, AlternativeRows)
        return self.classes_[rows.option[target == 1.0]]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        return tags


@dataclass(frozen=True)
class Cases:
    """Questions without repetitions.

    Attributes
    ----------
    first : ndarray of int of shape (n_cases,)
        A question of each case.
    inverse : ndarray of int of shape (n_questions,)
        Case of each question.
    person : ndarray of int of shape (n_cases,)
        Who answers.
    people : dict of str to ndarray of shape (n_people,)
        Ids of those who answer, by factor; empty for new ones only.
    codes : dict of str to ndarray of shape (n_cases,)
        Levels of the person in the factors whose words are known; -1 is unknown.
    """

    first: np.ndarray
    inverse: np.ndarray
    person: np.ndarray
    people: dict[str, np.ndarray]
    codes: dict[str, np.ndarray]

    @classmethod
    def all_of(cls, asked: Asked, cases: Cases) -> Cases:
        """Return each question as a case of its own."""
        every = np.arange(len(asked.row))
        inverse = cases.inverse
        codes = {name: values[inverse] for name, values in cases.codes.items()}
        return cls(every, every, cases.person[inverse], cases.people, codes)


def check_candidates(candidates: Any) -> list[str]:
    """Return candidates as a list after checking that they are texts and differ."""
    if isinstance(candidates, str) or not hasattr(candidates, "__iter__"):
        raise TypeError(f"candidates must be a list of str. Got {candidates!r}.")
    names = list(candidates)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"candidates must be a list of str. Got {name!r} in it.")
        if not name.strip():
            raise ValueError("candidates has an empty text.")
    if len(set(names)) < len(names):
        repeated = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"candidates must be distinct. Got {repeated!r} twice.")
    if not names:
        raise ValueError("candidates is empty; at least one is needed.")
    return [str(name) for name in names]


def read_rows(y: Any) -> list[Any]:
    """Return y row by row, after checking that nothing is missing."""
    if isinstance(y, str):
        raise TypeError(f"y must hold one answer per row. Got the text {y!r}.")
    check_target_present(y)
    if nw.dependencies.is_into_dataframe(y):
        return [list(row) for row in nw.from_native(y, eager_only=True).iter_rows()]
    if nw.dependencies.is_into_series(y):
        return list(nw.from_native(y, series_only=True).to_list())
    return list(y)


def check_answer(answer: Any, row: int, what: str) -> str:
    """Return an answer after checking that it is a text that says something."""
    if not isinstance(answer, str):
        raise TypeError(
            f"y must hold texts. Got {answer!r} of type {type(answer).__name__} in row "
            f"{row}."
        )
    if not answer.strip():
        raise ValueError(
            f"y has an empty {what} in row {row}. Drop rows without an answer."
        )
    return str(answer)


def _people_matter(mixed_effects: Any) -> bool:
    """Whether answers of different people may differ."""
    resolved = resolve_mixed_effects(mixed_effects)
    return resolved.formula is not None or resolved.mode != "fixed"


def _distinct_people(
    ids: dict[str, np.ndarray], n: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the code of each row's person, and the ids of the persons."""
    if not ids:
        return np.zeros(n, dtype=np.intp), {}
    whole = np.fromiter(zip(*ids.values(), strict=True), dtype=object, count=n)
    levels, codes = encode_levels(whole)
    first = np.full(len(levels), n)
    np.minimum.at(first, codes, np.arange(n))
    return codes, {name: values[first] for name, values in ids.items()}


def _columns_of(
    block: DenseBlock, names: list[str], without: tuple[str, ...]
) -> DenseBlock:
    """Return the columns of a block whose names do not begin in some ways."""
    kept = [j for j, name in enumerate(names) if not name.startswith(without)]
    return DenseBlock(block.values[:, kept], block.index)


def _informative(values: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Return which columns differ within sets, those first that come first."""
    starts = np.flatnonzero(np.diff(sets, prepend=-1))
    sizes = np.diff(np.append(starts, len(sets)))
    within = values - (np.add.reduceat(values, starts) / sizes[:, None])[sets]
    norms = np.sqrt((within**2).sum(axis=0))
    kept: list[int] = []
    basis = np.zeros((len(values), 0))
    for j in np.flatnonzero(norms > 1e-9 * np.sqrt((values**2).sum(axis=0))):
        column = within[:, j] / norms[j]
        rest = column - basis @ (basis.T @ column)
        length = np.linalg.norm(rest)
        if length > 1e-6:
            kept.append(int(j))
            basis = np.column_stack([basis, rest / length])
    return np.array(kept, dtype=np.intp)


def _points(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return coefficients over which predictions are averaged, (n, n_points, K)."""
    size = mean.shape[1]
    half = ndtri(qmc.Sobol(size, scramble=True, seed=0).random_base2(_SOBOL_LOG2))
    normal = np.concatenate([half, -half])
    values, vectors = np.linalg.eigh(covariance)
    signs = np.where((vectors**3).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    roots = vectors * signs * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return np.asarray(mean[:, None, :] + normal @ roots.transpose(0, 2, 1))


def _times(features: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return utilities from features (n, n_candidates, K) and coefficients (n, K)."""
    return np.asarray((features @ coefficients[:, :, None])[:, :, 0])


def _softmax(eta: np.ndarray) -> np.ndarray:
    """Return probabilities over the last axis, none of them 0."""
    shifted = np.exp(np.maximum(eta - eta.max(axis=-1, keepdims=True), -600.0))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def _top_two(probabilities: np.ndarray) -> np.ndarray:
    """Return the places of the two largest of each row, and these themselves."""
    best = probabilities.argmax(axis=1)
    row = np.arange(len(best))
    largest = probabilities[row, best]
    others = probabilities.copy()
    others[row, best] = -1.0
    second = others.argmax(axis=1)
    return np.column_stack([best, second, largest, others[row, second]])


def _by_row(answers: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return the answers of each row: one, or lists where some rows have several."""
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    if len(starts) == len(row):
        return answers
    parts = np.split(answers, starts[1:])
    return np.fromiter(
        (part.tolist() for part in parts), dtype=object, count=len(parts)
    )
