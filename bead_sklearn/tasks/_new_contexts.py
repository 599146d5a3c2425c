"""What a model of candidates knows of contexts that nobody answered in fit.

In a context that others answered, what is typical there says most. Coefficients learned
from such contexts are too sure elsewhere, so those of new contexts are learned apart:
from the same answers, each predicted from contexts other than its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bead_sklearn._tables import format_number, format_p_value, lay_out
from bead_sklearn.inspection import (
    FactorEffects,
    FixedEffect,
    Summary,
    VarianceComponents,
)
from bead_sklearn.inspection._fixed_effects import fixed_effects
from bead_sklearn.solvers import Posterior
from bead_sklearn.tasks._features import FeatureBuilder


@dataclass(frozen=True)
class Learned:
    """Coefficients and effects of some people in some contexts.

    Attributes
    ----------
    posterior : Posterior
        Of them.
    ridge_variance : float
        Prior variance of coefficients whose ridge was estimated; 0 without one.
    lacking : frozenset of str
        Columns without a coefficient here.
    is_newcomer : bool
        Whether there are no effects on features of a person's own answers.
    """

    posterior: Posterior
    ridge_variance: float = 0.0
    lacking: frozenset[str] = frozenset()
    is_newcomer: bool = False


@dataclass(frozen=True)
class NewContexts:
    """What holds in contexts that nobody answered in fit; ``print`` it.

    Attributes
    ----------
    n_observations : float
        How many answers it was learned from, each predicted from other contexts.
    coef : ndarray of shape (1, n_coefficients)
        Coefficients in the order of ``coef_names_``; 0 where a feature is a
        combination of others in such contexts.
    fixed_effects : list of FixedEffect
        Unpenalised coefficients with their standard errors.
    n_ridge : int
        Number of coefficients under the ridge.
    effects : dict of str to FactorEffects
        Effects of participants and items, by factor.
    variance_components : list of VarianceComponents
        Their variances.
    log_likelihood : float
        Of the fit.
    """

    n_observations: float
    coef: np.ndarray
    fixed_effects: list[FixedEffect]
    n_ridge: int
    effects: dict[str, FactorEffects]
    variance_components: list[VarianceComponents]
    log_likelihood: float

    def __str__(self) -> str:
        lines = [
            "In contexts that nobody answered, from "
            f"{self.n_observations:g} answers predicted from other contexts:"
        ]
        rows: list[tuple[str, ...]] = [("", "Estimate", "SE", "z", "p")]
        rows += [
            (
                effect.name,
                format_number(effect.estimate),
                format_number(effect.standard_error),
                f"{effect.z:.2f}",
                format_p_value(effect.p_value),
            )
            for effect in self.fixed_effects
        ]
        if self.fixed_effects:
            lines += lay_out(rows, "lrrrr")
        if self.n_ridge:
            lines.append(f"{self.n_ridge} coefficients under a ridge")
        for component in self.variance_components:
            sds = zip(component.effect_names, component.sd, strict=True)
            shown = ", ".join(f"{name} {format_number(sd)}" for name, sd in sds)
            lines.append(f"SD of effects of {component.grouping_factor}: {shown}")
        return "\n".join(lines)

    __repr__ = __str__


@dataclass(frozen=True)
class CandidateSummary(Summary):
    """Summary of a choice among candidates, new contexts included.

    Attributes
    ----------
    new_contexts : NewContexts or None
        What holds in contexts that nobody answered in fit. Everything else is about
        contexts that others answered.
    """

    new_contexts: NewContexts | None = None

    def __str__(self) -> str:
        own = super().__str__()
        return own if self.new_contexts is None else f"{own}\n\n{self.new_contexts}"

    __repr__ = __str__


def estimates(
    features: FeatureBuilder, learned: Learned
) -> tuple[np.ndarray, list[FixedEffect]]:
    """Return all coefficients, and those that are unpenalised as a table.

    Parameters
    ----------
    features : FeatureBuilder
        Names of the columns, and the columns as the solver had them.
    learned : Learned
        Estimates, perhaps without some of the columns.

    Returns
    -------
    coefficients : ndarray of shape (1, n_coefficients)
        Per unit of the columns; 0 for those that are lacking.
    table : list of FixedEffect
        Without those that are lacking.
    """
    posterior = learned.posterior
    names = features.coefficient_names_
    kept = [j for j, name in enumerate(names) if name not in learned.lacking]
    fixed = np.zeros(len(names))
    fixed[kept] = posterior.fixed
    covariance = np.zeros((len(names), len(names)))
    covariance[np.ix_(kept, kept)] = posterior.fixed_covariance()
    whole = replace(posterior, fixed=fixed, fixed_marginal=covariance)
    table: list[Any] = fixed_effects(features, whole, None)
    coefficients = features.coefficients(fixed, posterior.ridge)[1]
    return coefficients, [table[j] for j in kept]
