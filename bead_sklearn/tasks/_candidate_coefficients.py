"""Coefficients of those who answer in words, known and new."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from bead_sklearn.families import ConditionalLogit
from bead_sklearn.inputs import match_levels
from bead_sklearn.inspection import factor_effects, variance_components
from bead_sklearn.solvers import (
    DenseBlock,
    Design,
    MixedModelFit,
    Posterior,
    Start,
    draw_conditional,
    draw_posterior,
    draw_prior,
    fit_mixed_model,
    predict_sets,
)
from bead_sklearn.tasks._alternatives import SampledRows, informative_columns
from bead_sklearn.tasks._candidate_fit import CandidateModel
from bead_sklearn.tasks._contexts import Contexts
from bead_sklearn.tasks._new_contexts import (
    CandidateSummary,
    Learned,
    NewContexts,
    estimates,
)
from bead_sklearn.tasks._population import marginal_factors
from bead_sklearn.tasks._questions import Asked, Cases, distinct_people
from bead_sklearn.tasks._rows import AlternativeRows, Rows
from bead_sklearn.tasks._utilities import OWN_FEATURES
from bead_sklearn.tasks._variance_warnings import untold_factors

#: Share of its spread that a column has to have of its own in new contexts, where what
#: is typical may be what is frequent.
_LEAST_OWN = 1e-3

#: Answers per coefficient from which those of new contexts are learned.
_ANSWERS_PER_COLUMN = 10


class CandidateCoefficients(CandidateModel):
    """A model that has the distribution of each person's coefficients."""

    #: What was learned: of contexts that were answered, and of new ones; of people
    #: who are known, and of newcomers.
    _learned: tuple[tuple[Learned, Learned], tuple[Learned, Learned]]

    def _store(self, fit: MixedModelFit, design: Design, rows: Rows) -> None:
        """Fit what is known of newcomers and of new contexts, too."""
        super()._store(fit, design, rows)
        self.coef_names_ = [*self.coef_names_, *self._held]
        self.coef_ = np.append(self.coef_, [[*self._held.values()]], axis=1)
        known = self._with_newcomers(
            Learned(fit.posterior, self._variance_of_ridge(fit)), design, rows
        )
        self._learned = known, known
        self.new_contexts_: NewContexts | None = None
        assert isinstance(rows, SampledRows)
        assert rows.weights is not None
        if rows.new_contexts is not None and not self._has_bases():
            start = Start.of(design, rows.weights, fit)
            try:
                self._learn_new_contexts(rows.new_contexts, start)
            except np.linalg.LinAlgError:  # separated, which describe() says
                self.new_contexts_ = None
        self._summary = CandidateSummary(
            **vars(self._summary), new_contexts=self.new_contexts_
        )

    def _caveats(self) -> list[str]:
        """Say how many answers are not explained, and what is known of new contexts."""
        sentences = []
        if self._n_apart:
            sentences.append(
                f"{self._n_apart:g} more answers, which nobody else gave, take part in "
                "the features only: how probable such answers are the model can hardly "
                "say."
            )
        if self.new_contexts_ is None:
            sentences.append(
                "What holds in contexts that nobody answered could not be learned; "
                "there the model goes by those that were."
            )
        else:
            sentences.append(
                "All this is about contexts that others answered; where nobody did, "
                "other coefficients hold (new_contexts_)."
            )
        return sentences

    def _has_bases(self) -> bool:
        """Whether columns are those of a basis of the rows of the fit."""
        by_level = any(structure.bases is not None for structure in self._structures)
        return by_level or self._features.ridge_basis_ is not None

    def _learn_new_contexts(self, rows: SampledRows, start: Start) -> None:
        """Fit the model to answers that are predicted from other contexts."""
        _, design = self._build(rows, fitting=True)
        names = self._features.coefficient_names_
        told = informative_columns(design.fixed.rows(), rows.judgment, _LEAST_OWN)
        lacking = frozenset(names) - {names[j] for j in told}
        reduced = self._columns_of(design, lacking)
        n_least = _ANSWERS_PER_COLUMN * reduced.n_fixed
        if reduced.n_rest == 0 or rows.n_judgments < n_least:
            return
        assert rows.weights is not None
        untold = untold_factors(reduced, rows.family, rows.weights)
        fit = self._fit_again(reduced, rows, tuple(sorted(untold)), start)
        if not fit.optimum.converged:
            warnings.warn(
                "The optimizer did not converge for contexts that nobody answered: "
                f"the largest gradient component is {fit.optimum.gradient_norm:.2g}, "
                f"the tolerance {self.tol:g}. Increase max_iter, or simplify the "
                "random effects.",
                ConvergenceWarning,
                stacklevel=4,
            )
        learned = Learned(fit.posterior, self._variance_of_ridge(fit), lacking)
        newcomers = self._with_newcomers(learned, design, rows, start)
        levels = {structure.name: structure for structure in self._structures}
        coef, table = estimates(self._features, learned)
        self.new_contexts_ = NewContexts(
            rows.n_judgments,
            coef,
            table,
            0 if reduced.ridge is None else reduced.ridge.n_columns,
            factor_effects(fit.posterior, levels),
            variance_components(
                reduced,
                fit.posterior,
                rows.weights,
                levels,
                estimated=self._mixed_effects.estimates_variances,
            ),
            fit.log_likelihood,
        )
        self._learned = self._learned[0], newcomers

    def _with_newcomers(
        self,
        learned: Learned,
        design: Design,
        rows: Rows,
        start: Start | None = None,
    ) -> tuple[Learned, Learned]:
        """Fit what is known of participants without answers of their own, too.

        Nothing is known about their words and lengths, and the coefficients of the
        other features mean what they mean beside these: newcomers have coefficients
        of their own, which vary as they do without these, from the same answers.
        """
        # A basis of the rows mixes the columns.
        if not self._utilities.levels_ or self._features.ridge_basis_ is not None:
            return learned, learned
        reduced = self._columns_of(design, learned.lacking, is_newcomer=True)
        if reduced.n_rest == 0:
            return learned, learned
        names = {factor.name for factor in reduced.factors}
        zero = self._options.variances.zero_factors
        zero = tuple(name for name in zero if name in names)
        fit = self._fit_again(reduced, rows, zero, start)
        variance = self._variance_of_ridge(fit)
        return learned, Learned(fit.posterior, variance, learned.lacking, True)

    def _fit_again(
        self,
        design: Design,
        rows: Rows,
        zero_factors: tuple[str, ...],
        start: Start | None = None,
    ) -> MixedModelFit:
        """Fit another design to answers, the variances of some factors being 0."""
        variances = replace(self._options.variances, zero_factors=zero_factors)
        options = replace(self._options, variances=variances)
        assert rows.target is not None
        assert rows.weights is not None
        return fit_mixed_model(
            design, rows.family, rows.target, rows.weights, options, start
        )

    def _variance_of_ridge(self, fit: MixedModelFit) -> float:
        """Prior variance of coefficients whose ridge was estimated, else 0."""
        if self._options.variances.alpha is not None or not 0 < fit.alpha < np.inf:
            return 0.0
        return float(fit.sigma**2 / fit.alpha)

    def _columns_of(
        self, design: Design, lacking: frozenset[str], *, is_newcomer: bool = False
    ) -> Design:
        """Leave out columns; of newcomers features of one person's answers as well."""
        own = tuple(OWN_FEATURES) * is_newcomer

        def keep(block: DenseBlock, names: list[str]) -> DenseBlock:
            kept = [
                j
                for j, name in enumerate(names)
                if name not in lacking and not name.startswith(own)
            ]
            return DenseBlock(block.values[:, kept], block.index)

        ridge = design.ridge
        if ridge is not None:
            ridge = keep(ridge, self._features.ridge_names_)
        factors = tuple(
            factor
            for factor in design.factors
            if not any(name.startswith(own) for name in factor.effect_names)
        )
        fixed = keep(design.fixed, self._features.coefficient_names_)
        return replace(design, fixed=fixed, ridge=ridge, factors=factors)

    def _columns_for(self, learned: Learned, design: Design) -> Design:
        """Return the columns and factors that something was learned about."""
        if not learned.lacking and not learned.is_newcomer:
            return design
        return self._columns_of(
            design, learned.lacking, is_newcomer=learned.is_newcomer
        )

    def _are_new(self, contexts: Contexts) -> np.ndarray:
        """Whether nobody answered the context of each question in fit."""
        return (self._utilities.space_.known(contexts) < 0)[contexts.index]

    def _are_newcomers(self, ids: dict[str, np.ndarray], n: int) -> np.ndarray:
        """Whether nothing is known about the answers of each person."""
        new = np.ones(n, dtype=bool)
        for name, levels in self._utilities.levels_.items():
            if name in ids:
                new &= match_levels(levels, ids[name]) < 0
        marginal = marginal_factors(self.population, self._posterior.factor_names)
        people = set(self._utilities.levels_) & set(self._posterior.factor_names)
        return new & (people <= marginal)

    def _people(self, asked: Asked) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Distinct people and the person of each question; all new ones differ."""
        if not asked.ids:
            return {}, np.arange(len(asked.row))
        person, people = distinct_people(asked.ids, len(asked.row))
        return people, person

    def _unit_rows(self, ids: dict[str, np.ndarray], n: int) -> AlternativeRows:
        """Return rows whose linear predictors are the coefficients of each person.

        For each person a row of zeros and one for each feature.
        """
        n_people = len(next(iter(ids.values()))) if ids else n
        n_columns = len(self._column_names)
        size = n_columns + len(self._bias_names) + 1
        person = np.repeat(np.arange(n_people), size)
        units = np.tile(np.eye(size)[:, 1:], (n_people, 1))
        return SampledRows(
            self._as_judgments(units[:, :n_columns]),
            {name: values[person] for name, values in ids.items()},
            ConditionalLogit(person),
            judgment=person,
            option=np.tile(np.arange(size), n_people),
            n_options=size,
            bias=units[:, n_columns:],
        )

    def _coefficients(self, cases: Cases) -> tuple[np.ndarray, np.ndarray]:
        """Mean (n_units, K) and covariance (n_units, K, K) of coefficients.

        Those that are held are one more, of the sum of what they stand for.
        """
        n = len(cases.in_new_contexts)
        rows = self._unit_rows(cases.people, n)
        _, design = self._build(rows)
        size = rows.n_options - 1
        mean, covariance = np.empty((n, size)), np.empty((n, size, size))
        for learned, units in self._kinds(cases.people, cases.in_new_contexts):
            found = self._moments(learned, design, rows)
            mean[units], covariance[units] = (part[units] for part in found)
        n_held = int(bool(self._held))
        padding = ((0, 0), (0, n_held), (0, n_held))
        return self._with_held(mean), np.pad(covariance, padding)

    def _kinds(
        self, people: dict[str, np.ndarray], in_new_contexts: np.ndarray
    ) -> Iterator[tuple[Learned, np.ndarray]]:
        """Yield what was learned, and which people in which contexts it is about."""
        n = len(in_new_contexts)
        newcomers = self._are_newcomers(people, n)
        for is_new, pair in enumerate(self._learned):
            for is_newcomer, learned in enumerate(pair):
                units = (in_new_contexts == is_new) & (newcomers == is_newcomer)
                if units.any():
                    yield learned, units

    def _with_held(self, theta: np.ndarray) -> np.ndarray:
        """Append the coefficient of what is held, 1."""
        padding = [(0, 0)] * (theta.ndim - 1) + [(0, int(bool(self._held)))]
        return np.pad(theta, padding, constant_values=1.0)

    def _moments(
        self, learned: Learned, design: Design, rows: AlternativeRows
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of the coefficients that unit rows stand for."""
        assert rows.family.pairs is not None
        posterior, design = learned.posterior, self._columns_for(learned, design)
        mean, covariance = predict_sets(
            posterior,
            design,
            rows.family.pairs,
            marginal=self._marginal(posterior),
        )
        size = rows.n_options
        table = mean.reshape(-1, size)
        contrast = np.eye(size)[1:] - np.eye(size)[0]
        spread = covariance.reshape(-1, size, size)
        return table[:, 1:] - table[:, :1], contrast @ spread @ contrast.T

    def _marginal(self, posterior: Posterior) -> frozenset[str]:
        """Return the factors of a fit whose unknown levels are averaged over."""
        marginal = marginal_factors(self.population, self._posterior.factor_names)
        return marginal & set(posterior.factor_names)

    def _draws(
        self,
        asked: Asked,
        rng: np.random.RandomState,
        draw: Callable[[Learned, Design, Rows, np.random.RandomState], np.ndarray],
    ) -> np.ndarray:
        """Return drawn coefficients of each question, (n_draws, n_questions, K).

        What a person has in contexts that were answered and in new ones comes from
        the same random numbers: who follows others here does there.

        Parameters
        ----------
        asked : Asked
            The questions.
        rng : RandomState
            Source of the draws.
        draw : callable
            Returns linear predictors of rows, (n_draws, n_rows), of what was learned.
        """
        people, person = self._people(asked)
        rows = self._unit_rows(people, len(asked.row))
        _, design = self._build(rows)
        n_people = len(rows.judgment) // rows.n_options
        newcomers = self._are_newcomers(people, n_people)[person]
        in_new = self._are_new(asked.contexts)
        result: np.ndarray | None = None
        for is_newcomer in (False, True):
            state, drawn = rng.get_state(), False
            for is_new, pair in enumerate(self._learned):
                questions = (in_new == is_new) & (newcomers == is_newcomer)
                if not questions.any():
                    continue
                learned = pair[is_newcomer]
                source = rng
                if drawn and not learned.lacking:
                    source = np.random.RandomState()
                    source.set_state(state)
                drawn = True
                eta = draw(learned, self._columns_for(learned, design), rows, source)
                theta = eta.reshape(len(eta), -1, rows.n_options)
                theta = self._with_held(theta[:, :, 1:] - theta[:, :, :1])
                if result is None:
                    result = np.empty((len(theta), len(person), theta.shape[2]))
                result[:, questions] = theta[:, person[questions]]
        assert result is not None
        return result

    def _draw(
        self,
        n_draws: int,
        learned: Learned,
        design: Design,
        rows: Rows,
        rng: np.random.RandomState,
    ) -> np.ndarray:
        """Draw linear predictors of rows from the posterior, (n_draws, n_rows)."""
        return draw_posterior(
            learned.posterior,
            design,
            n_draws,
            rng,
            new_levels=self._new_levels(design, rows.ids, everyone=False),
            marginal=self._marginal(learned.posterior),
        )

    def _draw_new(
        self,
        n_draws: int,
        conditional: bool,
        learned: Learned,
        design: Design,
        rows: Rows,
        rng: np.random.RandomState,
    ) -> np.ndarray:
        """Draw linear predictors of rows from the population, (n_draws, n_rows).

        If ``conditional``, only those of new participants and items.
        """
        levels = self._new_levels(design, rows.ids, everyone=not conditional)
        if conditional:
            return draw_conditional(
                learned.posterior, design, n_draws, rng, new_levels=levels
            )
        return draw_prior(
            learned.posterior,
            design,
            n_draws,
            rng,
            levels=levels,
            ridge_variance=learned.ridge_variance,
        )
