"""``bead-sklearn report``: what a table of judgments says about who judged."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bead_sklearn.cli._arguments import add_columns, add_model
from bead_sklearn.cli._output import Progress, save_effects, say

#: Participants printed; the file has all.
_MAX_ROWS = 20


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report",
        help="agreement, participants worth a look, and a model in words",
        description="Report on a table of judgments: how far people agree, whose "
        "answers are worth a look, and what a mixed-effects model finds. Items are "
        "told apart by --item, or else by their texts.",
        epilog="Example: bead-sklearn report ratings.csv --task ordinal --text "
        "sentence --response rating --participant worker --output report",
    )
    add_columns(parser)
    measured = parser.add_argument_group("more columns, which may have gaps")
    for name, what in (
        ("order", "position of the judgment in the participant's session"),
        ("time", "response time in seconds"),
        ("confidence", "how sure the participant was, from 0 to 1"),
    ):
        measured.add_argument(
            f"--{name}", metavar="COL", help=f"column with the {what}"
        )
    measured.add_argument(
        "--gold",
        metavar="COL",
        help="column: the right response of an item, where it is known",
    )
    add_model(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for participants.csv, summary.txt and effects.png",
    )
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from bead_sklearn._files import write_file
    from bead_sklearn.cli._quality import (
        measure,
        print_agreement,
        print_flagged,
        save_participants,
    )
    from bead_sklearn.cli._study import load_study, make_model

    folder: Path | None = arguments.output
    if folder is not None:
        # Before the work, not after it.
        folder.mkdir(parents=True, exist_ok=True)
    progress = Progress(arguments)
    progress.say(f"Reading {arguments.table}")
    study = load_study(arguments)
    progress.say("Measuring agreement")
    quality, interval = measure(study, arguments)
    print(f"{study.describe()} about {len(set(study.items.tolist())):,} items")
    print_agreement(study, quality, interval)
    print_flagged(quality, _MAX_ROWS)
    progress.say("Fitting a model")
    model: Any = make_model(arguments, study)
    model.fit(study.X, study.y)
    print("\nThe model")
    say(model.describe())
    if folder is None:
        return
    save_participants(quality, folder / "participants.csv")
    write_file(folder / "summary.txt", lambda file: file.write(f"{model.summary()}\n"))
    print()
    say(
        f"All participants are in {folder / 'participants.csv'}, the summary of the "
        f"model is in {folder / 'summary.txt'}."
    )
    if study.roles.factors:
        say(save_effects(model, study.roles.factors[0], folder / "effects.png"))
