"""Measuring in a fresh process with one thread, and reporting what was measured.

A benchmark script names its cells, runs each of them through :func:`run_cell`, which
starts the same script again with ``--cell``, and measures there with :func:`measure`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
#: Fits are repeated until they took this long together, or this many were run.
_REPEAT_BELOW = 2.0
_MAX_REPEATS = 20

Record = dict[str, Any]


def parser(description: str | None) -> argparse.ArgumentParser:
    """Arguments that all benchmarks have."""
    result = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--quick", action="store_true", help="a small selection")
    result.add_argument("--out", type=Path, help="append results as lines of JSON")
    result.add_argument(
        "--limit",
        type=float,
        default=120.0,
        help="CPU seconds per cell, set-up included",
    )
    result.add_argument("--cell", help=argparse.SUPPRESS)
    return result


def run_cell(script: str, cell: Record, limit: float) -> Record:
    """Measure one cell in a fresh process with one thread.

    Returns the cell with what the process printed as its last line, or with a
    ``status`` other than "ok": "limit" past the limit of CPU seconds, imports and data
    included, "memory" if killed, "error" with the last line of the traceback.
    """
    environment = dict(os.environ, **dict.fromkeys(THREADS, "1"))
    command = [sys.executable, "-W", "ignore", script, "--cell", json.dumps(cell)]
    with tempfile.TemporaryFile("w+") as errors, tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=errors, text=True
        )
        past_limit = _wait(process, limit)
        errors.seek(0)
        output.seek(0)
        messages, lines = errors.read(), output.read().splitlines()
    if process.returncode == 0:
        return cell | {"status": "ok"} | json.loads(lines[-1])
    if past_limit:
        return cell | {"status": "limit", "message": f"more than {limit:g} CPU s"}
    if process.returncode == -signal.SIGKILL:
        return cell | {"status": "memory", "message": "killed"}
    last = messages.strip().splitlines() or [f"exit status {process.returncode}"]
    return cell | {"status": "error", "message": last[-1][:300]}


def _wait(process: subprocess.Popen, limit: float) -> bool:
    """Wait for a process; kill it past the limit of CPU seconds and return True.

    A limit set in the process itself would coarsen its CPU clock on Linux.
    """
    start = time.monotonic()
    while True:
        try:
            process.wait(timeout=0.25)
            return False
        except subprocess.TimeoutExpired:
            waited = time.monotonic() - start
            if _cpu_seconds(process.pid, otherwise=waited) > limit:
                process.kill()
                process.wait()
                return True


def _cpu_seconds(pid: int, *, otherwise: float) -> float:
    """CPU seconds of a process and its finished children, where Linux tells them."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return otherwise
    ticks = stat.rsplit(")", 1)[1].split()[11:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def peak_memory(*, children: bool = False) -> float:
    """Largest resident memory of this process, or of its children, so far, in MB."""
    unit = 2**20 if platform.system() == "Darwin" else 2**10
    who = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
    return resource.getrusage(who).ru_maxrss / unit


def measure(fit: Callable[[], Record]) -> Record:
    """Run ``fit`` and add its CPU and wall seconds and the peak of memory.

    A fast fit is repeated; its time is then the mean of all runs but the first, which
    pays for imports and compilation. (The fastest run would be biased: the CPU clock
    of a process with several threads ticks in milliseconds.)
    """
    before = peak_memory()
    if getattr(fit, "outside", False):  # timed by the process it starts
        found = fit()
        return found | {"runs": 1, "peak_mb": peak_memory(children=True)}
    times: list[tuple[float, float]] = []
    while not times or (
        len(times) < _MAX_REPEATS and sum(cpu for cpu, _ in times) < _REPEAT_BELOW
    ):
        cpu, wall = time.process_time(), time.perf_counter()
        found = fit()
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    later = times[1:] or times
    return found | {
        "cpu": statistics.mean(cpu for cpu, _ in later),
        "wall": statistics.mean(wall for _, wall in later),
        "first_cpu": times[0][0],
        "runs": len(times),
        "data_mb": before,
        "peak_mb": peak_memory(),
    }


def save(path: Path | None, records: Iterable[Record]) -> None:
    """Append records to a file of JSON lines."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        for record in records:
            stream.write(json.dumps(record) + "\n")


def machine() -> Record:
    """What a reader of the figures needs to know about where they come from."""
    import numpy as np
    import scipy
    import sklearn

    import bead_sklearn

    return {
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "sklearn": sklearn.__version__,
        "bead_sklearn": bead_sklearn.__version__,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def show(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Lay out a table; numbers are rounded to four significant figures."""
    cells = [list(header)] + [[text(value) for value in row] for row in rows]
    widths = [max(len(row[j]) for row in cells) for j in range(len(header))]
    lines = [
        "  ".join(
            value.ljust(width) if j == 0 else value.rjust(width)
            for j, (value, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def markdown(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Lay out a table for the documentation."""

    def line(cells: Sequence[Any]) -> str:
        escaped = (text(value).replace("|", "\\|") for value in cells)
        return "| " + " | ".join(escaped) + " |"

    lines = [line(header), "|" + "---|" * len(header), *map(line, rows)]
    return "\n".join(lines)


def text(value: Any) -> str:
    """Format one value of a table."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(text(part) for part in value)
    return str(value)
