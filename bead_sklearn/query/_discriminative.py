"""Rows that a classifier tells from the labelled ones."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from bead_sklearn._sklearn import Interval
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._distances import Distances
from bead_sklearn.query._features import FeatureSpace, Matrix
from bead_sklearn.query._k_center import FEATURES
from bead_sklearn.query._scored import ScoredPool
from bead_sklearn.query._selection import select_top_k


class DiscriminativeSampling(QueryStrategy):
    """Ask about the rows that are easiest to tell from the labelled ones.

    A logistic regression learns to tell labelled rows from the pool, both weighing the
    same; the utility is the probability of belonging to the pool [1]_. A batch is
    chosen in ``n_steps`` parts, each of which counts as labelled for the next. Without
    labelled rows the utility is the distance from the mean of the pool.

    Parameters
    ----------
    n_steps : int, default=10
        Number of parts of a batch.
    features : callable or transformer, default=None
        Makes vectors of rows. None: the steps of a Pipeline before the last, the
        encoder of a task model, else the rows themselves.

    References
    ----------
    .. [1] Gissin & Shalev-Shwartz (2019), Discriminative active learning.
       arXiv:1907.06347

    Examples
    --------
    >>> from bead_sklearn.query import DiscriminativeSampling
    >>> pool = [[0.0], [1.0], [10.0]]
    >>> strategy = DiscriminativeSampling()
    >>> strategy.score_pool(None, pool, X_labeled=[[0.0], [0.5]]).select(1)
    array([2])
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        uses_features=True, batch_aware=True, nested_batches=False
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "features": FEATURES,
    }

    def __init__(self, *, n_steps: int = 10, features: Any = None) -> None:
        self.n_steps = n_steps
        self.features = features

    def _score_pool(
        self, estimator: Any, X: Any, *, X_labeled: Any, **context: Any
    ) -> ScoredPool:
        space = FeatureSpace(estimator, self.features, type(self).__name__)
        rows = space.pool(X)
        labeled = space.labeled(X_labeled, rows)
        utilities = self._checked(_tell_apart(rows, labeled), X)
        return ScoredPool(utilities, _InSteps(rows, labeled, utilities, self.n_steps))


def _tell_apart(rows: Matrix, labeled: Matrix) -> NDArray[np.float64]:
    """Return how surely each row is one of the pool."""
    if labeled.shape[0] == 0 or rows.shape[0] == 0:
        return np.sqrt(Distances(rows).to_mean().astype(np.float64))
    stack = sparse.vstack if sparse.issparse(rows) else np.concatenate
    both: Matrix = stack([labeled, rows])
    if sparse.issparse(both):
        both = both.tocsr()
    known = np.zeros(both.shape[0], dtype=bool)
    known[: labeled.shape[0]] = True
    model = LogisticRegression(max_iter=1000, class_weight="balanced")
    model.fit(both, ~known)
    return np.asarray(model.decision_function(rows), dtype=np.float64)


class _InSteps:
    """Part by part, each counting as labelled for the next."""

    def __init__(
        self,
        rows: Matrix,
        labeled: Matrix,
        utilities: NDArray[np.float64],
        n_steps: int,
    ) -> None:
        self.rows = rows
        self.labeled = labeled
        self.utilities = utilities
        self.n_steps = n_steps

    def __call__(self, n: int, priority: NDArray[np.intp] | None) -> NDArray[np.intp]:
        order = np.arange(len(self.utilities))
        if priority is not None:
            order = np.argsort(priority)
        chosen = np.empty(0, dtype=np.intp)
        utilities = self.utilities
        for size in np.diff(np.linspace(0, n, min(self.n_steps, n) + 1).astype(int)):
            left = order[~np.isin(order, chosen)]
            if len(chosen):
                stack = sparse.vstack if sparse.issparse(self.rows) else np.concatenate
                known = stack([self.labeled, self.rows[chosen]])
                utilities = np.full(len(utilities), -np.inf)
                utilities[left] = _tell_apart(self.rows[left], known)
            picks = left[select_top_k(utilities[left], int(size))]
            chosen = np.concatenate([chosen, picks])
        return chosen
