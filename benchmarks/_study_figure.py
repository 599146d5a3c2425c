"""The figure of the simulation study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _measure import Record
from _study_data import SETTINGS, settings

#: Distance of the settings within a family, and of the two methods within a setting.
_BETWEEN, _BESIDE = 0.2, 0.07

_COLORS = ["#0072b2", "#56b4e9", "#d55e00", "#009e73"]


def draw_figure(records: list[Record], wanted: tuple[float, float], path: Path) -> None:
    """Draw coverage and bias of all cells.

    Parameters
    ----------
    records : list of dict
        Cells, in the order of their families.
    wanted : tuple of float
        Range of the coverage that is wanted, in percent.
    path : Path
        Where to save it.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    families = list(dict.fromkeys(record["family"] for record in records))
    figure, (left, right) = plt.subplots(
        1,
        2,
        figsize=(10.0, 0.9 + 0.72 * len(families)),
        sharey=True,
        layout="constrained",
    )
    left.axvspan(*wanted, color="0.93", zorder=0)
    left.axvline(95.0, color="0.6", linewidth=0.8, zorder=0)
    right.axvline(0.0, color="0.6", linewidth=0.8, zorder=0)
    for record in records:
        _draw_cell(left, right, families.index(record["family"]), record)
    for setting, color in zip(SETTINGS, _COLORS, strict=True):
        left.plot([], [], "o", color=color, label=setting.name)
    left.plot([], [], "o", color="0.3", markerfacecolor="white", label="Laplace")
    left.plot([], [], "o", color="0.3", label="quadrature, or exact")
    right.plot([], [], "o", color="0.3", label="first effect of a participant")
    right.plot([], [], "s", color="0.3", label="second effect, or items")
    for axes in (left, right):
        for edge in np.arange(len(families) - 1) + 0.5:
            axes.axhline(edge, color="0.85", linewidth=0.6, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    left.set_ylim(len(families) - 0.5, -0.5)
    left.set_yticks(
        range(len(families)), [family.replace("_", " ") for family in families]
    )
    left.set_xlabel("coverage of 95 % intervals of fixed effects, %")
    right.set_xlabel("bias of standard deviations, %")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw_cell(left, right, family: int, record: Record) -> None:
    setting = record["setting"]
    names = [item.name for item in settings(record["family"])]
    place = names.index(record["name"])
    if len(names) < len(SETTINGS) and "i)" in setting["structure"]:
        place = len(SETTINGS) - 1  # choices have no intercepts beside slopes
    is_approximate = record["method"] == "Laplace"
    height = family + _BETWEEN * (place - 0.5 * (len(SETTINGS) - 1))
    height += 0.0 if is_approximate else _BESIDE
    color = _COLORS[place]
    style = {
        "color": color,
        "markersize": 4.5,
        "markerfacecolor": "white" if is_approximate else color,
        "linestyle": "none",
        "elinewidth": 0.8,
    }
    n_intervals = record["n_fits"] * len(record["coverage"])
    error = 100.0 * np.sqrt(0.95 * 0.05 / n_intervals)
    covered = record["pooled_coverage"]
    left.errorbar(covered, height, xerr=1.96 * error, marker="o", **style)
    biases = zip(record["bias"], record["bias_error"], "os", strict=False)
    for bias, error, marker in biases:
        right.errorbar(bias, height, xerr=1.96 * error, marker=marker, **style)
