"""What the parameters of the embedder may be, and which of them go together."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from bead_sklearn._sklearn import HasMethods, Interval, StrOptions
from bead_sklearn.embedding._params import ExamplesType, read_examples_order

_LOSSES = {
    "multiple_negatives_ranking",
    "prob_margin",
    "cosine_prob_margin",
    "pairwise_logistic",
    "margin_ranking",
}

#: What each may be.
CONSTRAINTS: dict[str, Any] = {
    "encoder": [str, callable, HasMethods(["fit", "transform"]), None],
    "query_encoder": [str, callable, HasMethods(["fit", "transform"]), None],
    "shared": ["boolean"],
    "fine_tune": [StrOptions({"adapter", "full"})],
    "loss": [StrOptions(_LOSSES)],
    "margin": [Interval(Real, 0, None, closed="neither")],
    "hard_negatives": ["boolean"],
    "negative_downsampling": [Interval(Real, 0, 1, closed="right")],
    "not_irrelevant_only": ["boolean"],
    "min_abs_difference_threshold": [Interval(Real, 0, None, closed="left")],
    "max_abs_difference_threshold": [Interval(Real, 0, None, closed="neither")],
    "examples_order": "no_validation",
    "optimizer": [StrOptions({"adam", "adamw", "sgd"})],
    "query_lr": [Interval(Real, 0, None, closed="neither"), None],
    "items_lr": [Interval(Real, 0, None, closed="neither"), None],
    "query_weight_decay": [Interval(Real, 0, None, closed="left")],
    "items_weight_decay": [Interval(Real, 0, None, closed="left")],
    "lr_step": [Interval(Integral, 1, None, closed="left"), None],
    "lr_gamma": [Interval(Real, 0, 1, closed="right")],
    "num_fixed_layers": [Interval(Integral, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "validation_pool": [StrOptions({"all", "session"})],
    "patience": [Interval(Integral, 1, None, closed="left")],
    "click_confidence": [StrOptions({"windowed"}), callable, None],
    "query_column": [str, None],
    "item_column": [str, None],
    "n_query_features": [Interval(Integral, 1, None, closed="left"), None],
    "device": [str, None],
    "random_state": ["random_state"],
}


def check_options(estimator: Any) -> tuple[ExamplesType, ...]:
    """Check which options go together.

    Parameters
    ----------
    estimator : TwoTowerEmbedder
        Its parameters, each checked for itself.

    Returns
    -------
    stages : tuple of ExamplesType
        Its ``examples_order``.

    Raises
    ------
    ValueError
        If an option has no effect with the others, or contradicts them.
    """
    in_batch = estimator.loss == "multiple_negatives_ranking"
    if estimator.hard_negatives and not in_batch:
        raise ValueError(
            "hard_negatives=True needs loss='multiple_negatives_ranking'; the pair "
            f"losses use such items always. Got loss={estimator.loss!r}."
        )
    if estimator.min_abs_difference_threshold >= estimator.max_abs_difference_threshold:
        raise ValueError(
            "min_abs_difference_threshold must be below "
            "max_abs_difference_threshold. Got "
            f"{estimator.min_abs_difference_threshold:g} and "
            f"{estimator.max_abs_difference_threshold:g}."
        )
    stages = read_examples_order(estimator.examples_order)
    if in_batch and any(stage.name != "all_examples" for stage in stages):
        raise ValueError(
            "examples_order needs a pair loss such as 'pairwise_logistic'; "
            "'multiple_negatives_ranking' has no pairs to choose from."
        )
    if in_batch and not estimator.not_irrelevant_only:
        raise ValueError(
            "not_irrelevant_only=False needs a pair loss such as 'pairwise_logistic'."
        )
    if estimator.num_fixed_layers and estimator.fine_tune != "full":
        raise ValueError(
            f"num_fixed_layers={estimator.num_fixed_layers} needs fine_tune='full'; "
            "with 'adapter' no layer of the encoder is trained."
        )
    return stages
