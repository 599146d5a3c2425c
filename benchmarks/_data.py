"""Data of the benchmarks: simulated crossed judgments and two published tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: Participants, items, and items per participant, by number of rows.
SIZES = {
    1_000: (50, 40, 20),
    10_000: (200, 100, 50),
    100_000: (1_000, 400, 100),
    1_000_000: (5_000, 1_000, 200),
}

SHARED = Path(__file__).resolve().parents[2] / "shared"


@dataclass(frozen=True)
class Crossed:
    """Binary judgments of participants about items, with features of each row.

    logit P(y = 1) = b0 + x'b + u_p + w_i, every part of it known.
    """

    X: np.ndarray
    y: np.ndarray
    participant: np.ndarray
    item: np.ndarray
    b0: float
    b: np.ndarray
    u: np.ndarray
    w: np.ndarray

    @property
    def eta(self) -> np.ndarray:
        """The true linear predictor."""
        fixed = self.b0 + self.X @ self.b
        return fixed + self.u[self.participant] + self.w[self.item]


def simulate_crossed(
    n: int,
    d: int,
    seed: int = 1,
    *,
    sd_u: float = 1.0,
    sd_w: float = 0.7,
    by_item: bool = False,
    sizes: tuple[int, int, int] | None = None,
) -> Crossed:
    """Draw crossed binary judgments.

    Parameters
    ----------
    n, d : int
        Rows (a key of ``SIZES`` unless ``sizes`` is given) and features.
    seed : int
        Seed; together with n and d it determines the data.
    sd_u, sd_w : float
        Standard deviations of participants and items; that of x'b is 1.
    by_item : bool
        Whether features belong to the item instead of the row.
    sizes : tuple of int, default=None
        Participants, items, and items per participant.
    """
    participants, items, per_participant = sizes or SIZES[n]
    rng = np.random.default_rng([seed, n, d])
    participant = np.repeat(np.arange(participants), per_participant)
    orders = np.argsort(rng.random((participants, items)), axis=1)
    item = orders[:, :per_participant].ravel()
    b = rng.normal(size=d) / np.sqrt(d)
    u = sd_u * rng.normal(size=participants)
    w = sd_w * rng.normal(size=items)
    if by_item:
        X = rng.standard_normal((items, d), dtype=np.float32).astype(float)[item]
    else:
        X = rng.standard_normal((n, d), dtype=np.float32).astype(float)
    b0 = -0.3
    eta = b0 + X @ b + u[participant] + w[item]
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
    return Crossed(X, y, participant, item, b0, b, u, w)


def table_path(name: str) -> Path | None:
    """Path of a published table in the folder beside the repository, if it is there."""
    path = SHARED / "golden" / "mixed" / "data" / f"{name}.csv"
    return path if path.exists() else None


def read_table(name: str):
    """Read a published table as a DataFrame; see :func:`table_path`."""
    import pandas as pd

    path = table_path(name)
    if path is None:
        raise FileNotFoundError(
            f"The table {name}.csv is expected in the folder 'shared' beside the "
            "repository."
        )
    return pd.read_csv(path, keep_default_na=False)


def verbagg_design(table) -> np.ndarray:
    """Fixed part of the VerbAgg models, without intercept: (n_rows, 5)."""
    columns = [
        table["Anger"],
        table["Gender"] == "M",
        table["btype"] == "scold",
        table["btype"] == "shout",
        table["situ"] == "self",
    ]
    return np.column_stack(columns).astype(float)
