"""Routing items to annotators."""

from bead_sklearn.routing._router import AnnotatorRouter, routing_gain

__all__ = ["AnnotatorRouter", "routing_gain"]
