"""Options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

#: Tasks the commands can fit, and their responses. The table of their estimators is
#: in `_tasks.py`, which imports these; help must not.
TASKS = {
    "binary": "one of two labels",
    "categorical": "one of several labels",
    "forced_choice": "the name of one of the text columns",
    "multi_select": "options joined by |",
    "ordinal": "a point of a scale such as 1-7",
    "slider": "a number between two ends",
    "magnitude": "a number",
    "cloze": "the word for a blank",
    "free_text": "an answer in words",
}


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the table and the options that say what its columns are."""
    parser.add_argument(
        "table",
        metavar="TABLE",
        help="file with one row per judgment: .csv, .tsv or .jsonl, also compressed as "
        ".gz, .bz2 or .xz",
    )
    columns = parser.add_argument_group("columns of the table")
    columns.add_argument(
        "--task",
        required=True,
        choices=TASKS,
        metavar="TASK",
        help="kind of response. "
        + "; ".join(f"{name}: {what}" for name, what in TASKS.items()),
    )
    columns.add_argument(
        "--text",
        required=True,
        action="append",
        metavar="COL",
        help="column with the text that was judged; once for each such column",
    )
    columns.add_argument(
        "--response", required=True, metavar="COL", help="column with the responses"
    )
    columns.add_argument(
        "--participant",
        required=True,
        metavar="COL",
        help="column that says who judged",
    )
    columns.add_argument(
        "--item",
        metavar="COL",
        help="column that says which item was judged; its items then have effects too",
    )
    columns.add_argument(
        "--covariate",
        action="append",
        default=[],
        metavar="COL",
        help="numeric column that predicts the response; once for each such column",
    )
    add_relabel(columns)
    columns.add_argument(
        "--outside-option",
        metavar="LABEL",
        help="forced_choice: a response without a column, such as 'equal'",
    )
    columns.add_argument(
        "--scale",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="slider: its ends (default: 0 1)",
    )
    columns.add_argument(
        "--blank", metavar="MARK", help="cloze: what marks a blank (default: ___)"
    )
    add_format(columns)


def add_relabel(parser: argparse._ActionsContainer) -> None:
    """Add the option that renames responses."""
    parser.add_argument(
        "--relabel",
        action="append",
        default=[],
        type=_renaming,
        metavar="OLD=NEW",
        help="another name for a response, such as a=option_a where the text column "
        "is option_a; once for each",
    )


def add_format(parser: argparse._ActionsContainer) -> None:
    """Add the options that say how the file is to be read."""
    parser.add_argument(
        "--sep",
        type=lambda text: "\t" if text == r"\t" else text,
        metavar="CHAR",
        help=r"character between fields, \t for a tab; by default the suffix of the "
        "file decides",
    )
    parser.add_argument(
        "--encoding", default="utf-8", help="encoding of the file (default: utf-8)"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options of the model."""
    model = parser.add_argument_group("model")
    model.add_argument(
        "--mixed-effects",
        metavar="SPEC",
        help="'fixed' for no effects of participants, or a formula over the columns "
        "such as '(1 + trial | worker) + (1 | item)'; by default the intercept varies "
        "over participants, and over items with --item",
    )
    model.add_argument(
        "--alpha",
        type=_alpha,
        default="auto",
        metavar="A",
        help="ridge penalty on the coefficients: a number of at least 0, or 'auto' "
        "to estimate it (default)",
    )
    model.add_argument(
        "--family", metavar="F", help="response distribution (default: the task's own)"
    )
    model.add_argument(
        "--encoder",
        metavar="NAME",
        help="name or path of a Hugging Face model that turns the texts into features; "
        "by default hashed character and word n-grams, which need no download",
    )
    add_seed(model)


def add_rows(parser: argparse._ActionsContainer) -> None:
    """Add the options of a table of rows for a saved model, and of what is written."""
    parser.add_argument(
        "--new",
        action="append",
        default=[],
        metavar="COL",
        help="the rows are for somebody, or something, new in this column of ids, "
        "whatever the table says; once for each such column",
    )
    parser.add_argument(
        "--id",
        metavar="COL",
        help="column that names the rows; by default they are numbered from 1",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="CSV file to write (default: standard output)",
    )
    add_format(parser)


def add_seed(parser: argparse._ActionsContainer) -> None:
    """Add the option for the random seed."""
    parser.add_argument(
        "--seed",
        type=at_least(0),
        default=0,
        metavar="N",
        help="seed of everything drawn at random (default: 0)",
    )


def at_least(low: int) -> Callable[[str], int]:
    """Return the type of an option that is an integer of at least ``low``."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low:
            raise argparse.ArgumentTypeError(
                f"must be an integer of at least {low}, got {text!r}"
            )
        return value

    return read


def share(text: str) -> float:
    """Read a number between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(
            f"must be a number between 0 and 1, got {text!r}"
        )
    return value


def _renaming(text: str) -> tuple[str, str]:
    old, sign, new = text.partition("=")
    if not (old and sign and new):
        raise argparse.ArgumentTypeError(f"must be OLD=NEW, got {text!r}")
    return old, new


def _alpha(text: str) -> float | str:
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a number or 'auto', got {text!r}"
        ) from None
