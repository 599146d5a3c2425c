"""The parts of a simulated study: stimuli, random effects and responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bead_sklearn.datasets import _responses
from bead_sklearn.datasets._sentences import (
    Sentences,
    Template,
    draw_sentences,
    text_covariance,
    word_weights,
)
from bead_sklearn.datasets._settings import Settings
from bead_sklearn.datasets._tasks import Task


@dataclass(frozen=True)
class Stimuli:
    """Texts of the items, one array per column, and what their words contribute."""

    texts: Sentences
    columns: list[np.ndarray]
    weights: np.ndarray
    effects: np.ndarray


@dataclass(frozen=True)
class Effects:
    """Random effects, shape (n_levels, n_outputs), and their covariances."""

    intercepts: np.ndarray
    slopes: np.ndarray
    items: np.ndarray
    participant_covariance: np.ndarray
    item_covariance: np.ndarray


@dataclass(frozen=True)
class Response:
    """Responses, their positions among the classes, and what is expected of them."""

    y: np.ndarray
    codes: np.ndarray
    classes: tuple[Any, ...] | None
    probabilities: np.ndarray | None = None
    mean: np.ndarray | None = None


def make_stimuli(
    task: Task, settings: Settings, random_state: np.random.RandomState
) -> Stimuli:
    outputs = task.outputs(settings.n_categories)
    shares_utility = task.name == "forced_choice"
    names = ("response",) if shares_utility else outputs.names
    weights = word_weights(names, outputs.directions, task.templates)
    weights *= settings.text_sd / _text_scale(task, weights, task.templates)
    n_texts = settings.n_items * (settings.n_categories if shares_utility else 1)
    texts = draw_sentences(task.templates, n_texts, random_state)
    effects = weights[texts.slots].sum(axis=1)
    if not shares_utility:
        return Stimuli(texts, texts.columns, weights, effects)
    shape = (settings.n_items, settings.n_categories)
    columns = list(texts.columns[0].reshape(shape).T)
    return Stimuli(texts, columns, weights, effects.reshape(shape))


def _text_scale(
    task: Task, weights: np.ndarray, templates: Sequence[Template]
) -> float:
    """Root mean square over outputs, or pairs of them, of the texts' effects."""
    covariance = text_covariance(weights, templates)
    n_outputs = len(covariance)
    variance = np.trace(covariance) / n_outputs
    if task.kind == "choice":
        # The mean over pairs of Var(a - b); two texts of a forced choice are
        # independent.
        between = 0.0
        if n_outputs > 1:
            off_diagonal = covariance.sum() - np.trace(covariance)
            between = off_diagonal / (n_outputs * (n_outputs - 1))
        variance = 2 * (variance - between)
    return float(np.sqrt(variance))


def draw_effects(
    task: Task, settings: Settings, random_state: np.random.RandomState
) -> Effects:
    n_outputs = len(settings.intercept)
    share = np.sqrt(0.5) if task.kind == "choice" else 1.0
    sd, slope_sd = share * settings.participant_sd, share * settings.slope_sd
    item_sd = share * settings.item_sd
    rho = settings.slope_correlation
    size = (settings.n_participants, n_outputs)
    first = random_state.standard_normal(size)
    second = random_state.standard_normal(size)
    items = item_sd * random_state.standard_normal((settings.n_items, n_outputs))
    between = rho * sd * slope_sd
    blocks = np.array([[sd**2, between], [between, slope_sd**2]])
    return Effects(
        intercepts=sd * first,
        slopes=slope_sd * (rho * first + np.sqrt(1 - rho**2) * second),
        items=items,
        participant_covariance=np.kron(blocks, np.eye(n_outputs)),
        item_covariance=item_sd**2 * np.eye(n_outputs),
    )


def draw_response(
    task: Task,
    settings: Settings,
    eta: np.ndarray,
    random_state: np.random.RandomState,
) -> Response:
    if task.kind == "choice":
        codes, probabilities = _responses.draw_softmax(eta, random_state)
        labels = task.labels(settings.n_categories)
        y = np.array(labels, dtype=object)[codes]
        return Response(y, codes, labels, probabilities)
    if task.kind == "several":
        y, probabilities = _responses.draw_bernoulli(eta, "logit", random_state)
        return Response(y, y, task.labels(settings.n_categories), probabilities)
    eta = eta[:, 0]
    if task.name == "binary":
        y, positive = _responses.draw_bernoulli(eta, settings.link, random_state)
        return Response(y, y, (0, 1), np.column_stack([1 - positive, positive]))
    if task.name == "ordinal":
        assert settings.thresholds is not None
        y, probabilities = _responses.draw_cumulative(
            eta, settings.thresholds, settings.link, random_state
        )
        classes = tuple(range(1, settings.n_categories + 1))
        return Response(y, y - 1, classes, probabilities)
    y, mean = _draw_number(settings, eta, random_state)
    return Response(y, y, None, mean=mean)


def _draw_number(
    settings: Settings, eta: np.ndarray, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    sigma, precision = settings.sigma, settings.precision
    thresholds, scale = settings.thresholds, settings.scale
    if scale is None:
        assert sigma is not None
        draw = (
            _responses.draw_lognormal
            if settings.distribution == "lognormal"
            else _responses.draw_normal
        )
        return draw(eta, sigma, random_state)
    if sigma is not None:
        return _responses.draw_truncated_normal(eta, sigma, scale, random_state)
    assert precision is not None
    if thresholds is None:
        return _responses.draw_beta(eta, precision, scale, random_state)
    return _responses.draw_ordered_beta(eta, precision, thresholds, scale, random_state)
