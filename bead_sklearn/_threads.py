"""Threads of the linear algebra library."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from bead_sklearn._sklearn import _get_threadpool_controller

#: Sides of the dense matrices from which several threads pay. Below it they cost more
#: than they bring: several times the time of one thread was measured for fits with a
#: few hundred columns.
_WORTH_THREADS = 1000


def blas_threads(size: int) -> AbstractContextManager[Any]:
    """Limit linear algebra to one thread where matrices are small.

    Parameters
    ----------
    size : int
        Side of the largest dense matrix.

    Returns
    -------
    manager : context manager
        Restores the number of threads at its end.

    Examples
    --------
    >>> with blas_threads(10):
    ...     pass
    """
    if size >= _WORTH_THREADS:
        return nullcontext()
    limit: AbstractContextManager[Any] = _get_threadpool_controller().limit(
        limits=1, user_api="blas"
    )
    return limit
