"""A study's estimator, and judgments as the rows it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone

import bead_sklearn
from bead_sklearn._frames import make_frame
from bead_sklearn.annotate.study import Study
from bead_sklearn.effects import MixedEffects, parse_formula
from bead_sklearn.query import QueryStrategy, get_query_strategy


class ModelUnavailableError(ValueError):
    """The model of a study's question is not in this version."""


def make_estimator(study: Study) -> BaseEstimator:
    """Return the unfitted estimator of a study.

    Raises
    ------
    ModelUnavailableError
        If this version of bead_sklearn has no such estimator.
    ValueError
        If it does not take a parameter.
    """
    if study.estimator is not None and not isinstance(study.estimator, str):
        return clone(study.estimator)
    name = study.estimator or study.question.model
    if name not in bead_sklearn.__all__:
        raise ModelUnavailableError(
            f"bead_sklearn {bead_sklearn.__version__} has no estimator {name!r} for "
            f"{study.question.kind} judgments: items come in random order."
        )
    cls = getattr(bead_sklearn, name)
    given = dict(study.parameters)
    if study.estimator is None or study.estimator == study.question.model:
        known = set(cls().get_params(deep=False))
        settled = study.question.model_parameters()
        given = {**{k: v for k, v in settled.items() if k in known}, **given}
    effects = given.get("mixed_effects")
    try:
        if isinstance(effects, Mapping):  # a table of the study's file
            given["mixed_effects"] = MixedEffects(**effects)
        return cls(**given)
    except TypeError as error:
        raise ValueError(f"[model.parameters] of {name}: {error}.") from error


def make_strategy(study: Study, estimator: Any) -> QueryStrategy:
    """Return the query strategy of a study, which knows who the participants are."""
    strategy: QueryStrategy = clone(get_query_strategy(study.strategy_name))
    effects = estimator.get_params(deep=False).get("mixed_effects")
    is_open = strategy.get_params(deep=False).get("participant", "") is None
    if is_open and "participant" in _factors(effects):
        strategy.set_params(participant="participant")
    return strategy


class Rows:
    """Judgments of pairs of item and participant, as X, groups and y.

    Parameters
    ----------
    study : Study
        The study.
    estimator : estimator
        What will read them.
    """

    def __init__(self, study: Study, estimator: Any) -> None:
        self._study = study
        params = estimator.get_params(deep=False)
        self._factors = _factors(params.get("mixed_effects"))
        self.takes_groups = "mixed_effects" in params and not (
            params["mixed_effects"] == "fixed" or "participant" in self._factors
        )
        question = study.question
        texts = [*question.shown, *getattr(question, "options", ())]
        columns = dict.fromkeys(next(iter(study.items.values())).columns)
        given = params.get("text_columns")
        if given is not None:
            texts = [given] if isinstance(given, str) else list(given)
        texts = [name for name in columns if name in texts]
        covariates = [
            name
            for name in columns
            if all(
                isinstance(item.columns[name], int | float)
                for item in study.items.values()
            )
        ]
        # Any scikit-learn text pipeline reads a list of texts.
        self._plain = "mixed_effects" not in params and len(texts) == 1
        self._texts = texts
        self._columns = [*texts, *covariates]
        self._values = {
            name: np.array(
                [item.columns[name] for item in study.items.values()],
                dtype=object if name in texts else np.float64,
            )
            for name in self._columns
        }
        self._position = {item: k for k, item in enumerate(study.items)}

    def X(self, pairs: Sequence[tuple[str, str]]) -> Any:  # noqa: N802
        """Return the rows of pairs of item and participant."""
        rows = np.array([self._position[item] for item, _ in pairs], dtype=np.intp)
        if self._plain:
            return self._values[self._texts[0]][rows]
        table = {name: values[rows] for name, values in self._values.items()}
        for name in self._factors:
            if name == "participant":
                ids = [person for _, person in pairs]
            elif name == "item":
                ids = [item for item, _ in pairs]
            elif name in self._study.items[pairs[0][0]].columns:
                ids = [str(self._study.items[item].columns[name]) for item, _ in pairs]
            else:
                raise ValueError(
                    f"The model has effects over {name!r}, which is neither "
                    "'participant' nor 'item' nor a column of the items."
                )
            table[name] = np.array(ids, dtype=object)
        return make_frame(table)

    def groups(self, pairs: Sequence[tuple[str, str]]) -> Any:
        """Return who judges, if that is not in X already."""
        if not self.takes_groups:
            return None
        return np.array([person for _, person in pairs], dtype=object)

    def y(self, answers: Sequence[Any]) -> Any:
        """Return answers as labels."""
        targets = [self._study.question.target(answer) for answer in answers]
        if any(isinstance(target, list) for target in targets):
            return targets
        return np.array(targets)


def _factors(mixed_effects: Any) -> list[str]:
    """Return the columns of ids that a description of effects names."""
    formula = (
        mixed_effects.formula
        if isinstance(mixed_effects, MixedEffects)
        else mixed_effects
    )
    if not isinstance(formula, str) or "|" not in formula:
        return []
    names = [name for term in parse_formula(formula) for name in term.factor]
    return list(dict.fromkeys(names))
