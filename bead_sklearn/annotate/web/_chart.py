"""Learning curves as drawings in the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 14, 36


@dataclass(frozen=True)
class Chart:
    """Points, lines and labels of a drawing, in its coordinates.

    Attributes
    ----------
    path : str
        The line through the points.
    points : list of (float, float, str)
        Places and descriptions.
    x_ticks, y_ticks : list of (float, str)
        Places and labels.
    """

    path: str
    points: list[tuple[float, float, str]]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def make_chart(points: Sequence[tuple[float, float]]) -> Chart | None:
    """Lay out a curve; None if there are fewer than two points."""
    if len(points) < 2:
        return None
    xs, ys = [x for x, _ in points], [y for _, y in points]
    x_low, x_high = min(xs), max(xs)
    y_low, y_high = _limits(min(ys), max(ys))
    if x_low == x_high:
        return None

    def place(x: float, y: float) -> tuple[float, float]:
        u = (x - x_low) / (x_high - x_low)
        v = (y - y_low) / (y_high - y_low)
        return (
            round(_LEFT + u * (WIDTH - _LEFT - _RIGHT), 1),
            round(HEIGHT - _BOTTOM - v * (HEIGHT - _TOP - _BOTTOM), 1),
        )

    placed = [(*place(x, y), f"{x:g} judgments: {y:.3g}") for x, y in points]
    return Chart(
        path="M" + " L".join(f"{x} {y}" for x, y, _ in placed),
        points=placed,
        x_ticks=[
            (place(x, y_low)[0], f"{x:g}")
            for x in sorted({round(x_low + k * (x_high - x_low) / 4) for k in range(5)})
            if x_low <= x <= x_high
        ],
        y_ticks=[
            (place(x_low, y)[1], f"{y:.3g}")
            for y in (y_low + k * (y_high - y_low) / 4 for k in range(5))
        ],
    )


def _limits(low: float, high: float) -> tuple[float, float]:
    """Return round limits around a range; shares get the whole of it."""
    if low >= 0 and high <= 1 and high > 0.2:
        return 0.0, 1.0
    margin = 0.1 * (high - low) or abs(high) or 1.0
    return low - margin, high + margin


def smooth(
    points: Sequence[tuple[float, float, int]], window: int
) -> list[tuple[float, float]]:
    """Average scores over at least ``window`` judgments, weighted by their numbers.

    Parameters
    ----------
    points : sequence of (float, float, int)
        Place, score, and how many judgments it is about.
    window : int
        Judgments to average over.
    """
    averaged, held = [], list[tuple[float, float, int]]()
    for point in points:
        held.append(point)
        while len(held) > 1 and sum(n for _, _, n in held[1:]) >= window:
            held.pop(0)
        total = sum(n for _, _, n in held)
        if total >= window:
            averaged.append((point[0], sum(y * n for _, y, n in held) / total))
    return averaged
