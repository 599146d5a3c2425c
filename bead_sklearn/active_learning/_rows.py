"""Rows of any container: concatenating, checking and recognising them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from bead_sklearn._sklearn import _num_samples
from bead_sklearn.inputs._ids import read_groups
from bead_sklearn.inputs._levels import first_seen_codes, object_array
from bead_sklearn.inputs._missing import is_missing


def concatenate_rows(parts: Sequence[Any]) -> Any:
    """Put the rows of several containers of one kind into one.

    Parameters
    ----------
    parts : sequence of array, sparse matrix, list or data frame
        At least one container; all of the same kind.

    Returns
    -------
    rows : same kind as the parts
        All rows, in order. A sparse result is in CSR format.

    Raises
    ------
    TypeError
        If the parts are of different kinds, or arrays of text and of numbers.
    ValueError
        If their columns differ.
    """
    kinds = {_kind(part) for part in parts}
    if len(kinds) > 1:
        raise TypeError(
            f"Rows of different containers cannot be joined, got {sorted(kinds)}. Pass "
            "the same type every time."
        )
    kind = kinds.pop()
    if kind == "data frame":
        frames = [nw.from_native(part, eager_only=True) for part in parts]
        columns = frames[0].columns
        for frame in frames:
            if frame.columns != columns:
                raise ValueError(
                    f"Data frames with different columns cannot be joined: {columns} "
                    f"and {frame.columns}."
                )
        return nw.concat(frames, how="vertical").to_native()
    if kind == "sparse matrix":
        return sparse.vstack(parts, format="csr")
    if kind == "list":
        return [row for part in parts for row in part]
    if len({_holds_text(part) for part in parts if part.size}) > 1:
        shown = [part.ravel()[:1].tolist()[0] for part in parts if part.size]
        raise TypeError(
            f"Text and numbers cannot be joined, got {shown[0]!r} and {shown[-1]!r}."
        )
    return np.concatenate(parts)


def _holds_text(values: NDArray[Any]) -> bool:
    if values.dtype.kind != "O":
        return values.dtype.kind in "US"
    return any(isinstance(value, str) for value in values.ravel())


def _kind(rows: Any) -> str:
    if nw.dependencies.is_into_dataframe(rows):
        return "data frame"
    if sparse.issparse(rows):
        return "sparse matrix"
    return "list" if isinstance(rows, list) else "array"


def as_row_container(rows: Any) -> Any:
    """Return lists, sparse matrices and frames as they are, other rows as arrays.

    Sparse matrices whose rows cannot be picked become CSR.
    """
    if _kind(rows) != "array":
        return rows if hasattr(rows, "__getitem__") else rows.tocsr()
    if nw.dependencies.is_into_series(rows):
        return nw.from_native(rows, series_only=True).to_numpy()
    return np.asarray(rows)


def as_labels(y: Any) -> Any:
    """Return labels as an array, or as a list where rows hold collections.

    Lists of lists or sets (several options chosen per row) have no array form and stay
    lists; everything else, Series and one-column frames included, becomes an array.
    """
    if nw.dependencies.is_into_series(y):
        return nw.from_native(y, series_only=True).to_numpy()
    if nw.dependencies.is_into_dataframe(y):
        return nw.from_native(y, eager_only=True).to_numpy()
    if isinstance(y, list) and any(
        isinstance(label, list | tuple | set | frozenset) for label in y
    ):
        return y
    labels = np.asarray(y)
    if labels.dtype.kind in "US" and labels.ndim == 1 and not hasattr(y, "dtype"):
        values = list(y)
        if not all(isinstance(value, (str, bytes)) for value in values):
            return object_array(values)  # where numpy spells NaN and 1 as strings
    return labels


def as_groups(groups: Any) -> Any:
    """Return one id per row as an object array, and tables of several as they are.

    Raises
    ------
    TypeError, ValueError
        If an id is missing, empty or not hashable.
    """
    if nw.dependencies.is_into_dataframe(groups) or getattr(groups, "ndim", 1) > 1:
        return groups
    return read_groups(groups, _num_samples(groups))["groups"]


def as_plain_labels(labels: Any) -> Any:
    """Give numbers that stand in an object array their own type.

    Labels that have None beside them, for rows not labelled yet, come in object arrays,
    and scikit-learn refuses numbers in those.
    """
    if isinstance(labels, list) or labels.dtype.kind != "O":
        return labels
    kinds = {type(label) for label in labels.ravel().tolist()}
    if len(kinds) == 1 and kinds <= {bool, int, float}:
        return np.array(labels.tolist())
    return labels


def check_labels(y: Any, rows: ArrayLike) -> None:
    """Refuse labels that are missing, and strings beside other labels.

    Parameters
    ----------
    y : ndarray or list
        Labels, as `as_labels` returns them.
    rows : array-like of shape (n_labels,)
        The row each label belongs to, for the message.

    Raises
    ------
    TypeError
        If some labels are strings and others are not.
    ValueError
        If a label is None or NaN, naming the row.
    """
    missing: NDArray[Any]
    if isinstance(y, list):
        missing = np.array([is_missing(label) for label in y], dtype=bool)
    elif y.dtype.kind in "fcmM":
        missing = np.isnan(y)
    elif y.dtype.kind == "O":
        missing = np.asarray(np.frompyfunc(is_missing, 1, 1)(y), dtype=bool)
    else:
        return
    if missing.ndim > 1:
        missing = np.asarray(missing.reshape(len(missing), -1).any(axis=1))
    if missing.any():
        row = np.asarray(rows)[np.flatnonzero(missing)[0]]
        raise ValueError(
            f"Input y contains NaN or None: {int(missing.sum())} labels are missing, "
            f"the first at row {row}."
        )
    if not isinstance(y, list) and y.dtype.kind == "O":
        texts = [label for label in y.ravel() if isinstance(label, str)]
        others = [label for label in y.ravel() if not isinstance(label, str)]
        if texts and others:
            raise TypeError(
                "Labels must be all strings or all something else, got "
                f"{texts[0]!r} and {others[0]!r}."
            )


def group_codes(groups: Any) -> NDArray[np.intp]:
    """Give each group a number, in order of appearance."""
    return first_seen_codes(as_groups(groups).tolist())[1]


def fingerprint(X: Any) -> str:
    """Hash the content of the rows, to recognise them in another session.

    Parameters
    ----------
    X : array, sparse matrix, list or data frame
        The rows.

    Returns
    -------
    digest : str
        Hexadecimal SHA-256 of the values; a pandas and a polars frame with the same
        values agree.
    """
    digest = hashlib.sha256()
    if nw.dependencies.is_into_dataframe(X):
        frame = nw.from_native(X, eager_only=True)
        for column in frame.iter_columns():
            digest.update(str(column.name).encode("utf-8", "surrogatepass"))
            _update(digest, column.to_numpy())
    elif sparse.issparse(X):
        csr = sparse.csr_matrix(X, copy=True)
        csr.sum_duplicates()
        for part in (csr.indptr.astype(np.int64), csr.indices.astype(np.int64)):
            _update(digest, part)
        _update(digest, csr.data)
    elif isinstance(X, list):
        _update_text(digest, X)
    else:
        _update(digest, np.asarray(X))
    return digest.hexdigest()


def _update(digest: Any, values: NDArray[Any]) -> None:
    if values.dtype.kind in "biufcmM":
        digest.update(str(values.shape).encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    else:
        _update_text(digest, values.ravel().tolist())


def _update_text(digest: Any, values: Sequence[Any]) -> None:
    text = [str(value) for value in values]
    digest.update(str([len(value) for value in text]).encode())
    digest.update("".join(text).encode("utf-8", "surrogatepass"))
