"""Models in skops files."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from bead_sklearn import BinaryClassifier
from bead_sklearn.persistence import skops_trusted_types

io = pytest.importorskip("skops.io")

X = ["a dog", "the cat", "my bird", "a cow"] * 5
Y = ["no", "yes", "yes", "no"] * 5


def test_round_trip_through_a_file(tmp_path):
    model = BinaryClassifier().fit(X, Y)
    io.dump(model, tmp_path / "model.skops")
    types = skops_trusted_types(tmp_path / "model.skops")
    assert "bead_sklearn.tasks._binary.BinaryClassifier" in types
    again = io.load(tmp_path / "model.skops", trusted=types)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_foreign_types_are_refused():
    foreign = make_pipeline(
        FunctionTransformer(pytest.importorskip), BinaryClassifier()
    )
    with pytest.raises(ValueError, match=r"outside bead_sklearn: .*importorskip"):
        skops_trusted_types(io.dumps(foreign))
