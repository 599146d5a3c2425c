"""Rows whose labels would say most about the model: mutual information."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy
from sklearn.utils import check_random_state

from bead_sklearn._sklearn import Interval
from bead_sklearn.query import _disagreement
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._draws import probability_draws
from bead_sklearn.query._scored import ScoredPool, best_row, take

Floats = NDArray[np.float64]


class BALDSampling(QueryStrategy):
    r"""Ask about the rows whose labels say most about the model: BALD.

    .. math:: I(y; \theta) = H\bigl(\mathrm{E}_\theta\, p(y | x, \theta)\bigr)
        - \mathrm{E}_\theta H\bigl(p(y | x, \theta)\bigr)

    in nats, over draws of the model from its posterior [1]_: what is uncertain because
    the model does not know, without what is uncertain because answers vary. Draws are
    the members of a committee, or come from the normal approximation to the posterior
    of a logistic regression (whose penalty is its prior) or of a task model. One model
    with its posterior does better here than a few bootstrapped ones, which miss
    classes.

    Parameters
    ----------
    n_draws : int, default=100
        Number of draws; a committee has its members.
    random_state : int, RandomState instance or None, default=None
        Source of the draws.

    See Also
    --------
    BatchBALDSampling : What a batch says together.
    ExpectedInformationGain : For task models, without draws.

    References
    ----------
    .. [1] Houlsby, Huszar, Ghahramani & Lengyel (2011), Bayesian active learning for
       classification and preference learning. arXiv:1112.5745

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.query import BALDSampling
    >>> known = [[-1.0], [1.0]]
    >>> model = LogisticRegression().fit(known, [0, 1])
    >>> utilities = BALDSampling(random_state=0)(
    ...     model, [[0.0], [3.0]], X_labeled=known, y_labeled=[0, 1]
    ... )
    >>> bool(utilities[1] > utilities[0])  # farther from what is known
    True
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        needs="draws", regressors=False, is_random=True
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_draws": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        n_draws: int = 100,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_draws = n_draws
        self.random_state = random_state

    def _utilities(
        self,
        estimator: Any,
        X: Any,
        *,
        groups: Any,
        X_labeled: Any,
        y_labeled: Any,
        groups_labeled: Any,
    ) -> ArrayLike:
        parts = [
            np.sum([_disagreement.mean_kl(p) for p in outputs], axis=0)
            for _, outputs in probability_draws(
                estimator,
                X,
                groups=groups,
                X_labeled=X_labeled,
                y_labeled=y_labeled,
                n_draws=self.n_draws,
                random_state=self.random_state,
                name=type(self).__name__,
                groups_name=self._groups_name(),
            )
        ]
        return np.concatenate(parts) if parts else np.empty(0)


class BatchBALDSampling(QueryStrategy):
    r"""Ask about rows whose labels together say most about the model: BatchBALD.

    .. math:: I(y_1, \dots, y_b; \theta)

    greedily [1]_. The joint entropy is exact over the draws while the labels of the
    rows picked have at most ``max_configurations`` configurations, and estimated from
    as many configurations drawn from the model after that. Rows that would tell the
    same thing are not asked together. The utility of a row alone is that of
    `BALDSampling`.

    Parameters
    ----------
    n_draws : int, default=100
        Number of draws; a committee has its members.
    max_configurations : int, default=1000
        Configurations of labels of the rows picked.
    n_candidates : int, default=2000
        The rows among which a batch is chosen: those of the highest mutual information.
    random_state : int, RandomState instance or None, default=None
        Source of the draws.

    References
    ----------
    .. [1] Kirsch, van Amersfoort & Gal (2019), BatchBALD: efficient and diverse batch
       acquisition for deep Bayesian active learning. NeurIPS. arXiv:1906.08158

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.query import BatchBALDSampling
    >>> known = [[-1.0, 0.0], [1.0, 0.0]]
    >>> model = LogisticRegression().fit(known, [0, 1])
    >>> pool = [[0.0, 4.0], [0.0, 4.0], [4.0, 0.0]]
    >>> scored = BatchBALDSampling(random_state=0).score_pool(
    ...     model, pool, X_labeled=known, y_labeled=[0, 1]
    ... )
    >>> sorted(scored.select(2).tolist())  # not both of the twins
    [0, 2]
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(
        needs="draws", regressors=False, is_random=True, batch_aware=True
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_draws": [Interval(Integral, 2, None, closed="left")],
        "max_configurations": [Interval(Integral, 2, None, closed="left")],
        "n_candidates": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        n_draws: int = 100,
        max_configurations: int = 1000,
        n_candidates: int = 2000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_draws = n_draws
        self.max_configurations = max_configurations
        self.n_candidates = n_candidates
        self.random_state = random_state

    def _score_pool(
        self,
        estimator: Any,
        X: Any,
        *,
        groups: Any,
        X_labeled: Any,
        y_labeled: Any,
        groups_labeled: Any,
    ) -> ScoredPool:
        name = type(self).__name__
        rng = check_random_state(self.random_state)
        scores, kept = [], []
        parts = probability_draws(
            estimator,
            X,
            groups=groups,
            X_labeled=X_labeled,
            y_labeled=y_labeled,
            n_draws=self.n_draws,
            random_state=rng,
            name=name,
            groups_name=self._groups_name(),
        )
        # Of each part only the best rows can be among the candidates of the pool.
        for part, outputs in parts:
            if len(outputs) > 1:
                raise ValueError(
                    f"{name} needs one label per row; the estimator predicts "
                    f"{len(outputs)}. Use 'bald'."
                )
            (p,) = outputs
            score = _disagreement.mean_kl(p)
            scores.append(score)
            best = np.sort(np.argsort(-score, kind="stable")[: self.n_candidates])
            kept.append((part.start + best, p[:, best]))
        utilities = self._checked(np.concatenate(scores) if scores else np.empty(0), X)
        rows = np.concatenate([at for at, _ in kept])
        p = np.concatenate([values for _, values in kept], axis=1)
        order = np.argsort(-utilities[rows], kind="stable")[: self.n_candidates]
        seed = int(rng.randint(2**31 - 1))
        choice = _Joint(rows[order], p[:, order], utilities, self, seed)
        return ScoredPool(utilities, choice)


class _Joint:
    """The largest gain in joint mutual information, again and again."""

    def __init__(
        self,
        rows: NDArray[np.intp],
        p: Floats,
        utilities: Floats,
        strategy: BatchBALDSampling,
        seed: int,
    ) -> None:
        self.rows = rows
        self.p = p
        self.utilities = utilities
        self.limit = strategy.max_configurations
        self.seed = seed

    def __call__(self, n: int, priority: NDArray[np.intp] | None) -> NDArray[np.intp]:
        return take(self._picks(priority), n, self.utilities, priority)

    def _picks(self, priority: NDArray[np.intp] | None) -> Iterator[int]:
        rng = np.random.RandomState(self.seed)
        n_draws, n_rows, n_classes = self.p.shape
        within = _disagreement.entropy(self.p).mean(axis=0)
        own = None if priority is None else priority[self.rows]
        free = np.ones(n_rows, dtype=bool)
        # P(configuration | draw) of the rows picked, and the weight of each.
        joint, weight = np.ones((1, n_draws)), np.ones(1)
        flat = self.p.reshape(n_draws, -1)
        while free.any():
            marginal = joint.mean(axis=1)
            # Entropy of (picked, row) = sum over configurations drawn.
            both = (joint @ flat / n_draws).reshape(len(joint), n_rows, n_classes)
            share = both / np.maximum(marginal, 1e-300)[:, None, None]
            added = -xlogy(share, share).sum(axis=2)
            gain = (weight * marginal) @ added - within
            gain[~free] = -np.inf
            pick = best_row(gain, own)
            yield int(self.rows[pick])
            free[pick] = False
            joint, weight = self._extended(joint, weight, pick, rng)

    def _extended(
        self, joint: Floats, weight: Floats, pick: int, rng: np.random.RandomState
    ) -> tuple[Floats, Floats]:
        """Return the configurations with the labels of one row more."""
        p = self.p[:, pick].T
        new = (joint[:, None] * p[None]).reshape(-1, joint.shape[1])
        weights = np.repeat(weight, len(p))
        chance = weights * new.mean(axis=1)
        kept = chance > 0
        new, weights, chance = new[kept], weights[kept], chance[kept]
        if len(new) <= self.limit:
            return new, weights
        # So many drawn by their probability; weights keep every sum unbiased.
        total = chance.sum()
        drawn = rng.choice(len(new), size=self.limit, p=chance / total)
        new = new[drawn]
        return new, total / (self.limit * new.mean(axis=1))
