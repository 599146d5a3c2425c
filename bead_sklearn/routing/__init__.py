"""Routing items to annotators."""

from bead_sklearn.routing._gain import routing_gain
from bead_sklearn.routing._router import AnnotatorRouter

__all__ = ["AnnotatorRouter", "routing_gain"]
