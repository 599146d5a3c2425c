"""From an object to a JSON tree and the arrays it refers to.

Every value is one node. None, booleans, integers, finite floats and strings stand for
themselves; everything else is an object with a ``type``. A node used more than once
has an ``id``, and its later uses are ``{"type": "ref", "id": ...}``.
"""

from __future__ import annotations

import base64
import copyreg
import functools
import math
import types
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Any, Literal

import narwhals as nw
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from bead_sklearn.persistence._arrays import describe_dtype, is_fortran, to_tensor
from bead_sklearn.persistence._classes import class_name

Node = Any

_PLAIN = frozenset({type(None), bool, int, str})

_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodDescriptorType,
    functools.partial,
    np.ufunc,
)

#: The arrays that make up a sparse matrix, by its format.
SPARSE_PARTS = {
    "csr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "bsr": ("data", "indices", "indptr"),
    "coo": ("data", "coords"),
    "dia": ("data", "offsets"),
}


class Encoder:
    """Turn objects into nodes, collecting arrays and class names.

    Attributes
    ----------
    tensors : dict of str to ndarray
        The arrays, by the path of their first use.
    classes : set of str
        Names of all classes met.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, NDArray[Any]] = {}
        self.classes: set[str] = set()
        # The objects are kept with their nodes: an id is only unique among the living.
        self._seen: dict[int, tuple[object, dict[str, Node]]] = {}
        self._unfinished: set[int] = set()
        self._n_shared = 0

    def encode(self, value: Any, path: str) -> Node:
        """Return the node of ``value``; ``path`` names it in errors."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is float:
            if math.isfinite(value):
                return value
            return {"type": "float", "value": repr(value)}
        if isinstance(value, _FUNCTIONS):
            raise _function_error(value, path)
        small = self._encode_small(value, path)
        if small is not None:
            return small
        if id(value) in self._seen:
            return self._refer(value, path)
        node: dict[str, Node] = {}
        self._seen[id(value)] = (value, node)
        self._encode_shared(value, node, path)
        return node

    def _refer(self, value: object, path: str) -> Node:
        if id(value) in self._unfinished:
            raise ValueError(
                f"{path} is a {type(value).__name__} that contains itself; such a "
                "value cannot be saved."
            )
        node = self._seen[id(value)][1]
        if "id" not in node:
            node["id"] = self._n_shared
            self._n_shared += 1
        return {"type": "ref", "id": node["id"]}

    def _encode_small(self, value: Any, path: str) -> dict[str, Node] | None:
        """Return the node of a value without identity, None for other values."""
        if isinstance(value, np.generic):
            return self._encode_scalar(value, path)
        if isinstance(value, type):
            return {"type": "class", "class": self._name(value, path)}
        if isinstance(value, np.dtype):
            description = self.encode(describe_dtype(value), f"{path}.descr")
            return {"type": "dtype", "descr": description}
        if isinstance(value, PurePath):
            return {"type": "path", "value": str(value)}
        kind = type(value)
        if kind is complex:
            parts = [repr(value.real), repr(value.imag)]
            return {"type": "complex", "value": parts}
        if kind is bytes or kind is bytearray:
            text = base64.b64encode(value).decode("ascii")
            return {"type": kind.__name__, "base64": text}
        if kind is slice or kind is range:
            bounds = (value.start, value.stop, value.step)
            nodes = self._encode_all(bounds, path)
            return {"type": kind.__name__, "bounds": nodes}
        return None

    def _encode_scalar(self, value: np.generic, path: str) -> dict[str, Node]:
        if value.dtype.hasobject:
            raise TypeError(f"{path} is a numpy record of Python objects.")
        if isinstance(value, np.str_):
            return {"type": "scalar", "dtype": "str", "value": str(value)}
        if isinstance(value, np.bytes_):
            text = base64.b64encode(bytes(value)).decode("ascii")
            return {"type": "scalar", "dtype": "bytes", "base64": text}
        description = self.encode(describe_dtype(value.dtype), path)
        node: dict[str, Node] = {"type": "scalar", "dtype": description}
        plain = value.item()
        if value.dtype.kind in "biuf" and type(plain) in {bool, int, float}:
            node["value"] = self.encode(plain, path)
        else:
            node["base64"] = base64.b64encode(value.tobytes()).decode("ascii")
        return node

    def _encode_shared(self, value: Any, node: dict[str, Node], path: str) -> None:
        """Fill the node of a value with identity."""
        kind = type(value)
        if isinstance(value, np.ndarray):
            self._encode_array(value, node, path)
        elif sp.issparse(value):
            self._encode_sparse(value, node, path)
        elif kind is list:
            node.update(type="list", items=self._encode_all(value, path))
        elif kind is tuple:
            with_self = self._guarded(value, lambda: self._encode_all(value, path))
            node.update(type="tuple", items=with_self)
        elif kind is set or kind is frozenset:
            # In a fixed order, so that equal models give equal files.
            members = sorted(value, key=lambda item: (type(item).__name__, repr(item)))
            nodes = self._guarded(value, lambda: self._encode_all(members, path))
            node.update(type=kind.__name__, items=nodes)
        elif kind is dict:
            self._encode_dict(value, node, path)
        elif kind is np.random.RandomState:
            state = self.encode(value.get_state(legacy=False), f"{path}.state")
            node.update(type="RandomState", state=state)
        elif kind is np.random.Generator:
            state = self.encode(value.bit_generator.state, f"{path}.state")
            node.update(type="Generator", state=state)
        else:
            self._encode_object(value, node, path)

    def _guarded(self, value: object, encode: Callable[[], Node]) -> Node:
        """Encode the parts of a value that only exists once its parts do."""
        self._unfinished.add(id(value))
        try:
            return encode()
        finally:
            self._unfinished.discard(id(value))

    def _encode_all(self, values: Iterable[Any], path: str) -> list[Node]:
        return [
            value
            if type(value) in _PLAIN
            else self.encode(value, f"{path}[{position}]")
            for position, value in enumerate(values)
        ]

    def _encode_dict(
        self, value: dict[Any, Any], node: dict[str, Node], path: str
    ) -> None:
        node["type"] = "dict"
        if all(type(key) is str for key in value):
            node["entries"] = {
                key: self.encode(item, f"{path}[{key!r}]")
                for key, item in value.items()
            }
        else:
            node["items"] = [
                [
                    self.encode(key, f"{path}: key {key!r}"),
                    self.encode(item, f"{path}[{key!r}]"),
                ]
                for key, item in value.items()
            ]

    def _encode_array(
        self, value: NDArray[Any], node: dict[str, Node], path: str
    ) -> None:
        if isinstance(value, np.ma.MaskedArray):
            node.update(
                type="masked_array",
                data=self.encode(np.asarray(value.data), f"{path}.data"),
                mask=self.encode(np.ma.getmaskarray(value), f"{path}.mask"),
                fill_value=self.encode(value.fill_value, f"{path}.fill_value"),
            )
            return
        if type(value) not in {np.ndarray, np.memmap}:
            raise TypeError(
                f"{path} is a {type(value).__module__}.{type(value).__qualname__}; of "
                "the arrays only ndarray and MaskedArray can be saved."
            )
        dtype = value.dtype
        node.update(type="array", shape=list(value.shape))
        order: Literal["C", "F"] = "F" if is_fortran(value) else "C"
        if order == "F":
            node["order"] = order
        if dtype == np.dtype(object):
            items = value.ravel(order=order).tolist()
            node["items"] = self._encode_all(items, path)
            return
        if dtype.hasobject or dtype.kind == "T":
            raise TypeError(f"{path} is an array of dtype {dtype}: it cannot be saved.")
        name = path if path not in self.tensors else f"{path}#{len(self.tensors)}"
        self.tensors[name] = to_tensor(value)
        node.update(
            name=name, dtype=self.encode(describe_dtype(dtype), f"{path}.dtype")
        )

    def _encode_sparse(self, value: Any, node: dict[str, Node], path: str) -> None:
        kept = value if value.format in SPARSE_PARTS else value.tocoo()
        node.update(
            type="sparse",
            format=value.format,
            kind="array" if isinstance(value, sp.sparray) else "matrix",
            shape=list(value.shape),
            stored=kept.format,
        )
        for part in SPARSE_PARTS[kept.format]:
            node[part] = self.encode(getattr(kept, part), f"{path}.{part}")

    def _encode_object(self, value: Any, node: dict[str, Node], path: str) -> None:
        """Take an object apart as the pickle protocol does, but for its functions."""
        cls = type(value)
        if nw.dependencies.is_into_dataframe(value) or nw.dependencies.is_into_series(
            value
        ):
            raise TypeError(
                f"{path} is a {cls.__module__}.{cls.__qualname__}; of tables only "
                "arrays, sparse matrices, lists and dicts can be saved."
            )
        name = self._name(cls, path)
        try:
            reduced = value.__reduce_ex__(2)
        except TypeError as error:
            raise TypeError(f"{path} cannot be saved: {error}") from error
        if isinstance(reduced, str):
            raise _function_error(value, path)
        function, arguments, state, items, entries = (*reduced, None, None, None)[:5]
        if function is copyreg.__newobj__ and arguments[0] is cls:  # type: ignore[attr-defined]
            arguments = arguments[1:]
        elif function is not cls or cls.__init__ is not object.__init__:
            raise TypeError(
                f"{path} cannot be saved: a {name.replace(':', '.')} is only rebuilt "
                "by calling a function."
            )
        node.update({"type": "object", "class": name})
        if arguments:
            node["new"] = self._guarded(
                value, lambda: self._encode_all(arguments, f"{path}.__new__")
            )
        if isinstance(state, dict) and all(type(key) is str for key in state):
            node["state"] = {
                "type": "dict",
                "entries": {
                    key: self.encode(item, f"{path}.{key}")
                    for key, item in state.items()
                },
            }
        elif state is not None:
            node["state"] = self.encode(state, f"{path}.__getstate__()")
        if items is not None:
            node["items"] = self._encode_all(items, path)
        if entries is not None:
            node["entries"] = self._encode_all(entries, path)

    def _name(self, cls: type, path: str) -> str:
        if "<locals>" in cls.__qualname__:
            raise TypeError(
                f"{path} belongs to the class {cls.__qualname__}, defined inside a "
                "function: it could not be found again. Define it in a module."
            )
        name = class_name(cls)
        self.classes.add(name)
        return name


def _function_error(value: object, path: str) -> TypeError:
    return TypeError(
        f"Functions cannot be saved: {path} is {value!r}. Saved models hold data only, "
        "so that loading one never runs code of its own."
    )
