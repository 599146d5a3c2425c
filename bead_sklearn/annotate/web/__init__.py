"""A local web server for collecting judgments."""

from bead_sklearn.annotate.web._app import make_app
from bead_sklearn.annotate.web._server import serve

__all__ = ["make_app", "serve"]
