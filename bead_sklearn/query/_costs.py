"""Utilities per cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._columns import row_values
from bead_sklearn.query._registry import get_query_strategy


class PerCost(QueryStrategy):
    r"""Divide the utilities of a strategy by what each label costs.

    .. math:: u_i / c_i

    so that a batch buys most per unit of cost (a negative utility is multiplied by the
    cost instead, which keeps cheap rows ahead) [1]_. Rows of a batch are those of the
    highest ratio: of a strategy for batches the spread within a batch is lost.

    Parameters
    ----------
    strategy : str, QueryStrategy or callable
        Gives the utilities; see `get_query_strategy`.
    cost : str, int or callable
        Cost of each label, positive: a column of X by name or position, or a function
        of the rows, for instance of the number of words.

    References
    ----------
    .. [1] Settles, Craven & Friedland (2008), Active learning with real annotation
       costs. NeurIPS workshop on cost-sensitive learning.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.query import EntropySampling, PerCost
    >>> model = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    >>> strategy = PerCost(EntropySampling(), cost=lambda X: [4.0, 1.0])
    >>> strategy(model, [[0.0], [0.5]]).round(3)
    array([0.173, 0.679])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "strategy": [str, QueryStrategy, callable],
        "cost": [str, int, callable],
    }

    def __init__(self, strategy: str | Callable[..., Any], *, cost: Any) -> None:
        self.strategy = strategy
        self.cost = cost

    @property
    def capabilities(self) -> Capabilities:
        """What the strategy needs of an estimator."""
        self._validate_params()
        inner = get_query_strategy(self.strategy).capabilities
        return Capabilities(
            needs=inner.needs,
            classifiers=inner.classifiers,
            regressors=inner.regressors,
            uses_features=inner.uses_features,
            is_random=inner.is_random,
        )

    def _utilities(self, estimator: Any, X: Any, **context: Any) -> ArrayLike:
        utilities = np.asarray(
            get_query_strategy(self.strategy)(estimator, X, **context)
        )
        cost = row_values(X, self.cost, "cost").astype(np.float64)
        wrong = np.flatnonzero(~(cost > 0))
        if len(wrong):
            raise ValueError(
                f"cost must be positive, got {cost[wrong[0]]} at row {wrong[0]}."
            )
        return np.where(utilities > 0, utilities / cost, utilities * cost)
