"""Seeds: one per run, round and parameter, so that draws differ and can be repeated."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from bead_sklearn.query import get_query_strategy

_MAX_SEED = np.iinfo(np.int32).max


def draw_seeds(random_state: Any, n: int) -> list[int]:
    """Draw n seeds from an int, RandomState or None."""
    seeds: list[int] = (
        check_random_state(random_state).randint(_MAX_SEED, size=n).tolist()
    )
    return seeds


def child_seed(*entropy: int) -> int:
    """Mix integers into one seed; the same integers give the same seed."""
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def seeded(strategy: Any, run_seed: int, n_labels: int) -> Any:
    """Copy a strategy with seeds of its own for one state of the search.

    Parameters
    ----------
    strategy : QueryStrategy
        The strategy; left as it is.
    run_seed : int
        Seed of the run.
    n_labels : int
        Number of labels known, which tells the rounds of a run apart.

    Returns
    -------
    strategy : QueryStrategy
        The strategy itself if it draws nothing at random; otherwise a copy whose
        every ``random_state`` (of the strategy or nested in it) is an int mixed from
        its value, the run and the round.
    """
    strategy = _with_objects(strategy)
    names = sorted(
        name
        for name in strategy.get_params(deep=True)
        if name == "random_state" or name.endswith("__random_state")
    )
    if not names:
        return strategy
    values = strategy.get_params(deep=True)
    seeds = {
        name: child_seed(*_as_entropy(values[name]), run_seed, n_labels, position)
        for position, name in enumerate(names)
    }
    return clone(strategy).set_params(**seeds)


def _with_objects(strategy: Any) -> Any:
    """Put strategies in the place of their names, inside other strategies too."""
    named = {
        name: get_query_strategy(value)
        for name, value in strategy.get_params(deep=True).items()
        if name.rpartition("__")[2] == "strategy" and isinstance(value, str)
    }
    return clone(strategy).set_params(**named) if named else strategy


def _as_entropy(random_state: Any) -> tuple[int, ...]:
    """Turn a random_state into integers, without drawing from it."""
    if random_state is None:
        return ()
    if isinstance(random_state, np.random.RandomState):
        return (int(deepcopy(random_state).randint(_MAX_SEED)), 1)
    return (int(random_state), 0)
