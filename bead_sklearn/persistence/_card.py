"""The README.md of a saved model: what it is, for people."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError


def model_card(
    model: object, versions: Mapping[str, str], trusted: Sequence[str]
) -> str:
    """Return a Markdown description of ``model``.

    Parameters
    ----------
    model : object
        What is saved.
    versions : mapping of str to str
        Versions of the packages.
    trusted : sequence of str
        Modules that must be trusted to load it.
    """
    cls = type(model)
    needed = f", trusted={list(trusted)!r}" if trusted else ""
    lines = [f"# {cls.__name__}", ""]
    # Only an own docstring describes the class; an inherited one describes another.
    first = (inspect.cleandoc(vars(cls).get("__doc__") or "")).partition("\n\n")[0]
    if first:
        lines += [first, ""]
    lines += [
        f"A `{cls.__module__}.{cls.__qualname__}`,",
        "saved by `bead_sklearn.persistence`.",
        "",
        "```python",
        "from bead_sklearn import persistence",
        "",
        f'model = persistence.load("path/of/this/folder"{needed})',
        "```",
        "",
    ]
    lines += _section("Data", _data_lines(model))
    lines += _section("Parameters", _parameter_lines(model))
    lines += _section("Summary", _summary_lines(model))
    lines += _section(
        "Versions", [f"- {name} {version}" for name, version in versions.items()]
    )
    return "\n".join(lines).rstrip() + "\n"


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""] if lines else []


def _data_lines(model: object) -> list[str]:
    """Sizes of the data the model was fitted to, as far as it knows them."""
    sizes = {
        "columns of X": getattr(model, "n_features_in_", None),
        "judgments": getattr(model, "n_observations_", None),
    }
    lines = [f"- {name}: {size}" for name, size in sizes.items() if size is not None]
    classes = getattr(model, "classes_", None)
    if classes is not None:
        shown = ", ".join(str(label) for label in list(classes)[:20])
        more = ", ..." if len(classes) > 20 else ""
        lines.append(f"- labels ({len(classes)}): {shown}{more}")
    for component in getattr(model, "variance_components_", ()):
        factor = getattr(component, "grouping_factor", None)
        levels = getattr(component, "n_groups", None)
        if factor is not None and levels is not None:
            lines.append(f"- levels of {factor}: {levels}")
    return list(dict.fromkeys(lines))


def _parameter_lines(model: object) -> list[str]:
    """Parameters that differ from their defaults."""
    if not isinstance(model, BaseEstimator):
        return []
    # The repr of an estimator shows just these.
    return ["```", repr(model), "```"]


def _summary_lines(model: Any) -> list[str]:
    if not hasattr(model, "summary"):
        return []
    try:
        text = str(model.summary())
    except NotFittedError:
        return ["Not fitted."]
    return ["```", text.rstrip(), "```"]
