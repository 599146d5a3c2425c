"""A second, plain record of every judgment: one line each, flushed to the disk."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bead_sklearn._files import flush
from bead_sklearn.annotate._records import Judgment, to_json


@dataclass
class JournalContent:
    """What a journal says.

    Attributes
    ----------
    judgments : dict of str to Judgment
        The rows by ``uid``, in the order of the file. A row that was written twice is
        the last: the first attempt did not reach the database.
    damaged : list of int
        Numbers of the lines that cannot be read, from 1.
    """

    judgments: dict[str, Judgment] = field(default_factory=dict)
    damaged: list[int] = field(default_factory=list)


class Journal:
    """An append-only file of judgments, each line with its checksum.

    Writers of several processes must exclude each other; the store calls `append`
    within a transaction of its database that does so.

    Parameters
    ----------
    path : Path
        The file; made if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        new = not path.exists()
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        if new:
            flush(path.parent)

    def append(self, judgments: Iterable[Judgment]) -> None:
        """Write judgments and wait until they are on the disk."""
        text = b"".join(map(_line, judgments))
        if not text:
            return
        if not self._ends_cleanly():
            text = b"\n" + text
        written = os.write(self._file, text)
        while written < len(text):
            written += os.write(self._file, text[written:])
        os.fsync(self._file)

    def _ends_cleanly(self) -> bool:
        """Tell whether the last line is complete: a crash may have cut it."""
        size = os.fstat(self._file).st_size
        return size == 0 or os.pread(self._file, 1, size - 1) == b"\n"

    def read(self) -> JournalContent:
        """Read all lines."""
        content = JournalContent()
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                judgment = _read_line(line)
                if judgment is None:
                    content.damaged.append(number)
                else:
                    content.judgments.pop(judgment.uid, None)
                    content.judgments[judgment.uid] = judgment
        return content

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _line(judgment: Judgment) -> bytes:
    text = to_json(judgment.to_record()).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _read_line(line: bytes) -> Judgment | None:
    """Read a line; None if it is cut or damaged."""
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    return Judgment.from_record(json.loads(text))
