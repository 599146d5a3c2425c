"""The command line does what the classes do, and speaks plainly about errors."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.utils import Bunch

from bead_sklearn import BinaryClassifier, MagnitudeRegressor, __version__, persistence
from bead_sklearn.cli import _fit, main
from bead_sklearn.cli._main import build_parser
from bead_sklearn.cli._simulation import _comparison
from bead_sklearn.datasets import make_judgments

COLUMNS = ["--text", "sentence", "--response", "answer", "--participant", "worker id"]
BINARY = ["--task", "binary", *COLUMNS]
MAGNITUDE = ["--task", "magnitude", *COLUMNS]
RENAMED = {"text": "sentence", "response": "answer", "participant": "worker id"}


def run(capsys, *arguments) -> tuple[int, str, str]:
    """Status, stdout and stderr of a command."""
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, captured.out, captured.err


def done(capsys, *arguments) -> str:
    """Output of a command that succeeds."""
    status, out, err = run(capsys, *arguments)
    assert status == 0, err
    # Lines with paths are as long as the paths.
    lines = [line for line in out.splitlines() if os.sep not in line]
    assert max(map(len, lines), default=0) <= 100
    return out


def levels(summary: str) -> set[str]:
    (line,) = re.findall(r"^Number of levels: (.*)$", summary, re.MULTILINE)
    return set(line.split("; "))


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def make_frame(task: str):
    sizes = {"n_participants": 12, "n_items": 25, "n_per_participant": 20}
    judgments = make_judgments(
        task, **sizes, participant_sd=2.0 if task == "binary" else None, random_state=0
    )
    return judgments.frame.rename(columns=RENAMED)


@pytest.fixture(scope="module")
def frame():
    return make_frame("binary")


@pytest.fixture(scope="module")
def table(tmp_path_factory, frame) -> Path:
    path = tmp_path_factory.mktemp("binary") / "judgments.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def numbers() -> Path:
    return make_frame("magnitude")


@pytest.fixture(scope="module")
def number_table(tmp_path_factory, numbers) -> Path:
    path = tmp_path_factory.mktemp("magnitude") / "judgments.tsv"
    numbers.to_csv(path, index=False, sep="\t")
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory, table) -> Path:
    path = tmp_path_factory.mktemp("models") / "model"
    assert main(["fit", str(table), *BINARY, "--quiet", "--output", str(path)]) == 0
    return path


# fit


def test_fit_prints_the_summary_of_the_same_model_in_python(capsys, table, frame):
    out = done(capsys, "fit", table, *BINARY)
    expected = BinaryClassifier(mixed_effects="(1 | `worker id`)", random_state=0)
    expected.fit(frame[["sentence", "worker id"]], frame["answer"])
    assert out == f"{expected.summary()}\n"
    assert "Number of levels: worker id 12" in out


def test_item_covariate_and_formula_reach_the_model(capsys, table, frame):
    out = done(capsys, "fit", table, *BINARY, "--item", "item", "--alpha", "2.5")
    assert {"worker id 12", "item 25"} == levels(out)
    assert "alpha 2.5:" in out
    out = done(capsys, "fit", table, *BINARY, "--covariate", "trial")
    assert re.search(r"^ trial( +-?\d\S*){3} +<?[.\d]+$", out, re.MULTILINE)
    formula = "(1 + progress || `worker id`)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        out = done(
            capsys, "fit", table, *BINARY, "--mixed-effects", formula,
            "--covariate", "progress",
        )  # fmt: skip
    rows = [line.split() for line in out.splitlines()]
    assert any(row[:1] == ["progress"] and len(row) == 3 for row in rows)
    out = done(capsys, "fit", table, *BINARY, "--mixed-effects", "fixed")
    assert "Random effects" not in out


@pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning")
@pytest.mark.parametrize("task", ["binary", "magnitude"])
def test_cross_validation_is_that_of_scikit_learn(
    capsys, table, number_table, frame, numbers, task
):
    binary = task == "binary"
    path, data = (table, frame) if binary else (number_table, numbers)
    options = BINARY if binary else MAGNITUDE
    out = done(capsys, "fit", path, *options, "--cross-validate", 3, "--seed", 5)
    found = {
        line[2:23].strip(): [float(x) for x in line[23:].split()]
        for line in out.splitlines()
        if re.match(r"  .* -?\d\.\d{3} +-?\d\.\d{3}$", line)
    }
    cls = BinaryClassifier if binary else MagnitudeRegressor
    y, workers = data["answer"].to_numpy(), data["worker id"]
    for name, X in (
        ("(1 | `worker id`)", data[["sentence", "worker id"]]),
        ("fixed", data[["sentence"]]),
    ):
        estimator = cls(mixed_effects=name, random_state=5)
        expected = []
        for splitter in (KFold, GroupKFold):
            predictions = cross_val_predict(
                estimator,
                X,
                y,
                groups=workers if splitter is GroupKFold else None,
                cv=splitter(3, shuffle=True, random_state=5),
                method="predict_proba" if binary else "predict",
            )
            measure = log_loss if binary else r2_score
            expected.append(measure(y, predictions))
        np.testing.assert_allclose(found[name], expected, atol=5.1e-4)
    known = [found[name][0] for name in ("(1 | `worker id`)", "fixed")]
    assert known[0] < known[1] if binary else known[0] > known[1]
    assert ("shares of the labels" in found) == binary


def test_fit_refuses_the_place_before_it_works(capsys, tmp_path, model, monkeypatch):
    monkeypatch.setattr(BinaryClassifier, "fit", None)
    status, _, err = run(capsys, "fit", "missing.csv", *BINARY, "--output", model)
    assert status == 2
    assert "exists" in err
    assert "--overwrite" in err or "overwrite" in err


def test_overwrite_replaces_the_model(capsys, tmp_path, table):
    place = tmp_path / "model"
    done(capsys, "fit", table, *BINARY, "--output", place)
    done(capsys, "fit", table, *BINARY, "--output", place, "--overwrite", "--alpha", 7)
    assert persistence.load(place).alpha == 7


# predict


def test_predictions_are_those_of_the_model(capsys, model, table, frame):
    rows = read_csv(done(capsys, "predict", model, table))
    fitted = persistence.load(model)
    expected = fitted.predict_proba(frame[["sentence", "worker id"]])
    assert [row["id"] for row in rows] == [str(i + 1) for i in range(len(frame))]
    found = np.array([[float(row["p_0"]), float(row["p_1"])] for row in rows])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    labels = [row["prediction"] for row in rows]
    assert labels == [str(int(p > 0.5)) for p in expected[:, 1]]


def test_new_participants(capsys, tmp_path, model, frame):
    expected = persistence.load(model).predict_proba(
        frame[["sentence"]].assign(**{"worker id": "somebody else"})
    )
    bare = tmp_path / "bare.jsonl"
    texts = frame["sentence"].tolist()
    bare.write_text("\n".join(json.dumps({"sentence": text}) for text in texts))
    status, _, err = run(capsys, "predict", model, bare)
    assert status == 2
    assert "no column 'worker id'" in err
    assert "--new 'worker id'" in err
    rows = read_csv(done(capsys, "predict", model, bare, "--new", "worker id"))
    found = [float(row["p_1"]) for row in rows]
    np.testing.assert_allclose(found, expected[:, 1], rtol=1e-12)
    status, _, err = run(capsys, "predict", model, bare, "--new", "sentence")
    assert status == 2
    assert "effects over 'worker id'" in err


def test_predictions_to_a_file_with_names(capsys, tmp_path, model, table, frame):
    place = tmp_path / "predictions.csv"
    out = done(capsys, "predict", model, table, "--id", "item", "--output", place)
    assert out == ""
    rows = read_csv(place.read_text())
    assert [row["id"] for row in rows] == frame["item"].tolist()
    assert os.listdir(tmp_path) == ["predictions.csv"]


def test_numbers_are_predicted_with_an_interval(
    capsys, tmp_path, number_table, numbers
):
    place = tmp_path / "model"
    done(capsys, "fit", number_table, *MAGNITUDE, "--item", "item", "--output", place)
    rows = read_csv(done(capsys, "predict", place, number_table))
    expected = persistence.load(place).predict(
        numbers[["sentence", "worker id", "item"]]
    )
    found = np.array(
        [[float(row[k]) for k in ("lower", "prediction", "upper")] for row in rows]
    )
    np.testing.assert_allclose(found[:, 1], expected, rtol=1e-12)
    assert (np.diff(found, axis=1) > 0).all()


def test_models_without_roles_are_refused(capsys, tmp_path, table):
    place = persistence.save([1], tmp_path / "model")
    status, _, err = run(capsys, "predict", place, table)
    assert status == 2
    assert "was not saved by 'bead-sklearn fit'" in err


# simulate


SMALL = ["--initial", 15, "--batch-size", 15, "--max-labels", 60, "--repeats", 2]


def test_simulate_writes_table_and_picture(capsys, tmp_path, table):
    place = tmp_path / "out"
    out = done(
        capsys, "simulate", table, *BINARY, *SMALL, "--strategy", "margin",
        "--output", place, "--validation", "0.2",
    )  # fmt: skip
    rows = read_csv((place / "learning_curves.csv").read_text())
    assert {row["strategy"] for row in rows} == {"random", "margin"}
    assert {row["n_runs"] for row in rows} == {"2"}
    assert [row["n_labels"] for row in rows[:4]] == ["15", "30", "45", "60"]
    # The strategies begin with the same judgments.
    starts = {row["mean"] for row in rows if row["n_labels"] == "15"}
    assert len(starts) == 1
    assert all(float(row["mean"]) > 0 for row in rows)
    assert re.search(r"^  15 +(\d\.\d{3}) +\1$", out, re.MULTILINE)
    assert (place / "learning_curves.png").read_bytes().startswith(b"\x89PNG")
    assert re.search(r"margin (reaches|does not reach)", out)


def test_strategies_are_compared_at_what_both_have_reached():
    def curve(*mean):
        return Bunch(n_labels=np.array([10, 20, 30]), mean=np.array(mean))

    random = curve(0.60, 0.70, 0.65)
    found = _comparison("margin", curve(0.60, 0.66, 0.9), random, False)
    assert found == "margin reaches 0.650 at 20 labels; random needs 20."
    found = _comparison("margin", curve(0.4, 0.5, 0.6), random, False)
    assert found == "margin does not reach 0.650, which random has at 20 labels."
    found = _comparison("margin", curve(0.65, 0.5, 0.4), curve(0.9, 0.8, 0.7), True)
    assert found == "margin reaches 0.700 at 10 labels; random needs 30."


def test_tabs_can_be_typed(capsys, tmp_path, frame):
    frame.to_csv(tmp_path / "judgments.txt", index=False, sep="\t")
    done(capsys, "fit", tmp_path / "judgments.txt", *BINARY, "--sep", r"\t")


def test_simulate_numbers(capsys, number_table):
    out = done(capsys, "simulate", number_table, *MAGNITUDE, *SMALL)
    assert "Held-out R2 by number of labels (higher is better)" in out
    assert "predictive_std" in out


def test_without_matplotlib_one_line_says_so(capsys, tmp_path, table, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    out = done(capsys, "simulate", table, *BINARY, *SMALL, "--output", tmp_path)
    assert "No picture was drawn." in out
    assert "pip install 'bead-sklearn[plots]'" in " ".join(out.split())
    assert os.listdir(tmp_path) == ["learning_curves.csv"]


# demo


def test_demo(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = done(capsys, "demo", "--quiet")
    assert sorted(os.listdir()) == [
        "demo_judgments.csv",
        "demo_learning_curves.csv",
        "demo_learning_curves.png",
        "demo_model",
    ]
    lines = out.splitlines()
    for heading in ("Random effects:", "Fixed effects:"):
        assert heading in lines
    known, new = {}, {}
    for line in lines:
        if match := re.match(r"  (\S.*\S) +(\d\.\d+) +(\d\.\d+)$", line):
            name = match[1].strip()
            known[name], new[name] = float(match[2]), float(match[3])
    # What the text says about the effects is so.
    assert known["(1 | participant)"] < known["fixed"] - 0.02
    assert new["(1 | participant)"] < new["fixed"] + 0.02
    # The commands that it proposes work.
    commands = re.findall(r"^  bead-sklearn ((?:.*\\\n)*.*)$", out, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        done(capsys, *command.replace("\\\n", "").split())
    # A second demo replaces the files of the first.
    rows = read_csv(Path("demo_judgments.csv").read_text())
    assert {"participant", "item", "text", "response"} <= set(rows[0])


# Errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["fit", "missing.csv", *BINARY], "missing.csv"),
        (["fit", "{table}", *BINARY, "--covariate", "weight"], "no column 'weight'"),
        (["fit", "{table}", *BINARY, "--text", "nothing"], "no column 'nothing'"),
        (["fit", "{table}", *BINARY, "--mixed-effects", "random"], "a formula such as"),
        (
            ["fit", "{table}", *BINARY, "--mixed-effects", "(1 | answer)"],
            "the response itself",
        ),
        (["fit", "{table}", *BINARY, "--item", "worker id"], "and as item"),
        (["fit", "{table}", *BINARY, "--mixed-effects", "(1 | who)"], "'who'"),
        (["fit", "{table}", *BINARY, "--mixed-effects", "(1 | "], "cannot be read"),
        (["fit", "{table}", *BINARY, "--family", "poisson"], "poisson"),
        (["fit", "{table}", *BINARY, "--alpha", "-1"], "alpha"),
        (["fit", "{table}", *BINARY, "--cross-validate", "99"], "has 12"),
        (["fit", "{table}", *BINARY, "--sep", "ab"], "sep"),
        (["fit", "{table}", *BINARY, "--output", "no/such/place"], "does not exist"),
        (["predict", "no_model", "{table}"], "no_model"),
        (["predict", "{model}", "missing.csv"], "missing.csv"),
        (["predict", "{model}", "{table}", "--id", "nothing"], "'nothing'"),
        (["predict", "{model}", "{table}", "--output", "no/file.csv"], "no folder no"),
        (["simulate", "{table}", *BINARY, "--strategy", "luck"], "luck"),
        (["simulate", "{table}", *BINARY, "--output", "{table}"], "exists"),
    ],
)
def test_errors_of_the_user(
    capsys, tmp_path, monkeypatch, table, model, options, message
):
    monkeypatch.chdir(tmp_path)
    options = [option.format(table=table, model=model) for option in options]
    status, _, err = run(capsys, *options)
    assert status == 2
    (line,) = [line for line in err.splitlines() if "error" in line]
    assert line.startswith("bead-sklearn: error: ")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_too_many_labels(capsys, tmp_path):
    path = tmp_path / "three.csv"
    path.write_text("sentence,answer,worker id\na,1,x\nb,2,y\nc,3,z\n")
    status, _, err = run(capsys, "fit", path, *BINARY)
    assert status == 2
    assert "three.csv" in err
    assert "two labels" in err


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["fit"],
        ["learn"],
        ["fit", "x.csv", "--task", "ordinal"],
        ["fit", "x.csv", *BINARY, "--cross-validate", "1"],
        ["fit", "x.csv", *BINARY, "--alpha", "much"],
        ["simulate", "x.csv", *BINARY, "--validation", "1.5"],
        ["simulate", "x.csv", *BINARY, "--repeats", "two"],
    ],
)
def test_wrong_usage(capsys, options):
    with pytest.raises(SystemExit) as error:
        main(options)
    assert error.value.code == 2
    assert "usage: bead-sklearn" in capsys.readouterr().err


def test_defects_keep_their_traceback(monkeypatch, table):
    for defect in (ZeroDivisionError, KeyError, AttributeError):

        def fail(arguments, defect=defect):
            raise defect

        monkeypatch.setattr(_fit, "run", fail)
        with pytest.raises(defect):
            main(["fit", str(table), *BINARY])

    def add(arguments):
        np.zeros(2) + np.zeros(3)  # a ValueError of numpy, which no check foresaw

    monkeypatch.setattr(_fit, "run", add)
    with pytest.raises(ValueError, match="broadcast"):
        main(["fit", str(table), *BINARY])


def test_a_traceback_can_be_asked_for():
    with pytest.raises(FileNotFoundError):
        main(["fit", "missing.csv", *BINARY, "--traceback"])


def test_interrupt(capsys, monkeypatch, table):
    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(_fit, "run", interrupt)
    status, _, err = run(capsys, "fit", table, *BINARY)
    assert status == 130
    assert err == "bead-sklearn: interrupted\n"


def test_warnings_are_single_lines_and_told_once(capsys, monkeypatch, table):
    def warn(arguments):
        for text in ("One.", "Two.", "One."):
            warnings.warn(text, UserWarning, stacklevel=1)

    monkeypatch.setattr(_fit, "run", warn)
    _, _, err = run(capsys, "fit", table, *BINARY)
    assert err == "bead-sklearn: warning: One.\nbead-sklearn: warning: Two.\n"


# As a process


def process(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "bead_sklearn", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_output_that_nobody_reads_any_more(tmp_path, model):
    long = tmp_path / "long.csv"
    long.write_text("sentence,worker id\n" + "A word.,p01\n" * 5000)
    with process("predict", model, long, "--quiet") as running:
        assert running.stdout.readline().startswith("id,prediction")
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait() == 141


def test_version():
    with process("--version") as running:
        out, err = running.communicate()
    assert (out, err) == (f"bead-sklearn {__version__}\n", "")


def test_the_installed_command_is_this_one():
    path = Path(__file__).resolve().parents[1] / "pyproject.toml"
    scripts = tomllib.loads(path.read_text())["project"]["scripts"]
    assert scripts == {"bead-sklearn": "bead_sklearn.cli:main"}


@pytest.mark.parametrize(
    "command",
    [
        None,
        "demo",
        "report",
        "fit",
        "predict",
        "query",
        "simulate",
        "annotate",
        "route",
    ],
)
def test_help_is_complete_and_fits_the_screen(capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "90")
    with pytest.raises(SystemExit) as error:
        main([command, "--help"] if command else ["--help"])
    assert error.value.code == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 90
    assert "%" not in out.replace("95 %", "")
    parser = build_parser()
    if command:
        (commands,) = [a for a in parser._actions if a.choices]
        parser = commands.choices[command]
    for action in parser._actions:
        assert action.help or action.choices, action


# Real judgments


def test_a_real_table(capsys, tmp_path, shared):
    """Reading times of some participants, as the file has them."""
    with gzip.open(shared / "data" / "mag_sapspr" / "data.csv.gz", "rt") as file:
        rows = list(csv.reader(file))
    people = sorted({row[0] for row in rows[1:]})[:40]
    kept = [rows[0], *(row for row in rows[1:] if row[0] in people)]
    path = tmp_path / "times.csv"
    with path.open("w", newline="") as out:
        csv.writer(out).writerows(kept)
    text = done(
        capsys, "fit", path, "--task", "magnitude", "--text", "word", "--response",
        "response", "--participant", "participant", "--item", "item", "--covariate",
        "trial", "--covariate", "word_length", "--cross-validate", 3,
    )  # fmt: skip
    assert f"participant {len(people)}" in text
    scores = {}
    for line in text.splitlines():
        if match := re.match(r"  (\S.*\S) +(-?\d\.\d{3}) +(-?\d\.\d{3})$", line):
            scores[match[1].strip()] = float(match[2])
    # People differ in how fast they read, and get faster.
    assert scores["(1 | participant) + (1 | item)"] > scores["fixed"] + 0.02
