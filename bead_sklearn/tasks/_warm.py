"""What a fit can begin with after another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bead_sklearn.solvers import Start


@dataclass(frozen=True)
class EarlierSolution:
    """The solution of an earlier fit and the labels it was about.

    Attributes
    ----------
    start : Start
        Parameters to begin with.
    labels : list
        Labels in the order of their codes; empty for numbers.
    """

    start: Start
    labels: list[Any]

    def start_for(self, labels: list[Any]) -> Start | None:
        """Return the start for a target with these labels; None if they differ."""
        return self.start if labels == self.labels else None
