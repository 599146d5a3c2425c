"""Predictions for normal eta against numerical integration and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from bead_sklearn.families import (
    Beta,
    CumulativeLogit,
    CumulativeProbit,
    LogNormal,
    Normal,
    OrderedBeta,
    TruncatedNormal,
    get_family,
)
from bead_sklearn.families._bounded import increasing_root

FAMILIES = {
    "truncated": TruncatedNormal(0.0, 1.0, 0.2),
    "truncated, other unit": TruncatedNormal(-50.0, 50.0, 15.0),
    "truncated, wide": TruncatedNormal(0.0, 1.0, 30.0),
    "truncated below": TruncatedNormal(0.0, np.inf, 2.0),
    "truncated above": TruncatedNormal(-np.inf, 3.0, 2.0),
    "beta": Beta(5.0),
    "beta, precise": Beta(300.0),
    "beta, at the ends": Beta(0.8),
    "ordered beta": OrderedBeta(-1.5, 2.0, 4.0),
}
each_bounded = pytest.mark.parametrize("name", FAMILIES)
CONTINUOUS = {**FAMILIES, "normal": Normal(0.7), "lognormal": LogNormal(0.4)}
each_continuous = pytest.mark.parametrize("name", CONTINUOUS)


def etas(family):
    """Means and standard deviations of eta, some large."""
    unit = family.scale if isinstance(family, TruncatedNormal) else 1.0
    lower = getattr(family, "lower", 0.0)
    center = 0.0 if not np.isfinite(lower) else lower
    mean = center + unit * np.array([-2.0, -0.3, 0.0, 0.8, 2.5, 0.4])
    return mean, unit * np.array([0.3, 0.0, 1.0, 0.5, 1.5, 4.0])


def draws(family, mean, sd, n, seed=0):
    rng = np.random.RandomState(seed)
    eta = mean + sd * rng.normal(size=(n, len(mean)))
    return family.simulate(eta.ravel(), rng).reshape(eta.shape)


@each_bounded
def test_conditional_moments_are_integrals(name):
    family = FAMILIES[name]
    mean, _ = etas(family)
    for eta in mean:
        at = np.array([eta])

        def moment(k, at=at):
            def integrand(y):
                point = np.array([y])
                density = np.exp(family.derivatives(point, at).log_likelihood[0])
                return y**k * density

            low, high = family.support
            value, _ = integrate.quad(integrand, low, high, limit=400)
            if isinstance(family, OrderedBeta):
                zero, one = family.end_probabilities(at)
                value += one[0] + (k == 0) * zero[0]
            return value

        tolerance = 1e-4 if name == "beta, at the ends" else 1e-6
        assert moment(0) == pytest.approx(1.0, rel=tolerance)
        assert family.mean(at)[0] == pytest.approx(moment(1), rel=tolerance)
        variance = moment(2) - moment(1) ** 2
        found = family.conditional_variance(at)[0]
        assert found == pytest.approx(variance, rel=20 * tolerance)


@each_bounded
def test_cdf_and_quantile_given_eta(name):
    family = FAMILIES[name]
    mean, _ = etas(family)
    low, high = family.support
    for eta in mean:
        level = np.linspace(0.05, 0.95, 7)
        at = np.full(7, eta)
        y = family.quantile(level, at)
        assert ((y >= low) & (y <= high)).all()
        inside = (y > low) & (y < high)
        found = family.cdf(y, at)
        np.testing.assert_allclose(found[inside], level[inside], rtol=1e-7)
        assert (found >= level - 1e-9).all()
        below = np.where(y > low, family.cdf(np.nextafter(y, low), at), 0.0)
        assert (below <= level + 1e-9).all()
    ends = np.array([low, high])
    at = np.full(2, mean[0])
    lower, upper = family.cdf(ends, at)
    assert upper == 1.0
    if not isinstance(family, OrderedBeta):
        assert lower == 0.0


def test_truncated_cdf_far_outside_the_interval():
    family = TruncatedNormal(0.0, 1.0, 0.1)
    y = np.linspace(0.0, 1.0, 11)
    for eta, edge in ((-30.0, 0.0), (31.0, 1.0)):
        found = family.cdf(y, np.full(11, eta))
        # Far out the density falls exponentially from the edge.
        rate = 30.0 / 0.1**2
        expected = -np.expm1(-rate * y) if edge == 0 else np.exp(-rate * (1.0 - y))
        np.testing.assert_allclose(found, expected, atol=2e-3)
        assert np.isfinite(family.quantile(np.array([0.5]), np.array([eta]))).all()


@each_continuous
def test_predictions_agree_with_simulation(name):
    family = CONTINUOUS[name]
    mean, sd = etas(family)
    if name == "lognormal":
        sd = np.minimum(sd, 1.0)
    y = draws(family, mean, sd, 40_000)
    found = family.mean_over(mean, sd**2)
    error = y.std(axis=0) / np.sqrt(len(y))
    assert (np.abs(found - y.mean(axis=0)) < 4.5 * error).all()
    rtol = 0.1 if name == "lognormal" else 0.015
    np.testing.assert_allclose(
        family.predictive_sd(mean, sd**2), y.std(axis=0), rtol=rtol
    )
    for level in (0.05, 0.5, 0.9):
        quantile = family.predictive_quantile(mean, sd**2, level)
        # A quantile is known to 1e-11 of the scale, and many responses may be there.
        below = (y <= quantile + 1e-9).mean(axis=0)
        strictly = (y < quantile - 1e-9).mean(axis=0)
        error = 4.5 * np.sqrt(level * (1 - level) / len(y))
        assert (below > level - error).all()
        assert (strictly < level + error).all()
        cdf = family.predictive_cdf(quantile + 1e-9, mean, sd**2)
        np.testing.assert_allclose(below, cdf, atol=2.25 / np.sqrt(len(y)))


@each_continuous
def test_log_density_is_the_derivative_of_the_cdf(name):
    family = CONTINUOUS[name]
    mean, sd = etas(family)
    y = family.predictive_quantile(mean, sd**2, 0.4)
    low, high = getattr(family, "support", (0.0, np.inf))
    inside = (y > low + 1e-4) & (y < high - 1e-4)
    y, mean, sd = y[inside], mean[inside], sd[inside]
    step = 1e-5 * np.minimum(y - low, high - y) if np.isfinite(low) else 1e-5
    rise = family.predictive_cdf(y + step, mean, sd**2)
    rise = rise - family.predictive_cdf(y - step, mean, sd**2)
    found = np.exp(family.predictive_log_density(y, mean, sd**2))
    np.testing.assert_allclose(found, rise / (2 * step), rtol=2e-4)


def test_log_density_of_ends_is_their_probability():
    family = OrderedBeta(-1.5, 2.0, 4.0)
    mean, variance = np.array([-1.0, 2.0]), np.array([0.5, 2.0])
    ends = family.end_probabilities_over(mean, variance)
    for y, expected in zip((0.0, 1.0), ends.T, strict=True):
        found = family.predictive_log_density(np.full(2, y), mean, variance)
        np.testing.assert_allclose(found, np.log(expected), rtol=1e-6)


def test_log_density_of_outliers_is_finite():
    family = TruncatedNormal(0.0, 1.0, 1e-3)
    y, mean = np.array([0.1113, 0.9]), np.full(2, 0.1)
    found = family.predictive_log_density(y, mean, np.full(2, 1e-6))
    # The first is 8 standard deviations away: by the sum of both variances.
    expected = stats.norm.logpdf(0.1113, 0.1, np.sqrt(2e-6))
    assert found[0] == pytest.approx(expected, abs=0.1)
    assert np.isfinite(found[1])


def test_quantiles_of_ordered_beta_at_the_ends():
    family = OrderedBeta(1.0, 2.0, 4.0)
    zero, one = family.end_probabilities_over(np.zeros(1), np.ones(1))[0]
    at = np.zeros(1), np.ones(1)
    assert family.predictive_quantile(*at, 0.99 * zero)[0] == 0.0
    assert family.predictive_quantile(*at, 1.01 * zero)[0] > 0.0
    assert family.predictive_quantile(*at, 1.0 - 0.99 * one)[0] == 1.0
    assert family.predictive_quantile(*at, 1.0 - 1.01 * one)[0] < 1.0


def test_roots():
    rng = np.random.RandomState(0)
    root = rng.uniform(-3, 3, 500)
    power = rng.choice([1, 3, 7], 500)
    slope = rng.choice([1e-6, 1.0, 1e6], 500)

    def function(x, rows):
        return slope[rows] * (x - root[rows]) ** power[rows]

    found = increasing_root(function, np.full(500, -4.0), np.full(500, 4.0))
    np.testing.assert_allclose(found, root, atol=1e-10)
    # Roots at or beyond the ends of the bracket.
    found = increasing_root(lambda x, rows: x, np.array([0.0, 1.0]), np.array([2.0, 3]))
    assert found.tolist() == [0.0, 1.0]
    found = increasing_root(lambda x, rows: x, np.array([-2.0]), np.array([-1.0]))
    assert found.tolist() == [-1.0]


@pytest.mark.parametrize("link", [CumulativeLogit, CumulativeProbit])
def test_category_probabilities_over_eta(link):
    family = link(4, parameters=np.array([-1.0, 0.2, -0.5]))
    mean, sd = np.array([-2.0, 0.1, 3.0]), np.array([0.0, 1.3, 5.0])
    found = family.category_probabilities_over(mean, sd**2)
    nodes = np.linspace(-9, 9, 20_001)
    weights = np.exp(-0.5 * nodes**2) / np.exp(-0.5 * nodes**2).sum()
    for row, m, s in zip(found, mean, sd, strict=True):
        expected = weights @ family.category_probabilities(m + s * nodes)
        np.testing.assert_allclose(row, expected, atol=2e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_small_category_probabilities_keep_their_digits():
    family = CumulativeLogit(3, parameters=np.array([39.0, 0.0]))
    found = family.category_probabilities(np.zeros(1))[0]
    np.testing.assert_allclose(found[2], np.exp(-40.0), rtol=1e-12)


def test_outside_probabilities():
    family = CumulativeLogit(3, parameters=np.array([-1.0, np.log(2.0)]))
    y, eta = np.array([0.0, 1.0, 2.0]), np.array([0.3, 0.3, 0.3])
    p = family.category_probabilities(eta)[0]
    expected = [[1.0, p[1] + p[2]], [p[0], p[2]], [p[0] + p[1], 1.0]]
    np.testing.assert_allclose(family.outside_probabilities(y, eta), expected)


def test_responses_outside_are_named():
    with pytest.raises(ValueError, match=r"\[0, 10\].*1 outside.*row 1: 11"):
        TruncatedNormal(0.0, 10.0).check_response(np.array([0.0, 11.0, 10.0]))
    with pytest.raises(ValueError, match=r"ordered beta.*2 others.*row 0: 0"):
        Beta().check_response(np.array([0.0, 0.5, 1.0]))
    with pytest.raises(ValueError, match=r"from 0 to 1.*row 2: -0.1"):
        OrderedBeta().check_response(np.array([0.0, 1.0, -0.1]))
    with pytest.raises(ValueError, match=r"from 0 to 2.*1 others.*row 1: 1.5"):
        CumulativeLogit(3).check_response(np.array([0.0, 1.5]))


def test_known_sigma_is_no_parameter():
    family = TruncatedNormal(0.0, 1.0, 0.3, fixed=True)
    y, eta = np.array([0.2]), np.array([0.4])
    assert family.parameters.shape == (0,)
    assert family.parameter_derivatives(y, eta).gradient.shape == (1, 0)
    assert family.start(np.array([0.1, 0.9]), np.ones(2)).sigma == 0.3
    assert family.with_parameters(np.zeros(0)).sigma == 0.3
    assert Normal(2.0, fixed=True).with_sigma(3.0).fixed


def test_families_by_alias():
    assert get_family("cumulative_logit", n_categories=3).n_categories == 3
    assert get_family("truncated_normal", upper=9.0).upper == 9.0
    with pytest.raises(ValueError, match=r"Known families: \['lognormal', 'normal'"):
        get_family("beta", response="real", also=("truncated_normal",))
    own = TruncatedNormal()
    assert get_family(own, response="real", also=("truncated_normal",)) is own
    with pytest.raises(ValueError, match="for bounded responses"):
        get_family(own, response="real")


def test_precision_and_sigma_have_bounds_in_fits():
    y, weights = np.array([0.2, 0.3, 0.6]), np.ones(3)
    for family in (Beta(), OrderedBeta(), TruncatedNormal()):
        started = family.start(y, weights)
        at = started.parameters
        limit = -50.0 if isinstance(family, TruncatedNormal) else 50.0
        moved = started.with_parameters(np.append(at[:-1], limit))
        eta = np.full(3, 0.4)
        slope = moved.parameter_derivatives(y, eta).log_likelihood[:, -1]
        np.testing.assert_allclose(slope, 0.0, atol=1e-3)
        # And where they are ordinary, derivatives are those of finite differences.
        ahead, behind = at.copy(), at.copy()
        ahead[-1] += 1e-5
        behind[-1] -= 1e-5
        rise = [
            started.with_parameters(x).derivatives(y, eta).log_likelihood
            for x in (ahead, behind)
        ]
        slope = started.parameter_derivatives(y, eta).log_likelihood[:, -1]
        np.testing.assert_allclose(slope, (rise[0] - rise[1]) / 2e-5, rtol=1e-6)


@pytest.mark.parametrize("ends", [(), (0.0,), (1.0,), (0.0, 1.0)])
def test_ordered_beta_without_responses_at_an_end(ends):
    y = np.array([0.2, 0.5, 0.9, *ends])
    family = OrderedBeta().start(y, np.ones(len(y)))
    assert family.has_ends == (0.0 in ends, 1.0 in ends)
    assert len(family.parameters) == 1 + len(ends)
    eta = np.linspace(-1.0, 1.0, len(y))
    back = family.with_parameters(family.parameters)
    found = family.derivatives(y, eta).log_likelihood
    np.testing.assert_allclose(back.derivatives(y, eta).log_likelihood, found)
    slopes = family.parameter_derivatives(y, eta)
    for k in range(len(family.parameters)):
        step = np.zeros(len(family.parameters))
        step[k] = 1e-5
        for part in ("log_likelihood", "gradient", "curvature"):
            ahead, behind = (
                getattr(
                    family.with_parameters(family.parameters + sign * step).derivatives(
                        y, eta
                    ),
                    part,
                )
                for sign in (1, -1)
            )
            expected = (ahead - behind) / 2e-5
            np.testing.assert_allclose(
                getattr(slopes, part)[:, k], expected, rtol=1e-5, atol=1e-8
            )
    if not ends:
        beta = Beta(family.precision).derivatives(y, eta)
        np.testing.assert_allclose(found, beta.log_likelihood)
