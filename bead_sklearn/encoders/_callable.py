"""A function of strings as a transformer."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from bead_sklearn._sklearn import _fit_context
from bead_sklearn.encoders._memory import remembered
from bead_sklearn.inputs import read_text


class CallableEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Encode text by a function.

    Parameters
    ----------
    function : callable
        Takes a list of n distinct strings and returns numbers of shape (n, d), d the
        same at every call. In fit it is called with one string, to learn d.

    Attributes
    ----------
    n_components_ : int
        Number of features, d.

    Examples
    --------
    >>> encoder = CallableEncoder(lambda texts: [[len(text)] for text in texts])
    >>> encoder.fit_transform(["a", "abc", "a"]).tolist()
    [[1.0], [3.0], [1.0]]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"function": [callable]}

    def __init__(self, function: Callable[[list[str]], Any]) -> None:
        self.function = function

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> CallableEncoder:
        """Learn the number of features.

        Parameters
        ----------
        X : list, array or Series of str, or DataFrame with one column
            Texts, of which the first is encoded.
        y : None
            Ignored.

        Returns
        -------
        self : CallableEncoder
            The fitted encoder.
        """
        self.n_components_ = self._call(read_text(X).values[:1]).shape[1]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Encode texts, each distinct string once.

        Parameters
        ----------
        X : list, array or Series of str, or DataFrame with one column
            Texts.

        Returns
        -------
        features : ndarray of float64 of shape (n_rows, d)
            What the function returns for each row.

        Raises
        ------
        ValueError
            If the function does not return finite numbers of shape (n, d).
        """
        check_is_fitted(self)
        text = read_text(X)
        features = self._call(text.values)
        if features.shape[1] != self.n_components_:
            raise ValueError(
                f"The encoder function returned {features.shape[1]} features per text "
                f"and {self.n_components_} in fit."
            )
        rows: np.ndarray = features[text.index]
        return rows

    def _call(self, values: list[str]) -> np.ndarray:
        # Clones share a function; they have copies of other callables.
        is_shared = isinstance(self.function, FunctionType)
        table = remembered(("function", self.function)) if is_shared else None
        if table is None:
            return self._compute(values)
        known = table.get(values)
        missing = [value for value in values if value not in known]
        if missing:
            features = self._compute(missing)
            table.put(missing, features)
            known.update(zip(missing, features, strict=True))
        return np.stack([known[value] for value in values])

    def _compute(self, values: list[str]) -> np.ndarray:
        returned = self.function(list(values))
        if sparse.issparse(returned):
            returned = returned.toarray()
        features = np.asarray(returned, dtype=np.float64)
        if features.ndim != 2 or len(features) != len(values) or not features.size:
            raise ValueError(
                f"The encoder function got {len(values)} strings and must return an "
                f"array of shape ({len(values)}, d) with d >= 1. It returned shape "
                f"{features.shape}."
            )
        bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(bad):
            raise ValueError(
                f"The encoder function returned NaN or infinity for {len(bad)} texts, "
                f"first for {values[bad[0]]!r}."
            )
        return features

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)
