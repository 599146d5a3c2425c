"""The command line: ``bead-sklearn``, also ``python -m bead_sklearn``."""

from bead_sklearn.cli._main import main

__all__ = ["main"]
