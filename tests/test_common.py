"""scikit-learn's common tests over every public estimator."""

from __future__ import annotations

import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)

import bead_sklearn
from bead_sklearn import (
    ActiveLearner,
    ActiveLearningSearch,
    BinaryClassifier,
    MagnitudeRegressor,
    OrdinalScaleClassifier,
    OrdinalScaleRegressor,
)

MODELS = [
    BinaryClassifier(),
    MagnitudeRegressor(),
    OrdinalScaleClassifier(),
    # The checks have responses of their own.
    OrdinalScaleRegressor(scale=(-1e3, 1e3)),
]
SEARCHES = [
    ActiveLearningSearch(LogisticRegression()),
    ActiveLearningSearch(Ridge(), strategy="random"),
    ActiveLearningSearch(BinaryClassifier()),
    ActiveLearner(LogisticRegression()),
    ActiveLearner(MagnitudeRegressor(), strategy="predictive_std"),
]

pytestmark = [
    pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SeparationWarning"),
    pytest.mark.filterwarnings("ignore:.*linear combination of others:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
    pytest.mark.filterwarnings("ignore:The features under the ridge explain nothing"),
    pytest.mark.filterwarnings("ignore:The predictors reproduce y"),
    pytest.mark.filterwarnings("ignore:.*taken to be ordered alphabetically"),
]


@parametrize_with_checks([*MODELS, *SEARCHES], xfail_strict=True)
def test_sklearn_compatible(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", [*MODELS, *SEARCHES], ids=str)
def test_parameters_are_validated(estimator):
    check_param_validation(type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", [*MODELS, *SEARCHES], ids=str)
def test_column_names_are_consistent(estimator):
    check_dataframe_column_names_consistency(type(estimator).__name__, estimator)


def test_every_public_estimator_is_tested():
    tested = {type(estimator).__name__ for estimator in [*MODELS, *SEARCHES]}
    exempt = {
        "MixedEffects": "a description of effects without fit",
        "__version__": "not an estimator",
        "anova": "a function",
    }
    assert tested | set(exempt) == set(bead_sklearn.__all__)
