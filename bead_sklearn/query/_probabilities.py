"""Reading class probabilities: one list of distributions for every kind of target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Rows of float32 softmax outputs miss one by up to about 1e-6 per hundred classes.
_TOLERANCE = 1e-4


def as_distributions(
    probabilities: Any, *, multi_label: bool
) -> list[NDArray[np.float64]]:
    """Write probabilities as a list of categorical distributions per row.

    Parameters
    ----------
    probabilities : array-like of shape (n_samples, n_classes) or list of such
        Class probabilities; a list holds one array per output.
    multi_label : bool
        Whether the columns of an array are the probabilities of separate yes/no
        labels.

    Returns
    -------
    distributions : list of ndarray of shape (n_samples, n_classes)
        One array per output, rows summing to one.

    Raises
    ------
    ValueError
        If the values are no probabilities, naming the first row at fault.
    """
    if is_output_list(probabilities):
        return [_check_rows(output, normalized=True) for output in probabilities]
    values = _check_rows(probabilities, normalized=not multi_label)
    if not multi_label:
        return [values]
    return [np.stack([1.0 - column, column], axis=1) for column in values.T]


def is_output_list(probabilities: Any) -> bool:
    """Whether probabilities come as one array per output."""
    return (
        isinstance(probabilities, list)
        and len(probabilities) > 0
        and np.ndim(probabilities[0]) == 2
    )


def _check_rows(values: Any, *, normalized: bool) -> NDArray[np.float64]:
    """Check one array of probabilities and return it as float64."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(
            "probabilities must have shape (n_samples, n_classes), got shape "
            f"{array.shape}."
        )
    # Written so that NaN fails the comparison.
    low, high = (array.min(), array.max()) if array.size else (0.0, 1.0)
    if not (low >= -_TOLERANCE and high <= 1.0 + _TOLERANCE):
        inside = (array >= -_TOLERANCE) & (array <= 1.0 + _TOLERANCE)
        row = int(np.flatnonzero(~inside.all(axis=1))[0])
        raise ValueError(
            "probabilities must lie between 0 and 1, got "
            f"{array[row].tolist()} in row {row}."
        )
    if normalized:
        total = array @ np.ones(array.shape[1])
        wrong = np.flatnonzero(np.abs(total - 1.0) > _TOLERANCE)
        if len(wrong):
            raise ValueError(
                f"probabilities must sum to 1 in every row, got {total[wrong[0]]:g} in "
                f"row {wrong[0]}. For separate yes/no labels pass multi_label=True."
            )
    if low < 0.0 or high > 1.0:
        return np.clip(array, 0.0, 1.0)
    return array


def is_multi_label(estimator: Any, probabilities: Any, y_labeled: Any) -> bool:
    """Whether the columns of a probability array are separate yes/no labels.

    The labels say so when they are known, then the estimator (``multilabel_``);
    otherwise rows that do not sum to one can only be separate labels.
    """
    if is_output_list(probabilities):
        return False
    array = np.asarray(probabilities)
    if y_labeled is not None and not isinstance(y_labeled, list):
        shape = np.shape(y_labeled)
        return len(shape) == 2 and shape[1] > 1
    if hasattr(estimator, "multilabel_"):
        return bool(estimator.multilabel_)
    return array.ndim == 2 and bool(
        (np.abs(array.sum(axis=1) - 1.0) > _TOLERANCE).any()
    )
