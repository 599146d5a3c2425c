"""Which metadata goes where in a search."""

from __future__ import annotations

from typing import Any

from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    get_routing_for_object,
    process_routing,
)

from bead_sklearn._sklearn import _routing_enabled
from bead_sklearn.model_selection._groups import groups_kwargs, names_groups

Metadata = dict[str, Any]


def route_fit(
    search: Any, groups: Any, params: Metadata, scorer: Any
) -> tuple[Metadata, Metadata, Metadata]:
    """Share the metadata of ``fit`` out to estimator, strategy and scorer.

    Parameters
    ----------
    search : ActiveLearningSearch
        The search.
    groups : array-like or None
        Participant ids.
    params : dict
        Other metadata.
    scorer : callable or None
        The scorer, if the search scores.

    Returns
    -------
    fit_params, query_params, score_params : dict
        Keyword arguments, aligned with the rows of X.
    """
    given = {} if groups is None else {"groups": groups}
    if _routing_enabled():
        routed = process_routing(search, "fit", **given, **params)
        score_params = {} if scorer is None else dict(routed["scorer"]["score"])
        return (
            dict(routed["estimator"]["fit"]),
            dict(routed["query"]["score"]),
            score_params,
        )
    fit_params = fit_groups_kwargs(search.estimator, groups) | params
    scores_groups = scorer is not None and names_groups(
        search.estimator.score if search.scoring is None else scorer
    )
    return fit_params, given, given if scores_groups else {}


def fit_groups_kwargs(estimator: Any, groups: Any) -> Metadata:
    """Keyword arguments that hand ``groups`` to ``fit`` if the estimator takes them.

    With routing disabled a Pipeline takes metadata only under the names of its steps:
    they are addressed to every step that takes groups.
    """
    if groups is None or _routing_enabled() or not hasattr(estimator, "steps"):
        return groups_kwargs(estimator, "fit", groups)
    return {
        f"{name}__{key}": value
        for name, step in estimator.steps
        if hasattr(step, "fit")
        for key, value in fit_groups_kwargs(step, groups).items()
    }


def route_validation_groups(search: Any, groups: Any, scorer: Any) -> Metadata:
    """Keyword arguments of the scorer for validation data with groups of their own."""
    if groups is None:
        return {}
    if not _routing_enabled():
        function = search.estimator.score if search.scoring is None else scorer
        return {"groups": groups} if names_groups(function) else {}
    routing = get_routing_for_object(scorer)
    name = "groups"
    if not isinstance(routing, MetadataRouter):
        alias = routing.score.requests.get("groups")
        name = alias if isinstance(alias, str) else name
    router = MetadataRouter(owner=search).add(
        scorer=scorer, method_mapping=MethodMapping().add(caller="fit", callee="score")
    )
    routed = router.route_params(caller="fit", params={name: groups})
    return dict(routed["scorer"]["score"])
