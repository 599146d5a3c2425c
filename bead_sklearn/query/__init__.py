"""Query strategies: which rows to ask people about next."""

from bead_sklearn.query._base import ModalStrategy, QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._committee import CommitteeClassifier
from bead_sklearn.query._function import FunctionStrategy, make_query_strategy
from bead_sklearn.query._members import align_classes
from bead_sklearn.query._modal import ModalFunctionStrategy, from_modal
from bead_sklearn.query._query_by_committee import (
    CommitteeStrategy,
    ConsensusEntropySampling,
    MaxKLSampling,
    MeanKLSampling,
    VoteEntropySampling,
)
from bead_sklearn.query._random import RandomSampling
from bead_sklearn.query._registry import (
    create_strategy,
    get_query_strategy,
    get_query_strategy_names,
)
from bead_sklearn.query._regression import PredictiveStdSampling
from bead_sklearn.query._scored import ScoredPool
from bead_sklearn.query._selection import select_top_k
from bead_sklearn.query._skactiveml import (
    SkactivemlAdapter,
    SkactivemlStrategy,
    as_skactiveml,
    from_skactiveml,
)
from bead_sklearn.query._uncertainty import (
    EntropySampling,
    LeastConfidenceSampling,
    MarginSampling,
    UncertaintyStrategy,
)

__all__ = [
    "Capabilities",
    "CommitteeClassifier",
    "CommitteeStrategy",
    "ConsensusEntropySampling",
    "EntropySampling",
    "FunctionStrategy",
    "LeastConfidenceSampling",
    "MarginSampling",
    "MaxKLSampling",
    "MeanKLSampling",
    "ModalFunctionStrategy",
    "ModalStrategy",
    "PredictiveStdSampling",
    "QueryStrategy",
    "RandomSampling",
    "ScoredPool",
    "SkactivemlAdapter",
    "SkactivemlStrategy",
    "UncertaintyStrategy",
    "VoteEntropySampling",
    "align_classes",
    "as_skactiveml",
    "create_strategy",
    "from_modal",
    "from_skactiveml",
    "get_query_strategy",
    "get_query_strategy_names",
    "make_query_strategy",
    "select_top_k",
]
