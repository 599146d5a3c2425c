"""How far participants answer higher or lower than others about the same items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ParticipantEffects:
    """Effects of participants on a scale.

    Attributes
    ----------
    sd : float
        Standard deviation between participants; NaN where it cannot be estimated.
    effects : ndarray of shape (n_participants,)
        Conditional means, NaN where there is nothing to compare.
    errors : ndarray of shape (n_participants,)
        Conditional standard deviations.
    """

    sd: float
    effects: Floats
    errors: Floats


def participant_effects(
    values: Floats, items: NDArray[np.intp], people: NDArray[np.intp], n_people: int
) -> ParticipantEffects:
    r"""Estimate participants' effects beside items of their own heights.

    The model is :math:`x_{ip} = \mu_i + b_p + e_{ip}` with
    :math:`b_p \sim N(0, \tau^2)`. Items are fixed and eliminated; on the eigenvectors
    of the Laplacian of the rest the contrasts of the participants are independent,
    :math:`N(0, \tau^2 + s^2 / \lambda_k)`, so that REML of :math:`\tau^2` given the
    residual variance :math:`s^2` is a search in one dimension.

    Parameters
    ----------
    values : ndarray of shape (n_judgments,)
        Answers.
    items, people : ndarray of int of shape (n_judgments,)
        Numbers of the items and of the participants.
    n_people : int
        Number of participants.

    Returns
    -------
    effects : ParticipantEffects
        Effects and their standard deviation.
    """
    nan = np.full(n_people, np.nan)
    _, item = np.unique(items, return_inverse=True)
    counts = np.bincount(item).astype(np.float64)
    shared = counts[item] > 1
    values, item, people = values[shared], item[shared], people[shared]
    seen = np.bincount(people, minlength=n_people)
    n_items = len(np.unique(item))
    freedom = len(values) - n_items - int((seen > 0).sum()) + 1
    if freedom < 2:
        return ParticipantEffects(float("nan"), nan, nan)
    shape = (len(counts), n_people)
    table = sparse.csr_matrix((np.ones(len(item)), (item, people)), shape=shape)
    inverse = np.divide(1.0, counts, out=np.zeros_like(counts), where=counts > 0)
    laplacian = np.diag(seen.astype(np.float64))
    laplacian -= (table.T @ sparse.diags(inverse) @ table).toarray()
    means = np.bincount(item, weights=values, minlength=len(counts)) * inverse
    residual = values - means[item]
    right = np.bincount(people, weights=residual, minlength=n_people)
    roots, vectors = np.linalg.eigh(laplacian)
    kept = roots > 1e-9 * max(1.0, roots.max())
    roots, vectors = roots[kept], vectors[:, kept]
    if not len(roots):
        return ParticipantEffects(float("nan"), nan, nan)
    contrasts = (vectors.T @ right) / roots
    freedom = len(values) - n_items - len(roots)
    rss = float(residual @ residual - np.sum(roots * np.square(contrasts)))
    noise = max(rss, 0.0) / freedom / roots
    tau2 = _variance(np.square(contrasts), noise)
    shrink = np.divide(tau2, tau2 + noise, out=np.ones_like(noise), where=noise > 0)
    effects = vectors @ (shrink * contrasts)
    errors = np.sqrt(np.square(vectors) @ (shrink * noise))
    alone = seen == 0
    effects[alone], errors[alone] = np.nan, np.nan
    return ParticipantEffects(float(np.sqrt(tau2)), effects, errors)


def _variance(squares: Floats, noise: Floats) -> float:
    """Maximise the likelihood of independent N(0, tau2 + noise) in tau2."""
    largest = float(squares.max())
    if largest == 0.0:
        return 0.0

    def loss(tau2: float) -> float:
        total = np.maximum(tau2 + noise, 1e-300)
        return float(np.sum(np.log(total) + squares / total))

    # The likelihood may have a second hill: a coarse grid finds the right one.
    grid = np.concatenate([[0.0], largest * np.logspace(-8, 1, 60)])
    best = int(np.argmin([loss(tau2) for tau2 in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded")
    return float(found.x) if found.fun < loss(grid[best]) else float(grid[best])
