"""Active learning replayed on judgments that are known."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Bunch

from bead_sklearn.active_learning import ActiveLearningSearch
from bead_sklearn.cli._output import Progress, print_table, save_csv
from bead_sklearn.cli._study import Study
from bead_sklearn.cli._tasks import TASKS, loss, summarise

#: Rows of the printed table; the file has all.
_MAX_ROWS = 16


def simulate(
    study: Study,
    model: BaseEstimator,
    strategies: Sequence[str],
    progress: Progress,
    **options: Any,
) -> dict[str, Bunch]:
    """Run a search per strategy from the same starts.

    Parameters
    ----------
    study : Study
        The judgments.
    model : estimator
        What is fitted in each round.
    strategies : sequence of str
        Names of query strategies.
    progress : Progress
        Where to tell how far it is.
    **options : dict
        Parameters of ActiveLearningSearch.

    Returns
    -------
    curves : dict of str to Bunch
        Learning curve of each strategy: log loss (labels) or R2 (numbers) on the
        judgments held out.
    """
    task = study.roles.task
    # For scorers higher is better.
    sign = -1.0 if TASKS[task].is_better_lower else 1.0

    def score(model: Any, X: Any, y: Any) -> float:
        return sign * summarise(task, y, loss(task, model, X, y))

    curves = {}
    for strategy in strategies:
        progress.say(f"Simulation with {strategy}, {options['n_repeats']} runs")
        search = ActiveLearningSearch(
            model,
            strategy,
            scoring=score,
            stopping=_watch(strategy, options["max_labels"], progress),
            refit=False,
            **options,
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            search.fit(study.X, study.y)
        _tell_warnings(caught, strategy, progress)
        curve = search.learning_curve_
        curves[strategy] = Bunch(
            n_labels=curve.n_labels,
            scores=sign * curve.scores,
            mean=sign * curve.mean,
            std=curve.std,
        )
    progress.redraw("")
    return curves


def check_task(task: str) -> None:
    """Refuse tasks for which learning curves say nothing."""
    if TASKS[task].answers == "words":
        raise ValueError(
            f"There is no simulation of --task {task}: every label can add an answer "
            "to choose from, so that scores after different numbers of labels are not "
            "of the same choice. Compare strategies in Python with candidates= and a "
            "score of your own."
        )


def score_name(study: Study) -> str:
    """Return the name of the score of a task."""
    return f"Held-out {TASKS[study.roles.task].measure}"


def report(study: Study, curves: dict[str, Bunch]) -> None:
    """Print the learning curves as a table, and what strategies are worth."""
    n_labels = np.unique(np.concatenate([c.n_labels for c in curves.values()]))
    shown = np.unique(
        np.linspace(0, len(n_labels) - 1, min(_MAX_ROWS, len(n_labels))).round()
    )
    means = {
        name: dict(zip(curve.n_labels.tolist(), curve.mean, strict=True))
        for name, curve in curves.items()
    }
    rows = [
        [str(n), *(f"{mean[n]:.3f}" if n in mean else "" for mean in means.values())]
        for n in n_labels[shown.astype(int)].tolist()
    ]
    better = "lower" if TASKS[study.roles.task].is_better_lower else "higher"
    print(f"{score_name(study)} by number of labels ({better} is better)")
    print_table([["labels", *curves], *rows])
    n_runs = max(len(curve.scores) for curve in curves.values())
    if n_runs > 1:
        spread = np.nanmean(np.concatenate([curve.std for curve in curves.values()]))
        print(f"Means of {n_runs} runs, which differ with an SD of {spread:.3f}.")
    for name in curves:
        if name != "random":
            print(_comparison(name, curves[name], curves["random"], better == "lower"))


def save_table(curves: dict[str, Bunch], path: Path) -> None:
    """Save every point of the learning curves as CSV."""
    names = ["strategy", "n_labels", "mean", "std", "n_runs"]
    rows = [
        [name, n, mean, std, int((~np.isnan(scores)).sum())]
        for name, curve in curves.items()
        for n, mean, std, scores in zip(
            curve.n_labels.tolist(),
            curve.mean.tolist(),
            curve.std.tolist(),
            curve.scores.T,
            strict=True,
        )
    ]
    save_csv(path, names, rows)


def _comparison(name: str, curve: Bunch, random: Bunch, lower: bool) -> str:
    """Say how many labels a strategy needs for what random choice ends with."""
    goal = random.mean[-1]

    def first(curve: Bunch) -> int | None:
        reached = curve.mean <= goal if lower else curve.mean >= goal
        return int(curve.n_labels[np.argmax(reached)]) if reached.any() else None

    n, n_random = first(curve), first(random)
    if n is None:
        return (
            f"{name} does not reach {goal:.3f}, which random has at {n_random} labels."
        )
    return f"{name} reaches {goal:.3f} at {n} labels; random needs {n_random}."


def _watch(strategy: str, max_labels: int, progress: Progress) -> Callable[[Any], bool]:
    """Return a stopping rule that never stops and shows how far the search is."""
    run = 0

    def never(state: Any) -> bool:
        nonlocal run
        run += state.iteration == 0
        progress.redraw(
            f"Simulation, {strategy}, run {run}: {state.n_labels} of {max_labels} "
            "labels"
        )
        return False

    return never


def _tell_warnings(
    caught: list[warnings.WarningMessage], strategy: str, progress: Progress
) -> None:
    """Sum up warnings about fits to few labels; pass on all others."""
    n_poor = sum(issubclass(w.category, ConvergenceWarning) for w in caught)
    if n_poor:
        progress.redraw("")
        progress.say(
            f"{strategy}: {n_poor} warnings of fits with a zero variance or without "
            "convergence; with few labels this is usual."
        )
    for warning in caught:
        if not issubclass(warning.category, ConvergenceWarning):
            warnings.warn(str(warning.message), warning.category, stacklevel=2)
