"""What there is in a fitted task model: its last step, its factors."""

from __future__ import annotations

from typing import Any

from bead_sklearn.query._members import wrapped


def at_last_step(estimator: Any, X: Any, *, transform: bool = True) -> tuple[Any, Any]:
    """Return the innermost estimator, and X as it reaches that estimator.

    Parameters
    ----------
    estimator : estimator
        A Pipeline, a search or a learner, or an estimator itself.
    X : array-like of shape (n_samples, ...)
        Rows.
    transform : bool, default=True
        Whether X goes through the steps of a Pipeline; otherwise it stays.
    """
    while True:
        if hasattr(estimator, "steps"):
            for _, step in estimator.steps[:-1] if transform else ():
                X = step.transform(X) if hasattr(step, "transform") else X
            estimator = estimator.steps[-1][1]
            continue
        inner = wrapped(estimator)
        if inner is None:
            return estimator, X
        estimator = inner


def participant_factors(model: Any, participant: str | None) -> tuple[str, ...]:
    """Return the factors of a fitted task model whose levels are participants."""
    names = [structure.name for structure in model._structures]
    by_source = {item.name: set(item.sources) for item in model._structures}
    if participant is not None:
        found = tuple(
            n for n in names if participant in by_source[n] or participant == n
        )
        if not found:
            raise ValueError(
                f"participant={participant!r} is no factor of the model. Its factors "
                f"are {names}."
            )
        return found
    given = set(model._group_factors)
    if given:
        return tuple(name for name in names if by_source[name] & given)
    if len(names) > 1:
        raise ValueError(
            f"The model has the factors {names}. Say which of them are the "
            "participants, for instance participant='participant'."
        )
    return tuple(names)
