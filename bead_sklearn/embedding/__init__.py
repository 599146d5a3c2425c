"""Embeddings of queries and items, fine-tuned from clicks.

What needs torch is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bead_sklearn.embedding._clicks import ClickstreamPairs
from bead_sklearn.embedding._confidences import click_confidences, constant_confidences
from bead_sklearn.embedding._embedder import TwoTowerEmbedder
from bead_sklearn.embedding._metrics import (
    distance_shift,
    make_ranking_scorer,
    mean_reciprocal_rank,
    normalized_dcg,
    recall_at_k,
)
from bead_sklearn.embedding._params import ExamplesType, FineTuningParams
from bead_sklearn.embedding._ranks import aggregate_ranks
from bead_sklearn.embedding._split import ItemOverlapShuffleSplit

if TYPE_CHECKING:
    from bead_sklearn.embedding._losses import (
        CosineProbMarginRankingLoss,
        LogisticRankingLoss,
        MarginRankingLoss,
        ProbMarginRankingLoss,
    )
    from bead_sklearn.embedding._pairs import PairFeatures

__all__ = [
    "TwoTowerEmbedder",
    "FineTuningParams",
    "ExamplesType",
    "PairFeatures",
    "ClickstreamPairs",
    "ItemOverlapShuffleSplit",
    "ProbMarginRankingLoss",
    "CosineProbMarginRankingLoss",
    "LogisticRankingLoss",
    "MarginRankingLoss",
    "aggregate_ranks",
    "click_confidences",
    "constant_confidences",
    "distance_shift",
    "make_ranking_scorer",
    "mean_reciprocal_rank",
    "normalized_dcg",
    "recall_at_k",
]

_TORCH_BACKED = {
    "PairFeatures": "_pairs",
    "ProbMarginRankingLoss": "_losses",
    "CosineProbMarginRankingLoss": "_losses",
    "LogisticRankingLoss": "_losses",
    "MarginRankingLoss": "_losses",
}


def __getattr__(name: str) -> Any:
    if name not in _TORCH_BACKED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_TORCH_BACKED[name]}")
    return getattr(module, name)
