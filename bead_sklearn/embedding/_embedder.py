"""Embeddings of queries and items, fine-tuned from clicks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from bead_sklearn._sklearn import (
    _check_sample_weight,
    _fit_context,
)
from bead_sklearn.embedding._clicks import ClickstreamPairs
from bead_sklearn.embedding._confidences import click_confidences
from bead_sklearn.embedding._metrics import mean_reciprocal_rank
from bead_sklearn.embedding._options import CONSTRAINTS, check_options
from bead_sklearn.embedding._rows import RowReader, Side, read_clicks, single_side
from bead_sklearn.embedding._towers import begin_towers
from bead_sklearn.embedding._validation import hold_out, ranking


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

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS

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
        check_options(self)
        self._reader = RowReader(
            self.query_column, self.item_column, self.n_query_features
        )
        self._rng = check_random_state(self.random_state)
        query, item = self._reader.read(self, X, reset=True)
        self._towers = begin_towers(self, query, item)
        self.n_components_ = self._towers.n_components
        self._show_matrices()
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
        check_options(self)
        query, item = self._reader.read(self, X, reset=False)
        clicks = self._clicks(query, item, y, groups, sample_weight)
        self._train(query, item, clicks, 1, False)
        return self

    def _clicks(
        self, query: Side, item: Side, y: Any, groups: Any, sample_weight: Any
    ) -> ClickstreamPairs:
        found = read_clicks(
            self,
            query,
            item,
            y,
            groups,
            sample_weight,
            needs_pairs=self.loss != "multiple_negatives_ranking",
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
        from bead_sklearn.embedding._training import Settings, train

        trainable = self._towers.trainable(query, item)
        settings = Settings.of(self, check_options(self), max_iter)
        parts = None
        if early_stopping:
            parts = hold_out(clicks, self.validation_fraction, self._rng)
        if parts is None:
            trained = train(trainable, clicks, settings, self._rng)
        else:
            trained = train(
                trainable,
                parts[0],
                settings,
                self._rng,
                ranking(parts[1], trainable, self.validation_pool),
                int(self.patience),
            )
            if self._towers.restart(trainable):
                # The number of passes is settled: now with all sessions.
                train(trainable, clicks, settings, self._rng, passes=trained.passes)
        if np.isnan(trained.losses).all():
            raise ValueError(
                "Nothing could be learned: no batch had a clicked item and another "
                f"one to compare it with (n_samples={len(clicks.session)}, loss="
                f"{self.loss!r}, batch_size={self.batch_size}). Fit more sessions "
                "together, raise batch_size, use hard_negatives=True or a pair loss, "
                "or widen the thresholds of differences."
            )
        self._towers.keep(trainable)
        self._show_matrices()
        self.loss_curve_ = [*self.loss_curve_, *trained.losses]
        self.validation_scores_ = trained.scores
        self.best_iteration_ = self.n_iter_ + trained.best
        self.n_iter_ += len(trained.losses)

    def _show_matrices(self) -> None:
        if self._towers.matrices is not None:
            self.query_matrix_, self.item_matrix_ = self._towers.matrices

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
        side = single_side(X) if self._towers.reads_text else None
        if side is None:
            side = self._reader.read(self, X, reset=False)[which]
        return np.asarray(self._vectors(side, which)[side.index])

    def _similarity(self, query: Side, item: Side) -> np.ndarray:
        left = self._vectors(query, 0)[query.index]
        right = self._vectors(item, 1)[item.index]
        return np.asarray((left * right).sum(axis=1))

    def _vectors(self, side: Side, which: int) -> np.ndarray:
        """Vectors of the distinct queries (0) or items (1)."""
        vectors: np.ndarray = self._towers.vectors(side, which, int(self.batch_size))
        return vectors

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
