"""Core-set selection: cover the pool."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bead_sklearn._sklearn import HasMethods
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._distances import Distances
from bead_sklearn.query._features import FeatureSpace
from bead_sklearn.query._scored import ScoredPool, best_row, take

#: What the parameter ``features`` of a strategy may be.
FEATURES: list[Any] = [callable, HasMethods(["fit", "transform"]), None]


class KCenterSampling(QueryStrategy):
    r"""Ask about rows far from all that is labelled: the k-center core-set.

    .. math:: \max_i \min_{j \in L \cup B} \lVert x_i - x_j \rVert

    greedily: each row of the batch B is the one farthest from the labelled rows L and
    the rows picked before it, which covers the pool within twice the best radius [1]_,
    [2]_. The model is not read but for its features. Without labelled rows the mean of
    the pool stands for them. The utility is the distance of the row alone.

    Parameters
    ----------
    features : callable or transformer, default=None
        Makes vectors of rows. None: the steps of a Pipeline before the last, the
        encoder of a task model, else the rows themselves.

    See Also
    --------
    BADGESampling : Distances between gradients, which know what the model is unsure of.

    References
    ----------
    .. [1] Gonzalez (1985), Clustering to minimize the maximum intercluster distance.
       Theoretical Computer Science 38. doi:10.1016/0304-3975(85)90224-5
    .. [2] Sener & Savarese (2018), Active learning for convolutional neural networks: a
       core-set approach. ICLR.

    Examples
    --------
    >>> from bead_sklearn.query import KCenterSampling
    >>> pool = [[0.0], [1.0], [7.0], [11.0]]
    >>> scored = KCenterSampling().score_pool(None, pool, X_labeled=[[0.0]])
    >>> scored.select(2)
    array([3, 2])
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        uses_features=True, batch_aware=True
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"features": FEATURES}

    def __init__(self, *, features: Any = None) -> None:
        self.features = features

    def _score_pool(
        self,
        estimator: Any,
        X: Any,
        *,
        groups: Any,
        X_labeled: Any,
        y_labeled: Any,
        groups_labeled: Any,
    ) -> ScoredPool:
        space = FeatureSpace(estimator, self.features, type(self).__name__)
        rows = space.pool(X)
        distances = Distances(rows)
        labeled = space.labeled(X_labeled, rows)
        gap = distances.nearest(labeled) if labeled.shape[0] else distances.to_mean()
        utilities = self._checked(np.sqrt(gap), X)
        return ScoredPool(utilities, _Farthest(distances, gap, utilities))


class _Farthest:
    """The row farthest from all before, again and again.

    Distances only fall, so that a row far down cannot be picked before those above it
    have fallen as low: after every pick only the rows at the top are measured, and all
    rows again when the top has come down to the others.
    """

    def __init__(
        self,
        distances: Distances,
        gap: NDArray[Any],
        utilities: NDArray[np.float64],
    ) -> None:
        self.distances = distances
        self.gap = gap
        self.utilities = utilities

    def __call__(self, n: int, priority: NDArray[np.intp] | None) -> NDArray[np.intp]:
        return take(self._picks(priority), n, self.utilities, priority)

    def _picks(self, priority: NDArray[np.intp] | None) -> Iterator[int]:
        gap = self.gap.copy()
        n, size = len(gap), _TOP
        picked: list[int] = []
        recent: list[int] = []
        while len(picked) < n:
            if recent:
                self.distances.lower(gap, recent)
                # Too few rows at the top were worth measuring all the others.
                size = 2 * size if len(recent) < _ENOUGH else size
            gap[picked] = -np.inf
            pick = best_row(gap, priority)
            top = _highest(gap, size)
            others = np.delete(gap, top).max(initial=-np.inf) if len(top) < n else None
            near = Distances(self.distances.rows[top])
            heights = gap[top]
            own = None if priority is None else priority[top]
            recent = []
            while True:
                yield pick
                picked.append(pick)
                recent.append(pick)
                if len(picked) == n:
                    return
                np.minimum(heights, near.to(self.distances, pick), out=heights)
                heights[top == pick] = -np.inf
                best = best_row(heights, own)
                # Rows as high as the highest of the others wait for those.
                if others is not None and not heights[best] > others:
                    break
                pick = int(top[best])


def _highest(values: NDArray[Any], n: int) -> NDArray[np.intp]:
    """Return the positions of the n highest values, in order of position."""
    if n >= len(values):
        return np.arange(len(values))
    return np.sort(np.argpartition(values, len(values) - n)[len(values) - n :])


#: Rows at the top that are measured after every pick, and picks that make them enough.
_TOP, _ENOUGH = 2048, 16
