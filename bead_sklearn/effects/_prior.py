"""What a description of effects says about the levels of one factor.

The penalty of a strength lambda is added to the mean negative log-likelihood,

    -(1/N) sum_i log p(y_i | eta_i) + lambda sum_g w_g |u_g - mu_0|^2,

which is, N times larger, minus the logarithm of u_g ~ N(mu_0, I / (2 N lambda w_g)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bead_sklearn.effects._mixed_effects import MixedEffects


@dataclass(frozen=True)
class LevelPrior:
    """Prior of the effects of each level, beside the covariance they share.

    Attributes
    ----------
    mean : float
        Mean of every effect.
    sds : ndarray of shape (n_levels,) or None
        Prior standard deviation of the effects of each level where a penalty sets it;
        None where all levels have the same covariance.
    new_sd : float
        That of a level without judgments; 1 if ``sds`` is None.
    n_observations : ndarray of shape (n_levels,)
        Sum of the weights of each level's judgments.
    smallest : int
        Judgments that a level needs for predictions to use its effects; with 1 those
        of every level are used, also if its weights sum to less.
    """

    mean: float
    sds: np.ndarray | None
    new_sd: float
    n_observations: np.ndarray
    smallest: int

    @property
    def known(self) -> np.ndarray:
        """Whether predictions use the effects of each level, (n_levels,)."""
        return (self.n_observations >= self.smallest) | (self.smallest == 1)

    def scale(self, z: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return covariates z (n_rows, r) for effects in the unit of each level."""
        if self.sds is None:
            return z
        return z * np.where(codes >= 0, self.sds[codes], self.new_sd)[:, None]

    def known_codes(self, codes: np.ndarray) -> np.ndarray:
        """Return the codes with levels that are not known as new ones, -1."""
        return np.where((codes >= 0) & self.known[codes], codes, -1)

    def effects(self, standard: np.ndarray) -> np.ndarray:
        """Return effects (q, r) from deviations in the unit of each level."""
        units = 1.0 if self.sds is None else self.sds[:, None]
        return self.mean + units * standard

    def variances(
        self, standard: np.ndarray, levels: int | slice = slice(None)
    ) -> np.ndarray:
        """Return variances (n_levels, ...) from those in the unit of each level."""
        if self.sds is None:
            return standard
        return (standard.T * self.sds[levels] ** 2).T


def level_prior(
    mixed_effects: MixedEffects, codes: np.ndarray, weights: np.ndarray
) -> LevelPrior:
    """Return the prior of the levels of one factor.

    Parameters
    ----------
    mixed_effects : MixedEffects
        The user's description.
    codes : ndarray of shape (n_rows,)
        Level of each judgment.
    weights : ndarray of shape (n_rows,)
        How many times each judgment counts.
    """
    counts = np.bincount(codes, weights=weights)
    smallest = mixed_effects.min_samples_for_random_effects
    strength = mixed_effects.regularization_strength
    if strength is None:
        return LevelPrior(mixed_effects.prior_mean, None, 1.0, counts, smallest)
    # Prior variances 1 / (2 N lambda w), with w = 1 / max(n, smallest) or 1.
    unit = 1.0 / (2.0 * strength * float(weights.sum()))
    sizes, new_size = np.ones(len(counts)), 1.0
    if mixed_effects.is_adaptive:
        sizes, new_size = np.maximum(counts, smallest), float(smallest)
    return LevelPrior(
        mean=mixed_effects.prior_mean,
        sds=np.sqrt(unit * sizes),
        new_sd=float(np.sqrt(unit * new_size)),
        n_observations=counts,
        smallest=smallest,
    )
