"""Linear heads, one per annotator, trained by stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import expit

from bead_sklearn.routing._losses import LOSSES, RELATIVE
from bead_sklearn.routing._ratings import Ratings

#: Shares of a variance below this one are rounding.
_SAME = 1e-12


@dataclass(frozen=True)
class Schedule:
    """How heads are trained.

    Attributes
    ----------
    loss : str
        Name of the loss.
    learning_rate, momentum : float
        Step, and share of the last one that is kept.
    batch_size : int
        Rows per step.
    shuffle : bool
        Whether rows come in random order.
    accumulate_grad : bool
        Whether gradients are summed over steps and never cleared.
    init : {"population", "random"}
        How the head of an annotator begins.
    """

    loss: str
    learning_rate: float
    momentum: float
    batch_size: int
    shuffle: bool
    accumulate_grad: bool
    init: str

    @classmethod
    def of(cls, estimator: Any) -> Self:
        """Return the schedule that the parameters of an estimator say."""
        return cls(
            estimator.loss,
            float(estimator.learning_rate),
            float(estimator.momentum),
            int(estimator.batch_size),
            bool(estimator.shuffle),
            bool(estimator.accumulate_grad),
            estimator.init,
        )


class LinearHeads:
    """Scores W x + b of annotators, and what the optimizer remembers of each.

    Parameters
    ----------
    n_annotators, n_features : int
        Shape of W.
    schedule : Schedule
        How they are trained.
    rng : RandomState
        Draws the first heads.
    """

    def __init__(
        self,
        n_annotators: int,
        n_features: int,
        schedule: Schedule,
        rng: np.random.RandomState,
    ) -> None:
        self.coef = np.zeros((n_annotators, n_features))
        self.intercept = np.zeros(n_annotators)
        if schedule.init == "random":
            bound = 1.0 / np.sqrt(max(1, n_features))
            self.coef = rng.uniform(-bound, bound, self.coef.shape)
            self.intercept = rng.uniform(-bound, bound, n_annotators)
        self._clear()
        self.calibration = (0.0, 1.0)
        self.moments = np.zeros((3, 3))

    def begin(self, coef: Any, intercept: Any) -> None:
        """Begin with given heads; None keeps those that are there.

        Raises
        ------
        ValueError
            If a shape does not fit.
        """
        for name, given in (("coef", coef), ("intercept", intercept)):
            if given is None:
                continue
            own = getattr(self, name)
            values = np.array(given, dtype=np.float64)
            if values.shape != own.shape:
                raise ValueError(
                    f"{name}_init must have the shape {own.shape}. Got {values.shape}."
                )
            setattr(self, name, values)

    def _clear(self) -> None:
        self.grad_coef, self.step_coef = np.zeros_like(self.coef), 0.0 * self.coef
        self.grad_intercept = np.zeros_like(self.intercept)
        self.step_intercept = np.zeros_like(self.intercept)

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return W x + b, (n, A)."""
        return np.asarray(features @ self.coef.T + self.intercept)

    def train(
        self, ratings: Ratings, schedule: Schedule, rng: np.random.RandomState
    ) -> float:
        """Pass over the ratings once; return the mean loss before each step."""
        n_rows = len(ratings.features)
        order = rng.permutation(n_rows) if schedule.shuffle else np.arange(n_rows)
        by_row = np.argsort(ratings.row, kind="stable")
        starts = np.searchsorted(ratings.row[by_row], np.arange(n_rows + 1))
        total = 0.0
        for start in range(0, n_rows, schedule.batch_size):
            rows = order[start : start + schedule.batch_size]
            which = [by_row[starts[row] : starts[row + 1]] for row in rows]
            place = np.repeat(np.arange(len(rows)), [len(part) for part in which])
            total += self._step(ratings, np.concatenate(which), rows, place, schedule)
        if not np.isfinite(self.coef).all():
            limit = 2.0 * (1.0 + schedule.momentum)
            limit /= 1.0 + float((ratings.features**2).sum(axis=1).mean())
            raise ValueError(
                f"Training diverged with learning_rate={schedule.learning_rate:g}. "
                f"Lower it, for these features to less than {limit:.2g}, or scale the "
                "features."
            )
        return total / max(1, n_rows)

    def _step(
        self,
        ratings: Ratings,
        which: np.ndarray,
        rows: np.ndarray,
        place: np.ndarray,
        schedule: Schedule,
    ) -> float:
        asked, column = np.unique(ratings.annotator[which], return_inverse=True)
        features = ratings.features[rows]
        weights = np.zeros((len(rows), len(asked)))
        np.add.at(weights, (place, column), ratings.weight[which])
        rewards = np.zeros_like(weights)
        weighted = ratings.weight[which] * ratings.reward[which]
        np.add.at(rewards, (place, column), weighted)
        rewards /= np.where(weights > 0, weights, 1.0)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = features @ self.coef[asked].T + self.intercept[asked]
            loss, slopes = LOSSES[schedule.loss](scores, rewards, weights)
            slopes = slopes / len(rows)
            if not schedule.accumulate_grad:
                self.grad_coef[:] = 0.0
                self.grad_intercept[:] = 0.0
            self.grad_coef[asked] += slopes.T @ features
            self.grad_intercept[asked] += slopes.sum(axis=0)
            self.step_coef = schedule.momentum * self.step_coef + self.grad_coef
            self.step_intercept = (
                schedule.momentum * self.step_intercept + self.grad_intercept
            )
            self.coef -= schedule.learning_rate * self.step_coef
            self.intercept -= schedule.learning_rate * self.step_intercept
        return float(loss.sum())

    def calibrate(self, ratings: Ratings, loss: str, *, afresh: bool) -> None:
        """Learn the line from centred scores to rewards, where scores need one.

        Parameters
        ----------
        ratings : Ratings
            Ratings that were passed over.
        loss : str
            Name of the loss.
        afresh : bool
            Whether to forget the ratings of earlier calls, whose scores were those of
            their time.
        """
        if loss not in RELATIVE:
            return
        scores = self._centred(ratings.features)[ratings.row, ratings.annotator]
        columns = np.vstack([np.ones_like(scores), scores, ratings.reward])
        moments = (ratings.weight * columns) @ columns.T
        self.moments = moments if afresh else self.moments + moments
        covariance = self.moments[1:, 1:] / self.moments[0, 0]
        center, mean = self.moments[0, 1:] / self.moments[0, 0]
        spread = covariance[0, 0] - center**2
        slope = 0.0
        if spread > _SAME * covariance[0, 0]:
            # The order of scores is kept also where they say nothing about rewards.
            least = _SAME * max(0.0, covariance[1, 1] - mean**2) / spread
            slope = (covariance[0, 1] - center * mean) / spread
            slope = max(slope, float(np.sqrt(least)))
        self.calibration = (float(mean - slope * center), float(slope))

    def predict(self, features: np.ndarray, loss: str) -> tuple[np.ndarray, np.ndarray]:
        """Return rewards of each annotator (n, A), and of a new one (n,)."""
        if loss in RELATIVE:
            intercept, slope = self.calibration
            rewards = intercept + slope * self._centred(features)
        else:
            rewards = self.scores(features)
            if loss == "log_loss":
                rewards = expit(rewards)
        return rewards, rewards.mean(axis=1)

    def _centred(self, features: np.ndarray) -> np.ndarray:
        scores = self.scores(features)
        return np.asarray(scores - scores.mean(axis=1, keepdims=True))

    def relabel(
        self, positions: np.ndarray, n_new: int, init: str, rng: np.random.RandomState
    ) -> None:
        """Keep the heads of some annotators, and begin those of others.

        Parameters
        ----------
        positions : ndarray of intp of shape (n_new,)
            Where the head of each annotator is now; -1 for a new one.
        n_new : int
            Number of annotators from now on.
        init : str
            How new heads begin: at the mean of all heads, or at random (uniform, by
            the rule of Glorot & Bengio 2010 for one output) with intercept 0.
        rng : RandomState
            Draws random heads.
        """
        kept = positions >= 0
        source = positions[kept]
        coef = np.zeros((n_new, self.coef.shape[1]))
        intercept = np.zeros(n_new)
        if init == "population" and len(self.coef):
            coef[:] = self.coef.mean(axis=0)
            intercept[:] = self.intercept.mean()
        else:
            bound = np.sqrt(6.0 / (coef.shape[1] + 1.0))
            coef[~kept] = rng.uniform(
                -bound, bound, (int((~kept).sum()), coef.shape[1])
            )
        coef[kept], intercept[kept] = self.coef[source], self.intercept[source]
        remembered = [
            (self.grad_coef, self.grad_intercept),
            (self.step_coef, self.step_intercept),
        ]
        self.coef, self.intercept = coef, intercept
        self._clear()
        self.grad_coef[kept], self.grad_intercept[kept] = (
            part[source] for part in remembered[0]
        )
        self.step_coef[kept], self.step_intercept[kept] = (
            part[source] for part in remembered[1]
        )
