"""Members of a committee: finding them, and probabilities over common classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import (
    BaggingClassifier,
    BaseEnsemble,
    ExtraTreesClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)

from bead_sklearn._sklearn import _num_samples, _safe_indexing
from bead_sklearn.model_selection._groups import groups_kwargs

#: Their members are fitted to the numbers of the classes, not to the labels.
_ENCODING = (
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)


def last_step(estimator: Any) -> Any:
    """Return the estimator at the end of a Pipeline, or the one that is wrapped.

    A search that is fitted stands for its best estimator, a learner (modAL's included)
    for the estimator it teaches.
    """
    while True:
        if hasattr(estimator, "steps") and estimator.steps:
            estimator = estimator.steps[-1][1]
            continue
        inner = wrapped(estimator)
        if inner is None:
            return estimator
        estimator = inner


def wrapped(estimator: Any) -> Any:
    """Return the estimator that a search or a learner stands for, None for others."""
    names = ["best_estimator_"]
    if hasattr(estimator, "teach") or hasattr(estimator, "tell"):
        names += ["estimator_", "estimator"]
    for name in names:
        inner = getattr(estimator, name, None)
        if hasattr(inner, "fit"):
            return inner
    return None


def is_committee(estimator: Any) -> bool:
    """Whether an estimator, fitted or not, has several members that predict."""
    if isinstance(estimator, list | tuple):
        return all(hasattr(member, "predict") for member in estimator)
    inner = last_step(estimator)
    # Others have several estimators too, one per class or per target.
    ensembles = (BaseEnsemble, StackingClassifier, VotingClassifier)
    return hasattr(inner, "vote_proba") or isinstance(inner, ensembles)


def align_classes(
    probabilities: ArrayLike, known: ArrayLike, classes: ArrayLike
) -> NDArray[np.float64]:
    """Write class probabilities over a longer list of classes.

    Parameters
    ----------
    probabilities : array-like of shape (n_samples, n_known)
        Probabilities of the classes a member knows.
    known : array-like of shape (n_known,)
        Those classes.
    classes : array-like of shape (n_classes,)
        All classes, in the order wanted.

    Returns
    -------
    aligned : ndarray of shape (n_samples, n_classes)
        Classes that the member does not know have probability 0.

    Raises
    ------
    ValueError
        If a class of the member is not among them all.

    Examples
    --------
    >>> align_classes([[0.2, 0.8]], ["b", "d"], ["a", "b", "d"])
    array([[0. , 0.2, 0.8]])
    """
    values = np.asarray(probabilities, dtype=np.float64)
    place = {label: k for k, label in enumerate(np.asarray(classes).tolist())}
    labels = np.asarray(known).tolist()
    if labels == list(place):
        return values
    unknown = [label for label in labels if label not in place]
    if unknown:
        raise ValueError(
            f"A member of the committee knows the classes {unknown}, which are not "
            f"among {list(place)}."
        )
    aligned = np.zeros((len(values), len(place)))
    aligned[:, [place[label] for label in labels]] = values
    return aligned


class Members:
    """The fitted members of a committee.

    Parameters
    ----------
    estimator : estimator or list of estimators
        A fitted committee, perhaps at the end of a Pipeline.

    Attributes
    ----------
    members : list of estimators
        Those that predict probabilities.
    classes : list of ndarray
        The classes of each output, over which the probabilities are aligned.
    """

    def __init__(self, estimator: Any) -> None:
        self._transforms: list[Any] = []
        if hasattr(estimator, "teach") and hasattr(estimator, "estimator"):
            estimator = estimator.estimator  # a learner such as modAL's
        while hasattr(estimator, "steps"):
            self._transforms += [step for _, step in estimator.steps[:-1]]
            estimator = estimator.steps[-1][1]
        self._committee = estimator
        self.members = _find(estimator)
        self._columns = getattr(estimator, "estimators_features_", None)
        self._encoded = isinstance(estimator, _ENCODING)
        classes = getattr(estimator, "classes_", None)
        if classes is None:
            known = [np.asarray(member.classes_) for member in self.members]
            classes = np.unique(np.concatenate(known))
        several = isinstance(classes, list)
        self.classes = [
            np.asarray(each) for each in (classes if several else [classes])
        ]
        self._several = several

    def __len__(self) -> int:
        """Count the members."""
        return len(self.members)

    def rows(self, X: Any) -> Any:
        """Return the pool as the members take it."""
        for step in self._transforms:
            if hasattr(step, "transform"):
                X = step.transform(X)
        return X

    def probabilities(
        self, X: Any, groups: Any = None, *, name: str = "groups"
    ) -> Iterator[list[NDArray[np.float64]]]:
        """Yield what each member says of rows that `rows` returned.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The rows.
        groups : array-like of shape (n_samples,), default=None
            Participant ids.
        name : str, default="groups"
            Name under which they travel.

        Yields
        ------
        outputs : list of ndarray of shape (n_samples, n_classes)
            One array per output.
        """
        for k, member in enumerate(self.members):
            given = X if self._columns is None else X[:, self._columns[k]]
            kwargs = groups_kwargs(member, "predict_proba", groups, name=name)
            probabilities = member.predict_proba(given, **kwargs)
            if self._several:
                yield [np.asarray(output, dtype=np.float64) for output in probabilities]
                continue
            (classes,) = self.classes
            known = getattr(member, "classes_", classes)
            if self._encoded:
                known = classes[np.asarray(known).astype(np.intp)]
            yield [align_classes(probabilities, known, classes)]

    def stacked(self, X: Any, groups: Any = None, *, name: str = "groups") -> list[Any]:
        """Return the probabilities of all members at once.

        Returns
        -------
        outputs : list of ndarray of shape (n_members, n_samples, n_classes)
            One array per output.
        """
        given = self.rows(X)
        said = list(self.probabilities(given, groups, name=name))
        return [np.stack(output) for output in zip(*said, strict=True)]


def chunks(n_rows: int, size: int) -> Iterator[slice]:
    """Yield slices that cover n_rows in steps of a size."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def rows_at(X: Any, part: slice) -> Any:
    """Return some rows, the container itself if these are all of them."""
    if part.start == 0 and part.stop == _num_samples(X):
        return X
    if isinstance(X, np.ndarray | list):
        return X[part]
    return _safe_indexing(X, np.arange(part.start, part.stop))


def _find(estimator: Any) -> list[Any]:
    if isinstance(estimator, list | tuple):
        found = list(estimator)
    else:
        found = getattr(estimator, "learner_list", None) or getattr(
            estimator, "estimators_", []
        )
    rows = [row if isinstance(row, np.ndarray) else [row] for row in found]
    found = [member for row in rows for member in row if not isinstance(member, str)]
    without = [m for m in found if not hasattr(m, "predict_proba")]
    if without or len(found) < 2:
        shown = type(estimator).__name__
        reason = (
            f"its member {type(without[0]).__name__} has no predict_proba"
            if without
            else f"it has {len(found)} fitted member(s)"
        )
        raise ValueError(
            "A committee needs at least two fitted members with predict_proba, but of "
            f"{shown} {reason}."
        )
    return found
