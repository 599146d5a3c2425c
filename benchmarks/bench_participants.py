"""Time per fit against the number of participants, at a fixed number of judgments.

Binary judgments with random intercepts of participants and a few covariates. The cost
of a fit should depend on the judgments, not on who made them: the slowest of all
numbers of participants takes at most twice the time of the fastest. One thread, CPU
seconds, each cell in its own process.

    python benchmarks/bench_participants.py --quick
    python benchmarks/bench_participants.py --figure docs/images/cost_participants.png
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from _measure import Record, machine, measure, parser, run_cell, save, show

N_ROWS = 200_000
N_COVARIATES = 4
PARTICIPANTS = [10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000]
QUICK_ROWS = 20_000
QUICK_PARTICIPANTS = [10, 1_000, 10_000]
#: Slowest over fastest that we want.
FLAT = 2.0

STRUCTURES = {"(1 | p)": "intercepts", "(1 + x0 | p)": "slopes"}


def simulate(n: int, participants: int, *, slopes: bool, seed: int = 0):
    """Draw binary judgments of participants in turn; return frame and responses."""
    import pandas as pd

    rng = np.random.default_rng([seed, n, participants])
    codes = rng.permutation(np.arange(n) % participants)
    X = rng.standard_normal((n, N_COVARIATES))
    effects = rng.standard_normal((participants, 2)) * [1.0, 0.5 if slopes else 0.0]
    b = rng.standard_normal(N_COVARIATES) / np.sqrt(N_COVARIATES)
    eta = X @ b + effects[codes, 0] + effects[codes, 1] * X[:, 0]
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(int)
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(N_COVARIATES)])
    return frame.assign(p=codes), y


def run_one(cell: Record) -> Record:
    """Measure one fit of the public estimator, in this process."""
    from bead_sklearn import BinaryClassifier

    formula = cell["formula"]
    frame, y = simulate(cell["n"], cell["participants"], slopes="x0" in formula)

    def fit() -> Record:
        model = BinaryClassifier(alpha=0, mixed_effects=formula).fit(frame, y)
        [component] = model.variance_components_
        return {
            "sds": np.sqrt(component.variance).tolist(),
            "log_likelihood": model.log_likelihood_,
            "n_iter": int(model.n_iter_),
        }

    return measure(fit)


def draw(records: list[Record], path: Path) -> None:
    """Draw the time of a fit against the number of participants."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    for (formula, name), color in zip(
        STRUCTURES.items(), ["#0072b2", "#d55e00"], strict=True
    ):
        chosen = [record for record in records if record["formula"] == formula]
        if not chosen:
            continue
        times = [record["cpu"] for record in chosen]
        axes.axhspan(
            min(times), FLAT * min(times), color=color, alpha=0.08, linewidth=0
        )
        axes.plot(
            [record["participants"] for record in chosen],
            times,
            "o-",
            color=color,
            label=f"{name}, {formula}",
        )
    axes.set(xscale="log", xlabel="participants", ylabel="CPU seconds of one fit")
    axes.set_ylim(bottom=0.0)
    n = records[0]["n"]
    axes.set_title(f"{n:,} binary judgments, one thread", fontsize=10)
    axes.plot([], [], "s", color="0.9", markersize=10, label="up to twice the fastest")
    axes.legend(frameon=False, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def read(paths: list[Path]) -> list[Record]:
    """Read results; of two for one cell the last counts."""
    cells = {}
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if "formula" in record:
                cells[record["formula"], record["participants"]] = record
    return [cells[key] for key in sorted(cells)]


def run(n: int, numbers: list[int], options) -> list[Record]:
    """Measure all cells."""
    print(json.dumps(machine()))
    save(options.out, [{"machine": machine()}])
    records = []
    for formula in STRUCTURES:
        for participants in numbers:
            cell = {"n": n, "participants": participants, "formula": formula}
            records.append(run_cell(__file__, cell, options.limit))
            save(options.out, records[-1:])
    return records


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--figure", type=Path, help="where to draw the times")
    arguments.add_argument(
        "--read", type=Path, nargs="+", help="results of earlier runs, none is made"
    )
    options = arguments.parse_args()
    if options.cell:
        print(json.dumps(run_one(json.loads(options.cell))))
        return
    n = QUICK_ROWS if options.quick else N_ROWS
    numbers = QUICK_PARTICIPANTS if options.quick else PARTICIPANTS
    records = read(options.read) if options.read else run(n, numbers, options)
    rows = [
        [
            r["formula"],
            r["participants"],
            r["status"],
            r.get("cpu"),
            r.get("peak_mb"),
            [round(sd, 3) for sd in r.get("sds", [])],
            r.get("n_iter"),
        ]
        for r in records
    ]
    header = ["structure", "participants", "", "CPU s", "peak MB", "sds", "iterations"]
    print(f"{records[0]['n']} judgments\n{show(header, rows)}")
    done = [record for record in records if record["status"] == "ok"]
    for formula in STRUCTURES:
        times = [record["cpu"] for record in done if record["formula"] == formula]
        if times:
            spread = max(times) / min(times)
            verdict = "reached" if spread <= FLAT else "missed"
            print(
                f"{formula}: slowest / fastest {spread:.2f}, wanted {FLAT:g}: {verdict}"
            )
    if options.figure and done:
        draw(done, options.figure)


if __name__ == "__main__":
    main()
