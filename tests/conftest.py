"""Settings of the whole test suite."""

# Threads and the drawing backend are read when numpy and matplotlib are imported.
# ruff: noqa: E402
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["MPLBACKEND"] = "Agg"
os.environ["SCIPY_ARRAY_API"] = "1"  # some of scikit-learn's checks need it

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# deadline=None: the first example of a law pays for imports and compilation.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=10, **_COMMON)
settings.register_profile("ci", max_examples=50, **_COMMON)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The data folder beside the repository, for checks against real data."""
    path = Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip("needs the folder 'shared' beside the repository: not there")
    return path
