"""The page on what comes after a fit."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

pytest.importorskip("pandas")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "inference.md"


def test_the_snippets_of_the_page():
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testfile(str(PAGE), module_relative=False, optionflags=options)
    assert result.attempted > 5
    assert result.failed == 0
