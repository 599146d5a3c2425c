"""Several responses of one family at once."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from bead_sklearn.families._base import Derivatives, Family


class IndependentDerivatives(NamedTuple):
    """Derivatives of K responses that are independent given their ``eta``.

    Attributes
    ----------
    log_likelihood : ndarray of shape (n,)
        Summed over the responses.
    gradient, curvature, third : ndarray of shape (n, K)
        Of each response in its own ``eta``.
    """

    log_likelihood: np.ndarray
    gradient: np.ndarray
    curvature: np.ndarray
    third: np.ndarray

    def skew(self, variance: np.ndarray) -> np.ndarray:
        """Return -l''' times the variance of each ``eta``."""
        return self.third * variance


class IndependentOutputs(Family):
    """K responses of one family per row, independent given their K ``eta``.

    The labels of a multi-label judgment are such responses; what ties them are the
    random effects.

    Parameters
    ----------
    family : Family
        A family with a scalar ``eta`` and without parameters of its own.
    n_outputs : int
        Number of responses, K. ``y`` and ``eta`` have shape (n, K).

    Examples
    --------
    >>> import numpy as np
    >>> from bead_sklearn.families import Bernoulli, IndependentOutputs
    >>> IndependentOutputs(Bernoulli(), 3).mean(np.zeros((1, 3)))
    array([[0.5, 0.5, 0.5]])
    """

    response = "multilabel"
    has_output_axis = True

    def __init__(self, family: Family, n_outputs: int) -> None:
        if len(family.parameters):
            raise ValueError(
                f"family must have no parameters of its own; {family.name} has "
                f"{len(family.parameters)}."
            )
        self.family = family
        self._n_outputs = n_outputs

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the family of each response."""
        return self.family.name

    @property
    def link(self) -> str:  # type: ignore[override]
        """Link of each response."""
        return self.family.link

    @property
    def n_outputs(self) -> int:
        """Number of responses."""
        return self._n_outputs

    def check_response(self, y: np.ndarray) -> None:
        """Raise a ValueError if a response is outside the family's support."""
        self.family.check_response(y.ravel())

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> IndependentDerivatives:
        """Return the log-likelihood and its derivatives in ``eta``."""
        flat = self.family.derivatives(y.ravel(), eta.ravel())
        assert isinstance(flat, Derivatives)
        log_likelihood, *others = (part.reshape(eta.shape) for part in flat)
        return IndependentDerivatives(log_likelihood.sum(axis=1), *others)

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return the mean of each response, (n, K)."""
        return self.family.mean(eta)

    def mean_over(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return the mean of each response for normal ``eta``."""
        flat = self.family.mean_over(mean.ravel(), variance.ravel())
        return flat.reshape(mean.shape)

    def latent_variance(self) -> float:
        """Return that of the family of each response."""
        return self.family.latent_variance()

    def tempered(self, temperature: float) -> tuple[Self, float]:
        """Return the responses of the family with other noise."""
        family, factor = self.family.tempered(temperature)
        return type(self)(family, self._n_outputs), factor

    def limiting_sample_size(self, y: np.ndarray, weights: np.ndarray) -> float:
        """Return that of the response that is least known."""
        return min(self.family.limiting_sample_size(column, weights) for column in y.T)

    def simulate(
        self, eta: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draw all responses."""
        return self.family.simulate(eta, random_state)

    def initial_eta(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the constant ``eta`` of each response."""
        return np.array([self.family.initial_eta(column, weights) for column in y.T])
