"""How many rows to ask about at a time."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from bead_sklearn._sklearn import Interval


def batch_size_advice(
    n_labels: int,
    *,
    round_cost: float = 1.0,
    uncertainty: float | None = None,
    minimum: int = 1,
    maximum: int = 100,
) -> int:
    r"""Say how many rows to ask about before the next fit.

    A round costs something whatever its size: waiting for the fit, handing out work.
    In a large batch, on the other hand, the later rows were chosen by a model that the
    earlier ones would have changed; if a label is worth less the more the labels have
    grown since the fit, by :math:`u b / 2 n` of its price on average over a batch of b
    beside n known labels, the sum per label

    .. math:: \frac{c}{b} + \frac{u b}{2 n}

    is least for :math:`b = \sqrt{2 c n / u}`, the order quantity of stock keeping
    [1]_. Batches grow with what is known, and with what a round costs; an uncertain
    model learns in smaller steps. Tiring people is not part of it: pauses are, see
    `bead_sklearn.agreement.annotation_quality`.

    Parameters
    ----------
    n_labels : int
        Labels known.
    round_cost : float, default=1.0
        What a round costs, in labels: 10 if its fit takes as long as ten answers.
    uncertainty : float, default=None
        How uncertain the model is about the pool, from 0 to 1: the mean of the
        entropies over their maximum, column ``pool_entropy`` of `OverallUncertainty`.
        None counts as 1.
    minimum, maximum : int, default=1 and 100
        Limits of the answer.

    Returns
    -------
    batch_size : int
        Number of rows.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    .. [1] Harris (1913). How many parts to make at once. Factory, The Magazine of
       Management 10, 135-136.

    Examples
    --------
    >>> from bead_sklearn.active_learning import batch_size_advice
    >>> [batch_size_advice(n) for n in (10, 100, 1000)]
    [4, 14, 45]
    >>> [batch_size_advice(n, round_cost=10) for n in (10, 100, 1000)]
    [14, 45, 100]
    >>> batch_size_advice(100, uncertainty=0.1)
    45
    """
    if n_labels < 0:
        raise ValueError(f"n_labels must not be negative, got {n_labels}.")
    if not round_cost > 0:
        raise ValueError(f"round_cost must be positive, got {round_cost}.")
    if uncertainty is not None and not 0.0 <= uncertainty <= 1.0:
        raise ValueError(f"uncertainty must be from 0 to 1, got {uncertainty}.")
    if not 1 <= minimum <= maximum:
        raise ValueError(
            f"minimum and maximum must be in order and from 1 on, got {minimum} and "
            f"{maximum}."
        )
    loss = 1.0 if uncertainty is None else max(uncertainty, 1e-3)
    best = math.sqrt(2.0 * round_cost * n_labels / loss)
    return min(max(round(best), minimum), maximum)


class GrowingBatches(BaseEstimator):
    """Batches that grow with the number of labels, as `batch_size_advice` says.

    Passed as ``batch_size`` to `ActiveLearningSearch`: a model that knows little
    chooses few rows at a time, so that a large ``maximum`` is not spent on its first
    ideas.

    Parameters
    ----------
    maximum : int, default=100
        Largest batch.
    minimum : int, default=1
        Smallest batch.
    round_cost : float, default=1.0
        What a round costs, in labels.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.active_learning import ActiveLearningSearch, GrowingBatches
    >>> search = ActiveLearningSearch(
    ...     LogisticRegression(max_iter=1000), batch_size=GrowingBatches(),
    ...     max_labels=60, random_state=0,
    ... ).fit(*load_iris(return_X_y=True))
    >>> [len(batch) for batch in search.queries_]
    [4, 5, 6, 7, 8, 9, 10, 1]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "maximum": [Interval(Integral, 1, None, closed="left")],
        "minimum": [Interval(Integral, 1, None, closed="left")],
        "round_cost": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self, maximum: int = 100, *, minimum: int = 1, round_cost: float = 1.0
    ) -> None:
        self.maximum = maximum
        self.minimum = minimum
        self.round_cost = round_cost

    def __call__(self, n_labels: int) -> int:
        """Return the size of the next batch.

        Parameters
        ----------
        n_labels : int
            Labels known.

        Returns
        -------
        batch_size : int
            Number of rows.
        """
        self._validate_params()
        return batch_size_advice(
            n_labels,
            round_cost=self.round_cost,
            minimum=min(self.minimum, self.maximum),
            maximum=self.maximum,
        )
