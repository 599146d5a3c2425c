"""From the alias of a family to the family."""

from __future__ import annotations

from bead_sklearn.families._base import Family
from bead_sklearn.families._bernoulli import Bernoulli, BernoulliProbit
from bead_sklearn.families._lognormal import LogNormal
from bead_sklearn.families._normal import Normal

_FAMILIES: dict[str, type[Family]] = {
    family.name: family for family in (Bernoulli, BernoulliProbit, LogNormal, Normal)
}


def get_family_names(response: str | None = None) -> list[str]:
    """Return the aliases that :func:`get_family` resolves, sorted.

    Parameters
    ----------
    response : {"binary", "real"}, default=None
        Only families of this kind of response.

    Examples
    --------
    >>> from bead_sklearn.families import get_family_names
    >>> get_family_names()
    ['bernoulli', 'bernoulli_probit', 'lognormal', 'normal']
    """
    return sorted(
        name
        for name, family in _FAMILIES.items()
        if response is None or family.response == response
    )


def get_family(family: str | Family, *, response: str | None = None) -> Family:
    """Resolve the alias of a family; a family object is returned as it is.

    Parameters
    ----------
    family : str or Family
        An alias from :func:`get_family_names` or an object.
    response : {"binary", "real"}, default=None
        Kind of response the family must be for.

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
    """
    known = get_family_names(response)
    if isinstance(family, str):
        if family not in known:
            raise ValueError(f"Unknown family {family!r}. Known families: {known}.")
        return _FAMILIES[family]()
    if not isinstance(family, Family):
        raise TypeError(
            "The family must be a string or a bead_sklearn.families.Family. "
            f"Got {family!r} instead."
        )
    if response is not None and family.response != response:
        raise ValueError(
            f"The family {family.name!r} is for {family.response} responses; this "
            f"estimator needs one for {response} responses. Known families: {known}."
        )
    return family
