"""Choices from sets of alternatives that differ from judgment to judgment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bead_sklearn.families._base import Family
from bead_sklearn.families._integrate import integrate_outputs
from bead_sklearn.families._softmax import _LOGISTIC_VARIANCE


class ChoiceDerivatives(NamedTuple):
    """Log-likelihood of choices and its derivatives in the utilities.

    Attributes
    ----------
    log_likelihood : ndarray of shape (n,)
        log p in the row of the chosen alternative, 0 in the others.
    gradient : ndarray of shape (n,)
        l'.
    curvature : ndarray of shape (n_pairs,)
        W = -l'' at the pairs of rows of one set.
    probabilities : ndarray of shape (n,)
        Of each alternative within its set.
    family : ConditionalLogit
        Knows the sets.
    """

    log_likelihood: np.ndarray
    gradient: np.ndarray
    curvature: np.ndarray
    probabilities: np.ndarray
    family: ConditionalLogit

    def skew(self, covariance: np.ndarray) -> np.ndarray:
        """Return c_j = sum_kl dW_kl / d eta_j S_kl for S at the pairs of rows.

        c = p o (diag S - p' diag S - 2 S p + 2 p'S p) within each set.
        """
        family, p = self.family, self.probabilities
        left, right = family.pairs
        diagonal = covariance[family._same]
        product = np.bincount(left, weights=covariance * p[right], minlength=len(p))
        level = family.sum_sets(p * (2.0 * product - diagonal))
        return p * (diagonal - 2.0 * product + level[family.sets])


class ConditionalLogit(Family):
    """The chosen alternative of each choice set, by a utility of every alternative.

    P(j) = exp(eta_j) / sum over the set of exp(eta_k). Rows are alternatives, those of
    one set next to each other; sets may differ in size. ``y`` is 1 in the row that
    was chosen and 0 elsewhere; the weight of a judgment stands in all its rows.

    Parameters
    ----------
    sets : ndarray of int of shape (n,)
        Choice set of each row, 0, 1, ... without gaps, in this order.

    References
    ----------
    .. [1] McFadden (1974). Conditional logit analysis of qualitative choice behavior.
       In Frontiers in Econometrics, Academic Press.
    .. [2] Train (2009). Discrete Choice Methods with Simulation, chapter 6. Cambridge
       University Press. doi:10.1017/CBO9780511805271

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families import ConditionalLogit
    >>> family = ConditionalLogit(np.array([0, 0, 1, 1, 1, 1]))
    >>> family.mean(np.zeros(6))
    array([0.5 , 0.5 , 0.25, 0.25, 0.25, 0.25])
    """

    name = "conditional_logit"
    link = "logit"
    response = "choice"
    has_intercept = False

    def __init__(self, sets: np.ndarray) -> None:
        self.sets = np.asarray(sets, dtype=np.intp)
        steps = np.diff(self.sets, prepend=-1)
        if not np.isin(steps, (0, 1)).all():
            raise ValueError(
                "sets must number the choice sets 0, 1, ... in the order of the rows."
            )
        self.starts = np.flatnonzero(steps)
        self.sizes = np.diff(np.append(self.starts, len(self.sets)))
        repeats = self.sizes[self.sets]
        left = np.repeat(np.arange(len(self.sets)), repeats)
        ends = np.cumsum(repeats)
        position = np.arange(len(left)) - np.repeat(ends - repeats, repeats)
        #: Rows of all pairs of alternatives of one set, sorted by the first.
        self.pairs: tuple[np.ndarray, np.ndarray] = (
            left,
            self.starts[self.sets[left]] + position,
        )
        self._same = self.pairs[0] == self.pairs[1]

    def sum_sets(self, x: np.ndarray) -> np.ndarray:
        """Sum over the alternatives of each set."""
        return np.add.reduceat(x, self.starts)

    def check_response(self, y: np.ndarray) -> None:
        """Raise a ValueError unless one alternative of each set is chosen."""
        chosen = self.sum_sets(y)
        if not (np.isin(y, (0.0, 1.0)).all() and (chosen == 1.0).all()):
            raise ValueError("y must be 1 in one row of each choice set, 0 elsewhere.")

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> ChoiceDerivatives:
        """Return the log-likelihood and its derivatives in ``eta``."""
        log_p = self._log_probabilities(eta)
        p = np.exp(log_p)
        left, right = self.pairs
        same = self._same
        # 1 - p as the sum of the others, which is exact where p is near 1.
        others = np.bincount(left, weights=np.where(same, 0.0, p[right]))
        curvature = np.where(same, p[left] * others[left], -p[left] * p[right])
        gradient = np.where(y == 1.0, others, -p)
        return ChoiceDerivatives(
            np.where(y == 1.0, log_p, 0.0), gradient, curvature, p, self
        )

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return the probability of each alternative."""
        return np.exp(self._log_probabilities(eta))

    def mean_over(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return probabilities for normal ``eta``, its covariance at the pairs."""
        result = np.ones(len(mean))
        first_pair = np.cumsum(self.sizes**2) - self.sizes**2
        for size in np.unique(self.sizes[self.sizes > 1]):
            which = np.flatnonzero(self.sizes == size)
            rows = self.starts[which][:, None] + np.arange(size)
            pairs = first_pair[which][:, None] + np.arange(size**2)
            covariance = variance[pairs].reshape(-1, size, size)
            # Only differences of utilities matter.
            contrast = np.eye(size)[1:] - np.eye(size)[0]
            differences = mean[rows] @ contrast.T
            spread = contrast @ covariance @ contrast.T
            result[rows] = integrate_outputs(_softmax_rows, differences, spread)
        return result

    def latent_variance(self) -> float:
        """Return pi^2 / 3, the variance of the difference of two utilities."""
        return float(_LOGISTIC_VARIANCE)

    def limiting_sample_size(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return the sum of 1 - 1 / J over choices among J alternatives.

        A half for a choice between two, as for a balanced binary response.
        """
        return float(weights[self.starts] @ (1.0 - 1.0 / self.sizes))

    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw the chosen alternative of each set, as 1 and 0."""
        noisy = eta + random_state.gumbel(size=eta.shape)
        best = np.maximum.reduceat(noisy, self.starts)
        return (noisy == best[self.sets]).astype(float)

    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return 0: a constant changes nothing."""
        return 0.0

    def _log_probabilities(self, eta: np.ndarray) -> np.ndarray:
        largest = np.maximum.reduceat(eta, self.starts)
        shifted = eta - largest[self.sets]
        return shifted - np.log(self.sum_sets(np.exp(shifted)))[self.sets]


def _softmax_rows(differences: np.ndarray) -> np.ndarray:
    """Probabilities of all alternatives from differences to the first."""
    logits = np.concatenate([np.zeros((len(differences), 1)), differences], axis=1)
    logits -= logits.max(axis=1, keepdims=True)
    exp = np.exp(logits)
    return exp / exp.sum(axis=1, keepdims=True)
