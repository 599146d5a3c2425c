"""Stop when the model agrees with people as people do with each other."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bead_sklearn._sklearn import Interval, StrOptions, _num_samples
from bead_sklearn.active_learning._error_spending import (
    from_memory,
    lower_bound,
    share_spent,
    to_text,
)
from bead_sklearn.active_learning._stopping import SearchState, StoppingRule
from bead_sklearn.agreement._coefficients import (
    COEFFICIENTS,
    check_coefficient,
    coefficient_of,
)
from bead_sklearn.agreement._counts import UnitCounts
from bead_sklearn.agreement._interval import bca_levels, resample
from bead_sklearn.agreement._kappa import kappa_of_two
from bead_sklearn.agreement._model import model_agreement
from bead_sklearn.agreement._ratings import LEVELS, read_ratings
from bead_sklearn.model_selection._groups import groups_kwargs

Floats = NDArray[np.float64]


class HumanAgreement(StoppingRule):
    r"""Stop when the model agrees with people as well as people with each other.

    On items that several people have judged, and that the search does not learn from,
    the agreement A of the model with the people is compared with that of the people,
    both in the same coefficient and corrected for chance in the same way: the model's
    labels are one more annotator's. (Accuracy beside a kappa would compare numbers of
    different meaning: a constant guess at a rare class is often right.) The search
    stops when

    .. math:: A_{\text{model}} - A_{\text{people}} > -\text{threshold}

    holds beyond chance: the one-sided lower bound of the difference, by a bootstrap
    over items with all their judgments (BCa), is above it. That is a test of
    non-inferiority, made in every round from ``min_iterations`` on; without
    ``statistical_test`` the difference itself is compared.

    The same items are looked at again and again. ``alpha`` is the probability to stop,
    in any round of the search, with a model that is worse than people by more than the
    threshold. It is spent as labels arrive [1]_: a fifth at the first look, of
    :math:`n_1` labels, and :math:`\alpha\, n / (n + 4 n_1)` up to n labels, in however
    many batches. What successive looks have in common costs nothing, since they
    share their bootstrap samples: a look may err in those samples only in which no look
    before did. Models that hardly change are tested at nearly the whole level.

    Parameters
    ----------
    metric : {"krippendorff_alpha", "fleiss_kappa", "cohen_kappa", \
"percent_agreement"}, default="krippendorff_alpha"
        The coefficient; ``"cohen_kappa"`` is averaged over pairs.
    X : array-like of shape (n_items, ...)
        The items, as the estimator reads them.
    ratings : array-like of shape (n_annotators, n_items)
        What each person said; None and NaN are missing.
    groups : array-like of shape (n_items,), default=None
        Participant ids to predict for; None predicts for a new participant.
    level : {"nominal", "ordinal", "interval", "ratio"}, default="nominal"
        Level of measurement of ``"krippendorff_alpha"``.
    threshold : float, default=0.05
        How much less the model may agree.
    min_iterations : int, default=3
        Batches before the first comparison.
    statistical_test : bool, default=True
        Whether the difference must be beyond chance.
    alpha : float, default=0.05
        Level of the test: of all looks together, or of each.
    spending : {"labels", None}, default="labels"
        How the level is spent over the looks. None: each is tested as if it were the
        only one, at the whole level.
    n_resamples : int, default=2000
        Bootstrap samples.
    random_state : int, default=0
        Seed of the bootstrap: the same in every round, so that a search can be
        repeated.

    References
    ----------
    .. [1] Lan & DeMets (1983), Discrete sequential boundaries for clinical trials.
       Biometrika 70(3). doi:10.1093/biomet/70.3.659

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from bead_sklearn.active_learning import ActiveLearningSearch, HumanAgreement
    >>> rng = np.random.RandomState(0)
    >>> X, items = rng.normal(size=(400, 2)), rng.normal(size=(200, 2))
    >>> y = X[:, 0] + 0.4 * rng.normal(size=400) > 0
    >>> ratings = items[:, 0] + 0.4 * rng.normal(size=(3, 200)) > 0
    >>> search = ActiveLearningSearch(
    ...     LogisticRegression(), stopping=HumanAgreement(X=items, ratings=ratings),
    ...     random_state=0,
    ... ).fit(X, y)
    >>> search.stopped_by_
    'HumanAgreement'
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "metric": [StrOptions(set(COEFFICIENTS))],
        "X": "no_validation",
        "ratings": "no_validation",
        "groups": "no_validation",
        "level": [StrOptions(set(LEVELS))],
        "threshold": [Interval(Real, 0, None, closed="left")],
        "min_iterations": [Interval(Integral, 0, None, closed="left")],
        "statistical_test": ["boolean"],
        "alpha": [Interval(Real, 0, 0.5, closed="neither")],
        "spending": [StrOptions({"labels"}), None],
        "n_resamples": [Interval(Integral, 100, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left")],
    }

    columns = ("people_agreement", "model_agreement", "model_agreement_bound")
    is_single = True

    def __init__(
        self,
        metric: str = "krippendorff_alpha",
        *,
        X: Any,
        ratings: Any,
        groups: Any = None,
        level: str = "nominal",
        threshold: float = 0.05,
        min_iterations: int = 3,
        statistical_test: bool = True,
        alpha: float = 0.05,
        spending: str | None = "labels",
        n_resamples: int = 2000,
        random_state: int = 0,
    ) -> None:
        self.metric = metric
        self.X = X
        self.ratings = ratings
        self.groups = groups
        self.level = level
        self.threshold = threshold
        self.min_iterations = min_iterations
        self.statistical_test = statistical_test
        self.alpha = alpha
        self.spending = spending
        self.n_resamples = n_resamples
        self.random_state = random_state

    def record(self, state: SearchState) -> dict[str, float]:
        """Compare the model with people.

        Parameters
        ----------
        state : SearchState
            The search as it is.

        Returns
        -------
        values : dict
            ``people_agreement``, ``model_agreement`` and ``model_agreement_bound``,
            the lower bound of the difference of model and people (the difference
            itself without a test; NaN where nothing of the level is left). NaN before
            ``min_iterations``.
        """
        check_coefficient(self.metric, self.level, None, "metric")
        if state.iteration < self.min_iterations:
            return dict.fromkeys(self.columns, float("nan"))
        named = groups_kwargs(state.estimator, "predict", self.groups)
        predicted = np.asarray(state.estimator.predict(self.X, **named))
        people, model = agreements(predicted, self.ratings, self.metric, self.level)
        among, with_model = float(people(None)[0]), float(model(None)[0])
        bound = with_model - among
        if self.statistical_test:
            bound = self._bound(lambda w: model(w) - people(w), bound, state)
        return dict(zip(self.columns, (among, with_model, bound), strict=True))

    def _bound(
        self,
        difference: Callable[[Floats | None], Floats],
        estimate: float,
        state: SearchState,
    ) -> float:
        """Lower bound of the difference; what looks have spent is kept."""
        n_items, n = _num_samples(self.X), self.n_resamples
        resamples = resample(difference, n_items, n, self.random_state)
        known = resamples[~np.isnan(resamples)]
        level = self.alpha
        if self.spending is not None:
            name = type(self).__name__
            memory = state.memory.get(name)
            n_first = state.n_labels if memory is None else memory["n_first"]
            bound, crossed = lower_bound(
                resamples,
                from_memory(memory, n),
                self.alpha * share_spent(state.n_labels, n_first),
            )
            state.memory[name] = {
                "n_first": n_first,
                "n_resamples": n,
                "crossed": to_text(crossed),
            }
            if np.isnan(bound):
                return bound
            level = float(np.mean(known <= bound))
        if np.isnan(estimate) or len(known) < 2:
            return float("nan")
        (level,) = bca_levels(difference, n_items, estimate, known, np.array([level]))
        return float(np.quantile(known, level))

    def _stop(self, state: SearchState) -> bool:
        return bool(state.history["model_agreement_bound"][-1] > -self.threshold)


def agreements(
    predicted: NDArray[Any], ratings: Any, metric: str, level: str
) -> tuple[Callable[[Floats | None], Floats], Callable[[Floats | None], Floats]]:
    """Agreement among people, and of a model with them, for weights of the items.

    Parameters
    ----------
    predicted : ndarray of shape (n_items,)
        The model's answers.
    ratings : array-like of shape (n_annotators, n_items)
        People's answers.
    metric : str
        The coefficient.
    level : str
        Its level of measurement.

    Returns
    -------
    people, model : callable
        Take weights of shape (n_samples, n_items), or None, and return a value per
        sample.

    Raises
    ------
    ValueError
        If lengths differ or fewer than two people judged any item.
    """
    table, labels = read_ratings(ratings)
    if predicted.ndim != 1 or len(predicted) != table.shape[1]:
        raise ValueError(
            f"ratings have {table.shape[1]} items, but the model predicts an array of "
            f"shape {predicted.shape} for X."
        )
    if ((table >= 0).sum(axis=0) > 1).sum() == 0:
        raise ValueError("ratings must hold items that two people have judged.")
    values = np.empty((len(table) + 1, len(predicted)), dtype=object)
    values[0] = predicted
    values[1:] = np.array([*labels, None], dtype=object)[table]
    codes, labels = read_ratings(values)
    if metric == "cohen_kappa":
        humans = range(1, len(codes))
        return (
            _mean_kappa(codes, len(labels), list(combinations(humans, 2))),
            _mean_kappa(codes, len(labels), [(0, j) for j in humans]),
        )
    people = coefficient_of(codes[1:], labels, metric, level, None)
    counts = UnitCounts.from_codes(codes[1:], labels)
    return people, lambda w: model_agreement(counts, codes[0], metric, level, w)


def _mean_kappa(
    codes: NDArray[np.intp], n_labels: int, pairs: list[tuple[int, int]]
) -> Callable[[Floats | None], Floats]:
    """Mean over pairs, of those that have a kappa."""

    def value(w: Floats | None) -> Floats:
        kappas = np.stack(
            [kappa_of_two(codes[list(pair)], n_labels, None, w) for pair in pairs]
        )
        known = ~np.isnan(kappas)
        with np.errstate(invalid="ignore"):
            mean: Floats = np.where(known, kappas, 0.0).sum(axis=0) / known.sum(axis=0)
        return mean

    return value
