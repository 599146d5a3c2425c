"""Checks of the prior of random effects against the data."""

from __future__ import annotations

import warnings

from bead_sklearn.effects import FactorStructure, MixedEffects
from bead_sklearn.tasks._features import FeatureBuilder


def check_prior_mean(mixed_effects: MixedEffects, features: FeatureBuilder) -> None:
    """Raise if slopes in directions without a name would get a mean.

    Parameters
    ----------
    mixed_effects : MixedEffects
        The user's description.
    features : FeatureBuilder
        The fitted features.

    Raises
    ------
    ValueError
        If ``prior_mean`` is not 0 and participant-specific heads are in a basis of
        the row space, whose directions have no sign of their own.
    """
    heads = mixed_effects.formula is None and mixed_effects.mode == "random_slopes"
    if mixed_effects.prior_mean and heads and features.ridge_basis_ is not None:
        raise ValueError(
            f"prior_mean must be 0 where X has more features than distinct rows and "
            "mode='random_slopes': the slopes are then those of rotated features, "
            f"whose mean means nothing. Got prior_mean={mixed_effects.prior_mean:g}. "
            "Use fewer features, or a formula."
        )


def warn_if_all_levels_are_new(structures: list[FactorStructure]) -> None:
    """Warn of factors none of whose levels has enough judgments for its effects."""
    for structure in structures:
        prior = structure.prior
        if not prior.known.any():
            warnings.warn(
                f"No level of the factor {structure.name!r} has "
                f"min_samples_for_random_effects={prior.smallest} judgments (the most "
                f"are {prior.n_observations.max():g}), so that every prediction is "
                "that for a new level. Lower min_samples_for_random_effects.",
                UserWarning,
                stacklevel=4,
            )
