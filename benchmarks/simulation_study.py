"""Simulation study: bias of standard deviations, coverage of intervals.

For each family and structure of random effects, data with known truth are drawn and
fitted many times by the solvers; one more regime has few judgments per participant,
where the Laplace approximation is known to be biased for discrete responses and
adaptive quadrature is not. Reported are

- the bias of each estimated standard deviation, in percent of the truth, with its
  Monte-Carlo standard error,
- how often the 95 % Wald intervals of the fixed effects contain the truth.

    python benchmarks/simulation_study.py --quick
    python benchmarks/simulation_study.py --jobs 2 --out results/study.jsonl
    python benchmarks/simulation_study.py --read results/study.jsonl \
        --figure docs/images/coverage.png --table docs/simulation_study.md

Normal families are fitted by REML, the others by maximum likelihood.
"""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
from _measure import Record, machine, markdown, parser, save, show
from _study_data import EXACT, FAMILIES, Setting, draw, settings
from _study_figure import draw_figure
from joblib import Parallel, delayed
from scipy.stats import binom, chi2, norm
from scipy.stats import t as student_t

from bead_sklearn.solvers import SolverOptions, fit_mixed_model

#: Families for which a grid of nodes is not worth its time, or too wide.
NO_GRID = ("beta", "ordered_beta", "multinomial_logit")

#: Up to this many judgments per effect of a participant Laplace is known to be biased
#: for discrete responses.
FEW = 10

#: What we want: pooled coverage in percent.
COVERAGE = (93.0, 97.0)

#: Families as they follow each other in tables and figures.
ORDER = [
    "bernoulli",
    "bernoulli_probit",
    "cumulative_logit",
    "cumulative_probit",
    "multinomial_logit",
    "conditional_logit",
    "normal",
    "lognormal",
    "truncated_normal",
    "beta",
    "ordered_beta",
]

#: Bias of a standard deviation that counts as none, in percent, beside three
#: Monte-Carlo standard errors: maximum likelihood itself is biased by about
#: 1 / participants.
_BIAS_ALLOWED = 2.0


def fit_once(family: str, setting: Setting, nodes: int, seed: int) -> Record:
    """Draw, fit and return estimates beside their truth."""
    rng = np.random.default_rng([seed, list(FAMILIES).index(family)])
    sample = draw(family, setting, rng)
    unit, n_outputs = FAMILIES[family][1], sample.design.n_outputs
    options = SolverOptions(reml=family in EXACT, n_quadrature=nodes)
    weights = np.ones(len(sample.y))
    found = fit_mixed_model(sample.design, sample.family, sample.y, weights, options)
    posterior = found.posterior
    covariances = dict(zip(posterior.factor_names, posterior.covariances, strict=True))
    sds = []
    for name in ("p", "i"):
        if name in covariances:
            each = np.sqrt(np.diagonal(covariances[name])) / unit
            sds += each.reshape(-1, n_outputs).mean(axis=1).tolist()
    errors = np.sqrt(np.diagonal(posterior.fixed_covariance()))
    return {
        "sds": sds,
        "z": ((posterior.fixed - sample.fixed) / errors).tolist(),
        "converged": bool(found.optimum.converged),
    }


def run_chunk(family: str, setting: Setting, nodes: int, seeds: range) -> list[Record]:
    """Fit several data sets; a fit that raises is reported, not hidden."""
    results = []
    for seed in seeds:
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = fit_once(family, setting, nodes, seed)
            except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
                found = {"error": f"{type(error).__name__}: {error}"}
        results.append(found | {"cpu": time.process_time() - start})
    return results


def summarize(
    family: str, setting: Setting, nodes: int, results: list[Record]
) -> Record:
    """Bias and coverage of one cell."""
    good = [result for result in results if "error" not in result]
    sds = np.array([result["sds"] for result in good])
    z = np.abs([result["z"] for result in good])
    truth = setting.true_sds
    errors = sorted({result["error"] for result in results if "error" in result})
    return {
        "family": family,
        "setting": asdict(setting),
        "name": setting.name,
        "nodes": nodes,
        "method": _method(family, nodes),
        "n_fits": len(good),
        "n_failed": len(results) - len(good),
        "errors": errors[:3],
        "n_not_converged": sum(not result["converged"] for result in good),
        "bias": (100.0 * (sds / truth - 1.0).mean(axis=0)).tolist(),
        "bias_error": (
            100.0 * (sds / truth).std(axis=0, ddof=1) / np.sqrt(len(good))
        ).tolist(),
        "coverage": (100.0 * (z < 1.959964).mean(axis=0)).tolist(),
        "pooled_coverage": float(100.0 * (z < 1.959964).mean()),
        "mean_z": np.mean([result["z"] for result in good], axis=0).tolist(),
        "rms_z": np.sqrt((z**2).mean(axis=0)).tolist(),
        "cpu": float(np.mean([result["cpu"] for result in results])),
    }


def is_few(record: Record) -> bool:
    """Whether Laplace is known to be biased in a cell."""
    setting = record["setting"]
    n_effects = 2 if "x" in setting["structure"] else 1
    few = setting["per_participant"] <= FEW * n_effects
    return few and record["method"] == "Laplace"


def verdict(record: Record) -> str:
    """What to say about a cell."""
    low, high = COVERAGE
    # The Monte-Carlo error of a share of 95 % over the fits comes on top.
    allowed = 1.96 * np.sqrt(95.0 * 5.0 / record["n_fits"] / len(record["coverage"]))
    words = []
    bias, error = np.array(record["bias"]), np.array(record["bias_error"])
    if (np.abs(bias) > _BIAS_ALLOWED + 3.0 * error).any():
        words.append("bias (few judgments)" if is_few(record) else "BIAS")
    if not low - allowed <= record["pooled_coverage"] <= high + allowed:
        words.append("COVERAGE")
    if record["n_failed"] or record["n_not_converged"]:
        words.append(
            f"{record['n_failed']} failed, {record['n_not_converged']} not converged"
        )
    return ", ".join(words)


#: What stands above the table in the documentation.
_ABOVE = """# Simulation study

Bias of standard deviations, and coverage of 95 % Wald intervals of the fixed effects, \
in data with known truth. Written by `benchmarks/simulation_study.py --table`; what it \
draws is in `benchmarks/_study_data.py`, the figure in [The engine](engine.md).

- Bias: of each standard deviation, mean over the fits with its Monte-Carlo error; \
over the outputs, where there are several. First that of the participants' first \
effect, then that of their second or of the items.
- Coverage: of each fixed effect (the intercept, if there is one, a covariate of the \
rows, a covariate of the participants; two covariates of the alternatives where people \
choose), then of all together. Its Monte-Carlo error is 1.1 for one effect and 400 \
fits, 1.5 for 200, 2.2 for 100.
- Normal families are fitted by REML, the others by maximum likelihood.
"""

#: What is said below it about single effects.
_BELOW = """
Is a single effect off? The coverages of the {n_effects} effects above have mean \
{mean:.1f} % and scatter about it as shares of so many fits do: chi-squared \
{statistic:.0f} with {df} degrees of freedom, p = {p_value:.2f}. As counted, \
{n_outside} of them are outside of 93 to 97 %; for {n_significant} this is more than \
chance (one-sided binomial test at 5 %, Bonferroni). The lowest is {lowest:.1f} %, \
where the lowest of so many is expected near {expected_lowest:.1f} %.

Why not 95 %? The intervals are estimate ± 1.96 standard errors, with variances of \
maximum likelihood. For a covariate of q people that alone covers \
P(\\|t(q - 2)\\| < 1.96 sqrt(1 - 2 / q)): {at_80:.1f} % with 80, {at_200:.1f} % with \
200. For normal responses REML and Student's t are there (`summary()`); for others \
`confidence_intervals(method="profile")` or `"bootstrap"`.
"""


def scatter(records: list[Record]) -> Record:
    """Test whether single effects have coverages of their own."""
    covered = [
        (round(share * record["n_fits"] / 100.0), record["n_fits"])
        for record in records
        for share in record["coverage"]
    ]
    k, n = np.array(covered).T
    mean = k.sum() / n.sum()
    statistic = float(((k / n - mean) ** 2 / (mean * (1.0 - mean) / n)).sum())
    low, high = (bound / 100.0 for bound in COVERAGE)
    tails = np.minimum(binom.cdf(k, n, low), binom.sf(k - 1, n, high))
    lowest = norm.ppf(1.0 / (len(k) + 1)) * np.sqrt(mean * (1.0 - mean) / n.max())
    by_people = {
        f"at_{q}": 100.0
        * (1.0 - 2.0 * student_t.sf(norm.ppf(0.975) * np.sqrt((q - 2) / q), q - 2))
        for q in (80, 200)
    }
    return {
        "n_effects": len(k),
        "mean": 100.0 * mean,
        "statistic": statistic,
        "df": len(k) - 1,
        "p_value": float(chi2.sf(statistic, len(k) - 1)),
        "n_outside": int(((k / n < low) | (k / n > high)).sum()),
        "n_significant": int((tails < 0.05 / len(k)).sum()),
        "lowest": 100.0 * float((k / n).min()),
        "expected_lowest": 100.0 * (mean + lowest),
    } | by_people


HEADER = [
    "family",
    "structure, participants x judgments",
    "method",
    "bias of sds, %",
    "coverage of fixed effects, %",
    "pooled",
    "fits",
    "CPU s / fit",
    "",
]


def row(record: Record) -> list:
    """One line of the table."""
    biases = [
        f"{bias:+.1f} ± {error:.1f}"
        for bias, error in zip(record["bias"], record["bias_error"], strict=True)
    ]
    return [
        record["family"],
        record["name"],
        record["method"],
        "; ".join(biases),
        "; ".join(f"{share:.1f}" for share in record["coverage"]),
        f"{record['pooled_coverage']:.1f}",
        record["n_fits"],
        round(record["cpu"], 3),
        verdict(record),
    ]


def read(paths: list[Path]) -> list[Record]:
    """Read results; of two for one cell the last counts."""
    cells = {}
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if "family" in record:
                cells[record["family"], record["name"], record["method"]] = record

    def place(key: tuple[str, str, str]) -> tuple[int, int, str]:
        names = [setting.name for setting in settings(key[0])]
        return ORDER.index(key[0]), names.index(key[1]), key[2]

    return [cells[key] for key in sorted(cells, key=place)]


def _method(family: str, nodes: int) -> str:
    """Return what a fit with some number of nodes is called."""
    if family in EXACT:
        return "exact"
    return "quadrature" if nodes > 1 else "Laplace"


def _nodes(family: str, setting: Setting) -> list[int]:
    """Return the numbers of nodes to fit with; 1 is Laplace, or exact."""
    if setting.nodes == 1 or family in EXACT:
        return [1]
    if setting.structure == "(1 + x | p)" and family in NO_GRID:
        return [1]
    return [1, setting.nodes]


def run(options) -> list[Record]:
    """Run all cells that were asked for."""
    n_fits = 40 if options.quick and options.fits is None else options.fits or 400
    chunk = max(1, min(25, n_fits))
    records = []
    with Parallel(n_jobs=options.jobs) as parallel:
        for family in options.families or FAMILIES:
            asked = settings(family)
            for setting in asked[1:2] if options.quick else asked:
                if options.structures and setting.structure not in options.structures:
                    continue
                if setting.participants not in (
                    options.participants or [setting.participants]
                ):
                    continue
                for nodes in _nodes(family, setting):
                    if options.method and options.method != _method(family, nodes):
                        continue
                    chunks = parallel(
                        delayed(run_chunk)(
                            family,
                            setting,
                            nodes,
                            range(start, min(start + chunk, n_fits)),
                        )
                        for start in range(0, n_fits, chunk)
                    )
                    results = [result for part in chunks for result in part]
                    records.append(summarize(family, setting, nodes, results))
                    save(options.out, records[-1:])
                    print(json.dumps(row(records[-1]), ensure_ascii=False), flush=True)
    return records


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument(
        "--fits", type=int, help="data sets per cell (400; quick 40)"
    )
    arguments.add_argument("--jobs", type=int, default=1, help="processes")
    arguments.add_argument("--families", nargs="+", choices=list(FAMILIES))
    structures = sorted({s.structure for name in FAMILIES for s in settings(name)})
    arguments.add_argument("--structures", nargs="+", choices=structures)
    arguments.add_argument("--participants", nargs="+", type=int)
    arguments.add_argument("--method", choices=["exact", "Laplace", "quadrature"])
    arguments.add_argument("--figure", type=Path)
    arguments.add_argument("--table", type=Path, help="a table for the documentation")
    arguments.add_argument(
        "--read", type=Path, nargs="+", help="results of earlier runs, none is made"
    )
    options = arguments.parse_args()
    if options.read:
        records = read(options.read)
    else:
        print(json.dumps(machine()))
        save(options.out, [{"machine": machine()}])
        records = run(options)
    rows = [row(record) for record in records]
    print(show(HEADER, rows))
    if options.table:
        options.table.parent.mkdir(parents=True, exist_ok=True)
        table = markdown(HEADER[:-2], [found[:-2] for found in rows])
        below = _BELOW.format(**scatter(records))
        options.table.write_text(f"{_ABOVE}\n{table}\n{below}", encoding="utf-8")
    if options.figure:
        draw_figure(records, COVERAGE, options.figure)


if __name__ == "__main__":
    main()
