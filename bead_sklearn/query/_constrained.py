"""Quotas of participants and items, and balanced classes, around any strategy."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bead_sklearn._sklearn import Interval, _num_samples, _safe_indexing
from bead_sklearn.inputs._levels import object_array
from bead_sklearn.model_selection._groups import groups_kwargs
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._columns import row_values
from bead_sklearn.query._registry import get_query_strategy
from bead_sklearn.query._scored import ScoredPool

Ints = NDArray[np.intp]


class Constrained(QueryStrategy):
    """Let a strategy choose within quotas.

    Rows whose participant or item has had its quota are not offered to the strategy,
    and a batch takes its rows in order as long as quotas last. With fewer rows that may
    be asked than wanted a batch is smaller.

    Parameters
    ----------
    strategy : str, QueryStrategy or callable
        Chooses among the rows that are left; see `get_query_strategy`.
    max_per_group : int, default=None
        Most labels of a participant (``groups``), those known included. None: no
        limit.
    max_per_item : int, default=None
        Most labels of an item, those known included. None: no limit.
    item : str, int or callable, default=None
        The item of each row: a column of X by name or position, or a function of the
        rows. Needed for ``max_per_item``.
    balance : bool, default=False
        Whether labels are spread over the classes: each row of a batch is of the
        predicted class that has fewest labels so far, known labels and rows of the
        batch together.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.query import Constrained, EntropySampling
    >>> model = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    >>> pool = [[0.0], [0.1], [0.2], [3.0]]
    >>> strategy = Constrained(EntropySampling(), max_per_group=1)
    >>> scored = strategy.score_pool(model, pool, groups=["ann", "ann", "ben", "ben"])
    >>> scored.select(3)
    array([0, 2])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "strategy": [str, QueryStrategy, callable],
        "max_per_group": [Interval(Integral, 1, None, closed="left"), None],
        "max_per_item": [Interval(Integral, 1, None, closed="left"), None],
        "item": [str, int, callable, None],
        "balance": ["boolean"],
    }

    def __init__(
        self,
        strategy: str | Callable[..., Any],
        *,
        max_per_group: int | None = None,
        max_per_item: int | None = None,
        item: Any = None,
        balance: bool = False,
    ) -> None:
        self.strategy = strategy
        self.max_per_group = max_per_group
        self.max_per_item = max_per_item
        self.item = item
        self.balance = balance

    @property
    def capabilities(self) -> Capabilities:
        """What the strategy needs of an estimator."""
        self._validate_params()
        return get_query_strategy(self.strategy).capabilities

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
        n = _num_samples(X)
        quotas = []
        if self.max_per_group is not None:
            if groups is None:
                raise ValueError(
                    f"max_per_group={self.max_per_group} needs groups, the "
                    "participants of the pool."
                )
            known = () if groups_labeled is None else groups_labeled
            quotas.append(_Quota(groups, known, self.max_per_group))
        if self.max_per_item is not None:
            if self.item is None:
                raise ValueError(
                    f"max_per_item={self.max_per_item} needs item, the column of X or "
                    "the function that tells items apart."
                )
            labeled: Any = ()
            if X_labeled is not None and _num_samples(X_labeled):
                labeled = row_values(X_labeled, self.item, "item")
            items = row_values(X, self.item, "item")
            quotas.append(_Quota(items, labeled, self.max_per_item))
        allowed = np.ones(n, dtype=bool)
        for quota in quotas:
            allowed &= quota.left[quota.codes] > 0
        strategy = get_query_strategy(self.strategy)
        parts = [np.flatnonzero(allowed)]
        counts = np.zeros(1)
        if self.balance and n:
            kwargs = groups_kwargs(
                estimator, "predict", groups, name=self._groups_name()
            )
            parts, counts = _by_class(
                estimator.predict(X, **kwargs), y_labeled, allowed
            )
        pools = []
        utilities = np.full(n, np.nan)
        for rows in parts:
            scored = None
            if len(rows):
                scored = strategy.score_pool(
                    estimator,
                    _safe_indexing(X, rows),
                    groups=None if groups is None else _safe_indexing(groups, rows),
                    X_labeled=X_labeled,
                    y_labeled=y_labeled,
                    groups_labeled=groups_labeled,
                )
                utilities[rows] = scored.utilities
            pools.append(scored)
        # Rows that may not be asked rank with the last of those that may.
        lowest = float(np.nanmin(utilities)) if allowed.any() else 0.0
        utilities[~allowed] = lowest
        choice = _Within(parts, pools, counts, quotas)
        return ScoredPool(self._checked(utilities, X), choice)


class _Quota:
    """How many rows of each kind are left."""

    def __init__(self, kinds: Any, known: Any, most: int) -> None:
        values = list(kinds) if not hasattr(kinds, "tolist") else kinds.tolist()
        before = list(known) if not hasattr(known, "tolist") else known.tolist()
        place: dict[Any, int] = {}
        codes = [place.setdefault(value, len(place)) for value in values]
        self.codes = np.array(codes, dtype=np.intp)
        used = np.zeros(len(place), dtype=np.intp)
        for value in before:
            if value in place:
                used[place[value]] += 1
        self.left = most - used


def _by_class(
    predicted: Any, y_labeled: Any, allowed: NDArray[np.bool_]
) -> tuple[list[Ints], NDArray[np.float64]]:
    """Rows of each predicted class, and how many labels it has."""
    labels = np.asarray(predicted)
    if labels.ndim != 1:
        raise ValueError(
            f"balance=True needs one label per row, the estimator predicts shape "
            f"{labels.shape}."
        )
    known = [] if y_labeled is None else object_array(list(y_labeled)).tolist()
    classes = list(dict.fromkeys(sorted(labels.tolist(), key=repr)))
    parts = [np.flatnonzero(allowed & (labels == label)) for label in classes]
    counts = np.array([sum(y == label for y in known) for label in classes], float)
    return parts, counts


class _Within:
    """The strategy's order, as far as quotas allow."""

    def __init__(
        self,
        parts: list[Ints],
        pools: list[ScoredPool | None],
        counts: NDArray[np.float64],
        quotas: list[_Quota],
    ) -> None:
        self.parts = parts
        self.pools = pools
        self.counts = counts
        self.quotas = quotas

    def __call__(self, n: int, priority: Ints | None) -> Ints:
        streams = [
            _Stream(rows, pool, n, priority)
            for rows, pool in zip(self.parts, self.pools, strict=True)
        ]
        left = [quota.left.copy() for quota in self.quotas]
        counts = self.counts.copy()
        chosen: list[int] = []
        open_ = set(range(len(streams)))
        while len(chosen) < n and open_:
            part = min(open_, key=lambda k: (counts[k], k))
            row = streams[part].next()
            if row is None:
                open_.discard(part)
                continue
            places = [quota.codes[row] for quota in self.quotas]
            if all(count[at] > 0 for count, at in zip(left, places, strict=True)):
                chosen.append(row)
                counts[part] += 1
                for count, at in zip(left, places, strict=True):
                    count[at] -= 1
        return np.array(chosen, dtype=np.intp)


class _Stream:
    """Rows of a part in the strategy's order, asked for in growing batches."""

    def __init__(
        self, rows: Ints, pool: ScoredPool | None, n: int, priority: Ints | None
    ) -> None:
        self.rows = rows
        self.pool = pool
        self.size = n
        self.order = None if priority is None else np.argsort(priority[rows])
        self.seen: set[int] = set()
        self.batch: list[int] = []

    def next(self) -> int | None:
        """Return the next row, None after the last."""
        while not self.batch:
            if self.pool is None or len(self.seen) == len(self.rows):
                return None
            size = min(self.size, len(self.rows))
            picks = self.pool.select(size, self.order).tolist()
            self.batch = [p for p in picks if p not in self.seen][::-1]
            self.seen.update(picks)
            self.size *= 2
        return int(self.rows[self.batch.pop()])
