"""Judgments that choose one of several options."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from bead_sklearn._sklearn import StrOptions
from bead_sklearn.effects import ALTERNATIVE, MixedEffects
from bead_sklearn.inputs import DistinctText, InputReader, Judgments, pool_texts
from bead_sklearn.tasks._choice import ChoiceClassifier
from bead_sklearn.tasks._docs import fill_docs
from bead_sklearn.tasks._features import takes_ridge
from bead_sklearn.tasks._options import resolve_options


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
        numeric column of X for an option is named ``"column [option]"``.
    intercept_ : ndarray of shape (1,)
        0: only differences of utilities matter.
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
        self.options = options
        self.outside_option = outside_option
        self.encoding = encoding

    @property
    def _joins_texts(self) -> bool:  # type: ignore[override]
        return self.encoding == "joint"

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
        n = float(len(labels))
        n_constants = len(self.options_) - 1
        shared = self._shared_columns(judgments)
        n_columns = len(self._offered.numbers) + len(shared) * n_constants
        self._ridge_on_numbers = takes_ridge(self.alpha, n, n_columns)
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

    def _check_kept(self, target: np.ndarray) -> None:
        if len(np.unique(target)) < 2:
            kept = self.options_[np.unique(target).astype(np.intp)].tolist()
            if not (self._offered.texts or self._offered.numbers):
                raise ValueError(
                    f"y has only one class among its {len(target)} judgments of "
                    f"positive sample_weight, {kept}; two classes are needed."
                )

    def _shared_columns(self, judgments: Judgments) -> list[int]:
        """Numeric columns of X that belong to no option."""
        of_options = self._offered.columns()
        names = judgments.numeric_names
        return [j for j, name in enumerate(names) if name not in of_options]

    def _constants(self) -> tuple[str, ...]:
        return tuple(map(str, self.options_[1:]))

    def _option_labels(self) -> np.ndarray:
        return self.options_

    def _alternatives(
        self, judgments: Judgments, target: np.ndarray | None
    ) -> tuple[Judgments, np.ndarray, np.ndarray]:
        del target
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
        dummies, labels = indicators[:, 1:], self._constants()
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
            constants=indicators[:, 1:],
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
