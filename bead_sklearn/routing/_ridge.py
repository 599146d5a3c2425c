"""Participant-specific heads by the suite's own random-slopes models."""

from __future__ import annotations

from typing import Any

import numpy as np

from bead_sklearn.routing._ratings import Ratings
from bead_sklearn.tasks import BinaryClassifier, MagnitudeRegressor


class RidgeHead:
    """Heads whose precision is shared and estimated by marginal likelihood.

    Parameters
    ----------
    ratings : Ratings
        The ratings.
    loss : {"squared_error", "log_loss"}
        Normal or Bernoulli likelihood.
    alpha : float or "auto"
        Ridge on the coefficients that annotators share.
    """

    def __init__(self, ratings: Ratings, loss: str, alpha: float | str) -> None:
        self.loss = loss
        X, groups = ratings.features[ratings.row], ratings.annotator
        several = len(np.unique(groups)) > 1
        effects = "random_slopes" if several else "fixed"
        ids = groups if several else None
        if loss == "squared_error":
            self.model: Any = MagnitudeRegressor(mixed_effects=effects, alpha=alpha)
            self.model.fit(X, ratings.reward, groups=ids, sample_weight=ratings.weight)
            return
        # A reward r counts as r answers of 1 and 1 - r answers of 0.
        parts = [
            (1, ratings.weight * ratings.reward),
            (0, ratings.weight * (1.0 - ratings.reward)),
        ]
        y = np.repeat([label for label, _ in parts], len(X))
        weight = np.concatenate([weight for _, weight in parts])
        kept = weight > 0
        if len(np.unique(y[kept])) < 2:
            raise ValueError(
                "loss='log_loss' with solver='ridge' needs rewards that differ; all "
                f"are {ratings.reward[0]:g}."
            )
        self.model = BinaryClassifier(mixed_effects=effects, alpha=alpha)
        self.model.fit(
            np.vstack([X, X])[kept],
            y[kept],
            groups=None if ids is None else np.tile(ids, 2)[kept],
            sample_weight=weight[kept],
        )

    def predict(
        self, features: np.ndarray, n_annotators: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return rewards of each annotator (n, A), and of a new one (n,)."""
        n = len(features)
        groups = np.repeat(np.arange(n_annotators + 1), n)  # the last is unknown
        if self.model.groups_ is None:
            of_all = self._mean(features, None)
            return np.repeat(of_all[:, None], n_annotators, axis=1), of_all
        table = self._mean(np.tile(features, (n_annotators + 1, 1)), groups)
        table = table.reshape(n_annotators + 1, n).T
        return table[:, :-1], table[:, -1]

    def _mean(self, features: np.ndarray, groups: Any) -> np.ndarray:
        if self.loss == "squared_error":
            return np.asarray(self.model.predict(features, groups=groups))
        return np.asarray(self.model.predict_proba(features, groups=groups)[:, 1])
