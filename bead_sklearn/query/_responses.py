"""Class probabilities of a large pool, a part at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.model_selection._groups import groups_kwargs
from bead_sklearn.query._members import chunks, rows_at

#: Rows that are predicted together. Arrays are cut, which costs nothing; texts and
#: frames are predicted whole, since reading them has a cost per call.
_ROWS = 65_536


def probability_parts(
    estimator: Any, X: Any, groups: Any, name: str
) -> Iterator[tuple[slice, Any]]:
    """Yield what ``predict_proba`` says of parts of the pool.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier.
    X : array-like of shape (n_pool, ...)
        The pool.
    groups : array-like of shape (n_pool,) or None
        Participant ids.
    name : str
        Name under which they travel.

    Yields
    ------
    part : slice
        The rows.
    probabilities : ndarray or list of ndarray
        What the classifier says of them.
    """
    n = _num_samples(X)
    kwargs = groups_kwargs(estimator, "predict_proba", groups, name=name)
    can_cut = isinstance(X, np.ndarray) or sparse.issparse(X)
    for part in chunks(n, _ROWS if can_cut else max(n, 1)):
        given = {key: rows_at(value, part) for key, value in kwargs.items()}
        rows = X[part] if can_cut and n > _ROWS else X
        yield part, estimator.predict_proba(rows, **given)
    if n == 0:
        yield slice(0, 0), estimator.predict_proba(X, **kwargs)


def class_probabilities(
    estimator: Any, X: Any, groups: Any, name: str, who: str
) -> NDArray[Any]:
    """Return the probabilities of one output, (n_pool, n_classes).

    Raises
    ------
    ValueError
        If there are several outputs, or probabilities are missing.
    """
    parts = []
    for _, said in probability_parts(estimator, X, groups, name):
        if isinstance(said, list):
            raise ValueError(
                f"{who} needs one label per row; the estimator predicts {len(said)}."
            )
        parts.append(np.asarray(said))
    values = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if np.isnan(values).any():
        raise ValueError(f"{who} needs probabilities, got NaN.")
    return values
