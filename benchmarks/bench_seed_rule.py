"""Estimated standard deviation of participants: penalised modes against likelihood.

Systems that train participant effects u beside other weights often penalise them,

    mean of the losses + lambda sum_g w_g u_g^2,    w_g = 1 / max(n_g, min_samples),

and report the sample variance of the u_g that come out. That is a posterior mode under
a prior variance of max(n_g, min_samples) / (2 N lambda), whatever the participants are
like, and the variance of modes is smaller than the variance of effects. Here binary
judgments with a true standard deviation of 1 are fitted

- by that rule (lambda = 0.01, min_samples = 5),
- with a prior variance of 1 and the sample standard deviation of the modes,
- by iterating prior variance <- sample variance of the modes,
- by iterating prior variance <- mean of u^2 + Var(u | y) (penalised quasi-likelihood),
- by bead_sklearn: the Laplace approximation and adaptive quadrature.

    python benchmarks/bench_seed_rule.py --quick
    python benchmarks/bench_seed_rule.py --out results/seed_rule.jsonl
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from _designs import design, factor
from _measure import machine, markdown, parser, save, show

from bead_sklearn.families import Bernoulli
from bead_sklearn.solvers import SolverOptions, fit_mixed_model

N_PARTICIPANTS = 200
JUDGMENTS = [5, 10, 20, 50, 100]
TRUE_SD, TRUE_SLOPE = 1.0, 0.8
PENALTY, MIN_SAMPLES = 0.01, 5
N_NODES = 15

RULES = [
    "penalty",
    "prior variance 1",
    "iterated variance",
    "iterated, with Var(u | y)",
    "Laplace",
    "quadrature",
]


def simulate(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw participants, a covariate and binary judgments, n per participant."""
    rng = np.random.default_rng([seed, n])
    participant = np.repeat(np.arange(N_PARTICIPANTS), n)
    x = rng.standard_normal(len(participant))
    u = TRUE_SD * rng.standard_normal(N_PARTICIPANTS)
    p = 1.0 / (1.0 + np.exp(-(TRUE_SLOPE * x + u[participant])))
    return participant, x, (rng.random(len(p)) < p).astype(float)


def joint_mode(participant, x, y, prior_variance: float):
    """Return intercept and slope, modes of u, and Var(u | y), by Newton's method."""
    q = N_PARTICIPANTS
    X = np.column_stack([np.ones(len(x)), x])
    b, u = np.zeros(2), np.zeros(q)

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(participant, weights=values, minlength=q)

    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-(X @ b + u[participant])))
        weights, residual = p * (1.0 - p), y - p
        diagonal = sums(weights) + 1.0 / prior_variance
        cross = np.column_stack([sums(weights * column) for column in X.T])
        by_u = sums(residual) - u / prior_variance
        schur = (X.T * weights) @ X - cross.T @ (cross / diagonal[:, None])
        step_b = np.linalg.solve(schur, X.T @ residual - cross.T @ (by_u / diagonal))
        step_u = (by_u - cross @ step_b) / diagonal
        b, u = b + step_b, u + step_u
        if max(np.abs(step_b).max(), np.abs(step_u).max()) < 1e-10:
            return b, u, 1.0 / diagonal
    raise RuntimeError("Newton's method did not converge.")


def iterate(participant, x, y, *, with_variance: bool):
    """Iterate the prior variance until it stands still; 0 is reported as it is."""
    variance = 1.0
    for _ in range(500):
        b, u, spread = joint_mode(participant, x, y, variance)
        new = float(
            np.mean((u - u.mean()) ** 2 if not with_variance else u**2 + spread)
        )
        if abs(new - variance) < 1e-5 * max(variance, 1e-3) or new < 1e-8:
            return b, np.sqrt(new)
        variance = new
    return b, np.sqrt(variance)


def likelihood(participant, x, y, nodes: int):
    """Fit by bead_sklearn."""
    parts = design(x[:, None], factor(participant))
    options = SolverOptions(n_quadrature=nodes)
    found = fit_mixed_model(parts, Bernoulli(), y, np.ones(len(y)), options)
    return found.posterior.fixed, float(np.sqrt(found.posterior.covariances[0][0, 0]))


def estimate(n: int, seed: int) -> dict[str, tuple[float, float]]:
    """Estimated standard deviation and slope by each rule, on one data set."""
    data = simulate(n, seed)
    rows = N_PARTICIPANTS * n
    implied = max(n, MIN_SAMPLES) / (2.0 * rows * PENALTY)
    result = {}
    for rule, variance in (("penalty", implied), ("prior variance 1", 1.0)):
        b, u, _ = joint_mode(*data, variance)
        result[rule] = float(u.std(ddof=1)), float(b[1])
    for rule, with_variance in zip(RULES[2:4], (False, True), strict=True):
        b, sd = iterate(*data, with_variance=with_variance)
        result[rule] = float(sd), float(b[1])
    for rule, nodes in zip(RULES[4:], (1, N_NODES), strict=True):
        fixed, sd = likelihood(*data, nodes)
        result[rule] = sd, float(fixed[1])
    return result


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--fits", type=int, help="data sets per cell (60; quick 4)")
    arguments.add_argument("--table", type=Path, help="a table for the documentation")
    options = arguments.parse_args()
    n_fits = options.fits or (4 if options.quick else 60)
    save(options.out, [{"machine": machine()}])
    rows = []
    for n in JUDGMENTS[:3] if options.quick else JUDGMENTS:
        fits = [estimate(n, seed) for seed in range(n_fits)]
        values = np.array([[fit[rule] for rule in RULES] for fit in fits])
        means = values.mean(axis=0)
        errors = values.std(axis=0, ddof=1) / np.sqrt(n_fits)
        save(
            options.out,
            [
                {
                    "judgments": n,
                    "rule": rule,
                    "fits": n_fits,
                    "sd": means[i, 0],
                    "sd_error": errors[i, 0],
                    "slope": means[i, 1],
                    "slope_error": errors[i, 1],
                }
                for i, rule in enumerate(RULES)
            ],
        )
        for what, column in (("sd", 0), ("slope", 1)):
            shown = [
                f"{mean:.3f} ± {error:.3f}"
                for mean, error in zip(means[:, column], errors[:, column], strict=True)
            ]
            rows.append([n, what, TRUE_SD if what == "sd" else TRUE_SLOPE, *shown])
    header = ["judgments each", "", "truth", *RULES]
    print(f"{N_PARTICIPANTS} participants, means of {n_fits} data sets")
    print(show(header, rows))
    if options.table:
        options.table.parent.mkdir(parents=True, exist_ok=True)
        options.table.write_text(markdown(header, rows) + "\n", encoding="utf-8")
    print(json.dumps(machine()))


if __name__ == "__main__":
    main()
