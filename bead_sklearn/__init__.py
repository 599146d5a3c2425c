"""scikit-learn-compatible estimators for human judgments."""

__version__ = "0.1.0.dev0"
