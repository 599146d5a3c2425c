"""Batches of diverse gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._features import FeatureSpace
from bead_sklearn.query._gradients import Gradients, Residuals
from bead_sklearn.query._k_center import FEATURES
from bead_sklearn.query._scored import ScoredPool, best_row, take


class BADGESampling(QueryStrategy):
    r"""Ask about rows whose gradients are long and differ: BADGE.

    The gradient of the last layer at the label that the model believes in,

    .. math:: g_i = (p_i - e_{\hat y_i}) \otimes x_i,

    is long where the model is unsure. A batch is drawn as k-means++ draws its centres:
    the longest gradient first, then each row with probability proportional to its
    squared distance from those picked [1]_. Gradients are never formed: their inner
    products are :math:`(a_i^\top a_j)(x_i^\top x_j)`. The utility is the squared
    length.

    Parameters
    ----------
    features : callable or transformer, default=None
        Makes vectors of rows. None: the steps of a Pipeline before the last, the
        encoder of a task model, else the rows themselves.
    random_state : int, RandomState instance or None, default=None
        Source of the draws.

    See Also
    --------
    UncertaintyHerding : Diverse and unsure without drawing.

    References
    ----------
    .. [1] Ash, Zhang, Krishnamurthy, Langford & Agarwal (2020), Deep batch active
       learning by diverse, uncertain gradient lower bounds. ICLR. arXiv:1906.03671

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.query import BADGESampling
    >>> model = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    >>> pool = [[-3.0], [0.5], [-0.5], [9.0]]
    >>> BADGESampling(random_state=0)(model, pool).round(3)
    array([0.245, 0.087, 0.087, 0.001])
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        needs="predict_proba",
        regressors=False,
        uses_features=True,
        batch_aware=True,
        is_random=True,
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "features": FEATURES,
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        features: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.features = features
        self.random_state = random_state

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
        who = type(self).__name__
        rows = FeatureSpace(estimator, self.features, who).pool(X)
        gradients = Gradients(
            rows, Residuals(estimator, X, groups, self._groups_name(), who, rows.dtype)
        )
        utilities = self._checked(gradients.lengths, X)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        return ScoredPool(utilities, _PlusPlus(gradients, utilities, seed))


class _PlusPlus:
    """Draws as k-means++ does, in the space of gradients.

    Distances to the nearest pick only fall. So a row is drawn in proportion to its
    distance of some picks ago and kept with the share that is left of it, which gives
    it the probability that it has now; when few are kept all rows are measured again.
    """

    def __init__(
        self, gradients: Gradients, utilities: NDArray[np.float64], seed: int
    ) -> None:
        self.gradients = gradients
        self.utilities = utilities
        self.seed = seed

    def __call__(self, n: int, priority: NDArray[np.intp] | None) -> NDArray[np.intp]:
        return take(self._picks(priority), n, self.utilities, priority)

    def _picks(self, priority: NDArray[np.intp] | None) -> Iterator[int]:
        rng = np.random.RandomState(self.seed)
        lengths = self.gradients.lengths
        if not len(lengths):
            return
        gap = np.full(len(lengths), np.inf, dtype=lengths.dtype)
        recent = [best_row(lengths, priority)]
        yield recent[0]
        while True:
            self.gradients.lower(gap, recent)
            wheel = _Wheel(gap)
            if not wheel.total > 0:  # all that is left are twins of picks
                return
            recent = []
            while (pick := self._draw(wheel, gap, recent, rng)) is not None:
                yield pick
                recent.append(pick)

    def _draw(
        self,
        wheel: _Wheel,
        gap: NDArray[Any],
        recent: list[int],
        rng: np.random.RandomState,
    ) -> int | None:
        rows = wheel.spin(rng.random_sample(_DRAWS))
        shares = rng.random_sample(_DRAWS)
        now = gap[rows]
        if recent:
            now = np.minimum(now, self.gradients.nearest(rows, recent))
        kept = np.flatnonzero(shares * gap[rows] < now)
        return int(rows[kept[0]]) if len(kept) else None


class _Wheel:
    """Draws of positions in proportion to values, with little memory."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values
        starts = np.arange(0, len(values), _SECTOR)
        sums = np.add.reduceat(values, starts, dtype=np.float64)
        self.ends = np.cumsum(sums)
        self.total = float(self.ends[-1])

    def spin(self, shares: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the position at each share of the total."""
        points = shares * self.total
        sectors = np.searchsorted(self.ends, points, "right")
        sectors = np.minimum(sectors, np.flatnonzero(np.diff(self.ends, prepend=0))[-1])
        points = points - np.where(sectors > 0, self.ends[sectors - 1], 0.0)
        found = np.empty(len(shares), dtype=np.intp)
        for k, (sector, point) in enumerate(zip(sectors, points, strict=True)):
            part = self.values[sector * _SECTOR : (sector + 1) * _SECTOR]
            sums = np.cumsum(part, dtype=np.float64)
            last = np.nextafter(sums[-1], 0.0)
            place = np.searchsorted(sums, min(point, last), "right")
            found[k] = sector * _SECTOR + place
        return found


#: Rows drawn at a time, and positions that are summed together.
_DRAWS = 16
_SECTOR = 1024
