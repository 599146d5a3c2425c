"""X that is one column of text."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn.inputs import read_text

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")


@pytest.mark.parametrize(
    "X",
    [
        ["b", "a", "b"],
        np.array(["b", "a", "b"]),
        np.array([["b"], ["a"], ["b"]], dtype=object),
        pd.Series(["b", "a", "b"]),
        pl.Series(["b", "a", "b"]),
        pd.DataFrame({"s": ["b", "a", "b"]}),
        pl.DataFrame({"s": ["b", "a", "b"]}),
    ],
    ids=lambda X: type(X).__name__,
)
def test_one_column(X):
    text = read_text(X)
    assert text.values == ["b", "a"]
    assert text.index.tolist() == [0, 1, 0]


def test_anything_else():
    with pytest.raises(TypeError, match="Got no strings"):
        read_text(np.eye(2))
    with pytest.raises(TypeError, match="Got 2 columns"):
        read_text(pd.DataFrame({"a": ["x"], "b": ["y"]}))
    with pytest.raises(TypeError, match="'n' of X must be text"):
        read_text(pd.DataFrame({"n": [1]}))
    for X in ([], (), pl.DataFrame({"s": pl.Series([], dtype=pl.String)})):
        with pytest.raises(ValueError, match=r"0 rows|0 samples"):
            read_text(X)
    with pytest.raises(ValueError, match="missing text in row 1"):
        read_text(["a", None])
