"""Runs that can be interrupted at any moment and continue where they were."""

from __future__ import annotations

import json
import re
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bead_sklearn._files import write_file
from bead_sklearn.active_learning._rounds import Rounds
from bead_sklearn.active_learning._state import (
    numpy_scalar,
    read_state,
    restore_rounds,
    rounds_state,
)

_FORMAT = "bead_sklearn active learning run"
#: Parameters that may change between an interruption and the continuation.
_FREE = (
    "checkpoint",
    "max_cost",
    "max_iterations",
    "max_labels",
    "n_jobs",
    "oracle",
    "refit",
    "router",
    "stopping",
    "validation",
    "verbose",
)


class Checkpoint:
    """A file that holds the state of a run after every answer.

    The file is replaced in one step after its content is on the disk, so that it holds
    the state before or after an answer whenever the process ends.

    Parameters
    ----------
    path : Path
        The file.
    parameters : str
        Parameters of the search that decide on its queries, as text.
    """

    def __init__(self, path: Path, parameters: str) -> None:
        self.path = path
        self.parameters = parameters

    def save(
        self,
        rounds: Rounds,
        start: list[NDArray[np.intp]],
        queries: list[NDArray[np.intp]],
        pending: NDArray[np.intp],
    ) -> None:
        """Write the state.

        Parameters
        ----------
        rounds : Rounds
            The run.
        start : list of ndarray
            Rows of the starting set.
        queries : list of ndarray
            Rows of every batch.
        pending : ndarray
            Rows of the last batch that have not been asked about yet.
        """
        state = {
            "format": _FORMAT,
            **rounds_state(rounds),
            "parameters": self.parameters,
            "iteration": rounds.iteration,
            "start": [rows.tolist() for rows in start],
            "queries": [rows.tolist() for rows in queries],
            "pending": pending.tolist(),
        }
        text = json.dumps(state, default=numpy_scalar)
        write_file(self.path, lambda file: file.write(text))

    def seed(self) -> int | None:
        """Return the seed of the run in the file, which may have been drawn freely.

        Returns
        -------
        seed : int or None
            None if there is no file yet.

        Raises
        ------
        ValueError
            If the file is no state of a run.
        """
        if not self.path.exists():
            return None
        return int(self._read()["seed"])

    def _read(self) -> dict[str, Any]:
        return read_state(self.path.read_text(encoding="utf-8"), self.path, _FORMAT)

    def load(
        self, rounds: Rounds
    ) -> tuple[list[NDArray[np.intp]], list[NDArray[np.intp]], NDArray[np.intp]] | None:
        """Restore the state into a run that has just been planned.

        Parameters
        ----------
        rounds : Rounds
            The run.

        Returns
        -------
        start, queries, pending : list of ndarray, list of ndarray, ndarray
            As in `save`; None if there is no file yet.

        Raises
        ------
        ValueError
            If the file belongs to another search or other rows.
        """
        if not self.path.exists():
            return None
        state = self._read()
        if state["parameters"] != self.parameters:
            raise ValueError(
                f"{self.path} belongs to a search with other parameters: "
                f"{state['parameters']} and not {self.parameters}. Continue with the "
                "same, or remove the file."
            )
        restore_rounds(rounds, state, self.path)
        rounds.iteration = int(state["iteration"])
        return (
            [np.array(rows, dtype=np.intp) for rows in state["start"]],
            [np.array(rows, dtype=np.intp) for rows in state["queries"]],
            np.array(state["pending"], dtype=np.intp),
        )


def checkpoints_of(
    path: str | PathLike[str] | None, search: Any, n_runs: int
) -> list[Checkpoint | None]:
    """Return the checkpoint of each run of a search.

    Parameters
    ----------
    path : path-like or None
        File of a single run; of several runs, the number of the run is added before
        the suffix. None keeps none.
    search : ActiveLearningSearch
        The search.
    n_runs : int
        Number of runs.

    Returns
    -------
    checkpoints : list of Checkpoint or None
        One per run.
    """
    if path is None:
        return [None] * n_runs
    file = Path(path)
    parameters = _describe(search)
    if n_runs == 1:
        return [Checkpoint(file, parameters)]
    return [
        Checkpoint(file.with_name(f"{file.stem}-{run}{file.suffix}"), parameters)
        for run in range(n_runs)
    ]


def seed_of(checkpoint: Checkpoint | None, drawn: int) -> int:
    """Return the seed of a run: that of its file, or the one drawn now.

    Parameters
    ----------
    checkpoint : Checkpoint or None
        Where the run is kept.
    drawn : int
        Seed of a run that begins.

    Returns
    -------
    seed : int
        The seed.
    """
    known = None if checkpoint is None else checkpoint.seed()
    return drawn if known is None else known


def _describe(search: Any) -> str:
    """Write the parameters that decide on the queries, without addresses of objects."""
    params = search.get_params(deep=False)
    kept = {name: params[name] for name in sorted(params) if name not in _FREE}
    text = ", ".join(f"{name}={value!r}" for name, value in kept.items())
    return re.sub(r"\s+", " ", re.sub(r" at 0x[0-9a-f]+", "", text))
