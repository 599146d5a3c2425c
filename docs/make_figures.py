"""Run the examples and keep their figures for the README.

Usage: python docs/make_figures.py
"""

import runpy
from pathlib import Path

import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    plt.switch_backend("Agg")
    for example in sorted((ROOT / "examples").glob("plot_*.py")):
        runpy.run_path(str(example))
        target = ROOT / "docs" / "images" / f"{example.stem}.png"
        plt.gcf().savefig(target, dpi=110)
        plt.close("all")
        print(target)
