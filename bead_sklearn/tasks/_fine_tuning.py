"""Training an encoder together with the head and the effects of a task model.

The task is first fitted on frozen features: that is where head, thresholds, variances
and effects begin. Then encoder and head are trained by the network, and the tuned
encoder takes the place of the pretrained one; the fit of the task goes on as ever.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from bead_sklearn._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    _check_sample_weight,
    _num_samples,
)
from bead_sklearn.effects import ALTERNATIVE, RandomFactor
from bead_sklearn.effects._structure import combine_ids
from bead_sklearn.encoders import TransformerEncoder
from bead_sklearn.encoders._memory import remembering
from bead_sklearn.families import Family, QuadraticFamily
from bead_sklearn.inputs import dense_matrix, encode_levels, match_levels
from bead_sklearn.tasks._nets import (
    Tuning,
    prepare_net,
    read_tuning,
    train_split_of,
)

if TYPE_CHECKING:
    from bead_sklearn.tasks._base import MixedModel
    from bead_sklearn.tasks._features import FeatureBuilder
    from bead_sklearn.tasks._rows import Rows

#: What the parameters may be.
FINE_TUNING: dict[str, list[Any]] = {
    "fine_tune": [
        StrOptions({"frozen", "full", "lora"}),
        Interval(Integral, 1, None, closed="left"),
    ],
    "net": [HasMethods(["train", "set_params"]), None],
}

#: Standard deviations, in units of the family, below which training does not begin:
#: EM steps multiply, and do not leave 0.
LEAST_SD, ORDINARY_SD = 0.1, 0.5

#: Least sigma that training begins with, as a share of the spread of responses.
_LEAST_SIGMA = 1e-3

#: Least prior standard deviation of the head, as the share that the features give the
#: linear predictor.
_LEAST_SHARE = 0.25


def tune_encoder(
    model: MixedModel,
    rows: Rows,
    arguments: tuple[Any, Any, Any, Any],
) -> tuple[FrozenEstimator, Tuning]:
    """Return the encoder of a task model, trained on its judgments.

    Parameters
    ----------
    model : MixedModel
        Has read and encoded its judgments.
    rows : Rows
        These judgments.
    arguments : tuple
        X, y, groups and sample_weight as they were passed to fit.

    Returns
    -------
    encoder : FrozenEstimator
        With a :class:`~bead_sklearn.encoders.TunedEncoder` inside.
    tuning : Tuning
        How it went.

    Raises
    ------
    ValueError
        If there is no text, or the encoder is none that can be trained.
    """
    from bead_sklearn.encoders import TunedEncoder

    encoder = _trainable_encoder(model)
    if not rows.judgments.texts:
        raise ValueError(
            f"fine_tune={model.fine_tune!r} needs a column of text in X; there is "
            "none. Use fine_tune='frozen'."
        )
    net = _make_net(model, encoder)
    held_out = held_out_rows(model, rows, net)
    with remembering():  # the frozen fit and what is made of it have the same texts
        start = _start(model, rows, arguments, held_out)
        columns = _columns(start, rows, net)
    net.set_params(train_split=train_split_of(held_out))
    net.train(columns, rows.target)
    tuned = TunedEncoder.from_encoder(encoder, net.module_.tuned_weights())
    return FrozenEstimator(tuned), read_tuning(net)


def held_out_rows(
    model: MixedModel, rows: Rows, net: Any, names: Sequence[str] = ()
) -> np.ndarray | None:
    """Return which rows are held out; None where the net holds out none.

    Whole participants where their effects will be integrated out, else judgments, as
    of one participant alone.

    Parameters
    ----------
    model : MixedModel
        Has read and encoded its judgments.
    rows : Rows
        These judgments.
    net : MixedEffectsNet
        Says how many.
    names : sequence of str, default=()
        Columns that terms of the model are about, if they need any.
    """
    split = net.train_split
    if split is None:
        return None
    effects = model._mixed_effects
    factors = {term.factor for term in model._terms(effects, rows.ids, [*names])}
    by = split.by
    if by == "auto":
        alone = len(factors) == 1 and not _is_head(model)
        by = "groups" if alone and ALTERNATIVE not in next(iter(factors)) else ""
    judgment = getattr(rows, "judgment", np.arange(rows.judgments.n_rows))
    units = judgment
    if by == "groups":
        if not factors:
            raise ValueError(
                "HeldOut(by='groups') of net needs effects of participants; there are "
                "none here."
            )
        ids = combine_ids(rows.ids, next(iter(factors)))
        units = encode_levels(ids)[1]
        if split.by == "auto" and len(np.unique(units)) < 2:
            units = judgment
    if len(np.unique(units)) < 2:
        return None
    random_state = check_random_state(net.random_state)
    _, valid = split.split(units, random_state)
    held_out = np.zeros(len(units), dtype=bool)
    held_out[valid] = True
    return held_out


def _start(
    model: MixedModel,
    rows: Rows,
    arguments: tuple[Any, Any, Any, Any],
    held_out: np.ndarray | None,
) -> MixedModel:
    """Fit the task to frozen features of the rows that are trained on.

    Where these lack a label, all rows are taken.
    """
    X, y, groups, sample_weight = arguments
    n = _num_samples(y)
    weights = _check_sample_weight(sample_weight, np.arange(n), dtype=np.float64)
    parts = [weights]
    if held_out is not None:
        judgment = getattr(rows, "judgment", np.arange(len(held_out)))
        out = np.zeros(int(judgment[-1]) + 1, dtype=bool)
        out[judgment] = held_out
        kept = np.flatnonzero(weights > 0)
        trained = weights.copy()
        trained[kept[out]] = 0.0
        parts.insert(0, trained)
    for k, part in enumerate(parts):
        start = clone(model).set_params(fine_tune="frozen", net=None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                start.fit(X, y, groups=groups, sample_weight=part)
            except ValueError:
                if k + 1 < len(parts):
                    continue
                raise
        if start._target_labels() == model._target_labels():
            return start
    return start


def _trainable_encoder(model: MixedModel) -> TransformerEncoder:
    encoder = model.encoder
    if isinstance(encoder, str):
        encoder = TransformerEncoder(encoder, device=model.device)
    if not isinstance(encoder, TransformerEncoder):
        raise ValueError(
            f"fine_tune={model.fine_tune!r} needs the name or path of a Hugging Face "
            f"model, or a TransformerEncoder, as encoder. Got {model.encoder!r}."
        )
    if encoder.overflow != "truncate":
        raise ValueError(
            f"fine_tune={model.fine_tune!r} needs an encoder with overflow='truncate'. "
            f"Got overflow={encoder.overflow!r}."
        )
    return clone(encoder)


def _make_net(model: MixedModel, encoder: TransformerEncoder) -> Any:
    """Return the net of a model, told which encoder it trains."""
    return prepare_net(model, encoder.device).set_params(
        module__model=os.fspath(encoder.model),
        module__tune=model.fine_tune,
        module__pooling=encoder.pooling,
        module__normalize=encoder.normalize,
        module__max_length=encoder.max_length,
    )


def _columns(start: MixedModel, rows: Rows, net: Any) -> dict[str, Any]:
    """Return the columns that the net is trained on, and tell it where to begin."""
    from bead_sklearn.nn import HeadStart

    features, posterior = start._features, start._posterior
    _, design = start._build(rows, fitting=True)
    intercept, coefficients, _ = features.coefficients(posterior.fixed, posterior.ridge)
    is_text = _text_columns(features)
    numeric = _numeric_columns(features, rows)
    center, scale = numeric.mean(axis=0), numeric.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    by_number, by_text = coefficients[:, ~is_text], coefficients[:, is_text]
    n_text = int(is_text.sum())
    middle = np.zeros(n_text)
    if features.ridge_text_:
        assert features.ridge_center_ is not None
        middle = features.ridge_center_[:n_text]
    family = _family(start, rows)
    n_outputs = family.n_outputs
    held = start._options.variances.zero_factors
    texts = features._join(rows.judgments).texts
    net.set_params(
        family=family,
        effects=_terms(start, rows, design.factors),
        module__n_outputs=n_outputs,
        module__n_numeric=numeric.shape[1],
        module__n_texts=len(texts),
        module__has_intercept=family.has_intercept,
        module__start=HeadStart(
            intercept=intercept + by_number @ center + by_text @ middle,
            numeric=by_number * scale,
            text=by_text,
            center=middle,
            text_sd=_text_sd(start, rows, features, middle),
            contrast=(
                family.output_contrast() if family.is_tied else np.eye(n_outputs)
            ),
        ),
    )
    assert rows.weights is not None
    result: dict[str, Any] = {"weight": rows.weights}
    for k, text in enumerate(texts.values()):
        result["texts" if k == 0 else f"texts{k}"] = text
    if numeric.shape[1]:
        result["numeric"] = (numeric - center) / scale
    if family.sets is not None:
        result["sets"] = family.sets
    if design.offset is not None:
        result["offset"] = design.offset.reshape(design.n_rows, -1)
    for factor in design.factors:
        if factor.name in held:
            continue
        result[f"factor:{factor.name}"] = levels_of_rows(start, rows, factor)[1]
        if not _is_head(start):
            result[f"factor:{factor.name}.z"] = factor.z
    return result


def _text_columns(features: FeatureBuilder) -> np.ndarray:
    """Return which coefficients are those of features of text."""
    n_text = len(features.text_names_)
    n_fixed = len(features.fixed_names_) - int(features.intercept_)
    n_all = n_fixed + len(features.ridge_names_)
    is_text = np.zeros(n_all, dtype=bool)
    start = n_fixed if features.ridge_text_ else n_fixed - n_text
    is_text[start : start + n_text] = True
    return is_text


def _numeric_columns(features: FeatureBuilder, rows: Rows) -> np.ndarray:
    """Return constants and numeric columns, in the order of their coefficients."""
    judgments = rows.judgments
    parts = []
    if judgments.constants is not None:
        parts.append(dense_matrix(judgments.constants))
    parts.append(judgments.numeric_matrix())
    return np.hstack(parts)


def _text_sd(
    start: MixedModel, rows: Rows, features: FeatureBuilder, middle: np.ndarray
) -> float:
    """Return the prior standard deviation of the coefficients of features.

    That of the frozen fit, and more where the frozen features explain next to nothing:
    the head must be free to follow better ones.
    """
    if not features.ridge_text_:
        return np.inf
    values = features._encode(features._join(rows.judgments).texts).values
    least = least_text_sd(start._family, values - middle)
    return max(float(np.sqrt(start._ridge_variance())), least)


def least_text_sd(family: Family, features: np.ndarray) -> float:
    """Return the least prior standard deviation of coefficients of features.

    Parameters
    ----------
    family : Family
        Response distribution.
    features : ndarray of shape (n, d)
        Centred.
    """
    length = float(np.sqrt((features**2).sum(axis=1).mean()))
    return _LEAST_SHARE * family.scale / length if length > 0 else np.inf


def _family(start: MixedModel, rows: Rows) -> Family:
    """Return the fitted family, for all rows."""
    from bead_sklearn.nn import learned_parameters, with_learned_parameters

    family = start._family
    if isinstance(family, QuadraticFamily) and not family.fixed:
        # Frozen features that reproduce y leave a sigma of 0.
        assert rows.target is not None
        spread = float(np.std(family.working_response(rows.target)))
        least = _LEAST_SIGMA * (spread if spread > 0 else 1.0)
        return family.with_sigma(max(family.sigma, least))
    if family.sets is None:
        return family
    return with_learned_parameters(rows.family, learned_parameters(family))


def _is_head(model: MixedModel) -> bool:
    """Whether effects are heads over features of text."""
    effects = model._mixed_effects
    return effects.mode == "random_slopes" and effects.formula is None


def levels_of_rows(
    start: MixedModel, rows: Rows, factor: RandomFactor
) -> tuple[np.ndarray, np.ndarray]:
    """Return the levels of a factor and that of each row, held-out ones included."""
    sources = next(s.sources for s in start._structures if s.name == factor.name)
    return encode_levels(combine_ids(rows.ids, sources))


def _head_modes(
    start: MixedModel, rows: Rows, factor: RandomFactor
) -> tuple[np.ndarray, np.ndarray]:
    """Return intercepts (q, J) and coefficients of text features (q, d, J).

    Of all levels in the order of `levels_of_rows`, as the frozen fit has them.
    """
    features = start._features
    n_outputs = start._family.n_outputs
    modes = _modes(start, rows, factor)
    by_column = modes.reshape(len(modes), -1, n_outputs)
    intercepts, slopes = by_column[:, 0], by_column[:, 1:]
    n_text = len(features.text_names_)
    coefficients = np.zeros((len(modes), n_text, n_outputs))
    basis = features.ridge_basis_
    if features.ridge_text_:
        n_ridge = len(features.ridge_names_) if basis is None else basis.shape[1]
        ridge = slopes[:, slopes.shape[1] - n_ridge :]
        if basis is None:
            coefficients = ridge[:, :n_text]
        else:
            coefficients = np.einsum("dk,qkj->qdj", basis[:n_text], ridge)
    return intercepts, coefficients


def _modes(start: MixedModel, rows: Rows, factor: RandomFactor) -> np.ndarray:
    """Return effects in the order of `levels_of_rows`, 0 where they are unknown."""
    effects = start.effects_[factor.name]
    place = match_levels(effects.levels, levels_of_rows(start, rows, factor)[0])
    modes = effects.modes - effects.structure.prior.mean
    return np.where((place >= 0)[:, None], modes[place], 0.0)


def _terms(
    start: MixedModel, rows: Rows, factors: tuple[RandomFactor, ...]
) -> dict[str, Any]:
    """Return the effects of the frozen fit as those of the net."""
    from bead_sklearn.nn import EffectTerm

    solution, family = start._solution, start._family
    estimated = start._mixed_effects.estimates_variances
    held = start._options.variances.zero_factors
    unit = family.scale * (family.sigma if isinstance(family, QuadraticFamily) else 1.0)
    terms, begin = {}, 0
    for factor in factors:
        structure = factor.structure
        end = begin + structure.n_parameters
        theta = solution.sigma * solution.theta[begin:end]
        begin = end
        if factor.name in held:
            continue
        sds = np.sqrt((structure.factor(theta) ** 2).sum(axis=1))
        n_outputs = factor.n_outputs
        if _is_head(start):
            pair = np.array([sds[:n_outputs].mean(), sds[n_outputs:].mean()])
            heads = _head_modes(start, rows, factor)
            terms[f"factor:{factor.name}"] = EffectTerm("slopes", None, pair, heads)
            continue
        size = np.sqrt((factor.z**2).mean(axis=0)).repeat(n_outputs)
        size = np.where(size > 0, size, 1.0)
        if estimated and (sds * size < LEAST_SD * unit).any():
            least = np.maximum(sds, ORDINARY_SD * unit / size)
            theta = structure.from_sds(least)
        begin_at = _modes(start, rows, factor)
        term = EffectTerm("covariates", structure, theta, begin_at)
        terms[f"factor:{factor.name}"] = term
    return terms
