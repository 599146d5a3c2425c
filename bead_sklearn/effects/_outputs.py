"""Effects that exist once for each of several linear predictors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bead_sklearn.effects._covariance import CovarianceStructure, output_covariance

#: With more outputs than this a full covariance over them, which has J (J + 1) / 2
#: parameters, is not the default.
MAX_FULL_OUTPUTS = 5


@dataclass(frozen=True)
class EffectOutputs:
    """The linear predictors of a row, and how effects on them vary together.

    Attributes
    ----------
    names : tuple of str
        What each output stands for, such as a class or an option.
    contrast : ndarray of shape (J, J)
        L such that L L' is the neutral covariance over the outputs.
    kind : {"full", "diagonal", "isotropic"}
        Covariance over the outputs, see
        :func:`~bead_sklearn.effects.output_covariance`.
    """

    names: tuple[str, ...]
    contrast: np.ndarray
    kind: str

    @property
    def size(self) -> int:
        """Number of outputs, J."""
        return len(self.names)

    def structure(self, base: CovarianceStructure) -> CovarianceStructure:
        """Return the structure of effects on all outputs from that on one."""
        return output_covariance(base, self.contrast, self.kind)

    def name_effects(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Name the effects on all outputs, the output fastest."""
        return tuple(f"{name} [{output}]" for name in names for output in self.names)


def choose_outputs(
    names: tuple[str, ...], contrast: np.ndarray, kind: str
) -> EffectOutputs:
    """Return the outputs of a model, the kind of covariance resolved.

    Parameters
    ----------
    names : tuple of str
        Names of the outputs.
    contrast : ndarray of shape (J, J)
        Of the family.
    kind : {"auto", "full", "diagonal", "isotropic"}
        As in ``MixedEffects(output_covariance=...)``. "auto" is "full" for up to 5
        outputs. With more it is the one with fewest parameters that does not depend on
        the order of the outputs: "diagonal" where the neutral covariance is, otherwise
        "isotropic".
    """
    if kind == "auto":
        is_diagonal = bool((contrast == np.diag(np.diagonal(contrast))).all())
        kind = "diagonal" if is_diagonal else "isotropic"
        if len(names) <= MAX_FULL_OUTPUTS:
            kind = "full"
    return EffectOutputs(names, contrast, kind)
