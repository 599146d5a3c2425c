"""What may vary over factors where candidates are chosen."""

from __future__ import annotations

import numpy as np

from bead_sklearn.effects import FormulaTerm
from bead_sklearn.inputs import encode_levels

#: Features of a candidate whatever the context, which columns of X act on.
CONSTANTS = ("frequency", "length")


def are_people(ids: np.ndarray, contexts: np.ndarray) -> bool:
    """Whether levels answer in several contexts, which they share or answer once."""
    levels, codes = encode_levels(ids)
    pairs = np.unique(np.stack([codes, contexts]), axis=1)
    n_pairs = pairs.shape[1]
    crosses = n_pairs >= 2 * len(levels)
    shares = n_pairs > len(np.unique(contexts))
    return bool(crosses and (shares or len(codes) < 2 * n_pairs))


def check_slopes(terms: list[FormulaTerm], covariate_names: list[str]) -> None:
    """Raise if a slope is one over a column that all candidates share."""
    for term in terms:
        for slope in term.slopes:
            products = [f"{slope}:{constant}" for constant in CONSTANTS]
            offered = [name for name in products if name in covariate_names]
            if offered and slope not in covariate_names:
                factor = ":".join(term.factor)
                raise ValueError(
                    f"The random-effects formula lets the covariate {slope!r} vary, "
                    "which is the same for all candidates of a question and so changes "
                    "no choice between them. It acts through what they have: write "
                    + " or ".join(f"(1 + {name} | {factor})" for name in offered)
                    + "."
                )
