"""Judgments that choose among alternatives by their utilities.

    P(j) = exp(eta_j) / sum over the set of exp(eta_k)

Rows of the linear predictor are alternatives. What a judgment as a whole has, such as
its place in the session, acts on a choice through the constants of the alternatives:
it has one coefficient for each but the first.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from bead_sklearn.effects import (
    ALTERNATIVE,
    Covariates,
    EffectOutputs,
    FormulaTerm,
    MixedEffects,
    choose_outputs,
)
from bead_sklearn.families import ConditionalLogit, MultinomialLogit
from bead_sklearn.inputs import Judgments
from bead_sklearn.tasks._classifier import MixedModelClassifier
from bead_sklearn.tasks._features import Columns
from bead_sklearn.tasks._rows import AlternativeRows, Rows


class ChoiceClassifier(MixedModelClassifier):
    """Base of the classifiers whose labels compete by utilities.

    Subclasses say which alternatives a judgment has (`_alternatives`) and which of
    them have constants (`_constants`).
    """

    _response = "choice"

    @abstractmethod
    def _alternatives(
        self, judgments: Judgments, weights: np.ndarray | None
    ) -> tuple[Judgments, np.ndarray, np.ndarray]:
        """Return the alternatives of all judgments.

        Parameters
        ----------
        judgments : Judgments
            X.
        weights : ndarray of shape (n_judgments,) or None
            How many times each judgment counts; None in prediction.

        Returns
        -------
        alternatives : Judgments
            One row per alternative: its texts, numbers and constants. Without ids.
        judgment, option : ndarray of shape (n_rows,)
            Judgment that a row belongs to, in order, and position of the alternative
            among all options.
        """

    @abstractmethod
    def _constants(self) -> tuple[str, ...]:
        """Name the options that have a constant of their own."""

    @abstractmethod
    def _option_labels(self) -> np.ndarray:
        """Return the labels of the options, in their order."""

    def _lay_out(
        self,
        judgments: Judgments,
        ids: dict[str, np.ndarray],
        target: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> Rows:
        rows, judgment, option = self._alternatives(judgments, weights)
        ids = {name: values[judgment] for name, values in ids.items()}
        ids[ALTERNATIVE] = self._alternative_ids(rows, option)
        return AlternativeRows(
            rows,
            ids,
            ConditionalLogit(judgment),
            None if target is None else (target[judgment] == option).astype(float),
            None if weights is None else weights[judgment],
            judgment,
            option,
            len(self._option_labels()),
        )

    @abstractmethod
    def _alternative_ids(self, rows: Judgments, option: np.ndarray) -> np.ndarray:
        """Return what each alternative is known by as a level of ``option``."""

    def _terms(
        self,
        mixed_effects: MixedEffects,
        ids: dict[str, np.ndarray],
        covariate_names: list[str],
    ) -> list[FormulaTerm]:
        """Terms of the formula, or those that the mode stands for.

        A constant and utility coefficients that vary are blocks of their own.
        """
        if mixed_effects.formula is not None:
            return mixed_effects.terms()
        given = [name for name in ids if name != ALTERNATIVE]
        if mixed_effects.mode == "fixed":
            return []
        terms = [FormulaTerm((name,), True, (), True) for name in given]
        slopes = tuple(covariate_names[len(self._constants()) :])
        if mixed_effects.mode == "random_slopes" and slopes:
            terms += [FormulaTerm((name,), False, slopes, False) for name in given]
        return terms

    def _covariates(
        self, columns: Columns, rows: Rows, mixed_effects: MixedEffects
    ) -> Covariates:
        judgments = rows.judgments
        assert judgments.constants is not None
        values, names = [judgments.constants], [*judgments.constant_names]
        if mixed_effects.formula is not None:
            values.append(judgments.numeric_matrix())
            names += judgments.numeric_names
        elif mixed_effects.mode == "random_slopes":
            slopes, slope_names = self._features.slopes(columns)
            values.append(slopes)
            names += slope_names
        outputs = self._constant_outputs(mixed_effects)
        return Covariates(np.hstack(values), names, outputs, rows.shares)

    def _constant_outputs(self, mixed_effects: MixedEffects) -> EffectOutputs:
        constants = self._constants()
        contrast = MultinomialLogit(len(constants) + 1).output_contrast()
        return choose_outputs(constants, contrast, mixed_effects.output_covariance)

    def _probabilities(
        self, rows: Rows, mean: np.ndarray, variance: np.ndarray
    ) -> np.ndarray:
        assert isinstance(rows, AlternativeRows)
        table = rows.arrange(rows.family.mean_over(mean, variance), 0.0)
        return table[:, self._sorted_options()]

    def _arrange(self, rows: Rows, values: np.ndarray) -> np.ndarray:
        assert isinstance(rows, AlternativeRows)
        return rows.arrange(values, np.nan)[:, self._sorted_options()]

    def _decode_target(self, target: np.ndarray, rows: Rows) -> np.ndarray:
        assert isinstance(rows, AlternativeRows)
        return self._option_labels()[rows.option[target == 1.0]]

    def _sorted_options(self) -> np.ndarray:
        """Return the positions of the options in the order of ``classes_``."""
        places = {label: i for i, label in enumerate(self._option_labels().tolist())}
        return np.array([places[label] for label in self.classes_.tolist()])
