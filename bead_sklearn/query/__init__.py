"""Query strategies: which rows to ask people about next."""

from bead_sklearn.query._base import ModalStrategy, QueryStrategy
from bead_sklearn.query._function import FunctionStrategy, make_query_strategy
from bead_sklearn.query._random import RandomSampling
from bead_sklearn.query._registry import (
    create_strategy,
    get_query_strategy,
    get_query_strategy_names,
)
from bead_sklearn.query._regression import PredictiveStdSampling
from bead_sklearn.query._selection import select_top_k
from bead_sklearn.query._uncertainty import (
    EntropySampling,
    LeastConfidenceSampling,
    MarginSampling,
    UncertaintyStrategy,
)

__all__ = [
    "EntropySampling",
    "LeastConfidenceSampling",
    "MarginSampling",
    "PredictiveStdSampling",
    "RandomSampling",
    "get_query_strategy",
    "get_query_strategy_names",
    "make_query_strategy",
    "create_strategy",
    "select_top_k",
    "QueryStrategy",
    "UncertaintyStrategy",
    "FunctionStrategy",
    "ModalStrategy",
]
