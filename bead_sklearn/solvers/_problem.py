"""Everything a fit is computed from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bead_sklearn.families import Family
from bead_sklearn.solvers._design import Design
from bead_sklearn.solvers._fit import fit_mixed_model
from bead_sklearn.solvers._options import SolverOptions
from bead_sklearn.solvers._result import MixedModelFit


@dataclass(frozen=True)
class Problem:
    """A design, responses and how to fit them.

    Attributes
    ----------
    design : Design
        The linear predictor.
    family : Family
        Response distribution.
    y : ndarray of shape (n_rows,)
        Encoded responses.
    weights : ndarray of shape (n_rows,)
        Number of times each row counts.
    options : SolverOptions
        Likelihood, tolerances and treatment of the variances.
    """

    design: Design
    family: Family
    y: np.ndarray
    weights: np.ndarray
    options: SolverOptions

    def fit(self) -> MixedModelFit:
        """Estimate all parameters."""
        return fit_mixed_model(
            self.design, self.family, self.y, self.weights, self.options
        )

    def with_response(self, y: np.ndarray) -> Problem:
        """Return the same problem with other responses."""
        return replace(self, y=y)

    def repeated(self) -> Problem:
        """Return the problem with each row as often as its weight says.

        Raises
        ------
        ValueError
            If a weight is not an integer.
        """
        if (self.weights == 1.0).all():
            return self
        counts = self.weights.astype(np.intp)
        wrong = np.flatnonzero(counts != self.weights)
        if len(wrong):
            raise ValueError(
                "Simulated responses need integer sample_weight, the number of "
                f"judgments a row stands for. Got {self.weights[wrong[0]]:g}."
            )
        rows = np.repeat(np.arange(len(counts)), counts)
        return replace(
            self,
            design=self.design.take(rows),
            y=self.y[rows],
            weights=np.ones(len(rows)),
        )
