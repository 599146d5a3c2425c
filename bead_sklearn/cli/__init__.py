"""The command line: ``bead-sklearn``, also ``python -m bead_sklearn``."""

from ._main import main

__all__ = ["main"]
