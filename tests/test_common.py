"""scikit-learn's common tests over every public estimator."""

from __future__ import annotations

import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    check_set_output_transform,
    check_transformer_get_feature_names_out,
    parametrize_with_checks,
)

import bead_sklearn
from bead_sklearn import (
    ActiveLearner,
    ActiveLearningSearch,
    AnnotatorRouter,
    BinaryClassifier,
    MagnitudeRegressor,
    TwoTowerEmbedder,
)

MODELS = [BinaryClassifier(), MagnitudeRegressor()]
SEARCHES = [
    ActiveLearningSearch(LogisticRegression()),
    ActiveLearningSearch(Ridge(), strategy="random"),
    ActiveLearningSearch(BinaryClassifier()),
    ActiveLearner(LogisticRegression()),
    ActiveLearner(MagnitudeRegressor(), strategy="predictive_std"),
]
ROUTERS = [
    AnnotatorRouter(),
    AnnotatorRouter(solver="ridge"),
    AnnotatorRouter(solver="knn"),
    AnnotatorRouter(solver="sgd", learning_rate=1e-5),
]
EMBEDDERS = [TwoTowerEmbedder(max_iter=2)]
ESTIMATORS = [*MODELS, *SEARCHES, *ROUTERS, *EMBEDDERS]


def _expected_failures(estimator):
    by_steps = isinstance(estimator, TwoTowerEmbedder)
    if not by_steps and getattr(estimator, "solver", None) != "sgd":
        return {}
    reason = "an update weighs its rows; repeated rows are further updates"
    checks = ("dense", "sparse")
    return {f"check_sample_weight_equivalence_on_{on}_data": reason for on in checks}


pytestmark = [
    pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SeparationWarning"),
    pytest.mark.filterwarnings("ignore:.*linear combination of others:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
    pytest.mark.filterwarnings("ignore:The features under the ridge explain nothing"),
    pytest.mark.filterwarnings("ignore:The predictors reproduce y"),
]


@parametrize_with_checks(
    ESTIMATORS, expected_failed_checks=_expected_failures, xfail_strict=True
)
def test_sklearn_compatible(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_parameters_are_validated(estimator):
    check_param_validation(type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_column_names_are_consistent(estimator):
    check_dataframe_column_names_consistency(type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", EMBEDDERS, ids=str)
def test_transformers(estimator):
    check_set_output_transform(type(estimator).__name__, estimator)
    check_transformer_get_feature_names_out(type(estimator).__name__, estimator)


def test_every_public_estimator_is_tested():
    tested = {type(estimator).__name__ for estimator in ESTIMATORS}
    exempt = {
        "MixedEffects": "a description of effects without fit",
        "__version__": "not an estimator",
        "anova": "a function",
    }
    assert tested | set(exempt) == set(bead_sklearn.__all__)
