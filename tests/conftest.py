"""Settings of the whole test suite."""

# Threads and the drawing backend are read when numpy and matplotlib are imported.
# ruff: noqa: E402
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["MPLBACKEND"] = "Agg"
os.environ["SCIPY_ARRAY_API"] = "1"  # some of scikit-learn's checks need it

import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# deadline=None: the first example of a law pays for imports and compilation. The same
# examples each time; `pytest --hypothesis-profile=explore` looks for others.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=10, derandomize=True, **_COMMON)
settings.register_profile("ci", max_examples=50, derandomize=True, **_COMMON)
settings.register_profile("explore", max_examples=200, **_COMMON)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The data folder beside the repository, for checks against real data."""
    path = Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip("needs the folder 'shared' beside the repository: not there")
    return path


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium of this machine."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs the extra 'browser'"
    )
    path = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None
    )
    if path is None:
        pytest.skip("needs Chromium: none is on the path and CHROMIUM is not set")
    with playwright.sync_playwright() as run:
        browser = run.chromium.launch(
            executable_path=path,
            headless=True,
            # As root, as in containers, there is no sandbox to be had.
            chromium_sandbox=os.geteuid() != 0,
        )
        yield browser
        browser.close()


@pytest.fixture
def web():
    """The module with the server process; needs the extra 'web'."""
    pytest.importorskip("starlette", reason="needs the extra 'web'")
    pytest.importorskip("uvicorn", reason="needs the extra 'web'")
    sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
    import _web

    return _web
