"""Servers and a browser for the tests of collecting judgments."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))


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
    import _web

    return _web
