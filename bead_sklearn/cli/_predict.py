"""``bead-sklearn predict``: predict judgments with a saved model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from bead_sklearn.cli._arguments import add_rows
from bead_sklearn.cli._output import Progress, save_csv, table_rows, write_csv


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "predict",
        help="predict judgments with a model that 'fit' saved",
        description="Predict the judgments of a table with a model that 'bead-sklearn "
        "fit' saved. The table has the columns the model was fitted to, under the "
        "same names; it needs no responses. Participants the model has not seen are "
        "predicted as the average over all participants.",
        epilog="The predictions are CSV: for labels the most probable one, the "
        "probability of each and that of the prediction; for numbers the mean, a 95 % "
        "interval of one judgment and its standard deviation.",
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="folder of the model")
    parser.add_argument(
        "table", metavar="TABLE", type=Path, help="file with one row per judgment"
    )
    add_rows(parser)
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from bead_sklearn import persistence
    from bead_sklearn.cli._study import Roles, load_features

    if arguments.output is not None and not arguments.output.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {arguments.output.parent}.")
    progress = Progress(arguments)
    roles = Roles.of_model(arguments.model)
    model = persistence.load(arguments.model)
    X, ids = load_features(
        arguments.table,
        roles,
        new=arguments.new,
        row_ids=arguments.id,
        sep=arguments.sep,
        encoding=arguments.encoding,
    )
    progress.say(f"Predicting {len(ids):,} judgments")
    names, rows = table_rows(model.predict_table(X, ids=ids))
    if arguments.output is None:
        write_csv(sys.stdout, names, rows)
    else:
        save_csv(arguments.output, names, rows)
