"""Effects of single participants or items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bead_sklearn.effects import FactorStructure, LevelMatrices
from bead_sklearn.inputs import match_levels
from bead_sklearn.solvers import Posterior


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
    variances : ndarray of shape (n_levels, r)
        Conditional variances, the uncertainty of the fixed effects included.
    n_observations : ndarray of shape (n_levels,)
        Sum of the weights of each level's judgments.
    known : ndarray of bool of shape (n_levels,)
        Whether predictions use these effects; levels with fewer than
        ``min_samples_for_random_effects`` judgments are predicted as new ones.
    structure : FactorStructure
        How the effects are fitted.
    fitted : ndarray of shape (n_levels, k, k) or LevelMatrices
        Conditional covariances of the effects that were fitted.
    prior : ndarray of shape (k, k)
        Their covariance in the population.

    Notes
    -----
    Participant-specific heads over many features have fewer effects in the fit than
    coefficients: as many as the most judged participant judged different texts. The
    covariances of all coefficients of all levels can be far larger than anything else
    in the model, so they are made when asked for, of one level by `covariance` or of
    all by ``covariances``.

    Examples
    --------
    >>> from bead_sklearn import BinaryClassifier
    >>> from bead_sklearn.datasets import make_judgments
    >>> d = make_judgments("binary", n_participants=20, n_items=50, random_state=0)
    >>> model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    >>> effects = model.effects_["groups"]
    >>> effects.covariances.shape, effects.covariance(effects.levels[0]).shape
    ((20, 1, 1), (1, 1))
    """

    grouping_factor: str
    levels: np.ndarray
    effect_names: tuple[str, ...]
    modes: np.ndarray
    variances: np.ndarray
    n_observations: np.ndarray
    known: np.ndarray
    structure: FactorStructure
    fitted: LevelMatrices
    prior: np.ndarray

    @property
    def sds(self) -> np.ndarray:
        """Conditional standard deviations, (n_levels, r)."""
        return np.sqrt(self.variances)

    @property
    def covariances(self) -> np.ndarray:
        """Conditional covariances, (n_levels, r, r)."""
        return self.structure.covariances(self.fitted, self.prior)

    def covariance(self, level: Any) -> np.ndarray:
        """Return the conditional covariance of the effects of one level.

        Parameters
        ----------
        level : object
            The id.

        Returns
        -------
        covariance : ndarray of shape (r, r)
            In the order of ``effect_names``.

        Raises
        ------
        ValueError
            If no such level was seen in fit.
        """
        code = int(match_levels(self.levels, [level])[0])
        if code < 0:
            raise ValueError(
                f"level must be a level of {self.grouping_factor!r} that was seen in "
                f"fit. Got {level!r}."
            )
        return self.structure.covariance(code, self.fitted[code], self.prior)


def factor_effects(
    posterior: Posterior, structures: dict[str, FactorStructure]
) -> dict[str, FactorEffects]:
    """Describe the effects of the levels of each factor.

    Parameters
    ----------
    posterior : Posterior
        Of a fitted model.
    structures : dict of str to FactorStructure
        The factors by name, which know the columns of X.
    """
    effects = {}
    for index, name in enumerate(posterior.factor_names):
        structure = structures[name]
        fitted = posterior.conditional_covariances(index)
        prior = posterior.covariances[index]
        effects[name] = FactorEffects(
            grouping_factor=name,
            levels=structure.levels,
            effect_names=structure.effect_names,
            modes=structure.modes(posterior.modes[index]),
            variances=structure.variances(fitted, prior),
            n_observations=structure.prior.n_observations,
            known=structure.prior.known,
            structure=structure,
            fitted=fitted,
            prior=prior,
        )
    return effects
