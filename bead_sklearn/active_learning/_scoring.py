"""What a search is scored on, and who receives which metadata."""

from __future__ import annotations

from typing import Any

from sklearn.metrics import check_scoring
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import check_is_fitted

from bead_sklearn._sklearn import _routing_enabled
from bead_sklearn.query import get_query_strategy


class ScoringMixin:
    """`score` and metadata routing of a search."""

    estimator: Any
    strategy: Any
    scoring: Any
    estimator_: Any

    def _scorer(self) -> Any:
        return check_scoring(self.estimator, self.scoring, allow_none=True)

    def score(self, X: Any, y: Any, **params: Any) -> float:
        """Score the estimator with ``scoring``, or with its own ``score``.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows to predict.
        y : array-like of shape (n_samples,)
            True labels.
        **params : dict
            Metadata of the rows, such as ``groups``, for the scorer.

        Returns
        -------
        score : float
            The score.
        """
        check_is_fitted(self)
        scorer = self._scorer()
        if scorer is None:
            raise AttributeError(
                f"{type(self.estimator).__name__} has no score method; pass scoring."
            )
        if params and _routing_enabled():
            params = process_routing(self, "score", **params)["scorer"]["score"]
        return float(scorer(self.estimator_, X, y, **params))

    def get_metadata_routing(self) -> MetadataRouter:
        """Get the metadata routing of this object.

        Returns
        -------
        routing : MetadataRouter
            Metadata of ``fit`` go to the estimator, to the query strategy (its
            ``score`` request) and to the scorer; those of predictions to the estimator.
        """
        mapping = MethodMapping()
        for method in (
            "fit",
            "predict",
            "predict_proba",
            "predict_log_proba",
            "decision_function",
            "transform",
        ):
            mapping.add(caller=method, callee=method)
        router = (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(estimator=self.estimator, method_mapping=mapping)
            .add(
                query=get_query_strategy(self.strategy),
                method_mapping=MethodMapping().add(caller="fit", callee="score"),
            )
        )
        scorer = self._scorer()
        if scorer is not None:
            router.add(
                scorer=scorer,
                method_mapping=MethodMapping()
                .add(caller="fit", callee="score")
                .add(caller="score", callee="score"),
            )
        return router
