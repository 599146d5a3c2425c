"""Asking people: a search whose labels arrive one batch at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.active_learning._metadata import fit_groups_kwargs
from bead_sklearn.active_learning._rounds import Rounds
from bead_sklearn.active_learning._rows import as_groups, as_row_container, fingerprint

_FORMAT = "bead_sklearn active learning session"
_VERSION = 1


@dataclass
class Session:
    """A run that waits for its labels.

    Attributes
    ----------
    rounds : Rounds
        The run.
    groups_hash : str or None
        Fingerprint of the groups of all rows, if they were given at the start.
        Otherwise they arrive with the labels, from the person who answered.
    groups : ndarray of shape (n_rows,), dtype object
        Groups that arrived with labels; None elsewhere.
    queries : list of ndarray
        Rows of every batch of labels that arrived.
    stopped_by : str or None
        What ended the session.
    told : bool
        Whether groups arrived with the labels.
    """

    rounds: Rounds
    groups_hash: str | None
    groups: NDArray[Any]
    queries: list[NDArray[np.intp]] = field(default_factory=list)
    stopped_by: str | None = None
    told: bool = False
    _utilities: NDArray[np.float64] | None = None
    _n_fitted: int = 0

    @property
    def ready(self) -> bool:
        """Whether an estimator can be fitted to the labels."""
        return self.rounds.can_fit()

    def estimator(self) -> Any:
        """Return the estimator fitted to all labels that have arrived."""
        n_labels = len(self.rounds.ledger)
        if self._n_fitted != n_labels:
            records = self.rounds.records
            # A resumed session has the record of its last round, but no estimator.
            if records and records[-1]["n_labels"] == n_labels:
                self.rounds.iteration = int(records.pop()["iteration"])
            elif records:
                self.rounds.iteration = int(records[-1]["iteration"]) + 1
            self.rounds.fit()
            self._n_fitted = n_labels
            self._utilities = None
        return self.rounds.fitted

    def ask(self, n: int) -> NDArray[np.intp]:
        """Choose rows to ask about; empty when the session is over."""
        self.stopped_by = None
        start = self.rounds.next_start_rows()
        if len(start):
            # More may be asked at once than fitting needs.
            return self.rounds.start_order()[: min(n, self.rounds.room())]
        if len(self.rounds.ledger) and self.ready:
            self.estimator()
        self.stopped_by = self.rounds.limit_reached()
        if self.stopped_by is None:
            if self._utilities is None:
                self._utilities = self.rounds.utilities()
            self.stopped_by = self.rounds.rule_fired(self._utilities)
        if self.stopped_by is not None or self._utilities is None:
            return np.empty(0, dtype=np.intp)
        return self.rounds.select(self._utilities, n)

    def tell(self, indices: ArrayLike, y: Any, groups: Any) -> None:
        """Store labels, and the groups of those who gave them."""
        ledger = self.rounds.ledger
        rows, labels = ledger.check(indices, y)
        told = self._check_groups(rows, groups)
        if len(rows) == 0:
            return
        params = {} if told is None else self._told_params()
        ledger.add(rows, labels)
        if told is not None:
            self.groups[rows] = told
            self.rounds.fit_params.update(params)
            self.told = True
        self.queries.append(rows)

    def _told_params(self) -> dict[str, Any]:
        """Hand the groups that arrive with labels to the estimator."""
        return fit_groups_kwargs(self.rounds.estimator, self.groups)

    def _check_groups(self, rows: NDArray[np.intp], groups: Any) -> NDArray[Any] | None:
        if self.groups_hash is not None:
            if groups is not None:
                raise ValueError(
                    "The groups of all rows were given to start; tell takes none."
                )
            return None
        if groups is None:
            if self.told:
                raise ValueError(
                    "Earlier labels came with groups; pass the groups of these too."
                )
            return None
        if len(self.rounds.ledger) and not self.told:
            raise ValueError(
                "Earlier labels came without groups; these must come without too."
            )
        if _num_samples(groups) != len(rows):
            raise ValueError(f"Got {_num_samples(groups)} groups for {len(rows)} rows.")
        told: NDArray[Any] = as_groups(groups)
        if np.ndim(told) != 1:
            raise ValueError(f"groups must be one id per row, got {np.shape(told)}.")
        return told

    def to_json(self) -> str:
        """Write everything that X and the parameters do not already say."""
        return json.dumps(self._state(), default=_numpy_scalar)

    def _state(self) -> dict[str, Any]:
        rounds = self.rounds
        rows = rounds.ledger.indices
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "fingerprint": fingerprint(as_row_container(rounds.X)),
            "n_rows": rounds.ledger.n_rows,
            "groups_fingerprint": self.groups_hash,
            "seed": rounds.seed,
            "start_order": None
            if rounds._start_order is None
            else rounds._start_order.tolist(),
            "indices": rows.tolist(),
            "labels": _encode(rounds.ledger.labels) if len(rows) else None,
            "groups": _encode(self.groups[rows]) if self.told else None,
            "queries": [batch.tolist() for batch in self.queries],
            "records": rounds.records,
            "stopped_by": self.stopped_by,
        }

    def restore(self, text: str, path: Path) -> None:
        """Take over the state that `to_json` wrote."""
        try:
            state = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is not a saved session: {error}.") from error
        if not isinstance(state, dict) or state.get("format") != _FORMAT:
            raise ValueError(f"{path} is not a saved session.")
        if state["version"] != _VERSION:
            raise ValueError(
                f"{path} has version {state['version']} of the format; this version "
                f"of bead_sklearn reads {_VERSION}."
            )
        rounds, here = self.rounds, self._state()
        lacking = sorted(here.keys() - state.keys())
        if lacking:
            raise ValueError(f"{path} is not a whole session: it lacks {lacking}.")
        if state["fingerprint"] != here["fingerprint"]:
            raise ValueError(
                f"{path} was saved for another X ({state['n_rows']} rows); start the "
                "search with the same rows in the same order."
            )
        if state["groups_fingerprint"] != self.groups_hash:
            raise ValueError(
                f"{path} was saved for other groups, or for a session that was started "
                "without groups; start the search as before."
            )
        ledger = type(rounds.ledger)(rounds.ledger.n_rows)
        if state["labels"] is not None:
            ledger.add(
                np.array(state["indices"], dtype=np.intp), _decode(state["labels"])
            )
        if state["groups"] is not None:
            self.groups[ledger.indices] = _decode(state["groups"])
            self.rounds.fit_params.update(self._told_params())
            self.told = True
        rounds.ledger = ledger
        rounds.seed = state["seed"]
        order = state["start_order"]
        rounds._start_order = None if order is None else np.array(order, dtype=np.intp)
        rounds.records = state["records"]
        rounds.fitted = None
        self.queries = [np.array(b, dtype=np.intp) for b in state["queries"]]
        self.stopped_by = state["stopped_by"]
        self._n_fitted = 0
        self._utilities = None


def _encode(labels: Any) -> dict[str, Any]:
    """Write labels or groups as JSON values with what is needed to read them back."""
    if isinstance(labels, list):
        values, dtype = labels, None
    else:
        values, dtype = labels.tolist(), labels.dtype.str
    try:
        faithful = json.loads(json.dumps(values, default=_numpy_scalar)) == values
    except TypeError:
        faithful = False
    if not faithful:
        raise TypeError(
            "A session can be saved when its labels and groups are numbers, strings, "
            f"booleans or lists of them, got {values[0]!r}."
        )
    return {"dtype": dtype, "values": values}


def _decode(encoded: dict[str, Any]) -> Any:
    values, dtype = encoded["values"], encoded["dtype"]
    return values if dtype is None else np.array(values, dtype=np.dtype(dtype))


def _numpy_scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form.")
