"""Does anything get lost when the server is killed in the middle of work?

Eight annotators answer as fast as they can over HTTP. At a random moment the server is
killed (SIGKILL) and started again; the annotators send what was not acknowledged once
more, as a browser would. After each kill and at the end the store must have every
acknowledged judgment, none twice, no place given to two, and no lease that stays.
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

from _web import RefusedError, Server, WebAnnotator

from bead_sklearn.annotate import Item, JudgmentStore, Quotas, Study, make_question

N_ANNOTATORS = 8


def make_study(n_items: int) -> Study:
    """Return a study with one judgment per item, so that double work shows."""
    return Study(
        name="Crash test",
        question=make_question("binary", prompt="Is this sentence natural?"),
        items={
            f"s{k:06d}": Item({"text": f"Sentence number {k}."}) for k in range(n_items)
        },
        participants=[f"p{k}" for k in range(N_ANNOTATORS)],
        quotas=Quotas(judgments_per_item=1),
        confidence="none",
        strategy="random",
        lease_minutes=1 / 60,
    )


class Work:
    """Eight annotators and what the server acknowledged to them."""

    def __init__(self, links: dict[str, str]) -> None:
        self.acknowledged: dict[str, str] = {}
        self.unexpected: list[str] = []
        self.ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._annotate, args=(link,))
            for link in links.values()
        ]
        for thread in self._threads:
            thread.start()

    def _annotate(self, link: str) -> None:
        annotator = WebAnnotator(link)
        draw = random.Random(link)
        waiting: tuple[Any, str] | None = None
        while not self.ended.is_set():
            try:
                if waiting is None:
                    shown = annotator.ask()
                    if shown is None:
                        time.sleep(0.2)
                        continue
                    waiting = shown, str(draw.randrange(2))
                shown, answer = waiting
                status = annotator.send(shown, answer=answer)
            except ConnectionError:
                time.sleep(0.02)
                continue
            except RefusedError as refused:
                status = refused.status
            if status == 429:  # faster than people can be
                time.sleep(0.1)
                continue
            if waiting is None:
                self.unexpected.append(f"{status} for an item")
                continue
            if status == 303:
                self.acknowledged[shown.uid] = answer
            else:
                self.unexpected.append(f"{status} for {shown.uid}")
            waiting = None
        annotator.close()

    def end(self) -> None:
        """Wait until all have stopped, which none may have done before."""
        if not all(thread.is_alive() for thread in self._threads):
            self.unexpected.append("an annotator gave up")
        self.ended.set()
        for thread in self._threads:
            thread.join()


def check(path: Path, acknowledged: dict[str, str]) -> dict[str, int]:
    """Compare a store with what was acknowledged."""
    with JudgmentStore(path) as store:
        judgments = store.judgments()
        report = store.check()
    stored = {j.uid: {"yes": "0", "no": "1"}[j.answer] for j in judgments}
    items = [j.item for j in judgments]
    return {
        "stored": len(stored),
        "lost": sum(uid not in stored for uid in acknowledged),
        "changed": sum(
            stored.get(uid, answer) != answer for uid, answer in acknowledged.items()
        ),
        "twice": len(judgments) - len(stored),
        "items_judged_twice": len(items) - len(set(items)),
        "unsound": int(not report.sound),
        "recovered": len(report.recovered),
    }


def run(n_kills: int, seed: int, say: Any = print) -> dict[str, Any]:
    """Kill a server again and again; return what was found."""
    draw = random.Random(seed)
    started = time.perf_counter()
    total = dict.fromkeys(
        ("lost", "changed", "twice", "items_judged_twice", "unsound", "recovered"), 0
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.db"
        server = Server(make_study(120 * n_kills + 1000), path)
        server.start()
        work = Work(server.links())
        try:
            for kill in range(1, n_kills + 1):
                time.sleep(draw.expovariate(1.0))
                server.kill()
                known = dict(work.acknowledged)
                found = check(path, known)
                for name in total:
                    total[name] += found[name]
                server.start()
                server.links()
                if kill % 10 == 0:
                    say(f"{kill} kills, {len(known)} acknowledged, {total}")
            time.sleep(1.0)
        finally:
            work.end()
            server.stop()
        found = check(path, work.acknowledged)
        for name in total:
            total[name] += found[name]
        time.sleep(1.5)  # longer than a lease
        with JudgmentStore(path) as store:
            stuck = len(store.leases())
    return {
        "kills": n_kills,
        "acknowledged": len(work.acknowledged),
        "stored": found["stored"],
        **total,
        "stuck_leases": stuck,
        "unexpected": work.unexpected[:5],
        "seconds": round(time.perf_counter() - started, 1),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="5 kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file to append a line of JSON to")
    arguments = parser.parse_args()
    result = run(5 if arguments.quick else arguments.kills, arguments.seed)
    print(json.dumps(result, indent=1))
    if arguments.out is not None:
        with arguments.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"benchmark": "store_crash", **result}) + "\n")
    bad = ("lost", "changed", "twice", "unsound", "stuck_leases")
    if any(result[name] for name in bad) or result["unexpected"]:
        raise SystemExit("Something was lost, doubled or stuck: see above.")


if __name__ == "__main__":
    main()
