"""Batches of diverse gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._distances import products, squared_norms
from bead_sklearn.query._features import FeatureSpace, Matrix
from bead_sklearn.query._k_center import FEATURES
from bead_sklearn.query._responses import class_probabilities
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
        p = class_probabilities(estimator, X, groups, self._groups_name(), who)
        residual = p.astype(rows.dtype)
        residual[np.arange(len(p)), p.argmax(axis=1)] -= 1.0
        lengths = squared_norms(residual) * squared_norms(rows)
        utilities = self._checked(lengths, X)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        return ScoredPool(
            utilities, _PlusPlus(rows, residual, lengths, utilities, seed)
        )


class _PlusPlus:
    """Draws as k-means++ does, in the space of gradients."""

    def __init__(
        self,
        rows: Matrix,
        residual: NDArray[Any],
        lengths: NDArray[Any],
        utilities: NDArray[np.float64],
        seed: int,
    ) -> None:
        self.rows = rows
        self.residual = residual
        self.lengths = lengths
        self.utilities = utilities
        self.seed = seed

    def __call__(self, n: int, priority: NDArray[np.intp] | None) -> NDArray[np.intp]:
        return take(self._picks(priority), n, self.utilities, priority)

    def _picks(self, priority: NDArray[np.intp] | None) -> Iterator[int]:
        rng = np.random.RandomState(self.seed)
        if not len(self.lengths):
            return
        pick = best_row(self.lengths, priority)
        gap = np.full(len(self.lengths), np.inf, dtype=self.lengths.dtype)
        while True:
            yield pick
            with_pick = products(self.rows, self.rows[pick])
            with_pick *= self.residual @ self.residual[pick]
            with_pick *= -2
            with_pick += self.lengths
            with_pick += self.lengths[pick]
            np.maximum(with_pick, 0, out=with_pick)
            np.minimum(gap, with_pick, out=gap)
            gap[pick] = 0
            total = np.cumsum(gap, dtype=np.float64)
            if not total[-1] > 0:  # all that is left are twins of picks
                return
            pick = int(np.searchsorted(total, rng.random_sample() * total[-1], "right"))
