"""``bead-sklearn query``: choose what to ask next with a saved model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bead_sklearn.cli._arguments import (
    add_relabel,
    add_rows,
    add_seed,
    at_least,
)
from bead_sklearn.cli._output import Progress, save_csv, table_rows, write_csv

if TYPE_CHECKING:
    from bead_sklearn.cli._study import Roles
    from bead_sklearn.query import QueryStrategy


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "query",
        help="choose which judgments to collect next",
        description="Choose from a table of judgments that could be collected, each "
        "row an item (and, where the model has effects of participants, who would "
        "judge it), those that teach most. The model is one that 'bead-sklearn fit' "
        "saved.",
        epilog="The choice is CSV, best first: the row, who and what, and its utility. "
        "Example: bead-sklearn query model pool.csv --strategy joint_a_optimal --n 40 "
        "--max-per-participant 5",
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="folder of the model")
    parser.add_argument(
        "table", metavar="POOL", type=Path, help="file with one row per candidate"
    )
    parser.add_argument(
        "--n",
        type=at_least(1),
        default=20,
        metavar="N",
        help="how many to choose (default: 20)",
    )
    parser.add_argument(
        "--strategy",
        metavar="NAME",
        help="query strategy (default: entropy for labels, predictive_std for numbers)",
    )
    parser.add_argument(
        "--judged",
        type=Path,
        metavar="TABLE",
        help="judgments made so far, under the column names of the fit; strategies "
        "that look for variety keep away from them, and quotas count them",
    )
    add_relabel(parser)
    parser.add_argument(
        "--max-per-participant",
        type=at_least(1),
        metavar="N",
        help="most judgments of a participant",
    )
    parser.add_argument(
        "--max-per-item",
        type=at_least(1),
        metavar="N",
        help="most judgments of an item; without effects of items, of a text",
    )
    add_rows(parser)
    add_seed(parser)
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from bead_sklearn import persistence
    from bead_sklearn.cli._study import Roles, load_features, load_responses, select
    from bead_sklearn.cli._tasks import default_strategy

    if arguments.output is not None and not arguments.output.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {arguments.output.parent}.")
    if arguments.relabel and arguments.judged is None:
        raise ValueError("--relabel needs --judged, whose responses it renames.")
    progress = Progress(arguments)
    roles = Roles.of_model(arguments.model)
    model = persistence.load(arguments.model)
    form = {"sep": arguments.sep, "encoding": arguments.encoding}
    pool, ids = load_features(
        arguments.table, roles, new=arguments.new, row_ids=arguments.id, **form
    )
    known: dict[str, Any] = {}
    if arguments.judged is not None:
        X, y = load_responses(
            arguments.judged, roles, relabel=dict(arguments.relabel) or None, **form
        )
        known = {"X_labeled": X, "y_labeled": y}
    name = arguments.strategy or default_strategy(roles.task)
    strategy = _strategy(name, roles, arguments)
    progress.say(f"Choosing among {len(ids):,} candidates by {name}")
    scored = strategy.score_pool(model, pool, **known)
    chosen = scored.select(arguments.n)
    # What stands for somebody new has no id to be shown.
    shown = [name for name in roles.factors if name not in arguments.new]
    names, rows = table_rows(select(pool, [*shown, *roles.text]))
    table = [tuple(row) for row in rows]
    columns = ["row" if arguments.id is None else arguments.id, *names, "utility"]
    lines = [(ids[i], *table[i], f"{scored.utilities[i]:.6g}") for i in chosen.tolist()]
    if len(lines) < arguments.n:
        progress.say(f"Only {len(lines)} of {arguments.n} may be asked.")
    if arguments.output is None:
        write_csv(sys.stdout, columns, lines)
    else:
        save_csv(arguments.output, columns, lines)


def _strategy(name: str, roles: Roles, arguments: argparse.Namespace) -> QueryStrategy:
    """Return the strategy within its quotas."""
    from bead_sklearn.query import Constrained, create_strategy

    strategy = create_strategy(name, arguments.seed)
    if "participant" in strategy.get_params() and roles.participant in roles.factors:
        strategy.set_params(participant=roles.participant)
    if arguments.max_per_participant is not None:
        if roles.participant not in roles.factors or roles.participant in arguments.new:
            raise ValueError(
                "--max-per-participant needs candidates that say who would judge: the "
                f"model must have effects over {roles.participant!r}, and --new must "
                "not name it."
            )
        strategy = Constrained(
            strategy, max_per_item=arguments.max_per_participant, item=roles.participant
        )
    if arguments.max_per_item is not None:
        by_id = roles.item in roles.factors and roles.item not in arguments.new
        item = roles.item if by_id else _Texts(roles.text)
        strategy = Constrained(strategy, max_per_item=arguments.max_per_item, item=item)
    return strategy


class _Texts:
    """Items told apart by their texts."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def __call__(self, X: Any) -> Any:
        from bead_sklearn.cli._study import select, text_items

        return text_items(select(X, self.names))
