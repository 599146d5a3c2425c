"""From X to the features of items."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from bead_sklearn.encoders import fit_encoder, resolve_encoder
from bead_sklearn.inputs import InputReader


class ItemFeatures:
    """Encodes text columns, each distinct string once, and appends numeric columns.

    Parameters
    ----------
    encoder : object
        The ``encoder`` parameter of the estimator.
    options : dict
        Passed on to :func:`~bead_sklearn.encoders.resolve_encoder`.
    """

    def __init__(self, encoder: Any, options: dict[str, Any]) -> None:
        self.encoder = encoder
        self.options = options
        self.reader = InputReader()
        self.encoders: dict[str, Any] | None = None

    def read(self, estimator: Any, X: Any, *, reset: bool) -> np.ndarray:
        """Return the features of the rows of X, (n_rows, d).

        Parameters
        ----------
        estimator : estimator
            Where ``n_features_in_`` is kept.
        X : object
            Items, in any form that :class:`~bead_sklearn.inputs.InputReader` reads.
        reset : bool
            Whether to learn the columns and to fit encoders.
        """
        judgments = self.reader.read(estimator, X, reset=reset)
        if reset:
            self.encoders = {
                name: fit_encoder(
                    resolve_encoder(self.encoder, **self.options), text.values
                )
                for name, text in judgments.texts.items()
            }
        assert self.encoders is not None
        parts = []
        for name, text in judgments.texts.items():
            values = _dense(self.encoders[name].transform(text.values))
            parts.append(values[text.index])
        if judgments.numeric is not None:
            parts.append(_dense(judgments.numeric))
        return np.hstack(parts) if parts else np.zeros((judgments.n_rows, 0))


def _dense(values: Any) -> np.ndarray:
    if sparse.issparse(values):
        values = values.toarray()
    return np.asarray(values, dtype=np.float64)
