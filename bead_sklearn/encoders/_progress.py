"""How far the encoding of many texts has come."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np

#: Seconds between two messages.
_EVERY = 5.0

_Batch = tuple[list[int], np.ndarray]


def report_progress(
    batches: Iterable[_Batch], n_texts: int, verbose: int, name: str
) -> Iterator[_Batch]:
    """Yield batches, and print now and then how many texts are done.

    Parameters
    ----------
    batches : iterable of (list of int, ndarray)
        Texts that were encoded together, and their vectors.
    n_texts : int
        Number of all texts.
    verbose : int
        0 prints nothing, 1 a line every few seconds and one at the end, more a line
        per batch.
    name : str
        Of the encoder.
    """
    start = last = time.monotonic()
    done = 0
    for rows, vectors in batches:
        yield rows, vectors
        done += len(rows)
        now = time.monotonic()
        if verbose > 1 or (verbose and (done == n_texts or now - last > _EVERY)):
            last = now
            print(f"[{name}] {done:,} of {n_texts:,} texts, {now - start:.0f} s")
