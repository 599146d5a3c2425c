"""Who takes ``groups``: one answer for scorers, query strategies and searches."""

from __future__ import annotations

from inspect import signature
from typing import Any, ClassVar, Self

from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.utils.metadata_routing import (
    MetadataRequest,
    MetadataRouter,
    get_routing_for_object,
)

from bead_sklearn._sklearn import _routing_enabled


def groups_kwargs(
    estimator: Any, method: str, groups: Any, *, name: str = "groups"
) -> dict[str, Any]:
    """Keyword arguments that hand ``groups`` to a method that takes them.

    With metadata routing enabled the request of the estimator decides, at any depth
    (a Pipeline asks its steps). With routing disabled the method takes groups when
    its signature names them or when its metadata request, or that of the step it
    passes keywords on to, asks for them.

    Parameters
    ----------
    estimator : estimator
        The object whose method is about to be called.
    method : str
        Name of the method, such as ``"predict_proba"``.
    groups : array-like of shape (n_samples,) or None
        Participant ids of the rows.
    name : str, default="groups"
        Name under which the ids travel when metadata routing is enabled: the alias
        in the caller's own request, if it has one.

    Returns
    -------
    kwargs : dict
        The ids under the name the method wants, or an empty dict when there are
        none or the method does not take them.

    Raises
    ------
    sklearn.exceptions.UnsetMetadataPassedError
        With routing enabled, if the method names ``groups`` and nobody said whether
        it requests them.
    ValueError
        With routing enabled, if the estimator requests its groups under another name
        than ``name``.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> groups_kwargs(LogisticRegression(), "predict_proba", ["ann", "ben"])
    {}
    """
    if groups is None:
        return {}
    if not _routing_enabled():
        return {"groups": groups} if takes_groups(estimator, method) else {}
    routing = get_routing_for_object(estimator)
    if isinstance(routing, MetadataRouter):
        return {name: groups} if routing.consumes(method, {name}) else {}
    alias = getattr(routing, method).requests.get("groups", False)
    label = f"{type(estimator).__name__}.{method}"
    if alias is None:
        raise UnsetMetadataPassedError(
            message=(
                f"{label} can take groups but does not say whether it wants them. Use "
                f"set_{method}_request(groups=True) or (groups=False)."
            ),
            unrequested_params={method: {"groups": groups}},
            routed_params={},
        )
    if isinstance(alias, str) and alias != name:
        raise ValueError(
            f"{label} requests its groups from the metadata {alias!r}, but here they "
            f"come from {name!r}. Use set_score_request(groups={alias!r}) on the "
            "strategy or scorer."
        )
    return {"groups": groups} if alias else {}


def takes_groups(estimator: Any, method: str) -> bool:
    """Whether a method can be called with ``groups`` while routing is disabled."""
    if names_groups(getattr(estimator, method)):
        return True
    routing = get_routing_for_object(estimator)
    return "groups" in routing.consumes(method, {"groups"})


def names_groups(function: Any) -> bool:
    """Whether the signature of a callable names a ``groups`` parameter."""
    return "groups" in signature(function).parameters


class ScoreRequestMixin:
    """Metadata request of an object that is called like a scorer.

    Scorers and query strategies are called with an estimator first, so scikit-learn
    cannot read their request off the signature of a method. This mixin holds it, in
    the name of the ``score`` method.
    """

    _default_request: ClassVar[dict[str, bool | None]] = {"groups": True}

    def get_metadata_routing(self) -> MetadataRequest:
        """Get the metadata request of this object.

        Returns
        -------
        routing : MetadataRequest
            The request; ``groups`` are requested on ``score`` unless
            `set_score_request` said otherwise.
        """
        stored = getattr(self, "_metadata_request", None)
        if stored is not None:
            return get_routing_for_object(stored)
        request = MetadataRequest(owner=self)
        for parameter, alias in self._default_request.items():
            request.score.add_request(param=parameter, alias=alias)
        return request

    def set_score_request(self, **requests: bool | str | None) -> Self:
        """Choose which metadata the object receives.

        Parameters
        ----------
        **requests : bool, str or None
            ``groups=True`` requests the metadata of that name; a str requests the
            metadata of another name, needed where ``groups`` goes to the splitter
            and the participants travel under their own name; False requests none;
            None refuses to be given any.

        Returns
        -------
        self : object
            The same object.

        Raises
        ------
        TypeError
            If the object cannot use metadata of that name.
        """
        unknown = set(requests) - set(self._default_request)
        if unknown:
            raise TypeError(
                f"{type(self).__name__} can request {sorted(self._default_request)}, "
                f"got {sorted(unknown)}."
            )
        request = self.get_metadata_routing()
        for parameter, alias in requests.items():
            request.score.add_request(param=parameter, alias=alias)
        self._metadata_request = request
        return self

    def _groups_name(self) -> str:
        """Name under which this object's groups travel."""
        alias = self.get_metadata_routing().score.requests.get("groups")
        return alias if isinstance(alias, str) else "groups"
