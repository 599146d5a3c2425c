"""Which pair of item and participant says most about the items, from the curvature.

A logistic model with effects of the items' features and an intercept of each
participant has, near its solution, the posterior covariance S = (Z'WZ + P)^-1 of all of
them, P being the prior precision. One more judgment with weight w = p (1 - p) and row
z = (1, x, e_j) reduces the mean posterior variance of the items' predictors by

    w ||M^(1/2) S_b z||^2 / (1 + w z' S z),

with S_b the rows of S of the item effects and M the mean of (1, x) (1, x)' over items.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from bead_sklearn.query import QueryStrategy

#: Least standard deviation of participants: with few judgments the estimate may be 0.
_LEAST_SD = 0.5
#: Prior standard deviation of the item effects, the constant's ten times this.
_ITEM_SD = 0.5


class JointDesign(QueryStrategy):
    """A-optimal pairs of item and participant.

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
        names = [name for name in X.columns if name != "participant"]
        people = sorted({*X["participant"], *X_labeled["participant"]})
        place = {who: k for k, who in enumerate(people)}
        effects = estimator.effects_["participant"]
        known = dict(
            zip(effects.levels.tolist(), effects.modes[:, 0].tolist(), strict=True)
        )
        variance = float(estimator.variance_components_[0].variance[0])
        mean = np.concatenate(
            [
                np.ravel(estimator.intercept_)[:1],
                np.ravel(estimator.coef_),
                [known.get(who, 0.0) for who in people],
            ]
        )
        n_items = 1 + len(names)

        def read(table: Any) -> np.ndarray:
            rows = np.zeros((len(table), n_items + len(people)))
            rows[:, 0] = 1.0
            rows[:, 1:n_items] = table[names].to_numpy()
            codes = [n_items + place[who] for who in table["participant"]]
            rows[np.arange(len(table)), codes] = 1.0
            return rows

        precision = np.concatenate(
            [
                [(10.0 * _ITEM_SD) ** -2],
                np.full(len(names), _ITEM_SD**-2),
                np.full(len(people), 1.0 / max(variance, _LEAST_SD**2)),
            ]
        )
        judged, pool = read(X_labeled), read(X)
        chance = expit(judged @ mean)
        weight = chance * (1.0 - chance)
        information = (judged * weight[:, None]).T @ judged + np.diag(precision)
        covariance = np.linalg.inv(information)
        spread = pool[:, :n_items].T @ pool[:, :n_items] / len(pool)
        root = np.linalg.cholesky(spread).T
        chance = expit(pool @ mean)
        weight = chance * (1.0 - chance)

        def reductions() -> np.ndarray:
            moved = pool @ covariance
            own = np.einsum("ij,ij->i", moved, pool)
            size = np.square(moved[:, :n_items] @ root.T).sum(axis=1)
            gain: np.ndarray = weight * size / (1.0 + weight * own)
            return gain

        first, chosen = reductions(), list[int]()
        utilities = first.copy()
        for _ in range(self.batch_size):
            utilities[chosen] = -np.inf
            best = int(np.argmax(utilities))
            chosen.append(best)
            s, w = covariance @ pool[best], weight[best]
            covariance = covariance - np.outer(s, s) * w / (1.0 + w * s @ pool[best])
            utilities = reductions()
        top = first.max()
        first[chosen] = top + top * np.arange(len(chosen), 0, -1)
        return first
