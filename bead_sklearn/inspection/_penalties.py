"""What beside the likelihood decided the estimates of a fit."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NoReturn

from bead_sklearn.effects import MixedEffects
from bead_sklearn.families import QuadraticFamily


def check_likelihoods_are_largest(models: list[Any]) -> None:
    """Raise if a prior drew the estimates away from the maximum of the likelihood.

    Twice the difference of two log-likelihoods is about chi-square distributed where
    each is the maximum over its parameters.

    Parameters
    ----------
    models : list of MixedModel
        Fitted models.
    """
    for model in models:
        if has_prior(model):
            raise ValueError(
                "Models cannot be compared by chi-square: one was fitted with "
                f"prior_sd_scale={model._mixed_effects.prior_sd_scale:g}, and its "
                "log-likelihood is that at penalised estimates, not the maximum. Fit "
                "all with prior_sd_scale=None, or simulate: bootstrap_test."
            )


def check_same_penalties(models: list[Any]) -> None:
    """Raise if models differ in what they hold fixed, so that they are not nested.

    Parameters
    ----------
    models : list of MixedModel
        Fitted models.
    """
    for first, second in pairwise(models):
        _check_ridge(first, second)
        _check_effects(first, second)


def messages(models: list[Any]) -> list[str]:
    """Return what makes likelihood-ratio tests of models inexact."""
    found = []
    if any(_ridge_has_prior(model) for model in models):
        found.append(
            "The precision of a ridge was estimated under a weak prior (2.5 logits), "
            "which matters where judgments are few: p is approximate"
        )
    solutions = [model._solution for model in models]
    if any(fit.n_quadrature == 0 and not fit.reml for fit in solutions):
        found.append(
            "n_quadrature=0: the likelihood was not maximised over the fixed effects, "
            "p is approximate"
        )
    error = max(fit.monte_carlo_error for fit in solutions)
    if error > 0:
        found.append(
            "Log-likelihoods were computed iteratively, up to a standard error of "
            f"{error:.2g}: p is approximate"
        )
    return found


def has_prior(model: Any) -> bool:
    """Whether standard deviations of effects were estimated under a prior."""
    return model._mixed_effects.prior_sd_scale is not None and bool(model._structures)


def _ridge_has_prior(model: Any) -> bool:
    is_estimated = model._options.variances.alpha is None
    is_latent = not isinstance(model._family, QuadraticFamily)
    return bool(model._features.ridge_names_) and is_estimated and is_latent


def _check_ridge(first: Any, second: Any) -> None:
    ridges = [model._features.ridge_names_ for model in (first, second)]
    held = [model._options.variances.alpha for model in (first, second)]
    if all(ridges):
        if sorted(ridges[0]) != sorted(ridges[1]):
            _refuse(
                "have different columns under a ridge, "
                f"{len(ridges[0])} and {len(ridges[1])}"
            )
        if held[0] != held[1]:
            shown = ["auto" if alpha is None else f"{alpha:g}" for alpha in held]
            _refuse(
                f"have ridges of different precision, alpha={shown[0]} and "
                f"alpha={shown[1]}"
            )
    elif any(ridges):
        alpha = held[0] if ridges[0] else held[1]
        if alpha is not None:
            _refuse(
                f"differ by a ridge whose precision is held, alpha={alpha:g}, rather "
                "than estimated"
            )


def _check_effects(first: Any, second: Any) -> None:
    models = [model for model in (first, second) if model._structures]
    if not models:
        return
    held = [_held(model._mixed_effects) for model in models]
    if len(set(held)) > 1:
        _refuse(f"hold variances of effects differently, {held[0]} and {held[1]}")
    means = [model._mixed_effects.prior_mean for model in models]
    if len(set(means)) > 1:
        _refuse(f"have effects of different prior_mean, {means[0]:g} and {means[1]:g}")
    if _effects(first) == _effects(second):
        return
    if held[0] != "estimated":
        _refuse(f"differ by effects whose variance is held, {held[0]}")
    if means[0]:
        _refuse(
            f"differ by effects of prior_mean={means[0]:g}: without their variance the "
            "larger model is not the smaller one"
        )


def _held(mixed_effects: MixedEffects) -> str:
    """Say what variances are held at."""
    if mixed_effects.estimates_variances:
        return "estimated"
    strength = mixed_effects.regularization_strength
    if strength is None:
        return f"prior_variance={mixed_effects.prior_variance:g}"
    text = f"regularization_strength={strength:g}"
    if mixed_effects.is_adaptive:
        return f"{text} (at least {mixed_effects.min_samples_for_random_effects})"
    return f"{text} (not adaptive)"


def _effects(model: Any) -> set[tuple[str, str]]:
    return {
        (structure.name, name)
        for structure in model._structures
        for name in structure.effect_names
    }


def _refuse(reason: str) -> NoReturn:
    raise ValueError(
        f"Models are not nested: they {reason}. Fit both in the same way, with "
        "variances estimated."
    )
