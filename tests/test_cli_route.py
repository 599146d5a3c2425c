"""``bead-sklearn route``."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from bead_sklearn.cli import main
from bead_sklearn.routing import AnnotatorRouter

COLUMNS = ["--text", "prompt", "--annotator", "who", "--reward", "quality"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("route")
    rng = np.random.default_rng(0)
    sums = [f"add {a} and {a + 1}" for a in range(20)]
    poems = [f"a poem about the {a} of love" for a in range(20)]
    rows = [
        (text, who, float((who == "ann") == (text in sums)) * 0.8 + 0.1 * rng.random())
        for text in sums + poems
        for who in ("ann", "bob")
    ]
    with (folder / "rewards.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "who", "quality"])
        writer.writerows(rows)
    items = ["add 77 and 78", "a poem about the sea of love", "add 5 and 9"]
    (folder / "items.csv").write_text("prompt\n" + "\n".join(items) + "\n")
    return folder / "rewards.csv", folder / "items.csv", rows, items


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_routes_are_those_of_the_class(capsys, tables, tmp_path):
    rewards, items, rows, texts = tables
    status, out, err = run(capsys, "route", rewards, items, *COLUMNS)
    assert status == 0, err
    found = list(csv.DictReader(io.StringIO(out)))
    router = AnnotatorRouter(random_state=0)
    prompts, who, quality = zip(*rows, strict=True)
    router.fit(list(prompts), list(quality), groups=list(who))
    assert [row["who"] for row in found] == router.route(texts).tolist()
    assert [row["who"] for row in found] == ["ann", "bob", "ann"]
    expected = router.predict(texts).max(axis=1)
    np.testing.assert_allclose(
        [float(row["expected_reward"]) for row in found], expected, rtol=1e-4
    )
    path = tmp_path / "out.csv"
    options = ["--capacity", 2, "--per-item", 1, "--exclude", "bob", "--output", path]
    status, _, err = run(capsys, "route", rewards, items, *COLUMNS, *options)
    assert status == 2
    assert "1 too few" in err
    options[1] = 3
    status, out, err = run(capsys, "route", rewards, items, *COLUMNS, *options)
    assert (status, out) == (0, "")
    assert path.read_text().count("ann") == 3


@pytest.mark.parametrize(
    "options",
    [
        ["--solver", "sgd", "--gating.learning_rate", 0.1, "--gating.momentum", 0.5],
        ["--solver", "sgd", "--loss", "listwise", "--learning-rate", 0.5],
        ["--solver", "knn", "--epsilon", 1.0, "--per-item", 2],
        ["--gating.num_uids", 2],
    ],
)
def test_options_reach_the_router(capsys, tables, options):
    status, out, err = run(capsys, "route", *tables[:2], *COLUMNS, *options)
    assert status == 0, err
    assert len(out.splitlines()) == 1 + 3 * (2 if "--per-item" in options else 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--num-uids", 1], "has 2 annotators, and --num-uids allows 1"),
        (["--momentum", 0.5], "--momentum needs --solver sgd"),
        (["--pooling", "mean"], "--pooling needs --model-name"),
        (["--exclude", "zoe"], "exclude names unknown annotators"),
        (["--loss", "log_loss"], "minimises 'squared_error'"),
        (["--text", "no"], "has no column 'no'"),
        (["--reward", "who"], "row 1: the reward 'ann'"),
        (["--model-name", "/nowhere"], "cannot be loaded"),
    ],
)
def test_errors_of_the_user(capsys, tables, options, message):
    status, _, err = run(capsys, "route", *tables[:2], *COLUMNS, *options)
    assert status == 2
    assert message in err


@pytest.mark.parametrize(
    "options",
    [
        ["--gating.learning_rate", "0"],
        ["--gating.momentum", "1"],
        ["--momentum", "-0.1"],
        ["--num-uids", "0"],
        ["--epsilon", "1.5"],
        ["--learning-rate", "nan"],
        ["--capacity", "-1"],
        ["--solver", "magic"],
    ],
)
def test_values_are_validated(capsys, tables, options):
    with pytest.raises(SystemExit) as ended:
        run(capsys, "route", *tables[:2], *COLUMNS, *options)
    assert ended.value.code == 2
