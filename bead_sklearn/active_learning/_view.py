"""What a fitted estimator says about the rows of a search, computed when read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bead_sklearn._sklearn import _check_method_params, _safe_indexing
from bead_sklearn.model_selection._groups import groups_kwargs


@dataclass
class ModelView:
    """Predictions of an estimator for the rows of a search.

    Attributes
    ----------
    estimator : estimator
        The fitted estimator.
    X : array, sparse matrix, list or data frame
        All rows of the search.
    rows : ndarray of shape (n_rows,)
        Rows that predictions are compared on from round to round: all that are not
        held out, labelled or not, so that they stay the same.
    pool : ndarray of shape (n_pool,)
        Rows that can still be asked about.
    groups : array-like or None
        Participant ids of all rows, for estimators that take them.
    previous : ndarray or None
        Predictions of the round before, if they were read then.
    """

    estimator: Any
    X: Any
    rows: NDArray[np.intp]
    pool: NDArray[np.intp]
    groups: Any = None
    previous: NDArray[Any] | None = None

    @cached_property
    def predictions(self) -> NDArray[Any]:
        """Predictions of ``rows``."""
        return np.asarray(self._respond("predict", self.rows))

    @cached_property
    def probabilities(self) -> Any:
        """Class probabilities of ``pool``, as ``predict_proba`` returns them."""
        if not hasattr(self.estimator, "predict_proba"):
            raise ValueError(
                "The stopping rule needs class probabilities, but "
                f"{type(self.estimator).__name__} has no predict_proba."
            )
        return self._respond("predict_proba", self.pool)

    @property
    def seen(self) -> NDArray[Any] | None:
        """Predictions of ``rows`` if something has read them."""
        return self.__dict__.get("predictions")

    def _respond(self, method: str, rows: NDArray[np.intp]) -> Any:
        params = {}
        if self.groups is not None:
            params = _check_method_params(self.X, {"groups": self.groups}, indices=rows)
        named = groups_kwargs(self.estimator, method, params.get("groups"))
        return getattr(self.estimator, method)(_safe_indexing(self.X, rows), **named)
