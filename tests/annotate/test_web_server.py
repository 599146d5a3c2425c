"""The real server: started by the command, killed, and driven by simulated people."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from studies import make_study

from bead_sklearn.annotate import JudgmentStore, Quotas

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "naturalness.toml"


def test_killed_servers_lose_nothing(web):
    """The benchmark of 200 kills, with three."""
    result = importlib.import_module("bench_store_crash").run(3, seed=7)
    assert result["acknowledged"] > 0
    for name in ("lost", "changed", "twice", "unsound", "stuck_leases"):
        assert result[name] == 0, result
    assert result["unexpected"] == []


def test_the_command(web, tmp_path):
    study = shutil.copy(EXAMPLE, tmp_path)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "bead_sklearn"),
            *("annotate", study, "--web", "--port", "0"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    link = re.search(r"http://127\.0\.0\.1:\d+/o/\S+", process.stdout.readline())[0]
    with urllib.request.urlopen(link, timeout=60) as answer:
        assert "Naturalness" in answer.read().decode()
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Stopped. All answers are stored." in rest
    assert errors == ""
    secret = tmp_path / "naturalness.db.secret"
    assert secret.stat().st_mode & 0o777 == 0o600


def test_plans_reach_the_participants(web, tmp_path):
    """Refits happen beside the server, and their plans decide what is asked."""
    bench = importlib.import_module("bench_rehearsal")
    study = make_study(
        n_items=30,
        n_participants=2,
        confidence="none",
        n_initial=8,
        refit_every=8,
        quotas=Quotas(judgments_per_item=2),
    )
    path = tmp_path / "study.db"
    with web.Server(study, path) as server, JudgmentStore(path) as store:
        links = server.links()
        people = {who: web.WebAnnotator(link) for who, link in links.items()}
        version = 0
        for _ in range(3):
            version = bench.wait_for_plan(store, version)
            time.sleep(1.5)  # the server looks twice a second
            plan = store.document("plan")
            for k in range(8):
                who = f"p0{1 + k % 2}"
                judged = {j.item for j in store.judgments(participant=who)}
                wanted = [i for i, p in plan["batch"] if p == who and i not in judged]
                shown = people[who].ask()
                if wanted:
                    assert shown.item == wanted[0]
                assert people[who].send(shown, answer=str(k % 2)) == 303
        assert bench.wait_for_plan(store, version) > version
        assert store.rounds()[-1]["fitted"]
        assert store.document("report")["error"] is None
        for person in people.values():
            person.close()
    assert version >= 3
