"""When a likelihood-ratio test of two models means something."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

from scipy.stats import chi2
from sklearn.utils.validation import check_is_fitted

from bead_sklearn.inspection._penalties import check_same_penalties

#: Differences of log-likelihoods below this are rounding.
_ROUNDING = 1e-4

#: More slopes than this are described by their number.
_MAX_SLOPES = 3


class Difference(NamedTuple):
    """What one model has more than another.

    Attributes
    ----------
    n_parameters : int
        Number of parameters.
    n_scales : int
        Number of standard deviations among them, which are zero in the smaller model.
    """

    n_parameters: int
    n_scales: int


def check_comparable(models: list[Any]) -> None:
    """Raise if the likelihoods of fitted models are not those of the same data.

    Parameters
    ----------
    models : list of MixedModel
        Fitted models.
    """
    for model in models:
        check_is_fitted(model)
        if not hasattr(model, "_evidence"):
            raise TypeError(
                "Models to compare must be fitted task models of bead_sklearn. Got "
                f"{type(model).__name__}."
            )
    for first, second in pairwise(models):
        _check_pair(first, second)
    check_same_penalties(models)


def _check_pair(first: Any, second: Any) -> None:
    pairs = {
        "are models of different kinds": (type(first).__name__, type(second).__name__),
        "have different families": (_family(first), _family(second)),
        "have different numbers of judgments": (
            f"{first._evidence.n_observations:g}",
            f"{second._evidence.n_observations:g}",
        ),
        "have likelihoods that are approximated differently": (
            f"n_quadrature={first._solution.n_quadrature}",
            f"n_quadrature={second._solution.n_quadrature}",
        ),
        "maximise different likelihoods": (_likelihood(first), _likelihood(second)),
    }
    for reason, (one, other) in pairs.items():
        if one != other:
            raise ValueError(
                f"Models cannot be compared: they {reason}, {one} and {other}."
            )
    if not first._evidence.has_same_response(second._evidence):
        raise ValueError(
            "Models cannot be compared: they were fitted to different responses y."
        )
    if first.is_reml_:
        odd = sorted({*fixed_names(first)} ^ {*fixed_names(second)})
        if odd:
            raise ValueError(
                "Models cannot be compared: restricted likelihoods with different "
                f"fixed effects are likelihoods of different data. {odd[0]!r} is in "
                "one model only. Fit both with "
                "MixedEffects(variance_estimation_method='ml')."
            )


def difference(smaller: Any, larger: Any) -> Difference:
    """Return what the larger of two models has more.

    Raises
    ------
    ValueError
        If the smaller model has an effect that the larger one lacks.
    """
    for kind, of in (("fixed effect", fixed_names), ("random effect", _random_names)):
        extra = sorted(set(of(smaller)) - set(of(larger)))
        if extra:
            raise ValueError(
                "Models are not nested: the model with fewer parameters has the "
                f"{kind} {extra[0]!r}, which the other lacks. Effects are told apart "
                "by the names of columns and factors."
            )
    return Difference(
        larger._solution.n_parameters - smaller._solution.n_parameters,
        larger._evidence.n_scales - smaller._evidence.n_scales,
    )


def chi_square(smaller: Any, larger: Any) -> tuple[float, bool]:
    """Return the likelihood-ratio statistic and whether it was negative."""
    rise = larger.log_likelihood_ - smaller.log_likelihood_
    return max(2.0 * rise, 0.0), rise < -_ROUNDING


def p_values(statistic: float, extra: Difference) -> tuple[float, float]:
    """Return the p-value of a likelihood-ratio statistic, and that on the boundary.

    Under the null hypothesis a variance that is zero lies on the boundary of its
    range. The statistic of one variance and k other parameters, such as its
    covariances, is then distributed as an equal mixture of chi-squares with k and
    k + 1 degrees of freedom (Self & Liang 1987, doi:10.2307/2289471; Stram & Lee
    1994, doi:10.2307/2533455).

    Returns
    -------
    p_value : float
        By the chi-square distribution; NaN without extra parameters.
    boundary : float
        By the mixture; NaN unless exactly one variance is tested.
    """
    df = extra.n_parameters
    p_value = float(chi2.sf(statistic, df)) if df > 0 else float("nan")
    if extra.n_scales != 1:
        return p_value, float("nan")
    # With zero degrees of freedom the chi-square is a point mass at 0.
    below = float(chi2.sf(statistic, df - 1)) if df > 1 else float(statistic <= 0)
    return p_value, 0.5 * (below + p_value)


def fixed_names(model: Any) -> list[str]:
    """Return the names of the unpenalised columns of a fitted model."""
    return list(model._features.coefficient_names_)


def describe(model: Any) -> str:
    """Return the effects of a fitted model in a few words."""
    parts = [f"{len(fixed_names(model))} fixed"]
    if model._features.ridge_names_:
        parts.append(f"{len(model._features.ridge_names_)} under a ridge")
    for structure in model._structures:
        start = 0
        for block in structure.blocks:
            names = structure.column_names[start : start + block.n_effects]
            start += block.n_effects
            slopes = [name for name in names if name != "(Intercept)"]
            if len(slopes) > _MAX_SLOPES:
                slopes = [f"{len(slopes)} slopes"]
            shown = " + ".join(["1" if block.intercept else "0", *slopes])
            is_diagonal = (block.structure.rows == block.structure.columns).all()
            bar = "||" if is_diagonal and len(names) > 1 else "|"
            parts.append(f"({shown} {bar} {structure.name})")
    return " + ".join(parts)


def _random_names(model: Any) -> list[str]:
    names = [
        f"{name} | {structure.name}"
        for structure in model._structures
        for name in structure.effect_names
    ]
    if model._features.ridge_names_:
        names.append("coefficients under a ridge")
    return names


def _family(model: Any) -> str:
    return f"{model._family.name} with the {model._family.link} link"


def _likelihood(model: Any) -> str:
    return "restricted" if model.is_reml_ else "not restricted"
