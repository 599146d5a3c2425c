"""Rows as vectors, for strategies that measure distances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone

from bead_sklearn.query._model_parts import at_last_step
from bead_sklearn.tasks._base import MixedModel

#: A dense array or a CSR matrix.
Matrix = Any


class FeatureSpace:
    """Turns pool and labelled rows into vectors of one space.

    Parameters
    ----------
    estimator : estimator or None
        A fitted estimator. Of a Pipeline the steps before the last make the vectors;
        of a task model its own encoder does; else numeric rows are their own vectors.
    features : callable, transformer or None
        Overrides this: a function of rows, or a transformer (fitted to the pool if it
        is not fitted).
    name : str
        Who asks, for errors.
    """

    def __init__(
        self, estimator: Any, features: Callable[[Any], Any] | Any | None, name: str
    ) -> None:
        self._estimator = estimator
        self._features = features
        self._name = name

    def pool(self, X: Any) -> Matrix:
        """Return the vectors of the pool."""
        given = self._features
        if given is not None and not callable(given):
            if not _is_fitted(given):
                given = clone(given).fit(X)
            self._features = given
        return self.rows(X)

    def rows(self, X: Any) -> Matrix:
        """Return the vectors of rows, once the pool was read."""
        given = self._features
        if given is not None:
            made = given(X) if callable(given) else given.transform(X)
            return self._check(made, X)
        model, X = at_last_step(self._estimator, X)
        if isinstance(model, MixedModel):
            return _of_task_model(model, X)
        return self._check(X, X)

    def labeled(self, X: Any, like: Matrix) -> Matrix:
        """Return the vectors of labelled rows; none if there are none."""
        if X is None or _is_empty(X):
            return np.empty((0, like.shape[1]), dtype=like.dtype)
        return self.rows(X)

    def _check(self, values: Any, X: Any) -> Matrix:
        if sparse.issparse(values):
            matrix = sparse.csr_matrix(values)
            data = matrix.data
        else:
            if nw.dependencies.is_into_dataframe(values):
                frame = nw.from_native(values, eager_only=True)
                text = [
                    name
                    for name, kind in frame.schema.items()
                    if not (kind.is_numeric() or kind == nw.Boolean)
                ]
                if text:
                    raise ValueError(self._no_numbers(f"the column {text[0]!r}"))
                values = frame.to_numpy()
            matrix = np.asarray(values)
            if matrix.dtype.kind not in "biuf" or matrix.ndim != 2:
                raise ValueError(
                    self._no_numbers(
                        f"rows of shape {matrix.shape} and type {matrix.dtype}"
                    )
                )
            if matrix.dtype not in (np.float32, np.float64):
                matrix = matrix.astype(np.float64)
            data = matrix
        # The sum is finite if all are, and tells in one pass without a copy.
        with np.errstate(over="ignore", invalid="ignore"):
            finite = np.isfinite(data.sum(dtype=np.float64))
        if not finite and not np.isfinite(data).all():
            raise ValueError(
                f"{self._name} needs features that are finite, got NaN or infinity."
            )
        del X
        return matrix

    def _no_numbers(self, got: str) -> str:
        return (
            f"{self._name} needs rows as numbers, got {got}. Put the estimator in a "
            "Pipeline whose steps make numbers, or pass features=, a transformer or a "
            "function of the rows."
        )


def _is_fitted(transformer: Any) -> bool:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(transformer)
    except NotFittedError:
        return False
    return True


def _is_empty(X: Any) -> bool:
    return (X.shape[0] if hasattr(X, "shape") else len(X)) == 0


def _of_task_model(model: Any, X: Any) -> NDArray[np.float64]:
    """Features of judgments as a task model has them, standardised as it does.

    Of a choice the alternatives stand side by side.
    """
    rows = model._read_rows(X, None)
    builder = model._features
    raw = builder._raw(builder._join(rows.judgments))
    fixed = (raw.fixed.values - builder.fixed_center_) / builder.fixed_scale_
    if raw.fixed.index is not None:
        fixed = fixed[raw.fixed.index]
    parts = [fixed[:, int(builder.intercept_) :]]
    if raw.ridge is not None:
        ridge = (raw.ridge.values - builder.ridge_center_) / builder.ridge_scale_
        parts.append(ridge if raw.ridge.index is None else ridge[raw.ridge.index])
    values: NDArray[np.float64] = np.hstack(parts)
    if rows.family.sets is None:
        return values
    table = rows.arrange(np.arange(len(values), dtype=float), -1.0).astype(np.intp)
    side_by_side = np.where((table >= 0)[:, :, None], values[table], 0.0)
    return side_by_side.reshape(len(table), -1)
