"""The commands on every task."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold

import bead_sklearn
from bead_sklearn import persistence
from bead_sklearn.cli import main
from bead_sklearn.cli._arguments import TASKS as DESCRIBED
from bead_sklearn.cli._tasks import TASKS
from bead_sklearn.datasets import load_judgments, make_judgments
from bead_sklearn.datasets._tasks import TASKS as SIMULATED

pytestmark = [
    pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

TEXTS = {
    "categorical": ["premise", "hypothesis"],
    "forced_choice": ["option_a", "option_b"],
}
SIZES = {"n_participants": 10, "n_items": 20, "n_per_participant": 16}


def run(capsys, *arguments):
    status = main([*map(str, arguments), "--quiet"])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture(scope="module", params=[t for t in TASKS if t != "binary"])
def study(request, tmp_path_factory):
    """The table of a task, and the options that describe it."""
    task = request.param
    path = tmp_path_factory.mktemp(task) / "judgments.csv"
    frame = make_judgments(task, **SIZES, random_state=0).frame
    frame.to_csv(path, index=False)
    texts = TEXTS.get(task, ["text"])
    options = [path, "--task", task, "--response", "response"]
    options += ["--participant", "participant"]
    options += [word for name in texts for word in ("--text", name)]
    return task, path, texts, options


def by_hand(task, texts, d, **options):
    """The model that the command should fit."""
    options |= {"random_state": 0}
    options |= {"options": texts} if task == "forced_choice" else {}
    options |= {} if task == "forced_choice" else {"text_columns": texts}
    if task == "multi_select":
        options["options"] = list(d.classes)
    if task == "ordinal":
        options["categories"] = list(d.classes)
    return getattr(bead_sklearn, TASKS[task].estimator)(**options)


def test_every_task_is_known():
    assert list(TASKS) == list(DESCRIBED)
    assert set(TASKS) == set(SIMULATED)
    assert {task.estimator for task in TASKS.values()} == {
        name
        for name in bead_sklearn.__all__
        if name.endswith(("Classifier", "Regressor", "Generator"))
    }


def test_fit_and_predict(capsys, tmp_path, study):
    task, path, texts, options = study
    place, written = tmp_path / "model", tmp_path / "predictions.csv"
    status, out, err = run(capsys, "fit", *options, "--output", place)
    assert status == 0, err
    d = load_judgments(
        path, text=texts, response="response", participant="participant", task=task
    )
    X = d.X.assign(participant=d.groups)
    model = by_hand(task, texts, d, mixed_effects="(1 | participant)").fit(X, d.y)
    assert out.startswith(f"{model.summary()}\n")
    status, _, err = run(capsys, "predict", place, path, "--output", written)
    assert status == 0, err
    rows = list(csv.DictReader(written.read_text().splitlines()))
    expected = [str(label) for label in persistence.load(place).predict(X).tolist()]
    found = [row["prediction"] for row in rows]
    if TASKS[task].answers == "numbers":
        np.testing.assert_allclose(
            np.array(found, float), np.array(expected, float), rtol=1e-12
        )
    elif task == "multi_select":
        names = model.classes_
        expected = ["|".join(names[row == 1]) for row in model.predict(X)]
        assert found == expected
    else:
        assert found == expected


def test_cross_validation(capsys, study):
    task, path, texts, options = study
    status, out, err = run(capsys, "fit", *options, "--cross-validate", 2)
    assert status == 0, err
    measure = TASKS[task].measure
    assert f"Held-out {measure}, 2 folds" in out
    line = next(line for line in out.splitlines() if line.startswith("  fixed"))
    found = [float(x) for x in line.split()[1:]]
    d = load_judgments(
        path, text=texts, response="response", participant="participant", task=task
    )
    expected = []
    for splitter in (KFold, GroupKFold):
        folds = splitter(2, shuffle=True, random_state=0)
        groups = d.groups if splitter is GroupKFold else None
        values = np.zeros(len(d.y))
        for train, test in folds.split(d.X, groups=groups):
            model = by_hand(task, texts, d, mixed_effects="fixed")
            model.fit(d.X.iloc[train], d.y[train])
            values[test] = score_of_each(task, model, d.X.iloc[test], d.y[test])
        if measure == "R2":
            residual = ((d.y - values) ** 2).sum() / ((d.y - d.y.mean()) ** 2).sum()
            expected.append(1.0 - residual)
        else:
            expected.append(-values.mean())
    np.testing.assert_allclose(found, expected, atol=6e-4)
    assert ("shares of the labels" in out) == (
        TASKS[task].answers in ("labels", "options")
    )


def score_of_each(task, model, X, y):
    """Log-probability of each answer, or the number predicted."""
    if TASKS[task].answers == "numbers":
        return model.predict(X)
    if TASKS[task].answers == "words":
        return model.log_proba_of(X, y)
    p = model.predict_proba(X)
    if task == "multi_select":
        return np.log(np.where(y == 1, p, 1 - p)).mean(axis=1)
    return np.log(
        [row[model.classes_.tolist().index(a)] for row, a in zip(p, y, strict=True)]
    )


def test_simulate(capsys, study):
    task, _, _, options = study
    small = ["--initial", 30, "--batch-size", 30, "--max-labels", 60, "--repeats", 1]
    status, out, err = run(capsys, "simulate", *options, *small)
    if TASKS[task].answers == "words":
        assert status == 2
        assert f"no simulation of --task {task}" in err
        return
    assert status == 0, err
    assert f"Held-out {TASKS[task].measure} by number of labels" in out
    usual = "entropy" if TASKS[task].measure == "log loss" else "predictive_std"
    assert f"{usual} reaches" in out or f"{usual} does not reach" in out


# Options of single tasks


def write(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


ANSWERS = ["a", "b", "equal"]


def test_choices_with_names_of_their_own_ties_and_missing_options(capsys, tmp_path):
    rng = np.random.RandomState(0)
    rows = [
        [
            f"text {rng.randint(9)}",
            f"words {rng.randint(9)}",
            ANSWERS[rng.randint(3)],
            p,
        ]
        for p in range(8)
        for _ in range(20)
    ]
    for row in rows[:10]:
        row[1], row[2] = "", "a"
    path = write(tmp_path / "choices.csv", ["left", "right", "choice", "who"], rows)
    place = tmp_path / "model"
    status, out, err = run(
        capsys, "fit", path, "--task", "forced_choice", "--text", "left", "--text",
        "right", "--response", "choice", "--participant", "who", "--relabel",
        "a=left", "--relabel", "b=right", "--outside-option", "equal",
        "--output", place,
    )  # fmt: skip
    assert status == 0, err
    assert persistence.load(place).outside_option == "equal"
    status, out, err = run(capsys, "predict", place, path)
    assert status == 0, err
    predicted = list(csv.DictReader(out.splitlines()))
    assert {float(row["p_right"]) for row in predicted[:10]} == {0.0}
    assert float(predicted[10]["p_right"]) > 0


def test_scale_and_blank(capsys, tmp_path):
    rng = np.random.RandomState(0)
    rows = [
        [f"a {rng.choice(['red', 'blue'])} ??", rng.randint(101), "xyz"[i % 3], i % 6]
        for i in range(60)
    ]
    header = ["text", "slider", "filler", "who"]
    path = write(tmp_path / "table.csv", header, rows)
    common = [path, "--text", "text", "--participant", "who"]
    place = tmp_path / "slider"
    status, _, err = run(
        capsys, "fit", *common, "--task", "slider", "--response", "slider",
        "--scale", 0, 100, "--output", place,
    )  # fmt: skip
    assert status == 0, err
    assert tuple(persistence.load(place).scale) == (0.0, 100.0)
    status, out, err = run(capsys, "predict", place, path)
    assert status == 0, err
    assert all(
        1 < float(row["prediction"]) < 100 for row in csv.DictReader(out.splitlines())
    )
    place = tmp_path / "cloze"
    status, _, err = run(
        capsys, "fit", *common, "--task", "cloze", "--response", "filler", "--blank",
        "??", "--output", place,
    )  # fmt: skip
    assert status == 0, err
    assert persistence.load(place).blank == "??"


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("ordinal", ["--scale", "1", "7"], "--scale has no effect for --task ordinal"),
        ("slider", ["--blank", "__"], "it belongs to --task cloze"),
        ("cloze", ["--family", "softmax"], "--family has no effect for --task cloze"),
        ("slider", ["--scale", "5", "6"], "scale"),
        ("cloze", ["--blank", "%%"], "%%"),
        ("slider", ["--relabel", "7=seven"], "relabel names responses that do not"),
    ],
)
def test_options_of_other_tasks_are_refused(capsys, tmp_path, task, options, message):
    path = tmp_path / "table.csv"
    make_judgments(task, **SIZES, random_state=0).frame.to_csv(path, index=False)
    status, _, err = run(
        capsys, "fit", path, "--task", task, "--text", "text", "--response",
        "response", "--participant", "participant", *options,
    )  # fmt: skip
    assert status == 2
    assert message in err


def test_choices_of_what_is_no_option(capsys, tmp_path):
    path = tmp_path / "table.csv"
    frame = make_judgments("forced_choice", **SIZES, random_state=0).frame
    frame["response"] = frame["response"].str[-1]
    frame.to_csv(path, index=False)
    status, _, err = run(
        capsys, "fit", path, "--task", "forced_choice", "--text", "option_a", "--text",
        "option_b", "--response", "response", "--participant", "participant",
    )  # fmt: skip
    assert status == 2
    assert "'a'" in err
    assert "option_a" in err
