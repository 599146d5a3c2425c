"""Texts with blanks to fill."""

from __future__ import annotations

import re

import numpy as np

from bead_sklearn.inputs import Judgments
from bead_sklearn.tasks._contexts import Contexts, distinct_texts

#: How a blank is written for the encoder, and one that another filler belongs to.
_BLANK, _OTHER = " ___ ", " … "
_WORD = re.compile(r"\w+|[^\w\s]")


def read_blanks(judgments: Judgments, blank: str) -> tuple[Contexts, np.ndarray]:
    """Return what stands around each blank, and the row that each belongs to.

    Parameters
    ----------
    judgments : Judgments
        X; the texts of a row are read one after the other.
    blank : str
        What marks a blank.

    Returns
    -------
    contexts : Contexts
        One per blank. Contexts with the same word before, the same two words before,
        or the same word after the blank are similar.
    row : ndarray of int of shape (n_blanks,)
        Row of X, in order.

    Raises
    ------
    ValueError
        If a row has no blank.
    """
    values, codes = distinct_texts(judgments)
    n_blanks = np.array([sum(text.count(blank) for text in texts) for texts in values])
    lacking = np.flatnonzero(n_blanks[codes] == 0)
    if len(lacking):
        row = int(lacking[0])
        raise ValueError(
            f"Row {row} of X has no blank {blank!r}: {values[codes[row]][0]!r}. Mark "
            f"where the filler goes; for the next word append {' ' + blank!r} to the "
            "text. Another mark is blank=..."
        )
    names = [
        (texts, b) for texts, n in zip(values, n_blanks, strict=True) for b in range(n)
    ]
    around = [_around(texts, blank, b) for texts, b in names]
    first = np.cumsum(n_blanks) - n_blanks
    rows = np.repeat(np.arange(len(codes)), n_blanks[codes])
    starts = np.cumsum(n_blanks[codes]) - n_blanks[codes]
    index = first[codes[rows]] + np.arange(len(rows)) - starts[rows]
    texts, keys = [texts for texts, _ in around], [keys for _, keys in around]
    return Contexts(names, texts, keys, index), rows


def _around(
    texts: tuple[str, ...], blank: str, number: int
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the texts with one blank marked, and the words around it."""
    marked: list[str] = []
    keys: tuple[tuple[str, ...], ...] = ((), (), ())
    for text in texts:
        pieces = text.split(blank)
        if 0 <= number < len(pieces) - 1:
            before = _OTHER.join(pieces[: number + 1])
            after = _OTHER.join(pieces[number + 1 :])
            left = _WORD.findall(before.lower())
            right = _WORD.findall(after.lower())
            keys = (tuple(left[-1:]), tuple(left[-2:]), tuple(right[:1]))
            text = before + _BLANK + after
        else:
            text = _OTHER.join(pieces)
        number -= len(pieces) - 1
        marked.append(text)
    return tuple(marked), keys
