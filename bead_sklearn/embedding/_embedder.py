"""Embeddings of queries and items, fine-tuned from clicks."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import Tags, check_array, check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from bead_sklearn._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    _check_sample_weight,
    _fit_context,
)
from bead_sklearn.embedding._clicks import ClickstreamPairs
from bead_sklearn.embedding._confidences import click_confidences
from bead_sklearn.embedding._metrics import mean_reciprocal_rank
from bead_sklearn.embedding._params import read_examples_order
from bead_sklearn.embedding._rows import RowReader, Side, single_side
from bead_sklearn.encoders import TransformerEncoder, fit_encoder, resolve_encoder
from bead_sklearn.inputs import encode_levels, read_groups

_LOSSES = {
    "multiple_negatives_ranking",
    "prob_margin",
    "cosine_prob_margin",
    "pairwise_logistic",
    "margin_ranking",
}

#: Sessions with clicks that a validation part needs.
_MIN_VALIDATION = 10


class TwoTowerEmbedder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    r"""Learn vectors of queries and items from clicks on items shown for queries.

    Similarity is the cosine of the vectors of a query and an item. With
    ``fine_tune="adapter"`` a tower is a fixed encoder followed by a square matrix that
    begins as the identity; with ``"full"`` it is a pretrained language model. The
    default loss is the cross-entropy of the clicked item among those clicked in the
    other sessions of a batch [1]_,

    .. math:: -\log \frac{e^{20 s_{qi}}}{\sum_j e^{20 s_{qj}}} .

    Training ends when a held-out part of the sessions says so, and the weights of the
    best pass are kept, those before training included.

    Parameters
    ----------
    encoder : None, str, transformer or callable, default=None
        Features of texts, as in the task models. Numbers are taken as they are.
    query_encoder : None, str, transformer or callable, default=None
        Encoder of queries; None takes that of items.
    shared : bool, default=False
        Whether one tower serves queries and items.
    fine_tune : {"adapter", "full"}, default="adapter"
        What is trained: a matrix, or the language model that ``encoder`` names.
    loss : {"multiple_negatives_ranking", "prob_margin", "cosine_prob_margin", \
"pairwise_logistic", "margin_ranking"}, default="multiple_negatives_ranking"
        The others compare clicked items with items shown in the same session.
    margin : float, default=0.05
        Margin of these others.
    hard_negatives : bool, default=False
        Whether items shown without a click join those of the other sessions
        ("multiple_negatives_ranking").
    negative_downsampling : float, default=1.0
        Share of the items without a click that is drawn at each pass.
    not_irrelevant_only : bool, default=True
        Whether sessions without clicks are left out; else the pair losses set their
        items against items clicked elsewhere.
    min_abs_difference_threshold, max_abs_difference_threshold : float, \
default=0.0 and 2.0
        Which differences of similarity are soft, medium and hard (pair losses).
    examples_order : ExamplesType, int, str or sequence of these, \
default="all_examples"
        One stage of training per entry (pair losses).
    optimizer : {"adam", "adamw", "sgd"}, default="adam"
        How weights move.
    query_lr, items_lr : float, default=None
        Learning rates; None is 3e-4 for matrices and 2e-5 for language models. A
        shared tower has that of items.
    query_weight_decay, items_weight_decay : float, default=0.0
        Weight decays.
    lr_step : int, default=None
        Passes after which learning rates are multiplied by ``lr_gamma``; None: never.
    lr_gamma : float, default=0.9
        Factor of learning rates.
    num_fixed_layers : int, default=0
        Lowest layers that are not trained ("full").
    max_iter : int, default=10
        Passes per stage.
    batch_size : int, default=32
        Sessions per step.
    early_stopping : bool, default=True
        Whether sessions are held out to choose the pass; with fewer than 50 sessions
        with clicks none are.
    validation_fraction : float, default=0.2
        Share of the sessions held out.
    validation_pool : {"all", "session"}, default="all"
        What a clicked item is ranked among: all items in fit, or those shown with it.
    patience : int, default=3
        Passes without a better ranking after which training ends.
    click_confidence : None, "windowed" or callable, default=None
        Confidences besides ``sample_weight``: :func:`click_confidences`, or a
        function of the similarities and clicks of a session in the order shown.
    query_column, item_column : str, default=None
        Columns of a DataFrame; None takes its two columns of text in their order.
    n_query_features : int, default=None
        Number of leading numeric columns of X that are the query; the others are the
        item. None: a row is an item and its own query.
    device : str, default=None
        Where language models run.
    random_state : int, RandomState instance or None, default=None
        Orders sessions, holds some out and draws items without a click.

    Attributes
    ----------
    query_matrix_, item_matrix_ : ndarray of shape (d, d)
        The adapters.
    loss_curve_ : list of float
        Mean loss of each pass.
    validation_scores_ : list of float
        Mean reciprocal rank on the held-out sessions before training and after
        each pass; empty without early stopping.
    best_iteration_ : int
        Pass that was kept; 0 is the encoder as it was.
    n_iter_ : int
        Number of passes.
    n_components_ : int
        Length of the vectors.

    See Also
    --------
    FineTuningParams : Hyper-parameters as one value with an identity.

    Notes
    -----
    Without ``y`` nothing is trained. :meth:`transform` takes a list of texts too, so
    that a fitted embedder in ``sklearn.frozen.FrozenEstimator`` is an ``encoder`` of
    the task models.

    References
    ----------
    .. [1] Henderson et al. (2017). Efficient natural language response suggestion for
       Smart Reply. arXiv:1705.00652

    Examples
    --------
    >>> rows = [("red fruit", "apple"), ("red fruit", "banana"), ("gold", "banana")]
    >>> embedder = TwoTowerEmbedder(max_iter=2, random_state=0)
    >>> embedder.fit(rows, [1, 0, 1]).transform(["apple", "banana"]).shape
    (2, 4)
    """

    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__partial_fit: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__score: ClassVar[dict[str, bool]] = {"groups": True}

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "encoder": [str, callable, HasMethods(["fit", "transform"]), None],
        "query_encoder": [str, callable, HasMethods(["fit", "transform"]), None],
        "shared": ["boolean"],
        "fine_tune": [StrOptions({"adapter", "full"})],
        "loss": [StrOptions(_LOSSES)],
        "margin": [Interval(Real, 0, None, closed="neither")],
        "hard_negatives": ["boolean"],
        "negative_downsampling": [Interval(Real, 0, 1, closed="right")],
        "not_irrelevant_only": ["boolean"],
        "min_abs_difference_threshold": [Interval(Real, 0, None, closed="left")],
        "max_abs_difference_threshold": [Interval(Real, 0, None, closed="neither")],
        "examples_order": "no_validation",
        "optimizer": [StrOptions({"adam", "adamw", "sgd"})],
        "query_lr": [Interval(Real, 0, None, closed="neither"), None],
        "items_lr": [Interval(Real, 0, None, closed="neither"), None],
        "query_weight_decay": [Interval(Real, 0, None, closed="left")],
        "items_weight_decay": [Interval(Real, 0, None, closed="left")],
        "lr_step": [Interval(Integral, 1, None, closed="left"), None],
        "lr_gamma": [Interval(Real, 0, 1, closed="right")],
        "num_fixed_layers": [Interval(Integral, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "validation_pool": [StrOptions({"all", "session"})],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "click_confidence": [StrOptions({"windowed"}), callable, None],
        "query_column": [str, None],
        "item_column": [str, None],
        "n_query_features": [Interval(Integral, 1, None, closed="left"), None],
        "device": [str, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        encoder: Any = None,
        *,
        query_encoder: Any = None,
        shared: bool = False,
        fine_tune: str = "adapter",
        loss: str = "multiple_negatives_ranking",
        margin: float = 0.05,
        hard_negatives: bool = False,
        negative_downsampling: float = 1.0,
        not_irrelevant_only: bool = True,
        min_abs_difference_threshold: float = 0.0,
        max_abs_difference_threshold: float = 2.0,
        examples_order: Any = "all_examples",
        optimizer: str = "adam",
        query_lr: float | None = None,
        items_lr: float | None = None,
        query_weight_decay: float = 0.0,
        items_weight_decay: float = 0.0,
        lr_step: int | None = None,
        lr_gamma: float = 0.9,
        num_fixed_layers: int = 0,
        max_iter: int = 10,
        batch_size: int = 32,
        early_stopping: bool = True,
        validation_fraction: float = 0.2,
        validation_pool: str = "all",
        patience: int = 3,
        click_confidence: str | Callable[[np.ndarray, np.ndarray], Any] | None = None,
        query_column: str | None = None,
        item_column: str | None = None,
        n_query_features: int | None = None,
        device: str | None = None,
        random_state: Any = None,
    ) -> None:
        self.encoder = encoder
        self.query_encoder = query_encoder
        self.shared = shared
        self.fine_tune = fine_tune
        self.loss = loss
        self.margin = margin
        self.hard_negatives = hard_negatives
        self.negative_downsampling = negative_downsampling
        self.not_irrelevant_only = not_irrelevant_only
        self.min_abs_difference_threshold = min_abs_difference_threshold
        self.max_abs_difference_threshold = max_abs_difference_threshold
        self.examples_order = examples_order
        self.optimizer = optimizer
        self.query_lr = query_lr
        self.items_lr = items_lr
        self.query_weight_decay = query_weight_decay
        self.items_weight_decay = items_weight_decay
        self.lr_step = lr_step
        self.lr_gamma = lr_gamma
        self.num_fixed_layers = num_fixed_layers
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.validation_pool = validation_pool
        self.patience = patience
        self.click_confidence = click_confidence
        self.query_column = query_column
        self.item_column = item_column
        self.n_query_features = n_query_features
        self.device = device
        self.random_state = random_state

    # ------------------------------------------------------------------ fit

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any = None, *, groups: Any = None, sample_weight: Any = None
    ) -> Self:
        """Learn from what was clicked.

        Parameters
        ----------
        X : DataFrame, array-like of shape (n_rows, 2) of str or of shape \
(n_rows, n_features), or list of str
            A row per query and item shown, in the order shown.
        y : array-like of shape (n_rows,), default=None
            1 for a click, or a grade above 0; 0 for none. None trains nothing.
        groups : array-like of shape (n_rows,), default=None
            Session of each row. None: rows with the same query.
        sample_weight : array-like of shape (n_rows,), default=None
            Confidence in each row.

        Returns
        -------
        self : TwoTowerEmbedder
            The fitted embedder.

        Raises
        ------
        ValueError
            If no session has a click, the pair losses find no item without one beside
            it, a click or a confidence is negative, or a session has two queries.
        """
        self._check_settings()
        self._reader = RowReader(
            self.query_column, self.item_column, self.n_query_features
        )
        self._rng = check_random_state(self.random_state)
        query, item = self._reader.read(self, X, reset=True)
        self._start(query, item)
        self.loss_curve_: list[float] = []
        self.validation_scores_: list[float] = []
        self.best_iteration_ = 0
        self.n_iter_ = 0
        if y is not None:
            clicks = self._clicks(query, item, y, groups, sample_weight)
            self._train(query, item, clicks, int(self.max_iter), self.early_stopping)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> Self:
        """Go on from the present weights: one pass over more rows.

        Parameters
        ----------
        X : DataFrame, array-like or list of str
            Rows, as in :meth:`fit`.
        y : array-like of shape (n_rows,)
            Clicks.
        groups : array-like of shape (n_rows,), default=None
            Session of each row.
        sample_weight : array-like of shape (n_rows,), default=None
            Confidence in each row.

        Returns
        -------
        self : TwoTowerEmbedder
            The embedder.
        """
        if not self.__sklearn_is_fitted__():
            self.fit(X)
        query, item = self._reader.read(self, X, reset=False)
        clicks = self._clicks(query, item, y, groups, sample_weight)
        self._train(query, item, clicks, 1, False)
        return self

    def _check_settings(self) -> None:
        in_batch = self.loss == "multiple_negatives_ranking"
        if self.hard_negatives and not in_batch:
            raise ValueError(
                "hard_negatives=True needs loss='multiple_negatives_ranking'; the pair "
                f"losses use such items always. Got loss={self.loss!r}."
            )
        if self.min_abs_difference_threshold >= self.max_abs_difference_threshold:
            raise ValueError(
                "min_abs_difference_threshold must be below "
                "max_abs_difference_threshold. Got "
                f"{self.min_abs_difference_threshold:g} and "
                f"{self.max_abs_difference_threshold:g}."
            )
        self._stages = read_examples_order(self.examples_order)
        if in_batch and any(stage.name != "all_examples" for stage in self._stages):
            raise ValueError(
                "examples_order needs a pair loss such as 'pairwise_logistic'; "
                "'multiple_negatives_ranking' has no pairs to choose from."
            )
        if in_batch and not self.not_irrelevant_only:
            raise ValueError(
                "not_irrelevant_only=False needs a pair loss such as "
                "'pairwise_logistic'."
            )
        if self.num_fixed_layers and self.fine_tune != "full":
            raise ValueError(
                f"num_fixed_layers={self.num_fixed_layers} needs fine_tune='full'; "
                "with 'adapter' no layer of the encoder is trained."
            )

    def _start(self, query: Side, item: Side) -> None:
        """Fit encoders, and begin with towers that change nothing."""
        options = {"device": self.device, "random_state": self.random_state}
        self._encoders: tuple[Any, Any] | None = None
        self._modules: tuple[Any, Any] | None = None
        if not item.is_text:
            if self.fine_tune == "full":
                raise ValueError("fine_tune='full' needs texts. X holds numbers.")
            d = item.values.shape[1]
        elif self.fine_tune == "full":
            d = self._start_language_models(options)
        else:
            encoder = resolve_encoder(self.encoder, **options)
            if self.query_encoder is None:
                texts = list(dict.fromkeys([*query.values, *item.values]))
                fit_encoder(encoder, texts)
                self._encoders = (encoder, encoder)
            else:
                other = resolve_encoder(self.query_encoder, **options)
                self._encoders = (
                    fit_encoder(other, query.values),
                    fit_encoder(encoder, item.values),
                )
            sizes = [
                np.shape(e.transform(side.values[:1]))[1]
                for e, side in zip(self._encoders, (query, item), strict=True)
            ]
            if sizes[0] != sizes[1]:
                raise ValueError(
                    f"query_encoder gives {sizes[0]} features and encoder {sizes[1]}; "
                    "query and item vectors must be of one length."
                )
            d = sizes[1]
        self.n_components_ = int(d)
        if self.fine_tune == "adapter":
            self.query_matrix_ = np.eye(d)
            self.item_matrix_ = np.eye(d)

    def _start_language_models(self, options: dict[str, Any]) -> int:
        from bead_sklearn.embedding._adapters import LanguageModelTower

        encoders = [resolve_encoder(self.encoder, **options)]
        if self.query_encoder is not None:
            encoders.append(resolve_encoder(self.query_encoder, **options))
        for encoder in encoders:
            if not isinstance(encoder, TransformerEncoder):
                raise ValueError(
                    "fine_tune='full' needs a language model as encoder: its name, its "
                    f"folder or a TransformerEncoder. Got {encoder!r}."
                )
            encoder.fit([""])
        towers = [LanguageModelTower(e, int(self.num_fixed_layers)) for e in encoders]
        if not self.shared and len(towers) == 1:
            towers.append(LanguageModelTower(encoders[0], int(self.num_fixed_layers)))
        self._modules = (towers[-1], towers[0])
        return int(encoders[0].n_components_)

    def _clicks(
        self, query: Side, item: Side, y: Any, groups: Any, sample_weight: Any
    ) -> ClickstreamPairs:
        n_rows = len(item.index)
        clicks = check_array(
            y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=self
        )
        clicks = clicks[:, 0] if clicks.ndim == 2 and clicks.shape[1] == 1 else clicks
        check_consistent_length(item.index, clicks)
        if clicks.ndim != 1:
            raise ValueError(f"y must be a vector of clicks. Got shape {clicks.shape}.")
        weights = _check_sample_weight(
            sample_weight, item.index, dtype=np.float64, ensure_non_negative=True
        )
        session = query.index
        if groups is not None:
            ids = next(iter(read_groups(groups, n_rows).values()))
            session = encode_levels(ids)[1]
        else:
            session = encode_levels(session)[1]
        found = ClickstreamPairs(query.index, item.index, clicks, weights, session)
        if not found.has_clicks.any():
            raise ValueError("No session has a click: all of y is 0.")
        is_pair_loss = self.loss != "multiple_negatives_ranking"
        if is_pair_loss and not any(
            len(np.unique(clicks[rows] > 0)) == 2 for rows in found.sessions
        ):
            raise ValueError(
                f"loss={self.loss!r} compares items with and without a click of one "
                "session, and no session has both."
            )
        if self.click_confidence is not None:
            measure: Any = self.click_confidence
            if measure == "windowed":
                measure = click_confidences
            found = found.with_confidences(measure, self._similarity(query, item))
        return found

    def _train(
        self,
        query: Side,
        item: Side,
        clicks: ClickstreamPairs,
        max_iter: int,
        early_stopping: bool,
    ) -> None:
        from bead_sklearn.embedding._training import train

        before = None
        if self._modules is None:
            before = self.query_matrix_, self.item_matrix_
        towers = self._towers(query, item)
        validation = self._hold_out(clicks) if early_stopping else []
        settings = self._settings(max_iter)
        if not validation:
            trained = train(towers, clicks, settings, self._rng)
        else:
            kept, held_out = _split(clicks, validation)
            trained = train(
                towers,
                kept,
                settings,
                self._rng,
                self._evaluation(query, item, held_out, towers),
                int(self.patience),
            )
            if before is not None:
                # The number of passes is settled: now with all sessions.
                self.query_matrix_, self.item_matrix_ = before
                towers = self._towers(query, item)
                train(towers, clicks, settings, self._rng, n_passes=trained.best)
        self._keep(towers)
        self.loss_curve_ = [*self.loss_curve_, *trained.losses]
        self.validation_scores_ = trained.scores
        self.best_iteration_ = self.n_iter_ + trained.best
        self.n_iter_ += len(trained.losses)

    def _hold_out(self, clicks: ClickstreamPairs) -> list[int]:
        """Return the sessions that are held out, none if they would be few."""
        with_clicks = np.flatnonzero(clicks.has_clicks)
        n = round(self.validation_fraction * len(with_clicks))
        if n < _MIN_VALIDATION or n >= len(with_clicks):
            return []
        return sorted(self._rng.permutation(with_clicks)[:n].tolist())

    def _evaluation(
        self, query: Side, item: Side, held_out: ClickstreamPairs, towers: Any
    ) -> Callable[[], float]:
        """Return a function that ranks the clicked items of held-out sessions."""

        def within_sessions() -> float:
            self._keep(towers)
            rows = np.concatenate(held_out.sessions)
            index = Side(query.values, held_out.query[rows])
            other = Side(item.values, held_out.item[rows])
            return mean_reciprocal_rank(
                held_out.click[rows],
                self._similarity(index, other),
                groups=held_out.session[rows],
            )

        def among_all() -> float:
            self._keep(towers)
            left = self._vectors(query, 0)
            right = self._vectors(item, 1)
            rows = np.flatnonzero(held_out.click > 0)
            scores = left[held_out.query[rows]] @ right.T
            own = scores[np.arange(len(rows)), held_out.item[rows]]
            above = (scores > own[:, None]).sum(axis=1)
            ranks = 1.0 + above
            return float((1.0 / ranks).mean())

        return among_all if self.validation_pool == "all" else within_sessions

    def _settings(self, max_iter: int) -> Any:
        from bead_sklearn.embedding._training import Settings

        rate = 3e-4 if self.fine_tune == "adapter" else 2e-5
        return Settings(
            loss=self.loss,
            margin=float(self.margin),
            hard_negatives=bool(self.hard_negatives),
            optimizer=self.optimizer,
            query_lr=rate if self.query_lr is None else float(self.query_lr),
            items_lr=rate if self.items_lr is None else float(self.items_lr),
            query_weight_decay=float(self.query_weight_decay),
            items_weight_decay=float(self.items_weight_decay),
            lr_step=self.lr_step,
            lr_gamma=float(self.lr_gamma),
            max_iter=max_iter,
            batch_size=int(self.batch_size),
            negative_downsampling=float(self.negative_downsampling),
            min_difference=float(self.min_abs_difference_threshold),
            max_difference=float(self.max_abs_difference_threshold),
            stages=self._stages,
            not_irrelevant_only=bool(self.not_irrelevant_only),
        )

    def _towers(self, query: Side, item: Side) -> Any:
        from bead_sklearn.embedding._adapters import LanguageModelTowers, LinearAdapters

        if self._modules is not None:
            return LanguageModelTowers(query.values, item.values, *self._modules)
        return LinearAdapters(
            self._features(query, 0),
            self._features(item, 1),
            self.query_matrix_,
            self.item_matrix_,
            shared=bool(self.shared),
        )

    def _keep(self, towers: Any) -> None:
        if self._modules is None:
            self.query_matrix_, self.item_matrix_ = towers.matrices()

    # -------------------------------------------------------------- predict

    def transform(self, X: Any) -> np.ndarray:
        """Return vectors of items.

        Parameters
        ----------
        X : list of str, DataFrame or array-like
            Items, or rows as in :meth:`fit`.

        Returns
        -------
        vectors : ndarray of shape (n_rows, n_components_)
            Vectors of length 1.
        """
        check_is_fitted(self)
        return self._of_rows(X, 1)

    def transform_query(self, X: Any) -> np.ndarray:
        """Return vectors of queries.

        Parameters
        ----------
        X : list of str, DataFrame or array-like
            Queries, or rows as in :meth:`fit`.

        Returns
        -------
        vectors : ndarray of shape (n_rows, n_components_)
            Vectors of length 1.
        """
        check_is_fitted(self)
        return self._of_rows(X, 0)

    def predict(self, X: Any) -> np.ndarray:
        """Return the similarity of the query and the item of each row.

        Parameters
        ----------
        X : DataFrame or array-like
            Rows, as in :meth:`fit`.

        Returns
        -------
        similarity : ndarray of shape (n_rows,)
            Cosines.
        """
        check_is_fitted(self)
        return self._similarity(*self._reader.read(self, X, reset=False))

    def sessions(self, X: Any) -> np.ndarray:
        """Return the sessions of rows without ``groups``: the number of the query.

        Parameters
        ----------
        X : DataFrame or array-like
            Rows, as in :meth:`fit`.

        Returns
        -------
        session : ndarray of int of shape (n_rows,)
            Equal for equal queries.
        """
        check_is_fitted(self)
        return self._reader.read(self, X, reset=False)[0].index

    def score(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> float:
        """Return the mean reciprocal rank of the first clicked item of each session.

        Parameters
        ----------
        X : DataFrame or array-like
            Rows, as in :meth:`fit`.
        y : array-like of shape (n_rows,)
            Clicks.
        groups : array-like of shape (n_rows,), default=None
            Session of each row. None: rows with the same query.
        sample_weight : array-like of shape (n_rows,), default=None
            Rows of weight 0 are left out.

        Returns
        -------
        score : float
            Between 0 and 1; sessions without a click do not count.
        """
        similarity = self.predict(X)
        sessions = np.asarray(self.sessions(X) if groups is None else groups)
        weights = _check_sample_weight(sample_weight, similarity, dtype=np.float64)
        kept = weights > 0
        return mean_reciprocal_rank(
            np.asarray(y)[kept], similarity[kept], groups=sessions[kept]
        )

    def _of_rows(self, X: Any, which: int) -> np.ndarray:
        side = None
        if self._encoders is not None or self._modules is not None:
            side = single_side(X)
        if side is None:
            side = self._reader.read(self, X, reset=False)[which]
        return np.asarray(self._vectors(side, which)[side.index])

    def _similarity(self, query: Side, item: Side) -> np.ndarray:
        left = self._vectors(query, 0)[query.index]
        right = self._vectors(item, 1)[item.index]
        return np.asarray((left * right).sum(axis=1))

    def _vectors(self, side: Side, which: int) -> np.ndarray:
        """Vectors of the distinct queries (0) or items (1)."""
        if self._modules is not None:
            vectors = self._modules[which].embed(side.values, int(self.batch_size))
        else:
            matrix = (self.query_matrix_, self.item_matrix_)[which]
            vectors = self._features(side, which) @ matrix.T
        return np.asarray(vectors / _lengths(vectors))

    def _features(self, side: Side, which: int) -> np.ndarray:
        if not side.is_text:
            return np.asarray(side.values)
        assert self._encoders is not None
        features = self._encoders[which].transform(side.values)
        return np.asarray(
            features.toarray() if hasattr(features, "toarray") else features,
            dtype=np.float64,
        )

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_iter_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.target_tags.positive_only = True
        return tags


def _lengths(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.where(lengths > 1e-12, lengths, 1.0))


def _split(
    clicks: ClickstreamPairs, held_out: list[int]
) -> tuple[ClickstreamPairs, ClickstreamPairs]:
    """Return the rows of the sessions that are kept, and of those held out."""
    out = np.zeros(len(clicks.sessions), dtype=bool)
    out[held_out] = True
    numbers = np.empty(len(clicks.session), dtype=np.intp)
    for number, rows in enumerate(clicks.sessions):
        numbers[rows] = number
    parts = []
    for mask in (~out[numbers], out[numbers]):
        rows = np.flatnonzero(mask)
        parts.append(
            ClickstreamPairs(
                clicks.query[rows],
                clicks.item[rows],
                clicks.click[rows],
                clicks.confidence[rows],
                clicks.session[rows],
            )
        )
    return parts[0], parts[1]
