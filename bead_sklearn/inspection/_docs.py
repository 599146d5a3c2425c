"""Documentation that functions on fitted models share."""

from __future__ import annotations

from typing import TypeVar

from bead_sklearn._docs import fill

_T = TypeVar("_T")

_MODEL = """\
model : MixedModel
    A fitted task model.
"""

_INTERVALS = """\
X, y, groups, sample_weight : as passed to ``fit``
    The data of the fit, which models do not keep. "wald" needs none.
method : {"profile", "wald", "bootstrap"}, default="profile"
    By the profile likelihood, from standard errors (of fixed effects, thresholds
    and dispersions only), or from refits to simulated responses.
parameters : list of str, default=None
    Names as in the result, such as ``"sd_(Intercept)|participant"``, ``"sigma"`` or
    the name of a column. None takes all; with "profile" and a restricted likelihood,
    which does not contain the fixed effects, all others.
level : float, default=0.95
    Coverage.
"""

_SIMULATED = """\
X, y, groups, sample_weight : as passed to ``fit``
    The data of the fit, which models do not keep. Weights must be integers: a row
    with weight w is simulated as w judgments.
"""

_SIMULATIONS = """\
n_bootstrap : int, default=500
    Number of simulations.
random_state : int, RandomState or None, default=None
    Seed. Results do not depend on ``n_jobs``.
n_jobs : int, default=None
    Simulations fitted in parallel, as in joblib.
"""

_VERBOSE = """\
verbose : int, default=0
    Progress messages, as in joblib.
"""

_CONTAINER = """\
container : {"auto", "pandas", "polars", "records"}, default="auto"
    What the table is; "auto" is pandas if installed, else polars, else records.
"""

_PARTS = {
    "model": _MODEL,
    "intervals": _INTERVALS,
    "simulated": _SIMULATED,
    "simulations": _SIMULATIONS,
    "verbose": _VERBOSE,
    "container": _CONTAINER,
}


def fill_docs(documented: _T) -> _T:
    """Put the shared documentation in place of lines such as ``{simulations}``.

    Parameters
    ----------
    documented : class or function
        Has a docstring with such lines.

    Returns
    -------
    documented : class or function
        The same object.
    """
    return fill(documented, _PARTS)
