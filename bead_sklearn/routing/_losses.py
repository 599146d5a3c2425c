"""Losses of scores against rewards, row by row over the annotators that were asked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit, log_expit

#: Takes scores, rewards and weights, all (n_rows, n_annotators), weights 0 where not
#: asked; returns the loss of each row and its derivatives with respect to the scores.
Loss = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def squared_error(
    scores: np.ndarray, rewards: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Half the squared error, summed: its gradient does not depend on how many."""
    error = weights * (scores - rewards)
    return 0.5 * (error * (scores - rewards)).sum(axis=1), error


def log_loss(
    scores: np.ndarray, rewards: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cross-entropy of sigmoid(score) against a reward in [0, 1], summed."""
    values = rewards * log_expit(scores) + (1.0 - rewards) * log_expit(-scores)
    return -(weights * values).sum(axis=1), weights * (expit(scores) - rewards)


def listwise(
    scores: np.ndarray, rewards: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cross-entropy of softmax(scores) against softmax(rewards) (Cao et al. 2007)."""
    p, q = _softmax(scores, weights), _softmax(rewards, weights)
    total = weights.max(axis=1, keepdims=True)
    logs = np.log(np.where(p > 0, p, 1.0))
    return -(total * q * logs).sum(axis=1), total * (p - q)


def softmax_mse(
    scores: np.ndarray, rewards: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean squared difference of softmax(scores) and softmax(rewards).

    With k annotators asked its gradient is of the order of k^-3.
    """
    p, q = _softmax(scores, weights), _softmax(rewards, weights)
    total = weights.max(axis=1, keepdims=True)
    asked = (weights > 0).sum(axis=1, keepdims=True)
    slope = 2.0 * total / np.maximum(asked, 1) * (p - q)
    values = 0.5 * (slope * (p - q)).sum(axis=1)
    return values, p * (slope - (p * slope).sum(axis=1, keepdims=True))


def _softmax(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Softmax over the annotators asked, 0 for the others."""
    masked = np.where(weights > 0, values, -np.inf)
    top = masked.max(axis=1, keepdims=True, initial=-np.inf)
    powers = np.exp(masked - np.where(np.isfinite(top), top, 0.0))
    totals = powers.sum(axis=1, keepdims=True)
    return np.asarray(powers / np.where(totals > 0, totals, 1.0))


LOSSES: dict[str, Loss] = {
    "squared_error": squared_error,
    "log_loss": log_loss,
    "listwise": listwise,
    "softmax_mse": softmax_mse,
}

#: Losses whose scores mean something only beside each other.
RELATIVE = frozenset({"listwise", "softmax_mse"})
