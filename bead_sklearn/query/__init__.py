"""Query strategies: which rows to ask people about next."""

from bead_sklearn.query._badge import BADGESampling
from bead_sklearn.query._bald import BALDSampling, BatchBALDSampling
from bead_sklearn.query._base import ModalStrategy, QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._committee import CommitteeClassifier
from bead_sklearn.query._constrained import Constrained
from bead_sklearn.query._costs import PerCost
from bead_sklearn.query._density import InformationDensitySampling, information_density
from bead_sklearn.query._design import (
    AOptimal,
    DesignStrategy,
    ExpectedInformationGain,
    JointAOptimal,
)
from bead_sklearn.query._discriminative import DiscriminativeSampling
from bead_sklearn.query._error_reduction import ExpectedErrorReduction
from bead_sklearn.query._function import FunctionStrategy, make_query_strategy
from bead_sklearn.query._gradient import ExpectedGradientLength, ExpectedModelChange
from bead_sklearn.query._herding import UncertaintyHerding
from bead_sklearn.query._k_center import KCenterSampling
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
from bead_sklearn.query._ranked import (
    DiverseUncertaintySampling,
    RankedBatchSampling,
)
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
from bead_sklearn.query._typiclust import TypiClustSampling
from bead_sklearn.query._uncertainty import (
    EntropySampling,
    LeastConfidenceSampling,
    MarginSampling,
    UncertaintyStrategy,
)

__all__ = [
    "AOptimal",
    "BADGESampling",
    "BALDSampling",
    "BatchBALDSampling",
    "Capabilities",
    "CommitteeClassifier",
    "CommitteeStrategy",
    "ConsensusEntropySampling",
    "Constrained",
    "DesignStrategy",
    "DiscriminativeSampling",
    "DiverseUncertaintySampling",
    "EntropySampling",
    "ExpectedErrorReduction",
    "ExpectedGradientLength",
    "ExpectedInformationGain",
    "ExpectedModelChange",
    "FunctionStrategy",
    "InformationDensitySampling",
    "JointAOptimal",
    "KCenterSampling",
    "LeastConfidenceSampling",
    "MarginSampling",
    "MaxKLSampling",
    "MeanKLSampling",
    "ModalFunctionStrategy",
    "ModalStrategy",
    "PerCost",
    "PredictiveStdSampling",
    "QueryStrategy",
    "RandomSampling",
    "RankedBatchSampling",
    "ScoredPool",
    "SkactivemlAdapter",
    "SkactivemlStrategy",
    "TypiClustSampling",
    "UncertaintyHerding",
    "UncertaintyStrategy",
    "VoteEntropySampling",
    "align_classes",
    "as_skactiveml",
    "create_strategy",
    "from_modal",
    "from_skactiveml",
    "get_query_strategy",
    "get_query_strategy_names",
    "information_density",
    "make_query_strategy",
    "select_top_k",
]
