"""Documentation that several docstrings share."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TypeVar

_T = TypeVar("_T")


def fill(documented: _T, parts: Mapping[str, str]) -> _T:
    r"""Put shared documentation in place of lines such as ``{encoder}``.

    Parameters
    ----------
    documented : class or function
        Has a docstring with such lines. They stay where there is no part of the name.
    parts : mapping of str to str
        Texts by name, without indentation.

    Returns
    -------
    documented : class or function
        The same object.

    Examples
    --------
    >>> def draw():
    ...     '''Draw.
    ...
    ...     {seed}
    ...     '''
    >>> print(fill(draw, {"seed": "random_state : int\n    Seed."}).__doc__)
    Draw.
    <BLANKLINE>
        random_state : int
            Seed.
    <BLANKLINE>
    """
    lines = []
    for line in (documented.__doc__ or "").split("\n"):
        name = line.strip()
        part = parts.get(name[1:-1]) if name[:1] == "{" and name[-1:] == "}" else None
        if part is None:
            lines.append(line)
        else:
            indent = line[: len(line) - len(line.lstrip())]
            lines += textwrap.indent(part.rstrip(), indent).split("\n")
    documented.__doc__ = "\n".join(lines)
    return documented
