"""Smoothed shares of answers (or words) in contexts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

#: Range of the logarithms of smoothing constants, and what stands for one that
#: nothing was learned about.
_LOG_RANGE = (-4.0, 12.0)
_DEFAULT = 1.0

#: Steps of the EM algorithm for the weights of the sources.
_EM_STEPS = 200


@dataclass(frozen=True)
class Evidence:
    """What is known about the answers in some contexts.

    The last column of each matrix stands for all answers never seen; it is empty.

    Attributes
    ----------
    own : csr of shape (n_contexts, n_types + 1)
        Counts in the context itself.
    pools : tuple of csr of the same shape
        Counts in other contexts, weighted by their similarity; one per notion of
        similarity.
    """

    own: Any
    pools: tuple[Any, ...]

    def take(self, rows: np.ndarray) -> Evidence:
        """Return the evidence on some of the contexts."""
        return Evidence(self.own[rows], tuple(pool[rows] for pool in self.pools))


class InterpolatedShares:
    """Shares of answers in a context, smoothed by similar contexts and by all.

        p_0(f)     = (n_f + a) / (n + a F)
        p_j(f | c) = (s_jcf + k_j p_0(f)) / (s_jc + k_j)
        p(f | c)   = (n_cf + k sum_j w_j p_j(f | c)) / (n_c + k)

    with n_cf the times that f was given in context c, s_jcf the counts in the contexts
    that are similar in the sense j, c itself left out, and w weights that sum to 1
    [1]_. The constants maximise the likelihood of answers left out: one at a time for
    a and k, all answers of a context at a time for w and k_j. Answers that occur once
    do not count for this: that they would be among the candidates is known from
    themselves only.

    Attributes
    ----------
    addition_ : float
        a.
    pseudo_counts_ : ndarray of shape (n_pools,)
        k_j.
    pool_weights_ : ndarray of shape (1 + n_pools,)
        w, that of p_0 first.
    context_pseudo_count_ : float
        k.

    References
    ----------
    .. [1] Chen & Goodman (1999). An empirical study of smoothing techniques for
       language modeling. Computer Speech & Language 13(4), 359-394.
       doi:10.1006/csla.1999.0128
    """

    def fit(self, evidence: Evidence) -> InterpolatedShares:
        """Learn the constants.

        Parameters
        ----------
        evidence : Evidence
            Of the contexts of the training data.
        """
        own = evidence.own.tocoo()
        totals = _column_sums(evidence.own)
        n_c = _row_sums(evidence.own)
        self.n_types_ = max(int((totals > 0).sum()), 1)
        repeated = totals[own.col] > 1.0
        rows, types, counts = own.row[repeated], own.col[repeated], own.data[repeated]
        self.addition_ = self._fit_addition(totals)
        overall = (totals[types] - counts + self.addition_) / (
            totals.sum() - n_c[rows] + self.addition_ * self.n_types_
        )
        self.pseudo_counts_ = np.full(len(evidence.pools), _DEFAULT)
        smoothed = [overall]
        for j, pool in enumerate(evidence.pools):
            s, total = _pick(pool, rows, types), _row_sums(pool)[rows]

            def share(
                k: float, s: np.ndarray = s, total: np.ndarray = total
            ) -> np.ndarray:
                return np.asarray((s + k * overall) / (total + k))

            self.pseudo_counts_[j] = maximise(counts, share)
            smoothed.append(share(self.pseudo_counts_[j]))
        shares = np.stack(smoothed, axis=1)
        self.pool_weights_ = _mixture_weights(shares, counts)
        back = shares @ self.pool_weights_
        left, left_all = np.maximum(counts - 1.0, 0.0), np.maximum(n_c - 1.0, 0.0)
        self.context_pseudo_count_ = maximise(
            counts, lambda k: (left + k * back) / (left_all[rows] + k)
        )
        return self

    def _fit_addition(self, totals: np.ndarray) -> float:
        counts = totals[totals > 1.0]
        total, n_types = totals.sum(), self.n_types_
        return maximise(
            counts, lambda a: (counts - 1.0 + a) / (total - 1.0 + a * n_types)
        )

    def overall(self, totals: np.ndarray) -> np.ndarray:
        """Return p_0 of all types, given how often each was seen."""
        mass = totals.sum() + self.addition_ * self.n_types_
        shares: np.ndarray = (totals + self.addition_) / mass
        return shares

    def pairs(
        self,
        evidence: Evidence,
        totals: np.ndarray,
        rows: np.ndarray,
        types: np.ndarray,
    ) -> np.ndarray:
        """Return p(f | c) of single types in single contexts.

        Parameters
        ----------
        evidence : Evidence
            Of the contexts.
        totals : ndarray of shape (n_types + 1,)
            How often each type was seen.
        rows, types : ndarray of int of shape (n,)
            Context and type.
        """
        overall = self.overall(totals)[types]
        back = self.pool_weights_[0] * overall
        for pool, k, weight in self._pools(evidence):
            s, total = _pick(pool, rows, types), _row_sums(pool)[rows]
            back = back + weight * (s + k * overall) / (total + k)
        k = self.context_pseudo_count_
        own, total = _pick(evidence.own, rows, types), _row_sums(evidence.own)[rows]
        return np.asarray((own + k * back) / (total + k))

    def table(self, evidence: Evidence, totals: np.ndarray) -> np.ndarray:
        """Return p(f | c) of all types, (n_contexts, n_types + 1)."""
        overall = self.overall(totals)
        back = np.tile(self.pool_weights_[0] * overall, (evidence.own.shape[0], 1))
        for pool, k, weight in self._pools(evidence):
            total = _row_sums(pool)[:, None] + k
            back += weight * (pool.toarray() + k * overall) / total
        k = self.context_pseudo_count_
        shares: np.ndarray = (evidence.own.toarray() + k * back) / (
            _row_sums(evidence.own)[:, None] + k
        )
        return shares

    def _pools(self, evidence: Evidence) -> list[tuple[Any, float, float]]:
        """Pools that count, their pseudo-counts and weights."""
        parts = zip(
            evidence.pools, self.pseudo_counts_, self.pool_weights_[1:], strict=True
        )
        return [(pool, k, weight) for pool, k, weight in parts if weight > 1e-4]


def _column_sums(matrix: Any) -> np.ndarray:
    return np.asarray(matrix.sum(axis=0)).ravel()


def _row_sums(matrix: Any) -> np.ndarray:
    return np.asarray(matrix.sum(axis=1)).ravel()


def _pick(matrix: Any, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return single entries of a sparse matrix."""
    if len(rows) == 0:
        return np.zeros(0)
    keys = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    keys = keys * matrix.shape[1] + matrix.indices
    wanted = rows.astype(np.int64) * matrix.shape[1] + columns
    if len(keys) == 0:
        return np.zeros(len(rows))
    if not matrix.has_sorted_indices:
        order = np.argsort(keys)
        keys, data = keys[order], matrix.data[order]
    else:
        data = matrix.data
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, data[at], 0.0)


def maximise(counts: np.ndarray, share: Callable[[float], np.ndarray]) -> float:
    """Return the constant at which sum counts * log(share(constant)) is largest."""
    if len(counts) == 0:
        return _DEFAULT
    found = minimize_scalar(
        lambda log_k: -float(counts @ np.log(share(np.exp(log_k)))),
        bounds=_LOG_RANGE,
        method="bounded",
    )
    return float(np.exp(found.x))


def _mixture_weights(shares: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the weights of a mixture by EM, (n_components,)."""
    n_components = shares.shape[1]
    weights = np.full(n_components, 1.0 / n_components)
    if len(counts) == 0:
        return weights
    for _ in range(_EM_STEPS):
        joint = shares * weights
        weights = counts @ (joint / joint.sum(axis=1, keepdims=True))
        weights /= weights.sum()
    return weights
