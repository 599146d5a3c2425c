"""Coefficients of those who answer in words, known and new."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bead_sklearn.families import ConditionalLogit
from bead_sklearn.inputs import match_levels
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
from bead_sklearn.tasks._alternatives import SampledRows
from bead_sklearn.tasks._candidate_fit import CandidateModel
from bead_sklearn.tasks._population import marginal_factors
from bead_sklearn.tasks._questions import Asked, distinct_people
from bead_sklearn.tasks._rows import AlternativeRows, Rows
from bead_sklearn.tasks._utilities import OWN_FEATURES


class CandidateCoefficients(CandidateModel):
    """A model that has the distribution of each person's coefficients."""

    def _store(self, fit: MixedModelFit, design: Design, rows: Rows) -> None:
        """Fit what is known of participants without answers of their own, too.

        Nothing is known about their words and lengths, and the coefficients of the
        other features mean what they mean beside these: newcomers have coefficients
        of their own, which vary as they do without these, from the same answers.
        """
        super()._store(fit, design, rows)
        self.coef_names_ = [*self.coef_names_, *self._held]
        self.coef_ = np.append(self.coef_, [[*self._held.values()]], axis=1)
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
        """Leave out features of one person's answers, and effects on them."""
        own = tuple(OWN_FEATURES)
        fixed = _columns_of(design.fixed, self._features.coefficient_names_, own)
        ridge = design.ridge
        if ridge is not None:
            ridge = _columns_of(ridge, self._features.ridge_names_, own)
        factors = tuple(
            factor
            for factor in design.factors
            if not any(name.startswith(own) for name in factor.effect_names)
        )
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

    def _coefficients(
        self, ids: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean (n_people, K) and covariance (n_people, K, K) of coefficients.

        Those that are held are one more, of the sum of what they stand for.
        """
        rows = self._unit_rows(ids, 1)
        _, design = self._build(rows)
        mean, covariance = self._moments(self._posterior, design, rows)
        new = self._are_newcomers(ids, len(mean))
        if new.any():
            assert self._newcomers is not None
            found = self._moments(self._newcomers, self._without_own(design), rows)
            mean[new], covariance[new] = (part[new] for part in found)
        n_held = int(bool(self._held))
        padding = ((0, 0), (0, n_held), (0, n_held))
        return self._with_held(mean), np.pad(covariance, padding)

    def _with_held(self, theta: np.ndarray) -> np.ndarray:
        """Append the coefficient of what is held, 1."""
        padding = [(0, 0)] * (theta.ndim - 1) + [(0, int(bool(self._held)))]
        return np.pad(theta, padding, constant_values=1.0)

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
        return self._with_held(theta[:, :, 1:] - theta[:, :, :1])

    def _draw_new(
        self,
        posterior: Posterior,
        design: Design,
        rows: AlternativeRows,
        n_draws: int,
        rng: np.random.RandomState,
        conditional: bool,
    ) -> np.ndarray:
        """Draw the coefficients that unit rows stand for from the population.

        If ``conditional``, only those of new participants and items.
        """
        levels = self._new_levels(design, rows.ids, everyone=not conditional)
        if conditional:
            theta = draw_conditional(posterior, design, n_draws, rng, new_levels=levels)
        else:
            is_estimated = self._options.variances.alpha is None
            theta = draw_prior(
                posterior,
                design,
                n_draws,
                rng,
                levels=levels,
                ridge_variance=self._ridge_variance() if is_estimated else 0.0,
            )
        theta = theta.reshape(n_draws, -1, rows.n_options)
        return self._with_held(theta[:, :, 1:] - theta[:, :, :1])


def _columns_of(
    block: DenseBlock, names: list[str], without: tuple[str, ...]
) -> DenseBlock:
    """Return the columns of a block whose names do not begin in some ways."""
    kept = [j for j, name in enumerate(names) if not name.startswith(without)]
    return DenseBlock(block.values[:, kept], block.index)
