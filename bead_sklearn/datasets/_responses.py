"""Responses drawn given the linear predictor, with their exact distribution.

Each function returns the responses and what is expected of them: class probabilities
or the mean. Formulas are written out here, apart from those of the models, so that
tests compare two independent definitions.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_ndtr, ndtr, ndtri, ndtri_exp, softmax


def _inverse_link(eta: np.ndarray, link: str) -> np.ndarray:
    result: np.ndarray = expit(eta) if link == "logit" else ndtr(eta)
    return result


def draw_bernoulli(
    eta: np.ndarray, link: str, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Draw 0 or 1 for each ``eta``; also return P(1)."""
    probability = _inverse_link(eta, link)
    y = (random_state.random_sample(eta.shape) < probability).astype(np.int64)
    return y, probability


def draw_softmax(
    eta: np.ndarray, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a column of ``eta`` for each row; also return the probabilities."""
    probabilities: np.ndarray = softmax(eta, axis=1)
    upper = np.cumsum(probabilities[:, :-1], axis=1)
    uniform = random_state.random_sample((len(eta), 1))
    return (uniform >= upper).sum(axis=1), probabilities


def draw_cumulative(
    eta: np.ndarray,
    thresholds: np.ndarray,
    link: str,
    random_state: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a category from 1 to K with P(y <= k) = g^-1(threshold_k - eta)."""
    below = _inverse_link(thresholds - eta[:, None], link)
    uniform = random_state.random_sample((len(eta), 1))
    y = 1 + (uniform >= below).sum(axis=1)
    return y, np.diff(below, axis=1, prepend=0.0, append=1.0)


def draw_normal(
    eta: np.ndarray, sigma: float, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Draw from N(eta, sigma^2); also return the mean."""
    return eta + sigma * random_state.standard_normal(len(eta)), eta.copy()


def draw_lognormal(
    eta: np.ndarray, sigma: float, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Draw from exp(N(eta, sigma^2)); also return exp(eta + sigma^2 / 2)."""
    y = np.exp(eta + sigma * random_state.standard_normal(len(eta)))
    return y, np.exp(eta + 0.5 * sigma**2)


def draw_truncated_normal(
    eta: np.ndarray,
    sigma: float,
    scale: tuple[float, float],
    random_state: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw from N(eta, sigma^2) given that the response is within the scale."""
    # Mirror rows above the middle: the logarithms below are exact in the lower tail.
    middle = (scale[0] + scale[1]) / 2
    sign = np.where(eta < middle, -1.0, 1.0)
    half = (scale[1] - scale[0]) / 2 / sigma
    centre = sign * (eta - middle) / sigma
    lower, upper = -half - centre, half - centre
    log_low, log_high = log_ndtr(lower), log_ndtr(upper)
    log_mass = log_high + np.log1p(-np.exp(log_low - log_high))
    uniform = 1.0 - random_state.random_sample(len(eta))
    log_p = np.logaddexp(np.log(uniform) + log_mass, log_low)
    z = np.clip(ndtri_exp(log_p), lower, upper)
    y = middle + sign * sigma * (z + centre)
    log_root = 0.5 * np.log(2 * np.pi)
    shift = np.exp(-0.5 * lower**2 - log_root - log_mass) - np.exp(
        -0.5 * upper**2 - log_root - log_mass
    )
    mean = middle + sign * sigma * (centre + shift)
    return np.clip(y, *scale), mean


def draw_beta(
    eta: np.ndarray,
    precision: float,
    scale: tuple[float, float],
    random_state: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw from Beta(mu phi, (1 - mu) phi) on the open scale, mu = expit(eta)."""
    mean = expit(eta)
    tiny = np.finfo(float).tiny
    y = random_state.beta(
        np.maximum(mean * precision, tiny), np.maximum(expit(-eta) * precision, tiny)
    )
    low, width = scale[0], scale[1] - scale[0]
    y = np.clip(low + width * y, np.nextafter(low, np.inf), np.nextafter(scale[1], low))
    return y, low + width * mean


def draw_ordered_beta(
    eta: np.ndarray,
    precision: float,
    thresholds: np.ndarray,
    scale: tuple[float, float],
    random_state: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a bounded response with mass at both ends.

    P(lower end) = expit(k_1 - eta), P(upper end) = expit(eta - k_2), and a beta
    distribution with mean expit(eta) between them.
    """
    low, high = expit(thresholds[0] - eta), expit(eta - thresholds[1])
    y, inner = draw_beta(eta, precision, scale, random_state)
    uniform = random_state.random_sample(len(eta))
    y = np.where(uniform < low, scale[0], y)
    y = np.where(uniform >= 1.0 - high, scale[1], y)
    mean = low * scale[0] + high * scale[1] + (1.0 - low - high) * inner
    return y, mean


def default_thresholds(n_categories: int, link: str) -> np.ndarray:
    """Return cut points that make all categories equally likely at ``eta`` = 0.

    They are stretched by 1.5 for the spread of participants and items.
    """
    levels = np.arange(1, n_categories) / n_categories
    quantiles = np.log(levels / (1 - levels)) if link == "logit" else ndtri(levels)
    result: np.ndarray = 1.5 * quantiles
    return result
