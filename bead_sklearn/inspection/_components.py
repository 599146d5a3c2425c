"""Variance components of grouping factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bead_sklearn.effects import FactorStructure, RandomFactor
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
    n_groups : int
        Number of levels.
    n_observations_per_group : ndarray of shape (n_groups,)
        Sum of the weights of each level's judgments.
    mean_square : float
        Average of z'Gz over the judgments (and outputs): the variance that this
        factor adds to the linear predictor, or to the difference of two alternatives.
    dependence : ndarray of shape (r, r) or None
        The covariance matrix G where the effects of a level covary; None where they
        are independent.
    is_estimated : bool
        Whether the covariance is estimated rather than held.
    level_variances : ndarray of shape (n_groups,) or None
        Variance of every effect of each level where ``regularization_strength`` sets
        it; ``covariance`` is then the mean over the levels.

    Examples
    --------
    >>> from bead_sklearn import BinaryClassifier
    >>> from bead_sklearn.datasets import make_judgments
    >>> d = make_judgments("binary", n_participants=20, n_items=50, random_state=0)
    >>> model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    >>> [component] = model.variance_components_
    >>> component.covariance.shape
    (1, 1)
    """

    grouping_factor: str
    effect_type: str
    effect_names: tuple[str, ...]
    variance: np.ndarray
    n_groups: int
    n_observations_per_group: np.ndarray
    mean_square: float
    dependence: np.ndarray | None = None
    is_estimated: bool = True
    level_variances: np.ndarray | None = None

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations of the effects."""
        return np.sqrt(self.variance)

    @property
    def covariance(self) -> np.ndarray:
        """The covariance matrix G, (r, r)."""
        return np.diag(self.variance) if self.dependence is None else self.dependence

    @property
    def correlation(self) -> np.ndarray:
        """Correlations, (r, r); 0 with an effect whose variance is zero."""
        units = np.where(self.sd > 0, self.sd, 1.0)
        correlation = self.covariance / np.outer(units, units)
        np.fill_diagonal(correlation, 1.0)
        return correlation

    @property
    def is_singular(self) -> bool:
        """Whether the covariance matrix is not of full rank."""
        if (self.variance <= 0).any():
            return True
        if self.dependence is None:
            return False
        return bool(np.linalg.eigvalsh(self.correlation)[0] < _SINGULAR)


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
        structure = structures[factor.name]
        variance, dependence = structure.population(fitted)
        sds = structure.prior.sds
        level_variances = None if sds is None else sds**2
        if level_variances is not None:
            variance = variance * level_variances.mean()
            if dependence is not None:
                dependence = dependence * level_variances.mean()
        intercept = "(Intercept)" in structure.column_names
        slopes = len(structure.column_names) > int(intercept)
        kinds = ["intercept"] * intercept + ["slope"] * slopes
        z, units = factor.z, 1.0
        if factor.varies_in_sets:
            units = 2.0  # the difference of two levels
        elif design.sets is not None:
            z = compare_alternatives(z, design.sets)
        added = units * np.einsum("ia,ia->i", z @ _mean_output(fitted, factor), z)
        components.append(
            VarianceComponents(
                grouping_factor=factor.name,
                effect_type=" and ".join(kinds),
                effect_names=structure.effect_names,
                variance=variance,
                n_groups=factor.n_levels,
                n_observations_per_group=structure.prior.n_observations,
                mean_square=float(np.average(added, weights=weights)),
                dependence=dependence,
                is_estimated=estimated,
                level_variances=level_variances,
            )
        )
    return components


def _mean_output(covariance: np.ndarray, factor: RandomFactor) -> np.ndarray:
    """Return the covariance of the effects on one output, averaged over these."""
    n_outputs = factor.n_outputs
    blocks = covariance.reshape(-1, n_outputs, len(covariance) // n_outputs, n_outputs)
    mean: np.ndarray = np.einsum("ajbj->ab", blocks) / n_outputs
    return mean


def compare_alternatives(rows: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Return rows relative to their set, scaled to differences between two of it.

    The mean square over the rows of a set is that of all differences of two rows.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, k)
        What alternatives have.
    sets : ndarray of shape (n_rows,)
        Choice set of each row, in order.
    """
    starts = np.flatnonzero(np.diff(sets, prepend=-1))
    sizes = np.diff(np.append(starts, len(sets)))
    means = np.add.reduceat(rows, starts) / sizes[:, None]
    units = np.sqrt(2.0 * sizes / np.maximum(sizes - 1, 1))
    relative: np.ndarray = (rows - means[sets]) * units[sets][:, None]
    return relative
