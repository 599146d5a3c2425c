"""Checks that any model of judgments with participants should pass.

scikit-learn's `check_estimator` knows nothing of ``groups``. These checks say what a
model that takes participant ids owes its users, whoever wrote it:

>>> from bead_sklearn import BinaryClassifier
>>> from bead_sklearn.utils.estimator_checks import parametrize_with_group_checks
>>> @parametrize_with_group_checks([BinaryClassifier()])
... def test_groups(estimator, check):
...     check(estimator)
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.utils import get_tags

from bead_sklearn._frames import make_frame

Check = Callable[[Any], None]

_N_PEOPLE, _N_EACH = 8, 20

#: Two fits of the same data in another form may differ by so much.
_TOLERANCE = 1e-4

#: How much better, in mean log likelihood or R2, knowing the participants must be.
_GAIN = 0.01


def parametrize_with_group_checks(
    estimators: list[Any],
    *,
    expected_failed_checks: Callable[[Any], dict[str, str]] | None = None,
) -> Any:
    """Return a pytest decorator that runs all checks on some models.

    Parameters
    ----------
    estimators : list of estimator
        Models whose ``fit`` and ``predict`` take ``groups``.
    expected_failed_checks : callable, default=None
        From a model to the names of checks that it cannot pass, and why.

    Returns
    -------
    decorator : pytest.mark.parametrize
        Of a test function with the arguments ``estimator`` and ``check``.

    See Also
    --------
    sklearn.utils.estimator_checks.parametrize_with_checks : Checks of everything else.
    """
    import pytest

    cases = []
    for model in estimators:
        failing = (
            {} if expected_failed_checks is None else expected_failed_checks(model)
        )
        for check in group_checks():
            name = _name(check)
            reason = failing.get(name.partition("(")[0])
            marks = (
                () if reason is None else pytest.mark.xfail(reason=reason, strict=True)
            )
            title = f"{type(model).__name__}-{name}"
            cases.append(pytest.param(clone(model), check, id=title, marks=marks))
    return pytest.mark.parametrize(("estimator", "check"), cases)


def group_checks() -> Iterator[Check]:
    """Yield all checks; each takes an unfitted model and raises if it fails."""
    yield check_participants_matter
    yield check_unknown_participants
    yield check_no_participants
    yield check_names_of_participants
    yield check_order_of_judgments
    yield check_prediction_of_single_rows
    yield check_columns_of_several_factors
    yield check_text_containers
    yield check_bad_groups
    yield check_pickle_with_groups
    for enabled in (False, True):
        yield partial(check_group_k_fold, enable_metadata_routing=enabled)


def check_participants_matter(estimator: Any) -> None:
    """Check that predictions are better with participants where these differ."""
    X, y, groups = _judgments(estimator)
    model = _fit(estimator, X, y, groups)
    known, new = (_goodness(model, X, y, ids) for ids in (groups, None))
    assert known > new + _GAIN, (
        f"{_title(estimator)}: participants differ, but predictions for them (mean "
        f"log likelihood or R2 {known:.3f}) are no better than those for a new one "
        f"({new:.3f})."
    )


def check_unknown_participants(estimator: Any) -> None:
    """Check that participants not seen in fit are predicted as new ones."""
    X, y, groups = _judgments(estimator)
    model = _fit(estimator, X, y, groups)
    unknown = np.array([f"unknown{i}" for i in range(len(y))], dtype=object)
    _assert_close(
        _predict(model, X, unknown), _predict(model, X, None), 1e-12, estimator
    )


def check_no_participants(estimator: Any) -> None:
    """Check that fit and predict work without groups."""
    X, y, _ = _judgments(estimator)
    model = _fit(estimator, X, y, None)
    assert len(_predict(model, X, None)) == len(y)


def check_names_of_participants(estimator: Any) -> None:
    """Check that ids of any type, under any names, mean the same."""
    X, y, groups = _judgments(estimator)
    expected = _predict(_fit(estimator, X, y, groups), X, groups)
    places = np.unique(groups, return_inverse=True)[1]
    tuples = np.empty(len(places), dtype=object)
    tuples[:] = [("lab", int(place)) for place in places]
    for ids in (places[::-1].max() - places, tuples, list(groups)):
        found = _predict(_fit(estimator, X, y, ids), X, ids)
        _assert_close(found, expected, _TOLERANCE, estimator)


def check_order_of_judgments(estimator: Any) -> None:
    """Check that the order of the rows does not matter."""
    X, y, groups = _judgments(estimator)
    expected = _predict(_fit(estimator, X, y, groups), X, groups)
    order = np.random.RandomState(1).permutation(len(y))
    model = _fit(estimator, X[order], y[order], groups[order])
    _assert_close(_predict(model, X, groups), expected, _TOLERANCE, estimator)


def check_prediction_of_single_rows(estimator: Any) -> None:
    """Check that predictions for a row do not depend on the other rows."""
    X, y, groups = _judgments(estimator)
    model = _fit(estimator, X, y, groups)
    together = _predict(model, X[:5], groups[:5])
    alone = [_predict(model, X[i : i + 1], groups[i : i + 1])[0] for i in range(5)]
    _assert_close(np.array(alone), together, 1e-7, estimator)


def check_columns_of_several_factors(estimator: Any) -> None:
    """Check that groups may be a table with a column per factor."""
    X, y, groups = _judgments(estimator)
    factors = make_frame({"participant": groups})
    if isinstance(factors, list):  # no library of data frames is installed
        return
    expected = _predict(_fit(estimator, X, y, groups), X, groups)
    found = _predict(_fit(estimator, X, y, factors), X, factors)
    _assert_close(found, expected, _TOLERANCE, estimator)


def check_text_containers(estimator: Any) -> None:
    """Check that texts in any container mean the same."""
    if not get_tags(estimator).input_tags.string:
        return
    words = np.array(["red", "green", "blue", "old", "new", "cat", "dog", "cow"])
    rng = np.random.RandomState(0)
    rows = rng.randint(12, size=_N_PEOPLE * _N_EACH)
    texts = [" ".join(rng.choice(words, 3)) for _ in range(12)]
    X = [texts[row] for row in rows]
    _, y, groups = _judgments(estimator)
    expected = _predict(_fit(estimator, X, y, groups), X, groups)
    for container in (
        np.array(X),
        np.array(X, dtype=object),
        [{"text": text} for text in X],
        make_frame({"text": np.array(X, dtype=object)}),
    ):
        model = _fit(estimator, container, y, groups)
        _assert_close(_predict(model, container, groups), expected, 1e-7, estimator)


def check_bad_groups(estimator: Any) -> None:
    """Check that missing, empty or too few ids are errors."""
    X, y, groups = _judgments(estimator)
    for value in (None, "", float("nan")):
        bad = groups.astype(object)
        bad[3] = value
        _assert_raises(estimator, X, y, bad, f"the id {value!r}")
    _assert_raises(estimator, X, y, groups[:-1], "one id too few")


def check_pickle_with_groups(estimator: Any) -> None:
    """Check that a pickled model knows its participants."""
    X, y, groups = _judgments(estimator)
    model = _fit(estimator, X, y, groups)
    copy = pickle.loads(pickle.dumps(model))
    _assert_close(_predict(copy, X, groups), _predict(model, X, groups), 0.0, estimator)


def check_group_k_fold(estimator: Any, *, enable_metadata_routing: bool) -> None:
    """Check cross-validation over participants, with routing and without."""
    X, y, groups = _judgments(estimator)
    how = "params" if enable_metadata_routing else "groups"
    passed: Any = {"groups": groups} if enable_metadata_routing else groups
    with (
        sklearn.config_context(enable_metadata_routing=enable_metadata_routing),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        results = cross_validate(
            clone(estimator),
            X,
            y,
            cv=GroupKFold(2),
            error_score="raise",
            return_estimator=True,
            **{how: passed},
        )
    assert np.isfinite(results["test_score"]).all()
    if enable_metadata_routing:  # then fit has the participants
        for model in results["estimator"]:
            known = _predict(model, X, groups)
            assert not np.array_equal(known, _predict(model, X, None)), (
                f"{_title(estimator)}: groups did not reach fit through metadata "
                "routing. Request them by __metadata_request__fit = {'groups': True}."
            )


def _judgments(estimator: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Judgments of participants who differ, of the kind that a model takes."""
    rng = np.random.RandomState(0)
    groups = np.repeat([f"p{i}" for i in range(_N_PEOPLE)], _N_EACH)
    X = rng.normal(size=(len(groups), 2))
    tags = get_tags(estimator)
    n_outputs = 3
    if tags.classifier_tags is not None and not tags.classifier_tags.multi_class:
        n_outputs = 2
    people = 2.0 * rng.normal(size=(_N_PEOPLE, n_outputs))
    eta = X @ rng.normal(size=(2, n_outputs)) + np.repeat(people, _N_EACH, axis=0)
    if not is_classifier(estimator):
        y = 0.5 + 0.08 * (eta[:, 0] + 0.5 * rng.normal(size=len(eta)))
        return X, y.clip(0.01, 0.99), groups
    if tags.target_tags.two_d_labels:
        return X, (eta + rng.logistic(size=eta.shape) > 0).astype(int), groups
    labels = np.array(["a", "b", "c"], dtype=object)
    return X, labels[(eta + rng.gumbel(size=eta.shape)).argmax(axis=1)], groups


def _fit(estimator: Any, X: Any, y: np.ndarray, groups: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(estimator).fit(X, y, groups=groups)


def _predict(model: Any, X: Any, groups: Any) -> np.ndarray:
    predict = model.predict_proba if is_classifier(model) else model.predict
    return np.asarray(predict(X, groups=groups))


def _goodness(model: Any, X: Any, y: np.ndarray, groups: Any) -> float:
    """Mean log likelihood of labels, or R2 of numbers."""
    predicted = _predict(model, X, groups)
    if not is_classifier(model):
        return float(1.0 - np.mean((y - predicted) ** 2) / np.var(y))
    if y.ndim == 2:
        return float(np.log(np.where(y == 1, predicted, 1.0 - predicted)).mean())
    columns = {label: k for k, label in enumerate(model.classes_.tolist())}
    codes = np.array([columns[label] for label in y.tolist()])
    return float(np.log(predicted[np.arange(len(y)), codes]).mean())


def _assert_close(
    found: np.ndarray, expected: np.ndarray, tolerance: float, estimator: Any
) -> None:
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=tolerance, err_msg=_title(estimator)
    )


def _assert_raises(
    estimator: Any, X: np.ndarray, y: np.ndarray, groups: Any, what: str
) -> None:
    try:
        _fit(estimator, X, y, groups)
    except ValueError:
        return
    raise AssertionError(f"{_title(estimator)}: fit took groups with {what}.")


def _title(estimator: Any) -> str:
    return type(estimator).__name__


def _name(check: Check) -> str:
    if isinstance(check, partial):
        given = ", ".join(f"{key}={value}" for key, value in check.keywords.items())
        return f"{check.func.__name__}({given})"
    return str(getattr(check, "__name__", check))
