"""Information that candidates carry: about everything, the population, a person."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.query._design_plan import DesignPlan, paired
from bead_sklearn.query._latent import LatentJudgments
from bead_sklearn.query._latent_rows import LatentRows
from bead_sklearn.query._thought import ThoughtPosterior, log_det_gain

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


class InformationPlan(DesignPlan):
    """Half the log-determinant that each candidate adds to everything."""

    def utilities(self) -> Floats:
        """Return the information in nats."""
        return 0.5 * log_det_gain(self.covariance, self.root)


class PopulationInformationPlan(InformationPlan):
    """Information about all but the participants' effects.

    What a judgment says about everything less what it says about its participant once
    all else is known.
    """

    def __init__(self, judgments: LatentJudgments) -> None:
        assert judgments.given_population is not None
        self._given = judgments.given_population
        super().__init__(judgments)

    def start(self) -> None:
        """Forget the picks."""
        super().start()
        self._left = ThoughtPosterior(self._given)
        self.left = self._blocks(self._given)

    def utilities(self) -> Floats:
        """Return the information in nats."""
        return np.maximum(
            super().utilities() - 0.5 * log_det_gain(self.left, self.root), 0.0
        )

    def observe(self, pick: int) -> None:
        """Take a candidate as asked."""
        super().observe(pick)
        at = self.index[pick]
        for move in self._left.observe(at[at >= 0], self.root[pick][at >= 0]):
            here = move[self.at]
            self.left -= here[:, :, None] * here[:, None, :]


class ParticipantInformationPlan(InformationPlan):
    """Information about the effects of the participant who judges."""

    def _tracked(self, judgments: LatentJudgments) -> LatentRows:
        effects = judgments.effects
        if effects is None:
            raise ValueError(
                "target='participant' needs a model with exactly one factor of "
                "participants."
            )
        self.n_candidates = len(judgments.rows)
        self.whose = judgments.participant[judgments.index[:, 0]]
        self.n_people = int(judgments.participant.max(initial=-1)) + 1
        return judgments.rows.joined(effects)

    def start(self) -> None:
        """Forget the picks."""
        super().start()
        effects = np.arange(self.n_candidates, len(self.tracked))
        self.places = effects.reshape(self.n_people, -1)
        s = self.places.shape[1]
        own = [self.tracked.take(self.places[:, j]) for j in range(s)]
        self.between = np.empty((self.n_people, s, s))
        for j in range(s):
            for k in range(s):
                self.between[:, j, k] = paired(own[j], own[k])
        n, m = self.index.shape
        self.cross = np.empty((n, m, s))
        for j in range(m):
            rows = self.tracked.take(self.at[:, j])
            for k in range(s):
                effect = self.tracked.take(self.places[self.whose, k])
                self.cross[:, j, k] = paired(rows, effect)

    def _move(self, move: Floats) -> None:
        super()._move(move)
        people = move[self.places]
        self.between -= people[:, :, None] * people[:, None, :]
        self.cross -= move[self.at][:, :, None] * people[self.whose][:, None, :]

    def utilities(self) -> Floats:
        """Return the information in nats."""
        inverse = np.linalg.pinv(self.between, hermitian=True)[self.whose]
        known = self.cross @ inverse @ self.cross.transpose(0, 2, 1)
        rest = log_det_gain(self.covariance - known, self.root)
        return np.maximum(super().utilities() - 0.5 * rest, 0.0)
