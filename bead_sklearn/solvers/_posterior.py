"""What is known about the latent variables once a model is fitted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from bead_sklearn._threads import blas_threads
from bead_sklearn.effects import LevelMatrices
from bead_sklearn.solvers._algebra import EffectCovariances, NormalEquations
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._levelwise_factorization import LevelwiseCovariances
from bead_sklearn.solvers._sparse_factorization import SparseCovariances
from bead_sklearn.solvers._variances import Covariances


@dataclass(frozen=True)
class Posterior:
    """Normal approximation to the posterior of all effects.

    Attributes
    ----------
    factor_names : tuple of str
        Grouping factors, the eliminated one first.
    effects : list of ndarray of shape (q, r)
        Posterior means of the effects of each factor.
    modes : list of ndarray of shape (q, r)
        Conditional modes, what lme4's ``ranef`` gives.
    covariances : list of ndarray of shape (r, r)
        G of each factor, the prior covariance of the effects of one level.
    ridge : ndarray of shape (d,)
        Coefficients of the ridge features.
    fixed : ndarray of shape (p,)
        Fixed effects.
    joint : EffectCovariances
        Posterior covariance of all effects at the estimated variances.
    fixed_marginal : ndarray of shape (p, p) or None
        Covariance of the fixed effects, the variances and the parameters of the family
        being estimated too; None where that makes no difference.
    """

    factor_names: tuple[str, ...]
    effects: list[np.ndarray]
    modes: list[np.ndarray]
    covariances: list[np.ndarray]
    ridge: np.ndarray
    fixed: np.ndarray
    joint: EffectCovariances
    fixed_marginal: np.ndarray | None = None

    def mean(self, design: Design) -> np.ndarray:
        """Return the mean of eta, flat; unknown levels contribute nothing.

        Parameters
        ----------
        design : Design
            Rows to predict, in the columns of the fit; level code -1 is unknown.
        """
        mean = design.dense_matvec(design.fixed, self.fixed)
        if design.offset is not None:
            mean = mean + design.offset
        if design.ridge is not None:
            with blas_threads(self.joint.side):
                mean = mean + design.dense_matvec(design.ridge, self.ridge)
        for factor, effects in zip(design.factors, self.effects, strict=True):
            mean = mean + factor.matvec(effects)
        return mean

    def predict(
        self, design: Design, *, marginal: Collection[str] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and variance of the linear predictor, one per row.

        Parameters
        ----------
        design : Design
            Rows to predict, in the columns of the fit; level code -1 is unknown.
        marginal : collection of str, default=None
            Factors whose unknown levels contribute their prior variance z'Gz; None is
            all of them. The effects of unknown levels of others are taken to be zero.

        Returns
        -------
        mean, variance : ndarray of shape (n_rows,)
            Moments of eta given the judgments, at the estimated variances.
        """
        with blas_threads(self.joint.side):
            variance = self.joint.predictor_variances(design)
        for factor, covariance in zip(design.factors, self.covariances, strict=True):
            is_unknown = factor.codes < 0
            is_marginal = marginal is None or factor.name in marginal
            if is_marginal:
                prior = np.einsum("ia,ia->i", factor.z @ covariance, factor.z)
                variance = variance + np.where(is_unknown, prior, 0.0)
            if factor.unspanned is not None:
                prior = covariance[-1, -1] * factor.unspanned
                variance = variance + np.where(~is_unknown | is_marginal, prior, 0.0)
        return self.mean(design), variance

    def exact_joint(self, levels: np.ndarray | None = None) -> Covariances:
        """Return the joint covariance of all effects as matrices.

        Parameters
        ----------
        levels : ndarray of int, default=None
            Levels of the first factor; None is all of them.

        Raises
        ------
        ValueError
            If the model was fitted iteratively, without such matrices.
        """
        if isinstance(self.joint, LevelwiseCovariances):
            every = np.arange(len(self.effects[0]))
            return self.joint.dense(every if levels is None else levels)
        if isinstance(self.joint, SparseCovariances):
            every = np.arange(len(self.effects[0]))
            return self.joint.at_levels(every if levels is None else levels)
        if not isinstance(self.joint, Covariances):
            raise ValueError(
                "The joint covariance of all effects is not known: a model with "
                "so many levels is solved iteratively. Means and variances are."
            )
        if levels is None:
            return self.joint
        own, cross, rest = self.joint
        return Covariances(own[levels], cross[levels], rest)

    def fixed_covariance(self) -> np.ndarray:
        """Return the covariance of the fixed effects."""
        if self.fixed_marginal is not None:
            return self.fixed_marginal
        return self.joint.fixed_block(len(self.fixed))

    def conditional_covariances(self, factor: int) -> LevelMatrices:
        """Return the covariance of the effects of each level, (q, r, r).

        Levels that lack effects have a smaller matrix of their own.
        """
        joint = self.joint
        n_eliminated = 0 if isinstance(joint, Covariances) and not len(joint.own) else 1
        if factor < n_eliminated:
            return self.joint.own
        start = sum(effects.size for effects in self.effects[n_eliminated:factor])
        q, r = self.effects[factor].shape
        return self.joint.level_blocks(start, q, r)


def make_posterior(
    design: Design,
    factorization: NormalEquations,
    *,
    own: np.ndarray,
    rest: np.ndarray,
    own_skew: np.ndarray,
    rest_skew: np.ndarray,
    fixed: np.ndarray,
    sigma: float,
) -> Posterior:
    """Collect the posterior from the solution of a solver.

    Parameters
    ----------
    design : Design
        The linear predictor.
    factorization : NormalEquations
        Normal equations at the solution, the fixed part included.
    own, rest : ndarray
        Standardised latent variables at the mode; the fixed part of ``rest`` is
        ignored if present.
    own_skew, rest_skew : ndarray
        Twice the distance from the mode to the posterior mean.
    fixed : ndarray of shape (p,)
        Fixed effects.
    sigma : float
        Unit of the scales, 1 except for the normal family.

    Returns
    -------
    posterior : Posterior
        In the unit of eta.
    """
    scales = factorization.scales
    first = scales.first
    modes, effects = [], []
    if design.n_eliminated:
        modes.append(own @ first.T)
        effects.append((own - 0.5 * own_skew) @ first.T)
    rest_modes = scales.rest(rest)
    rest_means = scales.rest(rest - 0.5 * rest_skew)
    *factor_slices, ridge, _ = design.rest_slices
    for factor, part in zip(design.rest_factors, factor_slices, strict=True):
        shape = (factor.n_levels, factor.size)
        modes.append(rest_modes[part].reshape(shape))
        effects.append(rest_means[part].reshape(shape))
    return Posterior(
        factor_names=tuple(factor.name for factor in design.factors),
        effects=effects,
        modes=modes,
        covariances=[sigma**2 * scale @ scale.T for scale in scales.factors],
        ridge=rest_means[ridge],
        fixed=fixed,
        joint=factorization.covariances(design.n_rest).scaled(sigma**2),
    )
