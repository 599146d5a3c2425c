"""How fast does the annotation server answer while a model is refitted?

Fifty simulated annotators get an item, think, and send an answer, over HTTP. Runs with
and without refits in the background are compared; without thinking time the server is
saturated, and the rate is the most it can do.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from _web import Server, WebAnnotator

from bead_sklearn.annotate import (
    Item,
    JudgmentStore,
    Quotas,
    SimulatedAnnotators,
    Study,
    make_question,
)
from bead_sklearn.datasets import make_judgments


def make_study(n_items: int, n_people: int, refit_every: int) -> Study:
    """Return a study with simulated sentences."""
    sentences = make_judgments(
        "binary", n_participants=1, n_items=n_items, n_per_participant=n_items
    )
    texts = list(sentences.X["text"])
    return Study(
        name="Load test",
        question=make_question("binary", prompt="Is this sentence natural?"),
        items={f"s{k:05d}": Item({"text": text}) for k, text in enumerate(texts)},
        participants=[f"p{k:03d}" for k in range(n_people)],
        quotas=Quotas(judgments_per_item=n_people),
        refit_every=refit_every,
        n_initial=min(50, refit_every),
    )


class Annotator(threading.Thread):
    """A participant, and how long each request took."""

    def __init__(
        self, link: str, people: Any, who: str, think: float, until: float
    ) -> None:
        super().__init__()
        self._link, self._people, self._who = link, people, who
        self._think, self._until = think, until
        self.shown: list[tuple[float, float]] = []
        self.sent: list[tuple[float, float]] = []
        self.refused = 0

    def run(self) -> None:
        """Annotate until the time is over."""
        annotator = WebAnnotator(self._link)
        draw = random.Random(self._who)
        time.sleep(draw.random() * max(self._think, 0.2))
        while time.perf_counter() < self._until:
            begun = time.perf_counter()
            shown = annotator.ask()
            self.shown.append((begun, time.perf_counter() - begun))
            if shown is None:
                break
            if self._think:
                time.sleep(draw.expovariate(1.0 / self._think))
            said = self._people.answer(shown.item, self._who)
            begun = time.perf_counter()
            status = annotator.send(
                shown,
                answer="0" if said.answer == "yes" else "1",
                confidence=said.confidence,
            )
            if status == 303:
                self.sent.append((begun, time.perf_counter() - begun))
            else:
                self.refused += 1
                time.sleep(0.05)
        annotator.close()


def run(
    n_people: int, n_items: int, think: float, seconds: float, refit_every: int
) -> dict[str, Any]:
    """Let annotators work for some time; return rates and times."""
    study = make_study(n_items, n_people, refit_every)
    people = SimulatedAnnotators.from_truth(study)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.db"
        with Server(study, path) as server:
            links = server.links()
            time.sleep(8.0)  # the process of the refits has loaded its libraries
            begun = time.perf_counter()
            workers = [
                Annotator(link, people, who, think, begun + seconds)
                for who, link in links.items()
            ]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            took = time.perf_counter() - begun
        with JudgmentStore(path) as store:
            rounds = [line for line in store.rounds() if line.get("fitted")]
            n_stored = len(store.judgments())
    sent = np.array([pair for worker in workers for pair in worker.sent])
    shown = np.array([pair for worker in workers for pair in worker.shown])
    return {
        "annotators": n_people,
        "items": n_items,
        "think_seconds": think,
        "refit_every": refit_every,
        "judgments": len(sent),
        "stored": n_stored,
        "refused": sum(worker.refused for worker in workers),
        "per_second": round(len(sent) / took, 1),
        "refits": len(rounds),
        "refit_seconds": round(sum(line["seconds"] for line in rounds), 1),
        "longest_refit": round(max([line["seconds"] for line in rounds], default=0), 2),
        **_quantiles("item_ms", shown[:, 1]),
        **_quantiles("answer_ms", sent[:, 1]),
    }


def _quantiles(name: str, seconds: np.ndarray) -> dict[str, float]:
    return {
        f"{name}_p50": round(1000 * float(np.quantile(seconds, 0.5)), 1),
        f"{name}_p99": round(1000 * float(np.quantile(seconds, 0.99)), 1),
        f"{name}_max": round(1000 * float(seconds.max()), 1),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="8 annotators, 5 seconds")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--annotators", type=int, default=50)
    parser.add_argument("--out", type=Path, help="file to append lines of JSON to")
    arguments = parser.parse_args()
    people, seconds = arguments.annotators, arguments.seconds
    if arguments.quick:
        people, seconds = 8, 5.0
    never = 10**9
    for think, refit_every in ((2.0, never), (2.0, 100), (0.0, never), (0.0, 100)):
        result = run(people, 400, think, seconds, refit_every)
        print(json.dumps(result), flush=True)
        if arguments.out is not None:
            with arguments.out.open("a", encoding="utf-8") as file:
                file.write(
                    json.dumps({"benchmark": "annotation_load", **result}) + "\n"
                )


if __name__ == "__main__":
    main()
