"""One place that knows the query strategies by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bead_sklearn.query._badge import BADGESampling
from bead_sklearn.query._bald import BALDSampling, BatchBALDSampling
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._density import InformationDensitySampling
from bead_sklearn.query._design import (
    AOptimal,
    ExpectedInformationGain,
    JointAOptimal,
)
from bead_sklearn.query._discriminative import DiscriminativeSampling
from bead_sklearn.query._error_reduction import ExpectedErrorReduction
from bead_sklearn.query._function import make_query_strategy
from bead_sklearn.query._gradient import ExpectedGradientLength, ExpectedModelChange
from bead_sklearn.query._herding import UncertaintyHerding
from bead_sklearn.query._k_center import KCenterSampling
from bead_sklearn.query._modal import from_modal, is_modal_function
from bead_sklearn.query._query_by_committee import (
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
from bead_sklearn.query._regression import PredictiveStdSampling
from bead_sklearn.query._typiclust import TypiClustSampling
from bead_sklearn.query._uncertainty import (
    EntropySampling,
    LeastConfidenceSampling,
    MarginSampling,
)

_STRATEGIES: dict[str, type[QueryStrategy]] = {
    "a_optimal": AOptimal,
    "badge": BADGESampling,
    "bald": BALDSampling,
    "batch_bald": BatchBALDSampling,
    "consensus_entropy": ConsensusEntropySampling,
    "discriminative": DiscriminativeSampling,
    "diverse_uncertainty": DiverseUncertaintySampling,
    "entropy": EntropySampling,
    "expected_error_reduction": ExpectedErrorReduction,
    "expected_gradient_length": ExpectedGradientLength,
    "expected_information_gain": ExpectedInformationGain,
    "expected_model_change": ExpectedModelChange,
    "information_density": InformationDensitySampling,
    "joint_a_optimal": JointAOptimal,
    "k_center": KCenterSampling,
    "least_confidence": LeastConfidenceSampling,
    "margin": MarginSampling,
    "max_kl": MaxKLSampling,
    "mean_kl": MeanKLSampling,
    "predictive_std": PredictiveStdSampling,
    "random": RandomSampling,
    "ranked_batch": RankedBatchSampling,
    "typiclust": TypiClustSampling,
    "uncertainty_herding": UncertaintyHerding,
    "vote_entropy": VoteEntropySampling,
}


def get_query_strategy_names() -> list[str]:
    """Names that `get_query_strategy` knows.

    Returns
    -------
    names : list of str
        The names, in alphabetical order.

    Examples
    --------
    >>> from bead_sklearn.query import get_query_strategy_names
    >>> get_query_strategy_names()[:3]
    ['a_optimal', 'badge', 'bald']
    """
    return sorted(_STRATEGIES)


def get_query_strategy(strategy: str | Callable[..., Any]) -> QueryStrategy:
    """Get a query strategy from a name or an object.

    Parameters
    ----------
    strategy : str, QueryStrategy or callable
        A name; a strategy, returned as it is; or a function
        ``func(estimator, X, ...) -> utilities``, which becomes a strategy that picks
        the rows with the highest utilities.

    Returns
    -------
    strategy : QueryStrategy
        The strategy.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If the object is neither a name nor callable.

    Examples
    --------
    >>> from bead_sklearn.query import get_query_strategy
    >>> get_query_strategy("margin")
    MarginSampling()
    """
    if isinstance(strategy, str):
        if strategy not in _STRATEGIES:
            raise ValueError(
                f"Unknown query strategy {strategy!r}. The strategies are "
                f"{get_query_strategy_names()}."
            )
        return _STRATEGIES[strategy]()
    if isinstance(strategy, QueryStrategy):
        return strategy
    if isinstance(strategy, type) or not callable(strategy):
        raise TypeError(
            "A query strategy is a name, a QueryStrategy instance or a function, got "
            f"{strategy!r}."
        )
    if is_modal_function(strategy):
        return from_modal(strategy)
    return make_query_strategy(strategy, response_method=None)


def create_strategy(method: str, seed: int | None = None) -> QueryStrategy:
    """Create a query strategy with a seed.

    Parameters
    ----------
    method : str
        A name of `get_query_strategy_names`.
    seed : int or None, default=None
        Seed of a strategy that draws at random. The others are deterministic and
        have none.

    Returns
    -------
    strategy : QueryStrategy
        The strategy.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> from bead_sklearn.query import create_strategy
    >>> create_strategy("random", seed=42)
    RandomSampling(random_state=42)
    """
    strategy = get_query_strategy(method)
    if "random_state" in strategy.get_params():
        strategy.set_params(random_state=seed)
    return strategy
