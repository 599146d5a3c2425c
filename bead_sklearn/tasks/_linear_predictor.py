"""The linear predictor of new judgments."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from bead_sklearn.effects import GROUPS
from bead_sklearn.solvers import Design, predict_outputs, predict_sets
from bead_sklearn.tasks._features import Columns
from bead_sklearn.tasks._population import marginal_factors
from bead_sklearn.tasks._rows import Rows, read_ids


class LinearPredictor:
    """What a fitted model knows of the linear predictor of judgments."""

    def _predict_eta(
        self: Any, X: Any, groups: Any
    ) -> tuple[Rows, np.ndarray, np.ndarray]:
        """Moments of the linear predictor of new judgments.

        Returns
        -------
        rows : Rows
            The rows of the linear predictor.
        mean : ndarray of shape (n_rows,) or (n_rows, n_outputs)
            In the shape that the family takes.
        variance : ndarray
            Variances, or covariances where the family ties outputs or rows.
        """
        rows = self._read_rows(X, groups)
        family, posterior = rows.family, self._posterior
        columns, design = self._build(rows, unspanned=family.pairs is not None)
        marginal = marginal_factors(self.population, posterior.factor_names)
        if family.pairs is not None:
            mean, variance = predict_sets(
                posterior, design, family.pairs, marginal=marginal
            )
            if columns.unspanned is not None:
                left, right = family.pairs
                outside = columns.unspanned.rows()
                shared = np.einsum("ij,ij->i", outside[left], outside[right])
                variance = variance + self._ridge_variance() * shared
            return rows, mean, variance
        if family.has_output_axis:
            mean, variance = predict_outputs(
                posterior, design, tied=family.is_tied, marginal=marginal
            )
        else:
            mean, variance = posterior.predict(design, marginal=marginal)
        if columns.residual is not None:
            prior: Any = self._ridge_variance()
            residual = columns.residual
            if family.has_output_axis:
                contrast = family.output_contrast()
                shape = contrast @ contrast.T
                prior = prior * (shape if family.is_tied else np.diagonal(shape))
                residual = residual.reshape(-1, *(1,) * np.ndim(prior))
            variance = variance + prior * residual
        return rows, mean, variance

    def _read_rows(self: Any, X: Any, groups: Any) -> Rows:
        """Rows of the linear predictor of new judgments."""
        check_is_fitted(self)
        judgments = self._reader.read(self, X, reset=False)
        given = self._match_ids(read_ids(groups, judgments.n_rows))
        return self._lay_out(judgments, {**judgments.factors, **given})

    def _build(
        self: Any, rows: Rows, *, unspanned: bool = False, fitting: bool = False
    ) -> tuple[Columns, Design]:
        """Columns and linear predictor of rows, as they were in fit."""
        columns = self._features.transform(rows.judgments, unspanned=unspanned)
        covariates = self._covariates(columns, rows, self._mixed_effects)
        design = self._design(
            columns, rows, covariates.values, fitting=fitting, unspanned=unspanned
        )
        return columns, design

    def _unit_constant(self: Any) -> float:
        """Return what the log-likelihood of the solver lacks.

        The restricted likelihood depends on the unit of the fixed columns.
        """
        return self._features.unit_constant() if self._options.reml else 0.0

    def _ridge_variance(self: Any) -> float:
        """Prior variance of the coefficients under the ridge, 0 without one."""
        if not 0 < self.alpha_ < np.inf:
            return 0.0
        return float(self._solution.sigma**2 / self.alpha_)

    def _match_ids(self: Any, ids: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Check that ids passed to predict are of factors passed to fit as groups."""
        fitted = self._group_factors
        if not ids or not fitted or set(ids) & set(fitted):
            return ids
        if len(ids) == len(fitted) == 1 and GROUPS in {*ids, *fitted}:
            return {fitted[0]: next(iter(ids.values()))}
        raise ValueError(
            f"groups holds ids of {sorted(ids)}, but the model was fitted with groups "
            f"of {sorted(fitted)}. Name the columns alike."
        )
