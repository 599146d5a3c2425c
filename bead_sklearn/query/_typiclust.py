"""Typical rows of clusters that hold no label yet."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from bead_sklearn._sklearn import Interval
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._features import FeatureSpace, Matrix
from bead_sklearn.query._k_center import FEATURES
from bead_sklearn.query._scored import ScoredPool, best_row

#: From this many rows on, clusters are found by mini-batches.
_MINI_BATCHES_FROM = 10_000
#: Rows of a cluster among which neighbours are searched; of larger ones a sample.
_MAX_IN_CLUSTER = 2_000


class TypiClustSampling(QueryStrategy):
    r"""Ask about the most typical rows of clusters without labels.

    Labelled rows and pool are cut into as many clusters as there will be labels, at
    most ``max_clusters``, by k-means. Clusters with the fewest labels come first, of
    these the largest; of each the row of highest typicality is asked,

    .. math:: \Bigl( \frac1k \sum_{j \in \mathrm{NN}_k(i)} \lVert x_i - x_j \rVert
        \Bigr)^{-1}

    over its k nearest neighbours in the cluster [1]_. The model is not read but for its
    features: a strategy for the first labels. The utility of a row is its typicality
    among the k nearest rows of its cluster when a single row is asked.

    Parameters
    ----------
    n_neighbors : int, default=20
        Number k of neighbours.
    max_clusters : int, default=500
        Most clusters.
    features : callable or transformer, default=None
        Makes vectors of rows. None: the steps of a Pipeline before the last, the
        encoder of a task model, else the rows themselves.
    random_state : int, RandomState instance or None, default=None
        Seed of k-means.

    Notes
    -----
    The number of clusters depends on the size of the batch, so the first rows of a
    batch need not be a smaller batch.

    References
    ----------
    .. [1] Hacohen, Dekel & Weinshall (2022), Active learning on a budget: opposite
       strategies suit high and low budgets. ICML. arXiv:2202.02794

    Examples
    --------
    >>> from bead_sklearn.query import TypiClustSampling
    >>> pool = [[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]]
    >>> scored = TypiClustSampling(random_state=0).score_pool(None, pool)
    >>> sorted(scored.select(2).tolist())
    [1, 4]
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        uses_features=True, batch_aware=True, is_random=True, nested_batches=False
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "max_clusters": [Interval(Integral, 1, None, closed="left")],
        "features": FEATURES,
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        n_neighbors: int = 20,
        max_clusters: int = 500,
        features: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.max_clusters = max_clusters
        self.features = features
        self.random_state = random_state

    def _score_pool(
        self, estimator: Any, X: Any, *, X_labeled: Any, **context: Any
    ) -> ScoredPool:
        space = FeatureSpace(estimator, self.features, type(self).__name__)
        rows = space.pool(X)
        labeled = space.labeled(X_labeled, rows)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        choice = _Clusters(rows, labeled, self.n_neighbors, self.max_clusters, seed)
        utilities = self._checked(choice.typicality(choice.codes(1)), X)
        return ScoredPool(utilities, choice)


class _Clusters:
    """One typical row of each cluster, the emptiest of labels first."""

    def __init__(
        self,
        rows: Matrix,
        labeled: Matrix,
        n_neighbors: int,
        max_clusters: int,
        seed: int,
    ) -> None:
        stack = sparse.vstack if sparse.issparse(rows) else np.concatenate
        self.n_labeled = labeled.shape[0]
        both: Matrix = stack([labeled, rows])
        self.all_rows = both.tocsr() if sparse.issparse(both) else both
        self.n_neighbors = n_neighbors
        self.max_clusters = max_clusters
        self.seed = seed

    def codes(self, n: int) -> NDArray[np.intp]:
        """Return the cluster of every labelled row, then of every row of the pool."""
        n_rows = self.all_rows.shape[0]
        n_clusters = min(self.n_labeled + n, self.max_clusters, n_rows)
        if n_clusters < 2:
            return np.zeros(n_rows, dtype=np.intp)
        method = MiniBatchKMeans if n_rows >= _MINI_BATCHES_FROM else KMeans
        options = {"batch_size": 4096} if method is MiniBatchKMeans else {}
        clusters = method(n_clusters, n_init=1, random_state=self.seed, **options)
        with warnings.catch_warnings():
            # Twins leave clusters empty, which does no harm.
            warnings.filterwarnings("ignore", "Number of distinct clusters")
            clusters.fit(self.all_rows)
        return np.asarray(clusters.labels_, dtype=np.intp)

    def typicality(self, codes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the typicality of each row of the pool in its cluster."""
        result = np.zeros(self.all_rows.shape[0])
        order = np.argsort(codes, kind="stable")
        for members in np.split(order, np.cumsum(np.bincount(codes))[:-1]):
            if len(members):
                result[members] = self._within(members)
        return result[self.n_labeled :]

    def _within(self, members: NDArray[np.intp]) -> NDArray[np.float64]:
        k = min(self.n_neighbors, len(members) - 1)
        if k < 1:
            return np.zeros(len(members))
        among = members
        if len(members) > _MAX_IN_CLUSTER:
            drawn = np.random.RandomState(self.seed).choice(
                len(members), _MAX_IN_CLUSTER, replace=False
            )
            among = members[np.sort(drawn)]
            k = min(k, len(among) - 1)
        neighbors = NearestNeighbors(n_neighbors=k + 1).fit(self.all_rows[among])
        distances, _ = neighbors.kneighbors(self.all_rows[members])
        # The row itself is at distance zero, if it is among them.
        mean = distances[:, 1:].mean(axis=1)
        return np.asarray(1.0 / (mean + 1e-12))

    def __call__(self, n: int, priority: NDArray[np.intp] | None) -> NDArray[np.intp]:
        codes = self.codes(n)
        typical = self.typicality(codes)
        own = codes[self.n_labeled :]
        n_clusters = int(codes.max(initial=0)) + 1
        labels = np.bincount(codes[: self.n_labeled], minlength=n_clusters)
        left = np.bincount(own, minlength=n_clusters)
        chosen: list[int] = []
        members = [np.flatnonzero(own == code) for code in range(n_clusters)]
        free = np.ones(len(own), dtype=bool)
        while len(chosen) < n:
            # Fewest labels, then most rows, of those that have rows to ask.
            open_ = np.flatnonzero(left > 0)
            code = open_[np.lexsort((-left[open_], labels[open_]))[0]]
            rows = members[code][free[members[code]]]
            at = best_row(typical[rows], None if priority is None else priority[rows])
            chosen.append(int(rows[at]))
            free[rows[at]] = False
            labels[code] += 1
            left[code] -= 1
        return np.array(chosen, dtype=np.intp)
