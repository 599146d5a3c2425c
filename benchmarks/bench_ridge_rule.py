"""From how many judgments on do numeric columns need no ridge?

Judgments of 20 participants with intercepts of their own (standard deviation 1, a new
item each time), 3 or 10 numeric features. Each data set is fitted twice, all columns
under a ridge whose precision is estimated, and none. Measured are

- the Kullback-Leibler divergence of what is predicted for the same people on new items
  from the truth, per judgment,
- the coverage of 95 % intervals of the coefficients, and of differences of the linear
  predictor of new items from that of an average one,
- the size of the coefficients, b'b_true / b_true'b_true,

by family, size of the coefficients and number of judgments. A rule takes the fit with
a ridge or the one without, so that all rules are compared on these fits. Some count
judgments, n, others the limiting sample size of the responses, m.

    python benchmarks/bench_ridge_rule.py --quick
    python benchmarks/bench_ridge_rule.py --out results/ridge_rule.jsonl
    python benchmarks/bench_ridge_rule.py --read results/ridge_rule.jsonl
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from _measure import Record, machine, markdown, save
from scipy.special import expit, softmax

from bead_sklearn import (
    BinaryClassifier,
    CategoricalClassifier,
    MagnitudeRegressor,
    OrdinalScaleClassifier,
)
from bead_sklearn.families import (
    Bernoulli,
    CumulativeLogit,
    Family,
    MultinomialLogit,
    Normal,
)
from bead_sklearn.tasks import _features
from bead_sklearn.tasks._ridge import takes_ridge

KINDS = ["binary", "rare", "ordinal", "categorical", "normal"]
SIZES = [50, 100, 150, 200, 300, 500]
N_PEOPLE, SD, N_NEW, N_DRAWS = 20, 1.0, 300, 300
#: Residual standard deviation of numbers, that of the logistic distribution.
SIGMA = np.pi / np.sqrt(3.0)
#: Intercept where "yes" is rare.
RARE = -2.5
CUTS = np.array([-1.5, 0.0, 1.5])


class World:
    """Participants, coefficients and what would be answered."""

    def __init__(self, cell: Record, seed: int) -> None:
        self.kind, self.p = cell["kind"], cell["p"]
        self.rng = np.random.default_rng([seed, cell["n"], cell["p"]])
        self.n_outputs = 2 if self.kind == "categorical" else 1
        shape = (self.p, self.n_outputs)
        self.coefficients = cell["size"] * self.rng.normal(size=shape)
        self.people = SD * self.rng.normal(size=(N_PEOPLE, self.n_outputs))
        self.constant = RARE if self.kind == "rare" else 0.0

    def draw(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return features of n items, who judges them, and their eta."""
        X = self.rng.normal(size=(n, self.p))
        who = self.rng.permutation(np.arange(n) % N_PEOPLE)
        return X, who, self.constant + X @ self.coefficients + self.people[who]

    def probabilities(self, eta: np.ndarray) -> np.ndarray:
        """Return those of all labels, (n, n_labels)."""
        if self.kind == "categorical":
            return softmax(np.column_stack([np.zeros(len(eta)), eta]), axis=1)
        cuts = CUTS if self.kind == "ordinal" else np.zeros(1)
        below = expit(cuts - eta)
        edges = np.column_stack([np.zeros(len(eta)), below, np.ones(len(eta))])
        return np.diff(edges, axis=1)

    def answers(self, eta: np.ndarray) -> np.ndarray:
        """Draw labels or numbers."""
        if self.kind == "normal":
            return eta[:, 0] + SIGMA * self.rng.normal(size=len(eta))
        below = np.cumsum(self.probabilities(eta), axis=1)[:, :-1]
        return (self.rng.random(len(eta))[:, None] > below).sum(axis=1)


MODELS: dict[str, Any] = {
    "binary": BinaryClassifier,
    "rare": BinaryClassifier,
    "ordinal": OrdinalScaleClassifier,
    "categorical": CategoricalClassifier,
    "normal": MagnitudeRegressor,
}
FAMILIES: dict[str, Family] = {
    "binary": Bernoulli(),
    "rare": Bernoulli(),
    "ordinal": CumulativeLogit(len(CUTS) + 1),
    "categorical": MultinomialLogit(3),
    "normal": Normal(),
}

#: What takes the ridge, given a record.
RULES: dict[str, Callable[[Record], bool]] = {
    "never": lambda r: False,
    "n < 10 p": lambda r: r["n"] < 10 * r["p"],
    "m < 5 p": lambda r: r["limiting"] < 5 * r["p"],
    "m < 10 p": lambda r: r["limiting"] < 10 * r["p"],
    "m < 15 p": lambda r: r["limiting"] < 15 * r["p"],
    "m < 20 p": lambda r: r["limiting"] < 20 * r["p"],
    "auto": lambda r: takes_ridge("auto", r["limiting"], r["p"]),
    "always": lambda r: True,
}
#: Divergence of a prediction that is of no use at all, and of fits that failed.
WORST = 1.0


def divergence(world: World, model: Any, seen: list[Any]) -> float:
    """Return the mean divergence of predictions for known people from the truth."""
    X, who, eta = world.draw(N_NEW)
    if world.kind == "normal":
        error = model.predict(X, groups=who) - eta[:, 0]
        return float(np.mean(error**2) / (2.0 * SIGMA**2))
    p = world.probabilities(eta)
    q = np.full_like(p, 1e-6)
    q[:, seen] = np.clip(model.predict_proba(X, groups=who), 1e-6, 1.0)
    return float(np.mean((p * (np.log(p) - np.log(q))).sum(axis=1)))


def draws_of(model: Any, X: np.ndarray) -> np.ndarray:
    """Draw eta of an average participant, (n_draws, n, n_outputs)."""
    draws = model.sample_posterior(N_DRAWS, X, random_state=0)
    return draws.reshape(N_DRAWS, len(X), -1)


def measures(world: World, y: np.ndarray, X: np.ndarray, who: np.ndarray) -> Record:
    """Fit and compare with the truth."""
    model = MODELS[world.kind](population="conditional")
    start = time.process_time()
    model.fit(X, y, groups=who)
    seconds = time.process_time() - start
    seen = [int(label) for label in getattr(model, "classes_", [])]
    record: Record = {"kl": divergence(world, model, seen), "cpu": seconds}
    new = world.rng.normal(size=(50, world.p))
    points = np.vstack([np.zeros(world.p), np.eye(world.p), new])
    # sample_posterior draws a new participant for each row without ids; subtracting
    # needs one for all: the same unknown id.
    draws = model.sample_posterior(
        N_DRAWS, points, groups=np.full(len(points), -1), random_state=0
    ).reshape(N_DRAWS, len(points), -1)
    if draws.shape[2] > world.n_outputs:
        draws = draws[:, :, 1:] - draws[:, :, :1]
    draws = draws[:, 1:] - draws[:, :1]
    true = points[1:] @ world.coefficients
    mean, sd = draws.mean(axis=0), draws.std(axis=0)
    inside = np.abs(mean - true) <= 1.96 * sd
    found, wanted = mean[: world.p], true[: world.p]
    return {
        **record,
        "covered": float(inside[: world.p].mean()),
        "covered_eta": float(inside[world.p :].mean()),
        "size": float((found * wanted).sum() / (wanted**2).sum()),
    }


def run(cell: Record, seed: int) -> Record:
    """Fit one data set with a ridge and without."""
    record: Record = {**cell, "seed": seed}
    world = World(cell, seed)
    X, who, eta = world.draw(cell["n"])
    y = world.answers(eta)
    if world.kind != "normal" and len(np.unique(y)) < 2:
        return {**record, "status": "one label only"}
    record["limiting"] = FAMILIES[world.kind].limiting_sample_size(y, np.ones(len(y)))
    original = _features.takes_ridge
    state = world.rng.bit_generator.state
    for name, is_ridge in (("ridge", True), ("none", False)):
        world.rng.bit_generator.state = state
        _features.takes_ridge = lambda *_, answer=is_ridge, **__: answer
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                record[name] = measures(world, y, X, who)
            kinds = {warning.category.__name__ for warning in caught}
            record[name]["separated"] = "SeparationWarning" in kinds
        except (ValueError, np.linalg.LinAlgError) as error:
            record[name] = {"error": str(error)[:60]}
        finally:
            _features.takes_ridge = original
    return record


def row(records: list[Record], rule: Callable[[Record], bool]) -> list[str]:
    """Return what a rule does on some data sets."""
    taken = [r["ridge"] if rule(r) else r["none"] for r in records]
    fits = [fit for fit in taken if "error" not in fit]
    kl = [min(fit.get("kl", WORST), WORST) for fit in taken]
    lost = sum("error" in fit or fit["separated"] for fit in taken)
    return [
        f"{100.0 * np.mean([rule(r) for r in records]):.0f}",
        f"{np.mean(kl):.4f}",
        f"{100.0 * np.mean([fit['covered'] for fit in fits]):.1f}",
        f"{100.0 * np.mean([fit['covered_eta'] for fit in fits]):.1f}",
        f"{np.median([fit['size'] for fit in fits]):.2f}",
        f"{100.0 * lost / len(taken):.1f}",
    ]


def tables(records: list[Record]) -> str:
    """Return tables of the rules, and of the two fits by responses per column."""
    records = [r for r in records if "limiting" in r and r["n"] in SIZES]
    lines = []
    for kind in ["", *KINDS]:
        for p in (3, 10):
            some = [r for r in records if r["kind"] in (kind or KINDS) and r["p"] == p]
            for name, rule in RULES.items() if some else ():
                lines.append([kind or "all", str(p), name, *row(some, rule)])
    header = ["responses", "p", "ridge if", "share with ridge, %", "divergence"]
    header += ["coverage, coefficients", "coverage, eta", "size", "no maximum, %"]
    by_rule = markdown(header, lines)
    edges, lines = [0, 5, 10, 15, 20, 30, 1_000], []
    for p in (3, 10):
        for low, high in pairwise(edges):
            some = [
                r for r in records if r["p"] == p and low <= r["limiting"] / p < high
            ]
            for name in ("never", "always"):
                label = f"{low} to {high}" if high < edges[-1] else f"{low} and more"
                found = row(some, RULES[name])
                lines.append([str(p), label, str(len(some)), name, *found[1:]])
    header = ["p", "m / p", "data sets", "ridge", *header[4:]]
    return f"{by_rule}\n\n{markdown(header, lines)}"


def read(path: Path) -> list[Record]:
    """Read results."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--quick", action="store_true")
    options.add_argument("--out", type=Path)
    options.add_argument("--read", type=Path)
    options.add_argument("--seeds", type=int, default=50)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    arguments = options.parse_args()
    if arguments.read:
        print(tables(read(arguments.read)))
        return
    cells = [
        {"kind": kind, "p": p, "size": size, "n": n}
        for kind in arguments.kinds
        for p in (3, 10)
        for size in (0.3, 1.0)
        for n in SIZES
    ]
    if arguments.quick:
        cells = [cell for cell in cells if cell["n"] == 100 and cell["p"] == 10]
    save(arguments.out, [{"machine": machine()}])
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        for cell in cells:
            record = run(cell, seed)
            save(arguments.out, [record])
            if arguments.quick:
                print(json.dumps(record))


if __name__ == "__main__":
    main()
