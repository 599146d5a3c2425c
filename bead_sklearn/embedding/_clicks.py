"""Clicks on items shown for queries, session by session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ClickstreamPairs:
    """Rows of (query, item, click), grouped into sessions, and the pairs in them.

    A session is one query with the items shown for it, in order. A pair is an item
    with a click and one without, of the same session; with ``n_negatives`` below all,
    the items without are drawn without replacement.

    Parameters
    ----------
    query, item : ndarray of intp of shape (n_rows,)
        Numbers of the query and the item of each row.
    click : ndarray of shape (n_rows,)
        Grade of the click, 0 for none.
    confidence : ndarray of shape (n_rows,)
        How much to make of it, at least 0.
    session : ndarray of intp of shape (n_rows,)
        Number of the session, 0, 1, ...

    Raises
    ------
    ValueError
        If a session has several queries, a click or a confidence is negative or not
        finite, or lengths differ.

    Examples
    --------
    >>> pairs = ClickstreamPairs(
    ...     query=np.array([0, 0, 0]), item=np.array([0, 1, 2]),
    ...     click=np.array([0, 1, 0]), confidence=np.ones(3),
    ...     session=np.array([0, 0, 0]),
    ... )
    >>> pairs.within([0], downsampling=1.0).tolist()
    [[1, 0], [1, 2]]
    """

    query: np.ndarray
    item: np.ndarray
    click: np.ndarray
    confidence: np.ndarray
    session: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.session)
        for name in ("query", "item", "click", "confidence"):
            if len(getattr(self, name)) != n:
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} entries and session has "
                    f"{n}."
                )
        for name, values in (("y", self.click), ("confidence", self.confidence)):
            bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
            if len(bad):
                raise ValueError(
                    f"{name} must be finite and at least 0. Got {values[bad[0]]:g} in "
                    f"row {bad[0]}."
                )
        order = np.argsort(self.session, kind="stable")
        ends = np.flatnonzero(np.diff(self.session[order])) + 1
        object.__setattr__(self, "_rows", np.split(order, ends) if n else [])
        for rows in self.sessions:
            if len(set(self.query[rows].tolist())) > 1:
                raise ValueError(
                    f"A session has one query; the session of row {rows[0]} has "
                    f"{len(set(self.query[rows].tolist()))}. Give each query an id of "
                    "its own in groups."
                )

    @property
    def sessions(self) -> list[np.ndarray]:
        """Rows of each session, in the order shown."""
        rows: list[np.ndarray] = self.__dict__["_rows"]
        return rows

    def take(self, rows: np.ndarray) -> ClickstreamPairs:
        """Return some of the rows."""
        parts = (self.query, self.item, self.click, self.confidence, self.session)
        return ClickstreamPairs(*(part[rows] for part in parts))

    @property
    def has_clicks(self) -> np.ndarray:
        """Whether each session has a click, (n_sessions,)."""
        return np.array([bool((self.click[rows] > 0).any()) for rows in self.sessions])

    def with_confidences(
        self, measure: Callable[[np.ndarray, np.ndarray], np.ndarray], ranks: np.ndarray
    ) -> ClickstreamPairs:
        """Return the rows with confidences times those that a function gives.

        Parameters
        ----------
        measure : callable
            ``measure(ranks, clicks) -> confidences`` for the items of a session.
        ranks : ndarray of shape (n_rows,)
            Similarity of the item and the query of each row.
        """
        confidence = self.confidence.copy()
        for rows in self.sessions:
            clicks = (self.click[rows] > 0).astype(float)
            found = np.asarray(measure(ranks[rows], clicks), dtype=np.float64)
            if found.shape != rows.shape:
                raise ValueError(
                    f"click_confidence must return a confidence for each of the "
                    f"{len(rows)} items of a session. Got shape {found.shape}."
                )
            confidence[rows] *= found
        return ClickstreamPairs(
            self.query, self.item, self.click, confidence, self.session
        )

    def within(
        self,
        sessions: list[int],
        *,
        downsampling: float,
        rng: np.random.RandomState | None = None,
    ) -> np.ndarray:
        """Return pairs of rows (with click, without) within sessions.

        Parameters
        ----------
        sessions : list of int
            Numbers of the sessions.
        downsampling : float
            Share of the items without a click that is drawn, rounded down but at
            least one.
        rng : RandomState, default=None
            Draws them; None takes the first ones shown.

        Returns
        -------
        pairs : ndarray of intp of shape (n_pairs, 2)
            Every clicked row with every drawn row, session by session.
        """
        parts = [np.zeros((0, 2), dtype=np.intp)]
        for number in sessions:
            rows = self.sessions[number]
            clicked = rows[self.click[rows] > 0]
            others = self.draw(number, downsampling=downsampling, rng=rng)
            parts.append(
                np.column_stack(
                    [np.repeat(clicked, len(others)), np.tile(others, len(clicked))]
                )
            )
        return np.concatenate(parts)

    def draw(
        self,
        session: int,
        *,
        downsampling: float,
        rng: np.random.RandomState | None = None,
    ) -> np.ndarray:
        """Return the rows without a click that are used, in the order shown."""
        rows = self.sessions[session]
        others = rows[self.click[rows] == 0]
        if not len(others):
            return others
        n = max(1, int(downsampling * len(others)))
        if n == len(others):
            return others
        if rng is None:
            return others[:n]
        return others[np.sort(rng.permutation(len(others))[:n])]
