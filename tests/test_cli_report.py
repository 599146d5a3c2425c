"""``bead-sklearn report`` says what the functions behind it measure."""

from __future__ import annotations

import csv
import math
import re

import numpy as np
import pytest

from bead_sklearn import BinaryClassifier
from bead_sklearn.agreement import agreement_interval, annotation_quality
from bead_sklearn.cli import main
from bead_sklearn.datasets import make_judgments
from bead_sklearn.exceptions import SingularFitWarning

COLUMNS = ["--text", "text", "--response", "response", "--participant", "participant"]
MEASURED = ["--order", "trial", "--time", "seconds", "--confidence", "sure"]


def report(capsys, table, task, *arguments) -> str:
    argv = ["report", table, "--task", task, *COLUMNS, "--quiet", *arguments]
    assert main([str(argument) for argument in argv]) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def frame():
    """Judgments with one participant who guesses, and measures with gaps."""
    frame = make_judgments(
        "binary", n_participants=12, n_items=30, n_per_participant=25, random_state=3
    ).frame
    rng = np.random.default_rng(0)
    guesses = frame["participant"] == frame["participant"].iloc[0]
    frame.loc[guesses, "response"] = 1 - frame.loc[guesses, "response"]
    frame["seconds"] = np.where(
        rng.uniform(size=len(frame)) < 0.1, math.nan, rng.gamma(4.0, size=len(frame))
    )
    frame["sure"] = rng.choice([0.25, 0.5, 1.0], size=len(frame))
    known = {item: k % 2 for k, item in enumerate(sorted(set(frame["item"]))[:10])}
    frame["truth"] = frame["item"].map(known).astype("Int64")
    return frame


@pytest.fixture(scope="module")
def table(tmp_path_factory, frame):
    path = tmp_path_factory.mktemp("report") / "judgments.csv"
    frame.to_csv(path, index=False)
    return path


def test_figures_are_those_of_the_functions(capsys, table, frame, tmp_path):
    out = report(
        capsys, table, "binary", "--item", "item", *MEASURED, "--gold", "truth",
        "--output", tmp_path,
    )  # fmt: skip
    told = frame.dropna(subset="truth")
    quality = annotation_quality(
        frame["response"].tolist(),
        items=frame["item"],
        participants=frame["participant"],
        order=frame["trial"],
        response_time=frame["seconds"],
        confidence=frame["sure"],
        gold=dict(zip(told["item"], told["truth"].astype(int), strict=True)),
    )
    ratings = frame.pivot(index="participant", columns="item", values="response")
    interval = agreement_interval(
        ratings[list(dict.fromkeys(frame["item"]))].to_numpy(),
        n_resamples=1000,
        random_state=0,
    )
    assert "300 judgments by 12 participants about 30 items" in out
    ends = f"{interval.low:.3f} to {interval.high:.3f}"
    assert f"{quality.alpha:.3f}  {ends}" in out
    assert re.search(rf"right on gold items +{quality.gold_accuracy:.3f}\n", out)
    assert f"{quality.participant_sd:.3g}" in out
    with (tmp_path / "participants.csv").open() as file:
        lines = list(csv.DictReader(file))
    for line, person in zip(lines, quality.participants, strict=True):
        assert line["participant"] == person.participant
        assert line["flags"] == "; ".join(person.flags)
        assert float(line["agreement"]) == pytest.approx(person.agreement)
        assert float(line["gold_low"]) == pytest.approx(person.gold_interval[0])
        assert float(line["median_time"]) == pytest.approx(person.median_time)
        assert line["retest"] == ""
        if person.flags:
            assert f"{person.participant} " in out
    model = BinaryClassifier(
        mixed_effects="(1 | participant) + (1 | item)", random_state=0
    )
    with pytest.warns(SingularFitWarning):  # of 30 texts
        model.fit(frame[["text", "participant", "item"]], frame["response"])
    assert " ".join(out.split()).count(" ".join(model.describe().split())) == 1
    assert (tmp_path / "summary.txt").read_text() == f"{model.summary()}\n"
    assert (tmp_path / "effects.png").stat().st_size > 1000


def test_items_are_texts_where_they_have_no_ids(capsys, table, frame):
    out = report(capsys, table, "binary")
    quality = annotation_quality(
        frame["response"].tolist(),
        items=frame["text"],
        participants=frame["participant"],
    )
    assert f"{quality.alpha:.3f}" in out
    assert f"about {frame['text'].nunique()} items" in out


@pytest.mark.parametrize(
    ("task", "level"),
    [
        ("ordinal", "ordinal"),
        ("slider", "interval"),
        ("magnitude", "interval"),
        ("multi_select", "nominal"),
    ],
)
def test_the_level_is_that_of_the_task(capsys, tmp_path, task, level):
    judgments = make_judgments(
        task, n_participants=10, n_items=12, n_per_participant=12, random_state=0
    )
    frame = judgments.frame
    answers = judgments.y
    if task == "multi_select":
        options = judgments.classes
        answers = [
            "|".join(o for o, chosen in zip(options, row, strict=True) if chosen)
            for row in judgments.y
        ]
        frame = frame.drop(columns=list(options), errors="ignore")
        frame["response"] = answers
    frame.to_csv(tmp_path / "t.csv", index=False)
    out = report(capsys, tmp_path / "t.csv", task, "--item", "item", "--quiet")
    quality = annotation_quality(
        list(answers),
        items=judgments.items,
        participants=judgments.groups,
        level=level,
    )
    assert f"Krippendorff's alpha ({level})  {quality.alpha:.3f}" in out


def test_agreement_needs_two_judges(capsys, tmp_path, frame):
    alone = frame.drop_duplicates("item")
    alone = alone.assign(item=np.arange(len(alone)), text=alone["text"] + " indeed")
    path = tmp_path / "alone.csv"
    alone.to_csv(path, index=False)
    out = report(capsys, path, "binary", "--mixed-effects", "fixed")
    assert "Agreement is not known: no item was judged by two people." in out
    assert "No participant stands out." in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--time", "nothing"], "has no column 'nothing' (--time)"),
        (["--confidence", "seconds"], "confidence must be in [0, 1]"),
        (["--order", "text"], "column 'text': a number is needed"),
        (["--gold", "participant"], "has another right response before"),
    ],
)
def test_errors_are_plain(capsys, table, arguments, message):
    argv = ["report", table, "--task", "binary", *COLUMNS, "--quiet", *arguments]
    assert main([str(argument) for argument in argv]) == 2
    assert message in capsys.readouterr().err


def test_gold_of_an_ordinal_scale_is_on_the_scale(capsys, tmp_path):
    frame = make_judgments(
        "ordinal", n_participants=6, n_items=10, n_per_participant=10, random_state=0
    ).frame
    frame["truth"] = 99
    frame.to_csv(tmp_path / "t.csv", index=False)
    argv = ["report", tmp_path / "t.csv", "--task", "ordinal", *COLUMNS]
    assert main([str(a) for a in [*argv, "--gold", "truth", "--quiet"]]) == 2
    assert "nobody answered '99'" in capsys.readouterr().err
