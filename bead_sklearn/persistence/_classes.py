"""Which classes a saved model may name, and how a name becomes a class."""

from __future__ import annotations

import builtins
import importlib
from collections.abc import Iterable
from typing import Any

import numpy as np

#: Packages all of whose classes are built on load.
_PACKAGES = ("bead_sklearn", "sklearn")

#: Plain values of the standard library that serve as ids and parameters. Each is
#: built by ``__new__`` alone, from plain values.
_VALUES = frozenset(
    {
        "datetime.date",
        "datetime.datetime",
        "datetime.time",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "fractions.Fraction",
        "uuid.UUID",
    }
)

#: Built-in types that occur as parameters, such as ``dtype=float``.
_BUILTINS = frozenset(
    {
        "bool",
        "bytes",
        "complex",
        "dict",
        "float",
        "frozenset",
        "int",
        "list",
        "object",
        "set",
        "str",
        "tuple",
    }
)


def class_name(cls: type) -> str:
    """Return the name under which ``cls`` is saved: ``module:qualified.name``."""
    return f"{cls.__module__}:{cls.__qualname__}"


def check_trusted_names(trusted: Iterable[str]) -> tuple[str, ...]:
    """Return the module names in ``trusted`` as a tuple.

    Raises
    ------
    TypeError
        If ``trusted`` is one string or holds something else than strings.
    """
    if isinstance(trusted, str):
        raise TypeError(
            "The 'trusted' parameter must be a collection of module names. Got the "
            f"string {trusted!r}; write trusted=[{trusted!r}]."
        )
    names = tuple(trusted)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                "The 'trusted' parameter must hold names of modules. Got "
                f"{name!r} of type {type(name).__name__}."
            )
    return names


def is_trusted(name: str, trusted: tuple[str, ...]) -> bool:
    """Tell whether the class saved as ``name`` may be built.

    Parameters
    ----------
    name : str
        As returned by `class_name`.
    trusted : tuple of str
        Modules trusted besides the default ones, with everything below them.
    """
    module, _, qualified = name.partition(":")
    if module == "builtins":
        return qualified in _BUILTINS
    if f"{module}.{qualified}" in _VALUES:
        return True
    if module == "numpy":
        scalar = getattr(np, qualified, None)
        if isinstance(scalar, type) and issubclass(scalar, np.generic):
            return True
    return any(
        module == package or module.startswith(f"{package}.")
        for package in (*_PACKAGES, *trusted)
    )


def untrusted_modules(names: Iterable[str], trusted: tuple[str, ...] = ()) -> list[str]:
    """Return the modules of the classes in ``names`` that are not trusted, sorted."""
    return sorted(
        {name.partition(":")[0] for name in names if not is_trusted(name, trusted)}
    )


def require_trusted(names: Iterable[str], trusted: tuple[str, ...]) -> None:
    """Refuse a model that names classes which are not trusted.

    Raises
    ------
    ValueError
        Naming every such class and how to trust it.
    """
    unknown = sorted({name for name in names if not is_trusted(name, trusted)})
    if unknown:
        shown = ", ".join(name.replace(":", ".") for name in unknown)
        raise ValueError(
            f"The model holds objects of classes that are not trusted: {shown}. If you "
            "trust whoever made the model, and these classes, pass "
            f"trusted={untrusted_modules(unknown, trusted)!r}."
        )


def find_class(name: str, trusted: tuple[str, ...]) -> type[Any]:
    """Import the class saved as ``name``; nothing is imported before the check.

    Raises
    ------
    ValueError
        If the class is not trusted, or there is no class of that name.
    """
    require_trusted([name], trusted)
    module, _, qualified = name.partition(":")
    try:
        found: Any = (
            builtins if module == "builtins" else importlib.import_module(module)
        )
        for part in qualified.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"The model names the class {name.replace(':', '.')}, which is not in the "
            f"installed packages: {error}"
        ) from error
    # A module also holds what it imported: the class must call itself by this name.
    named = isinstance(found, type) and class_name(found) == name
    if not named or issubclass(found, type):
        raise ValueError(
            f"The model names {name.replace(':', '.')} as a class; it is "
            f"{found!r} instead."
        )
    return found
