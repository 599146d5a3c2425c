"""Batches that cover what the model is unsure of: diverse early, margin-like later."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import check_random_state

from bead_sklearn._sklearn import Interval
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._distances import Distances, squared_norms
from bead_sklearn.query._features import FeatureSpace, Matrix
from bead_sklearn.query._k_center import FEATURES
from bead_sklearn.query._members import chunks
from bead_sklearn.query._scored import ScoredPool, best_row, take
from bead_sklearn.query._uncertainty import MarginSampling

Floats = NDArray[np.float64]

#: Width of the kernel as a share of the mean distance between labelled neighbours.
_WIDTH = 0.7
#: Power of the ranks: how much more the most uncertain rows count.
_POWER = 1.5


class UncertaintyHerding(QueryStrategy):
    r"""Ask about rows that cover what the model is unsure of: the recommended batch.

    A set S of labelled rows covers row i by
    :math:`c_i(S) = \max_{j \in S} \exp(-\lVert z_i - z_j \rVert^2 / 2 h^2)`. A batch B
    maximises, greedily, the uncertainty that is covered [1]_, [2]_

    .. math:: \sum_i w_i \, c_i(L \cup B)

    with w the rank of the base strategy's utility in the pool, as a share between 0 and
    1, to the power 1.5, so that no calibration of probabilities matters. z are the
    features, centred (unless sparse) and at unit length. The width h is 0.7 times the
    mean distance of a labelled row from the nearest other: while labels are few it is
    wide and a batch spreads over the pool; it shrinks as labels become dense, and a row
    then stands for little but itself, so that the most uncertain rows are taken.
    Nothing is to be tuned.

    The sum runs over ``n_reference`` rows of the pool drawn at random, and a batch is
    chosen among these and as many of the most uncertain rows. Pools of up to
    ``n_reference`` rows are used whole, without drawing. The utility of a row is
    :math:`w_i (1 - c_i(L))`.

    Parameters
    ----------
    base : QueryStrategy, default=None
        Gives the uncertainty. None: `MarginSampling`. Use `PredictiveStdSampling` for
        regressors.
    n_reference : int, default=2000
        Rows that stand for the pool.
    features : callable or transformer, default=None
        Makes vectors of rows. None: the steps of a Pipeline before the last, the
        encoder of a task model, else the rows themselves.
    random_state : int, RandomState instance or None, default=None
        Source of the rows that stand for a larger pool.

    See Also
    --------
    MarginSampling : As good with many labels, cheaper, worse with few.
    JointAOptimal : Where participants differ and effects of items are the aim.

    References
    ----------
    .. [1] Bae, Oliveira & Sutherland (2024), Uncertainty herding: one active learning
       method for all label budgets. arXiv:2412.20644
    .. [2] Bae, Noh & Sutherland (2024), Generalized coverage for more robust low-budget
       active learning. ECCV. arXiv:2407.12212

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.query import UncertaintyHerding
    >>> X, y = load_iris(return_X_y=True)
    >>> known = slice(None, None, 15)
    >>> model = LogisticRegression(max_iter=1000).fit(X[known], y[known])
    >>> pool = UncertaintyHerding().score_pool(
    ...     model, X, X_labeled=X[known], y_labeled=y[known]
    ... )
    >>> pool.select(5).shape
    (5,)
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        needs="predict_proba",
        regressors=False,
        uses_features=True,
        batch_aware=True,
        is_random=True,
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "base": [QueryStrategy, None],
        "n_reference": [Interval(Integral, 2, None, closed="left")],
        "features": FEATURES,
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        base: QueryStrategy | None = None,
        *,
        n_reference: int = 2000,
        features: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.base = base
        self.n_reference = n_reference
        self.features = features
        self.random_state = random_state

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
        n = rows.shape[0]
        base = self.base or MarginSampling()
        unsure = np.asarray(base(estimator, X, X_labeled=X_labeled, **context))
        weights = _ranks(unsure)
        weights /= max(n, 1)
        weights **= _POWER
        reference = np.arange(n)
        candidates = reference
        if n > self.n_reference:
            rng = check_random_state(self.random_state)
            reference = np.sort(rng.choice(n, self.n_reference, replace=False))
            top = np.argpartition(-unsure, self.n_reference)[: self.n_reference]
            candidates = np.union1d(reference, top)
            del top
        del unsure
        unit = _Directions(rows, labeled)
        known = unit(labeled)
        gap = unit.nearest(rows, known)
        width = _WIDTH * _spacing(known, gap)
        # One array after the other in the same place: pools may be large.
        gap *= -1.0 / (2.0 * width**2)
        covered = np.exp(gap, out=gap)
        weights_there, covered_there = weights[reference], covered[reference]
        gain = np.subtract(1.0, covered, out=covered)
        gain *= weights
        del weights
        utilities = self._checked(gain, X)
        ours, theirs = unit(rows[candidates]), unit(rows[reference])
        if n > self.n_reference and not sparse.issparse(rows):
            ours, theirs = ours.astype(np.float32), theirs.astype(np.float32)
        choice = _Cover(
            ours,
            theirs,
            candidates,
            weights_there,
            covered_there,
            width,
            utilities,
        )
        return ScoredPool(utilities, choice)


def _ranks(values: NDArray[Any]) -> Floats:
    """Return ranks from 1 on, ties having their mean, in little memory."""
    ordered = np.sort(values)
    ranks = np.empty(len(values))
    for part in chunks(len(values), 65_536):
        below = np.searchsorted(ordered, values[part], "left")
        ranks[part] = below + np.searchsorted(ordered, values[part], "right")
    ranks += 1.0
    ranks /= 2.0
    return ranks


class _Directions:
    """Rows less the mean of all, at unit length; sparse rows are not centred."""

    def __init__(self, rows: Matrix, labeled: Matrix) -> None:
        self.mean: NDArray[Any] | None = None
        n = rows.shape[0] + labeled.shape[0]
        if not sparse.issparse(rows) and n:
            total = rows.sum(axis=0, dtype=np.float64)
            total = total + labeled.sum(axis=0, dtype=np.float64)
            self.mean = (total / n).astype(rows.dtype)

    def __call__(self, rows: Matrix) -> Matrix:
        """Return directions of rows."""
        if sparse.issparse(rows):
            lengths = np.sqrt(squared_norms(rows))
            scale = np.divide(
                1.0, lengths, out=np.zeros(len(lengths)), where=lengths > 0
            )
            return sparse.csr_matrix(sparse.diags_array(scale) @ rows)
        centred = rows - self.mean if self.mean is not None else rows
        lengths = np.sqrt(squared_norms(centred))
        return centred / np.where(lengths > 0, lengths, 1.0)[:, None]

    def nearest(self, rows: Matrix, known: Matrix) -> Floats:
        """Return squared distances to the nearest labelled direction, in parts."""
        n = rows.shape[0]
        result = np.full(n, np.inf)
        if known.shape[0] == 0:
            return result
        for part in chunks(n, 8192):
            result[part] = Distances(self(rows[part])).nearest(known)
        return result


def _spacing(known: Matrix, gap: Floats) -> float:
    """Mean distance of a labelled row from the nearest other one."""
    if known.shape[0] >= 2:
        products = known @ known.T
        products = products.toarray() if sparse.issparse(products) else products
        lengths = np.diagonal(products)
        squares = np.maximum(lengths[:, None] + lengths - 2.0 * products, 0.0)
        np.fill_diagonal(squares, np.inf)
        nearest = float(np.sqrt(squares.min(axis=1)).mean())
        if nearest > 1e-6:
            return nearest
    finite = gap[np.isfinite(gap)]
    around = float(np.sqrt(finite).mean()) if len(finite) else 0.0
    return around if around > 1e-6 else 1.0


class _Cover:
    """The row that covers most of what is not covered yet, again and again."""

    def __init__(
        self,
        rows: Matrix,
        reference: Matrix,
        candidates: NDArray[np.intp],
        weights: Floats,
        covered: Floats,
        width: float,
        utilities: Floats,
    ) -> None:
        self.candidates = candidates
        self.weights = weights
        self.covered = covered
        self.utilities = utilities
        kernel = rows @ reference.T
        kernel = kernel.toarray() if sparse.issparse(kernel) else np.asarray(kernel)
        # Rows without a direction are at the centre, not at unit length.
        kernel *= -2.0
        kernel += squared_norms(rows)[:, None]
        kernel += squared_norms(reference)
        np.maximum(kernel, 0.0, out=kernel)
        kernel *= -1.0 / (2.0 * width**2)
        self.kernel = np.exp(kernel, out=kernel)

    def __call__(self, n: int, priority: NDArray[np.intp] | None) -> NDArray[np.intp]:
        return take(self._picks(priority), n, self.utilities, priority)

    def _picks(self, priority: NDArray[np.intp] | None) -> Iterator[int]:
        own = None if priority is None else priority[self.candidates]
        covered = self.covered.astype(self.kernel.dtype)
        weights = self.weights.astype(self.kernel.dtype)
        # Gains only fall as more is covered: those known bound the ones of today.
        bounds = self._gains(np.arange(len(self.candidates)), covered, weights)
        fresh = np.ones(len(bounds), dtype=bool)
        for _ in range(len(self.candidates)):
            while True:
                pick = best_row(bounds, own)
                if fresh[pick]:
                    break
                stale = np.flatnonzero(~fresh)
                top = stale[np.argsort(-bounds[stale])[:_REFRESHED]]
                bounds[top] = self._gains(top, covered, weights)
                fresh[top] = True
            if bounds[pick] == -np.inf:
                return
            yield int(self.candidates[pick])
            np.maximum(covered, self.kernel[pick], out=covered)
            fresh[:] = False
            bounds[pick] = -np.inf
            fresh[bounds == -np.inf] = True

    def _gains(
        self, rows: NDArray[np.intp], covered: NDArray[Any], weights: NDArray[Any]
    ) -> NDArray[Any]:
        gains = np.empty(len(rows), dtype=np.float64)
        for start in range(0, len(rows), 512):
            part = rows[start : start + 512]
            more = self.kernel[part] - covered
            np.maximum(more, 0.0, out=more)
            gains[start : start + 512] = more @ weights
        return gains


#: Bounds that are renewed together.
_REFRESHED = 64
