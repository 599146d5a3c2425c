"""Batches planned on the posterior: what each candidate would add after the others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.query._expected_curvature import average_curvature
from bead_sklearn.query._latent import LatentJudgments
from bead_sklearn.query._latent_rows import LatentRows
from bead_sklearn.query._scored import best_row, take
from bead_sklearn.query._thought import ThoughtPosterior, symmetric_roots

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


class DesignPlan:
    """Candidates, what each would add, and what is left to add after a pick.

    Parameters
    ----------
    judgments : LatentJudgments
        The candidates.
    """

    def __init__(self, judgments: LatentJudgments) -> None:
        self.index = judgments.index
        self.real = self.index >= 0
        self.at = np.where(self.real, self.index, 0)
        self.tracked = self._tracked(judgments)
        rows = judgments.rows
        before = self._blocks(rows)
        before *= self.real[:, :, None] & self.real[:, None, :]
        curvature = average_curvature(judgments.family, rows.mean, self.index, before)
        self.root = symmetric_roots(curvature)
        self.start()

    def _tracked(self, judgments: LatentJudgments) -> LatentRows:
        """Return all predictors whose covariances matter, the candidates' first."""
        return judgments.rows

    def start(self) -> None:
        """Forget the picks."""
        self.posterior = ThoughtPosterior(self.tracked)
        self.covariance = self._blocks(self.tracked)

    def _blocks(self, rows: LatentRows) -> Floats:
        """Covariance of the predictors of each judgment, (n, m, m)."""
        n, m = self.index.shape
        blocks = np.empty((n, m, m))
        own = [rows.take(self.at[:, j]) for j in range(m)]
        for j in range(m):
            for k in range(j, m):
                blocks[:, j, k] = blocks[:, k, j] = paired(own[j], own[k])
        return blocks

    def utilities(self) -> Floats:
        """Return what each candidate adds now."""
        raise NotImplementedError

    def observe(self, pick: int) -> None:
        """Take a candidate as asked."""
        at = self.index[pick]
        real = at >= 0
        root = self.root[pick][real]
        for move in self.posterior.observe(at[real], root):
            self._move(move)

    def _move(self, move: Floats) -> None:
        """Take the outer product of a vector from the covariances."""
        here = move[self.at]
        self.covariance -= here[:, :, None] * here[:, None, :]


def paired(left: LatentRows, right: LatentRows) -> Floats:
    """Covariances of pairs of rows, (n,)."""
    total: Floats = np.einsum("ij,ij->i", left.shared, right.shared)
    for terms, others in zip(left.own, right.own, strict=True):
        same = (terms.codes == others.codes) & (terms.codes >= 0)
        product = np.einsum("ij,ij->i", terms.values, others.values)
        total = total + np.where(same, product, 0.0)
    return total


class Greedy:
    """Batches of a design: each pick as if those before it were judged."""

    def __init__(self, plan: DesignPlan, utilities: Floats) -> None:
        self.plan = plan
        self.utilities = utilities

    def __call__(self, n: int, priority: Ints | None) -> Ints:
        self.plan.start()
        return take(self._picks(priority), n, self.utilities, priority)

    def _picks(self, priority: Ints | None) -> Iterator[int]:
        scores = self.utilities.copy()
        asked = np.zeros(len(scores), dtype=bool)
        while not asked.all():
            pick = best_row(np.where(asked, -np.inf, scores), priority)
            yield pick
            asked[pick] = True
            self.plan.observe(pick)
            scores = self.plan.utilities()
