"""Training a masked language model together with the effects of a cloze model.

As for other tasks: the model is fitted to frozen features, the network goes on from
there, and the model is fitted again to the tuned features. What changes with the
network are the log probability of fillers and the features of heads.
"""

from __future__ import annotations

import copy
import os
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bead_sklearn.effects import RandomFactor
from bead_sklearn.effects._covariance import (
    shared_covariance,
)
from bead_sklearn.effects._structure import FactorStructure, VaryingBlock
from bead_sklearn.encoders import MaskedLMEncoder
from bead_sklearn.families import ConditionalLogit
from bead_sklearn.inputs import match_levels
from bead_sklearn.tasks._alternatives import Alternatives, SampledRows
from bead_sklearn.tasks._fine_tuning import (
    LEAST_SD,
    ORDINARY_SD,
    held_out_rows,
    least_text_sd,
    levels_of_rows,
)
from bead_sklearn.tasks._nets import (
    Tuning,
    prepare_net,
    read_tuning,
    train_split_of,
)

if TYPE_CHECKING:
    from bead_sklearn.tasks._candidate_fit import CandidateModel
    from bead_sklearn.tasks._language import LanguageFeatures

#: Features of a candidate that are not counted in the answers.
_GIVEN = ("length",)

#: Judgments in a batch of the default net.
_BATCH = 64


def tune_masked(
    model: CandidateModel,
    rows: SampledRows,
    language: LanguageFeatures,
    alternatives: Alternatives,
    given: tuple[Any, Any, Any, Any],
) -> tuple[MaskedLMEncoder, dict[str, float], Tuning]:
    """Return the masked language model of a task, trained on its judgments.

    Columns that were counted in the answers of other judgments keep the coefficients
    of the frozen fit: a network that has seen all answers knows what those leave out,
    and free coefficients would undo the difference.

    Parameters
    ----------
    model : CandidateModel
        Has read and encoded its judgments.
    rows : SampledRows
        Choice sets.
    language : LanguageFeatures
        Fitted to them.
    alternatives : Alternatives
        What they were made of.
    given : tuple
        X, y, groups and sample_weight as they were passed to fit.

    Returns
    -------
    encoder : MaskedLMEncoder
        With tuned weights.
    held : dict of str to float
        Coefficients of the columns that were counted.
    tuning : Tuning
        How it went.
    """
    net = _make_net(model, language.encoder, rows)
    names = [*model._column_names, *model._bias_names]
    held_out = held_out_rows(model, rows, net, names)
    start = _start(model, rows, given, held_out)
    net.set_params(train_split=train_split_of(held_out))
    columns = _columns(start, rows, language, alternatives, net)
    net.train(columns, rows.target)
    tuned = language.encoder.with_weights(net.module_.tuned_weights())
    coefficients = _coefficients(start)
    held = {
        name: coefficients.get(name, 0.0)
        for name in alternatives.names
        if name.rpartition(":")[2] not in _GIVEN
    }
    return tuned, held, read_tuning(net)


def _make_net(
    model: CandidateModel, encoder: MaskedLMEncoder, rows: SampledRows
) -> Any:
    from bead_sklearn.nn import MaskedPredictor

    net = prepare_net(model, encoder.device)
    if model.net is None:
        per_judgment = len(rows.judgment) / (rows.judgment[-1] + 1)
        net.set_params(batch_size=round(_BATCH * per_judgment))
    return net.set_params(
        module=MaskedPredictor,
        module__model=os.fspath(encoder.model),
        module__tune=model.fine_tune,
        module__max_length=encoder.max_length,
    )


def _start(
    model: CandidateModel,
    rows: SampledRows,
    given: tuple[Any, Any, Any, Any],
    held_out: np.ndarray | None,
) -> CandidateModel:
    """Fit the task to frozen features of the choice sets that are trained on."""
    X, y, groups, sample_weight = given
    start = copy.copy(model)
    start.fine_tune, start.net, start.warm_start = "frozen", None, False
    start._given_rows = rows if held_out is None else take_sets(rows, ~held_out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start.fit(X, y, groups=groups, sample_weight=sample_weight)
    return start


def take_sets(rows: SampledRows, kept: np.ndarray) -> SampledRows:
    """Return some of the choice sets.

    Parameters
    ----------
    rows : SampledRows
        Choice sets.
    kept : ndarray of bool of shape (n_rows,)
        Rows to keep, those of whole sets.
    """
    at = np.flatnonzero(kept)
    sets = np.unique(rows.judgment[at], return_inverse=True)[1]
    assert rows.target is not None
    assert rows.weights is not None
    return replace(
        rows,
        judgments=rows.judgments.take(at),
        ids={name: values[at] for name, values in rows.ids.items()},
        family=ConditionalLogit(sets),
        target=rows.target[at],
        weights=rows.weights[at],
        judgment=sets,
        option=rows.option[at],
        offset=None if rows.offset is None else rows.offset[at],
        bias=None if rows.bias is None else rows.bias[at],
    )


def _columns(
    start: CandidateModel,
    rows: SampledRows,
    language: LanguageFeatures,
    alternatives: Alternatives,
    net: Any,
) -> dict[str, Any]:
    """Return the columns that the net is trained on, and tell it where to begin."""
    from bead_sklearn.nn import HeadStart

    columns, design = start._build(rows, fitting=True)
    values, names = rows.judgments.numeric_matrix(), start._column_names
    coefficients = _coefficients(start)
    heads = language.head_names
    known = [j for j, name in enumerate(names) if name not in (language.score, *heads)]
    features = values[:, [names.index(name) for name in heads]]
    net.set_params(
        family=start._family,
        module__basis=language.head_.basis,
        module__mean_states=language.states_,
        module__log_weight=coefficients.get(language.score, 0.0),
        module__start=HeadStart(
            intercept=np.zeros(1),
            numeric=np.zeros((1, 0)),
            text=np.array([[coefficients[name] for name in heads]]),
            center=language.head_.center @ language.head_.basis,
            text_sd=_text_sd(start, features),
            contrast=np.eye(1),
        ),
    )
    blanks: Any = alternatives.contexts.names
    texts, tokens = language.token_columns(
        blanks, alternatives.index, start.classes_.tolist(), alternatives.codes
    )
    assert design.offset is not None
    of_known = np.array([coefficients[names[j]] for j in known])
    result: dict[str, Any] = {
        "weight": rows.weights,
        "sets": rows.family.sets,
        "texts": texts,
        "tokens": tokens,
        "offset": (design.offset + values[:, known] @ of_known)[:, None],
    }
    covariates = start._covariates(columns, rows, start._mixed_effects).values
    effects: dict[str, Any] = {}
    begin = 0
    for factor in design.factors:
        structure = next(s for s in start._structures if s.name == factor.name)
        end = begin + factor.structure.n_parameters
        theta = start._solution.sigma * start._solution.theta[begin:end]
        begin = end
        if factor.name in start._options.variances.zero_factors:
            continue
        codes = levels_of_rows(start, rows, factor)[1]
        parts = _FactorParts.of(structure, theta, heads, start._bias_names)
        if parts.bias is not None:
            name = f"factor:{factor.name}"
            z = parts.bias[0].slopes(covariates)
            z = structure.prior.scale(z, factor.codes)
            effects[name] = _bias_term(start, *parts.bias, z)
            result[name], result[f"{name}.z"] = codes, z
        if parts.head is not None:
            name = f"heads:{factor.name}"
            effects[name] = _head_term(start, rows, factor, features, heads, parts.head)
            result[name] = codes
    net.set_params(effects=effects or None)
    return result


def _coefficients(start: CandidateModel) -> dict[str, float]:
    """Return the coefficients of the columns by name."""
    posterior = start._posterior
    _, values, names = start._features.coefficients(posterior.fixed, posterior.ridge)
    return dict(zip(names, values[0].tolist(), strict=True))


def _text_sd(start: CandidateModel, features: np.ndarray) -> float:
    """Return the prior standard deviation of the coefficients of features."""
    if not start._features.ridge_features_:
        return np.inf
    least = least_text_sd(start._family, features - features.mean(axis=0))
    return max(float(np.sqrt(start._ridge_variance())), least)


@dataclass(frozen=True)
class _FactorParts:
    """Effects of one factor that are trained with the network.

    Attributes
    ----------
    bias : tuple of VaryingBlock and ndarray, or None
        Effects over directions of fillers, and their variance parameters.
    head : float or None
        Standard deviation of the coefficients of heads.
    """

    bias: tuple[VaryingBlock, np.ndarray] | None
    head: float | None

    @classmethod
    def of(
        cls,
        structure: FactorStructure,
        theta: np.ndarray,
        heads: list[str],
        directions: list[str],
    ) -> _FactorParts:
        bias, head = None, None
        begin, at = 0, 0
        for block in structure.blocks:
            end = begin + block.structure.n_parameters
            own, begin = theta[begin:end], end
            names = set(structure.column_names[at : at + block.n_effects])
            at += block.n_effects
            if names <= set(heads):
                head = float(block.structure.scales[0] * own[0])
            elif names <= set(directions):
                bias = block, own
        return cls(bias, head)


def _bias_term(
    start: CandidateModel, block: VaryingBlock, theta: np.ndarray, z: np.ndarray
) -> Any:
    """Return the bias of people for fillers as a term of the net."""
    from bead_sklearn.nn import EffectTerm

    scale = float(block.structure.scales[0])
    sd = _begin_sd(start, scale * float(theta[0]), z)
    n = z.shape[1]
    structure = shared_covariance(np.zeros(n, dtype=np.intp), np.full(n, scale))
    return EffectTerm("covariates", structure, np.array([sd / scale]))


def _head_term(
    start: CandidateModel,
    rows: SampledRows,
    factor: RandomFactor,
    features: np.ndarray,
    heads: list[str],
    sd: float,
) -> Any:
    """Return heads as a term of the net, their coefficients as they were."""
    from bead_sklearn.nn import EffectTerm

    sd = _begin_sd(start, sd, features)
    effects = start.effects_[factor.name]
    levels = levels_of_rows(start, rows, factor)[0]
    columns = [effects.structure.column_names.index(name) for name in heads]
    modes = (effects.modes - effects.structure.prior.mean)[:, columns]
    place = match_levels(effects.levels, levels)
    known = np.where((place >= 0)[:, None], modes[place], 0.0)
    begin = np.zeros((len(levels), 1)), known[:, :, None]
    return EffectTerm("slopes", None, np.array([sd, sd]), begin)


def _begin_sd(start: CandidateModel, sd: float, features: np.ndarray) -> float:
    """Return the standard deviation that training begins with, not near zero.

    Parameters
    ----------
    start : CandidateModel
        The frozen fit.
    sd : float
        That of the coefficients of features in it.
    features : ndarray of shape (n_rows, r)
        The features.
    """
    if not start._mixed_effects.estimates_variances:
        return sd
    length = float(np.sqrt((features**2).sum(axis=1).mean()))
    unit = start._family.scale
    if length == 0 or sd * length >= LEAST_SD * unit:
        return sd
    return ORDINARY_SD * unit / length
