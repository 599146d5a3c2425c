"""Arrays as tensors of a safetensors file, with what that format cannot say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: dtypes a safetensors file holds as they are; others go as their bytes.
_NATIVE = frozenset(
    {"|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8"}
    | {"<f2", "<f4", "<f8"}
)


def describe_dtype(dtype: np.dtype[Any]) -> Any:
    """Return the description of ``dtype`` that `restore_dtype` reads.

    A string, or a list of fields for a structured dtype.
    """
    if dtype.names is None and dtype.subdtype is None:
        return dtype.str
    return np.lib.format.dtype_to_descr(dtype)


def restore_dtype(description: Any) -> np.dtype[Any]:
    """Return the dtype described by ``description``.

    Raises
    ------
    ValueError
        If it describes no dtype.
    """
    try:
        return np.lib.format.descr_to_dtype(description)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise ValueError(
            f"model.json names a dtype that does not exist: {description!r}"
        ) from error


def is_native(dtype: np.dtype[Any]) -> bool:
    """Tell whether a safetensors file can hold arrays of ``dtype`` as they are."""
    return dtype.names is None and dtype.str in _NATIVE


def is_fortran(array: NDArray[Any]) -> bool:
    """Tell whether the columns of ``array``, not its rows, are contiguous."""
    return array.flags.f_contiguous and not array.flags.c_contiguous


def to_tensor(array: NDArray[Any]) -> NDArray[Any]:
    """Return the contiguous array of native dtype that stands for ``array``.

    An array of Fortran order is stored transposed, because products of matrices
    may differ in the last bit between the orders.
    """
    stored = array.T if is_fortran(array) else array
    # np.ascontiguousarray would turn an array without dimensions into a vector.
    stored = np.array(stored, order="C", copy=None, subok=False)
    if is_native(stored.dtype):
        return stored
    return np.frombuffer(stored.tobytes(), dtype=np.uint8)


def from_tensor(
    tensor: NDArray[Any], name: str, *, dtype: np.dtype[Any], shape: Any, order: str
) -> NDArray[Any]:
    """Return the array for which ``tensor`` stands, writeable and owning its memory.

    Parameters
    ----------
    tensor : ndarray
        As returned by `to_tensor`.
    name : str
        Its name, for errors.
    dtype, shape, order
        Those of the array that was stored.

    Raises
    ------
    ValueError
        If the tensor does not fit the description.
    """
    if dtype.hasobject:
        raise ValueError(f"The array {name!r} must hold plain values. Got {dtype}.")
    stored = tuple(shape)[::-1] if order == "F" else tuple(shape)
    if is_native(dtype):
        expected: tuple[tuple[int, ...], np.dtype[Any]] = (stored, dtype)
    else:
        size = math.prod(stored) * dtype.itemsize
        expected = ((size,), np.dtype(np.uint8))
    if (tensor.shape, tensor.dtype) != expected:
        raise ValueError(
            f"The array {name!r} must be stored with shape {expected[0]} and dtype "
            f"{expected[1]}. Got shape {tensor.shape} and dtype {tensor.dtype}."
        )
    if is_native(dtype):
        array = tensor.copy()
    else:
        array = np.ndarray(stored, dtype=dtype, buffer=tensor.tobytes()).copy()
    return array.T if order == "F" else array
