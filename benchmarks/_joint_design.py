"""Which pair of item and participant says most about the items, from the curvature.

A model with crossed intercepts of items and participants has, near its solution, the
posterior covariance S = (Z'WZ + G^-1)^-1 of all effects. One more judgment with weight
w and row z reduces the mean posterior variance of the items' predictors L by

    w ||L S z||^2 / (n_items (1 + w z' S z)).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from bead_sklearn.query import QueryStrategy

#: Least standard deviation of effects: with few judgments the estimate is often 0.
_LEAST_SD = 0.5


class JointDesign(QueryStrategy):
    """A-optimal pairs of item and participant under crossed random intercepts.

    Parameters
    ----------
    batch_size : int, default=1
        Pairs that are chosen together: each one after the first is chosen as if the
        ones before were judged, and they get the highest utilities.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"batch_size": [int]}

    def __init__(self, batch_size: int = 1) -> None:
        self.batch_size = batch_size

    def _utilities(
        self,
        estimator: Any,
        X: Any,
        *,
        groups: Any,
        X_labeled: Any,
        y_labeled: Any,
        groups_labeled: Any,
    ) -> np.ndarray:
        model = _Intercepts(estimator, X, X_labeled)
        rows, weights = model.pool, model.pool_weights
        covariance = model.covariance
        utilities = first = None
        chosen: list[int] = []
        for _ in range(self.batch_size):
            utilities = model.reductions(covariance)
            first = utilities.copy() if first is None else first
            utilities[chosen] = -np.inf
            best = int(np.argmax(utilities))
            chosen.append(best)
            z = rows[best]
            s = covariance[:, z].sum(axis=1)
            w = weights[best]
            covariance = covariance - np.outer(s, s) * w / (1.0 + w * s[z].sum())
        assert first is not None
        top = first.max()
        first[chosen] = top + top * np.arange(len(chosen), 0, -1)
        return first


class _Intercepts:
    """Posterior of crossed intercepts, in one order: constant, items, participants."""

    def __init__(self, estimator: Any, X: Any, X_labeled: Any) -> None:
        effects = estimator.effects_
        variances = {
            c.grouping_factor: max(float(c.variance[0]), _LEAST_SD**2)
            for c in estimator.variance_components_
        }
        names, offset, start = {}, {}, 1
        modes = [np.ravel(estimator.intercept_)[:1]]
        precision = [np.array([1e-2])]
        for factor in ("item", "participant"):
            levels = sorted({*X[factor], *X_labeled[factor]})
            names[factor] = {level: k for k, level in enumerate(levels)}
            offset[factor] = start
            start += len(levels)
            known = dict(
                zip(
                    effects[factor].levels.tolist(),
                    effects[factor].modes[:, 0].tolist(),
                    strict=True,
                )
            )
            modes.append(np.array([known.get(level, 0.0) for level in levels]))
            precision.append(np.full(len(levels), 1.0 / variances[factor]))

        def read(table: Any) -> np.ndarray:
            columns = [np.zeros(len(table), dtype=int)]
            for factor in ("item", "participant"):
                places = [names[factor][level] for level in table[factor]]
                columns.append(offset[factor] + np.array(places))
            return np.column_stack(columns)

        mean = np.concatenate(modes)
        judged, self.pool = read(X_labeled), read(X)
        information = np.diag(np.concatenate(precision))
        chance = expit(mean[judged].sum(axis=1))
        weight = chance * (1.0 - chance)
        for a in range(3):
            for b in range(3):
                np.add.at(information, (judged[:, a], judged[:, b]), weight)
        self.covariance = np.linalg.inv(information)
        chance = expit(mean[self.pool].sum(axis=1))
        self.pool_weights = chance * (1.0 - chance)
        self._items = slice(1, offset["participant"])

    def reductions(self, covariance: np.ndarray) -> np.ndarray:
        """Return the reduction of the mean variance of the items, for each pair."""
        # Covariances of each item's predictor (constant and effect) with all effects.
        predictors = covariance[0] + covariance[self._items]
        a, b, c = self.pool.T
        moved = predictors[:, a] + predictors[:, b] + predictors[:, c]
        size = np.mean(np.square(moved), axis=0)
        own = sum(covariance[p, q] for p in (a, b, c) for q in (a, b, c))
        reduction: np.ndarray = (
            self.pool_weights * size / (1.0 + self.pool_weights * own)
        )
        return reduction
