"""Contexts of answers, and which contexts are similar."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from bead_sklearn.encoders import fit_encoder, resolve_encoder
from bead_sklearn.inputs import Judgments, dense_matrix
from bead_sklearn.tasks._shares import Evidence

#: Numbers of nearest contexts whose answers are pooled.
N_NEAREST = (1, 3, 10)

#: Contexts compared with all others at once.
_CHUNK = 1024


@dataclass(frozen=True)
class Contexts:
    """What answers are given to, each distinct context once.

    Attributes
    ----------
    names : list of hashable
        What tells contexts apart.
    texts : list of tuple of str
        Texts of each context, one per text column; these are encoded.
    keys : list of tuple of tuple of str
        Parts of each context, such as the word before a blank; contexts that share
        one are similar, those without one (``()``) are not. As many for every
        context.
    index : ndarray of int of shape (n_rows,)
        Context of each row.
    """

    names: Sequence[Hashable]
    texts: Sequence[tuple[str, ...]]
    keys: Sequence[tuple[tuple[str, ...], ...]]
    index: np.ndarray


def distinct_texts(judgments: Judgments) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """Return the distinct combinations of texts, and that of each row.

    Parameters
    ----------
    judgments : Judgments
        X.

    Returns
    -------
    texts : list of tuple of str
        One text per text column.
    codes : ndarray of int of shape (n_rows,)
        Which of them stands in each row.
    """
    columns = list(judgments.texts.values())
    index = np.column_stack([column.index for column in columns])
    distinct, codes = np.unique(index, axis=0, return_inverse=True)
    texts = [
        tuple(column.values[i] for column, i in zip(columns, places, strict=True))
        for places in distinct.tolist()
    ]
    return texts, codes.ravel()


class ContextSpace:
    """The contexts of the training data and their similarities.

    Parameters
    ----------
    encoder : object
        The estimator's ``encoder`` parameter.
    encoder_options : dict
        Passed on to :func:`~bead_sklearn.encoders.resolve_encoder`.
    """

    def __init__(self, encoder: Any, encoder_options: dict[str, Any]) -> None:
        self.encoder = encoder
        self.encoder_options = encoder_options

    def fit(self, contexts: Contexts) -> ContextSpace:
        """Learn the encoders, the similarities and which contexts share keys."""
        self.codes_ = {name: code for code, name in enumerate(contexts.names)}
        columns = list(zip(*contexts.texts, strict=True))
        distinct = [list(dict.fromkeys(column)) for column in columns]
        self.encoders_ = [
            fit_encoder(resolve_encoder(self.encoder, **self.encoder_options), values)
            for values in distinct
        ]
        self.features_ = self._encode(contexts)
        parts = list(zip(*contexts.keys, strict=True))
        self.groups_ = [
            {key: code for code, key in enumerate(k for k in dict.fromkeys(part) if k)}
            for part in parts
        ]
        self.members_ = [
            _indicator([groups.get(key, -1) for key in part], len(groups)).T.tocsr()
            for groups, part in zip(self.groups_, parts, strict=True)
        ]
        return self

    def known(self, contexts: Contexts) -> np.ndarray:
        """Return the code of each context, -1 for a new one."""
        codes = [self.codes_.get(name, -1) for name in contexts.names]
        return np.array(codes, dtype=np.intp)

    def relate(self, contexts: Contexts) -> Relations:
        """Return which training contexts each context is, and is similar to."""
        known = self.known(contexts)
        own = _indicator(known, len(self.codes_))
        pools: list[Pool] = self._nearest(self._encode(contexts), known)
        parts = list(zip(*contexts.keys, strict=True))
        for groups, members, part in zip(
            self.groups_, self.members_, parts, strict=True
        ):
            codes = np.array([groups.get(key, -1) for key in part], dtype=np.intp)
            in_group = _indicator(np.where(codes >= 0, known, -1), len(self.codes_))
            weights = _indicator(codes, len(groups))
            pools.append(Pool(weights, members, in_group))
        return Relations(own, pools)

    def _encode(self, contexts: Contexts) -> np.ndarray:
        """Features of all texts of each context, of length 1."""
        blocks = []
        columns = zip(*contexts.texts, strict=True)
        for encoder, column in zip(self.encoders_, columns, strict=True):
            values = list(dict.fromkeys(column))
            places = {value: i for i, value in enumerate(values)}
            features = np.asarray(dense_matrix(encoder.transform(values)), dtype=float)
            blocks.append(features[[places[value] for value in column]])
        features = np.hstack(blocks)
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        return features / np.where(lengths > 0, lengths, 1.0)

    def _nearest(self, features: np.ndarray, known: np.ndarray) -> list[Pool]:
        """Return the nearest other contexts as pools, by number of them."""
        n_all = len(self.features_)
        n_kept = min(max(N_NEAREST), n_all)
        order = np.empty((len(features), n_kept), dtype=np.intp)
        for start in range(0, len(features), _CHUNK):
            part = slice(start, start + _CHUNK)
            # Rounding makes ties of what is equal but for the order of sums.
            similarity = (features[part] @ self.features_.T).round(9)
            here = known[part]
            rows = np.flatnonzero(here >= 0)
            similarity[rows, here[rows]] = -np.inf
            order[part] = np.argsort(-similarity, axis=1, kind="stable")[:, :n_kept]
        n_others = np.where(known >= 0, n_all - 1, n_all)
        pools = []
        for number in N_NEAREST:
            kept = np.arange(n_kept) < np.minimum(number, n_others)[:, None]
            rows, places = np.nonzero(kept)
            near = _sparse(rows, order[rows, places], len(features), n_all)
            pools.append(Pool(near))
        return pools


@dataclass(frozen=True)
class Pool:
    """Training contexts that some contexts are similar to.

    Attributes
    ----------
    weights : csr of shape (n_contexts, n_training_contexts) or (n_contexts, n_groups)
        Which contexts are similar; or which group a context belongs to.
    members : csr of shape (n_groups, n_training_contexts) or None
        Contexts of each group.
    own : csr of shape (n_contexts, n_training_contexts) or None
        The context itself, where it belongs to a group.
    """

    weights: Any
    members: Any = None
    own: Any = None

    def gather(self, counts: Any) -> Any:
        """Return counts of similar contexts, the context itself left out."""
        if self.members is None:
            return _sorted(self.weights @ counts)
        return _sorted(self.weights @ (self.members @ counts) - self.own @ counts)

    def take(self, rows: np.ndarray) -> Pool:
        """Return the pool of some of the contexts."""
        own = None if self.own is None else self.own[rows]
        return Pool(self.weights[rows], self.members, own)


@dataclass(frozen=True)
class Relations:
    """Which training contexts some contexts are and are similar to.

    Attributes
    ----------
    own : csr of shape (n_contexts, n_training_contexts)
        1 where a context is a training context.
    pools : list of Pool
        One per notion of similarity.
    """

    own: Any
    pools: list[Pool]

    def gather(self, counts: Any) -> Evidence:
        """Return the evidence that counts (n_training_contexts, n_types) hold."""
        pools = tuple(pool.gather(counts) for pool in self.pools)
        return Evidence(_sorted(self.own @ counts), pools)

    def take(self, rows: np.ndarray) -> Relations:
        """Return the relations of some of the contexts."""
        return Relations(self.own[rows], [pool.take(rows) for pool in self.pools])


def _indicator(codes: Any, n_columns: int) -> Any:
    """Return a matrix with a 1 at the code of each row; -1 is none."""
    codes = np.asarray(codes, dtype=np.intp)
    rows = np.flatnonzero(codes >= 0)
    return _sparse(rows, codes[rows], len(codes), n_columns)


def _sparse(rows: Any, columns: Any, n_rows: int, n_columns: int) -> Any:
    data = np.ones(len(rows))
    return sparse.csr_array((data, (rows, columns)), shape=(n_rows, n_columns))


def _sorted(matrix: Any) -> Any:
    matrix = sparse.csr_array(matrix)
    matrix.data[np.abs(matrix.data) < 1e-9] = 0.0
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix
