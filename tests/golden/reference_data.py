"""The data of the reference fits, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pd = pytest.importorskip("pandas")

HERE = Path(__file__).parent

#: Tables that are too large, or not free, to stand here.
ELSEWHERE = {"verbagg", "insteval", "sim_choice", "sim_ordbeta", "sim_truncnorm"}


@dataclass(frozen=True)
class Table:
    """Covariates by the names that R gives them, ids, responses and weights."""

    columns: pd.DataFrame
    responses: dict[str, np.ndarray]
    weights: np.ndarray

    @classmethod
    def of(cls, columns, weights=None, **responses):
        arrays = {name: np.asarray(y, dtype=float) for name, y in responses.items()}
        frame = pd.DataFrame(columns)
        weights = np.ones(len(frame)) if weights is None else weights
        return cls(frame, arrays, np.asarray(weights, dtype=float))


def read_table(name: str, folder: Path = HERE) -> Table:
    """Return a data set; that of a csv file in ``folder``."""
    data = pd.read_csv(folder / f"{name}.csv", keep_default_na=False)
    data = data.sort_values("stratum", kind="stable") if name == "infert" else data
    return READERS[name](data.reset_index(drop=True))


def is_level(data, **levels):
    """Dummy columns by R's names: ``is_level(data, period=[2, 3])``."""
    return {
        f"{column}{value}": (data[column] == value).astype(float)
        for column, values in levels.items()
        for value in values
    }


def ids(data, *names):
    return {name: data[name].astype(str) for name in names}


def polynomials(values):
    """Orthonormal polynomial contrasts of an ordered factor, R's default for it."""
    levels, codes = np.unique(values, return_inverse=True)
    powers = np.vander(np.arange(len(levels)) * 1.0, increasing=True)
    basis, triangle = np.linalg.qr(powers)
    contrasts = (basis * np.sign(np.diagonal(triangle)))[codes, 1:]
    names = ["L", "Q", "C", "^4", "^5"]
    joint = [name if "^" in name else f".{name}" for name in names]
    return dict(zip(joint, contrasts.T, strict=False))


def cbpp(data):
    """Counts of sick and of other animals, as weights of two rows per line."""
    twice = pd.concat([data, data], ignore_index=True)
    sick = np.repeat([1.0, 0.0], len(data))
    counts = [data["incidence"], data["size"] - data["incidence"]]
    columns = is_level(twice, period=[2, 3, 4]) | ids(twice, "herd")
    return Table.of(columns, np.concatenate(counts), sick=sick)


def sleepstudy(data):
    columns = {"days": data["days"].astype(float)} | ids(data, "subject")
    return Table.of(columns, reaction=data["reaction"])


def dyestuff(data):
    return Table.of(ids(data, "batch"), **{"yield": data["yield"]})


def penicillin(data):
    return Table.of(ids(data, "plate", "sample"), diameter=data["diameter"])


def wine(data):
    columns = is_level(data, temp=["warm"], contact=["yes"])
    columns |= ids(data, "judge", "bottle")
    rating, share = data["rating"] - 1, data["response"] / 100
    return Table.of(columns, rating=rating, share=share)


def infert(data):
    columns = {name: data[name].astype(float) for name in ("spontaneous", "induced")}
    columns["set"] = np.unique(data["stratum"], return_inverse=True)[1]
    return Table.of(columns, case=data["case"])


def verbagg(data):
    dummies = is_level(data, Gender=["M"], btype=["scold", "shout"], situ=["self"])
    columns = {"Anger": data["Anger"].astype(float), **dummies}
    answers = ["no", "perhaps", "yes"]
    responses = {"r2": data["r2"] == "Y"}
    for first in answers:
        order = [first, *(answer for answer in answers if answer != first)]
        codes = {answer: code for code, answer in enumerate(order)}
        responses[f"resp_{first}"] = data["resp"].map(codes)
    return Table.of(columns | ids(data, "id", "item"), **responses)


def insteval(data):
    # R's names tell its coding: "service1" is an indicator, ".L" a polynomial.
    columns = is_level(data, service=[1])
    for name in ("lectage", "studage"):
        contrasts = polynomials(data[name])
        columns |= {f"{name}{key}": column for key, column in contrasts.items()}
    return Table.of(columns | ids(data, "s", "d", "dept", "service"), y=data["y"])


def sim_choice(data):
    columns = {name: data[name] for name in ("a1", "a2", "a3")}
    columns["set"] = data["set"] - 1
    return Table.of(columns | ids(data, "participant"), chosen=data["chosen"])


def simulated(data):
    columns = {name: data[name].astype(float) for name in ("x1", "x2")}
    return Table.of(columns | ids(data, "participant", "item"), y=data["y"])


READERS = {
    "cbpp": cbpp,
    "sleepstudy": sleepstudy,
    "dyestuff": dyestuff,
    "dyestuff2": dyestuff,
    "penicillin": penicillin,
    "wine": wine,
    "infert": infert,
    "verbagg": verbagg,
    "insteval": insteval,
    "sim_choice": sim_choice,
    "sim_ordbeta": simulated,
    "sim_truncnorm": simulated,
}
