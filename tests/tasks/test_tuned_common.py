"""scikit-learn's common tests over tuned models that read numbers as words."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import replace

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

pytest.importorskip("torch")

from tiny_models import save_bert

from bead_sklearn import BinaryClassifier, MagnitudeRegressor
from bead_sklearn.encoders import TransformerEncoder
from bead_sklearn.inputs import DistinctText
from bead_sklearn.nn import MixedEffectsNet

pytestmark = [
    pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning"),
    pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SeparationWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
    pytest.mark.filterwarnings("ignore:The predictors reproduce y"),
]

WORDS = np.array([f"n{k}" for k in range(19)])


class WordReader:
    """Reads X as ever, then writes each number as the word of its rounded value."""

    def __init__(self, reader):
        self.reader = reader

    def read(self, estimator, X, *, reset):
        judgments = self.reader.read(estimator, X, reset=reset)
        places = np.clip(np.rint(2.0 * judgments.numeric_matrix()), -9, 9)
        texts = [" ".join(row) for row in WORDS[places.astype(int) + 9]]
        column = DistinctText.from_values(texts)
        return replace(
            judgments, texts={"text": column}, numeric=None, numeric_names=[]
        )


class BinaryOfWords(BinaryClassifier):
    def _make_reader(self, mixed_effects, groups):
        return WordReader(super()._make_reader(mixed_effects, groups))


class MagnitudeOfWords(MagnitudeRegressor):
    def _make_reader(self, mixed_effects, groups):
        return WordReader(super()._make_reader(mixed_effects, groups))


@functools.cache
def options():
    """Parameters of models with a BERT that knows the words."""
    folder = tempfile.TemporaryDirectory()
    options.kept = folder  # removed with the process
    save_bert(folder.name, [" ".join(WORDS)], width=8, layers=1, dropout=0.0)
    return {
        "encoder": TransformerEncoder(folder.name),
        "fine_tune": 1,
        "net": MixedEffectsNet(lr=1e-3, max_epochs=1, batch_size=1000),
        "random_state": 0,
    }


def expected_failures(estimator):
    if isinstance(estimator, MagnitudeRegressor):
        reason = "a small random BERT tells too little of the sizes of numbers"
        return {"check_regressors_train": reason}
    reason = "trained in float32, on other rows held out where rows are repeated"
    checks = ("dense", "sparse")
    return {f"check_sample_weight_equivalence_on_{on}_data": reason for on in checks}


def checks():
    for model in (BinaryOfWords(**options()), MagnitudeOfWords(**options())):
        yield from estimator_checks_generator(
            model,
            expected_failed_checks=expected_failures(model),
            mark="xfail",
            xfail_strict=True,
        )


def name_of(value):
    """The same in every process, unlike the folder of the encoder."""
    if isinstance(value, functools.partial):
        settings = ",".join(f"{k}={v}" for k, v in value.keywords.items())
        return f"{value.func.__name__}({settings})"
    return getattr(value, "__name__", type(value).__name__)


@pytest.mark.parametrize(("estimator", "check"), list(checks()), ids=name_of)
def test_sklearn_compatible(estimator, check):
    check(estimator)
