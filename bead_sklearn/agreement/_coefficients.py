"""Coefficients by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bead_sklearn.agreement._counts import UnitCounts
from bead_sklearn.agreement._kappa import check_weights, kappa_of_two
from bead_sklearn.agreement._ratings import check_level

COEFFICIENTS = (
    "krippendorff_alpha",
    "fleiss_kappa",
    "cohen_kappa",
    "percent_agreement",
)

#: Takes weights of shape (n_samples, n_units), or None, and gives a value per sample.
Coefficient = Callable[[NDArray[np.float64] | None], NDArray[np.float64]]


def check_coefficient(
    coefficient: str, level: str, weights: str | None, name: str = "coefficient"
) -> None:
    """Refuse a coefficient that does not exist, and options it does not have."""
    if coefficient not in COEFFICIENTS:
        raise ValueError(f"{name} must be one of {COEFFICIENTS}. Got {coefficient!r}.")
    check_level(level)
    check_weights(weights)
    if level != "nominal" and coefficient != "krippendorff_alpha":
        raise ValueError(
            f"level={level!r} has no effect on {coefficient}; only krippendorff_alpha "
            "has levels."
        )
    if weights is not None and coefficient != "cohen_kappa":
        raise ValueError(
            f"weights={weights!r} have no effect on {coefficient}; only cohen_kappa "
            "has weights."
        )


def coefficient_of(
    codes: NDArray[np.intp],
    labels: list[Any],
    coefficient: str,
    level: str,
    weights: str | None,
) -> Coefficient:
    """Return a coefficient of a table as a function of how often units count."""
    if coefficient == "cohen_kappa":
        if len(codes) != 2:
            raise ValueError(
                f"cohen_kappa is of two annotators, got {len(codes)}. See "
                "pairwise_agreement for all pairs."
            )
        return lambda w: kappa_of_two(codes, len(labels), weights, w)
    counts = UnitCounts.from_codes(codes, labels)
    if coefficient == "fleiss_kappa":
        return counts.kappa
    if coefficient == "percent_agreement":
        return counts.percent
    return lambda w: counts.alpha(level, w)
