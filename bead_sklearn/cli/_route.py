"""``bead-sklearn route``: assign items to annotators by their past rewards."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bead_sklearn.cli._arguments import add_format, add_seed, at_least
from bead_sklearn.cli._output import Progress, save_csv, write_csv

_MODEL = "EleutherAI/gpt-neo-125m"


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "route",
        help="assign items to annotators by expected reward",
        description="Learn from a table of rewards, one row per answer, what reward to "
        "expect of each annotator, and assign the items of another table to "
        "annotators.",
        epilog="The assignment is CSV: the item, the annotator and the reward expected "
        "of the answer. Example: bead-sklearn route rewards.csv prompts.csv --text "
        "prompt --annotator worker --reward quality --capacity 20",
    )
    parser.add_argument("rewards", metavar="REWARDS", type=Path, help="past rewards")
    parser.add_argument("items", metavar="ITEMS", type=Path, help="items to assign")
    columns = parser.add_argument_group("columns of the tables")
    for name, what in (
        ("text", "column with the text of the item, in both tables"),
        ("annotator", "column that says who answered"),
        ("reward", "column with the reward of the answer"),
    ):
        columns.add_argument(f"--{name}", required=True, metavar="COL", help=what)
    add_format(columns)
    model = parser.add_argument_group("model")
    model.add_argument(
        "--solver",
        choices=("gp", "ridge", "knn", "sgd"),
        default="gp",
        help="how rewards are learned (default: gp)",
    )
    model.add_argument(
        "--loss",
        choices=("squared_error", "log_loss", "listwise", "softmax_mse"),
        default="squared_error",
        help="what training minimises (default: squared_error)",
    )
    model.add_argument(
        "--model-name",
        "--gating.model_name",
        metavar="NAME",
        nargs="?",
        const=_MODEL,
        help="name or path of a Hugging Face model that turns texts into features "
        f"(without NAME: {_MODEL}); by default hashed n-grams, which need no download",
    )
    model.add_argument(
        "--pooling",
        choices=("mean", "last", "cls", "max"),
        help="how it joins the vectors of tokens (default: last)",
    )
    model.add_argument(
        "--num-uids",
        "--gating.num_uids",
        type=at_least(1),
        metavar="N",
        default=4096,
        help="most annotators there may be (default: 4096)",
    )
    for name, what, check, default in (
        ("learning_rate", "step", _number(0.0, float("inf"), low_too=False), 0.01),
        ("momentum", "share of the last step kept", _number(0.0, 1.0), 0.9),
    ):
        model.add_argument(
            f"--{name.replace('_', '-')}",
            f"--gating.{name}",
            type=check,
            metavar="X",
            help=f"{what} of --solver sgd (default: {default:g})",
        )
    add_seed(model)
    routing = parser.add_argument_group("assignment")
    routing.add_argument(
        "--per-item",
        type=at_least(1),
        default=1,
        metavar="N",
        help="annotators per item (default: 1)",
    )
    routing.add_argument(
        "--capacity", type=at_least(0), metavar="N", help="most items per annotator"
    )
    routing.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="ID",
        help="annotator who is not asked; once for each",
    )
    routing.add_argument(
        "--epsilon",
        type=_number(0.0, 1.0, high_too=True),
        default=0.0,
        metavar="P",
        help="probability that an item goes to annotators at random (default: 0)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="CSV file to write (default: standard output)",
    )
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from bead_sklearn.datasets._read import read_table

    if arguments.output is not None and not arguments.output.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {arguments.output.parent}.")
    progress = Progress(arguments)
    form = arguments.sep, arguments.encoding
    rewards = read_table(arguments.rewards, *form)
    texts = _column(rewards, arguments.rewards, arguments.text)
    annotators = _column(rewards, arguments.rewards, arguments.annotator)
    values = _column(rewards, arguments.rewards, arguments.reward)
    items = read_table(arguments.items, *form)
    wanted = _column(items, arguments.items, arguments.text)
    n_annotators = len(set(annotators))
    if n_annotators > arguments.num_uids:
        raise ValueError(
            f"{arguments.rewards} has {n_annotators} annotators, and --num-uids allows "
            f"{arguments.num_uids}."
        )
    router = _make_router(arguments)
    progress.say(f"Learning from {len(texts):,} rewards of {n_annotators} annotators")
    router.fit(texts, _numbers(values, arguments), groups=annotators)
    chosen = router.route(
        wanted,
        arguments.per_item,
        capacity=arguments.capacity,
        exclude=arguments.exclude or None,
        epsilon=arguments.epsilon,
    ).reshape(len(wanted), -1)
    repeated = [text for text in wanted for _ in range(chosen.shape[1])]
    expected = router.predict(repeated, groups=chosen.ravel())
    rows = [
        (text, annotator, f"{reward:.6g}")
        for text, annotator, reward in zip(
            repeated, chosen.ravel(), expected, strict=True
        )
    ]
    names = [arguments.text, arguments.annotator, "expected_reward"]
    if arguments.output is None:
        write_csv(sys.stdout, names, rows)
    else:
        save_csv(arguments.output, names, rows)


def _make_router(arguments: argparse.Namespace) -> Any:
    from bead_sklearn.encoders import TransformerEncoder
    from bead_sklearn.routing import AnnotatorRouter

    steps = {"learning_rate": arguments.learning_rate, "momentum": arguments.momentum}
    given = {name: value for name, value in steps.items() if value is not None}
    if given and arguments.solver != "sgd":
        option = next(iter(given)).replace("_", "-")
        raise ValueError(f"--{option} needs --solver sgd. Got {arguments.solver}.")
    encoder = None
    if arguments.model_name is not None:
        pooling = arguments.pooling or "last"
        encoder = TransformerEncoder(arguments.model_name, pooling=pooling)
    elif arguments.pooling is not None:
        raise ValueError("--pooling needs --model-name.")
    return AnnotatorRouter(
        encoder,
        solver=arguments.solver,
        loss=arguments.loss,
        random_state=arguments.seed,
        **given,
    )


def _column(table: Any, path: Path, name: str) -> list[Any]:
    if name not in table.columns:
        raise ValueError(
            f"{path} has no column {name!r}; its columns are {list(table.columns)}."
        )
    return list(table.columns[name])


def _numbers(values: list[Any], arguments: argparse.Namespace) -> list[float]:
    result = []
    for row, value in enumerate(values, start=1):
        try:
            result.append(float(value))
        except (TypeError, ValueError):
            raise ValueError(
                f"{arguments.rewards}, row {row}: the reward {value!r} in column "
                f"{arguments.reward!r} is no number."
            ) from None
    return result


def _number(
    low: float, high: float, *, low_too: bool = True, high_too: bool = False
) -> Callable[[str], float]:
    """Return the type of an option that is a number in a range."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        above = value >= low if low_too else value > low
        below = value <= high if high_too else value < high
        if not (above and below):
            limit = f"at least {low:g}" if low_too else f"above {low:g}"
            if high < float("inf"):
                limit += (
                    f" and at most {high:g}" if high_too else f" and below {high:g}"
                )
            raise argparse.ArgumentTypeError(f"must be a number {limit}, got {text!r}")
        return value

    return read
