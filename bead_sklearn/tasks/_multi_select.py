"""Judgments that select any number of options."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import narwhals as nw
import numpy as np
from scipy import sparse
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags
from sklearn.utils.validation import check_array

from bead_sklearn._frames import make_frame
from bead_sklearn.families import Family, IndependentOutputs, get_family
from bead_sklearn.inputs import Judgments, check_target_present
from bead_sklearn.tasks._classifier import MixedModelClassifier
from bead_sklearn.tasks._docs import fill_docs
from bead_sklearn.tasks._fine_tuning import FINE_TUNING
from bead_sklearn.tasks._rows import Rows, row_ids


@fill_docs
class MultiSelectClassifier(MixedModelClassifier):
    """Judgments that select any number of options, as mixed-effects logistic models.

        P(option k is selected) = 1 / (1 + exp(-eta_k)),
        eta_k = X beta_k + Z u_k,   u ~ N(0, G)

    Every option has a linear predictor, with coefficients and effects of participants
    (and items) of its own; the effects of one participant on the options covary, which
    is what ties the options to each other. Texts become features of ``encoder``, whose
    coefficients stand under one ridge.

    Parameters
    ----------
    options : list of str, default=None
        Names of the options, in the order of the columns of an indicator matrix. None
        takes the columns of a DataFrame, the distinct names in sets of names, sorted,
        or the numbers of the columns.
    {mixed_effects}
    {encoder}
    {fine_tuning}
    {alpha}
    {population}
    family : {"bernoulli", "bernoulli_probit"} or Family, default="bernoulli"
        Response distribution of each option: with the logit or the probit link.
    {text_columns}
    {fitting}

    Attributes
    ----------
    classes_ : ndarray of shape (n_options,)
        The options.
    coef_ : ndarray of shape (n_options, n_features)
        Coefficients, in logits per unit of the feature.
    intercept_ : ndarray of shape (n_options,)
        Intercepts in logits.
    {fitted}

    See Also
    --------
    BinaryClassifier : One option.
    CategoricalClassifier : One of several labels.

    Notes
    -----
    A row in which nothing is selected is an answer like others.

    References
    ----------
    .. [1] Agresti & Liu (1999). Modeling a categorical variable allowing arbitrarily
       many category choices. Biometrics 55(3), 936-943.
       doi:10.1111/j.0006-341X.1999.00936.x

    Examples
    --------
    >>> from bead_sklearn import MultiSelectClassifier
    >>> texts = ["a warm day", "a cold day", "a warm night", "a cold night"] * 5
    >>> y = [{"joy"}, set(), {"joy", "calm"}, {"calm"}] * 5
    >>> model = MultiSelectClassifier().fit(texts, y)
    >>> model.classes_.tolist()
    ['calm', 'joy']
    >>> model.predict(["a warm day", "a cold night"])
    array([[0, 1],
           [1, 0]])
    """

    _response = "binary"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MixedModelClassifier._parameter_constraints,
        **FINE_TUNING,
        "family": [str, Family],
        "options": ["array-like", None],
    }

    def __init__(
        self,
        *,
        options: Any = None,
        mixed_effects: Any = "auto",
        encoder: Any = None,
        fine_tune: str | int = "frozen",
        net: Any = None,
        alpha: float | str = "auto",
        population: Any = "marginal",
        family: Any = "bernoulli",
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
        self.family = family

    def predict(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Predict which options are selected, each for itself.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges. Participants not seen in fit, and None, stand for a new
            participant.

        Returns
        -------
        selected : ndarray of int of shape (n_samples, n_options)
            1 where the probability is above one half.
        """
        return (self.predict_proba(X, groups=groups) > 0.5).astype(np.int64)

    def inverse_transform(self, selected: Any) -> list[tuple[Any, ...]]:
        """Return the names of the options that an indicator matrix selects.

        Parameters
        ----------
        selected : array-like of shape (n_samples, n_options)
            Such as :meth:`predict` returns.

        Returns
        -------
        names : list of tuple
            Selected options of each row, in the order of ``classes_``.
        """
        rows = np.asarray(selected) == 1
        return [tuple(self.classes_[row].tolist()) for row in rows]

    def score(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> float:
        """Return the share of rows whose whole selection is predicted.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What was judged.
        y : array-like of shape (n_samples, n_options) or list of sets of names
            The selections.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judged.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the judgments.

        Returns
        -------
        score : float
            Subset accuracy, as of scikit-learn's multi-label classifiers.
        """
        predicted = self.predict(X, groups=groups)
        actual, _ = _read_selections(y, self.classes_)
        return float(
            accuracy_score(
                actual.astype(np.int64), predicted, sample_weight=sample_weight
            )
        )

    def predict_table(self, X: Any, *, groups: Any = None, ids: Any = None) -> Any:
        """Return predictions as a table.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, list of str or list of dict
            What is judged.
        groups : array-like of shape (n_samples,) or DataFrame, default=None
            Who judges.
        ids : array-like of shape (n_samples,), default=None
            Names of the rows; their position by default.

        Returns
        -------
        table : DataFrame or list of dict
            Columns ``id``, ``prediction`` (names joined by ``|``), one ``p_<option>``
            per option, and ``confidence``, the probability of the whole selection if
            options are independent. A pandas DataFrame if pandas is installed, else
            polars, else records.
        """
        probabilities = self.predict_proba(X, groups=groups)
        selected = probabilities > 0.5
        columns: dict[str, np.ndarray] = {
            "id": row_ids(ids, len(probabilities)),
            "prediction": np.array(
                ["|".join(map(str, self.classes_[row])) for row in selected],
                dtype=object,
            ),
        }
        for option, column in zip(self.classes_, probabilities.T, strict=True):
            columns[f"p_{option}"] = column
        likely = np.where(selected, probabilities, 1.0 - probabilities)
        columns["confidence"] = likely.prod(axis=1)
        return make_frame(columns)

    def _make_family(self) -> Family:
        family = get_family(self.family, response=self._response)
        return IndependentOutputs(family, len(self.classes_))

    def _output_names(self) -> tuple[str, ...]:
        return tuple(map(str, self.classes_))

    def _encode_target(self, y: Any, judgments: Judgments) -> np.ndarray:
        del judgments
        target, self.classes_ = _read_selections(y, self.options)
        return target

    def _check_kept(self, target: np.ndarray) -> None:
        constant = (target == target[:1]).all(axis=0)
        if constant.any():
            names = self.classes_[constant].tolist()
            raise ValueError(
                f"y has only one class for the option(s) {names}: they are selected "
                f"in all or none of the {len(target)} judgments of positive "
                "sample_weight, which says nothing on what they depend on. Leave them "
                "out of y."
            )

    def _decode_target(self, target: np.ndarray, rows: Rows) -> np.ndarray:
        del rows
        return target.astype(np.int64)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False  # within one option
        tags.classifier_tags.multi_label = True
        tags.target_tags.two_d_labels = True
        tags.target_tags.single_output = False
        tags.target_tags.multi_output = True
        return tags


def _read_selections(y: Any, options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return selections as an indicator matrix, and the names of its columns.

    Parameters
    ----------
    y : indicator matrix, DataFrame, or sequence of collections of names
        The selections.
    options : array-like or None
        Names of the options; None takes them from y.
    """
    check_target_present(y)
    names = None if options is None else np.asarray(options)
    if names is not None and len(set(names.tolist())) < len(names):
        raise ValueError(f"options must be distinct. Got {names.tolist()}.")
    if _holds_collections(y):
        return _from_collections(list(y), names)
    if nw.dependencies.is_into_dataframe(y):
        frame = nw.from_native(y, eager_only=True)
        if names is None:
            names = np.array(frame.columns)
        elif set(names.tolist()) == set(frame.columns):
            frame = frame.select(names.tolist())
        y = frame.to_numpy()
    if sparse.issparse(y):
        y = y.toarray()
    matrix = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
    if matrix.ndim == 1:
        raise ValueError(
            "Unknown label type: y must be an indicator matrix of shape (n_samples, "
            "n_options), or a list of sets of option names. Got a 1d array."
        )
    if names is None:
        names = np.arange(matrix.shape[1])
    if matrix.shape[1] != len(names):
        raise ValueError(
            f"y has {matrix.shape[1]} columns for the {len(names)} options "
            f"{names.tolist()}."
        )
    wrong = np.argwhere((matrix != 0) & (matrix != 1))
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            "Unknown label type: y must hold 0 and 1 only. Got "
            f"{matrix[row, column]:g} in row {row} for the option "
            f"{names.tolist()[column]!r}."
        )
    return matrix, names


def _holds_collections(y: Any) -> bool:
    """Whether the rows of y are sets, or lists or tuples of names."""
    if nw.dependencies.is_into_series(y):
        y = y.to_list()
    if isinstance(y, np.ndarray):
        if y.ndim != 1 or y.dtype != object:
            return False
    elif not isinstance(y, (list, tuple)):
        return False
    if any(isinstance(row, (set, frozenset)) for row in y):
        return True
    return any(
        isinstance(row, (list, tuple)) and any(isinstance(name, str) for name in row)
        for row in y
    )


def _from_collections(
    rows: list[Any], names: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    for i, row in enumerate(rows):
        if isinstance(row, str) or not isinstance(row, Iterable):
            raise TypeError(
                "Every row of y must be a set or list of option names. Got "
                f"{row!r} in row {i}."
            )
    if names is None:
        found = {name for row in rows for name in row}
        if not found:
            raise ValueError(
                "y selects nothing in any row, so there are no options to learn. "
                "Pass options=[...] or drop y."
            )
        names = np.array(sorted(found))
    places = {name: j for j, name in enumerate(names.tolist())}
    matrix = np.zeros((len(rows), len(places)))
    for i, row in enumerate(rows):
        for name in row:
            if name not in places:
                raise ValueError(
                    f"y selects {name!r} in row {i}, which is not among the options "
                    f"{list(places)}."
                )
            matrix[i, places[name]] = 1.0
    return matrix, names
