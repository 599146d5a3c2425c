"""Unsure rows in the midst of others."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import check_random_state

from bead_sklearn._sklearn import Interval, StrOptions
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._distances import squared_norms
from bead_sklearn.query._features import FeatureSpace, Matrix
from bead_sklearn.query._k_center import FEATURES
from bead_sklearn.query._uncertainty import EntropySampling

#: Pairs of rows whose distances are computed without being asked for explicitly.
_MAX_PAIRS = 4e8
#: Entries of a block of distances.
_BLOCK = 2**20


def information_density(
    rows: Matrix,
    metric: str = "cosine",
    *,
    n_reference: int | None = None,
    random_state: Any = None,
) -> NDArray[np.float64]:
    r"""Return the mean similarity of each row to all rows.

    Parameters
    ----------
    rows : array-like or sparse matrix of shape (n_samples, n_features)
        The rows.
    metric : {"cosine", "euclidean"}, default="cosine"
        Similarity: the cosine, whose mean is :math:`x_i^\top \bar x` of the rows at
        unit length and costs one pass; or :math:`1 / (1 + \lVert x_i - x_j \rVert)`,
        which compares all pairs.
    n_reference : int, default=None
        Compare with so many rows drawn at random instead of with all.
    random_state : int, RandomState instance or None, default=None
        Source of that draw.

    Returns
    -------
    density : ndarray of shape (n_samples,)
        Mean similarities.

    Raises
    ------
    ValueError
        If the Euclidean metric would compare more than 4e8 pairs (20,000 rows) and
        ``n_reference`` is not given.

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.query import information_density
    >>> information_density(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]])).round(3)
    array([0.667, 0.667, 0.333])
    """
    if not sparse.issparse(rows):
        rows = np.asarray(rows)
    n = rows.shape[0]
    reference = rows
    if n_reference is not None and n_reference < n:
        drawn = check_random_state(random_state).choice(n, n_reference, replace=False)
        reference = rows[np.sort(drawn)]
    if metric == "cosine":
        lengths = np.sqrt(squared_norms(rows)).astype(np.float64)
        scale = np.divide(1.0, lengths, out=np.zeros(n), where=lengths > 0)
        own = np.sqrt(squared_norms(reference)).astype(np.float64)
        weight = np.divide(1.0, own, out=np.zeros(len(own)), where=own > 0)
        centre = np.asarray(reference.T @ weight).ravel() / reference.shape[0]
        return np.asarray(rows @ centre, dtype=np.float64) * scale
    if float(n) * reference.shape[0] > _MAX_PAIRS:
        raise ValueError(
            f"metric='euclidean' would compare {n} rows with {reference.shape[0]}. "
            "Use metric='cosine', or n_reference=2000 to compare with a sample."
        )
    norms, others = squared_norms(rows), squared_norms(reference)
    result = np.empty(n)
    size = max(1, _BLOCK // max(1, reference.shape[0]))
    for start in range(0, n, size):
        part = slice(start, start + size)
        block = rows[part] @ reference.T
        block = block.toarray() if sparse.issparse(block) else np.asarray(block)
        block = np.maximum(norms[part, None] + others - 2.0 * block, 0.0)
        result[part] = (1.0 / (1.0 + np.sqrt(block))).mean(axis=1)
    return result


class InformationDensitySampling(QueryStrategy):
    r"""Ask about unsure rows that stand for many others.

    .. math:: u_i \cdot \Bigl( \frac1n \sum_j \mathrm{sim}(x_i, x_j) \Bigr)^{\beta}

    with u the utility of the base strategy and the mean over the pool [1]_. It keeps
    uncertainty sampling away from outliers. Where the pool has no outliers it tends to
    need more labels than the base strategy alone.

    Parameters
    ----------
    base : QueryStrategy, default=None
        Gives the uncertainty u. None: `EntropySampling`.
    beta : float, default=1.0
        Weight of the density.
    metric : {"cosine", "euclidean"}, default="cosine"
        Similarity: the cosine (rows at an obtuse angle to the mean count as density
        zero), or 1 / (1 + distance), see `information_density`.
    n_reference : int, default=None
        Compare with so many rows of the pool, drawn at random, instead of with all.
    features : callable or transformer, default=None
        Makes vectors of rows. None: the steps of a Pipeline before the last, the
        encoder of a task model, else the rows themselves.
    random_state : int, RandomState instance or None, default=None
        Source of that draw.

    References
    ----------
    .. [1] Settles & Craven (2008), An analysis of active learning strategies for
       sequence labeling tasks. EMNLP.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.query import InformationDensitySampling
    >>> model = LogisticRegression().fit([[-1.0, 1.0], [1.0, 1.0]], [0, 1])
    >>> pool = [[0.0, 1.0], [0.1, 1.0], [0.0, -9.0]]
    >>> InformationDensitySampling()(model, pool).round(2)
    array([0.23, 0.23, 0.  ])
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        needs="predict_proba", regressors=False, uses_features=True
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "base": [QueryStrategy, None],
        "beta": [Interval(Real, 0, None, closed="left")],
        "metric": [StrOptions({"cosine", "euclidean"})],
        "n_reference": [Interval(Integral, 1, None, closed="left"), None],
        "features": FEATURES,
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        base: QueryStrategy | None = None,
        *,
        beta: float = 1.0,
        metric: str = "cosine",
        n_reference: int | None = None,
        features: Any = None,
        random_state: Any = None,
    ) -> None:
        self.base = base
        self.beta = beta
        self.metric = metric
        self.n_reference = n_reference
        self.features = features
        self.random_state = random_state

    @property
    def capabilities(self) -> Capabilities:
        """What the strategy and its base need of an estimator."""
        return self._with_base(self.base)

    def _utilities(self, estimator: Any, X: Any, **context: Any) -> ArrayLike:
        base = self.base or EntropySampling()
        unsure = np.asarray(base(estimator, X, **context))
        rows = FeatureSpace(estimator, self.features, type(self).__name__).pool(X)
        density = information_density(
            rows,
            self.metric,
            n_reference=self.n_reference,
            random_state=self.random_state,
        )
        return np.asarray(unsure * np.maximum(density, 0.0) ** self.beta)
