"""A search that is killed continues as if it had not been."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from bead_sklearn.active_learning import (
    ActiveLearningSearch,
    MaxLabels,
    StabilizingPredictions,
)

X, Y = load_iris(return_X_y=True)
LR = LogisticRegression(max_iter=1000)

# Forks a process for every search; its oracle logs every row and kills the process,
# without a chance to clean up, when it has been asked a given number of times.
SCRIPT = """
import json, os, signal, sys
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, SGDClassifier
from bead_sklearn import ActiveLearningSearch, BinaryClassifier
from bead_sklearn.active_learning import StabilizingPredictions

folder, model = sys.argv[1:]
X, y = load_iris(return_X_y=True)
estimator = LogisticRegression(max_iter=1000)
if model == "mixed":
    estimator, y = BinaryClassifier(), (y > 0).astype(int)
if model == "warm":  # three passes from wherever the round before has ended
    estimator = SGDClassifier("log_loss", max_iter=3, tol=None, random_state=0)

def run(name, kill_at=0, where="before"):
    asked = [0]

    def oracle(rows):
        asked[0] += 1
        if where == "before" and asked[0] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        with open(f"{folder}/{name}.log", "a") as file:
            file.writelines(f"{row}\\n" for row in rows.tolist())
        if where == "after" and asked[0] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return y[rows]

    search = ActiveLearningSearch(
        estimator,
        "margin",
        batch_size=4,
        check_every=2 if model == "chunks" else None,
        n_initial=8,
        oracle=oracle,
        max_labels=24,
        stopping=StabilizingPredictions(1.0, window=12),
        warm_start=True if model == "warm" else "auto",
        checkpoint=f"{folder}/{name}.json",
        random_state=3,
    ).fit(X)
    return {
        "queries": [rows.tolist() for rows in [search.initial_, *search.queries_]],
        "stopped_by": search.stopped_by_,
        "n_labels": search.history_["n_labels"].tolist(),
        "agreement": search.history_["prediction_agreement"].tolist()[1:],
        "asked": asked[0],
    }

def forked(*args):
    child = os.fork()
    if child == 0:
        result = run(*args)
        with open(f"{folder}/{args[0]}.result", "w") as file:
            json.dump(result, file)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

assert forked("whole") == 0
for kill_at in range(1, json.load(open(f"{folder}/whole.result"))["asked"] + 1):
    for where in ("before", "after"):
        name = f"{where}-{kill_at}"
        assert forked(name, kill_at, where) == -signal.SIGKILL, name
        assert forked(name) == 0, name
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("model", ["plain", "chunks", "mixed", "warm"])
def test_killed_at_any_round(tmp_path, model):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), model],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    whole = json.loads((tmp_path / "whole.result").read_text())
    results = [path for path in tmp_path.glob("*.result") if path.stem != "whole"]
    assert len(results) == 2 * whole["asked"] >= 8
    for path in results:
        resumed = json.loads(path.read_text())
        for name in ("queries", "stopped_by", "n_labels"):
            assert resumed[name] == whole[name], path.stem
        assert resumed["agreement"] == pytest.approx(whole["agreement"], nan_ok=True)
        asked = path.with_suffix(".log").read_text().split()
        # Nothing is asked twice, but for the answers that never arrived.
        again = len(asked) - len(set(asked))
        assert again == 0 if path.stem.startswith("before") else 0 < again <= 8


def search(path, **params):
    params = {"batch_size": 5, "n_initial": 6, "random_state": 0} | params
    return ActiveLearningSearch(LR, checkpoint=path, **params)


def test_limits_may_be_raised(tmp_path):
    path = tmp_path / "run.json"
    first = search(path, max_labels=16).fit(X, Y)
    longer = search(path, max_labels=26).fit(X, Y)
    whole = search(None, max_labels=26).fit(X, Y)
    assert first.stopped_by_ == longer.stopped_by_ == "max_labels"
    for one, other in zip(longer.queries_, whole.queries_, strict=True):
        assert one.tolist() == other.tolist()
    assert longer.history_["n_labels"].tolist() == whole.history_["n_labels"].tolist()
    np.testing.assert_array_equal(longer.predict_proba(X), whole.predict_proba(X))


def test_nothing_is_asked_twice(tmp_path):
    asked = []

    def oracle(rows):
        asked.extend(rows.tolist())
        return Y[rows]

    path = tmp_path / "run.json"
    search(path, oracle=oracle, max_labels=16).fit(X)
    search(path, oracle=oracle, max_labels=16).fit(X)
    search(path, oracle=oracle, max_labels=22).fit(X)
    assert len(asked) == len(set(asked)) == 22


def test_an_exception_of_the_oracle(tmp_path):
    path = tmp_path / "run.json"

    def tired(rows):
        if len(rows) < 6 and json.loads(path.read_text())["iteration"] == 2:
            raise TimeoutError
        return Y[rows]

    with pytest.raises(TimeoutError):
        search(path, oracle=tired, stopping=MaxLabels(40)).fit(X)
    resumed = search(path, oracle=lambda rows: Y[rows], stopping=MaxLabels(40)).fit(X)
    whole = search(None, stopping=MaxLabels(40)).fit(X, Y)
    assert [q.tolist() for q in resumed.queries_] == [
        q.tolist() for q in whole.queries_
    ]


def test_what_is_declined_is_remembered(tmp_path):
    path = tmp_path / "run.json"
    asked = []

    def oracle(rows):
        asked.extend(rows.tolist())
        return {row: Y[row] for row in rows.tolist() if row % 2}

    search(path, oracle=oracle, max_labels=15).fit(X)
    search(path, oracle=oracle, max_labels=25).fit(X)
    assert len(asked) == len(set(asked))


def test_repeats_and_held_out_rows(tmp_path):
    params = {"n_repeats": 3, "validation": 0.3, "max_labels": 21}
    short = search(tmp_path / "run.json", **params | {"max_labels": 11}).fit(X, Y)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "run-0.json",
        "run-1.json",
        "run-2.json",
    ]
    resumed = search(tmp_path / "run.json", **params).fit(X, Y)
    whole = search(None, **params).fit(X, Y)
    assert short.history_["score"].tolist() != whole.history_["score"].tolist()
    assert resumed.history_["score"].tolist() == whole.history_["score"].tolist()


def test_without_a_seed(tmp_path):
    """Held-out rows are those of before, also where nobody fixed the draw."""
    path = tmp_path / "run.json"
    params = {"validation": 0.3, "random_state": None}
    first = search(path, **params, max_labels=16).fit(X, Y)
    resumed = search(path, **params, max_labels=26).fit(X, Y)
    held_out = resumed.runs_[0].held_out
    assert held_out.tolist() == first.runs_[0].held_out.tolist()
    assert not (held_out & resumed.labeled_).any()
    scores = resumed.history_["score"]
    assert scores[:3].tolist() == first.history_["score"][:3].tolist()
    assert scores[-1] == resumed.estimator_.score(X[held_out], Y[held_out])


def test_stability_is_compared_with_the_round_before(tmp_path):
    path = tmp_path / "run.json"
    rule = StabilizingPredictions(1.0, window=1000)
    search(path, stopping=rule, max_labels=21).fit(X, Y)
    resumed = search(path, stopping=rule, max_labels=31).fit(X, Y)
    whole = search(None, stopping=rule, max_labels=31).fit(X, Y)
    # The round at which the first search ended was not compared.
    kept = resumed.history_["n_labels"] != 21
    np.testing.assert_array_equal(
        resumed.history_["prediction_agreement"][kept],
        whole.history_["prediction_agreement"][kept],
    )


def test_files_of_other_searches(tmp_path):
    path = tmp_path / "run.json"
    search(path, max_labels=10).fit(X, Y)
    with pytest.raises(ValueError, match="other parameters"):
        search(path, max_labels=10, batch_size=4).fit(X, Y)
    with pytest.raises(ValueError, match="another X"):
        search(path, max_labels=10).fit(X[1:], Y[1:])
    path.write_text("{}")
    with pytest.raises(ValueError, match="not a saved session"):
        search(path, max_labels=10).fit(X, Y)


def test_a_session_keeps_itself(tmp_path):
    path = tmp_path / "session.json"
    one = search(path).start(X)
    for _ in range(3):
        rows = one.ask()
        one.tell(rows, Y[rows])
    two = search(path).start(X)
    assert two.ask().tolist() == one.ask().tolist()
    assert two.labeled_.sum() == one.labeled_.sum() == 16
