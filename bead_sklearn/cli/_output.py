"""What the commands write: tables, progress, pictures."""

from __future__ import annotations

import argparse
import csv
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import narwhals as nw

from bead_sklearn._files import write_file
from bead_sklearn._optional import import_optional
from bead_sklearn._tables import lay_out


class Progress:
    """Messages on stderr about what takes time.

    Parameters
    ----------
    arguments : argparse.Namespace
        With ``quiet``, which silences it.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._quiet = arguments.quiet
        self._redraws = not self._quiet and sys.stderr.isatty()

    def say(self, text: str) -> None:
        """Write a line."""
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)

    def redraw(self, text: str) -> None:
        """Show passing news in place, where stderr is a terminal."""
        if self._redraws:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Print a paragraph."""
    print(textwrap.fill(text, 79, break_long_words=False, break_on_hyphens=False))


def print_table(rows: Sequence[Sequence[str]], align: str | None = None) -> None:
    """Print rows of cells.

    Parameters
    ----------
    rows : sequence of sequence of str
        The cells; the header is a row like others.
    align : str, default=None
        "l" or "r" for each column; None: the first is a label, the others are numbers.
    """
    for line in lay_out(rows, align or "l" + "r" * (len(rows[0]) - 1)):
        print(f" {line}")


def table_rows(table: Any) -> tuple[list[str], Iterable[Sequence[Any]]]:
    """Return the names and rows of a DataFrame of any library, or of records."""
    if isinstance(table, list):
        names = list(table[0]) if table else []
        return names, ([row[name] for name in names] for row in table)
    frame = nw.from_native(table, eager_only=True)
    return frame.columns, frame.iter_rows()


def write_csv(
    file: TextIO, names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write rows as CSV."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)


def save_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows to a CSV file, which appears when it is complete."""
    write_file(path, lambda file: write_csv(file, names, rows))


def save_curves(curves: Mapping[str, Any], score_name: str, path: Path) -> str:
    """Draw learning curves into a file.

    Returns
    -------
    sentence : str
        Where the picture is, or that there is none because matplotlib is missing.
    """
    from bead_sklearn.active_learning import LearningCurveDisplay

    return _draw(
        lambda: LearningCurveDisplay(curves, score_name=score_name).plot().figure_,
        path,
        "The learning curves are",
    )


def save_effects(model: Any, factor: str, path: Path) -> str:
    """Draw the effects of a factor into a file.

    Returns
    -------
    sentence : str
        Where the picture is, or that there is none because matplotlib is missing.
    """
    from bead_sklearn.inspection import EffectsDisplay

    return _draw(
        lambda: EffectsDisplay.from_estimator(model, factor=factor).figure_,
        path,
        f"The effects of {factor} are",
    )


def _draw(draw: Callable[[], Any], path: Path, what: str) -> str:
    try:
        matplotlib = import_optional(
            "matplotlib", extra="plots", purpose="Drawing a picture"
        )
    except ImportError as error:
        return f"No picture was drawn. {error}"
    matplotlib.use("Agg")  # a file, never a window
    figure = draw()
    figure.savefig(path, dpi=150, bbox_inches="tight")
    matplotlib.pyplot.close(figure)
    return f"{what} drawn in {path}."
