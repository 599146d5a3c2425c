"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from bead_sklearn._files import flush


def write_folder(
    target: Path, fill: Callable[[Path], None], *, marker: str, overwrite: bool
) -> None:
    """Write a folder beside its place, flush it to the disk and rename it.

    Parameters
    ----------
    target : Path
        The folder to write, an absolute path.
    fill : callable
        Given an empty folder, writes the files into it.
    marker : str
        The file by which a folder of this kind is known.
    overwrite : bool
        Whether a folder that has the marker is replaced.

    Raises
    ------
    FileExistsError
        If something is there that is not to be replaced.
    """
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    draft.mkdir()
    try:
        fill(draft)
        for file in draft.iterdir():
            flush(file)
        flush(draft)
        _put_in_place(draft, target, marker=marker, overwrite=overwrite)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    flush(target.parent)


def check_target(target: Path, *, marker: str, overwrite: bool) -> None:
    """Refuse a path that cannot be written, before any work is done for it.

    Raises
    ------
    FileNotFoundError
        If the parent folder does not exist.
    FileExistsError
        If something is there that is not to be replaced.
    """
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"The folder {target.parent} does not exist: the model cannot be saved as "
            f"{target.name} in it."
        )
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise FileExistsError(
            f"{target} exists. Choose another path, or ask for the model there to be "
            "replaced (overwrite=True)."
        )
    if target.is_symlink() or not (target / marker).is_file():
        raise FileExistsError(
            f"{target} exists and is not the folder of a saved model; it is not "
            "replaced. Choose another path."
        )


def _put_in_place(draft: Path, target: Path, *, marker: str, overwrite: bool) -> None:
    """Rename ``draft`` to ``target``; a model that is there is moved away first."""
    check_target(target, marker=marker, overwrite=overwrite)
    if not target.exists():
        draft.rename(target)
        return
    previous = draft.with_suffix(".old")
    target.rename(previous)
    try:
        draft.rename(target)
    except BaseException:
        previous.rename(target)
        raise
    shutil.rmtree(previous)
