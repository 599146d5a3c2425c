"""A fit in plain words."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from scipy.stats import chi2

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
    in the population, averaged over the effects that have one. A level is unusual if
    an effect as far from 0 as its conditional mode would be found in one of 40 levels.

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
    sentences += _limits(summary)
    return textwrap.fill(" ".join(sentences), width)


def _predictors(summary: Summary) -> str:
    n_columns = sum(
        not effect.name.startswith("(Intercept)") for effect in summary.fixed_effects
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
    counts = component.n_observations_per_group
    sentences = [
        f"The {n} levels of {name!r} ({np.median(counts):g} judgments each, in the "
        f"median) account for {share:.0%} of what is left"
        + (": they hardly differ." if share <= _HARDLY else ".")
    ]
    if share <= _HARDLY:
        return sentences
    varies = component.variance > 0  # effects that are all 0 are no one's
    conditional = effects.variances.mean(axis=0)[varies]
    reliability = 1.0 - float((conditional / component.variance[varies]).mean())
    if reliability < _UNRELIABLE:
        sentences.append(
            f"There are too few judgments per level to tell who is who (reliability of "
            f"the effects {max(reliability, 0.0):.2f})."
        )
        return sentences
    sentences.append(
        f"The effects of single levels have reliability {reliability:.2f}."
    )
    sentences.append(_unusual(component, effects))
    return sentences


def _unusual(component: VarianceComponents, effects: FactorEffects) -> str:
    sds = np.where(component.sd > 0, component.sd, np.inf)
    z = (effects.modes - effects.modes.mean(axis=0)) / sds
    used = (component.variance > 0).sum()
    distances = (z**2).sum(axis=1)
    far = np.flatnonzero(distances > chi2.isf(_UNUSUAL, max(used, 1)))
    if not len(far):
        return "None is unusual."
    order = far[np.argsort(-distances[far], kind="stable")]
    shown = []
    for level in order[:_MAX_NAMED]:
        effect = int(np.abs(z[level]).argmax())
        shown.append(
            f"{level_name(effects.levels[level])} ({effects.effect_names[effect]} "
            f"{z[level, effect]:+.1f} sd)"
        )
    more = len(order) - len(shown)
    return f"Unusual: {', '.join(shown)}" + (f" and {more} more." if more else ".")


def _limits(summary: Summary) -> list[str]:
    sentences = []
    factors = [item.grouping_factor for item in summary.variance_components]
    if not factors:
        sentences.append(
            "The model does not know who judged: differences between participants are "
            "part of the noise, and standard errors are too small if they judged "
            "several times."
        )
    elif len(factors) == 1:
        sentences.append(
            f"It has effects of {factors[0]!r} only: what other groupings, such as "
            "items, have in common beyond the predictors is part of the noise."
        )
    held = [
        item.grouping_factor
        for item in summary.variance_components
        if not item.is_estimated
    ]
    if held:
        sentences.append(f"Variances of {', '.join(held)} are held, not estimated.")
    sentences += [f"{message}." for message in summary.messages]
    if summary.n_ridge:
        sentences.append(
            "Coefficients of features are shrunk, so they say what to predict rather "
            "than which feature matters."
        )
    return sentences
