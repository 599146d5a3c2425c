"""What candidates take from the mean variance of targets (A-optimality)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.query._design_plan import DesignPlan
from bead_sklearn.query._latent import LatentJudgments
from bead_sklearn.query._latent_rows import LatentRows
from bead_sklearn.query._thought import trace_gain

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Multiplications in one step where covariances with all targets are computed at once.
_CHUNK = 4_000_000


class TracePlan(DesignPlan):
    """What each candidate takes from the mean variance of the targets.

    Parameters
    ----------
    judgments : LatentJudgments
        The candidates; their predictors without participants are the targets.
    targets : LatentRows
        Predictors whose mean variance is to fall.
    """

    def __init__(self, judgments: LatentJudgments, targets: LatentRows) -> None:
        self.targets, self.weights = distinct(targets)
        self._first: Floats | None = None
        super().__init__(judgments)

    def _tracked(self, judgments: LatentJudgments) -> LatentRows:
        self.n_candidates = len(judgments.rows)
        return judgments.rows.joined(self.targets)

    def start(self) -> None:
        """Forget the picks."""
        super().start()
        self._moves: list[Floats] = []
        if self._first is None:
            candidates = self.tracked.take(np.arange(self.n_candidates))
            self._first = self._squares(candidates)
        self.squares = self._first.copy()

    def _squares(self, candidates: LatentRows) -> Floats:
        """Mean over the targets of cov(t, a) cov(t, b) in each judgment."""
        n, m = self.index.shape
        plain = all((terms.codes < 0).all() for terms in self.targets.own)
        if plain and candidates.shared.shape[1] <= len(self.targets):
            shared = self.targets.shared
            spread = (shared * self.weights[:, None]).T @ shared
            moved = (candidates.shared @ spread)[self.at]
            return np.asarray(moved @ candidates.shared[self.at].transpose(0, 2, 1))
        total = np.zeros((n, m, m))
        size = max(1, _CHUNK // max(1, len(candidates)))
        for start in range(0, len(self.targets), size):
            part = np.arange(start, min(start + size, len(self.targets)))
            cross = self.targets.take(part).covariance(candidates)[:, self.at]
            total += np.einsum(
                "t,tnj,tnk->njk", self.weights[part], cross, cross, optimize=True
            )
        return total

    def utilities(self) -> Floats:
        """Return the fall of the mean variance of the targets."""
        return trace_gain(self.covariance, self.squares, self.root)

    def _move(self, move: Floats) -> None:
        on_targets = move[self.n_candidates :] * self.weights
        size = float(on_targets @ move[self.n_candidates :])
        # u = mean over targets of cov(t, a) cov(t, o), before this move.
        along = self._along(on_targets)[self.at]
        here = move[self.at]
        outer = here[:, :, None] * along[:, None, :]
        self.squares -= outer + outer.transpose(0, 2, 1)
        self.squares += size * here[:, :, None] * here[:, None, :]
        super()._move(move)
        self._moves.append(move)

    def _along(self, weights: Floats) -> Floats:
        """Return sum_t weights_t cov(t, a) of the candidates, before the last move."""
        candidates = self.tracked.take(np.arange(self.n_candidates))
        total: Floats = candidates.shared @ (weights @ self.targets.shared)
        for terms, others in zip(self.targets.own, candidates.own, strict=True):
            total = total + terms.weighted(weights, others)
        for move in self._moves:
            on_targets = float(weights @ move[self.n_candidates :])
            total = total - on_targets * move[: self.n_candidates]
        return total


def distinct(rows: LatentRows) -> tuple[LatentRows, Floats]:
    """Return the different rows, and the share of each."""
    table = np.hstack(
        [rows.shared, *(np.c_[terms.codes, terms.values] for terms in rows.own)]
    )
    keys = np.ascontiguousarray(table).view(np.dtype((np.void, table.strides[0])))
    _, first, counts = np.unique(keys.ravel(), return_index=True, return_counts=True)
    return rows.take(first), counts / len(rows)
