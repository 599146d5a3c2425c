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
    """Time against participants, both on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.0, 3.6), layout="constrained")
    for formula, name in STRUCTURES.items():
        chosen = [record for record in records if record["formula"] == formula]
        x = [record["participants"] for record in chosen]
        axes.plot(
            x, [record["cpu"] for record in chosen], "o-", label=f"{name} {formula}"
        )
    axes.set(xscale="log", xlabel="participants", ylabel="CPU seconds of one fit")
    axes.set_ylim(bottom=0.0)
    axes.set_title(f"{records[0]['n']:,} binary judgments, one thread")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--figure", type=Path, help="where to draw the times")
    options = arguments.parse_args()
    if options.cell:
        print(json.dumps(run_one(json.loads(options.cell))))
        return
    n = QUICK_ROWS if options.quick else N_ROWS
    numbers = QUICK_PARTICIPANTS if options.quick else PARTICIPANTS
    print(json.dumps(machine()))
    save(options.out, [{"machine": machine()}])
    records = []
    for formula in STRUCTURES:
        for participants in numbers:
            cell = {"n": n, "participants": participants, "formula": formula}
            records.append(run_cell(__file__, cell, options.limit))
            save(options.out, records[-1:])
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
    print(f"{n} judgments\n{show(header, rows)}")
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
