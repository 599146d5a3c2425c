"""Warnings about what data cannot tell."""

from sklearn.exceptions import ConvergenceWarning


class SingularFitWarning(ConvergenceWarning):
    """A variance component is zero or cannot be estimated from the data."""


class SeparationWarning(ConvergenceWarning):
    """A combination of covariates predicts the response perfectly.

    The unpenalised maximum-likelihood coefficients are then infinite.
    """


__all__ = ["SeparationWarning", "SingularFitWarning"]
