"""Choosing whom to ask."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from bead_sklearn.routing._assignment import assign, explored
from bead_sklearn.routing._conditions import Conditions, check_number


class ItemRouting:
    """Assigns items by the rewards that a subclass expects of its annotators."""

    random_state: Any
    annotators_: np.ndarray
    _ids: list[Any]

    def _rewards(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return rewards of each annotator (n, A), and of a new one (n,)."""
        raise NotImplementedError

    def route(
        self,
        X: Any,
        n_per_item: int = 1,
        *,
        capacity: Any = None,
        cost: Any = None,
        trade_off: float = 0.0,
        exclude: Any = None,
        epsilon: float = 0.0,
        random_state: Any = None,
    ) -> np.ndarray:
        """Choose whom to ask about each item.

        Maximises the sum of reward - trade_off * cost over all items together, exactly
        also under capacities.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is to be answered.
        n_per_item : int, default=1
            Number of annotators per item, all different.
        capacity : int, mapping or array-like of shape (n_annotators,), default=None
            Largest number of items of each annotator; a mapping gives it by id, and
            who is not in it has no limit.
        cost : mapping or array-like of shape (n_annotators,) or \
(n_items, n_annotators), default=None
            Cost of an answer; a mapping gives it by id, and who is not in it has none.
        trade_off : float, default=0.0
            Reward that one unit of cost is worth.
        exclude : array-like of ids, or of bool of shape (n_items, n_annotators), \
default=None
            Who is not asked, at all or about an item.
        epsilon : float, default=0.0
            Probability that an item is given to annotators at random, to learn about
            them.
        random_state : int, RandomState instance or None, default=None
            Draws what epsilon asks for; None uses the parameter of the router.

        Returns
        -------
        annotators : ndarray of shape (n_items,) or (n_items, n_per_item)
            Ids, those with the largest utility first.

        Raises
        ------
        ValueError
            If capacities cannot be met (it says by how much), or an argument names
            annotators that are not known or has the wrong shape or range.
        """
        table, _ = self._rewards(X)
        conditions = Conditions(self._ids, len(table))
        n_per_item = conditions.n_per_item(n_per_item)
        trade_off = check_number(trade_off, "trade_off", np.inf)
        epsilon = check_number(epsilon, "epsilon", 1.0)
        if trade_off and cost is None:
            raise ValueError(f"trade_off={trade_off:g} needs cost.")
        utility = table
        if cost is not None:
            utility = table - trade_off * conditions.costs(cost)
        if epsilon:
            seed = self.random_state if random_state is None else random_state
            utility = explored(utility, epsilon, check_random_state(seed))
        chosen = assign(
            utility,
            n_per_item,
            conditions.capacities(capacity),
            conditions.allowed(exclude),
        )
        names = self.annotators_[chosen]
        return names[:, 0] if n_per_item == 1 else names
