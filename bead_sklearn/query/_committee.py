"""Several classifiers as one, whose members may know different classes."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils import (
    Tags,
    assert_all_finite,
    check_random_state,
    get_tags,
    indexable,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import (
    check_is_fitted,
    column_or_1d,
    has_fit_parameter,
    validate_data,
)

from bead_sklearn._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    _check_sample_weight,
    _fit_context,
    _safe_indexing,
)
from bead_sklearn.model_selection._groups import groups_kwargs
from bead_sklearn.query._members import Members

#: Draws of a bootstrap sample before one with a single class is accepted.
_MAX_DRAWS = 100


class CommitteeClassifier(ClassifierMixin, BaseEstimator):
    """A committee of classifiers for query by committee.

    Each member is fitted to the labels, or to a bootstrap sample of them. The committee
    predicts the mean of the members' probabilities over all classes; a class that a
    member has not seen has probability zero for it.

    Parameters
    ----------
    estimators : estimator or list of estimators, default=None
        One estimator, of which ``n_estimators`` copies are the members, or the members
        themselves. None is a LogisticRegression.
    n_estimators : int, default=5
        Number of copies, if there is one estimator.
    bootstrap : "auto" or bool, default="auto"
        Whether each member learns from a bootstrap sample: rows drawn with replacement,
        or whole participants where ``groups`` are given. "auto" does so for copies of
        one estimator, which would otherwise agree.
    n_jobs : int, default=None
        Number of members fitted at a time.
    random_state : int, RandomState instance or None, default=None
        Seed of the samples and of the members.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted members.
    classes_ : ndarray of shape (n_classes,)
        All classes in the labels.
    n_features_in_, feature_names_in_
        Those of the rows, if they have any.

    See Also
    --------
    VoteEntropySampling : Asks where the members vote differently.

    References
    ----------
    .. [1] Seung, Opper & Sompolinsky (1992), Query by committee. COLT.
    .. [2] Abe & Mamitsuka (1998), Query learning strategies using boosting and
       bagging. ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from bead_sklearn.query import CommitteeClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> committee = CommitteeClassifier(
    ...     [LogisticRegression(max_iter=1000), GaussianNB()]
    ... ).fit(X, y)
    >>> committee.vote(X[:2])
    array([[0, 0],
           [0, 0]])
    """

    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__predict: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__predict_proba: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__score: ClassVar[dict[str, bool]] = {"groups": True}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimators": [HasMethods(["fit", "predict_proba"]), list, tuple, None],
        "n_estimators": [Interval(Integral, 2, None, closed="left")],
        "bootstrap": [StrOptions({"auto"}), "boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimators: Any = None,
        *,
        n_estimators: int = 5,
        bootstrap: str | bool = "auto",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimators = estimators
        self.n_estimators = n_estimators
        self.bootstrap = bootstrap
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> Self:
        """Fit the members.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The rows: array, sparse matrix, list of str or data frame.
        y : array-like of shape (n_samples,)
            Their labels.
        groups : array-like of shape (n_samples,), default=None
            Participant ids.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, which all members must take.

        Returns
        -------
        self : object
            The fitted committee.

        Raises
        ------
        ValueError
            If a list of members has fewer than two, y is missing, or a member does not
            take the weights given.
        """
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but "
                "the target y is None."
            )
        templates = self._templates()
        X, y, groups = indexable(X, y, groups)
        validate_data(self, X, y, skip_check_array=True)
        labels = column_or_1d(y, warn=True)
        if labels.dtype.kind == "f":
            assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, np.empty(len(labels)), ensure_non_negative=True
            )
            for member in templates:
                if not has_fit_parameter(member, "sample_weight"):
                    raise ValueError(
                        f"{type(member).__name__}, a member of the committee, takes no "
                        "sample_weight, which would be ignored."
                    )
        classes = np.unique(labels)
        rng = check_random_state(self.random_state)
        samples = [self._sample(labels, groups, rng) for _ in templates]
        for member in templates:
            if "random_state" in member.get_params(deep=False):
                member.set_params(random_state=int(rng.randint(2**31 - 1)))
        self.estimators_ = Parallel(n_jobs=self.n_jobs)(
            delayed(_fit_member)(member, X, labels, groups, sample_weight, rows)
            for member, rows in zip(templates, samples, strict=True)
        )
        self.classes_ = classes
        return self

    def _templates(self) -> list[Any]:
        given = self.estimators
        if isinstance(given, list | tuple):
            if len(given) < 2:
                raise ValueError(
                    f"estimators must hold at least two members, got {len(given)}."
                )
            return [clone(member) for member in given]
        one = LogisticRegression(max_iter=1000) if given is None else given
        return [clone(one) for _ in range(self.n_estimators)]

    def _resamples(self) -> bool:
        if self.bootstrap == "auto":
            return not isinstance(self.estimators, list | tuple)
        return bool(self.bootstrap)

    def _sample(
        self, labels: NDArray[Any], groups: Any, rng: np.random.RandomState
    ) -> NDArray[np.intp] | None:
        """Draw the rows of a member; samples with one class are drawn again."""
        if not self._resamples():
            return None
        n = len(labels)
        at_least = min(2, len(np.unique(labels)))
        if groups is None:
            blocks = [np.array([row]) for row in range(n)]
        else:
            codes = np.unique(np.asarray(groups), return_inverse=True)[1]
            order = np.argsort(codes, kind="stable")
            blocks = np.split(order, np.cumsum(np.bincount(codes))[:-1])
        rows = np.arange(n)
        for _ in range(_MAX_DRAWS):
            drawn = rng.randint(len(blocks), size=len(blocks))
            rows = np.concatenate([blocks[block] for block in drawn])
            if len(np.unique(labels[rows])) >= at_least:
                return rows
        return np.arange(n)

    # Predicting ---------------------------------------------------------------------

    def vote_proba(self, X: Any, *, groups: Any = None) -> NDArray[np.float64]:
        """Return what each member says.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The rows.
        groups : array-like of shape (n_samples,), default=None
            Participant ids, for members that take them.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_members, n_classes)
            Probabilities of each member over ``classes_``.
        """
        check_is_fitted(self)
        if getattr(X, "ndim", 2) == 2 and hasattr(self, "n_features_in_"):
            validate_data(self, X, reset=False, skip_check_array=True)
        (said,) = Members(self).stacked(X, groups)
        return np.asarray(said.transpose(1, 0, 2))

    def vote(self, X: Any, *, groups: Any = None) -> NDArray[Any]:
        """Return the class that each member votes for.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The rows.
        groups : array-like of shape (n_samples,), default=None
            Participant ids.

        Returns
        -------
        labels : ndarray of shape (n_samples, n_members)
            Labels.
        """
        said = self.vote_proba(X, groups=groups)
        return np.asarray(self.classes_[said.argmax(axis=2)])

    def predict_proba(self, X: Any, *, groups: Any = None) -> NDArray[np.float64]:
        """Return the mean probabilities of the members.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The rows.
        groups : array-like of shape (n_samples,), default=None
            Participant ids.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return np.asarray(self.vote_proba(X, groups=groups).mean(axis=1))

    def predict(self, X: Any, *, groups: Any = None) -> NDArray[Any]:
        """Return the most probable class of the committee.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The rows.
        groups : array-like of shape (n_samples,), default=None
            Participant ids.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            One of ``classes_`` for each row.
        """
        best = self.predict_proba(X, groups=groups).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def score(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> float:
        """Return the accuracy of `predict`.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The rows.
        y : array-like of shape (n_samples,)
            Their labels.
        groups : array-like of shape (n_samples,), default=None
            Participant ids.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            Share of labels predicted correctly.
        """
        right = self.predict(X, groups=groups) == np.asarray(y)
        return float(np.average(right, weights=sample_weight))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        members: Sequence[Any] = (
            self.estimators
            if isinstance(self.estimators, list | tuple)
            else [self.estimators or LogisticRegression()]
        )
        for kind in ("sparse", "string", "allow_nan"):
            each = [getattr(get_tags(member).input_tags, kind) for member in members]
            setattr(tags.input_tags, kind, all(each))
        return tags


def _fit_member(
    member: Any,
    X: Any,
    labels: NDArray[Any],
    groups: Any,
    sample_weight: Any,
    rows: NDArray[np.intp] | None,
) -> Any:
    """Fit one member to its rows."""
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    if rows is None:
        return member.fit(X, labels, **weights, **groups_kwargs(member, "fit", groups))
    who = None if groups is None else _safe_indexing(groups, rows)
    weights = {name: value[rows] for name, value in weights.items()}
    return member.fit(
        _safe_indexing(X, rows),
        labels[rows],
        **weights,
        **groups_kwargs(member, "fit", who),
    )
