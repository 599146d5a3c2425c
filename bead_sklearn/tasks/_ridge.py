"""When numeric columns stand under a ridge."""

from __future__ import annotations

#: With a smaller limiting sample size per numeric column, or per column after the
#: second, ``alpha="auto"`` puts the columns under a ridge. Its precision has to be
#: learned from the coefficients: with two or three it gains little (docs/engine.md).
PER_COLUMN, PER_COLUMN_AFTER_TWO = 10, 20


def takes_ridge(alpha: float | str, sample_size: float, n_columns: int) -> bool:
    """Return whether numeric columns stand under a ridge.

    Parameters
    ----------
    alpha : float or "auto"
        The estimator's parameter.
    sample_size : float
        Limiting sample size of the responses, see
        :meth:`~bead_sklearn.families.Family.limiting_sample_size`.
    n_columns : int
        Number of numeric columns.
    """
    if alpha == "auto":
        needed = max(PER_COLUMN * n_columns, PER_COLUMN_AFTER_TWO * (n_columns - 2))
        return sample_size < needed
    return n_columns > 0 and alpha != 0
