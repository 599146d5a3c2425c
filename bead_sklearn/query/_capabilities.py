"""What a strategy needs of an estimator, known before anything is fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any

from sklearn.base import is_classifier, is_regressor
from sklearn.linear_model import (
    BayesianRidge,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeCV,
)

from bead_sklearn.query._members import is_committee, last_step
from bead_sklearn.tasks._base import MixedModel

_LOGISTIC = (LogisticRegression, LogisticRegressionCV)
_LINEAR = (*_LOGISTIC, BayesianRidge, LinearRegression, Ridge, RidgeCV)


@dataclass(frozen=True)
class Capabilities:
    """What a strategy needs, and how it behaves.

    Attributes
    ----------
    needs : str or None
        What the estimator must give: ``"predict_proba"`` class probabilities;
        ``"std"`` a standard deviation from ``predict``; ``"committee"`` members;
        ``"linear"`` a linear model whose coefficients and penalty are known;
        ``"draws"`` draws of class probabilities: a committee, a logistic regression or
        a task model; ``"posterior"`` a task model of this suite, whose solver keeps the
        joint posterior. None: nothing, the strategy reads the rows only.
    classifiers, regressors : bool
        Which estimators it makes sense for.
    uses_features : bool
        Whether it measures distances between rows, and so needs them as numbers.
    batch_aware : bool
        Whether the rows of a batch are chosen with regard to each other.
    is_random : bool
        Whether it draws at random.
    nested_batches : bool
        Whether the first k rows of a batch are the batch of k.
    rowwise : bool
        Whether the utility of a row does not depend on what else is in the pool, and
        batches are the rows of the highest utilities.
    """

    needs: str | None = None
    classifiers: bool = True
    regressors: bool = True
    uses_features: bool = False
    batch_aware: bool = False
    is_random: bool = False
    nested_batches: bool = True
    rowwise: bool = False


def returns_std(estimator: Any) -> bool:
    """Whether predict takes return_std; a Pipeline passes it on to its last step."""
    predict = getattr(last_step(estimator), "predict", None)
    return predict is not None and "return_std" in signature(predict).parameters


def is_linear_model(estimator: Any) -> bool:
    """Whether coefficients and penalty of an estimator can be read."""
    return isinstance(last_step(estimator), _LINEAR)


def is_mixed_model(estimator: Any) -> bool:
    """Whether an estimator ends in a task model of this suite."""
    return isinstance(last_step(estimator), MixedModel)


#: What is needed, who has it, what is said of those who have not, and advice.
_ASKED: dict[str, tuple[str, Callable[[Any], bool], str, str]] = {
    "predict_proba": (
        "class probabilities",
        lambda estimator: hasattr(estimator, "predict_proba"),
        "has no predict_proba",
        "Use the strategy 'random' or, for a regressor whose predict takes "
        "return_std, 'predictive_std'.",
    ),
    "std": (
        "a regressor whose predict takes return_std",
        returns_std,
        "does not have one",
        "Use the strategy 'random'.",
    ),
    "committee": (
        "a committee: an estimator with fitted members, such as CommitteeClassifier "
        "or a forest",
        is_committee,
        "has none",
        "Wrap the estimator in CommitteeClassifier.",
    ),
    "linear": (
        "a linear model, such as LogisticRegression or Ridge, whose gradients have a "
        "closed form",
        is_linear_model,
        "is none",
        "Use 'margin' or 'entropy' for other classifiers.",
    ),
    "draws": (
        "draws of class probabilities: of a committee, a LogisticRegression or a task "
        "model of this suite",
        lambda estimator: (
            is_committee(estimator)
            or isinstance(last_step(estimator), _LOGISTIC)
            or is_mixed_model(estimator)
        ),
        "has none",
        "Wrap the estimator in CommitteeClassifier.",
    ),
    "posterior": (
        "a task model of this suite, such as BinaryClassifier, whose solver keeps the "
        "posterior of all effects",
        is_mixed_model,
        "is none",
        "Use 'expected_error_reduction' or 'bald' for other classifiers.",
    ),
}


def check_capabilities(name: str, capabilities: Capabilities, estimator: Any) -> None:
    """Raise a ValueError if an estimator, fitted or not, does not suit a strategy."""
    label = type(last_step(estimator)).__name__
    need = capabilities.needs
    if need is not None:
        wanted, has, lacks, advice = _ASKED[need]
        if not has(estimator):
            shown = type(estimator).__name__
            raise ValueError(f"{name} needs {wanted}, but {shown} {lacks}. {advice}")
    kind = last_step(estimator)
    if not hasattr(kind, "__sklearn_tags__"):
        return
    if not capabilities.regressors and is_regressor(kind):
        raise ValueError(
            f"{name} is for classifiers, but {label} is a regressor. Use "
            "'predictive_std', 'k_center' or 'random'."
        )
    if not capabilities.classifiers and is_classifier(kind):
        raise ValueError(
            f"{name} is for regressors, but {label} is a classifier. Use 'margin' or "
            "'entropy'."
        )
