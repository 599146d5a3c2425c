"""One level for many looks at the same data (error spending)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def share_spent(n_labels: int, n_first: int) -> float:
    """Return the share of the level that may be spent up to a look.

    A fifth at the first look, where a model seldom passes, and the more the more labels
    there are, however many batches they came in; never all of it, since there may
    always be another look.

    Parameters
    ----------
    n_labels : int
        Labels at this look.
    n_first : int
        Labels at the first look.
    """
    return n_labels / (n_labels + 4 * n_first)


def lower_bound(
    resamples: Floats, crossed: NDArray[np.bool_], level: float
) -> tuple[float, NDArray[np.bool_]]:
    r"""Bound a quantity from below, the looks before being counted in.

    A look errs where its estimate exceeds the truth by more than the distance c of
    estimate and bound. With resamples :math:`D_{kb}` of look k, drawn alike at all
    looks, and bounds :math:`L_k`, the probability to err at some look up to K is
    estimated by the share of resamples b with :math:`D_{kb} \le L_k` for some
    :math:`k \le K`, however much the looks have in common. The bound is the highest one
    that keeps this share at ``level``, which may grow from look to look as one likes
    as long as the data have no say in it [1]_.

    Parameters
    ----------
    resamples : ndarray of shape (n_resamples,)
        Bootstrap values at this look; NaN where there is none.
    crossed : ndarray of bool of shape (n_resamples,)
        Which resamples were at or below the bound of an earlier look.
    level : float
        Share of resamples that may be below a bound up to this look.

    Returns
    -------
    bound : float
        The bound; NaN if nothing is left to spend.
    crossed : ndarray of bool of shape (n_resamples,)
        Which resamples were at or below a bound, this look included.

    References
    ----------
    .. [1] Lan & DeMets (1983), Discrete sequential boundaries for clinical trials.
       Biometrika 70(3). doi:10.1093/biomet/70.3.659
    """
    n_left = int(level * len(resamples) + 1e-9) - int(crossed.sum())
    free = np.where(crossed | np.isnan(resamples), np.inf, resamples)
    if n_left <= 0:
        return float("nan"), crossed
    below = free < np.partition(free, n_left)[n_left]
    if not below.any():  # more are equal than may be spent
        return float("nan"), crossed
    return float(free[below].max()), crossed | below


def to_text(crossed: NDArray[np.bool_]) -> str:
    """Write flags as text."""
    return np.packbits(crossed).tobytes().hex()


def from_memory(memory: dict[str, Any] | None, n_resamples: int) -> NDArray[np.bool_]:
    """Read which resamples were below a bound.

    Of a number of resamples that has changed since, as many as that share.

    Parameters
    ----------
    memory : dict or None
        ``crossed``, as `to_text` wrote it, and ``n_resamples``; None before the first
        look.
    n_resamples : int
        Resamples now.
    """
    if memory is None:
        return np.zeros(n_resamples, dtype=bool)
    packed = np.frombuffer(bytes.fromhex(memory["crossed"]), dtype=np.uint8)
    crossed = np.unpackbits(packed, count=memory["n_resamples"]).astype(bool)
    if len(crossed) == n_resamples:
        return crossed
    return np.arange(n_resamples) < np.ceil(crossed.mean() * n_resamples)
