"""Where the time of one fit goes: evaluations, Newton steps, linear algebra.

OMP_NUM_THREADS=1 python benchmarks/profile_solver.py crossed-10000x32 verbagg
"""

from __future__ import annotations

import argparse
import cProfile
import functools
import pstats
import time
from collections import defaultdict

import numpy as np
from _data import read_table, simulate_crossed, verbagg_design
from _designs import design, factor

from bead_sklearn.families import Bernoulli, CumulativeLogit, Normal
from bead_sklearn.solvers import (
    SolverOptions,
    _coupling,
    _crossproducts,
    _factorization,
    _fit,
    _gaussian,
    _laplace,
    _optimize,
    _start,
    _variances,
    fit_mixed_model,
)


class Clock:
    """Calls and CPU seconds of functions, without those of clocked callees."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self.within: dict[tuple[str, str], int] = defaultdict(int)
        self._stack: list[list] = []

    def wrap(self, owner, name: str, label: str) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def timed(*args, **kwargs):
            self._stack.append([label, 0.0])
            start = time.process_time()
            try:
                return original(*args, **kwargs)
            finally:
                elapsed = time.process_time() - start
                _, below = self._stack.pop()
                self.seconds[label] += elapsed - below
                self.calls[label] += 1
                for outer, _ in self._stack:
                    self.within[outer, label] += 1
                if self._stack:
                    self._stack[-1][1] += elapsed

        setattr(owner, name, timed)

    def report(self) -> None:
        total = sum(self.seconds.values())
        print(f"{'part (own time)':34}{'calls':>8}{'CPU s':>10}{'share':>8}")
        for label, seconds in sorted(self.seconds.items(), key=lambda x: -x[1]):
            calls, share = self.calls[label], seconds / total
            print(f"{label:34}{calls:8d}{seconds:10.4f}{share:8.1%}")
        phases = [label for label in self.calls if label.startswith("phase")]
        for phase in phases:
            counts = {b: k for (a, b), k in self.within.items() if a == phase}
            shown = ", ".join(
                f"{counts[label]} {label}"
                for label in ("objective", "factorization", "cross-products")
                if label in counts
            )
            print(f"  {phase}: {shown}")


def install(clock: Clock) -> None:
    """Clock the parts of the solvers that matter."""
    for owner, name, label in [
        (_optimize, "_probe", "phase probe"),
        (_optimize, "_search", "phase L-BFGS"),
        (_optimize, "_polish", "phase polish"),
        (_start, "em_step", "EM step"),
        (_fit, "_start", "phase start"),
        (_fit, "make_posterior", "phase posterior"),
        (_fit, "_factorization_with_fixed", "phase fixed factorization"),
        (_fit, "parameter_covariance", "phase parameter covariance"),
        (_laplace.LaplaceObjective, "__call__", "objective"),
        (_laplace.LaplaceObjective, "find_mode", "Newton loop"),
        (_laplace.LaplaceObjective, "_chord_steps", "chord loop"),
        (_laplace.LaplaceObjective, "_evaluate", "family derivatives"),
        (_laplace.LaplaceObjective, "_rmatvec", "rmatvec"),
        (_laplace.LaplaceObjective, "predict", "matvec"),
        (_laplace.LaplaceObjective, "_parameter_gradient", "parameter gradient"),
        (_laplace.LaplaceObjective, "parameter_covariance", "phase covariance"),
        (_variances, "predictor_variances", "predictor variances"),
        (_coupling, "predictor_variances", "predictor variances"),
        (_gaussian.GaussianObjective, "__call__", "objective"),
        (_gaussian.GaussianObjective, "_rmatvec", "rmatvec"),
        (_crossproducts.Crossproducts, "__init__", "index work"),
        (_crossproducts.Crossproducts, "compute", "cross-products"),
        (_factorization.Factorization, "__init__", "factorization"),
        (_factorization.Factorization, "solve", "solve"),
        (_factorization.Factorization, "_solved", "inverse of Schur complement"),
        (_factorization.Factorization, "_inverse_blocks", "inverse blocks"),
        (_factorization.Factorization, "log_det_gradient", "log-det gradient"),
    ]:
        if hasattr(owner, name):
            clock.wrap(owner, name, label)


def load(name: str):
    """Design, family, responses and options of a named model."""
    if name.startswith("crossed-"):
        n, d = map(int, name.removeprefix("crossed-").split("x"))
        data = simulate_crossed(n, d)
        parts = design(data.X, factor(data.participant), factor(data.item))
        return parts, Bernoulli(), data.y, SolverOptions()
    if name == "insteval":
        table = read_table("insteval")
        pair = table["dept"].to_numpy() * 2 + table["service"].to_numpy()
        parts = design(
            table[["service"]].to_numpy(float),
            factor(table["s"].to_numpy()),
            factor(table["d"].to_numpy()),
            factor(pair),
        )
        return parts, Normal(), table["y"].to_numpy(float), SolverOptions(reml=True)
    table = read_table("verbagg")
    X, ids = verbagg_design(table), factor(table["id"].to_numpy())
    items = factor(table["item"].to_numpy())
    if name == "verbagg-id":
        return design(X, ids), Bernoulli(), (table["r2"] == "Y").to_numpy(float), None
    if name == "verbagg":
        y = (table["r2"] == "Y").to_numpy(float)
        return design(X, ids, items), Bernoulli(), y, None
    if name == "verbagg-ordinal":
        y = table["resp"].map({"no": 0, "perhaps": 1, "yes": 2}).to_numpy(float)
        return design(X, ids, items, intercept=False), CumulativeLogit(3), y, None
    raise SystemExit(f"Unknown model {name!r}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--cprofile", type=int, default=0, metavar="LINES")
    arguments = parser.parse_args()
    loaded = {name: load(name) for name in arguments.models}
    clocks = {}
    for name, (parts, family, y, options) in loaded.items():
        weights, options = np.ones(len(y)), options or SolverOptions()
        start = time.process_time()
        fit = fit_mixed_model(parts, family, y, weights, options)
        elapsed = time.process_time() - start
        sds = [np.sqrt(np.diagonal(G)) for G in fit.posterior.covariances]
        print(
            f"{name}: {elapsed:.3f} CPU s, logLik {fit.log_likelihood:.6f}, "
            f"sds {np.concatenate(sds).round(4)}, {fit.optimum.n_iter} iterations, "
            f"gradient {fit.optimum.gradient_norm:.1e}"
        )
        clocks[name] = elapsed
        if arguments.cprofile:
            profile = cProfile.Profile()
            profile.runcall(fit_mixed_model, parts, family, y, weights, options)
            pstats.Stats(profile).sort_stats("tottime").print_stats(arguments.cprofile)
    clock = Clock()
    install(clock)
    for name, (parts, family, y, options) in loaded.items():
        for counter in (clock.seconds, clock.calls, clock.within):
            counter.clear()
        print(f"\n{name}")
        options = options or SolverOptions()
        fit_mixed_model(parts, family, y, np.ones(len(y)), options)
        clock.report()


if __name__ == "__main__":
    main()
