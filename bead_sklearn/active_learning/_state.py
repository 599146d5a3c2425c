"""The state of a run as JSON values, and back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from bead_sklearn.active_learning._rounds import Rounds

VERSION = 3


def rounds_state(rounds: Rounds) -> dict[str, Any]:
    """Write what X and the parameters of a run do not already say.

    Parameters
    ----------
    rounds : Rounds
        The run.

    Returns
    -------
    state : dict
        JSON values: labels, records, seed, a hash of X.

    Raises
    ------
    TypeError
        If labels have no JSON form.
    """
    rows = rounds.ledger.indices
    order = rounds._start_order
    return {
        "version": VERSION,
        "fingerprint": rounds.fingerprint,
        "n_rows": rounds.ledger.n_rows,
        "seed": rounds.seed,
        "start_order": None if order is None else order.tolist(),
        "indices": rows.tolist(),
        "labels": encode(rounds.ledger.labels) if len(rows) else None,
        "declined": np.flatnonzero(rounds.ledger.declined).tolist(),
        "held_out": np.flatnonzero(rounds.ledger.held_out).tolist(),
        "predictions": [[n, encode(seen)] for n, seen in rounds.predictions],
        "memories": [[n, memory] for n, memory in rounds.memories],
        "records": rounds.records,
    }


def restore_rounds(rounds: Rounds, state: dict[str, Any], source: Any) -> None:
    """Take over a state that `rounds_state` wrote.

    Parameters
    ----------
    rounds : Rounds
        A run that has just begun, with the same parameters.
    state : dict
        The state.
    source : object
        Where it is from, for messages.

    Raises
    ------
    ValueError
        If it is not whole or belongs to another X.
    """
    here = rounds_state(rounds)
    lacking = sorted(here.keys() - state.keys())
    if lacking:
        raise ValueError(f"{source} is not a whole session: it lacks {lacking}.")
    if state["fingerprint"] != here["fingerprint"]:
        raise ValueError(
            f"{source} was saved for another X ({state['n_rows']} rows); start the "
            "search with the same rows in the same order."
        )
    ledger = type(rounds.ledger)(rounds.ledger.n_rows)
    if state["labels"] is not None:
        indices = np.array(state["indices"], dtype=np.intp)
        ledger.add(indices, decode(state["labels"]))
    ledger.declined[state["declined"]] = True
    ledger.held_out[state["held_out"]] = True
    rounds.ledger = ledger
    rounds.seed = state["seed"]
    order = state["start_order"]
    rounds._start_order = None if order is None else np.array(order, dtype=np.intp)
    rounds.records = state["records"]
    rounds.fitted = None
    rounds.predictions = [(n, decode(seen)) for n, seen in state["predictions"]]
    rounds.memories = [(n, memory) for n, memory in state["memories"]]


def read_state(text: str, source: Any, kind: str) -> dict[str, Any]:
    """Read the JSON of a state and check of what kind and version it is.

    Parameters
    ----------
    text : str
        What the file holds.
    source : object
        Where it is from, for messages.
    kind : str
        The ``format`` it must have.

    Returns
    -------
    state : dict
        The state.

    Raises
    ------
    ValueError
        If it is something else.
    """
    try:
        state = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{source} is not a saved session: {error}.") from error
    if not isinstance(state, dict) or state.get("format") != kind:
        raise ValueError(f"{source} is not a saved session.")
    if state["version"] != VERSION:
        raise ValueError(
            f"{source} has version {state['version']} of the format; this version of "
            f"bead_sklearn reads {VERSION}."
        )
    return state


def encode(labels: Any) -> dict[str, Any]:
    """Write labels or groups as JSON values with what is needed to read them back."""
    if isinstance(labels, list):
        values, dtype = labels, None
    else:
        values, dtype = labels.tolist(), labels.dtype.str
    try:
        faithful = json.loads(json.dumps(values, default=numpy_scalar)) == values
    except TypeError:
        faithful = False
    if not faithful:
        raise TypeError(
            "A session can be saved when its labels and groups are numbers, strings, "
            f"booleans or lists of them, got {values[0]!r}."
        )
    return {"dtype": dtype, "values": values}


def decode(encoded: dict[str, Any]) -> Any:
    """Read what `encode` wrote."""
    values, dtype = encoded["values"], encoded["dtype"]
    return values if dtype is None else np.array(values, dtype=np.dtype(dtype))


def numpy_scalar(value: Any) -> Any:
    """Give JSON the numbers of numpy."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form.")
