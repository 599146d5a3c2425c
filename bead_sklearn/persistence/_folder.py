"""Write and read the folder of a model."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import warnings
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from bead_sklearn.persistence._atomic import check_target, write_folder
from bead_sklearn.persistence._card import model_card
from bead_sklearn.persistence._classes import (
    check_trusted_names,
    require_trusted,
    untrusted_modules,
)
from bead_sklearn.persistence._decode import Decoder
from bead_sklearn.persistence._encode import Encoder

_FORMAT = "bead_sklearn model"
_FORMAT_VERSION = 1
_MODEL, _ARRAYS, _CARD = "model.json", "arrays.safetensors", "README.md"


def save(
    model: object,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """Save a model as a folder of plain data.

    The folder appears whole or not at all: it is written beside its place, flushed to
    the disk and renamed. (A model that is replaced steps aside under a hidden name
    ending in ``.old`` first; it is there should the power fail between the renamings.)
    Objects used twice in the model stay one object.

    Parameters
    ----------
    model : object
        An estimator of bead_sklearn or scikit-learn, a Pipeline or search over them,
        or any object whose state is data: numbers, strings, arrays, sparse matrices,
        lists, tuples, dicts, sets, dataclasses and such objects again.
    path : str or path-like
        The folder to write; its parent must exist.
    overwrite : bool, default=False
        Whether a model that is there already is replaced. Anything else than a saved
        model is never replaced.
    metadata : mapping of str to JSON values, default=None
        Facts to keep with the model, for `read_metadata`, such as the roles of the
        columns it was fitted to.

    Returns
    -------
    path : pathlib.Path
        The folder.

    Raises
    ------
    FileExistsError
        If the path exists and ``overwrite`` is false, or is no saved model.
    TypeError
        If the model holds a function or something else that is not data; the message
        names the attribute.

    See Also
    --------
    load : Read the model back.

    Notes
    -----
    Objects are taken apart by the pickle protocol (``__reduce_ex__``), so
    ``__getstate__`` and ``__setstate__`` are honoured; whatever that protocol would
    rebuild by calling a function is refused. Among scikit-learn's estimators this
    concerns those that hold a ``KDTree`` or ``BallTree``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn import persistence
    >>> model = LogisticRegression().fit([[0.0], [1.0]], ["no", "yes"])
    >>> with TemporaryDirectory() as folder:
    ...     saved = persistence.save(model, f"{folder}/model")
    ...     print(sorted(file.name for file in saved.iterdir()))
    ...     print(persistence.load(saved).predict([[0.9]]))
    ['README.md', 'arrays.safetensors', 'model.json']
    ['yes']
    """
    target = check_path(path, overwrite=overwrite)
    encoder = Encoder()
    node = encoder.encode(model, "model")
    versions = _versions()
    card = model_card(model, versions, untrusted_modules(encoder.classes))
    described = json.loads(json.dumps(dict(metadata or {}), allow_nan=False))

    def fill(folder: Path) -> None:
        save_file(encoder.tensors, folder / _ARRAYS)
        document = {
            "format": _FORMAT,
            "format_version": _FORMAT_VERSION,
            "versions": versions,
            "class": f"{type(model).__module__}.{type(model).__qualname__}",
            "metadata": described,
            "arrays_sha256": _checksum(folder / _ARRAYS),
            "classes": sorted(encoder.classes),
            "model": node,
        }
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
        _write_text(folder / _MODEL, text)
        _write_text(folder / _CARD, card)
        # safetensors lets nobody else read what it writes.
        shutil.copymode(folder / _MODEL, folder / _ARRAYS)

    write_folder(target, fill, marker=_MODEL, overwrite=overwrite)
    return target


def check_path(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Refuse a path that `save` would refuse, before the work of fitting.

    Parameters
    ----------
    path : str or path-like
        Where a model is to be saved.
    overwrite : bool, default=False
        Whether a model that is there already may be replaced.

    Returns
    -------
    path : pathlib.Path
        The absolute path.

    Raises
    ------
    FileNotFoundError
        If the parent folder does not exist.
    FileExistsError
        If the path exists and ``overwrite`` is false, or is no saved model.
    """
    # Absolute, so that a path such as "." has a name and a parent.
    target = Path(os.path.abspath(path))
    check_target(target, marker=_MODEL, overwrite=overwrite)
    return target


def load(path: str | os.PathLike[str], *, trusted: Iterable[str] = ()) -> Any:
    """Load a model saved by `save`, without executing code from the folder.

    Parameters
    ----------
    path : str or path-like
        The folder of the model.
    trusted : iterable of str, default=()
        Names of modules whose classes may be built besides those of bead_sklearn,
        scikit-learn and numpy's random generators, each with everything below it. The
        modules are imported where the model needs them.

    Returns
    -------
    model : object
        The model as it was saved.

    Warns
    -----
    UserWarning
        If another version of bead_sklearn saved the model. scikit-learn warns for its
        own classes.

    Raises
    ------
    FileNotFoundError
        If there is no model at ``path``, or a file of it is missing.
    ValueError
        If the model holds untrusted classes, has a newer format, or is damaged.

    See Also
    --------
    save : Save a model.
    """
    names = check_trusted_names(trusted)
    folder = Path(path)
    document = _read_document(folder)
    require_trusted(document.get("classes", ()), names)
    tensors = _read_tensors(folder / _ARRAYS, document.get("arrays_sha256"))
    saved_by = document.get("versions", {}).get("bead_sklearn")
    if saved_by != _versions()["bead_sklearn"]:
        warnings.warn(
            f"The model in {folder} was saved by bead_sklearn {saved_by}; this is "
            f"{_versions()['bead_sklearn']}. Its fitted state may have another meaning "
            "here.",
            UserWarning,
            stacklevel=2,
        )
    try:
        return Decoder(tensors, names).decode(document["model"])
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(
            f"{folder / _MODEL} is damaged, or does not fit the installed packages: "
            f"{type(error).__name__}: {error}"
        ) from error


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the ``metadata`` a model was saved with, without loading the model.

    Parameters
    ----------
    path : str or path-like
        The folder of the model.

    Returns
    -------
    metadata : dict
        What was passed to `save`; empty if nothing was.

    Raises
    ------
    FileNotFoundError
        If there is no model at ``path``.
    ValueError
        If the folder is not a model of a known format.
    """
    metadata: dict[str, Any] = _read_document(Path(path)).get("metadata", {})
    return metadata


def _versions() -> dict[str, str]:
    from bead_sklearn import __version__

    packages = ("numpy", "scipy", "scikit-learn")
    return {
        "bead_sklearn": __version__,
        **{package: version(package) for package in packages},
        "python": platform.python_version(),
    }


def _write_text(path: Path, text: str) -> None:
    # Python strings may hold half of a surrogate pair, which UTF-8 proper does not.
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))


def _read_document(folder: Path) -> dict[str, Any]:
    if not folder.exists():
        raise FileNotFoundError(f"There is no model at {folder}: no such folder.")
    if not (folder / _MODEL).is_file():
        raise FileNotFoundError(
            f"{folder} is not the folder of a saved model: it has no {_MODEL}."
        )
    text = (folder / _MODEL).read_bytes().decode("utf-8", errors="surrogatepass")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{folder / _MODEL} is damaged: {error}") from error
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ValueError(
            f"{folder / _MODEL} was not written by bead_sklearn.persistence."
        )
    format_version = document.get("format_version")
    if not isinstance(format_version, int) or format_version > _FORMAT_VERSION:
        raise ValueError(
            f"The model in {folder} has format version {format_version!r}; this "
            f"version of bead_sklearn reads up to {_FORMAT_VERSION}. Update "
            "bead_sklearn to load it."
        )
    if "model" not in document:
        raise ValueError(f"{folder / _MODEL} is damaged: it holds no model.")
    return document


def _read_tensors(path: Path, expected: object) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path.parent} lacks {path.name}, the arrays of the model."
        )
    found = _checksum(path)
    if found != expected:
        raise ValueError(
            f"{path} does not belong to its model.json, or is damaged: its SHA-256 is "
            f"{found}, not {expected}."
        )
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
