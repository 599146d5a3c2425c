"""Which rows to label first, when no label is known."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.utils import check_random_state
from sklearn.utils.extmath import row_norms, safe_sparse_dot

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.inputs._levels import first_seen_codes
from bead_sklearn.query._selection import check_batch_size

METHODS = ("random", "k_means", "k_center", "stratified")
#: Clusters of the stratified sample; rows above which k-means reads them in batches.
_MAX_STRATA = 10
_MANY_ROWS = 20_000


def cold_start_selection(
    X: Any,
    n: int,
    method: str = "k_means",
    *,
    strata: Any = None,
    random_state: int | np.random.RandomState | None = None,
) -> NDArray[np.intp]:
    """Choose the rows to label first, without any label.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
        The rows, as numbers on one scale. ``"random"``, and ``"stratified"`` with
        ``strata``, take rows of any kind, such as a list of str.
    n : int
        How many; all if there are fewer.
    method : {"random", "k_means", "k_center", "stratified"}, default="k_means"
        ``"random"``: drawn at random. ``"k_means"``: of n clusters the row nearest to
        each centre; the largest cluster first. ``"k_center"``: the row nearest to the
        mean, and then the row farthest from those chosen, again and again [1]_; it
        reaches for outliers. ``"stratified"``: drawn at random, from every stratum in
        proportion to its size and once at least; strata of labels would need labels,
        so that they are ``strata`` or clusters.
    strata : array-like of shape (n_samples,), default=None
        What is known of the rows, such as their source, for ``"stratified"``. None:
        up to ten clusters by k-means.
    random_state : int, RandomState instance or None, default=None
        Source of the draws.

    Returns
    -------
    indices : ndarray of shape (min(n, n_samples),)
        Positions in X, in the order in which they should be labelled: the first ones
        are spread as well.

    Raises
    ------
    ValueError
        If the method is unknown, or needs numbers and X has none, or ``strata`` are
        given where they have no effect.

    References
    ----------
    .. [1] Gonzalez (1985). Clustering to minimize the maximum intercluster distance.
       Theoretical Computer Science 38, 293-306.

    Examples
    --------
    >>> from bead_sklearn.active_learning import cold_start_selection
    >>> X = [[0.0], [0.1], [5.0], [5.1], [5.2], [9.0]]
    >>> cold_start_selection(X, 3, "k_means", random_state=0)
    array([3, 0, 5])
    >>> cold_start_selection(X, 3, "k_center")
    array([2, 0, 5])
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}.")
    if strata is not None and method != "stratified":
        raise ValueError(f"strata have no effect with method={method!r}.")
    n_rows = _num_samples(X)
    n = min(check_batch_size(n, "n"), n_rows)
    rng = check_random_state(random_state)
    if method == "random":
        return rng.permutation(n_rows)[:n]
    if method == "stratified":
        codes = (
            _cluster(_as_numbers(X, method), min(n, _MAX_STRATA, n_rows), rng)[0]
            if strata is None
            else _codes(strata, n_rows)
        )
        return _proportional(codes, n, rng)
    rows = _as_numbers(X, method)
    return _k_center(rows, n) if method == "k_center" else _k_means(rows, n, rng)


def _as_numbers(X: Any, method: str) -> Any:
    if sparse.issparse(X):
        return sparse.csr_matrix(X, dtype=np.float64)
    values = (
        nw.from_native(X, eager_only=True).to_numpy()
        if nw.dependencies.is_into_dataframe(X)
        else np.asarray(X)
    )
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        numbers = None
    if numbers is None or numbers.ndim != 2 or values.dtype.kind in "US":
        raise ValueError(
            f"The cold start {method!r} measures distances and needs rows of numbers; "
            "use 'random', or turn X into numbers first."
        )
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"The cold start {method!r} needs finite numbers, X has NaN or inf."
        )
    return numbers


def _cluster(X: Any, k: int, rng: np.random.RandomState) -> tuple[Any, Any]:
    """Assign rows to k clusters; return also their squared distances to the centre."""
    seed = rng.randint(np.iinfo(np.int32).max)
    distinct = k if k >= _num_samples(X) else _count_distinct(X, k)
    many = _num_samples(X) > _MANY_ROWS
    model = (MiniBatchKMeans if many else KMeans)(
        distinct, n_init=1, random_state=seed
    ).fit(X)
    centres = model.cluster_centers_[model.labels_]
    if sparse.issparse(X):
        cross = np.asarray(X.multiply(centres).sum(axis=1)).ravel()
    else:
        cross = np.einsum("ij,ij->i", X, centres)
    away = row_norms(X, squared=True) - 2.0 * cross + row_norms(centres, squared=True)
    return model.labels_, away


def _count_distinct(X: Any, k: int) -> int:
    """Count the distinct rows, as far as k."""
    found: set[bytes] = set()
    for start in range(0, _num_samples(X), 1000):
        block = X[start : start + 1000]
        block = block.toarray() if sparse.issparse(block) else block
        found.update(map(bytes, np.ascontiguousarray(block + 0.0)))
        if len(found) >= k:
            return k
    return len(found)


def _k_means(X: Any, n: int, rng: np.random.RandomState) -> NDArray[np.intp]:
    labels, away = _cluster(X, n, rng)
    order = np.lexsort((away, labels))  # by cluster, the nearest first
    first = np.flatnonzero(np.r_[True, np.diff(labels[order]) > 0])
    nearest = order[first]
    sizes = np.bincount(labels)[labels[nearest]]
    nearest = nearest[np.argsort(-sizes, kind="stable")]
    if len(nearest) < n:  # fewer distinct rows than wanted
        left = np.setdiff1d(np.arange(len(labels)), nearest)
        nearest = np.concatenate([nearest, rng.permutation(left)[: n - len(nearest)]])
    return nearest.astype(np.intp)


def _k_center(X: Any, n: int) -> NDArray[np.intp]:
    norms = row_norms(X, squared=True)
    mean = np.asarray(X.mean(axis=0)).ravel()
    away = norms - 2.0 * np.asarray(safe_sparse_dot(X, mean)).ravel()
    picks = [int(away.argmin())]
    nearest = np.full(len(norms), np.inf)
    while len(picks) < n:
        last = picks[-1]
        row = X[[last]].toarray().ravel() if sparse.issparse(X) else X[last]
        cross = np.asarray(safe_sparse_dot(X, row)).ravel()
        nearest = np.minimum(nearest, norms - 2.0 * cross + norms[last])
        nearest[last] = -np.inf
        picks.append(int(nearest.argmax()))
    return np.array(picks, dtype=np.intp)


def _codes(strata: Any, n_rows: int) -> NDArray[np.intp]:
    values = list(strata)
    if len(values) != n_rows:
        raise ValueError(f"strata must name {n_rows} rows, got {len(values)}.")
    return first_seen_codes(values)[1]


def _proportional(
    codes: NDArray[np.intp], n: int, rng: np.random.RandomState
) -> NDArray[np.intp]:
    """Draw from the strata in turn so that shares are kept at every length.

    Row r of a stratum of size s, counted from 0 in random order, has its turn at
    (r + u) / s, with the first rows of all strata before all others.
    """
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    rank = np.arange(len(codes)) - starts[codes[order]]
    size = sizes[codes[order]]
    turn = (rank + 0.5) / size
    first = rank == 0
    turn[first] = -size[first]  # the largest stratum first
    return order[np.argsort(turn, kind="stable")][:n]
