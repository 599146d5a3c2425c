"""Asking people: a search whose labels arrive one batch at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.active_learning._metadata import fit_groups_kwargs
from bead_sklearn.active_learning._rounds import Rounds
from bead_sklearn.active_learning._rows import as_groups
from bead_sklearn.active_learning._state import (
    decode,
    encode,
    numpy_scalar,
    read_state,
    restore_rounds,
    rounds_state,
)

_FORMAT = "bead_sklearn active learning session"


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

    def ask(
        self, n: int | None, otherwise: Callable[[int], int] | None = None
    ) -> NDArray[np.intp]:
        """Choose rows to ask about; empty when the session is over.

        None asks for what the starting set lacks, or as many rows or items as
        ``otherwise`` says for the number of labels.
        """
        self.stopped_by = None
        start = self.rounds.next_start_rows()
        if len(start) and n is None:
            return start
        if n is None:
            n = 1 if otherwise is None else otherwise(len(self.rounds.ledger))
        if len(start):
            # More may be asked at once than fitting needs.
            return self.rounds.first_rows(n)
        if len(self.rounds.ledger) and self.ready:
            self.estimator()
        self.stopped_by = self.rounds.limit_reached()
        if self.stopped_by is None:
            if self._utilities is None:
                self._utilities = self.rounds.utilities()
            self.stopped_by = self.rounds.rule_fired(self._utilities)
        if self.stopped_by is not None or self._utilities is None:
            return np.empty(0, dtype=np.intp)
        rows = self.rounds.select(self._utilities, n)
        if not len(rows):
            self.stopped_by = "no_candidates"
        return rows

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
        return json.dumps(self._state(), default=numpy_scalar)

    def _state(self) -> dict[str, Any]:
        rows = self.rounds.ledger.indices
        return {
            "format": _FORMAT,
            **rounds_state(self.rounds),
            "groups_fingerprint": self.groups_hash,
            "groups": encode(self.groups[rows]) if self.told else None,
            "queries": [batch.tolist() for batch in self.queries],
            "stopped_by": self.stopped_by,
        }

    def restore(self, text: str, path: Path) -> None:
        """Take over the state that `to_json` wrote."""
        state = read_state(text, path, _FORMAT)
        lacking = sorted(self._state().keys() - state.keys())
        if lacking:
            raise ValueError(f"{path} is not a whole session: it lacks {lacking}.")
        if state["groups_fingerprint"] != self.groups_hash:
            raise ValueError(
                f"{path} was saved for other groups, or for a session that was started "
                "without groups; start the search as before."
            )
        restore_rounds(self.rounds, state, path)
        if state["groups"] is not None:
            self.groups[self.rounds.ledger.indices] = decode(state["groups"])
            self.rounds.fit_params.update(self._told_params())
            self.told = True
        self.queries = [np.array(b, dtype=np.intp) for b in state["queries"]]
        self.stopped_by = state["stopped_by"]
        self._n_fitted = 0
        self._utilities = None
