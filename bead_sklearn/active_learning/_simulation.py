"""One run of a search against labels that are known, or an oracle that is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from bead_sklearn._sklearn import _routing_enabled
from bead_sklearn.active_learning._checkpoint import Checkpoint
from bead_sklearn.active_learning._rounds import Rounds

#: ``reveal(rows) -> (rows, labels)``: which rows are answered, and how.
Ask = Callable[[NDArray[np.intp]], tuple[NDArray[np.intp], Any]]
_NONE = np.empty(0, dtype=np.intp)


def simulate(
    rounds: Rounds,
    reveal: Ask,
    *,
    batch_size: Callable[[int], int],
    check_every: int | None,
    checkpoint: Checkpoint | None,
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
        ``reveal(rows) -> (rows, labels)`` of those answered.
    batch_size : callable
        ``batch_size(n_labels)`` is the number of rows, or items, of the next batch.
    check_every : int or None
        Labels after which, within a batch, the estimator is fitted and the stopping
        rules are asked; None does so between batches only.
    checkpoint : Checkpoint or None
        Where the state is kept, and found again after an interruption.
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
        ``stopped_by``, ``rows`` and ``labels`` (of the last fit), and
        ``estimator`` if it is kept.
    """
    _begin(context, search, callback_data)
    start: list[NDArray[np.intp]] = []
    queries: list[NDArray[np.intp]] = []
    pending = _NONE
    if checkpoint is not None and (known := checkpoint.load(rounds)) is not None:
        start, queries, pending = known

    silence = 0  # rows asked about since the last answer

    def ask(rows: NDArray[np.intp]) -> NDArray[np.intp]:
        nonlocal silence
        answered, labels = reveal(rows)
        silence = 0 if len(answered) else silence + len(rows)
        rounds.ledger.add(answered, labels)
        rounds.ledger.declined[np.setdiff1d(rows, answered)] = True
        return answered

    def keep() -> None:
        if checkpoint is not None:
            checkpoint.save(rounds, start, queries, pending)

    while len(rows := rounds.next_start_rows()):
        start.append(ask(rows))
        keep()
        if silence >= max(batch_size(len(rounds.ledger)), rounds.n_initial):
            break
    if not rounds.can_fit() and rounds.ledger.declined.any():
        raise ValueError(
            f"The oracle gave {len(rounds.ledger)} labels for the starting set, too "
            "few to fit the estimator."
        )
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
        if stopped_by is not None:
            break
        is_new = not len(pending)
        if is_new:
            pending = rounds.select(utilities, batch_size(len(rounds.ledger)))
            if not len(pending):
                stopped_by = "no_candidates"
                break
            queries.append(_NONE)
        n = len(pending) if check_every is None else min(check_every, len(pending))
        answered = ask(pending[:n])
        pending = pending[n:]
        queries[-1] = np.concatenate([queries[-1], answered])
        if not len(pending):
            rounds.iteration += 1
        if silence >= batch_size(len(rounds.ledger)):
            stopped_by = "oracle"
        keep()
    queries = [rows for rows in queries if len(rows)]
    _end(context, search, callback_data, rounds.fitted)
    return Bunch(
        initial=np.concatenate([np.empty(0, dtype=np.intp), *start]),
        queries=queries,
        labeled=rounds.ledger.labeled,
        held_out=rounds.ledger.held_out,
        history=rounds.history(),
        stopped_by=stopped_by,
        rows=rounds.learned()[1],
        labels=rounds.learned()[0],
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
