"""Embeddings on disk, one per string."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np

#: Seconds to wait for another process that is writing.
_TIMEOUT = 60.0

#: SQLite allows at least this many variables in a statement.
_CHUNK = 900


class EmbeddingCache:
    """A table of embeddings in an SQLite file, safe to share between processes.

    Parameters
    ----------
    path : str or path-like
        The file; it is made if it is not there.
    settings : list
        Everything besides the text that an embedding depends on, as JSON values.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = EmbeddingCache(pathlib.Path(folder) / "cache.sqlite", ["a model"])
    ...     cache.put(["a dog"], np.array([[1.0, 2.0]]))
    ...     cache.get(["a dog", "a cat"])
    {'a dog': array([1., 2.], dtype=float32)}
    """

    def __init__(self, path: str | os.PathLike[str], settings: list[Any]) -> None:
        self.path = path
        self._prefix = json.dumps(settings).encode() + b"\0"

    def with_setting(self, setting: str) -> EmbeddingCache:
        """Return the same file for embeddings that depend on one thing more."""
        cache = EmbeddingCache(self.path, [])
        cache._prefix = self._prefix + json.dumps(setting).encode() + b"\0"
        return cache

    def get(self, texts: Iterable[str]) -> dict[str, np.ndarray]:
        """Return the embeddings that are there, by text."""
        keys = {self._key(text): text for text in texts}
        found = {}
        wanted = list(keys)
        with self._connect() as connection:
            for start in range(0, len(wanted), _CHUNK):
                chunk = wanted[start : start + _CHUNK]
                marks = ",".join("?" * len(chunk))
                rows = connection.execute(
                    f"SELECT key, value FROM embeddings WHERE key IN ({marks})", chunk
                )
                for key, value in rows:
                    found[keys[key]] = np.frombuffer(value, dtype="<f4")
        return found

    def put(self, texts: list[str], embeddings: np.ndarray) -> None:
        """Add embeddings; those already there stay."""
        rows = [
            (self._key(text), row.tobytes())
            for text, row in zip(texts, embeddings.astype("<f4"), strict=True)
        ]
        with self._connect() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO embeddings VALUES (?, ?)", rows
            )

    def _key(self, text: str) -> bytes:
        digest = hashlib.sha256(self._prefix + text.encode("utf-8", "surrogatepass"))
        return digest.digest()

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=_TIMEOUT)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS embeddings "
                "(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
            )
            with connection:
                yield connection
