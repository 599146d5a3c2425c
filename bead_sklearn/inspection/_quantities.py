"""The parameters of a model under the names that users see."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from bead_sklearn.effects import FactorStructure
from bead_sklearn.families import QuadraticFamily
from bead_sklearn.solvers import (
    Coefficient,
    Correlation,
    FamilyParameter,
    Quantity,
    ResidualDeviation,
    StandardDeviation,
)


def model_quantities(model: Any) -> list[Quantity]:
    """Return the estimated parameters of a fitted model.

    Standard deviations and correlations of the effects of each factor, sigma,
    thresholds and dispersion, then fixed effects; all for the columns of X as the user
    gave them. Variances that were not estimated are left out. A column with the name
    of another parameter, such as "sigma", gets the prefix "fixed_".

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    """
    structures = {structure.name: structure for structure in model._structures}
    variances = model._options.variances
    quantities: list[Quantity] = []
    for index, name in enumerate(model._posterior.factor_names):
        if variances.estimate and name not in variances.zero_factors:
            quantities += _of_factor(index, structures[name])
    family = model._family
    if isinstance(family, QuadraticFamily) and not family.fixed:
        quantities.append(ResidualDeviation("sigma"))
    quantities += family_quantities(model)
    features = model._features
    names = features.coefficient_names_
    taken = {quantity.name for quantity in quantities}
    quantities += [
        Coefficient(f"fixed_{name}" if name in taken else name, row)
        for name, row in zip(names, features.to_columns(), strict=True)
    ]
    return quantities


def family_quantities(model: Any) -> list[FamilyParameter]:
    """Return the parameters of the family of a fitted model.

    Thresholds are named by the labels that they part, as in "low|high"; those of a
    model with columns are for the averages of these, and say so.
    """
    labels = model._target_labels()
    where = " at average columns" if model._features.is_centred_ else ""
    quantities = []
    for index, parameter in enumerate(model._family.reported_parameters()):
        name = parameter.name
        if parameter.categories and labels:
            name = "|".join(str(labels[code]) for code in parameter.categories) + where
        quantities.append(FamilyParameter(name, index, parameter.is_positive))
    return quantities


def family_parameters(model: Any) -> dict[str, float]:
    """Return the parameters of the family of a fitted model by name."""
    fit = model._solution
    return {item.name: item.estimate(fit) for item in family_quantities(model)}


def select_quantities(
    quantities: list[Quantity], names: Collection[str] | None
) -> list[Quantity]:
    """Return the quantities with the given names, in their order; None is all.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    if names is None:
        return quantities
    if isinstance(names, str):
        names = [names]
    known = {quantity.name for quantity in quantities}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"parameters names {unknown[0]!r}, which the model does not have. Its "
            f"parameters: {[quantity.name for quantity in quantities]}."
        )
    return [quantity for quantity in quantities if quantity.name in names]


def _of_factor(index: int, factor: FactorStructure) -> list[Quantity]:
    structure = factor.structure
    to_columns = factor.to_columns()
    names = factor.effect_names
    on_diagonal = structure.rows == structure.columns
    effects, parameters = structure.rows[on_diagonal], structure.parameters[on_diagonal]
    scales = np.zeros(structure.size)
    scales[effects] = structure.scales[on_diagonal]
    sizes = np.linalg.norm(to_columns * scales, axis=1)
    quantities: list[Quantity] = []
    for parameter in dict.fromkeys(parameters.tolist()):
        shared = effects[parameters == parameter]
        named = factor.names_of(shared)
        name = named[0] if len(named) == 1 else f"{len(named)} slopes"
        quantities.append(
            StandardDeviation(f"sd_{name}|{factor.name}", index, to_columns[shared[0]])
        )
    pairs = zip(
        structure.rows[~on_diagonal], structure.columns[~on_diagonal], strict=True
    )
    quantities += [
        Correlation(
            f"cor_{names[row]}.{names[column]}|{factor.name}",
            index,
            to_columns[row],
            to_columns[column],
            units=(float(sizes[row]), float(sizes[column])),
        )
        for row, column in sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    ]
    return quantities


def estimates(quantities: list[Quantity], fit: Any) -> np.ndarray:
    """Return the value of each quantity in a fit."""
    return np.array([quantity.estimate(fit) for quantity in quantities])
