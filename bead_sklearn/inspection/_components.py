"""Variance components and effects of single participants or items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bead_sklearn.effects import FactorStructure
from bead_sklearn.solvers import Design, Posterior

#: An eigenvalue of the correlation matrix below this makes a fit singular.
_SINGULAR = 1e-6


@dataclass(frozen=True)
class VarianceComponents:
    """Covariance of the effects of one grouping factor.

    Attributes
    ----------
    grouping_factor : str
        Name of the factor.
    effect_type : str
        "intercept", "slope" or "intercept and slope".
    effect_names : tuple of str
        Names of the effects.
    variance : ndarray of shape (r,)
        Variances on the scale of the linear predictor.
    covariance : ndarray of shape (r, r)
        The covariance matrix G.
    correlation : ndarray of shape (r, r)
        Correlations; 0 with an effect whose variance is zero.
    n_groups : int
        Number of levels.
    n_observations_per_group : ndarray of shape (n_groups,)
        Sum of the weights of each level's judgments.
    mean_square : float
        Average of z'Gz over the judgments: the variance this factor adds.
    is_estimated : bool
        Whether the covariance is estimated rather than held.
    level_variances : ndarray of shape (n_groups,) or None
        Variance of every effect of each level where ``regularization_strength`` sets
        it; ``covariance`` is then the mean over the levels.
    """

    grouping_factor: str
    effect_type: str
    effect_names: tuple[str, ...]
    variance: np.ndarray
    covariance: np.ndarray
    correlation: np.ndarray
    n_groups: int
    n_observations_per_group: np.ndarray
    mean_square: float
    is_estimated: bool = True
    level_variances: np.ndarray | None = None

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations of the effects."""
        return np.sqrt(self.variance)

    @property
    def is_singular(self) -> bool:
        """Whether the covariance matrix is not of full rank."""
        if (self.variance <= 0).any():
            return True
        return bool(np.linalg.eigvalsh(self.correlation)[0] < _SINGULAR)


@dataclass(frozen=True)
class FactorEffects:
    """Effects of the levels of one grouping factor.

    Attributes
    ----------
    grouping_factor : str
        Name of the factor.
    levels : ndarray of shape (n_levels,)
        The ids.
    effect_names : tuple of str
        Names of the effects.
    modes : ndarray of shape (n_levels, r)
        Conditional modes, in the unit of the linear predictor.
    covariances : ndarray of shape (n_levels, r, r)
        Conditional covariances, the uncertainty of the fixed effects included.
    n_observations : ndarray of shape (n_levels,)
        Sum of the weights of each level's judgments.
    known : ndarray of bool of shape (n_levels,)
        Whether predictions use these effects; levels with fewer than
        ``min_samples_for_random_effects`` judgments are predicted as new ones.
    """

    grouping_factor: str
    levels: np.ndarray
    effect_names: tuple[str, ...]
    modes: np.ndarray
    covariances: np.ndarray
    n_observations: np.ndarray
    known: np.ndarray

    @property
    def sds(self) -> np.ndarray:
        """Conditional standard deviations, (n_levels, r)."""
        return np.sqrt(np.diagonal(self.covariances, axis1=1, axis2=2))


def variance_components(
    design: Design,
    posterior: Posterior,
    weights: np.ndarray,
    structures: dict[str, FactorStructure],
    *,
    estimated: bool,
) -> list[VarianceComponents]:
    """Describe the covariance of each factor's effects.

    Parameters
    ----------
    design : Design
        The fitted linear predictor.
    posterior : Posterior
        Its estimates.
    weights : ndarray of shape (n_rows,)
        Row weights.
    structures : dict of str to FactorStructure
        The factors by name, which know the columns of X.
    estimated : bool
        Whether the covariances are estimated rather than held.
    """
    components = []
    for factor, fitted in zip(design.factors, posterior.covariances, strict=True):
        matrix = structures[factor.name].to_columns()
        covariance = matrix @ fitted @ matrix.T
        sds = structures[factor.name].prior.sds
        level_variances = None if sds is None else sds**2
        if level_variances is not None:
            covariance = covariance * level_variances.mean()
        variance = np.diagonal(covariance).copy()
        sd = np.sqrt(variance)
        units = np.where(sd > 0, sd, 1.0)
        correlation = covariance / np.outer(units, units)
        np.fill_diagonal(correlation, 1.0)
        intercept = "(Intercept)" in factor.effect_names
        slopes = len(factor.effect_names) > int(intercept)
        kinds = ["intercept"] * intercept + ["slope"] * slopes
        added = np.einsum("ia,ab,ib->i", factor.z, fitted, factor.z)
        components.append(
            VarianceComponents(
                grouping_factor=factor.name,
                effect_type=" and ".join(kinds),
                effect_names=factor.effect_names,
                variance=variance,
                covariance=covariance,
                correlation=correlation,
                n_groups=factor.n_levels,
                n_observations_per_group=structures[factor.name].prior.n_observations,
                mean_square=float(np.average(added, weights=weights)),
                is_estimated=estimated,
                level_variances=level_variances,
            )
        )
    return components
