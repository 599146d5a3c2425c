"""Embeddings kept in memory while something goes on that asks for them repeatedly."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

_current: ContextVar[EmbeddingMemory | None] = ContextVar("embeddings", default=None)


class EmbeddingTable:
    """Embeddings of one encoder, by text.

    Parameters
    ----------
    memory : EmbeddingMemory
        Where they are.
    key : hashable
        Everything besides the text that an embedding depends on.
    """

    def __init__(self, memory: EmbeddingMemory, key: Hashable) -> None:
        self._memory = memory
        self._key = key
        self._rows = memory.tables.setdefault(key, {})

    def with_setting(self, setting: str) -> EmbeddingTable:
        """Return the table of embeddings that depend on one thing more."""
        return EmbeddingTable(self._memory, (self._key, setting))

    def get(self, texts: Iterable[str]) -> dict[str, np.ndarray]:
        """Return the embeddings that are there, by text."""
        return {text: self._rows[text] for text in texts if text in self._rows}

    def put(self, texts: list[str], embeddings: np.ndarray) -> None:
        """Add embeddings."""
        self._rows.update(zip(texts, np.array(embeddings), strict=True))


class EmbeddingMemory:
    """Embeddings that frozen encoders have made, so that each is made once.

    Only within `use`, and only in this process: a copy made by pickle is empty.

    Examples
    --------
    >>> from bead_sklearn.encoders import CallableEncoder
    >>> from bead_sklearn.encoders._memory import EmbeddingMemory
    >>> seen = []
    >>> def lengths(texts):
    ...     seen.extend(texts)
    ...     return [[float(len(text))] for text in texts]
    >>> encoder = CallableEncoder(lengths)
    >>> with EmbeddingMemory().use():
    ...     for texts in (["a", "b"], ["b", "c"]):
    ...         features = encoder.fit_transform(texts)
    >>> seen
    ['a', 'b', 'c']
    """

    def __init__(self) -> None:
        self.tables: dict[Hashable, dict[str, np.ndarray]] = {}

    @contextmanager
    def use(self) -> Iterator[None]:
        """Have encoders look here first."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.tables = {}


@contextmanager
def remembering() -> Iterator[None]:
    """Have encoders make each embedding once; an outer memory stays in use."""
    if _current.get() is not None:
        yield
        return
    with EmbeddingMemory().use():
        yield


def remembered(key: Any) -> EmbeddingTable | None:
    """Return the table of an encoder in the memory in use; None if there is none.

    Parameters
    ----------
    key : object
        What its embeddings depend on; if it is not hashable nothing is kept.
    """
    memory = _current.get()
    if memory is None or not isinstance(key, Hashable):
        return None
    try:
        return EmbeddingTable(memory, key)
    except TypeError:  # a tuple of something that is not hashable
        return None
