"""Do participant effects help on real judgments? Every task, known and new people.

For each data set one fifth of the judgments is held out: at random (the participants
are known), or with all judgments of a participant (they are new, GroupKFold). The
score is the mean log score of held-out answers, lower is better: log loss of labels
(mean over options for multi-select), the negative log predictive density of numbers;
accuracy, or the CRPS of numbers, stands beside it.

- shares: the training shares of the labels; a normal distribution for numbers.
- scikit-learn: the same features without participants: LogisticRegressionCV for labels
  (ordinal ones too) and each option, RidgeCV for numbers, for words
  KNeighborsClassifier mixed with the shares.
- fixed, intercepts, slopes, crossed: ours, with nothing, with random intercepts of
  participants, with participant-specific heads, with participants and items.

Answers in words that are not in the training data are left out.

    python benchmarks/bench_tasks.py --quick
    python benchmarks/bench_tasks.py --out benchmarks/results/tasks.jsonl
    python benchmarks/bench_tasks.py --read benchmarks/results/tasks.jsonl \
        --page docs/benchmark_tasks.md --figure docs/images/calibration_tasks.png

Each line of results is appended when it is there; what is there is not run again.
Data are read from the folder ``shared`` beside the repository.
"""

from __future__ import annotations

import signal
import warnings
from pathlib import Path

import numpy as np
from _measure import Record, machine, parser, save
from _tasks_data import ENCODERS, STUDIES, find, read
from _tasks_models import MODELS, bins, ours, parts, peer, shares
from _tasks_report import draw, page, read_results, tables
from sklearn.model_selection import GroupKFold, KFold

N_FOLDS = 5
QUICK_ROWS = 1_500
PEOPLE = ("known", "new")
KEYS = ("data", "encoder", "rows", "people", "fold", "model")


def run_one(cell: Record) -> Record:
    """Fit and score one model on one fold."""
    study = find(cell["data"])
    table = read(study, cell["rows"])
    y = np.asarray(study.response(table))
    groups = table["participant"].to_numpy()
    made = KFold if cell["people"] == "known" else GroupKFold
    folds = made(N_FOLDS, shuffle=True, random_state=0)
    train, test = list(folds.split(table, groups=groups))[cell["fold"]]
    n_test = len(test)
    if study.kind == "words":
        test = test[np.isin(y[test], y[train])]
    seconds = None
    given = (cell["encoder"], cell["cache"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if cell["model"] == "shares":
            found = shares(study, y[train], y[test])
        elif cell["model"] == "scikit-learn":
            found = peer(study, table, y, train, test, *given)
        else:
            found, seconds = ours(study, table, y, train, test, *given, cell["model"])
    return {
        "judgments": len(table),
        "participants": len(np.unique(groups)),
        "scored": len(test) / n_test,
        "log_score": round(float(found.log_score.mean()), 5),
        "second": round(float(found.second.mean()), 5),
        "seconds": seconds if seconds is None else round(seconds, 1),
        "bins": bins(found),
        "parts": parts(found, groups[test]),
    }


def run_limited(cell: Record, limit: float) -> Record:
    """Run one cell, or say why there is no result."""

    def stop(*_):
        raise TimeoutError(f"more than {limit:g} CPU s")

    signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    try:
        return {"status": "ok"} | run_one(cell)
    except (ValueError, MemoryError, np.linalg.LinAlgError) as error:
        return {"status": "error", "message": f"{type(error).__name__}: {error}"[:300]}
    except TimeoutError as error:
        return {"status": "limit", "message": str(error)}
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)


def cells(options) -> list[Record]:
    """Return what is to be run, the fast models first."""
    order = [model for model in MODELS if model != "slopes"] + ["slopes"]
    return [
        {
            "data": study.name,
            "encoder": encoder,
            "rows": QUICK_ROWS if options.quick else study.rows,
            "people": people,
            "fold": fold,
            "model": model,
        }
        for fold in range(options.folds)
        for encoder in options.encoders
        for model in order
        if model in options.models
        for study in STUDIES
        if study.name in options.data
        for people in PEOPLE
        if model != "shares" or encoder == options.encoders[0]
    ]


def key(record: Record) -> tuple:
    """Return what a line of results is about."""
    return tuple(record[name] for name in KEYS)


def run(options) -> list[Record]:
    """Measure the cells that are not there yet."""
    there = read_results([options.out]) if options.out and options.out.exists() else []
    done = {key(record) for record in there}
    records = []
    for cell in cells(options):
        if key(cell) in done:
            continue
        record = cell | run_limited(cell | {"cache": options.cache}, options.limit)
        save(options.out, [record])
        records.append(record)
        shown = [*map(str, key(record)), record["status"]]
        shown += [str(record.get(name)) for name in ("log_score", "second", "seconds")]
        print(*shown, record.get("message", ""), flush=True)
    return records


def main() -> None:
    """Run the studies, or lay out what was found."""
    arguments = parser(__doc__)
    arguments.set_defaults(limit=1800.0)
    names = [study.name for study in STUDIES]
    arguments.add_argument(
        "--encoders", nargs="+", default=["default"], choices=ENCODERS
    )
    arguments.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    arguments.add_argument("--data", nargs="+", default=names, choices=names)
    arguments.add_argument("--folds", type=int, default=1, help="folds run, of five")
    arguments.add_argument("--cache", help="file that keeps the features of MiniLM")
    arguments.add_argument(
        "--read", type=Path, nargs="+", help="results of earlier runs, none is made"
    )
    arguments.add_argument("--page", type=Path, help="where to write the tables")
    arguments.add_argument("--figure", type=Path, help="where to draw calibration")
    options = arguments.parse_args()
    if options.read:
        records = read_results(options.read)
    else:
        if options.out and not options.out.exists():
            save(options.out, [{"machine": machine()}])
        records = run(options)
    print(tables(records))
    if options.page:
        page(records, options.page)
    if options.figure:
        draw(records, options.figure)


if __name__ == "__main__":
    main()
