"""The bounds that hold sigma of a truncated normal in fits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from bead_sklearn import OrdinalScaleRegressor
from bead_sklearn.families import TruncatedNormal

Y = np.array([0.1, 0.4, 0.45, 0.9])


@pytest.fixture
def family():
    return TruncatedNormal().start(Y, np.ones(4))


def test_bounds_are_met_in_the_limit(family):
    spread = np.std(Y)
    at = [family.with_parameters(np.array([p])).sigma for p in (-1e5, 1e5)]
    np.testing.assert_allclose(at, [1e-5 * spread, 100 * spread])


@pytest.mark.parametrize("log_sigma", [-9.0, -2.0, 0.0, 3.0])
def test_parameters_lead_back_to_sigma(family, log_sigma):
    parameters = np.array([log_sigma])
    other = family.with_parameters(parameters)
    assert other.parameters == pytest.approx(parameters, rel=1e-6)
    assert 1e-5 * family.sigma < other.sigma < 100 * family.sigma


@pytest.mark.parametrize("log_sigma", [-11.0, -2.0, 2.5, 5.0])
def test_derivatives_in_the_parameter(family, log_sigma):
    step, eta = 1e-5, np.array([0.2, 0.3, 0.5, 0.6])
    found = family.with_parameters(np.array([log_sigma]))
    ends = [family.with_parameters(np.array([log_sigma + s])) for s in (-step, step)]
    by_parameter = np.diff([e.derivatives(Y, eta).log_likelihood for e in ends], axis=0)
    np.testing.assert_allclose(
        found.parameter_derivatives(Y, eta).log_likelihood[:, 0],
        by_parameter[0] / (2 * step),
        rtol=1e-5,
        atol=1e-6,
    )
    (sigma,) = found.reported_parameters()
    by_parameter = (ends[1].sigma - ends[0].sigma) / (2 * step)
    assert sigma.gradient[0] == pytest.approx(by_parameter, rel=1e-5)


@pytest.mark.filterwarnings(
    "ignore::bead_sklearn.exceptions.SingularFitWarning",
)
def test_exponential_responses_have_a_finite_sigma():
    # Responses with a longer tail: the likelihood rises with sigma for ever, eta going
    # far below the scale.
    rng = np.random.RandomState(0)
    y = np.clip(0.2 * rng.gamma(0.6, size=60), 0.0, 1.0)
    groups = np.repeat(np.arange(12), 5)
    model = OrdinalScaleRegressor(mixed_effects="random_intercepts", alpha=0)
    with pytest.warns(ConvergenceWarning, match="exponential distribution"):
        model.fit(rng.normal(size=(60, 1)), y, groups=groups)
    assert 10 * np.std(y) < model.sigma_ <= 100 * np.std(y)
    # The log-likelihood of the truncated exponential distribution is the limit.
    assert model.log_likelihood_ >= np.sum(-y / np.mean(y) - np.log(np.mean(y))) - 0.1
    assert np.mean(model.predict(np.zeros((1, 1)))) == pytest.approx(y.mean(), abs=0.05)
