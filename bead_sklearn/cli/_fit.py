"""``bead-sklearn fit``: fit a model to a table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bead_sklearn.cli._arguments import add_columns, add_model, at_least
from bead_sklearn.cli._output import Progress


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "fit",
        help="fit a mixed-effects model to a table of judgments",
        description="Fit a mixed-effects model to a table of judgments, print its "
        "summary, and save it as a folder that 'bead-sklearn predict' reads.",
        epilog="Example: bead-sklearn fit ratings.csv --task binary --text sentence "
        "--response acceptable --participant worker --output model",
    )
    add_columns(parser)
    add_model(parser)
    parser.add_argument(
        "--cross-validate",
        type=at_least(2),
        metavar="K",
        help="also predict held-out judgments in K folds, of known and of new "
        "participants, with and without mixed effects",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder to save the model as"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a model saved there before"
    )
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from bead_sklearn import persistence
    from bead_sklearn.cli._evaluation import compare, report
    from bead_sklearn.cli._study import load_study, make_model

    if arguments.output is not None:
        # Before the work, not after it.
        persistence.check_path(arguments.output, overwrite=arguments.overwrite)
    progress = Progress(arguments)
    progress.say(f"Reading {arguments.table}")
    study = load_study(arguments)
    if (arguments.cross_validate or 0) > study.n_participants:
        raise ValueError(
            f"--cross-validate {arguments.cross_validate} needs as many participants; "
            f"{arguments.table} has {study.n_participants}."
        )
    progress.say(f"Fitting {study.describe()}")
    roles = study.roles
    model: Any = make_model(arguments, study)
    model.fit(study.X, study.y)
    print(model.summary())
    if arguments.output is not None:
        persistence.save(
            model,
            arguments.output,
            overwrite=arguments.overwrite,
            metadata=roles.to_metadata(),
        )
    if arguments.cross_validate is not None:
        models = {roles.mixed_effects: (model, study.X)}
        fixed = make_model(arguments, study, fixed=True)
        models["fixed"] = (fixed, study.features())
        progress.say("Cross-validating")
        results = compare(
            study, models, arguments.cross_validate, arguments.seed, progress
        )
        print()
        report(study, results, arguments.cross_validate)
    if arguments.output is not None:
        print()
        print(f"The model is saved in {arguments.output}.")
