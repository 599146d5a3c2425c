"""Judgments as columns, with the distances of their answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.agreement._krippendorff import squared_distances
from bead_sklearn.agreement._ratings import check_level, encode


@dataclass
class JudgmentTable:
    """Judgments as columns."""

    values: list[Any]
    codes: NDArray[np.intp]
    items: NDArray[Any]
    people: NDArray[Any]
    order: NDArray[np.float64]
    occasion: NDArray[np.intp]
    confidence: NDArray[np.float64]
    seconds: NDArray[np.float64]
    distances: NDArray[np.float64]
    expected: float
    gold: Mapping[str, Any]
    numeric: bool
    scale: NDArray[np.float64] | None
    by_item: dict[Any, NDArray[np.intp]] = field(default_factory=dict)


def read_table(
    answers: Sequence[Any],
    items: Sequence[Any],
    participants: Sequence[Any],
    order: Sequence[float] | None,
    occasion: Sequence[int] | None,
    confidence: Sequence[float | None] | None,
    response_time: Sequence[float | None] | None,
    gold: Mapping[Any, Any],
    level: str,
) -> JudgmentTable:
    check_level(level)
    n = len(answers)
    for name, column in {
        "items": items,
        "participants": participants,
        "order": order,
        "occasion": occasion,
        "confidence": confidence,
        "response_time": response_time,
    }.items():
        if column is not None and len(column) != n:
            raise ValueError(f"Got {len(column)} {name} for {n} answers.")
    values = [_hashable(answer) for answer in answers]
    gold = {item: _hashable(answer) for item, answer in gold.items()}
    if occasion is None:
        seen: dict[Any, int] = {}
        counted = []
        for pair in zip(items, participants, strict=True):
            seen[pair] = seen.get(pair, 0) + 1
            counted.append(seen[pair])
        occasion = counted
    sure = _floats(confidence, n)
    if np.any((sure < 0) | (sure > 1)):
        raise ValueError("confidence must be in [0, 1].")
    # Right answers are coded along, so that they have distances too.
    codes, labels = encode([*values, *gold.values()])
    margins = np.bincount(codes[:n], minlength=len(labels)).astype(float)
    distances = squared_distances(labels, margins, level)
    expected = (
        float(margins @ distances @ margins / (n * (n - 1))) if n > 1 else math.nan
    )
    object_items = np.empty(n, dtype=object)
    object_items[:] = list(items)
    people = np.empty(n, dtype=object)
    people[:] = list(participants)
    table = JudgmentTable(
        values=values,
        codes=codes[:n],
        items=object_items,
        people=people,
        order=np.arange(n, dtype=float) if order is None else _floats(order, n),
        occasion=np.asarray(occasion, dtype=np.intp),
        confidence=sure,
        seconds=_floats(response_time, n),
        distances=distances,
        expected=expected,
        gold=dict(zip(gold, codes[n:].tolist(), strict=True)),
        numeric=level in ("interval", "ratio"),
        scale=_scale(labels, level, len(np.unique(codes[:n]))),
    )
    rows: dict[Any, list[int]] = {}
    for row, item in enumerate(object_items.tolist()):
        if table.occasion[row] == 1:
            rows.setdefault(item, []).append(row)
    table.by_item = {item: np.array(found) for item, found in rows.items()}
    return table


def _scale(labels: list[Any], level: str, n_used: int) -> NDArray[np.float64] | None:
    """Heights of the labels: numbers, steps, or 0 and 1."""
    if level in ("interval", "ratio"):
        return np.array(labels, dtype=np.float64)
    if level == "ordinal" or (len(labels) == 2 and n_used == 2):
        return np.arange(len(labels), dtype=np.float64)
    return None


def _hashable(answer: Any) -> Any:
    if isinstance(answer, list | tuple | set):
        return tuple(sorted(map(str, answer)))
    return answer.item() if isinstance(answer, np.generic) else answer


def _floats(values: Sequence[float | None] | None, n: int) -> NDArray[np.float64]:
    if values is None:
        return np.full(n, np.nan)
    return np.array([np.nan if v is None else v for v in values], dtype=float)
