"""From a JSON tree and its arrays back to the object.

Only trusted classes are built, by ``__new__`` and their state, as `copy` does it; no
name in the tree is imported or called before its check.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from bead_sklearn.persistence._arrays import from_tensor, restore_dtype
from bead_sklearn.persistence._classes import find_class
from bead_sklearn.persistence._encode import SPARSE_PARTS

Node = Any

_BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


class Decoder:
    """Rebuild objects from nodes.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        The arrays by name.
    trusted : tuple of str
        Modules trusted besides the default ones.
    """

    def __init__(
        self, tensors: Mapping[str, NDArray[Any]], trusted: tuple[str, ...]
    ) -> None:
        self._tensors = tensors
        self._trusted = trusted
        self._shared: dict[int, Any] = {}
        self._decoders: dict[str, Callable[[dict[str, Node]], Any]] = {
            "array": self._array,
            "bytearray": lambda node: bytearray(_from_base64(node)),
            "bytes": _from_base64,
            "class": lambda node: find_class(node["class"], self._trusted),
            "complex": lambda node: complex(*(float(part) for part in node["value"])),
            "dict": self._dict,
            "dtype": lambda node: restore_dtype(self.decode(node["descr"])),
            "float": lambda node: float(node["value"]),
            "frozenset": lambda node: frozenset(self._all(node["items"])),
            "Generator": self._generator,
            "list": self._list,
            "masked_array": self._masked_array,
            "object": self._object,
            "path": lambda node: Path(node["value"]),
            "RandomState": self._random_state,
            "range": lambda node: range(*self._all(node["bounds"])),
            "ref": self._reference,
            "scalar": self._scalar,
            "set": self._set,
            "slice": lambda node: slice(*self._all(node["bounds"])),
            "sparse": self._sparse,
            "tuple": lambda node: tuple(self._all(node["items"])),
        }

    def decode(self, node: Node) -> Any:
        """Return the object of ``node``.

        Raises
        ------
        ValueError
            If the tree is not one that was saved, or holds an untrusted class.
        """
        if not isinstance(node, dict):
            if isinstance(node, list):
                raise ValueError(f"model.json is damaged: unexpected list {node!r}.")
            return node
        kind = node.get("type")
        decoder = self._decoders.get(kind) if isinstance(kind, str) else None
        if decoder is None:
            raise ValueError(f"model.json is damaged: unknown type of node {kind!r}.")
        try:
            value = decoder(node)
        except KeyError as error:
            raise ValueError(
                f"model.json is damaged: a node of type {kind!r} cannot be read, "
                f"{error} is missing."
            ) from error
        self._register(node, value)
        return value

    def _register(self, node: dict[str, Node], value: Any) -> None:
        """Make ``value`` known to later references; early, where it may hold itself."""
        if "id" in node:
            self._shared[node["id"]] = value

    def _reference(self, node: dict[str, Node]) -> Any:
        if node["id"] not in self._shared:
            raise ValueError(
                f"model.json is damaged: reference to the missing node {node['id']!r}."
            )
        return self._shared[node["id"]]

    def _all(self, nodes: list[Node]) -> list[Any]:
        return [
            self.decode(node) if isinstance(node, dict | list) else node
            for node in nodes
        ]

    def _list(self, node: dict[str, Node]) -> list[Any]:
        value: list[Any] = []
        self._register(node, value)
        value.extend(self._all(node["items"]))
        return value

    def _set(self, node: dict[str, Node]) -> set[Any]:
        return set(self._all(node["items"]))

    def _dict(self, node: dict[str, Node]) -> dict[Any, Any]:
        value: dict[Any, Any] = {}
        self._register(node, value)
        if "entries" in node:
            for key, item in node["entries"].items():
                value[key] = self.decode(item)
        else:
            for key, item in node["items"]:
                value[self.decode(key)] = self.decode(item)
        return value

    def _scalar(self, node: dict[str, Node]) -> np.generic:
        if node["dtype"] == "str":
            return np.str_(node["value"])
        if node["dtype"] == "bytes":
            return np.bytes_(_from_base64(node))
        dtype = restore_dtype(self.decode(node["dtype"]))
        if dtype.hasobject:
            raise ValueError(f"model.json is damaged: a scalar of dtype {dtype}.")
        if "value" in node:
            return dtype.type(self.decode(node["value"]))
        raw = _from_base64(node)
        if len(raw) != dtype.itemsize:
            raise ValueError(
                f"model.json is damaged: a scalar of {len(raw)} bytes for {dtype}."
            )
        return np.frombuffer(raw, dtype=dtype)[0]

    def _array(self, node: dict[str, Node]) -> NDArray[Any]:
        order: Literal["C", "F"] = "F" if node.get("order") == "F" else "C"
        if "items" not in node:
            name = node["name"]
            if name not in self._tensors:
                raise ValueError(f"arrays.safetensors has no array {name!r}.")
            dtype = restore_dtype(self.decode(node["dtype"]))
            return from_tensor(
                self._tensors[name], name, dtype=dtype, shape=node["shape"], order=order
            )
        flat = np.empty(len(node["items"]), dtype=object)
        value = flat.reshape(node["shape"], order=order)
        self._register(node, value)
        for position, item in enumerate(self._all(node["items"])):
            flat[position] = item
        return value

    def _masked_array(self, node: dict[str, Node]) -> Any:
        return np.ma.MaskedArray(
            self.decode(node["data"]),
            mask=self.decode(node["mask"]),
            fill_value=self.decode(node["fill_value"]),
        )

    def _sparse(self, node: dict[str, Node]) -> Any:
        stored, kind, shape = node["stored"], node["kind"], tuple(node["shape"])
        if stored not in SPARSE_PARTS or kind not in {"array", "matrix"}:
            raise ValueError(
                f"model.json is damaged: sparse {kind!r} of format {stored!r}."
            )
        parts = {part: self.decode(node[part]) for part in SPARSE_PARTS[stored]}
        build = getattr(sp, f"{stored}_{kind}")
        if stored == "coo":
            value = build((parts["data"], parts["coords"]), shape=shape)
        elif stored == "dia":
            value = build((parts["data"], parts["offsets"]), shape=shape)
        else:
            indices, indptr = parts["indices"], parts["indptr"]
            value = build((parts["data"], indices, indptr), shape=shape)
            # The constructor may narrow the type of the indices.
            value.indices, value.indptr = indices, indptr
            # Compiled code relies on the indices being in range.
            value.check_format(full_check=True)
        return value if node["format"] == stored else value.asformat(node["format"])

    def _random_state(self, node: dict[str, Node]) -> np.random.RandomState:
        state = self.decode(node["state"])
        value = np.random.RandomState(_bit_generator(state))
        value.set_state(state)
        return value

    def _generator(self, node: dict[str, Node]) -> np.random.Generator:
        state = self.decode(node["state"])
        bits = _bit_generator(state)
        bits.state = state
        return np.random.Generator(bits)

    def _object(self, node: dict[str, Node]) -> Any:
        cls = find_class(node["class"], self._trusted)
        value = cls.__new__(cls, *self._all(node.get("new", [])))
        self._register(node, value)
        if "state" in node:
            _set_state(value, self.decode(node["state"]))
        for item in node.get("items", ()):
            value.append(self.decode(item))
        for entry in node.get("entries", ()):
            key, item = self.decode(entry)
            value[key] = item
        return value


def _set_state(value: Any, state: Any) -> None:
    """Give ``value`` its state, as `copy.copy` does."""
    if hasattr(value, "__setstate__"):
        value.__setstate__(state)
        return
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    if attributes:
        value.__dict__.update(attributes)
    for name, item in (slots or {}).items():
        object.__setattr__(value, name, item)


def _bit_generator(state: Any) -> Any:
    name = state.get("bit_generator") if isinstance(state, dict) else None
    if name not in _BIT_GENERATORS:
        raise ValueError(f"model.json is damaged: bit generator {name!r}.")
    return getattr(np.random, name)()


def _from_base64(node: dict[str, Node]) -> bytes:
    try:
        return base64.b64decode(node["base64"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"model.json is damaged: {error}") from error
