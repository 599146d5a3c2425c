"""From the alias of a family to the family."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from bead_sklearn.families._base import Family
from bead_sklearn.families._bernoulli import Bernoulli, BernoulliProbit
from bead_sklearn.families._beta import Beta, OrderedBeta
from bead_sklearn.families._cumulative import CumulativeLogit, CumulativeProbit
from bead_sklearn.families._lognormal import LogNormal
from bead_sklearn.families._normal import Normal
from bead_sklearn.families._truncated_normal import TruncatedNormal

_FAMILIES: dict[str, type[Family]] = {
    family.name: family
    for family in (
        Bernoulli,
        BernoulliProbit,
        Beta,
        CumulativeLogit,
        CumulativeProbit,
        LogNormal,
        Normal,
        OrderedBeta,
        TruncatedNormal,
    )
}


def get_family_names(
    response: str | None = None, *, also: Collection[str] = ()
) -> list[str]:
    """Return the aliases that :func:`get_family` resolves, sorted.

    Parameters
    ----------
    response : {"binary", "ordinal", "bounded", "real"}, default=None
        Only families of this kind of response.
    also : collection of str, default=()
        Names of families of other kinds of response to include.

    Examples
    --------
    >>> from bead_sklearn.families import get_family_names
    >>> get_family_names("real")
    ['lognormal', 'normal']
    >>> get_family_names("bounded")
    ['beta', 'ordered_beta', 'truncated_normal']
    """
    return sorted(
        name
        for name, family in _FAMILIES.items()
        if response is None or family.response == response or name in also
    )


def get_family(
    family: str | Family,
    *,
    response: str | None = None,
    also: Collection[str] = (),
    **parameters: Any,
) -> Family:
    """Resolve the alias of a family; a family object is returned as it is.

    Parameters
    ----------
    family : str or Family
        An alias from :func:`get_family_names` or an object.
    response : {"binary", "ordinal", "bounded", "real"}, default=None
        Kind of response the family must be for.
    also : collection of str, default=()
        Names of families for other kinds of response that will do too.
    **parameters : dict
        Arguments of the family, such as ``n_categories``; without effect on an
        object, which has its own.

    Returns
    -------
    family : Family
        The response distribution.

    Raises
    ------
    ValueError
        If the alias is unknown or the family is for another kind of response.
    TypeError
        If ``family`` is neither a string nor a :class:`Family`.

    Examples
    --------
    >>> from bead_sklearn.families import get_family
    >>> get_family("bernoulli").link
    'logit'
    >>> get_family("cumulative_probit", n_categories=4).n_categories
    4
    """
    known = get_family_names(response, also=also)
    if isinstance(family, str):
        if family not in known:
            raise ValueError(f"Unknown family {family!r}. Known families: {known}.")
        return _FAMILIES[family](**parameters)
    if not isinstance(family, Family):
        raise TypeError(
            "The family must be a string or a bead_sklearn.families.Family. "
            f"Got {family!r} instead."
        )
    kinds = {None, family.response}
    if response not in kinds and family.name not in also:
        raise ValueError(
            f"The family {family.name!r} is for {family.response} responses; this "
            f"estimator needs one for {response} responses. Known families: {known}."
        )
    return family
