"""What a search has found, as attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from bead_sklearn._optional import import_optional
from bead_sklearn.active_learning._curve import area_under_curve, learning_curve
from bead_sklearn.active_learning._session import Session


class ResultsMixin:
    """Fitted attributes of a search, read from its runs or from its session."""

    runs_: list[Bunch]
    _session: Session | None
    _fitted: Any

    @property
    def estimator_(self) -> Any:
        """The estimator fitted to all labels known."""
        if self._session is not None and self._session.ready:
            self._fitted = self._session.estimator()
        if self._fitted is None:
            if "runs_" in self.__dict__:
                raise AttributeError(
                    "With refit=False the search keeps no estimator_ to predict with."
                )
            raise AttributeError(
                f"{type(self).__name__} has no estimator_: it is not fitted, or the "
                "labels told do not suffice yet."
            )
        return self._fitted

    @property
    def queries_(self) -> list[NDArray[np.intp]]:
        """Rows asked about, or told in a session, one array per batch."""
        queries: list[NDArray[np.intp]] = (
            self._first_run().queries
            if self._session is None
            else self._session.queries
        )
        return queries

    @property
    def initial_(self) -> NDArray[np.intp]:
        """Rows of the starting set that were asked about."""
        initial: NDArray[np.intp] = self._first_run().initial
        return initial

    @property
    def labeled_(self) -> NDArray[np.bool_]:
        """Rows whose labels are known."""
        labeled: NDArray[np.bool_] = (
            self._first_run().labeled
            if self._session is None
            else self._session.rounds.ledger.labeled.copy()
        )
        return labeled

    @property
    def stopped_by_(self) -> str | None:
        """What ended the search."""
        if self._session is not None:
            return self._session.stopped_by
        stopped_by: str = self._first_run().stopped_by
        return stopped_by

    @property
    def history_(self) -> dict[str, NDArray[Any]]:
        """A row per round of every run."""
        histories = self._histories()
        repeat = np.repeat(
            np.arange(len(histories)), [len(h["iteration"]) for h in histories]
        )
        return {"repeat": repeat} | {
            name: np.concatenate([h[name] for h in histories]) for name in histories[0]
        }

    def history_frame(self) -> Any:
        """Return ``history_`` as a pandas data frame.

        Returns
        -------
        frame : pandas.DataFrame
            A row per round of every run.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pandas = import_optional(
            "pandas", extra="pandas", purpose="The history as a data frame"
        )
        return pandas.DataFrame(self.history_)

    @property
    def learning_curve_(self) -> Bunch:
        """Scores against the number of labels."""
        return learning_curve(self._scored_histories())

    @property
    def area_under_curve_(self) -> float:
        """Mean height of the learning curve."""
        return float(
            np.mean(
                [
                    area_under_curve(h["n_labels"], h["score"])
                    for h in self._scored_histories()
                ]
            )
        )

    def _histories(self) -> list[dict[str, NDArray[Any]]]:
        if self._session is not None:
            return [self._session.rounds.history()]
        self._first_run()
        return [run.history for run in self.runs_]

    def _scored_histories(self) -> list[dict[str, NDArray[Any]]]:
        histories = self._histories()
        if "score" not in histories[0] or not len(histories[0]["score"]):
            raise AttributeError(
                "There is no learning curve: nothing was scored. Pass validation data "
                "or a share of rows to hold out (validation=)."
            )
        return histories

    def _first_run(self) -> Bunch:
        if "runs_" not in self.__dict__:
            raise AttributeError(f"This {type(self).__name__} is not fitted.")
        return self.runs_[0]

    def __sklearn_is_fitted__(self) -> bool:
        if self._session is not None:
            return self._session.ready
        return "runs_" in self.__dict__ or self._fitted is not None
