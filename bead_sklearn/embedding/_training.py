"""Training two towers from clicks, in torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import torch

from bead_sklearn.embedding._clicks import ClickstreamPairs
from bead_sklearn.embedding._losses import PAIR_LOSSES
from bead_sklearn.embedding._pairs import PairFeatures
from bead_sklearn.embedding._params import ExamplesType

#: What in-batch similarities are multiplied by (sentence-transformers' default).
_SCALE = 20.0


class Towers(Protocol):
    """Vectors of queries and items, by number."""

    def vectors(self, which: int) -> np.ndarray:
        """Return vectors of all queries (0) or items (1), of length 1."""

    def queries(self, numbers: np.ndarray) -> torch.Tensor:
        """Return vectors, (n, d)."""

    def items(self, numbers: np.ndarray) -> torch.Tensor:
        """Return vectors, (n, d)."""

    @property
    def query_module(self) -> torch.nn.Module:
        """What is trained for queries."""

    @property
    def item_module(self) -> torch.nn.Module:
        """What is trained for items; the same object if the towers are shared."""


@dataclass(frozen=True)
class Settings:
    """How towers are trained; the parameters of the embedder.

    Attributes
    ----------
    loss, margin, hard_negatives : str, float, bool
        What is minimised.
    optimizer, query_lr, items_lr, query_weight_decay, items_weight_decay
        Optimizers of the towers.
    lr_step, lr_gamma : int or None, float
        Every so many passes learning rates are multiplied by gamma.
    max_iter, batch_size : int
        Passes per stage, and sessions per step.
    negative_downsampling, min_difference, max_difference : float
        Which pairs are seen.
    stages : tuple of ExamplesType
        The curriculum.
    not_irrelevant_only : bool
        Whether sessions without clicks are left out.
    """

    loss: str
    margin: float
    hard_negatives: bool
    optimizer: str
    query_lr: float
    items_lr: float
    query_weight_decay: float
    items_weight_decay: float
    lr_step: int | None
    lr_gamma: float
    max_iter: int
    batch_size: int
    negative_downsampling: float
    min_difference: float
    max_difference: float
    stages: tuple[ExamplesType, ...]
    not_irrelevant_only: bool

    @classmethod
    def of(
        cls, estimator: Any, stages: tuple[ExamplesType, ...], max_iter: int
    ) -> Self:
        """Return the settings that the parameters of an estimator say."""
        rate = 3e-4 if estimator.fine_tune == "adapter" else 2e-5
        query_lr, items_lr = (
            rate if value is None else float(value)
            for value in (estimator.query_lr, estimator.items_lr)
        )
        return cls(
            loss=estimator.loss,
            margin=float(estimator.margin),
            hard_negatives=bool(estimator.hard_negatives),
            optimizer=estimator.optimizer,
            query_lr=query_lr,
            items_lr=items_lr,
            query_weight_decay=float(estimator.query_weight_decay),
            items_weight_decay=float(estimator.items_weight_decay),
            lr_step=estimator.lr_step,
            lr_gamma=float(estimator.lr_gamma),
            max_iter=max_iter,
            batch_size=int(estimator.batch_size),
            negative_downsampling=float(estimator.negative_downsampling),
            min_difference=float(estimator.min_abs_difference_threshold),
            max_difference=float(estimator.max_abs_difference_threshold),
            stages=stages,
            not_irrelevant_only=bool(estimator.not_irrelevant_only),
        )


@dataclass
class Trained:
    """How training went.

    Attributes
    ----------
    losses : list of float
        Mean loss of each pass.
    scores : list of float
        Validation score before training and after each pass; empty without one.
    best : int
        Pass whose weights were kept; 0 are those at the start.
    passes : list of int
        Passes of each stage up to that one.
    """

    losses: list[float]
    scores: list[float]
    best: int
    passes: list[int]


def pair_sessions(
    with_clicks: list[int], without: list[int]
) -> list[tuple[int, int | None]]:
    """Set each session with clicks beside one without; the shorter list is repeated.

    Raises
    ------
    ValueError
        If there are sessions without clicks only.
    """
    if not with_clicks:
        raise ValueError("No session has a click: there is nothing to learn from.")
    if not without:
        return [(number, None) for number in with_clicks]
    n = max(len(with_clicks), len(without))
    return [
        (with_clicks[i % len(with_clicks)], without[i % len(without)]) for i in range(n)
    ]


def train(
    towers: Towers,
    clicks: ClickstreamPairs,
    settings: Settings,
    rng: np.random.RandomState | None,
    evaluate: Callable[[], float] | None = None,
    patience: int | None = None,
    passes: Sequence[int] | None = None,
) -> Trained:
    """Train towers in place.

    Parameters
    ----------
    towers : Towers
        What is trained.
    clicks : ClickstreamPairs
        Rows to learn from.
    settings : Settings
        How.
    rng : RandomState or None
        Orders sessions and draws negatives; None takes both as they come.
    evaluate : callable, default=None
        Returns a validation score, the higher the better. The weights of the best
        pass are kept, those at the start included.
    patience : int, default=None
        Passes of a stage without improvement after which it ends.
    passes : sequence of int, default=None
        Passes of each stage; None is ``settings.max_iter`` for all of them.

    Returns
    -------
    trained : Trained
        Losses, scores and the pass kept.

    Raises
    ------
    ValueError
        If weights become infinite and there is no validation to go back to.
    """
    modules = _modules(towers)
    result = Trained([], [], 0, [])
    best = None
    if evaluate is not None:
        result.scores.append(evaluate())
        best = _weights(modules)
    optimizers = _optimizers(towers, settings)
    schedules = []
    if settings.lr_step is not None:
        schedules = [
            torch.optim.lr_scheduler.StepLR(
                optimizer, settings.lr_step, settings.lr_gamma
            )
            for optimizer in optimizers
        ]
    has_clicks = clicks.has_clicks
    if passes is None:
        passes = [settings.max_iter] * len(settings.stages)
    begins = []
    for stage, n_passes in zip(settings.stages, passes, strict=True):
        begins.append(len(result.losses))
        for _ in range(n_passes):
            result.losses.append(
                _pass(towers, clicks, has_clicks, settings, stage, optimizers, rng)
            )
            for schedule in schedules:
                schedule.step()
            if evaluate is None:
                result.best = len(result.losses)
                continue
            score = evaluate()
            if score > max(result.scores):
                result.best, best = len(result.losses), _weights(modules)
            result.scores.append(score)
            since = max(result.best, begins[-1])
            if patience and len(result.losses) - since >= patience:
                break
    ends = [*begins[1:], len(result.losses)]
    result.passes = [
        max(0, min(end, result.best) - start)
        for start, end in zip(begins, ends, strict=True)
    ]
    if best is not None:
        for module, weights in zip(modules, best, strict=True):
            module.load_state_dict(weights)
    for module in modules:
        if not all(bool(p.isfinite().all()) for p in module.parameters()):
            raise ValueError(
                f"Training diverged with query_lr={settings.query_lr:g} and "
                f"items_lr={settings.items_lr:g}. Lower them."
            )
    return result


def _modules(towers: Towers) -> list[torch.nn.Module]:
    if towers.query_module is towers.item_module:
        return [towers.item_module]
    return [towers.item_module, towers.query_module]


def _weights(modules: list[torch.nn.Module]) -> list[dict[str, Any]]:
    return [deepcopy(module.state_dict()) for module in modules]


def _optimizers(towers: Towers, settings: Settings) -> list[Any]:
    kinds: dict[str, Any] = {
        "sgd": torch.optim.SGD,
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
    }
    options = [(settings.items_lr, settings.items_weight_decay)]
    options.append((settings.query_lr, settings.query_weight_decay))
    result = []
    for module, (rate, decay) in zip(_modules(towers), options, strict=False):
        trained = [p for p in module.parameters() if p.requires_grad]
        if trained:
            result.append(
                kinds[settings.optimizer](trained, lr=rate, weight_decay=decay)
            )
    return result


def _pass(
    towers: Towers,
    clicks: ClickstreamPairs,
    has_clicks: np.ndarray,
    settings: Settings,
    stage: ExamplesType,
    optimizers: list[Any],
    rng: np.random.RandomState | None,
) -> float:
    """Go over all sessions once; return the mean loss of the steps."""
    with_clicks = np.flatnonzero(has_clicks).tolist()
    without: list[int] = []
    if not settings.not_irrelevant_only and stage.without_clicks:
        without = np.flatnonzero(~has_clicks).tolist()
    if rng is not None:
        rng.shuffle(with_clicks)
        rng.shuffle(without)
    pairs = pair_sessions(with_clicks, without)
    losses = []
    for start in range(0, len(pairs), settings.batch_size):
        batch = pairs[start : start + settings.batch_size]
        if settings.loss == "multiple_negatives_ranking":
            loss = _in_batch_loss(
                towers, clicks, [first for first, _ in batch], settings, rng
            )
        else:
            loss = _pair_loss(towers, clicks, batch, settings, stage, rng)
        if loss is None:
            continue
        for optimizer in optimizers:
            optimizer.zero_grad()
        torch.autograd.backward(loss)
        for optimizer in optimizers:
            optimizer.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses)) if losses else float("nan")


def _in_batch_loss(
    towers: Towers,
    clicks: ClickstreamPairs,
    sessions: list[int],
    settings: Settings,
    rng: np.random.RandomState | None,
) -> torch.Tensor | None:
    """Cross-entropy of the clicked item among those of the other sessions.

    (Henderson et al. 2017, arXiv:1705.00652.) Items clicked in the same session are
    no negatives for each other.
    """
    rows = np.concatenate(
        [r[clicks.click[r] > 0] for r in (clicks.sessions[s] for s in sessions)]
    )
    pool = rows
    if settings.hard_negatives:
        drawn = [
            clicks.draw(s, downsampling=settings.negative_downsampling, rng=rng)
            for s in sessions
        ]
        pool = np.concatenate([rows, *drawn])
    if len(np.unique(clicks.item[pool])) < 2:
        return None
    queries, query = np.unique(clicks.query[rows], return_inverse=True)
    items, item = np.unique(clicks.item[pool], return_inverse=True)
    logits = _SCALE * (_unit(towers.queries(queries)) @ _unit(towers.items(items)).T)
    device = logits.device
    logits = logits[torch.as_tensor(query, device=device)]
    # Clicked by the same query: neither the one nor a wrong one.
    clicked = np.zeros((len(queries), len(items)), dtype=bool)
    clicked[query, item[: len(rows)]] = True
    masked = clicked[query]
    masked[np.arange(len(rows)), item[: len(rows)]] = False
    logits = logits.masked_fill(torch.as_tensor(masked, device=device), -torch.inf)
    target = torch.as_tensor(item[: len(rows)], device=device)
    values = torch.nn.functional.cross_entropy(logits, target, reduction="none")
    weights = torch.as_tensor(
        clicks.confidence[rows] * clicks.click[rows],
        dtype=values.dtype,
        device=device,
    )
    total = weights.sum()
    return (weights * values).sum() / total if total > 0 else None


def _pair_loss(
    towers: Towers,
    clicks: ClickstreamPairs,
    batch: list[tuple[int, int | None]],
    settings: Settings,
    stage: ExamplesType,
    rng: np.random.RandomState | None,
) -> torch.Tensor | None:
    pairs = extract_pairs(towers, clicks, batch, settings, stage, rng)
    if not len(pairs):
        return None
    loss: torch.Tensor = PAIR_LOSSES[settings.loss](settings.margin)(pairs)
    return loss


def extract_pairs(
    towers: Towers,
    clicks: ClickstreamPairs,
    batch: list[tuple[int, int | None]],
    settings: Settings,
    stage: ExamplesType,
    rng: np.random.RandomState | None,
) -> PairFeatures:
    """Return the pairs of a batch of sessions, with their similarities.

    Parameters
    ----------
    towers, clicks, settings, stage, rng
        As in :func:`train`.
    batch : list of (int, int or None)
        Sessions with clicks, beside sessions without.

    Returns
    -------
    pairs : PairFeatures
        Perhaps none.
    """
    share = settings.negative_downsampling
    inside = [clicks.within([first], downsampling=share, rng=rng) for first, _ in batch]
    result = PairFeatures()
    if stage.with_clicks:
        result += _features(towers, clicks, np.concatenate(inside))
    across = []
    for (_, other), pairs in zip(batch, inside, strict=True):
        if other is None:
            continue
        negatives = clicks.draw(other, downsampling=share, rng=rng)
        positives = pairs[:, 0]
        n = min(len(negatives), len(positives))
        across.append(np.column_stack([positives[:n], negatives[:n]]))
    if across and stage.without_clicks:
        result += _features(towers, clicks, np.concatenate(across))
    low, high = settings.min_difference, settings.max_difference
    masks: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "soft": lambda d: d <= low,
        "medium": lambda d: (d > low) & (d < high),
        "hard": lambda d: d >= high,
    }
    result.keep(masks[stage.difficulty])
    return result


def _features(
    towers: Towers, clicks: ClickstreamPairs, pairs: np.ndarray
) -> PairFeatures:
    """Similarities and confidences of pairs of rows."""
    rows, place = np.unique(pairs, return_inverse=True)
    place = place.reshape(pairs.shape)
    if len(rows):
        queries, query = np.unique(clicks.query[rows], return_inverse=True)
        items, item = np.unique(clicks.item[rows], return_inverse=True)
        left = _unit(towers.queries(queries))
        right = _unit(towers.items(items))
        left = left[torch.as_tensor(query, device=left.device)]
        right = right[torch.as_tensor(item, device=right.device)]
        ranks = (left * right).sum(dim=1)
    else:
        ranks = torch.zeros(0)
    confidence = torch.as_tensor(
        clicks.confidence[rows]
        * np.where(clicks.click[rows] > 0, clicks.click[rows], 1),
        dtype=ranks.dtype,
        device=ranks.device,
    )
    first, second = (torch.as_tensor(place[:, j], device=ranks.device) for j in (0, 1))
    return PairFeatures(
        ranks[first],
        ranks[second],
        torch.ones_like(ranks[first]),
        confidence[first],
        confidence[second],
    )


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(vectors, dim=1, eps=1e-6)
