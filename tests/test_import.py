"""What importing the package loads, in fresh interpreters."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import bead_sklearn

HEAVY = {"torch", "transformers", "skorch", "matplotlib", "peft", "polars"}

#: Public names of the top level that need torch; importing them may load it.
TORCH_BACKED: set[str] = set()


def loaded_by(statement: str) -> set[str]:
    """Top-level packages in sys.modules after a statement."""
    script = f"{statement}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        check=True,
        capture_output=True,
        text=True,
    )
    return {name.partition(".")[0] for name in json.loads(result.stdout)}


def test_the_import_itself_loads_nothing_but_the_package():
    assert not loaded_by("import bead_sklearn") & {*HEAVY, "sklearn", "numpy", "pandas"}


def test_public_names_load_nothing_heavy():
    names = [name for name in bead_sklearn.__all__ if name not in TORCH_BACKED]
    loaded = loaded_by(f"from bead_sklearn import {', '.join(names)}")
    assert not loaded & HEAVY
    # scikit-learn itself imports pandas where it is installed; the package does not.
    assert not loaded - loaded_by("import sklearn.linear_model") & {"pandas"}


@pytest.mark.parametrize(
    "module",
    [
        "active_learning",
        "cli",
        "datasets",
        "effects",
        "embedding",
        "families",
        "inputs",
        "inspection",
        "model_selection",
        "persistence",
        "query",
        "routing",
        "solvers",
        "tasks",
    ],
)
def test_modules_load_nothing_heavy(module):
    assert not loaded_by(f"import bead_sklearn.{module}") & HEAVY


def test_the_command_line_starts_without_the_numerics():
    assert not loaded_by("import bead_sklearn.cli") & {"numpy", "sklearn", "scipy"}


def test_star_import_gives_the_public_names():
    script = (
        "from bead_sklearn import *\nimport bead_sklearn\n"
        "assert set(bead_sklearn.__all__) <= set(globals())"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_all_public_names_exist_and_unknown_ones_do_not():
    for name in bead_sklearn.__all__:
        assert getattr(bead_sklearn, name) is not None
        assert name in dir(bead_sklearn)
    with pytest.raises(AttributeError, match="no_such_name"):
        bead_sklearn.no_such_name  # noqa: B018
