"""Which columns of a table say what the others do not."""

from __future__ import annotations

import numpy as np
from scipy import linalg
from scipy.linalg import lapack

#: Smallest pivot of a matrix of correlations at which its rank is beyond doubt, in
#: single and in double precision, and the rows from which one is summed at once.
_RANK_BY_CORRELATIONS: tuple[tuple[type[np.floating], float], ...] = (
    (np.float32, 0.05),
    (np.float64, 1e-5),
)
_CHUNK = 4096


def moments(rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted means and variances of columns.

    Some rows at a time: the sum of a constant stays its multiple to 12 digits.
    """
    parts = [slice(i, i + _CHUNK) for i in range(0, len(rows), _CHUNK)]
    total = weights.sum()
    sums = [weights[part] @ rows[part] for part in parts]
    center: np.ndarray = np.sum(sums, axis=0) / total
    squares = [weights[part] @ (rows[part] - center) ** 2 for part in parts]
    return center, np.sum(squares, axis=0) / total


def _correlation_pivots(
    rows: np.ndarray,
    center: np.ndarray,
    scale: np.ndarray,
    roots: np.ndarray,
    dtype: type[np.floating],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the norms of standardised columns, and what is left of each in turn.

    The latter is 0 where the correlations are not positive definite.
    """
    n_columns = rows.shape[1]
    gram = np.zeros((n_columns, n_columns))
    for start in range(0, len(rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        scaled = rows[part] - center
        scaled /= scale
        scaled *= roots[part, None]
        scaled = scaled.astype(dtype, copy=False)
        gram += scaled.T @ scaled
    norms = np.sqrt(np.diagonal(gram))
    if not (norms > 0).all():
        return norms, np.zeros(1)
    lower, _, _, info = lapack.dpstrf(gram / np.outer(norms, norms), lower=1)
    return norms, np.diagonal(lower) if info == 0 else np.zeros(1)


def independent_columns(
    rows: np.ndarray,
    center: np.ndarray,
    scale: np.ndarray,
    roots: np.ndarray,
    *,
    intercept: bool,
) -> np.ndarray:
    """Return which standardised columns span all, the first among them.

    Their correlations say so at half the digits; where that is not enough, an
    orthogonal decomposition.
    """
    for dtype, clear in _RANK_BY_CORRELATIONS:
        norms, pivots = _correlation_pivots(rows, center, scale, roots, dtype)
        if pivots.min() > clear:
            return np.arange(rows.shape[1])
    scaled = (rows - center) / scale * roots[:, None]
    scaled /= np.where(norms > 0, norms, 1.0)
    _, r, pivots = linalg.qr(scaled, mode="economic", pivoting=True)
    diagonal = np.abs(np.diagonal(r))
    rank = int((diagonal > 1e-9 * diagonal.max(initial=1e-300)).sum())
    kept = np.sort(pivots[:rank])
    if intercept and 0 not in kept and rank:
        # The intercept stays: what it is a combination of gives way.
        kept = _keep_first(scaled, kept)
    return kept


def _keep_first(scaled: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Swap the first column in for the kept column that it depends on most."""
    solution = linalg.lstsq(scaled[:, kept], scaled[:, 0])[0]
    out = int(np.abs(solution).argmax())
    return np.sort(np.append(np.delete(kept, out), 0))
