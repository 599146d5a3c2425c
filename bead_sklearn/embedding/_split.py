"""Splitting sessions so that items of the test part are new."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.inputs import encode_levels, read_groups

#: Draws of items before a split is given up.
_ATTEMPTS = 1000


class ItemOverlapShuffleSplit:
    """Split sessions by items: a session is tested if most of its items are.

    A random share of the items is set aside; a session goes to the test part if more
    than half of its rows show such items. Ids are sorted before they are drawn, so
    that ``random_state`` settles the split whatever the order of the rows.

    Parameters
    ----------
    n_splits : int, default=5
        Number of splits.
    test_size : float, default=0.2
        Share of the items, between 0 and 1.
    items : array-like of shape (n_rows,), default=None
        Item of each row. None reads X: the last column.
    random_state : int, RandomState instance or None, default=None
        Draws items.

    Examples
    --------
    >>> X = [["q", "a"], ["q", "b"], ["r", "c"], ["r", "d"]]
    >>> split = ItemOverlapShuffleSplit(1, test_size=0.5, random_state=4)
    >>> train, test = next(split.split(X, groups=[0, 0, 1, 1]))
    >>> train.tolist(), test.tolist()
    ([2, 3], [0, 1])
    """

    def __init__(
        self,
        n_splits: Any = 5,
        *,
        test_size: Any = 0.2,
        items: Any = None,
        random_state: Any = None,
    ) -> None:
        if not isinstance(n_splits, Integral) or n_splits < 1:
            raise ValueError(
                f"n_splits must be an integer of at least 1. Got {n_splits!r}."
            )
        is_share = isinstance(test_size, Real) and not isinstance(test_size, Integral)
        if not (is_share and 0 < test_size < 1):
            raise ValueError(
                f"test_size must be a float between 0 and 1. Got {test_size!r}."
            )
        self.n_splits = n_splits
        self.test_size = test_size
        self.items = items
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits."""
        return int(self.n_splits)

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield rows of training and test sessions.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)
            Rows; the last column holds items unless ``items`` is given.
        y : object
            Ignored.
        groups : array-like of shape (n_rows,)
            Session of each row.

        Yields
        ------
        train, test : ndarray of intp
            Positions of rows.

        Raises
        ------
        ValueError
            If groups are missing, or no draw of items leaves sessions in both parts.
        """
        n_rows = _num_samples(X)
        if not n_rows:
            raise ValueError("X is empty: there are no sessions to split.")
        if groups is None:
            raise ValueError("ItemOverlapShuffleSplit needs groups, the sessions.")
        _, session = encode_levels(next(iter(read_groups(groups, n_rows).values())))
        levels, item = encode_levels(_items(X) if self.items is None else self.items)
        if len(item) != n_rows:
            raise ValueError(f"items has {len(item)} entries and X has {n_rows} rows.")
        rng = check_random_state(self.random_state)
        n_test = max(1, round(self.test_size * len(levels)))
        sizes = np.bincount(session)
        for _ in range(self.n_splits):
            for _attempt in range(_ATTEMPTS):
                chosen = np.zeros(len(levels), dtype=bool)
                chosen[rng.permutation(len(levels))[:n_test]] = True
                tested = np.bincount(session, chosen[item]) > 0.5 * sizes
                if tested.any() and not tested.all():
                    break
            else:
                raise ValueError(
                    f"test_size={self.test_size:g} of {len(levels)} items never left "
                    "sessions in both parts: sessions share too many items."
                )
            rows = tested[session]
            yield np.flatnonzero(~rows), np.flatnonzero(rows)


def _items(X: Any) -> Any:
    if hasattr(X, "columns"):
        return list(X[X.columns[-1]])
    values = np.asarray(X)
    if values.ndim == 2 and values.shape[1] > 2:
        raise ValueError(
            f"X has {values.shape[1]} columns, none of which is known to name the "
            "item. Pass items, one for each row."
        )
    return values if values.ndim == 1 else values[:, -1]
