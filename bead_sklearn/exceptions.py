"""Warnings about what data cannot tell."""

from sklearn.exceptions import ConvergenceWarning


class SingularFitWarning(ConvergenceWarning):
    """A variance component is zero or cannot be estimated from the data."""


class SeparationWarning(ConvergenceWarning):
    """Covariates or levels of a grouping factor predict the response perfectly.

    The unpenalised maximum-likelihood coefficients, or variances, are then infinite.
    """


__all__ = ["SeparationWarning", "SingularFitWarning"]
