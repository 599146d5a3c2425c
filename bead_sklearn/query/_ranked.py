"""Batches that trade uncertainty against distance."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bead_sklearn._sklearn import Interval
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._distances import Distances
from bead_sklearn.query._features import FeatureSpace
from bead_sklearn.query._k_center import FEATURES
from bead_sklearn.query._members import chunks
from bead_sklearn.query._scored import ScoredPool, best_row, take
from bead_sklearn.query._uncertainty import LeastConfidenceSampling

#: Rows scored together.
_ROWS = 2**16


class RankedBatchSampling(QueryStrategy):
    r"""Ask about unsure rows unlike the labelled ones: ranked batch mode.

    .. math:: \alpha\,\Bigl(1 - \frac1{1 + d_i}\Bigr) + (1 - \alpha)\, u_i,
        \qquad \alpha = \frac{n_U}{n_U + n_L}

    with :math:`d_i` the distance to the nearest labelled or picked row and
    :math:`u_i = 1 - \max_k p_{ik}` [1]_. Every pick moves from the :math:`n_U`
    unlabelled to the :math:`n_L` labelled rows, so exploration gives way to
    uncertainty. The same picks as modAL's ``uncertainty_batch_sampling``. Without
    labelled rows the mean of the pool stands for them. Distances are in the unit of the
    features: standardise these, or use `DiverseUncertaintySampling`.

    Parameters
    ----------
    base : QueryStrategy, default=None
        Gives the uncertainty u. None: `LeastConfidenceSampling`.
    features : callable or transformer, default=None
        Makes vectors of rows. None: the steps of a Pipeline before the last, the
        encoder of a task model, else the rows themselves.

    See Also
    --------
    DiverseUncertaintySampling : Compares ranks, so that units do not matter.

    References
    ----------
    .. [1] Cardoso, Silva, Canuto, Moro & Goncalves (2017), Ranked batch-mode active
       learning. Information Sciences 379. doi:10.1016/j.ins.2016.10.037

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.query import RankedBatchSampling
    >>> known = [[-1.0], [1.0]]
    >>> model = LogisticRegression().fit(known, [0, 1])
    >>> pool = [[0.0], [0.1], [5.0]]
    >>> scored = RankedBatchSampling().score_pool(model, pool, X_labeled=known)
    >>> scored.select(2)
    array([0, 2])
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        needs="predict_proba",
        regressors=False,
        uses_features=True,
        batch_aware=True,
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "base": [QueryStrategy, None],
        "features": FEATURES,
    }

    def __init__(
        self, base: QueryStrategy | None = None, *, features: Any = None
    ) -> None:
        self.base = base
        self.features = features

    @property
    def capabilities(self) -> Capabilities:
        """What the strategy and its base need of an estimator."""
        return self._with_base(self.base)

    def _score_pool(
        self, estimator: Any, X: Any, *, X_labeled: Any, **context: Any
    ) -> ScoredPool:
        space = FeatureSpace(estimator, self.features, type(self).__name__)
        rows = space.pool(X)
        labeled = space.labeled(X_labeled, rows)
        base = self.base or LeastConfidenceSampling()
        unsure = base(estimator, X, X_labeled=X_labeled, **context)
        distances = Distances(rows)
        n_labeled = labeled.shape[0]
        gap = distances.nearest(labeled) if n_labeled else distances.to_mean()
        choice = _Ranked(distances, gap, np.asarray(unsure), n_labeled)
        choice.utilities = self._checked(choice.scores(gap, 0), X)
        return ScoredPool(choice.utilities, choice)


class _Ranked:
    """The highest score, the labelled rows and their number growing by each pick."""

    utilities: NDArray[np.float64]

    def __init__(
        self,
        distances: Distances,
        gap: NDArray[Any],
        unsure: NDArray[np.float64],
        n_labeled: int,
    ) -> None:
        self.distances = distances
        self.gap = gap
        self.unsure = unsure
        self.n_labeled = n_labeled

    def scores(self, gap: NDArray[Any], n_picked: int) -> NDArray[Any]:
        """Return the scores of all rows after some picks."""
        n = len(gap)
        alpha = (n - n_picked) / (n + self.n_labeled) if n else 0.0
        scores = np.sqrt(gap)
        scores += 1.0
        np.reciprocal(scores, out=scores)
        scores -= 1.0
        scores *= -alpha
        for part in chunks(n, _ROWS):
            scores[part] += (1.0 - alpha) * self.unsure[part]
        return np.asarray(scores)

    def __call__(self, n: int, priority: NDArray[np.intp] | None) -> NDArray[np.intp]:
        return take(self._picks(priority), n, self.utilities, priority)

    def _picks(self, priority: NDArray[np.intp] | None) -> Iterator[int]:
        gap = self.gap.copy()
        picked: list[int] = []
        for _ in range(len(gap)):
            scores = self.scores(gap, len(picked))
            scores[picked] = -np.inf
            pick = best_row(scores, priority)
            yield pick
            picked.append(pick)
            self.distances.lower(gap, [pick])


class DiverseUncertaintySampling(QueryStrategy):
    r"""Ask about rows that rank high in uncertainty and in distance.

    .. math:: \alpha\, R(u_i) + (1 - \alpha)\, R(d_i)

    with u the utility of the base strategy, d the distance to the nearest labelled or
    picked row, and R the rank among the pool as a share between 0 and 1 (the mean of
    tied ranks). Ranks make the two comparable: no unit of the features matters, and a
    handful of outliers far away does not outweigh every uncertainty. Greedy: distances
    and their ranks are renewed after each pick. Without labelled rows the mean of the
    pool stands for them.

    Parameters
    ----------
    base : QueryStrategy, default=None
        Gives the uncertainty u. None: `LeastConfidenceSampling`.
    alpha : float, default=0.7
        Weight of uncertainty, between 0 and 1.
    features : callable or transformer, default=None
        Makes vectors of rows. None: the steps of a Pipeline before the last, the
        encoder of a task model, else the rows themselves.

    See Also
    --------
    UncertaintyHerding : Needs no weight.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.query import DiverseUncertaintySampling
    >>> known = [[-1.0], [1.0]]
    >>> model = LogisticRegression().fit(known, [0, 1])
    >>> pool = [[0.0], [0.05], [-0.1], [9.0]]
    >>> strategy = DiverseUncertaintySampling(alpha=0.5)
    >>> strategy.score_pool(model, pool, X_labeled=known).select(2)
    array([0, 1])
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        needs="predict_proba",
        regressors=False,
        uses_features=True,
        batch_aware=True,
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "base": [QueryStrategy, None],
        "alpha": [Interval(Real, 0, 1, closed="both")],
        "features": FEATURES,
    }

    def __init__(
        self,
        base: QueryStrategy | None = None,
        *,
        alpha: float = 0.7,
        features: Any = None,
    ) -> None:
        self.base = base
        self.alpha = alpha
        self.features = features

    @property
    def capabilities(self) -> Capabilities:
        """What the strategy and its base need of an estimator."""
        return self._with_base(self.base)

    def _score_pool(
        self, estimator: Any, X: Any, *, X_labeled: Any, **context: Any
    ) -> ScoredPool:
        space = FeatureSpace(estimator, self.features, type(self).__name__)
        rows = space.pool(X)
        labeled = space.labeled(X_labeled, rows)
        base = self.base or LeastConfidenceSampling()
        unsure = shares(np.asarray(base(estimator, X, X_labeled=X_labeled, **context)))
        distances = Distances(rows)
        gap = distances.nearest(labeled) if labeled.shape[0] else distances.to_mean()
        choice = _RankSum(distances, gap, unsure, self.alpha)
        choice.utilities = self._checked(choice.scores(gap), X)
        return ScoredPool(choice.utilities, choice)


def shares(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return ranks as shares between 0 and 1, ties sharing their mean."""
    result = np.empty(len(values))
    for rows, share in _ranked(values):
        result[rows] = share
    return result


def _ranked(
    values: NDArray[Any],
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Yield all positions from the lowest value up, with ranks as shares, in parts.

    No part ends within ties, and beside the order nothing as long as the values is
    held.
    """
    n = len(values)
    order = np.argsort(values)
    is_first = np.ones(n, dtype=bool)
    for start in range(1, n, _ROWS):
        end = min(start + _ROWS, n)
        is_first[start:end] = (
            values[order[start:end]] != values[order[start - 1 : end - 1]]
        )
    start = 0
    while start < n:
        end = min(start + _ROWS, n)
        while end < n and not is_first[end]:
            ahead = is_first[end : end + _ROWS]
            end += int(ahead.argmax()) if ahead.any() else len(ahead)
        firsts = np.flatnonzero(is_first[start:end])
        counts = np.diff(firsts, append=end - start)
        ranks = np.repeat(start + firsts + (counts - 1) / 2.0, counts)
        yield order[start:end], ranks / max(n - 1, 1)
        start = end


class _RankSum:
    """The highest weighted rank, distances being renewed after each pick."""

    utilities: NDArray[np.float64]

    def __init__(
        self,
        distances: Distances,
        gap: NDArray[Any],
        unsure: NDArray[np.float64],
        alpha: float,
    ) -> None:
        self.distances = distances
        self.gap = gap
        self.unsure = unsure
        self.alpha = alpha

    def scores(self, gap: NDArray[Any]) -> NDArray[np.float64]:
        """Return the scores of all rows at these distances."""
        scores = np.empty(len(gap))
        for rows, share in _ranked(gap):
            scores[rows] = self._score(rows, share)
        return scores

    def _score(
        self, rows: NDArray[np.intp], share: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = self.alpha * self.unsure[rows]
        scores += (1.0 - self.alpha) * share
        return scores

    def __call__(self, n: int, priority: NDArray[np.intp] | None) -> NDArray[np.intp]:
        return take(self._picks(priority), n, self.utilities, priority)

    def _picks(self, priority: NDArray[np.intp] | None) -> Iterator[int]:
        gap = self.gap.copy()
        picked = np.zeros(len(gap), dtype=bool)
        for _ in range(len(gap)):
            pick = self._best(gap, picked, priority)
            yield pick
            picked[pick] = True
            self.distances.lower(gap, [pick])

    def _best(
        self,
        gap: NDArray[Any],
        picked: NDArray[np.bool_],
        priority: NDArray[np.intp] | None,
    ) -> int:
        """Return the row of the highest score that is not picked, ties by priority."""
        best, ties = -np.inf, np.empty(0, dtype=np.intp)
        for rows, share in _ranked(gap):
            scores = self._score(rows, share)
            scores[picked[rows]] = -np.inf
            top = float(scores.max())
            if top >= best and top > -np.inf:
                level = rows[scores == top]
                ties = np.append(ties, level) if top == best else level
                best = top
        return int(ties.min() if priority is None else ties[priority[ties].argmin()])
