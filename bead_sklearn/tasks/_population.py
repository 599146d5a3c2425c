"""What levels not seen in fit stand for, factor by factor."""

from __future__ import annotations

from collections.abc import Collection, Mapping

POPULATIONS = ("marginal", "conditional")


def marginal_factors(
    population: str | Mapping[str, str], factors: Collection[str]
) -> frozenset[str]:
    """Return the factors whose unknown levels are any level.

    Parameters
    ----------
    population : {"marginal", "conditional"} or dict
        One of them for all factors, or by the name of the factor. A factor that a
        dict does not name is "marginal".
    factors : collection of str
        Factors of the model.

    Returns
    -------
    factors : frozenset of str
        Those that are "marginal".

    Raises
    ------
    ValueError
        If a dict names an unknown factor, or holds another value.

    Examples
    --------
    >>> sorted(marginal_factors({"item": "conditional"}, ["participant", "item"]))
    ['participant']
    """
    if isinstance(population, str):
        population = dict.fromkeys(factors, population)
    for name, value in population.items():
        if name not in factors:
            raise ValueError(
                f"population names the factor {name!r}, which the model does not "
                f"have. Its factors: {sorted(factors)}."
            )
        if value not in POPULATIONS:
            raise ValueError(
                f"population must be 'marginal' or 'conditional' for each factor. "
                f"Got {value!r} for {name!r}."
            )
    return frozenset(
        name for name in factors if population.get(name, "marginal") == "marginal"
    )
