"""Active learning: how many labels are saved, and what choosing them costs.

    pairs   items x participants: error against judgments, 20 seeds, three worlds
    labels  digits, wine, breast cancer: accuracy against labels, 10 seeds, with peers
    estimated  the same, the spread of participants being estimated: random, joint
    others  tables on which nothing of uncertainty herding was chosen, without peers
    rounds  fifty rounds on 100,000 rows against a plain loop that refits
    studies real judgments: scores for known and new participants, by judgment and item
    speed   CPU seconds and memory of one batch, with peers and plain numpy
    refits  expected error reduction against fits with every possible label
    memory  of one batch of 1,000,000 rows

Peers (modAL, scikit-activeml) run in the same process on the same data where they are
installed, and are left out where they are not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def report_pairs(
    quick: bool, only: list[str], write: Callable[[dict[str, Any]], None]
) -> None:
    """Error of the items' linear predictor, by strategy."""
    import _item_participant_world as world

    _report_worlds("pairs", 3 if quick else 20, only or world.STRATEGIES, quick, write)


def report_estimated(
    quick: bool, only: list[str], write: Callable[[dict[str, Any]], None]
) -> None:
    """The same where the model estimates the spread of the participants."""
    strategies = only or ["random", "joint_a_optimal"]
    _report_worlds("estimated", 3 if quick else 10, strategies, quick, write)


def _report_worlds(
    part: str,
    n_seeds: int,
    strategies: list[str],
    quick: bool,
    write: Callable[[dict[str, Any]], None],
) -> None:
    import _item_participant_world as world

    for sd in (1.5,) if quick else (0.5, 1.5, 3.0):
        level = np.inf
        for strategy in strategies:
            curves = [
                world.run(seed, sd, strategy, known=part == "pairs")
                for seed in range(n_seeds)
            ]
            mean = np.mean(curves, axis=0)
            n_labels = world.N_FIRST + world.BATCH * np.arange(len(mean))
            if strategy == "random":
                level = mean[-1]
            reached = np.flatnonzero(mean <= level)
            write(
                {
                    "part": part,
                    "sd": sd,
                    "strategy": strategy,
                    "labels": n_labels.tolist(),
                    "error": mean.round(5).tolist(),
                    "median": np.median(curves, axis=0).round(5).tolist(),
                    "reaches_random_at_300": (
                        int(n_labels[reached[0]]) if len(reached) else None
                    ),
                    "n_seeds": n_seeds,
                }
            )


def report_labels(
    quick: bool, only: list[str], write: Callable[[dict[str, Any]], None]
) -> None:
    """Accuracy against labels of our strategies and those of other libraries."""
    import _label_efficiency as task
    import _peers as peers

    from bead_sklearn.query import get_query_strategy

    names = [
        "random",
        "uncertainty_herding",
        "margin",
        "badge",
        "ranked_batch",
        "diverse_uncertainty",
        "k_center",
        "entropy",
        "typiclust",
        "bald",
    ]
    picks = {name: task.ours(get_query_strategy(name)) for name in names}
    others = peers.scikit_activeml() | peers.modal()
    first = ["random", "uncertainty_herding", *others]
    order = [*first, *(name for name in names if name not in first)]
    for data in ("wine",) if quick else ("wine", "breast_cancer", "digits"):
        table = task.load(data)
        for name in only or order:
            pick = picks.get(name) or others[name]
            seeds = range(3 if quick else 10)
            curves = np.array([task.curve(table, pick, seed) for seed in seeds])
            reached = {
                f"labels_to_{level}": float(
                    np.mean([task.labels_to_reach(table, c, level) for c in curves])
                )
                for level in table.levels
            }
            write(
                {
                    "part": "labels",
                    "data": data,
                    "strategy": name,
                    "area": round(float(curves.mean()), 4),
                    "area_se": round(
                        float(curves.mean(axis=1).std() / np.sqrt(len(curves))), 4
                    ),
                    **reached,
                    "first": table.n_first,
                    "batch": table.batch,
                    "curve": curves.mean(axis=0).round(4).tolist(),
                    "n_seeds": len(curves),
                }
            )


def report_studies(
    quick: bool, only: list[str], write: Callable[[dict[str, Any]], None]
) -> None:
    """Scores on items set aside, of known and of new participants."""
    import _judgment_sets as studies

    seeds = range(2 if quick else 3)
    for data in studies.TABLES[:1] if quick else studies.TABLES:
        for unit in ("row", "item"):
            for strategy in only or studies.STRATEGIES:
                runs = [studies.run(data, unit, strategy, seed) for seed in seeds]
                means = {
                    name: np.mean([run[name] for run in runs], axis=0).round(4).tolist()
                    if isinstance(value, list)
                    else value
                    for name, value in runs[0].items()
                }
                heights = {
                    f"{name}_by_seed": [float(np.mean(run[name])) for run in runs]
                    for name in ("known", "new")
                }
                write(
                    {
                        "part": "studies",
                        "data": data,
                        "unit": unit,
                        "strategy": strategy,
                        **means,
                        **heights,
                        "n_seeds": len(runs),
                    }
                )


def report_others(
    quick: bool, only: list[str], write: Callable[[dict[str, Any]], None]
) -> None:
    """Accuracy against labels where the constants of herding were not chosen."""
    import _label_efficiency as task

    from bead_sklearn.query import get_query_strategy

    names = only or ["random", "margin", "uncertainty_herding", "typiclust"]
    for data in task.OTHERS[:1] if quick else task.OTHERS:
        table = task.load_other(data)
        for name in names:
            pick = task.ours(get_query_strategy(name))
            seeds = range(2 if quick else 6)
            curves = np.array([task.curve(table, pick, seed) for seed in seeds])
            third = curves.shape[1] // 3
            areas = curves.mean(axis=1)
            write(
                {
                    "part": "others",
                    "data": data,
                    "strategy": name,
                    "area": round(float(areas.mean()), 4),
                    "area_se": round(float(areas.std(ddof=1) / np.sqrt(len(areas))), 4),
                    "early": round(float(curves[:, :third].mean()), 4),
                    "late": round(float(curves[:, -third:].mean()), 4),
                    "n_seeds": len(curves),
                }
            )


def report_rounds(
    quick: bool, only: list[str], write: Callable[[dict[str, Any]], None]
) -> None:
    """Seconds of fifty rounds on a large pool."""
    import _warm_rounds

    for record in _warm_rounds.measure(quick):
        if not only or record["way"] in only:
            write(record)


def report_refits(
    quick: bool, only: list[str], write: Callable[[dict[str, Any]], None]
) -> None:
    """Expected error reduction beside fits with every possible label."""
    import _refits

    for record in _refits.measure(quick):
        write(record)


def report_memory(
    quick: bool, only: list[str], write: Callable[[dict[str, Any]], None]
) -> None:
    """Memory of one batch of a large pool, each in a process of its own."""
    for name in only or (
        "entropy",
        "margin",
        "badge",
        "k_center",
        "ranked_batch",
        "uncertainty_herding",
        "diverse_uncertainty",
    ):
        _run_alone("ours", name, 100_000 if quick else 1_000_000, write)


def report_speed(
    quick: bool, only: list[str], write: Callable[[dict[str, Any]], None]
) -> None:
    """CPU seconds of one batch, each in a process of its own."""
    timed = {
        "entropy": ("floor", "ours"),
        "margin": ("floor", "ours", "scikit-activeml", "modAL"),
        "expected_gradient_length": ("floor", "ours"),
        "mean_kl": ("floor", "ours"),
        "k_center": ("floor", "ours", "scikit-activeml"),
        "badge": ("floor", "ours", "scikit-activeml"),
        "ranked_batch": ("floor", "ours", "modAL"),
        "uncertainty_herding": ("ours",),
        "diverse_uncertainty": ("ours",),
        "typiclust": ("ours",),
        "bald": ("ours",),
    }
    for n in (5_000,) if quick else (20_000, 100_000):
        for name in only or timed:
            for library in timed[name]:
                _run_alone(library, name, n, write)


def _run_alone(
    library: str, name: str, n: int, write: Callable[[dict[str, Any]], None]
) -> None:
    script = str(Path(__file__).with_name("_query_speed.py"))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    made = subprocess.run(
        [sys.executable, script, library, name, str(n)],
        capture_output=True,
        text=True,
        env={**os.environ, **threads},
        check=False,
    )
    if made.returncode == 0:
        write(json.loads(made.stdout.splitlines()[-1]))
    else:
        reason = made.stderr.strip().splitlines()[-1:]
        print(f"{library} {name} n={n} left out: {reason}", flush=True)


PARTS = {
    "pairs": report_pairs,
    "estimated": report_estimated,
    "labels": report_labels,
    "studies": report_studies,
    "others": report_others,
    "rounds": report_rounds,
    "refits": report_refits,
    "memory": report_memory,
    "speed": report_speed,
}


def draw(records: list[dict[str, Any]], path: Path) -> None:
    """Draw the curves of pairs (one world) and of the labels of digits."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    shown = {
        "random": ("random", "0.6"),
        "entropy": ("entropy", "C3"),
        "a_optimal": ("a_optimal", "C1"),
        "expected_information_gain": ("information gain", "C2"),
        "joint_a_optimal": ("joint_a_optimal", "C0"),
        "uncertainty_herding": ("uncertainty_herding", "C0"),
        "scikit-activeml margin": ("margin", "C1"),
        "scikit-activeml MaxHerding": ("MaxHerding", "C2"),
        "scikit-activeml Falcun": ("Falcun", "C4"),
    }
    for record in records:
        label, color = shown.get(record.get("strategy", ""), (None, None))
        if label is None:
            continue
        if record["part"] == "pairs" and record["sd"] == 1.5:
            left.plot(record["labels"], record["error"], color=color, label=label)
        elif record["part"] == "labels" and record["data"] == "digits":
            n = record["first"] + record["batch"] * np.arange(len(record["curve"]))
            right.plot(n, record["curve"], color=color, label=label)
    left.set(
        xlabel="Judgments",
        ylabel="Error of items' linear predictor (logits)",
        title="Items x participants, sd 1.5",
    )
    right.set(xlabel="Labels", ylabel="Accuracy", title="Digits", ylim=(0.7, None))
    for axes in (left, right):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all by default")
    parser.add_argument("--quick", action="store_true", help="few seeds")
    parser.add_argument(
        "--only", nargs="*", default=[], help="strategies, random first; all by default"
    )
    parser.add_argument("--out", type=Path, help="append lines of JSON")
    parser.add_argument("--read", type=Path, help="show results kept in this file")
    parser.add_argument("--figure", type=Path, help="where to draw them")
    parser.add_argument("--tables", type=Path, help="a page whose tables to renew")
    options = parser.parse_args()
    if options.read is not None:
        lines = options.read.read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        if options.figure is not None:
            draw(records, options.figure)
        if options.tables is not None:
            from _active_tables import fill

            text = options.tables.read_text(encoding="utf-8")
            options.tables.write_text(fill(text, records), encoding="utf-8")
        return

    def write(record: dict[str, Any]) -> None:
        shown = {k: v for k, v in record.items() if not isinstance(v, list)}
        print("  ".join(f"{k}={v}" for k, v in shown.items()), flush=True)
        if options.out is not None:
            with options.out.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(record) + "\n")

    for part in options.parts or PARTS:
        PARTS[part](options.quick, options.only, write)


if __name__ == "__main__":
    main()
