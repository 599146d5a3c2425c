"""The baseline every strategy is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.query._base import QueryStrategy
from bead_sklearn.query._capabilities import Capabilities
from bead_sklearn.query._probabilities import is_output_list


class RandomSampling(QueryStrategy):
    """Ask about rows drawn at random: the baseline.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Source of the draw. An int repeats the same draw at every call; inside
        `ActiveLearner` and `ActiveLearningSearch` it is the start of a sequence, one
        seed per round, so that rounds differ and a search can be repeated.

    Examples
    --------
    >>> from bead_sklearn.query import RandomSampling
    >>> strategy = RandomSampling(random_state=0)
    >>> strategy.compute_scores([[0.9, 0.1], [0.5, 0.5]]).round(3)
    array([0.549, 0.715])
    """

    _capabilities: ClassVar[Capabilities] = Capabilities(is_random=True)
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "random_state": ["random_state"]
    }

    def __init__(self, random_state: int | np.random.RandomState | None = None) -> None:
        self.random_state = random_state

    def compute_scores(
        self, probabilities: ArrayLike | Sequence[ArrayLike]
    ) -> NDArray[np.float64]:
        """Draw one score per row.

        Parameters
        ----------
        probabilities : array-like of shape (n_samples, n_classes) or list of such
            Only the number of rows is read.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Uniform draws from [0, 1).
        """
        rows: Any = probabilities
        return self._draw(_num_samples(rows[0] if is_output_list(rows) else rows))

    def _draw(self, n_samples: int) -> NDArray[np.float64]:
        draws: NDArray[np.float64] = check_random_state(self.random_state).uniform(
            size=n_samples
        )
        return draws

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
        return self._draw(_num_samples(X))
