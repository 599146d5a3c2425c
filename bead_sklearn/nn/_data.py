"""Judgments as a dataset, batches of them, and held-out participants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class TokenColumn:
    """Texts of the rows, each distinct one tokenised once.

    Attributes
    ----------
    encoded : dict of str to list
        What the tokenizer said of each distinct text, without padding.
    places : ndarray of int of shape (n_rows, m)
        Distinct texts of each row; -1 is none. With m = 2 the row is about what the
        second text has more than the first.
    pad : dict of str to int
        What fills the ends of shorter texts, by key; 0 elsewhere.
    """

    encoded: Mapping[str, list[list[int]]]
    places: np.ndarray
    pad: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.places)

    def take(self, rows: np.ndarray) -> TokenColumn:
        """Return the texts of some rows."""
        return TokenColumn(self.encoded, self.places[rows], self.pad)

    def batch(self) -> dict[str, Tensor]:
        """Return the distinct texts padded, and where each row has its own.

        Returns
        -------
        batch : dict of str to Tensor
            What the network takes, (n_distinct, n_tokens), and ``places`` (n_rows, m)
            into it; -1 is no text.
        """
        distinct, places = np.unique(self.places, return_inverse=True)
        places = places.reshape(self.places.shape)
        if len(distinct) and distinct[0] < 0:
            distinct, places = distinct[1:], places - 1
        if not len(distinct):  # a network needs a text to run on
            distinct = np.zeros(1, dtype=np.intp)
        batch = {}
        width = max(1, max(len(self.encoded["input_ids"][i]) for i in distinct))
        for name, rows in self.encoded.items():
            table = np.full((len(distinct), width), self.pad.get(name, 0))
            for k, i in enumerate(distinct):
                table[k, : len(rows[i])] = rows[i]
            batch[name] = torch.as_tensor(table)
        batch["places"] = torch.as_tensor(places)
        return batch


class JudgmentDataset(torch.utils.data.Dataset):
    """Columns of judgments with their responses, taken by many rows at a time.

    Parameters
    ----------
    X : mapping of str to array-like of shape (n_rows, ...)
        Columns; ids under the names of factors, ``weight`` and ``sets`` if there are
        any, and what the module takes.
    y : ndarray of shape (n_rows, ...), default=None
        Encoded responses.
    """

    def __init__(self, X: Mapping[str, Any], y: np.ndarray | None = None) -> None:
        lengths = {name: len(values) for name, values in X.items()}
        if y is not None:
            lengths["y"] = len(y)
        if len(set(lengths.values())) != 1:
            raise ValueError(f"All columns of X must be of one length. Got {lengths}.")
        self.X, self.y = dict(X), y
        self._length = next(iter(lengths.values()))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, rows: Any) -> tuple[dict[str, Any], Any]:
        return self.take(np.atleast_1d(rows))

    def take(self, rows: np.ndarray) -> tuple[dict[str, Any], Any]:
        """Return some rows as tensors; texts as batches of tokens."""
        batch: dict[str, Any] = {}
        for name, values in self.X.items():
            if isinstance(values, TokenColumn):
                batch[name] = values.take(rows).batch()
            else:
                batch[name] = torch.as_tensor(values[rows])
        batch["row"] = torch.as_tensor(rows)
        y = torch.zeros(len(rows)) if self.y is None else self.y[rows]
        return batch, torch.as_tensor(y)


class RowSubset(torch.utils.data.Dataset):
    """Some rows of a dataset.

    Parameters
    ----------
    dataset : JudgmentDataset
        All rows.
    rows : ndarray of int
        Which.
    """

    def __init__(self, dataset: JudgmentDataset, rows: np.ndarray) -> None:
        self.dataset, self.rows = dataset, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> tuple[dict[str, Any], Any]:
        return self.take(np.atleast_1d(rows))

    def take(self, rows: np.ndarray) -> tuple[dict[str, Any], Any]:
        """Return some of the rows."""
        return self.dataset.take(self.rows[rows])


def all_rows(dataset: Any) -> np.ndarray:
    """Return the rows of the whole dataset that a part of it has."""
    if isinstance(dataset, RowSubset):
        return dataset.rows
    return np.arange(len(dataset))


class JudgmentBatches:
    """Batches of whole units: participants, choice sets, or rows.

    Parameters
    ----------
    dataset : JudgmentDataset or RowSubset
        The rows.
    batch_size : int
        A batch takes units until it has this many rows.
    units : ndarray of int of shape (n_rows,), default=None
        Unit of each row of the whole dataset; None is one per row.
    shuffle : bool, default=False
        Whether units come in another order each time.
    seed : callable, default=None
        Returns the seed of the next order.

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.nn import JudgmentBatches, JudgmentDataset
    >>> data = JudgmentDataset({"x": np.arange(5)}, np.zeros(5))
    >>> batches = JudgmentBatches(data, batch_size=2, units=np.array([0, 1, 0, 0, 1]))
    >>> [X["x"].tolist() for X, y in batches]
    [[0, 2, 3], [1, 4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        units: np.ndarray | None = None,
        shuffle: bool = False,
        seed: Callable[[], int] | None = None,
    ) -> None:
        self.dataset, self.batch_size = dataset, batch_size
        self.shuffle, self.seed = shuffle, seed
        rows = all_rows(dataset)
        own = np.arange(len(rows)) if units is None else units[rows]
        self._order = np.argsort(own, kind="stable")
        starts = np.flatnonzero(np.diff(own[self._order], prepend=-1))
        self._starts = starts
        self._sizes = np.diff(np.append(starts, len(rows)))

    def __iter__(self) -> Iterator[tuple[dict[str, Any], Any]]:
        for rows in self.positions():
            yield self.dataset.take(rows)

    def positions(self) -> Iterator[np.ndarray]:
        """Yield positions of rows in the dataset, batch by batch."""
        order = np.arange(len(self._sizes))
        if self.shuffle:
            seed = None if self.seed is None else self.seed()
            order = np.random.RandomState(seed).permutation(len(order))
        ends = np.cumsum(self._sizes[order])
        begin = 0
        while begin < len(order):
            done = ends[begin - 1] if begin else 0
            end = int(np.searchsorted(ends, done + self.batch_size)) + 1
            units = order[begin:end]
            sizes = self._sizes[units]
            within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            yield np.sort(self._order[np.repeat(self._starts[units], sizes) + within])
            begin = end


@dataclass(frozen=True)
class HeldOutRows:
    """Rows that are known to be held out.

    Attributes
    ----------
    rows : ndarray of int
        Their positions.
    """

    rows: np.ndarray


class HeldOut:
    """Set some units aside for validation.

    Parameters
    ----------
    fraction : float, default=0.1
        Share of the units, at least one.
    by : {"auto", "groups", "judgments"}, default="auto"
        Whether whole participants or single judgments are set aside. "auto" is
        participants where their effects are integrated out, and judgments otherwise:
        effects in tables are learned of known participants only.
    """

    def __init__(self, fraction: float = 0.1, by: str = "auto") -> None:
        self.fraction, self.by = fraction, by

    def __repr__(self) -> str:
        return f"HeldOut(fraction={self.fraction!r}, by={self.by!r})"

    def split(
        self, units: np.ndarray, random_state: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return rows to train on and held-out rows.

        Parameters
        ----------
        units : ndarray of int of shape (n_rows,)
            Unit of each row.
        random_state : RandomState
            Draws the units.
        """
        if not 0.0 < self.fraction < 1.0:
            raise ValueError(f"fraction must be in (0, 1). Got {self.fraction}.")
        names, place = np.unique(units, return_inverse=True)
        if len(names) < 2:
            raise ValueError(
                "One unit only, which cannot be trained on and held out too. Pass "
                "train_split=None, or HeldOut(by='judgments')."
            )
        count = min(len(names) - 1, max(1, round(self.fraction * len(names))))
        out = np.zeros(len(names), dtype=bool)
        out[random_state.permutation(len(names))[:count]] = True
        return np.flatnonzero(~out[place]), np.flatnonzero(out[place])
