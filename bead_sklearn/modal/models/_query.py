"""How learners and committees ask their strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bead_sklearn._sklearn import _safe_indexing
from bead_sklearn.active_learning._rows import as_labels, as_row_container
from bead_sklearn.query import QueryStrategy, get_query_strategy

QueryFunction = Callable[..., Any]


def query_pool(
    learner: Any,
    taught: Any,
    X_pool: Any,
    args: tuple[Any, ...],
    return_metrics: bool,
    kwargs: dict[str, Any],
) -> Any:
    """Call the strategy once; it returns positions, or positions and metrics.

    Parameters
    ----------
    learner : ActiveLearner or Committee
        Who asks.
    taught : ActiveLearner
        Whose labels count as known.
    X_pool : array-like of shape (n_pool, ...)
        Rows without labels.
    args, kwargs : tuple, dict
        What the strategy is given.
    return_metrics : bool
        Whether to return the metrics of the rows too.
    """
    strategy = learner.query_strategy
    if isinstance(strategy, str | QueryStrategy):
        n_instances = args[0] if args else kwargs.pop("n_instances", 1)
        strategy = get_query_strategy(strategy)
        known_X = learner.X_training
        pool = strategy.score_pool(
            learner,
            X_pool,
            X_labeled=known_X,
            y_labeled=None if known_X is None else as_labels(taught.y_training),
            **kwargs,
        )
        indices = pool.select(n_instances)
        found: Any = (indices, pool.utilities[indices])
    else:
        found = strategy(learner, X_pool, *args, **kwargs)
    chosen, metrics = (
        found if isinstance(found, tuple) and len(found) == 2 else (found, None)
    )
    rows = np.atleast_1d(np.asarray(chosen))
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise TypeError(
            "A query strategy must return positions in the pool, got "
            f"{rows.dtype} of shape {rows.shape}."
        )
    instances = _safe_indexing(as_row_container(X_pool), rows)
    return (rows, instances, metrics) if return_metrics else (rows, instances)
