"""Assigning items to annotators under capacities."""

from __future__ import annotations

import numpy as np
from scipy import optimize, sparse
from scipy.sparse import csgraph


def assign(
    utility: np.ndarray,
    n_per_item: int,
    capacity: np.ndarray | None,
    allowed: np.ndarray,
) -> np.ndarray:
    """Choose annotators with the largest total utility.

    maximise sum_ia u_ia z_ia  subject to  sum_a z_ia = n_per_item,
    sum_i z_ia <= capacity_a, z_ia in {0, 1}, z_ia = 0 where not allowed.

    The matrix of the constraints is totally unimodular, so that the linear programme
    has a solution in integers.

    Parameters
    ----------
    utility : ndarray of shape (n_items, n_annotators)
        Utilities, finite.
    n_per_item : int
        Number of annotators per item.
    capacity : ndarray of shape (n_annotators,) or None
        Largest number of items per annotator.
    allowed : ndarray of bool of shape (n_items, n_annotators)
        Who may be asked.

    Returns
    -------
    chosen : ndarray of intp of shape (n_items, n_per_item)
        Positions of the annotators of each item, best first.

    Raises
    ------
    ValueError
        If there are not enough annotators; says how many are missing.
    """
    n_items = len(utility)
    few = np.flatnonzero(allowed.sum(axis=1) < n_per_item)
    if len(few):
        raise ValueError(
            f"n_per_item={n_per_item} annotators cannot be found for {len(few)} "
            f"item(s): item {few[0]} has {int(allowed[few[0]].sum())} that may be "
            "asked."
        )
    masked = np.where(allowed, utility, -np.inf)
    order = np.argsort(-masked, axis=1, kind="stable")[:, :n_per_item]
    loads = np.bincount(order.ravel(), minlength=utility.shape[1])
    if capacity is None or (loads <= capacity).all():
        return order
    _check_capacity(n_items, n_per_item, capacity, allowed)
    item, annotator = np.nonzero(allowed)
    n_edges = len(item)
    ones, edges = np.ones(n_edges), np.arange(n_edges)
    result = optimize.linprog(
        -utility[item, annotator],
        A_eq=sparse.csr_array((ones, (item, edges)), shape=(n_items, n_edges)),
        b_eq=np.full(n_items, float(n_per_item)),
        A_ub=sparse.csr_array(
            (ones, (annotator, edges)), shape=(len(capacity), n_edges)
        ),
        b_ub=capacity.astype(float),
        bounds=(0.0, 1.0),
        method="highs-ds",  # ends at a vertex, where all entries are 0 or 1
    )
    if result.x is None:  # pragma: no cover - feasibility was checked
        raise RuntimeError(f"The assignment was not solved: {result.message}")
    taken = result.x > 0.5
    chosen = np.full(utility.shape, -np.inf)
    chosen[item[taken], annotator[taken]] = utility[item[taken], annotator[taken]]
    return np.argsort(-chosen, axis=1, kind="stable")[:, :n_per_item]


def _check_capacity(
    n_items: int, n_per_item: int, capacity: np.ndarray, allowed: np.ndarray
) -> None:
    """Raise if no assignment keeps to the capacities."""
    needed = n_items * n_per_item
    n_annotators = len(capacity)
    source, sink = 0, 1 + n_items + n_annotators
    item, annotator = np.nonzero(allowed)
    limits = np.minimum(capacity, n_items)
    heads = np.concatenate(
        [np.zeros(n_items, int), 1 + item, 1 + n_items + np.arange(n_annotators)]
    )
    tails = np.concatenate(
        [1 + np.arange(n_items), 1 + n_items + annotator, np.full(n_annotators, sink)]
    )
    sizes = np.concatenate([np.full(n_items, n_per_item), np.ones(len(item)), limits])
    graph = sparse.csr_array(
        (sizes.astype(np.int32), (heads, tails)), shape=(sink + 1, sink + 1)
    )
    flow = int(csgraph.maximum_flow(graph, source, sink).flow_value)
    if flow < needed:
        raise ValueError(
            f"capacity cannot be met: {n_items} item(s) need {needed} answers, and the "
            f"annotators can give {flow} of them, {needed - flow} too few. Raise "
            "capacity, lower n_per_item, or exclude fewer annotators."
        )


def explored(
    utility: np.ndarray, epsilon: float, rng: np.random.RandomState
) -> np.ndarray:
    """Return utilities that are drawn at random for a share of the items.

    Parameters
    ----------
    utility : ndarray of shape (n_items, n_annotators)
        Utilities, finite.
    epsilon : float
        Probability that those of an item are drawn.
    rng : RandomState
        Draws them, from the range of all utilities, at least 1 wide.

    Returns
    -------
    utility : ndarray of shape (n_items, n_annotators)
        Utilities.
    """
    random = rng.random_sample(len(utility)) < epsilon
    span = max(float(np.ptp(utility)), 1.0)
    drawn = utility.min() + span * rng.random_sample(utility.shape)
    return np.where(random[:, None], drawn, utility)
