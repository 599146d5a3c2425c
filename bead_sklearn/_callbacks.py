"""scikit-learn's callbacks, contained in one module.

``sklearn.callback`` is experimental: it may change without a deprecation. Everything
the suite takes from it passes through here, so that such a change touches one file.
Progress bars come from scikit-learn (``ProgressBar``); the suite has none of its own.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from sklearn.callback import CallbackSupportMixin

__all__ = ["CallbackSupportMixin", "propagate_callbacks"]


def propagate_callbacks(context: Any, estimator: Any) -> AbstractContextManager[None]:
    """Hand the callbacks of a task on to the estimator fitted in it.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext or None
        The task in which ``estimator`` is fitted; it must have no subtasks of its own.
        None where no callbacks are in use, as in an interactive session.
    estimator : estimator
        The sub-estimator about to be fitted.

    Returns
    -------
    manager : context manager
        Fit the estimator inside it. An estimator without callback support is fitted
        as it is: its task still ends, there is only nothing to see below it.
    """
    if context is None or not hasattr(estimator, "set_callbacks"):
        return nullcontext()
    manager: AbstractContextManager[None] = context.propagate_callback_context(
        estimator
    )
    return manager
