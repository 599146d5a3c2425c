"""When a participant sees a gold item or an item again."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.annotate._plan import Plan
from bead_sklearn.annotate._records import Judgment, Slot
from bead_sklearn.annotate.study import Study

#: Random orders that are kept; drawing one anew takes a moment.
_MAX_ORDERS = 200


class Schedule:
    """The order of a study's questions for each participant.

    Gold items and repetitions come in the shares that the study asks for, from a
    point on that differs between participants, so that nobody can tell them by their
    number. Otherwise the plan decides, and chance where it says nothing.

    Parameters
    ----------
    study : Study
        The study.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._gold = list(study.gold)
        self._open = study.open_items
        self._orders: dict[str, NDArray[np.intp]] = {}

    def total(self, participant: str) -> int:
        """Questions for a participant: the quota, or all there are."""
        quotas = self._study.quotas
        n = len(self._study.items)
        if quotas.repeat_share:
            n += int(len(self._study.items) * quotas.repeat_share)
        limit = quotas.items_per_participant
        return n if limit is None else min(limit, n)

    def slots(
        self,
        participant: str,
        done: Sequence[Judgment],
        plan: Plan,
        full: Collection[str] = (),
    ) -> Iterator[Slot]:
        """Yield what to ask next, in the order of preference.

        Parameters
        ----------
        participant : str
            Who is asked.
        done : sequence of Judgment
            What the participant has judged, in order.
        plan : Plan
            The order of the items.
        full : collection of str, default=()
            Items known to be complete, which need not be tried.
        """
        quotas = self._study.quotas
        rng = np.random.RandomState(
            zlib.crc32(f"{self._study.random_state}/{participant}".encode())
        )
        start = rng.random_sample(2)
        position = len(done) + 1
        first = {judgment.item for judgment in done if judgment.occasion == 1}
        gold = [item for item in self._gold if item not in first]
        n_gold = len(self._gold) - len(gold)
        rng.shuffle(gold)
        if gold and n_gold < int(position * quotas.gold_share + start[0]):
            yield from map(Slot, gold)
        n_again = sum(judgment.occasion > 1 for judgment in done)
        if n_again < int(
            (position - quotas.repeat_gap) * quotas.repeat_share + start[1]
        ):
            yield from self._again(done)
        quota = quotas.judgments_per_item
        items = chain(plan.items_for(participant), self._at_random(participant))
        yield from (
            Slot(item, quota)
            for item in items
            if item not in first and item not in full
        )
        # Nothing else is left.
        if quotas.gold_share:
            yield from map(Slot, gold)

    def _at_random(self, participant: str) -> Iterator[str]:
        """All items, in an order of the participant's own."""
        order = self._orders.get(participant)
        if order is None:
            seed = zlib.crc32(
                f"{self._study.random_state}/order/{participant}".encode()
            )
            order = np.random.RandomState(seed).permutation(len(self._open))
            if len(self._orders) >= _MAX_ORDERS:
                self._orders.clear()
            self._orders[participant] = order
        return (self._open[k] for k in order)

    def _again(self, done: Sequence[Judgment]) -> Iterator[Slot]:
        """Items that were judged once, long enough ago, the longest ago first."""
        repeated = {judgment.item for judgment in done if judgment.occasion > 1}
        for judgment in done[: max(0, len(done) - self._study.quotas.repeat_gap)]:
            if judgment.occasion == 1 and judgment.item not in repeated:
                yield Slot(judgment.item, occasion=2)
