"""Choosing the command, and what becomes of errors."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TextIO

from bead_sklearn import __version__
from bead_sklearn.cli import (
    _annotate,
    _demo,
    _fit,
    _predict,
    _query,
    _report,
    _route,
    _simulate,
)

_PROGRAM = "bead-sklearn"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Mixed-effects models and active learning for human judgments: "
        "tables with one row per judgment, saying who judged what and how.",
        epilog="Each command has its own help: bead-sklearn fit --help",
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {__version__}"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (
        _demo,
        _report,
        _fit,
        _predict,
        _query,
        _simulate,
        _annotate,
        _route,
    ):
        command = module.add_parser(commands)
        command.set_defaults(run=module.run)
        command.add_argument(
            "--quiet", action="store_true", help="no progress messages"
        )
        command.add_argument(
            "--traceback",
            action="store_true",
            help="show where in the program an error arose",
        )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments; those of the process by default.

    Returns
    -------
    status : int
        0 for success, 2 for an error of the user's, 130 after an interrupt, 141 if
        nobody reads the output any more.
    """
    try:
        try:
            arguments = build_parser().parse_args(argv)
            with _plain_warnings():
                return _run(arguments)
        finally:
            # Here, where a closed pipe can still be handled.
            sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer goes nowhere when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print(f"{_PROGRAM}: interrupted", file=sys.stderr)
        return 130


def _run(arguments: argparse.Namespace) -> int:
    try:
        arguments.run(arguments)
    except BrokenPipeError:
        raise
    except (ImportError, OSError, TypeError, ValueError) as error:
        if arguments.traceback or not _is_about_input(error):
            raise
        print(f"{_PROGRAM}: error: {error}", file=sys.stderr)
        return 2
    return 0


def _is_about_input(error: Exception) -> bool:
    """Tell an error that speaks to the user from a defect of the program.

    Files that cannot be read, and errors raised by this package or by scikit-learn,
    are about what was given; one out of numpy, say, means that a check is missing.
    """
    if isinstance(error, OSError):
        return True
    place: TracebackType | None = error.__traceback__
    module = ""
    while place is not None:
        module = place.tb_frame.f_globals.get("__name__", "")
        place = place.tb_next
    return module.partition(".")[0] in {"bead_sklearn", "sklearn"}


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show each warning once, as a line of text."""
    shown: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> Any:
        text = str(message)
        if text not in shown:
            shown.add(text)
            print(f"{_PROGRAM}: warning: {text}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield
