"""One run of a search against labels that are known, or an oracle that is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from bead_sklearn._sklearn import _routing_enabled
from bead_sklearn.active_learning._rounds import Rounds

Reveal = Callable[[NDArray[np.intp]], Any]


def simulate(
    rounds: Rounds,
    reveal: Reveal,
    *,
    batch_size: int,
    search: Any,
    context: Any,
    callback_data: dict[str, Any],
    verbose: int,
    repeat: int,
    keep_estimator: bool,
) -> Bunch:
    """Run a search until a limit or a rule ends it.

    Parameters
    ----------
    rounds : Rounds
        The run; rows known at the start are in its ledger.
    reveal : callable
        ``reveal(rows) -> labels``.
    batch_size : int
        Rows per batch.
    search : ActiveLearningSearch
        The search, for the callbacks.
    context : sklearn.callback.CallbackContext
        Task of the run.
    callback_data : dict
        ``X``, ``y`` and ``groups`` of the search, for the callbacks.
    verbose : int
        Above zero: print a line per round.
    repeat : int
        Number of the run, for the printed lines.
    keep_estimator : bool
        Whether the last estimator is returned.

    Returns
    -------
    run : Bunch
        ``initial``, ``queries``, ``labeled``, ``held_out``, ``history``,
        ``stopped_by``, ``rows`` and ``labels`` (in the order of labelling), and
        ``estimator`` if it is kept.
    """
    _begin(context, search, callback_data)
    start = []
    while len(rows := rounds.next_start_rows()):
        rounds.ledger.add(rows, reveal(rows))
        start.append(rows)
    queries: list[NDArray[np.intp]] = []
    stopped_by = None
    while stopped_by is None:
        step = context.subcontext(task_name="round")
        _begin(step, search, callback_data)
        rounds.fit(step)
        stop = _end(step, search, callback_data, rounds.fitted)
        stopped_by = rounds.limit_reached() or ("callback" if stop else None)
        if stopped_by is None:
            utilities = rounds.utilities()
            stopped_by = rounds.rule_fired(utilities)
        if verbose > 0:
            print(_line(repeat, rounds.records[-1], stopped_by))
        if stopped_by is None:
            rows = rounds.select(utilities, batch_size)
            if not len(rows):  # quotas leave no row to ask about
                stopped_by = "pool_exhausted"
                continue
            rounds.ledger.add(rows, reveal(rows))
            queries.append(rows)
            rounds.iteration += 1
    _end(context, search, callback_data, rounds.fitted)
    return Bunch(
        initial=np.concatenate([np.empty(0, dtype=np.intp), *start]),
        queries=queries,
        labeled=rounds.ledger.labeled,
        held_out=rounds.ledger.held_out,
        history=rounds.history(),
        stopped_by=stopped_by,
        rows=rounds.ledger.indices,
        labels=rounds.ledger.labels,
        estimator=rounds.fitted if keep_estimator else None,
    )


def _begin(context: Any, search: Any, data: dict[str, Any]) -> None:
    context.call_on_fit_task_begin(estimator=search, **_hook_data(data))


def _end(context: Any, search: Any, data: dict[str, Any], fitted: Any) -> bool:
    stop: bool = context.call_on_fit_task_end(
        estimator=search,
        reconstruction_attributes=lambda: {"_fitted": fitted},
        **_hook_data(data),
    )
    return stop


def _hook_data(data: dict[str, Any]) -> dict[str, Any]:
    groups = data["groups"]
    metadata = {"groups": groups} if groups is not None and _routing_enabled() else None
    return {"X": data["X"], "y": data["y"], "metadata": metadata}


def _line(repeat: int, record: dict[str, float], stopped_by: str | None) -> str:
    score = f", score {record['score']:.4f}" if "score" in record else ""
    ending = f", stopped by {stopped_by}" if stopped_by else ""
    return (
        f"[ActiveLearningSearch] repeat {repeat}, round {record['iteration']}: "
        f"{record['n_labels']} labels{score}{ending}"
    )
