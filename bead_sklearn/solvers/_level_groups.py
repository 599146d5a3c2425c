"""Levels of a factor with as many effects as each has rows to tell of them.

The levels are put into groups of about the same number of effects, so that the
matrices of a group stand in one array with little padding: participants who gave ten
judgments do not pay for one who gave thousands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

#: Ratio of the largest to the smallest number of effects, or rows, in one array.
_RATIO = 1.2


@dataclass(frozen=True)
class LevelGroups:
    """Partition of the levels of a factor by their numbers of effects.

    Attributes
    ----------
    members : tuple of ndarray
        Levels of each group.
    sizes : tuple of int
        Largest number of effects in each group.
    group, place : ndarray of shape (q,)
        Group of each level and its position there.
    """

    members: tuple[np.ndarray, ...]
    sizes: tuple[int, ...]
    group: np.ndarray
    place: np.ndarray


@dataclass(frozen=True)
class LevelRows:
    """Rows of some levels of one group, in arrays padded with rows of zeros.

    Attributes
    ----------
    group : int
        Number of the group.
    places : ndarray of shape (n,)
        Positions of the levels there.
    rows : ndarray of shape (n, n_rows)
        Rows of each level; 0 where it has fewer.
    present : ndarray of bool of shape (n, n_rows)
        Whether there is such a row.
    z : ndarray of shape (n, n_rows, size)
        Covariates of the effects.
    """

    group: int
    places: np.ndarray
    rows: np.ndarray
    present: np.ndarray
    z: np.ndarray


@dataclass(frozen=True)
class LevelBlocks:
    """A square matrix for each level.

    Attributes
    ----------
    groups : LevelGroups
        The levels.
    arrays : tuple of ndarray of shape (n_members, size, size)
        The matrices of each group.
    """

    groups: LevelGroups
    arrays: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.groups.group)

    def __getitem__(self, level: int) -> np.ndarray:
        block: np.ndarray = self.arrays[self.groups.group[level]][
            self.groups.place[level]
        ]
        return block

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[level] for level in range(len(self)))


def group_levels(sizes: np.ndarray) -> LevelGroups:
    """Put levels of about the same number of effects into one group.

    Parameters
    ----------
    sizes : ndarray of shape (q,)
        Number of effects of each level, at least 1.
    """
    steps = _steps(sizes)
    group, place = np.empty(len(sizes), np.intp), np.empty(len(sizes), np.intp)
    members = []
    for number, step in enumerate(np.unique(steps)):
        levels = np.flatnonzero(steps == step)
        group[levels], place[levels] = number, np.arange(len(levels))
        members.append(levels)
    largest = tuple(int(sizes[levels].max()) for levels in members)
    return LevelGroups(tuple(members), largest, group, place)


def batch_rows(
    groups: LevelGroups, codes: np.ndarray, z: np.ndarray
) -> list[LevelRows]:
    """Collect the rows of each level; those of unknown levels are left out.

    Parameters
    ----------
    groups : LevelGroups
        The levels.
    codes : ndarray of shape (n_rows,)
        Level of each row; -1 is unknown.
    z : ndarray of shape (n_rows, r)
        Covariates of the effects; zero beyond those that the level has.
    """
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    levels, starts, counts = np.unique(
        codes[order], return_index=True, return_counts=True
    )
    keys = np.stack([groups.group[levels], _steps(counts)], axis=1)
    distinct, batches = np.unique(keys, axis=0, return_inverse=True)
    result = []
    for number, (group, _) in enumerate(distinct.tolist()):
        chosen = np.flatnonzero(batches.ravel() == number)
        within = np.arange(counts[chosen].max())
        present = within < counts[chosen][:, None]
        at = np.where(present, starts[chosen][:, None] + within, 0)
        rows = np.where(present, order[at], 0)
        own = z[rows, : groups.sizes[group]] * present[:, :, None]
        places = groups.place[levels[chosen]]
        result.append(LevelRows(group, places, rows, present, own))
    return result


def _steps(counts: np.ndarray) -> np.ndarray:
    """Positions of counts on a geometric scale."""
    return np.ceil(np.log(counts) / np.log(_RATIO) - 1e-9).astype(np.intp)
