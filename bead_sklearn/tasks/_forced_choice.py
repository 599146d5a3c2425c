"""Judgments that choose one of several options."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np

from bead_sklearn._sklearn import StrOptions
from bead_sklearn.effects import (
    ALTERNATIVE,
    Covariates,
    FormulaTerm,
    MixedEffects,
    resolve_mixed_effects,
)
from bead_sklearn.exceptions import SeparationWarning
from bead_sklearn.families import Bernoulli
from bead_sklearn.inputs import (
    DistinctText,
    InputReader,
    Judgments,
    PairedText,
    join_texts,
    pool_texts,
)
from bead_sklearn.tasks._base import MixedModel
from bead_sklearn.tasks._choice import ChoiceClassifier
from bead_sklearn.tasks._docs import fill_docs
from bead_sklearn.tasks._features import Columns
from bead_sklearn.tasks._fine_tuning import FINE_TUNING
from bead_sklearn.tasks._options import resolve_options
from bead_sklearn.tasks._ridge import takes_ridge
from bead_sklearn.tasks._rows import Rows


@fill_docs
class ForcedChoiceClassifier(ChoiceClassifier):
    """Judgments that choose one of several options, as a mixed conditional logit.

        P(option j) = exp(eta_j) / sum over the options of exp(eta_k),
        eta_j = a_j + x_j beta + effects of participants

    The utility ``x_j beta`` is the same function of the option, whatever its place:
    texts become features of ``encoder``, whose coefficients stand under a ridge. The
    constants ``a_j`` are what an option gains by its place or name (a position bias);
    that of the first option is 0 [1]_. Participants differ in the constants
    ("random_intercepts") and in the utility ("random_slopes"). Options in another
    order, or under other names, have the same probabilities in another order.

    Parameters
    ----------
    options : list of str or dict, default=None
        Columns of X that are the options, whose names are the labels in y. A dict
        gives each option its columns by attribute, such as ``{"left": {"price":
        "price_left", "name": "name_left"}, "right": ...}``; numbers are attributes too.
        None takes all columns of text, and where X has none the labels, which then
        differ in their constants and in coefficients of the numeric columns only.
    outside_option : str, default=None
        A label without a column, such as "equal" or "neither". It has a constant of
        its own and no features; for two options this is Davidson's model of ties
        with a constant that does not depend on the options [2]_.
    {mixed_effects}
        Factors of a formula are columns of X; the factor ``option`` stands for the
        alternatives themselves, as told apart by their texts: ``(1 | option)`` gives
        each a random strength (a Bradley-Terry model).
    {encoder}
    {fine_tuning}
    encoding : {"dual", "joint"}, default="dual"
        Whether the text of an option is encoded by itself, or as a pair with what
        it stands beside: the ``text_columns``, and the other options, sorted.
    {alpha}
    {population}
    text_columns : list of str, default=None
        Columns of text that are not options, such as a question; only with
        ``encoding="joint"``, because by itself a text that all options share changes
        no choice.
    {fitting}

    Attributes
    ----------
    classes_ : ndarray of shape (n_options,)
        The labels, sorted; probabilities are in this order.
    options_ : ndarray of shape (n_options,)
        The labels in the order of ``options``, ``outside_option`` last.
    coef_ : ndarray of shape (1, n_features)
        Coefficients of constants, attributes and features, in logits. That of a
        numeric column of X for an option is named ``"column [option]"``, of two
        options by the column alone.
    intercept_ : ndarray of shape (1,)
        For two options the constant of ``classes_[1]``. Otherwise without meaning:
        only differences of utilities matter.
    {fitted}

    See Also
    --------
    CategoricalClassifier : Labels that are not described by columns.

    Notes
    -----
    An option that is missing in a row (None or NaN in all of its columns) was not on
    offer: choice sets may differ in size. Numeric columns that belong to no option,
    such as a trial number, have one coefficient for each option but the first; so have
    slopes over them in a formula.

    A choice between two options is a logistic regression on the difference of their
    features, and is fitted as one: its linear predictor is the log odds of
    ``classes_[1]``. With more options, or strengths ``(1 | option)``, the linear
    predictors are the utilities of all options.

    References
    ----------
    .. [1] McFadden (1974). Conditional logit analysis of qualitative choice behavior.
       In Zarembka (ed.), Frontiers in Econometrics, 105-142. Academic Press.
    .. [2] Davidson (1970). On extending the Bradley-Terry model to accommodate ties
       in paired comparison experiments. Journal of the American Statistical
       Association 65, 317-328. doi:10.1080/01621459.1970.10481082

    Examples
    --------
    >>> from bead_sklearn import ForcedChoiceClassifier
    >>> from bead_sklearn.datasets import make_judgments
    >>> d = make_judgments(
    ...     "forced_choice", n_participants=20, n_items=40, random_state=0
    ... )
    >>> model = ForcedChoiceClassifier().fit(d.X, d.y, groups=d.groups)
    >>> model.classes_.tolist()
    ['option_a', 'option_b']
    >>> model.predict_proba(d.X[:2], groups=d.groups[:2]).shape
    (2, 2)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ChoiceClassifier._parameter_constraints,
        **FINE_TUNING,
        "options": ["array-like", dict, None],
        "outside_option": [str, int, float, "boolean", None],
        "encoding": [StrOptions({"dual", "joint"})],
    }

    def __init__(
        self,
        *,
        options: Any = None,
        outside_option: Any = None,
        mixed_effects: Any = "auto",
        encoder: Any = None,
        encoding: str = "dual",
        fine_tune: str | int = "frozen",
        net: Any = None,
        alpha: float | str = "auto",
        population: Any = "marginal",
        text_columns: Any = None,
        max_iter: int = 500,
        tol: float = 1e-6,
        warm_start: bool = False,
        device: str | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            mixed_effects=mixed_effects,
            encoder=encoder,
            alpha=alpha,
            population=population,
            text_columns=text_columns,
            max_iter=max_iter,
            tol=tol,
            warm_start=warm_start,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )
        self.fine_tune = fine_tune
        self.net = net
        self.options = options
        self.outside_option = outside_option
        self.encoding = encoding

    def _context(self) -> tuple[str, ...]:
        """Columns of text that are not options."""
        if self.text_columns is None:
            return ()
        if self.encoding == "dual":
            raise ValueError(
                f"text_columns={self.text_columns!r} has no effect with "
                "encoding='dual': a text that all options share changes no choice. "
                "Use encoding='joint', or drop the columns."
            )
        return tuple(np.asarray(self.text_columns, dtype=object).tolist())

    def _check_parameters(self) -> None:
        self._context()

    def _make_reader(self, mixed_effects: MixedEffects, groups: Any) -> InputReader:
        reader = super()._make_reader(mixed_effects, groups)
        incomplete: list[str] | None = None
        if isinstance(self.options, dict):
            columns = (c for item in self.options.values() for c in dict(item).values())
            incomplete = list(columns)
        elif self.options is not None:
            incomplete = list(self.options)
        return InputReader(
            factors=[name for name in reader.factors if name != ALTERNATIVE],
            optional_factors=reader.optional_factors,
            incomplete_columns=incomplete,
        )

    def _encode_target(self, y: Any, judgments: Judgments) -> np.ndarray:
        labels = self._read_labels(y)
        self._offered = resolve_options(
            self.options,
            self.outside_option,
            np.unique(labels).tolist(),
            judgments,
            self._context(),
        )
        self._check_texts(judgments)
        self.options_ = np.array(self._offered.names, dtype=_dtype(labels))
        self.classes_ = np.sort(self.options_)
        places = {label: k for k, label in enumerate(self.options_.tolist())}
        target = np.array([places[label] for label in labels.tolist()])
        chosen = self._offered.present(judgments)[np.arange(len(target)), target]
        if not chosen.all():
            row = int(np.flatnonzero(~chosen)[0])
            raise ValueError(
                f"y names the option {labels.tolist()[row]!r} in row {row}, where it "
                "is missing."
            )
        return target.astype(np.float64)

    def _check_kept(self, target: np.ndarray) -> None:
        """Learn which options have constants: all chosen ones but the first."""
        counts = np.bincount(target.astype(np.intp), minlength=len(self.options_))
        chosen = np.flatnonzero(counts)
        if len(chosen) < 2:
            raise ValueError(
                f"y has only one class among its {len(target)} judgments of positive "
                f"sample_weight, {self.options_[chosen].tolist()}; two are needed."
            )
        if len(chosen) < len(counts):
            warnings.warn(
                f"The option(s) {self.options_[counts == 0].tolist()} are never "
                "chosen: their constants, which would be minus infinity, are set to "
                f"that of {self.options_[chosen[0]]!r}. Leave them out of the options "
                "if they cannot be chosen.",
                SeparationWarning,
                stacklevel=5,
            )
        self._with_constant = chosen[1:]
        effects = resolve_mixed_effects(self.mixed_effects)
        named = {name for term in effects.terms() for name in term.factor}
        # A choice between two options is a binary response to their difference.
        self._is_pair = len(self.options_) == 2 and ALTERNATIVE not in named

    def _check_texts(self, judgments: Judgments) -> None:
        """Raise if a text is missing, or would be ignored."""
        context = self._context()
        for column in context:
            if column not in judgments.texts:
                raise ValueError(
                    f"text_columns names {column!r}, which is not a column of text in "
                    f"X; those are {list(judgments.texts)}."
                )
            lacking = np.flatnonzero(judgments.texts[column].index < 0)
            if len(lacking):
                raise ValueError(
                    f"Column {column!r} of X has a missing text in row {lacking[0]}."
                )
        named = {*self._offered.columns(), *context}
        others = [name for name in judgments.texts if name not in named]
        if others:
            raise ValueError(
                f"X has columns of strings that are neither options nor text_columns: "
                f"{', '.join(map(repr, others))}. Drop them from X, or name them as "
                f"grouping factors in a formula such as '(1 | {others[0]})'."
            )

    def _shared_columns(self, judgments: Judgments) -> list[int]:
        """Numeric columns of X that belong to no option."""
        of_options = self._offered.columns()
        names = judgments.numeric_names
        return [j for j, name in enumerate(names) if name not in of_options]

    def _constants(self) -> tuple[str, ...]:
        return tuple(map(str, self.options_[self._with_constant]))

    def _option_labels(self) -> np.ndarray:
        return self.options_

    def _lay_out(
        self,
        judgments: Judgments,
        ids: dict[str, np.ndarray],
        target: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> Rows:
        if not self._is_pair:
            return super()._lay_out(judgments, ids, target, weights)
        order = self._sorted_options()
        if target is not None:
            target = (target == order[1]).astype(np.float64)
        family = self._family if target is None else Bernoulli()
        differences = self._differences(judgments, order)
        return Rows(differences, ids, family, target, weights)

    def _differences(self, judgments: Judgments, order: np.ndarray) -> Judgments:
        """Return what the second label has more than the first, and what is shared."""
        options, n = self._offered, judgments.n_rows
        self._offered.present(judgments)
        numeric = judgments.numeric_matrix()
        places = {name: j for j, name in enumerate(judgments.numeric_names)}
        columns, names = [], []
        for attribute, by_option in options.numbers.items():
            first, second = (numeric[:, places[by_option[k]]] for k in order)
            columns.append(second - first)
            names.append(attribute)
        for j in self._shared_columns(judgments):
            columns.append(numeric[:, j])
            names.append(judgments.numeric_names[j])
        rows = np.repeat(np.arange(n), 2)
        texts = self._option_texts(judgments, rows, np.tile(order, n))
        if self.encoding == "joint" and texts:
            texts = {"+".join(texts): join_texts(list(texts.values()))}
        return Judgments(
            n_rows=n,
            texts={
                name: PairedText(text.values, text.index[0::2], text.index[1::2])
                for name, text in texts.items()
            },
            numeric=np.column_stack(columns) if columns else None,
            numeric_names=names,
            factors={},
        )

    def _terms(
        self,
        mixed_effects: MixedEffects,
        ids: dict[str, np.ndarray],
        covariate_names: list[str],
    ) -> list[FormulaTerm]:
        if self._is_pair:
            return MixedModel._terms(self, mixed_effects, ids, covariate_names)
        return super()._terms(mixed_effects, ids, covariate_names)

    def _covariates(
        self, columns: Columns, rows: Rows, mixed_effects: MixedEffects
    ) -> Covariates:
        if self._is_pair:
            return MixedModel._covariates(self, columns, rows, mixed_effects)
        return super()._covariates(columns, rows, mixed_effects)

    def _probabilities(
        self, rows: Rows, mean: np.ndarray, variance: np.ndarray
    ) -> np.ndarray:
        if not self._is_pair:
            return super()._probabilities(rows, mean, variance)
        second = rows.family.mean_over(mean, variance)
        return np.column_stack([1.0 - second, second])

    def _arrange(self, rows: Rows, values: np.ndarray) -> np.ndarray:
        return values if self._is_pair else super()._arrange(rows, values)

    def _decode_target(self, target: np.ndarray, rows: Rows) -> np.ndarray:
        if self._is_pair:
            return self.classes_[target.astype(np.intp)]
        return super()._decode_target(target, rows)

    @property
    def _joins_texts(self) -> bool:  # type: ignore[override]
        return self.encoding == "joint" and not self._is_pair

    def _alternative_ids(self, rows: Judgments, option: np.ndarray) -> np.ndarray:
        ids = np.empty(len(option), dtype=object)
        ids[:] = self.options_[option].tolist()
        own = [rows.texts[attribute] for attribute in self._offered.texts]
        if not own:
            return ids
        inside = np.flatnonzero(option < self._offered.n_inside)
        codes, index = np.unique(
            np.stack([text.index[inside] for text in own], axis=1),
            axis=0,
            return_inverse=True,
        )
        distinct = np.empty(len(codes), dtype=object)
        distinct[:] = [
            tuple(text.values[code] for text, code in zip(own, row, strict=True))
            for row in codes
        ]
        if len(own) == 1:
            distinct[:] = [row[0] for row in distinct]
        ids[inside] = distinct[index.ravel()]
        return ids

    def _alternatives(
        self, judgments: Judgments, weights: np.ndarray | None
    ) -> tuple[Judgments, np.ndarray, np.ndarray]:
        options = self._offered
        judgment, option = np.nonzero(options.present(judgments))
        numeric = judgments.numeric_matrix()
        places = {name: j for j, name in enumerate(judgments.numeric_names)}
        inside = option < options.n_inside
        attributes = np.zeros((len(option), len(options.numbers)))
        for a, columns in enumerate(options.numbers.values()):
            of_option = numeric[:, [places[column] for column in columns]]
            attributes[inside, a] = of_option[judgment[inside], option[inside]]
        indicators = np.eye(len(options.names))[option]
        shared = self._shared_columns(judgments)
        values = numeric[judgment][:, shared]
        names = [judgments.numeric_names[j] for j in shared]
        constants = indicators[:, self._with_constant]
        dummies, labels = constants, self._constants()
        if weights is not None:
            n_columns = len(options.numbers) + len(shared) * len(labels)
            n_offered = np.bincount(judgment, minlength=judgments.n_rows)
            size = float(weights @ (1.0 - 1.0 / np.maximum(n_offered, 1)))
            self._ridge_on_numbers = takes_ridge(self.alpha, size, n_columns)
        if self._ridge_on_numbers:  # which treats all options alike
            dummies, labels = indicators, tuple(map(str, self.options_))
        products = values[:, :, None] * dummies[:, None, :]
        columns_of_rows = Judgments(
            n_rows=len(option),
            texts=self._option_texts(judgments, judgment, option),
            numeric=np.hstack([attributes, products.reshape(len(option), -1)]),
            numeric_names=[
                *options.numbers,
                *(f"{name} [{label}]" for name in names for label in labels),
            ],
            factors={},
            constants=constants,
            constant_names=[f"(Intercept) [{label}]" for label in self._constants()],
        )
        return columns_of_rows, judgment, option

    def _option_texts(
        self, judgments: Judgments, judgment: np.ndarray, option: np.ndarray
    ) -> dict[str, DistinctText]:
        """Texts of alternatives by attribute, with their context if joint."""
        options = self._offered
        texts = {
            attribute: pool_texts(
                [judgments.texts[column] for column in columns], judgment, option
            )
            for attribute, columns in options.texts.items()
        }
        if self.encoding == "dual" or not texts:
            return texts
        context = {
            column: judgments.texts[column].take(judgment) for column in self._context()
        }
        others = _other_texts(list(texts.values()), judgment)
        return {**texts, **context, "others": others}


def _other_texts(texts: list[DistinctText], judgment: np.ndarray) -> DistinctText:
    """Join the texts of the other alternatives of each judgment, sorted."""
    own = []
    for text in texts:
        values = np.array([*text.values, ""], dtype=object)
        own.append(values[text.index])
    whole = [" ".join(filter(None, parts)) for parts in zip(*own, strict=True)]
    starts = np.flatnonzero(np.diff(judgment, prepend=-1))
    joined: list[str] = []
    for start, end in zip(starts, [*starts[1:], len(judgment)], strict=True):
        here = whole[start:end]
        for k in range(len(here)):
            rest = sorted(filter(None, here[:k] + here[k + 1 :]))
            joined.append(" ".join(rest))
    return DistinctText.from_values(joined)


def _dtype(labels: np.ndarray) -> Any:
    return object if labels.dtype.kind in "OUT" else labels.dtype
