"""How many judgments does a study need, asked at random or by a joint design?

Simulated participants answer a study, on the real web server or straight to its store;
the model is refitted and says whom to ask what next. The error is that of the items'
linear predictor, fitted to the judgments in the store after every 20 of them. Items
have ten features, participants a leniency whose standard deviation, 1.5 logits, the
model knows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from _web import Server, WebAnnotator

from bead_sklearn import BinaryClassifier, MixedEffects
from bead_sklearn.annotate import (
    Item,
    JudgmentStore,
    Quotas,
    Rehearsal,
    SimulatedAnnotators,
    Study,
    make_question,
)
from bead_sklearn.annotate._model import Rows

STEP = 20
N_FEATURES = 10
#: Standard deviations over items and participants, in logits.
ITEM_SD = 1.5
PARTICIPANT_SD = 1.5
BATCH = 10


def make_study(n_items: int, n_people: int, strategy: Any, seed: int) -> Study:
    """Return a study of items that differ in ten features."""
    features = np.random.RandomState(seed).standard_normal((n_items, N_FEATURES))
    return Study(
        name="Rehearsal",
        question=make_question("binary", prompt="Is this sentence natural?"),
        items={
            f"s{k:03d}": Item(
                {
                    "text": f"Sentence {k}.",
                    **{f"x{j}": float(x) for j, x in enumerate(row)},
                }
            )
            for k, row in enumerate(features)
        },
        participants=[f"p{k:02d}" for k in range(n_people)],
        quotas=Quotas(judgments_per_item=n_people, items_per_participant=20),
        estimator=make_model(),
        strategy=strategy,
        n_initial=2 * BATCH,
        refit_every=BATCH,
        confidence="none",
    )


def make_model() -> BinaryClassifier:
    """Return the model: effects of the features, and participants that differ."""
    effects = MixedEffects(
        formula="(1 | participant)",
        prior_variance=PARTICIPANT_SD**2,
        estimate_variance_components=False,
    )
    # The ridge is the prior from which the effects are drawn.
    return BinaryClassifier(
        mixed_effects=effects, text_columns=[], alpha=N_FEATURES / ITEM_SD**2
    )


def make_people(study: Study, seed: int) -> SimulatedAnnotators:
    """Return participants whose answers follow the model, with known effects."""
    random = np.random.RandomState(1000 + seed)
    effects = random.normal(scale=ITEM_SD / N_FEATURES**0.5, size=N_FEATURES)
    values = features_of(study) @ effects
    value = dict(zip(study.items, values.tolist(), strict=True))
    leniency = dict(
        zip(
            study.participants,
            random.normal(scale=PARTICIPANT_SD, size=len(study.participants)).tolist(),
            strict=True,
        )
    )

    def draw(
        item: str, who: str, random: np.random.RandomState
    ) -> tuple[str, float | None]:
        chance = 1.0 / (1.0 + np.exp(-value[item] - leniency[who]))
        yes = random.random_sample() < chance
        return ("yes" if yes else "no"), float(chance if yes else 1 - chance)

    return SimulatedAnnotators(study, draw, item_values=values, random_state=seed)


def features_of(study: Study) -> np.ndarray:
    """Return the features of all items."""
    return np.array(
        [
            [item.columns[f"x{j}"] for j in range(N_FEATURES)]
            for item in study.items.values()
        ]
    )


def item_error(study: Study, judgments: list[Any], truth: np.ndarray) -> float:
    """Return the root mean square error of the items' predictors."""
    model = make_model()
    pairs = [(j.item, j.participant) for j in judgments]
    rows = Rows(study, model)
    model.fit(rows.X(pairs), rows.y([j.answer for j in judgments]))
    sign = 1.0 if model.classes_[-1] == "yes" else -1.0
    found = np.ravel(model.intercept_)[0] + features_of(study) @ np.ravel(model.coef_)
    return float(np.sqrt(np.mean((sign * found - truth) ** 2)))


def run(
    name: str,
    seed: int,
    n_judgments: int,
    n_items: int,
    n_people: int,
    door: str,
) -> dict[str, Any]:
    """Rehearse a study once; return its learning curve."""
    study = make_study(n_items, n_people, name, seed)
    people = make_people(study, seed)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.db"
        if door == "store":
            with JudgmentStore(path) as store:
                rehearsal = Rehearsal(study, store, people, random_state=seed)
                rehearsal.run(max_judgments=n_judgments)
                judgments = store.judgments()
        else:
            judgments = through_server(study, path, people, n_judgments)
    truth = people.item_values
    assert truth is not None
    steps = range(2 * STEP, n_judgments + 1, STEP)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        errors = [item_error(study, judgments[:k], truth) for k in steps]
    return {
        "benchmark": "rehearsal",
        "door": door,
        "strategy": name,
        "seed": seed,
        "participant_sd": PARTICIPANT_SD,
        "items": n_items,
        "participants": n_people,
        "n_labels": list(steps),
        "error": errors,
        "seconds": round(time.perf_counter() - started, 1),
    }


def through_server(
    study: Study, path: Path, people: SimulatedAnnotators, n_judgments: int
) -> list[Any]:
    """Collect judgments over HTTP, asking whom the newest plan names."""
    with Server(study, path) as server, JudgmentStore(path) as store:
        annotators = {w: WebAnnotator(link) for w, link in server.links().items()}
        turns: list[str] = []
        version = 0
        n = 0
        while n < n_judgments:
            if not turns:
                version = wait_for_plan(store, version)
                # The server looks for a new plan twice a second.
                time.sleep(0.7)
                turns = [who for _, who in store.document("plan")["batch"]][:BATCH]
            who = turns.pop(0)
            shown = annotators[who].ask()
            if shown is None:
                continue
            said = people.answer(shown.item, who)
            status = annotators[who].send(
                shown, answer="0" if said.answer == "yes" else "1"
            )
            if status != 303:
                raise RuntimeError(f"The server answered {status}.")
            n += 1
        for annotator in annotators.values():
            annotator.close()
        judgments = store.judgments()
    return judgments


def wait_for_plan(store: JudgmentStore, version: int) -> int:
    """Wait until the server has a plan that knows all judgments."""
    for _ in range(6000):
        plan = store.document("plan") or {"version": 0, "n_judgments": -1}
        if plan["version"] > version and plan["n_judgments"] == store.last_number():
            return int(plan["version"])
        time.sleep(0.02)
    raise RuntimeError("There is no new plan after two minutes.")


def draw_figure(results: list[dict[str, Any]], path: Path) -> None:
    """Draw the mean learning curves."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    styles = {
        "random": ("at random", "#777777", "s"),
        "entropy": ("most uncertain (entropy)", "#c8781e", "^"),
        "joint_a_optimal": ("joint item × participant design", "#1c5d99", "o"),
    }
    for name, (label, colour, marker) in styles.items():
        runs = np.array([r["error"] for r in results if r["strategy"] == name])
        if not len(runs):
            continue
        x = next(r["n_labels"] for r in results if r["strategy"] == name)
        mean, error = runs.mean(axis=0), runs.std(axis=0, ddof=1) / len(runs) ** 0.5
        axes.plot(x, mean, color=colour, marker=marker, ms=4, label=label)
        axes.fill_between(x, mean - error, mean + error, color=colour, alpha=0.15, lw=0)
    axes.set_xlabel("judgments collected")
    axes.set_ylabel("error of the items (logits, RMS)")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def summarise(results: list[dict[str, Any]]) -> None:
    """Say how many judgments reach what random ones end with."""
    curves = {
        name: np.mean([r["error"] for r in results if r["strategy"] == name], axis=0)
        for name in dict.fromkeys(r["strategy"] for r in results)
    }
    x = np.array(results[0]["n_labels"])
    goal = curves["random"][-1]
    for name, curve in curves.items():
        reached = x[curve <= goal]
        n = int(reached[0]) if len(reached) else None
        runs = sum(r["strategy"] == name for r in results)
        print(
            f"{name}: error {curve[-1]:.3f} at {x[-1]}, {goal:.3f} at {n} ({runs} runs)"
        )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed, 60 judgments")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--judgments", type=int, default=300)
    parser.add_argument(
        "--strategies", nargs="+", default=["random", "joint_a_optimal"], metavar="NAME"
    )
    parser.add_argument(
        "--door",
        choices=["store", "server"],
        default="server",
        help="through the web server, or straight to the store",
    )
    parser.add_argument("--out", type=Path, help="file to append lines of JSON to")
    parser.add_argument("--figure", type=Path, help="file for the learning curves")
    parser.add_argument("--read", type=Path, help="read results, run nothing")
    arguments = parser.parse_args()
    n_seeds, n_judgments = arguments.seeds, arguments.judgments
    if arguments.quick:
        n_seeds, n_judgments = 1, 60
    results = []
    if arguments.read is not None:
        lines = arguments.read.read_text(encoding="utf-8").splitlines()
        results = [json.loads(line) for line in lines]
    else:
        for seed in range(arguments.first_seed, arguments.first_seed + n_seeds):
            for name in arguments.strategies:
                result = run(name, seed, n_judgments, 300, 40, arguments.door)
                results.append(result)
                line = json.dumps(results[-1])
                print(line, flush=True)
                if arguments.out is not None:
                    with arguments.out.open("a", encoding="utf-8") as file:
                        file.write(f"{line}\n")
    summarise(results)
    if arguments.figure is not None:
        draw_figure(results, arguments.figure)


if __name__ == "__main__":
    main()
