"""scikit-learn's common tests over every public estimator."""

from __future__ import annotations

import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_estimator_cloneable,
    check_estimator_repr,
    check_estimator_tags_renamed,
    check_get_params_invariance,
    check_no_attributes_set_in_init,
    check_param_validation,
    check_set_output_transform,
    check_set_params,
    check_transformer_get_feature_names_out,
    check_valid_tag_types,
    parametrize_with_checks,
)

import bead_sklearn
from bead_sklearn import (
    ActiveLearner,
    ActiveLearningSearch,
    AnnotatorRouter,
    BinaryClassifier,
    CategoricalClassifier,
    ClozeClassifier,
    ForcedChoiceClassifier,
    FreeTextGenerator,
    MagnitudeRegressor,
    MultiSelectClassifier,
    OrdinalScaleClassifier,
    OrdinalScaleRegressor,
    TwoTowerEmbedder,
)
from bead_sklearn.query import CommitteeClassifier

MODELS = [
    BinaryClassifier(),
    CategoricalClassifier(),
    ForcedChoiceClassifier(),
    MagnitudeRegressor(),
    MultiSelectClassifier(),
    OrdinalScaleClassifier(),
    # The checks have responses of their own.
    OrdinalScaleRegressor(scale=(-1e3, 1e3)),
]
#: Models of text only, and scikit-learn's checks that have no numbers in X.
TEXT_MODELS = [
    ClozeClassifier(),
    FreeTextGenerator(),
    BinaryClassifier(encoder="a model", fine_tune="lora"),
    OrdinalScaleRegressor(encoder="a model", fine_tune=2),
]
TEXT_CHECKS = [
    check_estimator_cloneable,
    check_estimator_repr,
    check_estimator_tags_renamed,
    check_get_params_invariance,
    check_no_attributes_set_in_init,
    check_set_params,
    check_valid_tag_types,
]
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
COMMITTEES = [CommitteeClassifier([LogisticRegression(), LogisticRegression(C=0.1)])]
EMBEDDERS = [TwoTowerEmbedder(max_iter=2)]
ESTIMATORS = [*MODELS, *SEARCHES, *ROUTERS, *COMMITTEES, *EMBEDDERS]


#: Checks whose y has labels such as 1, 2, 3 where selections of options are 0 and 1.
SINGLE_LABEL_CHECKS = [
    "check_estimators_dtypes",
    "check_sample_weights_pandas_series",
    "check_sample_weights_not_an_array",
    "check_sample_weights_shape",
    "check_sample_weights_not_overwritten",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_classifier_data_not_an_array",
    "check_classifiers_one_label",
    "check_classifiers_one_label_sample_weights",
    "check_classifier_not_supporting_multiclass",
    "check_classifiers_classes",
    "check_classifiers_train",
    "check_fit2d_1feature",
]

pytestmark = [
    pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SeparationWarning"),
    pytest.mark.filterwarnings("ignore:.*linear combination of others:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
    pytest.mark.filterwarnings("ignore:The features under the ridge explain nothing"),
    pytest.mark.filterwarnings("ignore:The predictors reproduce y"),
    pytest.mark.filterwarnings("ignore:.*taken to be ordered alphabetically"),
]


def expected_failures(estimator):
    if isinstance(estimator, MultiSelectClassifier):
        reason = "y is one label per row here, not a selection of options"
        return dict.fromkeys(SINGLE_LABEL_CHECKS, reason)
    by_steps = isinstance(estimator, TwoTowerEmbedder)
    if not by_steps and getattr(estimator, "solver", None) != "sgd":
        return {}
    reason = "an update weighs its rows; repeated rows are further updates"
    checks = ("dense", "sparse")
    return {f"check_sample_weight_equivalence_on_{on}_data": reason for on in checks}


@parametrize_with_checks(
    ESTIMATORS, expected_failed_checks=expected_failures, xfail_strict=True
)
def test_sklearn_compatible(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", TEXT_CHECKS)
@pytest.mark.parametrize("estimator", TEXT_MODELS, ids=str)
def test_text_models_are_compatible(estimator, check):
    check(type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", [*ESTIMATORS, *TEXT_MODELS], ids=str)
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
    tested = {type(estimator).__name__ for estimator in [*ESTIMATORS, *TEXT_MODELS]}
    exempt = {
        "MixedEffects": "a description of effects without fit",
        "__version__": "not an estimator",
        "anova": "a function",
    }
    elsewhere = {"CommitteeClassifier": "of bead_sklearn.query"}
    assert tested | set(exempt) == set(bead_sklearn.__all__) | set(elsewhere)
