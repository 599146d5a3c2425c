"""``bead-sklearn simulate``: replay active learning on a table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bead_sklearn.cli._arguments import add_columns, add_model, at_least, share
from bead_sklearn.cli._output import Progress, save_curves, say


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "simulate",
        help="replay active learning on a table of judgments",
        description="Replay active learning on a table of judgments: their responses "
        "are hidden, and revealed as a query strategy asks for them. Shows how good "
        "the model is after how many labels, beside labels asked for at random.",
        epilog="Example: bead-sklearn simulate ratings.csv --task binary --text "
        "sentence --response acceptable --participant worker --max-labels 300",
    )
    add_columns(parser)
    add_model(parser)
    search = parser.add_argument_group("active learning")
    search.add_argument(
        "--strategy",
        action="append",
        metavar="NAME",
        help="query strategy to compare with random; once for each (default: entropy "
        "for labels, predictive_std for numbers)",
    )
    search.add_argument(
        "--initial",
        type=at_least(1),
        default=20,
        metavar="N",
        help="judgments drawn at random to begin with (default: 20)",
    )
    search.add_argument(
        "--batch-size",
        type=at_least(1),
        default=20,
        metavar="N",
        help="judgments asked for at a time (default: 20)",
    )
    search.add_argument(
        "--max-labels",
        type=at_least(1),
        default=200,
        metavar="N",
        help="judgments at which a run ends (default: 200)",
    )
    search.add_argument(
        "--repeats",
        type=at_least(1),
        default=3,
        metavar="N",
        help="runs of each strategy, from other starts (default: 3)",
    )
    search.add_argument(
        "--validation",
        type=share,
        default=0.3,
        metavar="SHARE",
        help="share of the judgments held out to score on (default: 0.3)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for learning_curves.csv and learning_curves.png",
    )
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from bead_sklearn.cli._simulation import (
        check_task,
        report,
        save_table,
        score_name,
        simulate,
    )
    from bead_sklearn.cli._study import load_study, make_model
    from bead_sklearn.cli._tasks import default_strategy

    if arguments.output is not None:
        # Before the work, not after it.
        arguments.output.mkdir(parents=True, exist_ok=True)
    progress = Progress(arguments)
    progress.say(f"Reading {arguments.table}")
    study = load_study(arguments)
    check_task(study.roles.task)
    wanted = arguments.strategy or [default_strategy(study.roles.task)]
    strategies = dict.fromkeys(["random", *wanted])
    progress.say(f"Simulating on {study.describe()}")
    curves = simulate(
        study,
        make_model(arguments, study),
        list(strategies),
        progress,
        n_initial=arguments.initial,
        batch_size=arguments.batch_size,
        max_labels=arguments.max_labels,
        n_repeats=arguments.repeats,
        validation=arguments.validation,
        random_state=arguments.seed,
    )
    report(study, curves)
    if arguments.output is not None:
        table = arguments.output / "learning_curves.csv"
        save_table(curves, table)
        picture = arguments.output / "learning_curves.png"
        drawn = save_curves(curves, score_name(study), picture)
        say(f"All points are in {table}. {drawn}")
