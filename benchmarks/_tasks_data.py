"""The studies of bench_tasks.py: tables, what is read from them, encoders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from _data import SHARED
from _docstrings import encoder_folder
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

import bead_sklearn as bs
from bead_sklearn.encoders import HashedTextEncoder, TransformerEncoder

ENCODERS = ("default", "minilm", "words")
#: Words kept by the encoder of words, the most frequent ones.
N_WORDS = 1_000


@dataclass(frozen=True)
class Study:
    """One data set and the model for it.

    Attributes
    ----------
    name, task : str
        Folder of the table, and what is asked.
    texts, numbers : tuple of str
        Columns of texts and of numbers.
    response : callable
        From the table to y.
    model : callable
        Our estimator.
    kind : {"label", "selection", "number", "words"}
        What is answered.
    rows : int
        About so many judgments are used, of whole participants.
    is_log : bool
        Whether the peers model logarithms of the numbers.
    ends : (float, float) or None
        Ends of a slider, which have a probability of their own.
    """

    name: str
    task: str
    texts: tuple[str, ...]
    response: Callable[[pd.DataFrame], Any]
    model: Callable[..., Any]
    kind: str = "label"
    rows: int = 5_000
    numbers: tuple[str, ...] = ()
    is_log: bool = False
    ends: tuple[float, float] | None = None


OPTIONS = ("communication", "act", "artifact", "cognition", "person", "group")


def _sets(table: pd.DataFrame) -> np.ndarray:
    chosen = [set(str(r).split("|")) for r in table["response"]]
    return np.array([[name in row for name in OPTIONS] for row in chosen], dtype=int)


def _plain(table: pd.DataFrame) -> np.ndarray:
    return table["response"].to_numpy()


def _numeric(table: pd.DataFrame) -> np.ndarray:
    return table["response"].to_numpy(float)


STUDIES = [
    Study(
        "bin_udsgenericity",
        "binary",
        ("text", "target"),
        _plain,
        bs.BinaryClassifier,
    ),
    Study(
        "cat_megaveridicality",
        "categorical",
        ("text",),
        _plain,
        bs.CategoricalClassifier,
    ),
    Study(
        "fc_ukpconvarg",
        "forced choice",
        ("option_a", "option_b"),
        lambda t: t["response"].replace({"a": "option_a", "b": "option_b"}).to_numpy(),
        lambda **k: bs.ForcedChoiceClassifier(outside_option="equal", **k),
        rows=3_000,
    ),
    Study(
        "ms_udswordsense",
        "multi-select",
        ("text", "target"),
        _sets,
        bs.MultiSelectClassifier,
        "selection",
        rows=3_000,
    ),
    Study(
        "ord_megaacceptability",
        "ordinal",
        ("text",),
        _plain,
        bs.OrdinalScaleClassifier,
    ),
    Study(
        "mag_negraising",
        "slider",
        ("text",),
        _numeric,
        lambda **k: bs.OrdinalScaleRegressor(family="ordered_beta", **k),
        "number",
        ends=(0.0, 1.0),
    ),
    Study(
        "mag_sapspr",
        "magnitude",
        ("word",),
        _numeric,
        lambda **k: bs.MagnitudeRegressor(family="lognormal", **k),
        "number",
        numbers=("word_position", "word_length", "trial"),
        is_log=True,
    ),
    Study(
        "cloze_devarda_a",
        "cloze",
        ("text",),
        _plain,
        bs.ClozeClassifier,
        "words",
    ),
    Study(
        "ft_sails",
        "free text",
        ("item", "question"),
        _plain,
        bs.FreeTextGenerator,
        "words",
    ),
]


def find(name: str) -> Study:
    """Return the study of a name."""
    return next(study for study in STUDIES if study.name == name)


def read(study: Study, n_rows: int | None) -> pd.DataFrame:
    """Return the judgments of a study, of whole participants if not all."""
    path = SHARED / "data" / study.name / "data.csv.gz"
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    if study.name == "ms_udswordsense":
        table["response"] = table["response"].fillna("")
    if study.name == "cloze_devarda_a":
        table["text"] = table["text"] + " ___"
    needed = [*study.texts, *study.numbers, "participant", "item", "response"]
    table = table.dropna(subset=needed).reset_index(drop=True)
    if n_rows is not None and n_rows < len(table):
        table = whole_participants(table, n_rows)
    return table


def whole_participants(table: pd.DataFrame, n_rows: int) -> pd.DataFrame:
    """Keep participants with all their judgments, one after the other.

    Next comes who judged the largest share of items that those kept judged too, so
    that items have several judgments in the smaller table as well.
    """
    people = np.unique(table["participant"], return_inverse=True)[1]
    items = np.unique(table["item"], return_inverse=True)[1]
    shape = (people.max() + 1, items.max() + 1)
    judged = sparse.csr_array((np.ones(len(people)), (people, items)), shape=shape)
    sizes = np.bincount(people)
    order = np.random.default_rng(0).permutation(len(sizes))
    seen, left, n = np.zeros(shape[1]), np.ones(len(sizes), dtype=bool), 0
    while True:
        common = (judged @ (seen > 0) / sizes)[order]
        best = order[np.where(left[order], common, -1.0).argmax()]
        n += sizes[best]
        if n > n_rows:
            break
        left[best] = False
        seen += judged[[best]].toarray()[0]
    return table[~left[people]].reset_index(drop=True)


def frame(study: Study, table: pd.DataFrame, ids: tuple[str, ...]) -> pd.DataFrame:
    """Return X: texts, numbers and the ids that effects need."""
    texts = [*study.texts, *(name for name in ids if name not in study.texts)]
    X = table[texts].astype(str)
    for name in set(ids) & set(study.texts):  # both what is shown and who it is
        X[f"{name}_id"] = X[name]
    X[list(study.numbers)] = table[list(study.numbers)].astype(float)
    return X


def make_encoder(name: str, cache: str | None) -> Any:
    """Return the default encoder, MiniLM, or words as they are."""
    if name == "default":
        return HashedTextEncoder()
    if name == "words":
        return TfidfVectorizer(max_features=N_WORDS, token_pattern=r"\w+|[^\w\s]")
    return TransformerEncoder(str(encoder_folder()), cache=cache)
