"""A pool with its utilities, from which batches are chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.query._selection import check_integer, select_top_k

#: ``choose(n, priority) -> positions``, best first; of rows that are equally good the
#: one of lowest priority number comes first (None: the one of lowest position).
Choose = Callable[[int, NDArray[np.intp] | None], NDArray[np.intp]]


class ScoredPool:
    """The pool as a strategy sees it: utilities, and a way to choose a batch.

    Parameters
    ----------
    utilities : ndarray of shape (n_pool,)
        What each row is expected to teach if it is asked about alone.
    choose : callable, default=None
        ``choose(n, priority) -> positions``; None takes the highest utilities.

    Attributes
    ----------
    utilities : ndarray of shape (n_pool,)
        The utilities.
    """

    def __init__(
        self, utilities: NDArray[np.float64], choose: Choose | None = None
    ) -> None:
        self.utilities = utilities
        self._choose = choose

    def __len__(self) -> int:
        """Count the rows of the pool."""
        return len(self.utilities)

    def select(self, n: int, order: NDArray[np.intp] | None = None) -> NDArray[np.intp]:
        """Choose a batch.

        Parameters
        ----------
        n : int
            Size of the batch. Zero or less selects none, more than n_pool selects all.
        order : ndarray of shape (n_pool,), default=None
            All positions; of rows that are equally good the one that comes first here
            is taken first. None: the one of lowest position.

        Returns
        -------
        indices : ndarray of shape (min(n, n_pool),)
            Positions in the pool, best first.
        """
        check_integer(n, "n")
        n = min(max(n, 0), len(self))
        if self._choose is None:
            if order is None:
                return select_top_k(self.utilities, n)
            return order[select_top_k(self.utilities[order], n)]
        if n == 0:
            return np.empty(0, dtype=np.intp)
        return self._choose(n, None if order is None else inverse_order(order))


def inverse_order(order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the place of each position in an order of them all."""
    priority = np.empty(len(order), dtype=np.intp)
    priority[order] = np.arange(len(order))
    return priority


def best_row(scores: NDArray[np.floating], priority: NDArray[np.intp] | None) -> int:
    """Return the position of the highest score, ties by priority."""
    top = int(scores.argmax())
    if priority is None:
        return top
    ties = np.flatnonzero(scores == scores[top])
    return int(ties[priority[ties].argmin()])


def take(
    picks: Iterable[int],
    n: int,
    utilities: NDArray[np.float64],
    priority: NDArray[np.intp] | None,
) -> NDArray[np.intp]:
    """Take n picks; if they end early go on with the highest utilities left.

    Parameters
    ----------
    picks : iterable of int
        Different positions, best first.
    n : int
        How many, at most the size of the pool.
    utilities : ndarray of shape (n_pool,)
        Order of those that are not among the picks.
    priority : ndarray of shape (n_pool,) or None
        Breaks ties among these.

    Returns
    -------
    indices : ndarray of shape (n,)
        Positions.
    """
    chosen: list[int] = []
    stream: Iterator[int] = iter(picks)
    while len(chosen) < n:
        pick = next(stream, None)
        if pick is None:
            break
        chosen.append(pick)
    first = np.array(chosen, dtype=np.intp)
    if len(first) == n:
        return first
    left = np.setdiff1d(np.arange(len(utilities)), first)
    if priority is not None:
        left = left[np.argsort(priority[left], kind="stable")]
    rest = left[select_top_k(utilities[left], n - len(first))]
    return np.concatenate([first, rest])
