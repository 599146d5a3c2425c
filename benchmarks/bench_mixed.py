"""Mixed models: CPU seconds, memory and log-likelihood of ours and of the peers.

Every cell (a model and an engine) runs in its own process with one thread. Times are
CPU seconds of the fit, the mean of several runs where it is fast; data and formulas are
made before. Ratios are the time of a peer over ours in the same run of this script.

    python benchmarks/bench_mixed.py --quick
    python benchmarks/bench_mixed.py --out results/mixed.jsonl
    python benchmarks/bench_mixed.py --problems crossed-10000x32 --engines ours gpboost

Peers are installed with ``pip install bead-sklearn[benchmark]``; engines of R are used
where Rscript is on the path, and what is absent is left out. The tables VerbAgg and
InstEval are read from the folder ``shared`` beside the repository.
"""

from __future__ import annotations

import json
import sys

from _engines import ENGINES, AbsentError
from _measure import Record, machine, measure, parser, run_cell, save, show
from _problems import is_available, load_problem

PROBLEMS = [
    "crossed-1000x32",
    "crossed-10000x32",
    "crossed-100000x32",
    "crossed-10000x384",
    "crossed-100000x384",
    "crossed-1000000x32",
    "verbagg-id",
    "verbagg-id-item",
    "verbagg-ordinal",
    "verbagg-multinomial",
    "insteval",
]
QUICK = ["crossed-1000x32", "verbagg-id"]

#: Problem, peers of which the fastest counts, and how many times faster we want to be.
TARGETS = [
    ("crossed-10000x32", ("gpboost", "gpboost, cholesky"), 3.0),
    ("crossed-100000x32", ("gpboost", "gpboost, cholesky"), 3.0),
    ("crossed-10000x384", ("gpboost", "gpboost, cholesky"), 10.0),
    ("crossed-100000x384", ("gpboost", "gpboost, cholesky"), 10.0),
    ("crossed-1000000x32", ("gpboost", "gpboost, cholesky"), 2.0),
    ("verbagg-id", ("glmm",), 1.0),
    ("verbagg-id-item", ("glmm",), 1.0),
    ("verbagg-ordinal", ("R: lme4 or clmm",), 1.0),
    ("insteval", ("R: lme4 or clmm",), 2.5),
    ("insteval", ("glmm",), 1.0),
]
MEMORY_TARGETS = {"crossed-1000000x32": 4000.0}

#: Engines whose likelihood is the same function as ours, up to rounding. GPBoost's
#: default estimates it with random numbers, its restricted one does not exist.
EXACT = ("gpboost, cholesky", "glmm", "mixedlm", "R: lme4 or clmm", "R: glmmTMB")
#: Shortfall in log-likelihood that is still called equal.
_LOG_LIKELIHOOD_TOLERANCE = 1e-4

OURS = ("ours, solver", "ours, estimator")


def run_one(cell: Record) -> Record:
    """Measure one engine on one problem, in this process."""
    try:
        fit = ENGINES[cell["engine"]](load_problem(cell["problem"]))
        return measure(fit)
    except AbsentError as reason:
        return {"status": "absent", "message": str(reason)}


def chosen(names: list[str], known: list[str]) -> list[str]:
    """Resolve names, or beginnings of names, of engines or problems."""
    result = []
    for name in names:
        matches = [other for other in known if other.startswith(name)]
        if not matches and not name.startswith("crossed-"):
            raise SystemExit(f"Unknown: {name!r}. Known: {', '.join(known)}.")
        result += matches or [name]
    return list(dict.fromkeys(result))


def table(problem: str, records: list[Record]) -> str:
    """Lay out one problem."""
    done = {record["engine"]: record for record in records if record["status"] == "ok"}
    rows = []
    for record in records:
        if record["status"] == "absent":
            continue
        name = record["engine"]
        if record["status"] != "ok":
            note = record["status"]
            if note == "error":
                note += ": " + record["message"]
            rows.append([name, None, None, None, None, None, None, note])
            continue
        ratios = [
            record["cpu"] / done[mine]["cpu"] if mine in done else None for mine in OURS
        ]
        value = record["log_likelihood"]
        rows.append(
            [
                name,
                record["cpu"],
                *ratios,
                record["peak_mb"],
                None if value is None else f"{value:.5f}",
                [round(sd, 4) for sd in record["sds"]],
                record.get("note", ""),
            ]
        )
    header = [
        "engine",
        "CPU s",
        "/ solver",
        "/ estimator",
        "peak MB",
        "logLik",
        "sds",
        "",
    ]
    absent = "".join(
        f"\n({record['engine']}: {record['message']})"
        for record in records
        if record["status"] == "absent"
    )
    return f"\n{problem}\n{show(header, rows)}{absent}"


def verdicts(records: list[Record]) -> str:
    """Compare with the targets."""
    done = {
        (record["problem"], record["engine"]): record
        for record in records
        if record["status"] == "ok"
    }
    rows = []
    for problem, peers, wanted in TARGETS:
        times = [
            done[problem, peer]["cpu"] for peer in peers if (problem, peer) in done
        ]
        for mine in OURS:
            if times and (problem, mine) in done:
                ratio = min(times) / done[problem, mine]["cpu"]
                verdict = "reached" if ratio >= wanted else "missed"
                peer = " | ".join(peers)
                rows.append([problem, mine, peer, wanted, ratio, verdict])
    for problem, most in MEMORY_TARGETS.items():
        for mine in OURS:
            if (problem, mine) in done:
                peak = done[problem, mine]["peak_mb"]
                verdict = "reached" if peak <= most else "missed"
                rows.append([problem, mine, "peak MB", most, peak, verdict])
    for problem in dict.fromkeys(record["problem"] for record in records):
        best = max(
            (
                done[problem, peer]["log_likelihood"]
                for peer in EXACT
                if (problem, peer) in done and not done[problem, peer].get("note")
            ),
            default=None,
        )
        for mine in OURS:
            if best is not None and (problem, mine) in done:
                more = done[problem, mine]["log_likelihood"] - best
                verdict = "reached" if more >= -_LOG_LIKELIHOOD_TOLERANCE else "missed"
                rows.append([problem, mine, "best logLik", 0.0, more, verdict])
    header = ["problem", "engine", "against", "wanted", "found", ""]
    return (
        "\ntargets (times faster; MB; log-likelihood above the best exact peer)\n"
        + show(header, rows)
    )


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--problems", nargs="+", help=", ".join(PROBLEMS))
    arguments.add_argument("--engines", nargs="+", help="; ".join(ENGINES))
    options = arguments.parse_args()
    if options.cell:
        print(json.dumps(run_one(json.loads(options.cell))))
        return
    problems = chosen(
        options.problems or (QUICK if options.quick else PROBLEMS), PROBLEMS
    )
    engines = chosen(options.engines or list(ENGINES), list(ENGINES))
    limit = min(options.limit, 20.0) if options.quick else options.limit
    print(json.dumps(machine()))
    save(options.out, [{"machine": machine()}])
    records = []
    for problem in problems:
        if not is_available(problem):
            print(f"\n{problem}: its table is not there", file=sys.stderr)
            continue
        cells = [
            run_cell(__file__, {"problem": problem, "engine": engine}, limit)
            for engine in engines
        ]
        save(options.out, cells)
        records += cells
        print(table(problem, cells), flush=True)
    print(verdicts(records))


if __name__ == "__main__":
    main()
