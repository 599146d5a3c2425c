"""How long ``import bead_sklearn`` takes, beside ``import sklearn.linear_model``.

Fresh interpreters take turns, so that both see the same machine. The first is thrown
away, because it reads the files from the disk.

    python benchmarks/bench_import.py [ROUNDS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys

STATEMENTS = {
    "python alone": "pass",
    "sklearn.linear_model": "import sklearn.linear_model",
    "bead_sklearn": "import bead_sklearn",
    "bead_sklearn, all names": "from bead_sklearn import *",
}
REFERENCE = "sklearn.linear_model"


def seconds(statement: str) -> float:
    """Time of a statement in a fresh interpreter."""
    script = (
        "import time\nstart = time.perf_counter()\n"
        f"{statement}\nprint(time.perf_counter() - start)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return float(result.stdout)


def main() -> None:
    """Print minimum and median of each, and their ratios to the reference."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for number in range(rounds + 1):
        for name, statement in STATEMENTS.items():
            elapsed = seconds(statement)
            if number:
                times[name].append(elapsed)
    reference = times[REFERENCE]
    print(f"{rounds} rounds; seconds, and ratio to {REFERENCE}")
    print(f"{'':26}{'min':>8}{'ratio':>8}{'median':>10}{'ratio':>8}")
    for name, values in times.items():
        low, middle = min(values), statistics.median(values)
        print(
            f"{name:26}{low:8.3f}{low / min(reference):8.2f}"
            f"{middle:10.3f}{middle / statistics.median(reference):8.2f}"
        )


if __name__ == "__main__":
    main()
