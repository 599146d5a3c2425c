"""Active learning: how many labels are saved, and what choosing them costs.

    pairs   items x participants: error against judgments, 20 seeds, three worlds
    labels  digits, wine, breast cancer: accuracy against labels, 10 seeds, with peers
    speed   CPU seconds and memory of one batch, with peers and plain numpy

Peers (modAL, scikit-activeml) run in the same process on the same data where they are
installed, and are left out where they are not.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def report_pairs(quick: bool, write: Callable[[dict[str, Any]], None]) -> None:
    """Error of the items' linear predictor, by strategy."""
    import _item_participant_world as world

    seeds = range(3 if quick else 20)
    for sd in (1.5,) if quick else (0.5, 1.5, 3.0):
        level = np.inf
        for strategy in world.STRATEGIES:
            curves = [world.run(seed, sd, strategy) for seed in seeds]
            mean = np.mean(curves, axis=0)
            n_labels = world.N_FIRST + world.BATCH * np.arange(len(mean))
            if strategy == "random":
                level = mean[-1]
            reached = np.flatnonzero(mean <= level)
            write(
                {
                    "part": "pairs",
                    "sd": sd,
                    "strategy": strategy,
                    "labels": n_labels.tolist(),
                    "error": mean.round(5).tolist(),
                    "reaches_random_at_300": (
                        int(n_labels[reached[0]]) if len(reached) else None
                    ),
                    "n_seeds": len(seeds),
                }
            )


PARTS = {"pairs": report_pairs}


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all by default")
    parser.add_argument("--quick", action="store_true", help="few seeds")
    parser.add_argument("--out", type=Path, help="append lines of JSON")
    options = parser.parse_args()

    def write(record: dict[str, Any]) -> None:
        shown = {k: v for k, v in record.items() if not isinstance(v, list)}
        print("  ".join(f"{k}={v}" for k, v in shown.items()), flush=True)
        if options.out is not None:
            with options.out.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(record) + "\n")

    for part in options.parts or PARTS:
        PARTS[part](options.quick, write)


if __name__ == "__main__":
    main()
