"""Fitting an encoder-decoder to judgments that are written freely."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_consistent_length

from bead_sklearn._sklearn import _check_sample_weight
from bead_sklearn.effects import GROUPS, MixedEffects, resolve_mixed_effects
from bead_sklearn.encoders._transformer import _device_name
from bead_sklearn.inputs import DistinctText, Judgments, match_levels
from bead_sklearn.inspection import VarianceComponents
from bead_sklearn.tasks._contexts import distinct_texts
from bead_sklearn.tasks._nets import Tuning
from bead_sklearn.tasks._rows import check_ids_given, read_ids

if TYPE_CHECKING:
    from bead_sklearn.nn import ResponseModel, Seq2SeqNet
    from bead_sklearn.nn._responses import Cases

#: Parameters that say something only where responses are ranked by features.
RANKING = {
    "encoder": None,
    "n_alternatives": "auto",
    "population": "marginal",
    "max_iter": 500,
    "tol": 1e-6,
    "warm_start": False,
}

#: Parameters that say something only where responses are written.
WRITING = {"fine_tune": "frozen", "net": None, "generation": None}

#: Fields of MixedEffects that have no part in an encoder-decoder.
_WITHOUT_EFFECT = (
    "prior_mean",
    "prior_sd_scale",
    "variance_estimation_method",
    "correlation_structure",
    "output_covariance",
    "regularization_strength",
    "adaptive_regularization",
    "min_samples_for_random_effects",
)

#: Columns of ids in the net: whose biases, and whose adapters.
_BIASED, _ADAPTED = "groups", "adapters"


@dataclass(frozen=True)
class TokenEffects:
    """Biases of the participants towards the tokens of responses.

    Attributes
    ----------
    grouping_factor : str
        Name of the factor.
    levels : ndarray of shape (n_levels,)
        The ids.
    effect_names : tuple of str
        The tokens.
    modes, variances : ndarray of shape (n_levels, n_tokens)
        Conditional modes, in logits, and conditional variances given what all
        participants share.
    n_observations : ndarray of shape (n_levels,)
        Sum of the weights of each level's judgments.
    """

    grouping_factor: str
    levels: np.ndarray
    effect_names: tuple[str, ...]
    modes: np.ndarray
    variances: np.ndarray
    n_observations: np.ndarray

    @property
    def sds(self) -> np.ndarray:
        """Conditional standard deviations."""
        return np.sqrt(self.variances)


@dataclass(frozen=True)
class Writer:
    """A fitted encoder-decoder, and who it knows.

    Attributes
    ----------
    model : ResponseModel
        What was learned.
    factor : str or None
        The grouping factor.
    levels : ndarray of shape (n_levels,)
        Its levels, in the order of the effects.
    sd : float
        Standard deviation of the biases of participants.
    device : str
        Where it runs.
    """

    model: ResponseModel
    factor: str | None
    levels: np.ndarray
    sd: float
    device: str

    def cases(self, judgments: Judgments, ids: dict[str, np.ndarray]) -> Cases:
        """Return who writes about what in some rows."""
        from bead_sklearn.nn._responses import Cases

        texts, index = join_texts(judgments)
        person = np.full(judgments.n_rows, -1)
        if self.factor is not None and self.factor in ids:
            person = match_levels(self.levels, ids[self.factor])
        return Cases(texts, index, person)


def check_mode(model: Any) -> None:
    """Refuse parameters that would have no effect.

    Raises
    ------
    ValueError
        Naming the parameter.
    """
    writes = model.generator is not None
    for name, usual in (RANKING if writes else WRITING).items():
        value = getattr(model, name)
        if value is usual or (isinstance(value, type(usual)) and value == usual):
            continue
        if writes:
            raise ValueError(
                f"{name}={value!r} has no effect together with generator="
                f"{model.generator!r}: responses are then written by that model rather "
                f"than ranked by features. Leave {name}={usual!r}."
            )
        raise ValueError(
            f"{name}={value!r} needs a model that writes responses. Pass generator=, "
            f"the name or path of an encoder-decoder, or leave {name}={usual!r}."
        )
    if not writes:
        return
    if model.alpha != "auto" and not model.alpha > 0:
        raise ValueError(
            "alpha must be 'auto' or positive with generator=: tokens that nobody "
            f"wrote would have no finite bias. Got {model.alpha!r}."
        )


def join_texts(judgments: Judgments) -> tuple[list[str], np.ndarray]:
    """Return the distinct texts that are shown, and that of each row.

    Several columns make one text, each part after the name of its column.
    """
    texts, index = distinct_texts(judgments)
    names = list(judgments.texts)
    if len(names) == 1:
        return [parts[0] for parts in texts], index
    joined = [
        " ".join(f"{name}: {part}" for name, part in zip(names, parts, strict=True))
        for parts in texts
    ]
    return joined, index


def fit_writer(
    model: Any, X: Any, y: Any, groups: Any, sample_weight: Any
) -> tuple[Writer, dict[str, Any]]:
    """Fit the encoder-decoder of a task model.

    Parameters
    ----------
    model : FreeTextGenerator
        With its parameters; gets a reader.
    X, y, groups, sample_weight
        As passed to fit.

    Returns
    -------
    writer : Writer
        What was fitted.
    attributes : dict of str to object
        Fitted attributes of the task model.
    """
    mixed_effects = resolve_mixed_effects(model.mixed_effects)
    reader = model._make_reader(mixed_effects, groups)
    judgments = reader.read(model, X, reset=True)
    n = judgments.n_rows
    check_consistent_length(range(n), y)
    given = read_ids(groups, n)
    ids = {**judgments.factors, **given}
    check_ids_given(mixed_effects, ids)
    if not judgments.texts:
        raise ValueError(
            f"{type(model).__name__} needs a column of text in X: what was shown. "
            f"Got the columns {judgments.numeric_names}."
        )
    if judgments.numeric_names:
        raise ValueError(
            f"X has the numeric column {judgments.numeric_names[0]!r}, which has no "
            "effect on a model that writes responses. Leave it out, or make it text."
        )
    responses = [parts[0] for parts in model._read_answers(y)]
    weights = _check_sample_weight(
        sample_weight, np.arange(n), dtype=np.float64, ensure_non_negative=True
    )
    kept = np.flatnonzero(weights > 0)
    judgments = judgments.take(kept)
    ids = {name: values[kept] for name, values in ids.items()}
    responses, weights = [responses[i] for i in kept], weights[kept]
    factor, kinds = _kinds(mixed_effects, ids)
    device = _device_name(model.device)
    net = _make_net(model, mixed_effects, kinds, device)
    texts, index = join_texts(judgments)
    columns: dict[str, Any] = {"texts": DistinctText(texts, index), "weight": weights}
    for name in kinds:
        columns[name] = ids[factor or ""]
    net.fit(columns, responses)
    model._reader = reader
    model._mixed_effects = clone(mixed_effects)
    model._group_factors = sorted({factor} & set(given)) if factor else []
    levels = net.levels_[_BIASED] if kinds else np.zeros(0)
    fitted = net.response_model()
    sd = 0.0 if factor is None else float(net.state_.theta[_BIASED][0])
    writer = Writer(fitted, factor, levels, sd, device)
    names = tuple(fitted.token_names())
    attributes: dict[str, Any] = {
        "classes_": np.array(sorted(set(responses)), dtype=object),
        "tokens_": np.array(names, dtype=object),
        "variance_components_": [],
        "effects_": {},
        "variance_history_": [
            np.asarray(step[_BIASED]) for step in net.variance_history_ if step
        ],
        "groups_": levels if factor == GROUPS else None,
        "n_iter_": max(1, len(net.history)),
        "n_observations_": float(weights.sum()),
        "alpha_": float(net.shared_sd_**-2),
    }
    if factor is not None:
        counts = np.bincount(match_levels(levels, ids[factor]), weights, len(levels))
        attributes["variance_components_"] = [
            VarianceComponents(
                grouping_factor=factor,
                effect_type="intercept",
                effect_names=("(Token)",),
                variance=np.array([sd**2]),
                n_groups=len(levels),
                n_observations_per_group=counts,
                mean_square=sd**2,
                is_estimated=mixed_effects.estimates_variances,
            )
        ]
        attributes["effects_"] = {
            factor: TokenEffects(
                factor, levels, names, fitted.biases, net.bias_variances_, counts
            )
        }
    if net._has_steps:
        attributes["tuning_"] = _tuning(net)
    return writer, attributes


def _kinds(
    mixed_effects: MixedEffects, ids: dict[str, np.ndarray]
) -> tuple[str | None, dict[str, str]]:
    """Return the grouping factor and the effects of the net."""
    usual = MixedEffects()
    for name in _WITHOUT_EFFECT:
        value = getattr(mixed_effects, name)
        if value != getattr(usual, name):
            raise ValueError(
                f"{name}={value!r} of mixed_effects has no effect with generator=; "
                "biases of tokens have one variance, and adapters a fixed one."
            )
    biases = {_BIASED: "tokens"}
    if mixed_effects.formula is not None:
        terms = mixed_effects.terms()
        if len(terms) != 1 or terms[0].slopes or len(terms[0].factor) != 1:
            raise ValueError(
                "With generator= a formula of mixed_effects must name one factor "
                "whose biases vary, such as '(1 | participant)'. Got "
                f"{mixed_effects.formula!r}."
            )
        return terms[0].factor_name, biases
    if mixed_effects.mode == "fixed" or not ids:
        return None, {}
    if len(ids) > 1:
        raise ValueError(
            "With generator= effects belong to one factor. Got groups with the "
            f"columns {sorted(ids)}."
        )
    factor = next(iter(ids))
    if mixed_effects.mode == "random_slopes":
        return factor, {**biases, _ADAPTED: "lora"}
    return factor, biases


def _make_net(
    model: Any, mixed_effects: MixedEffects, kinds: dict[str, str], device: str
) -> Seq2SeqNet:
    """Return the net of a model, told what it trains."""
    from bead_sklearn.nn import Seq2SeqNet

    if model.net is None:
        net = default_net(model.fine_tune)
    else:
        if not isinstance(model.net, Seq2SeqNet):
            raise TypeError(
                "net must be a Seq2SeqNet with generator=. Got "
                f"{type(model.net).__name__}."
            )
        net = clone(model.net)
        given = net.get_params(deep=False)
        usual = Seq2SeqNet().get_params(deep=False)
        own = ("effects", "alpha", "prior_variance", "estimate_variances", "module")
        for name in own:
            if given.get(name) != usual[name]:
                raise ValueError(
                    f"{name} of net is decided by the task, by its own parameters. "
                    f"Got net with {name}={given.get(name)!r}."
                )
        for name in ("model", "tune", "n_participants"):
            if f"module__{name}" in given:
                raise ValueError(
                    f"{name} of net is decided by the task, by generator and "
                    f"fine_tune. Got net with module__{name}="
                    f"{given[f'module__{name}']!r}."
                )
    if net.random_state is None:
        net.set_params(random_state=model.random_state)
    if model.device is not None or net.device == "cpu":
        net.set_params(device=device)
    if model.verbose:
        net.set_params(verbose=model.verbose)
    return net.set_params(
        effects=kinds or None,
        alpha=model.alpha,
        prior_variance=mixed_effects.prior_variance,
        estimate_variances=mixed_effects.estimates_variances,
        module__model=os.fspath(model.generator),
        module__tune=model.fine_tune,
    )


def default_net(fine_tune: Any) -> Seq2SeqNet:
    """Return the net that trains encoder-decoders where none is given.

    Parameters
    ----------
    fine_tune : {"frozen", "full", "lora"} or int
        Adapters take larger steps than pretrained weights.
    """
    from bead_sklearn.nn import Seq2SeqNet

    lr = 1e-3 if fine_tune == "lora" else 1e-4
    return Seq2SeqNet(lr=lr, effects_lr=0.01, max_epochs=10, patience=2)


def _tuning(net: Seq2SeqNet) -> Tuning:
    """Return how the training went."""
    best = net.best_weights()
    valid = [row["valid_loss"] for row in net.history if "valid_loss" in row]
    if valid:
        valid = [best.first_loss_, *valid]
    return Tuning(
        [float(row["train_loss"]) for row in net.history if "train_loss" in row],
        [float(loss) for loss in valid],
        best.best_epoch_ if valid else len(net.history),
        net.kind_,
    )
