"""Real tables of judgments are read whole, where they are at hand."""

from pathlib import Path

import numpy as np
import pytest

from bead_sklearn.datasets import load_judgments

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the folder ../shared/data is not here"
)

# Folder, task, texts, response, covariates, rows, participants, items.
TABLES = [
    ("fc_ukpconvarg", "forced_choice", ["option_a", "option_b"], "response", ["trial"],
     23_225, 520, 5_905),
    ("ord_megaacceptability", "ordinal", ["text"], "response", ["trial"],
     36_927, 439, 8_000),
    ("bin_udsgenericity", "binary", ["text"], "response", ["confidence"],
     21_249, 254, 7_091),
    ("cat_megaveridicality", "categorical", ["text"], "response", ["conditional"],
     49_961, 630, 5_026),
    ("ms_udswordsense", "multi_select", ["text"], "response", [],
     13_323, 430, 3_806),
    ("mag_sapspr", "magnitude", ["text"], "response", ["word_length"],
     14_272, 350, 216),
    ("mag_negraising", "slider", ["text", "text2"], "response", ["trial"],
     24_315, 855, 2_650),
    ("ft_sails", "free_text", ["question"], "response", ["nth"],
     13_499, 454, 60),
    ("cloze_devarda_a", "cloze", ["text"], "response", [],
     33_527, 315, 426),
    ("clk_mimicsduo", "magnitude", ["query", "text"], "click_share", ["rank"],
     3_709, None, 1_897),
    ("route_alpacaeval", "magnitude", ["text"], "reward", ["answer_chars"],
     16_098, None, 805),
]  # fmt: skip


def read(name, task, text, response, covariates, participant, file="data.csv.gz"):
    return load_judgments(
        DATA / name / file,
        text=text,
        response=response,
        participant=participant,
        item="item",
        task=task,
        covariates=covariates,
    )


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table[0])
def test_counts(table):
    name, task, text, response, covariates, n_rows, n_participants, n_items = table
    participant = None if n_participants is None else "participant"
    d = read(name, task, text, response, covariates, participant)
    assert len(d) == len(d.X) == len(d.frame) == n_rows
    assert len(set(d.items.tolist())) == n_items
    assert list(d.X.columns) == [*text, *covariates]
    if participant is not None:
        assert len(set(d.groups.tolist())) == n_participants


def test_responses():
    d = read("cat_megaveridicality", "categorical", "text", "response", [], None)
    assert d.classes == ("maybe", "no", "yes")
    d = read("bin_udsgenericity", "binary", "text", "response", [], None)
    assert d.classes == (0, 1)
    assert round(d.y.mean(), 3) == 0.602
    d = read("ord_megaacceptability", "ordinal", "text", "response", [], None)
    assert d.classes == tuple(range(1, 8))
    d = read("ms_udswordsense", "multi_select", "text", "response", [], None)
    assert d.y.shape == (13_323, 26)
    assert round(d.y.sum(axis=1).mean(), 3) == 1.139
    assert round(np.mean(d.y.sum(axis=1) == 0), 3) == 0.061
    d = read("mag_sapspr", "magnitude", "text", "response", [], None)
    assert round(d.y.mean(), 3) == 429.412
    d = read("mag_negraising", "slider", "text", "response", [], None)
    assert round(np.mean(d.y == 0), 3) == 0.097


def test_a_quarter_of_a_million_rows():
    d = read(
        "ord_megaacceptability",
        "ordinal",
        ["text"],
        "response",
        ["trial"],
        "participant",
        file="full.csv.gz",
    )
    assert len(d) == 249_390
    assert len(set(d.groups.tolist())) == 727
    assert len(set(d.items.tolist())) == 50_000
