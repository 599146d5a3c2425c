"""A network with random intercepts: the simulated cells of LMMNN.

Simchoni & Rosset (2023, Journal of Machine Learning Research 24, 1-57): 100,000 rows,
ten uniform inputs, f = s cos(s) + 2 x_0 x_1 with s = 1 + sum of the inputs, q groups of
unequal sizes with intercepts of variance sigma2_b, and noise of variance 1 or Bernoulli
responses. A fifth of the rows is for testing. The network is theirs (100-50-25-12 with
dropout); it is trained through the gradient of the marginal likelihood, see
``_group_trainer.py``. Reported are the test error (mean squared error, or area under
the ROC curve) and the estimated variance as a share of the realised one; that with the
true f in place of the network's tells what even the truth leaves open.

    python benchmarks/bench_lmmnn.py --quick
    python benchmarks/bench_lmmnn.py --seeds 3 --out results/lmmnn.jsonl

Every cell takes a minute or more; ``--limit`` bounds the CPU seconds of its training.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
from _measure import Record, machine, parser, peak_memory, run_cell, save, show

N_ROWS, N_INPUTS = 100_000, 10
VARIANCES = [0.1, 1.0, 10.0]
GROUPS = [100, 1_000, 10_000]
QUICK_ROWS, QUICK_CELLS = 20_000, [(1_000, 1.0)]
#: How far the estimated variance may be from the realised one, Gaussian cells.
ACCURACY = 0.03

#: Their published means of five runs: mean squared error and variance, or area under
#: the curve and variance.
PUBLISHED = {
    ("normal", 100, 0.1): (1.096, 0.114),
    ("normal", 1_000, 0.1): (1.094, 0.098),
    ("normal", 10_000, 0.1): (1.180, 0.104),
    ("normal", 100, 1.0): (1.096, 1.082),
    ("normal", 1_000, 1.0): (1.103, 1.030),
    ("normal", 10_000, 1.0): (1.238, 0.998),
    ("normal", 100, 10.0): (1.106, 8.795),
    ("normal", 1_000, 10.0): (1.088, 8.682),
    ("normal", 10_000, 10.0): (1.294, 10.04),
    ("bernoulli", 100, 0.1): (0.797, 0.080),
    ("bernoulli", 1_000, 0.1): (0.795, 0.093),
    ("bernoulli", 10_000, 0.1): (0.793, 0.098),
    ("bernoulli", 100, 1.0): (0.818, 0.770),
    ("bernoulli", 1_000, 1.0): (0.825, 0.873),
    ("bernoulli", 10_000, 1.0): (0.804, 0.953),
    ("bernoulli", 100, 10.0): (0.917, 3.64),
    ("bernoulli", 1_000, 10.0): (0.917, 3.59),
    ("bernoulli", 10_000, 10.0): (0.899, 5.35),
}


def simulate(family: str, n: int, q: int, variance: float, seed: int):
    """Return inputs, group codes, f, effects and responses."""
    rng = np.random.default_rng([seed, q, int(10 * variance)])
    X = rng.uniform(-1.0, 1.0, (n, N_INPUTS))
    s = 1.0 + X.sum(axis=1)
    f = s * np.cos(s) + 2.0 * X[:, 0] * X[:, 1]
    shares = rng.poisson(3, q) + 1.0
    codes = np.repeat(np.arange(q), rng.multinomial(n, shares / shares.sum()))
    u = rng.normal(0.0, np.sqrt(variance), q)
    eta = f + u[codes]
    if family == "normal":
        y = eta + rng.standard_normal(n)
    else:
        y = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
    return X.astype(np.float32), codes, f, u, y


def network(seed: int):
    """Their multilayer perceptron, in body and head."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    widths = [N_INPUTS, 100, 50, 25, 12]
    for i, (left, right) in enumerate(itertools.pairwise(widths)):
        layers += [nn.Linear(left, right), nn.ReLU()]
        if i < 3:
            layers.append(nn.Dropout(0.25))
    head = nn.Linear(12, 1)
    for layer in [*layers, head]:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers), head


def run_one(cell: Record) -> Record:
    """Train, refit and test one cell, in this process."""
    import time

    import torch
    from _group_trainer import Groups, GroupTrainer
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import train_test_split

    from bead_sklearn.families import Bernoulli, Normal

    torch.set_num_threads(1)
    family, seed, q = cell["family"], cell["seed"], cell["groups"]
    X, codes, f, u, y = simulate(family, cell["rows"], q, cell["variance"], seed)
    rows = Groups(torch.from_numpy(X), y, codes, q)
    rest, test = train_test_split(np.arange(len(y)), test_size=0.2, random_state=seed)
    train, held_out = train_test_split(rest, test_size=0.1, random_state=seed)
    start = time.process_time()
    body, head = network(seed)
    trainer = GroupTrainer(
        body,
        head,
        Normal() if family == "normal" else Bernoulli(),
        max_seconds=cell["max_seconds"],
        max_epochs=cell["max_epochs"],
        seed=seed,
    ).fit(rows.take(train), rows.take(held_out))
    found = trainer.refit(rows.take(rest))
    elapsed = time.process_time() - start
    features = trainer.features(rows.X)
    seen = features[rest].std(axis=0) > 1e-6
    eta = found.posterior.fixed[0] + features[:, seen] @ found.posterior.fixed[1:]
    eta = eta + found.posterior.effects[0][codes, 0]
    if family == "normal":
        error = float(np.mean((y - eta)[test] ** 2))
        oracle = float(np.mean((y - f - u[codes])[test] ** 2))
        held_out_variance = None
    else:
        error = float(roc_auc_score(y[test], eta[test]))
        oracle = float(roc_auc_score(y[test], (f + u[codes])[test]))
        outside = rows.take(held_out)
        held_out_variance = trainer.sd_given(trainer.predict(outside.X), outside) ** 2
    return {
        "error": error,
        "oracle": oracle,
        "estimated": float(found.posterior.covariances[0][0, 0]),
        "held_out": held_out_variance,
        "during_training": trainer.sd**2,
        "given_truth": trainer.sd_given(f[rest], rows.take(rest)) ** 2,
        "realised": float(u.var()),
        "epochs": len(trainer.history),
        "cpu": elapsed,
        "peak_mb": peak_memory(),
    }


def summarize(family: str, q: int, variance: float, found: list[Record]) -> list:
    """Means over seeds; the verdict is on the mean ratio of variances."""
    done = [record for record in found if record["status"] == "ok"]
    failed = [record for record in found if record["status"] != "ok"]
    words = [record.get("message", record["status"]) for record in failed]
    if not done:
        return [family, q, variance, *[None] * 9, "; ".join(words)]

    def mean(values: list[float | None]) -> float | None:
        kept = [value for value in values if value is not None]
        return float(np.mean(kept)) if kept else None

    def ratio(key: str) -> float | None:
        return mean(
            [record[key] and record[key] / record["realised"] for record in done]
        )

    error, estimate = PUBLISHED[family, q, variance]
    if family == "normal":
        close = abs(ratio("estimated") - 1.0) <= ACCURACY
        words.append("reached" if close else "missed")
    return [
        family,
        q,
        variance,
        mean([record["error"] for record in done]),
        mean([record["oracle"] for record in done]),
        error,
        ratio("estimated"),
        ratio("held_out"),
        ratio("given_truth"),
        estimate / variance,
        mean([record["epochs"] for record in done]),
        mean([record["cpu"] for record in done]),
        "; ".join(words),
    ]


HEADER = ["family", "q", "sigma2_b", "MSE or AUC", "truth", "LMMNN"]
HEADER += ["estimated / realised", "on held-out rows", "with the true f", "LMMNN's"]
HEADER += ["epochs", "CPU s", ""]


def read(paths: list[Path]) -> list[list]:
    """Read results; of two for one seed of a cell the last counts."""
    cells: dict[tuple[str, float, int], dict[int, Record]] = {}
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if record.get("rows") == N_ROWS:
                cell = record["family"], record["variance"], record["groups"]
                cells.setdefault(cell, {})[record["seed"]] = record
    order = sorted(cells, key=lambda cell: (cell[0] != "normal", *cell[1:]))
    return [
        [*summarize(family, q, variance, [*cells[family, variance, q].values()])]
        for family, variance, q in order
    ]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--first-seed", type=int, default=0)
    arguments.add_argument("--families", nargs="+", default=["normal", "bernoulli"])
    arguments.add_argument("--groups", nargs="+", type=int, default=GROUPS)
    arguments.add_argument("--variances", nargs="+", type=float, default=VARIANCES)
    arguments.add_argument(
        "--read", type=Path, nargs="+", help="results of earlier runs, none is made"
    )
    options = arguments.parse_args()
    if options.cell:
        print(json.dumps(run_one(json.loads(options.cell))))
        return
    if options.read:
        print(show(HEADER, read(options.read)))
        return
    print(json.dumps(machine()))
    save(options.out, [{"machine": machine()}])
    cells = [(q, v) for v in options.variances for q in options.groups]
    cells = QUICK_CELLS if options.quick else cells
    rows = []
    for family in options.families:
        for q, variance in cells:
            cell = {
                "family": family,
                "groups": q,
                "variance": variance,
                "rows": QUICK_ROWS if options.quick else N_ROWS,
                "max_seconds": options.limit,
                "max_epochs": 10 if options.quick else 200,
            }
            first = options.first_seed
            # Data, refit and test come on top of the training.
            limit = 2.0 * options.limit + 120.0
            found = []
            for seed in range(first, first + (1 if options.quick else options.seeds)):
                found.append(run_cell(__file__, cell | {"seed": seed}, limit))
                save(options.out, found[-1:])
            rows.append(summarize(family, q, variance, found))
            print(json.dumps(rows[-1]), flush=True)
    print(show(HEADER, rows))


if __name__ == "__main__":
    main()
