"""Uncertainty and tests where standard deviations are estimated under a prior."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize
from scipy.special import expit, log_expit
from scipy.stats import chi2

from bead_sklearn import BinaryClassifier, MagnitudeRegressor, MixedEffects, anova
from bead_sklearn.inspection import bootstrap_test, f_test

pd = pytest.importorskip("pandas")

RNG = np.random.RandomState(3)
N_GROUPS, N_EACH, SCALE = 10, 6, 0.4
G = np.repeat(np.arange(N_GROUPS), N_EACH)
Z = np.equal.outer(G, np.arange(N_GROUPS)).astype(float)
X = np.column_stack([np.ones(len(G)), RNG.normal(size=len(G)), G % 2])
ETA = X @ [0.3, 0.8, -0.5] + 1.5 * RNG.normal(size=N_GROUPS)[G]
FRAME = pd.DataFrame(X[:, 1:], columns=["x", "h"]).assign(g=G)
LABELS = (RNG.random_sample(len(G)) < expit(2.0 * ETA)).astype(int)
NUMBERS = ETA + RNG.normal(size=len(G))
NODES, SHARES = np.polynomial.hermite_e.hermegauss(60)


def fit(y, *, scale=SCALE, method="ml", columns=("x", "h", "g"), alpha=0.0, **more):
    effects = MixedEffects(
        formula="(1 | g)",
        prior_sd_scale=scale,
        variance_estimation_method=method,
        **more,
    )
    options = {"mixed_effects": effects, "alpha": alpha}
    model = MagnitudeRegressor(**options)
    if y is LABELS:
        model = BinaryClassifier(**options, n_quadrature=25)
    return model.fit(FRAME[list(columns)], y)


def binary(parameters):
    """Penalised log-likelihood of coefficients and a standard deviation."""
    *beta, sd = parameters
    eta = (X @ np.array(beta))[:, None] + sd * NODES
    rows = log_expit((2.0 * LABELS - 1.0)[:, None] * eta)
    marginal = np.exp(Z.T @ rows) @ (SHARES / SHARES.sum())
    return float(np.log(marginal).sum()) - 0.5 * (sd / SCALE) ** 2


def normal(parameters, *, reml, beta=None):
    """Penalised log-likelihood of a ratio of standard deviations and log sigma."""
    ratio, sigma = parameters[0], np.exp(parameters[1])
    V = sigma**2 * (ratio**2 * Z @ Z.T + np.eye(len(G)))
    precision = np.linalg.inv(V)
    if beta is None:
        beta = np.linalg.solve(X.T @ precision @ X, X.T @ precision @ NUMBERS)
    rest = NUMBERS - X @ beta
    value = -0.5 * (rest @ precision @ rest + np.linalg.slogdet(2 * np.pi * V)[1])
    if reml:
        value -= 0.5 * np.linalg.slogdet(X.T @ precision @ X / (2 * np.pi))[1]
    return value - 0.5 * (ratio / SCALE) ** 2


def hessian(function, at, step=1e-3):
    """By central differences of values."""
    k = len(at)
    units = step * np.eye(k)
    result = np.empty((k, k))
    for i in range(k):
        for j in range(k):
            corners = [
                a * b * function(at + a * units[i] + b * units[j])
                for a in (-1, 1)
                for b in (-1, 1)
            ]
            result[i, j] = sum(corners) / (4.0 * step**2)
    return result


def test_standard_errors_come_from_the_penalised_likelihood():
    model = fit(LABELS)
    sd = float(np.sqrt(model.variance_components_[0].variance[0]))
    effects = model.summary().fixed_effects
    at = np.append([effect.estimate for effect in effects], sd)
    found = optimize.minimize(lambda p: -binary(p), at, options={"gtol": 1e-7})
    np.testing.assert_allclose(at, found.x, atol=1e-3)
    expected = np.sqrt(np.diagonal(np.linalg.inv(-hessian(binary, found.x))))
    errors = [effect.standard_error for effect in effects]
    np.testing.assert_allclose(errors, expected[:3], rtol=2e-3)
    # Without the prior they would be others: the test can tell.
    free = np.linalg.inv(-hessian(lambda p: binary(p) + 0.5 * (p[3] / SCALE) ** 2, at))
    assert np.abs(np.sqrt(np.diagonal(free))[0] / errors[0] - 1.0) > 0.01


def test_degrees_of_freedom_come_from_the_penalised_likelihood():
    model = fit(NUMBERS, method="reml")
    ratio = float(np.sqrt(model.variance_components_[0].variance[0])) / model.sigma_
    at = np.array([ratio, np.log(model.sigma_)])
    at = optimize.minimize(lambda p: -normal(p, reml=True), at).x
    assert at[0] == pytest.approx(ratio, rel=1e-3)
    spread = np.linalg.inv(-hessian(lambda p: normal(p, reml=True), at))

    def variances(p):
        V = np.exp(2 * p[1]) * (p[0] ** 2 * Z @ Z.T + np.eye(len(G)))
        return np.diagonal(np.linalg.inv(X.T @ np.linalg.solve(V, X)))

    steps = 1e-4 * np.eye(2)
    slopes = [(variances(at + s) - variances(at - s)) / 2e-4 for s in steps]
    variance = np.einsum("kp,kl,lp->p", slopes, spread, slopes)
    expected = 2.0 * variances(at) ** 2 / variance
    df = [effect.df for effect in model.summary().fixed_effects]
    np.testing.assert_allclose(df, expected, rtol=2e-3)


def test_kenward_roger_is_refused():
    model = fit(NUMBERS, method="reml")
    data = FRAME[["x", "h", "g"]], NUMBERS
    with pytest.raises(ValueError, match=r"prior_sd_scale=0\.4.*satterthwaite"):
        model.summary(*data, df="kenward_roger")
    test = f_test(model, ["x", "h"], *data, df="satterthwaite")
    assert 0 < test.p_value < 1


def ends_of_profile(function, index, at, top):
    """Where the best value with one parameter held is a quantile below the top."""
    fall = chi2.ppf(0.95, 1) / 2.0
    others = [i for i in range(len(at)) if i != index]

    def gap(value):
        def held(rest):
            point = np.empty(len(at))
            point[others], point[index] = rest, value
            return -function(point)

        found = optimize.minimize(held, at[others], options={"gtol": 1e-7})
        return -found.fun - top + fall

    width = 0.9 * at[index] if index == len(at) - 1 else 3.0
    upper = optimize.brentq(gap, at[index], at[index] + 3.0, xtol=1e-5)
    return optimize.brentq(gap, at[index] - width, at[index], xtol=1e-5), upper


def test_profiles_are_those_of_the_penalised_likelihood():
    model = fit(LABELS)
    at = optimize.minimize(
        lambda p: -binary(p), [0.0, 0.0, 0.0, 0.5], options={"gtol": 1e-7}
    )
    at.x[3] = abs(at.x[3])  # the sign is free
    names = ["x", "sd_(Intercept)|g"]
    intervals = model.confidence_intervals(
        FRAME[["x", "h", "g"]], LABELS, parameters=names
    )
    for name, index in zip(names, (1, 3), strict=True):
        expected = ends_of_profile(binary, index, at.x, -at.fun)
        np.testing.assert_allclose(intervals[name], expected, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_profiles_of_normal_responses(method):
    model = fit(NUMBERS, method=method)
    reml = method == "reml"
    found = optimize.minimize(lambda p: -normal(p, reml=reml), [0.5, 0.0])
    intervals = model.confidence_intervals(FRAME[["x", "h", "g"]], NUMBERS)
    lower, upper = ends_of_profile(
        lambda p: normal(p[::-1], reml=reml), 0, found.x[::-1], -found.fun
    )
    np.testing.assert_allclose(intervals["sigma"], np.exp([lower, upper]), rtol=2e-3)
    if not reml:
        beta = np.array([effect.estimate for effect in model.summary().fixed_effects])
        start = np.concatenate([found.x, beta])
        ends = ends_of_profile(
            lambda p: normal(p[:2], reml=False, beta=p[2:]), 3, start, -found.fun
        )
        np.testing.assert_allclose(intervals["x"], ends, rtol=2e-3, atol=1e-3)


def test_bootstrap_refits_under_the_prior():
    data = FRAME[["x", "h", "g"]], NUMBERS
    options = {"method": "bootstrap", "n_bootstrap": 40, "random_state": 0}
    name = "sd_(Intercept)|g"
    tight, wide = (
        model.confidence_intervals(*data, parameters=[name], **options)[name]
        for model in (fit(NUMBERS, scale=0.1), fit(NUMBERS, scale=None))
    )
    assert tight[1] < wide[1]


# ------------------------------------------------------------ likelihood-ratio tests


def test_anova_refuses_a_prior_and_simulation_does_not():
    small, large = fit(NUMBERS, columns=("x", "g")), fit(NUMBERS)
    with pytest.raises(ValueError, match=r"prior_sd_scale=0\.4.*bootstrap_test"):
        anova(small, large)
    with pytest.raises(ValueError, match="not the maximum"):
        anova(fit(NUMBERS, columns=("x", "g"), scale=None), large)
    test = bootstrap_test(
        small,
        large,
        FRAME[["x", "h", "g"]],
        NUMBERS,
        X_null=FRAME[["x", "g"]],
        n_bootstrap=20,
        random_state=0,
    )
    assert 0 < test.p_value <= 1
    assert np.isnan(test.p_chi_square)
    assert "by chi-square" not in str(test)


def held(value=1.0, columns=("x", "h", "g"), **more):
    options = {"estimate_variance_components": False, "prior_variance": value}
    return fit(NUMBERS, scale=None, columns=columns, **{**options, **more})


def penalised(strength, **more):
    return fit(NUMBERS, scale=None, regularization_strength=strength, **more)


def under_ridge(alpha, columns=("x", "h", "g")):
    return fit(NUMBERS, scale=None, method="reml", columns=columns, alpha=alpha)


def without_effects(columns=("x", "h")):
    effects = MixedEffects("fixed")
    model = MagnitudeRegressor(mixed_effects=effects, alpha=0)
    return model.fit(FRAME[list(columns)], NUMBERS)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: (held(), fit(NUMBERS, scale=None)),
            "hold variances of effects differently, prior_variance=1 and estimated",
        ),
        (lambda: (held(), held(2.0)), "prior_variance=1 and prior_variance=2"),
        (
            lambda: (penalised(0.1), penalised(0.1, adaptive_regularization=False)),
            r"\(at least 1\) and regularization_strength=0\.1 \(not adaptive\)",
        ),
        (
            lambda: (without_effects(("x",)), held()),
            "differ by effects whose variance is held, prior_variance=1",
        ),
        (
            lambda: (held(), held(prior_mean=1.0)),
            "different prior_mean, 0 and 1",
        ),
        (
            lambda: (under_ridge(1.0), under_ridge(1.0, ("x", "g"))),
            "different columns under a ridge, 2 and 1",
        ),
        (
            lambda: (under_ridge(1.0), under_ridge(2.0)),
            "ridges of different precision, alpha=1 and alpha=2",
        ),
        (
            lambda: (
                under_ridge(1.0, ("x", "g")),
                fit(NUMBERS, scale=None, method="reml", columns=("g",)),
            ),
            "differ by a ridge whose precision is held, alpha=1",
        ),
    ],
)
def test_different_penalties_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        anova(*make())


def test_effects_with_a_mean_are_compared_with_their_like_only():
    plain = fit(NUMBERS, scale=None, prior_mean=0.5)
    effects = MixedEffects(
        formula="(1 + x || g)", prior_mean=0.5, variance_estimation_method="ml"
    )
    slopes = MagnitudeRegressor(mixed_effects=effects, alpha=0)
    y = NUMBERS + FRAME["x"] * np.linspace(-2.0, 2.0, N_GROUPS)[G]
    plain = MagnitudeRegressor(mixed_effects=plain.mixed_effects, alpha=0)
    for model in (plain, slopes):
        model.fit(FRAME[["x", "h", "g"]], y)
    with pytest.raises(ValueError, match=r"differ by effects of prior_mean=0\.5"):
        anova(plain, slopes)


def test_equal_penalties_are_compared():
    table = anova(held(columns=("x", "g")), held())
    statistic = 2 * (held().log_likelihood_ - held(columns=("x", "g")).log_likelihood_)
    assert table.p_value[1] == pytest.approx(chi2.sf(statistic, 1))


def test_what_makes_a_test_approximate_is_said():
    rng = np.random.RandomState(1)
    wide = pd.DataFrame(rng.normal(size=(len(G), 30))).add_prefix("f").assign(g=G)
    eta = np.linspace(-1.5, 1.5, N_GROUPS)[G] + 1.5 * wide["f0"]
    labels = (eta + rng.logistic(size=len(G)) > 0).to_numpy().astype(int)
    models = [
        BinaryClassifier(
            mixed_effects=MixedEffects(
                mode, formula=formula, variance_estimation_method="reml"
            )
        ).fit(wide if formula else wide.drop(columns="g"), labels)
        for mode, formula in (("fixed", None), ("auto", "(1 | g)"))
    ]
    assert "weak prior" in str(anova(*models))
    ml = MixedEffects(formula="(1 | g)", variance_estimation_method="ml")
    fast = [
        BinaryClassifier(mixed_effects=ml, alpha=0, n_quadrature=0).fit(
            FRAME[columns], labels
        )
        for columns in (["x", "g"], ["x", "h", "g"])
    ]
    assert "not maximised over the fixed effects" in str(anova(*fast))
