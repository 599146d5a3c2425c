"""Who is asked about the rows that a search chooses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bead_sklearn._sklearn import _safe_indexing
from bead_sklearn.active_learning._session import Session


def route_rows(router: Any, X: Any, rows: ArrayLike, **options: Any) -> NDArray[Any]:
    """Return the participants that a router assigns to rows.

    Parameters
    ----------
    router : AnnotatorRouter or callable
        A fitted router, or a function of rows of X and options.
    X : array-like of shape (n_samples, ...)
        All rows.
    rows : array-like of int of shape (n_rows,)
        Positions in X.
    **options : dict
        Passed on to ``router.route``, or to the function.

    Returns
    -------
    participants : ndarray of shape (n_rows,) or (n_rows, n_per_item)
        Ids, row by row.

    Raises
    ------
    ValueError
        If the router does not return one row of ids for each row.
    """
    positions = np.asarray(rows)
    if not len(positions):
        return np.empty(0, dtype=object)
    route = getattr(router, "route", router)
    participants = np.asarray(route(_safe_indexing(X, positions), **options))
    if len(participants) != len(positions):
        raise ValueError(
            f"router returned {len(participants)} assignment(s) for {len(positions)} "
            "rows."
        )
    return participants


class AssigningMixin:
    """Assigning the rows of a search to participants."""

    _session: Session | None
    router: Any

    def assign(self, indices: ArrayLike, **options: Any) -> NDArray[Any]:
        """Say whom to ask about rows of the session, by expected reward.

        Parameters
        ----------
        indices : array-like of int of shape (n_batch,)
            Positions in X, as `ask` returns them.
        **options : dict
            Passed on to ``router.route``: ``n_per_item``, ``capacity``, ``cost``,
            ``trade_off``, ``exclude``, ``epsilon``.

        Returns
        -------
        participants : ndarray of shape (n_batch,) or (n_batch, n_per_item)
            Ids of the participants, row by row.

        Raises
        ------
        ValueError
            If the search has no router, or capacities cannot be met.
        """
        if self.router is None:
            raise ValueError(
                "assign needs a router. Pass router=, a fitted AnnotatorRouter."
            )
        session: Session = self._require_session()  # type: ignore[attr-defined]
        return route_rows(self.router, session.rounds.X, indices, **options)
