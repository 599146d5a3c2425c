"""Sessions that are held out, and how well their clicked items are ranked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bead_sklearn.embedding._clicks import ClickstreamPairs
from bead_sklearn.embedding._metrics import mean_reciprocal_rank

#: Sessions with clicks that a validation part needs.
_LEAST = 10


def hold_out(
    clicks: ClickstreamPairs, fraction: float, rng: np.random.RandomState
) -> tuple[ClickstreamPairs, ClickstreamPairs] | None:
    """Hold out sessions with clicks.

    Parameters
    ----------
    clicks : ClickstreamPairs
        All sessions.
    fraction : float
        Share of the sessions with clicks that is held out.
    rng : RandomState
        Draws them.

    Returns
    -------
    parts : (ClickstreamPairs, ClickstreamPairs) or None
        What is kept and what is held out; None if the latter would be few.
    """
    with_clicks = np.flatnonzero(clicks.has_clicks)
    n = round(fraction * len(with_clicks))
    if n < _LEAST or n >= len(with_clicks):
        return None
    out = np.zeros(len(clicks.session), dtype=bool)
    for number in rng.permutation(with_clicks)[:n]:
        out[clicks.sessions[number]] = True
    return clicks.take(np.flatnonzero(~out)), clicks.take(np.flatnonzero(out))


def ranking(held_out: ClickstreamPairs, towers: Any, pool: str) -> Callable[[], float]:
    """Return a function that ranks the clicked items of held-out sessions.

    Parameters
    ----------
    held_out : ClickstreamPairs
        The sessions.
    towers : Towers
        What is being trained.
    pool : {"all", "session"}
        What clicked items are ranked among: all items, or those shown with them.

    Returns
    -------
    evaluate : callable
        Returns the mean reciprocal rank, ties at the mean of their ranks, and minus
        infinity where vectors are not finite.
    """

    def evaluate() -> float:
        queries, items = towers.vectors(0), towers.vectors(1)
        if not (np.isfinite(queries).all() and np.isfinite(items).all()):
            return -np.inf
        if pool == "session":
            pairs = queries[held_out.query] * items[held_out.item]
            return mean_reciprocal_rank(
                held_out.click, pairs.sum(axis=1), groups=held_out.session
            )
        rows = np.flatnonzero(held_out.click > 0)
        scores = queries[held_out.query[rows]] @ items.T
        own = scores[np.arange(len(rows)), held_out.item[rows]][:, None]
        others = (scores == own).sum(axis=1) - 1
        ranks = 1.0 + (scores > own).sum(axis=1) + 0.5 * others
        return float((1.0 / ranks).mean())

    return evaluate
