"""Embeddings of queries and items, fine-tuned from clicks."""

from bead_sklearn.embedding._clicks import ClickstreamPairs
from bead_sklearn.embedding._confidences import click_confidences, constant_confidences
from bead_sklearn.embedding._embedder import TwoTowerEmbedder
from bead_sklearn.embedding._losses import (
    CosineProbMarginRankingLoss,
    LogisticRankingLoss,
    MarginRankingLoss,
    ProbMarginRankingLoss,
)
from bead_sklearn.embedding._metrics import (
    distance_shift,
    make_ranking_scorer,
    mean_reciprocal_rank,
    normalized_dcg,
    recall_at_k,
)
from bead_sklearn.embedding._pairs import PairFeatures
from bead_sklearn.embedding._params import ExamplesType, FineTuningParams
from bead_sklearn.embedding._ranks import aggregate_ranks
from bead_sklearn.embedding._split import ItemOverlapShuffleSplit

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
