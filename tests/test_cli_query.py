"""``bead-sklearn query`` chooses what the strategy chooses in Python."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bead_sklearn import persistence
from bead_sklearn.cli import main
from bead_sklearn.datasets import make_judgments
from bead_sklearn.query import JointAOptimal, get_query_strategy

COLUMNS = ["--text", "text", "--response", "response", "--participant", "participant"]


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Judgments that were made, and others that could be."""
    folder = tmp_path_factory.mktemp("query")
    frame = make_judgments(
        "binary", n_participants=12, n_items=40, n_per_participant=30, random_state=0
    ).frame
    judged, pool = frame[::3], frame.drop(frame.index[::3])
    judged.to_csv(folder / "judged.csv", index=False)
    pool.drop(columns="response").to_csv(folder / "pool.csv", index=False)
    arguments = ["fit", str(folder / "judged.csv"), "--task", "binary", *COLUMNS]
    for name, item in (("model", []), ("crossed", ["--item", "item"])):
        output = ["--output", str(folder / name), "--quiet"]
        assert main([*arguments, *item, *output]) == 0
    return folder, judged, pool.reset_index(drop=True)


def query(capsys, folder: Path, model: str, *arguments) -> list[dict[str, str]]:
    argv = ["query", folder / model, folder / "pool.csv", "--quiet", *arguments]
    assert main([str(argument) for argument in argv]) == 0
    return read(capsys.readouterr().out)


def test_the_default_asks_about_what_is_uncertain(capsys, study):
    folder, _, pool = study
    lines = query(capsys, folder, "model", "--n", 7)
    model = persistence.load(folder / "model")
    scored = get_query_strategy("entropy").score_pool(
        model, pool[["text", "participant"]]
    )
    chosen = scored.select(7)
    assert [int(line["row"]) - 1 for line in lines] == chosen.tolist()
    assert [line["text"] for line in lines] == pool["text"][chosen].tolist()
    assert [line["participant"] for line in lines] == pool["participant"][
        chosen
    ].tolist()
    utilities = [float(line["utility"]) for line in lines]
    np.testing.assert_allclose(utilities, scored.utilities[chosen], rtol=1e-5)


def test_designs_know_the_column_of_participants(capsys, study):
    folder, _, pool = study
    lines = query(capsys, folder, "crossed", "--n", 5, "--strategy", "joint_a_optimal")
    model = persistence.load(folder / "crossed")
    scored = JointAOptimal(participant="participant").score_pool(
        model, pool[["text", "participant", "item"]]
    )
    chosen = scored.select(5).tolist()
    assert [int(line["row"]) - 1 for line in lines] == chosen


def test_quotas_count_what_was_judged(capsys, study):
    folder, judged, _ = study
    wanted = ["--judged", folder / "judged.csv", "--n", 400]
    lines = query(capsys, folder, "model", *wanted, "--max-per-participant", 12)
    counts = Counter(line["participant"] for line in lines)
    before = Counter(judged["participant"])
    assert {counts[who] + before[who] for who in before} == {12}
    lines = query(capsys, folder, "model", "--n", 400, "--max-per-item", 1)
    texts = [line["text"] for line in lines]
    assert len(texts) == len(set(texts)) > 30
    lines = query(capsys, folder, "crossed", "--n", 400, "--max-per-item", 1)
    items = [line["item"] for line in lines]
    assert len(items) == len(set(items)) > 30


def test_judged_rows_are_kept_away_from(capsys, study):
    folder, _, _ = study
    herding = ["--strategy", "uncertainty_herding", "--n", 5]
    alone = query(capsys, folder, "model", *herding)
    beside = query(capsys, folder, "model", *herding, "--judged", folder / "judged.csv")
    assert alone != beside


def test_candidates_for_somebody_new(capsys, study):
    folder, _, _ = study
    lines = query(capsys, folder, "model", "--new", "participant", "--id", "item")
    assert len(lines) == 20
    assert list(lines[0]) == ["item", "text", "utility"]
    twins = {line["text"]: line["utility"] for line in lines}
    assert all(twins[line["text"]] == line["utility"] for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strategy", "nothing"], "Unknown query strategy 'nothing'"),
        (
            ["--max-per-participant", "2", "--new", "participant"],
            "--max-per-participant needs candidates that say who would judge",
        ),
        (["--relabel", "a=b"], "--relabel needs --judged"),
        (["--judged", "nowhere.csv"], "nowhere.csv"),
        (["--output", "nowhere/at/all.csv"], "There is no folder nowhere/at"),
    ],
)
def test_errors_are_plain(capsys, study, arguments, message):
    folder, _, _ = study
    argv = ["query", folder / "model", folder / "pool.csv", "--quiet", *arguments]
    assert main([str(argument) for argument in argv]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_the_choice_goes_to_a_file(capsys, study, tmp_path):
    folder, _, _ = study
    path = tmp_path / "next.csv"
    assert query(capsys, folder, "model", "--n", 3, "--output", path) == []
    assert len(read(path.read_text())) == 3
