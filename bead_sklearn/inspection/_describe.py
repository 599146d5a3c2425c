"""A fit in plain words."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from scipy.stats import chi2

from bead_sklearn.effects import GROUPS, INTERCEPT, MAX_FULL_COVARIANCE
from bead_sklearn.inspection._components import VarianceComponents
from bead_sklearn.inspection._factor_effects import FactorEffects
from bead_sklearn.inspection._ranef import level_name
from bead_sklearn.inspection._summary import Summary

#: Probability beyond which effects as large as a level's are unusual, and how many
#: unusual levels are named.
_UNUSUAL = 0.025
_MAX_NAMED = 3

#: Reliability of the effects of single levels below which they are called uncertain.
_UNRELIABLE = 0.5

#: Share of the variation up to which levels hardly differ.
_HARDLY = 0.02

#: What ids passed as ``groups`` are, and what an effect on a constant is called.
_PEOPLE, _LEVEL = "participants", "level"


def describe(model: Any, *, width: int = 88) -> str:
    """Describe a fitted model in a paragraph.

    How much of the variation lies between participants and items, who is unusual, and
    what the model cannot say.

    Parameters
    ----------
    model : estimator
        A fitted task model.
    width : int, default=88
        Length of lines.

    Returns
    -------
    text : str
        One paragraph.

    Notes
    -----
    Shares are those of the variance on the scale of the linear predictor (Nakagawa,
    Johnson & Schielzeth 2017, doi:10.1098/rsif.2017.0213). The reliability of the
    effects of a factor is one minus their mean conditional variance over their variance
    in the population, averaged over the effects that have one; where participants have
    coefficients of many features, over constants and coefficients apart. A level is
    unusual if effects as far from their mean as its conditional modes would be found in
    one of 40 levels; effects that are not reliable do not count.

    Examples
    --------
    >>> from bead_sklearn import BinaryClassifier
    >>> from bead_sklearn.datasets import make_judgments
    >>> from bead_sklearn.inspection import describe
    >>> d = make_judgments("binary", n_participants=30, n_items=60, random_state=0)
    >>> model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    >>> print(describe(model).split(":")[0])
    BinaryClassifier of 1200 judgments
    """
    summary = model.summary()
    sentences = [
        f"{type(model).__name__} of {summary.n_observations:g} judgments: "
        f"{_predictors(summary)}."
    ]
    for component in summary.variance_components:
        effects = model.effects_[component.grouping_factor]
        sentences += _factor(component, effects, summary)
    sentences += _limits(summary, model._caveats())
    return textwrap.fill(" ".join(sentences), width)


def _predictors(summary: Summary) -> str:
    n_columns = sum(
        not effect.name.startswith(INTERCEPT) for effect in summary.fixed_effects
    )
    if n_columns + summary.n_ridge == 0:
        return "no predictors but constants"
    return (
        f"what is judged explains {summary.r2_marginal:.0%} of the variation "
        "(of the response on the scale where effects add up)"
    )


def _factor(
    component: VarianceComponents, effects: FactorEffects, summary: Summary
) -> list[str]:
    name, n = component.grouping_factor, component.n_groups
    between = sum(item.mean_square for item in summary.variance_components)
    share = component.mean_square / between * summary.icc if between > 0 else 0.0
    n_each = float(np.median(component.n_observations_per_group))
    many = f"{n_each:g} judgment{'s' * (n_each != 1)} each, in the median"
    who = f"{n} {_PEOPLE}" if name == GROUPS else f"{n} levels of {name!r}"
    sentences = [
        f"The {who} ({many}) account for {share:.0%} of what is left"
        + (": they hardly differ." if share <= _HARDLY else ".")
    ]
    if component.is_singular and share > _HARDLY:
        sentences.append(
            "That they vary in all ways the model allows is not in the data (singular "
            "fit): a simpler model fits as well."
        )
    if share <= _HARDLY:
        return sentences
    told = np.zeros(len(component.variance), dtype=bool)
    for kind, what in _kinds(component):
        reliability = _reliability(component, effects, kind)
        if reliability < _UNRELIABLE:
            sentences.append(
                f"There are too few judgments of each to tell {what} (reliability "
                f"{max(reliability, 0.0):.2f} of 1)."
            )
            continue
        sentences.append(
            f"The judgments tell {what} with reliability {reliability:.2f} of 1."
        )
        told |= kind
    if told.any():
        sentences.append(_unusual(component, effects, told))
    return sentences


def _kinds(component: VarianceComponents) -> list[tuple[np.ndarray, str]]:
    """Effects that vary, levels apart from heads, and what they say."""
    varies = component.variance > 0  # effects that are all 0 are no one's
    levels = np.array(
        [name.startswith(INTERCEPT) for name in component.effect_names], dtype=bool
    )
    if levels.any() and (~levels).sum() > MAX_FULL_COVARIANCE:
        parts = [
            (varies & levels, "who is who"),
            (varies & ~levels, "who weighs features how"),
        ]
        return [(kind, what) for kind, what in parts if kind.any()]
    return [(varies, "who is who")]


def _reliability(
    component: VarianceComponents, effects: FactorEffects, kind: np.ndarray
) -> float:
    """One minus the mean conditional variance over that in the population."""
    conditional = effects.variances.mean(axis=0)[kind]
    return 1.0 - float((conditional / component.variance[kind]).mean())


def _unusual(
    component: VarianceComponents, effects: FactorEffects, told: np.ndarray
) -> str:
    modes, sds = effects.modes[:, told], component.sd[told]
    names = [
        name
        for name, is_told in zip(effects.effect_names, told, strict=True)
        if is_told
    ]
    z = (modes - modes.mean(axis=0)) / sds
    distances = (z**2).sum(axis=1)
    far = np.flatnonzero(distances > chi2.isf(_UNUSUAL, z.shape[1]))
    if not len(far):
        return "None of them is unusual."
    order = far[np.argsort(-distances[far], kind="stable")]
    shown = []
    for level in order[:_MAX_NAMED]:
        effect = int(np.abs(z[level]).argmax())
        what = names[effect].replace(INTERCEPT, _LEVEL)
        shown.append(
            f"{level_name(effects.levels[level])} ({what} {z[level, effect]:+.1f} sd)"
        )
    more = len(order) - len(shown)
    return f"Unusual: {', '.join(shown)}" + (f" and {more} more." if more else ".")


def _limits(summary: Summary, caveats: list[str]) -> list[str]:
    sentences = []
    factors = [item.grouping_factor for item in summary.variance_components]
    if not factors:
        sentences.append(
            "The model does not know who judged: differences between participants are "
            "part of the noise, and standard errors are too small if they judged "
            "several times."
        )
    elif len(factors) == 1:
        whose = _PEOPLE if factors == [GROUPS] else repr(factors[0])
        sentences.append(
            f"It has effects of {whose} only: what other groupings, such as items, "
            "have in common beyond the predictors is part of the noise."
        )
    sentences += [
        f"{message}."
        for message in summary.messages
        if not message.startswith("Singular")
    ]
    if summary.n_ridge:
        sentences.append(
            "Coefficients of features are shrunk, so they say what to predict rather "
            "than which feature matters."
        )
    return sentences + caveats
