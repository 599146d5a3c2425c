"""Which participant judges which items, and in which order."""

from __future__ import annotations

import numpy as np


def balanced_design(
    n_participants: int,
    n_items: int,
    n_per_participant: int,
    random_state: np.random.RandomState,
) -> np.ndarray:
    """Give each participant a random subset of the items, in random order.

    No participant judges an item twice, and the numbers of judgments of two items
    differ by one at most. The items are dealt like cards: one random permutation of
    all items after the other, each arranged so that a participant whose share runs
    over the end of one gets other items from the next.

    Parameters
    ----------
    n_participants, n_items : int
        Numbers of participants and items.
    n_per_participant : int
        Judgments of each participant, at most ``n_items``.
    random_state : RandomState
        Source of randomness.

    Returns
    -------
    items : ndarray of shape (n_participants, n_per_participant)
        Item positions in order of presentation.
    """
    total = n_participants * n_per_participant
    n_rounds = -(-total // n_items)
    if n_items % n_per_participant == 0:
        keys = random_state.random_sample((n_rounds, n_items))
        dealt = np.argsort(keys, axis=1).ravel()
    else:
        dealt = _deal(n_rounds, n_items, n_per_participant, random_state)
    items = dealt[:total].reshape(n_participants, n_per_participant)
    order = np.argsort(random_state.random_sample(items.shape), axis=1)
    return np.take_along_axis(items, order, axis=1)


def _deal(
    n_rounds: int, n_items: int, size: int, random_state: np.random.RandomState
) -> np.ndarray:
    """Concatenate permutations without repeats in any aligned run of ``size``."""
    dealt = np.empty((n_rounds, n_items), dtype=np.intp)
    held = np.zeros(n_items, dtype=bool)
    for r in range(n_rounds):
        permutation = random_state.permutation(n_items)
        n_held = (r * n_items) % size
        if n_held:
            held[:] = False
            held[dealt[r - 1, n_items - n_held :]] = True
            is_free = ~held[permutation]
            head = permutation[is_free][: size - n_held]
            held[:] = False
            held[head] = True
            rest = permutation[~held[permutation]]
            permutation = np.concatenate([head, rest])
        dealt[r] = permutation
    return dealt.ravel()


def progress(n_per_participant: int) -> np.ndarray:
    """Return the position in the session of each trial, from -1 to 1.

    Examples
    --------
    >>> progress(5)
    array([-1. , -0.5,  0. ,  0.5,  1. ])
    >>> progress(1)
    array([0.])
    """
    if n_per_participant == 1:
        return np.zeros(1)
    return np.linspace(-1.0, 1.0, n_per_participant)
