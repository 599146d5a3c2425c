"""The models that are fitted by every engine: data without any engine's types."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from _data import read_table, simulate_crossed, table_path, verbagg_design


@dataclass(frozen=True)
class Problem:
    """A mixed model with random intercepts.

    Attributes
    ----------
    name : str
        As on the command line.
    family : {"bernoulli", "ordinal", "multinomial", "normal"}
        Response distribution, with its canonical link.
    X : ndarray of shape (n_rows, d)
        Fixed part without intercept.
    names : list of str
        Its columns.
    y : ndarray of shape (n_rows,)
        Numeric response; classes count from 0.
    ids : dict of str to ndarray
        Level codes of each grouping factor.
    reml : bool
        Whether the restricted likelihood is maximised.
    """

    name: str
    family: str
    X: np.ndarray
    names: list[str]
    y: np.ndarray
    ids: dict[str, np.ndarray]
    reml: bool = False

    @property
    def random_formula(self) -> str:
        """Random part in lme4's notation."""
        return " + ".join(f"(1 | {name})" for name in self.ids)

    @property
    def formula(self) -> str:
        """Whole model in lme4's notation."""
        return " + ".join(["y ~ 1", *self.names, self.random_formula])

    def frame(self, *, with_response: bool = True):
        """All columns as a DataFrame, ids as strings."""
        import pandas as pd

        frame = pd.DataFrame(self.X, columns=self.names)
        for name, codes in self.ids.items():
            frame[name] = codes.astype(str)
        if with_response:
            frame["y"] = self.y
        return frame


VERBAGG = ("verbagg-id", "verbagg-id-item", "verbagg-ordinal", "verbagg-multinomial")


def load_problem(name: str) -> Problem:
    """Build a problem from its name.

    ``crossed-<n>x<d>`` is simulated; the others need the published tables.
    """
    if name.startswith("crossed-"):
        n, d = map(int, name.removeprefix("crossed-").split("x"))
        data = simulate_crossed(n, d)
        ids = {"p": data.participant, "i": data.item}
        names = [f"x{j}" for j in range(d)]
        return Problem(name, "bernoulli", data.X, names, data.y, ids)
    if name == "insteval":
        table = read_table("insteval")
        service = table["service"].to_numpy()
        ids = {
            "s": table["s"].to_numpy(),
            "d": table["d"].to_numpy(),
            "dept_service": 2 * table["dept"].to_numpy() + service,
        }
        X = service[:, None].astype(float)
        y = table["y"].to_numpy(float)
        return Problem(name, "normal", X, ["service"], y, ids, reml=True)
    if name not in VERBAGG:
        raise ValueError(f"Unknown problem {name!r}.")
    table = read_table("verbagg")
    ids = {"id": _codes(table["id"])}
    if name != "verbagg-id":
        ids["item"] = _codes(table["item"])
    if name.startswith("verbagg-id"):
        family, y = "bernoulli", (table["r2"] == "Y").to_numpy(float)
    else:
        family = name.removeprefix("verbagg-")
        y = table["resp"].map({"no": 0, "perhaps": 1, "yes": 2}).to_numpy(float)
    names = ["Anger", "Male", "scold", "shout", "self"]
    return Problem(name, family, verbagg_design(table), names, y, ids)


def is_available(name: str) -> bool:
    """Whether the data of a problem are there."""
    if name.startswith("crossed-"):
        return True
    return table_path(name.split("-")[0]) is not None


def _codes(ids) -> np.ndarray:
    return np.unique(np.asarray(ids).astype(str), return_inverse=True)[1]
