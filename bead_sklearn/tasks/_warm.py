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


class WarmStart:
    """A model whose fit can begin at an earlier solution.

    A mixin of :class:`~bead_sklearn.tasks._base.MixedModel`.
    """

    warm_start: bool
    _end: EarlierSolution
    _handed_on: EarlierSolution

    def _begin_at(self, fitted: WarmStart) -> None:
        """Let the next fit begin at the solution of another estimator."""
        self._handed_on = fitted._end

    def _earlier_solution(self) -> EarlierSolution | None:
        """Where the fit begins; a solution handed on serves once."""
        handed_on: EarlierSolution | None = self.__dict__.pop("_handed_on", None)
        if handed_on is None and self.warm_start:
            return getattr(self, "_end", None)
        return handed_on

    def _target_labels(self) -> list[Any]:
        """Return what the codes of the target stand for; empty for numbers."""
        return []
