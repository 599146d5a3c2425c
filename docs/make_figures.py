"""Run the examples and keep their figures; redraw those of the benchmarks.

Figures of the benchmarks are drawn from the results kept in ``benchmarks/results``;
the benchmarks themselves take hours and are run on their own.

Usage: python docs/make_figures.py
"""

import runpy
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"

#: Script, its results, its figure.
BENCHMARKS = [
    ("simulation_study.py", "simulation_study.jsonl", "coverage.png"),
    ("bench_participants.py", "participants.jsonl", "cost_participants.png"),
    ("bench_rehearsal.py", "rehearsal.jsonl", "collecting_rehearsal.png"),
    ("bench_tasks.py", "tasks.jsonl", "calibration_tasks.png"),
    ("bench_active_learning.py", "active_learning.jsonl", "active_learning.png"),
]

if __name__ == "__main__":
    plt.switch_backend("Agg")
    for script, results, figure in BENCHMARKS:
        command = [sys.executable, str(ROOT / "benchmarks" / script)]
        command += ["--read", str(ROOT / "benchmarks" / "results" / results)]
        command += ["--figure", str(IMAGES / figure)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        print(IMAGES / figure)
    for example in sorted((ROOT / "examples").glob("plot_*.py")):
        runpy.run_path(str(example))
        target = IMAGES / f"{example.stem}.png"
        plt.gcf().savefig(target, dpi=110)
        plt.close("all")
        print(target)
