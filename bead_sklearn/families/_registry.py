"""From the alias of a family to the family."""

from __future__ import annotations

from bead_sklearn.families._base import Family
from bead_sklearn.families._bernoulli import Bernoulli
from bead_sklearn.families._normal import Normal

_FAMILIES: dict[str, type[Family]] = {
    family.name: family for family in (Bernoulli, Normal)
}


def get_family_names() -> list[str]:
    """Return the aliases that :func:`get_family` resolves, sorted.

    Examples
    --------
    >>> from bead_sklearn.families import get_family_names
    >>> get_family_names()
    ['bernoulli', 'normal']
    """
    return sorted(_FAMILIES)


def get_family(family: str | Family) -> Family:
    """Resolve the alias of a family; a family object is returned as it is.

    Parameters
    ----------
    family : str or Family
        An alias from :func:`get_family_names` or an object.

    Returns
    -------
    family : Family
        The response distribution.

    Raises
    ------
    ValueError
        If the alias is unknown.
    TypeError
        If ``family`` is neither a string nor a :class:`Family`.

    Examples
    --------
    >>> from bead_sklearn.families import get_family
    >>> get_family("bernoulli").link
    'logit'
    """
    if isinstance(family, Family):
        return family
    if not isinstance(family, str):
        raise TypeError(
            "The family must be a string or a bead_sklearn.families.Family. "
            f"Got {family!r} instead."
        )
    if family not in _FAMILIES:
        raise ValueError(
            f"Unknown family {family!r}. Known families: {get_family_names()}."
        )
    return _FAMILIES[family]()
