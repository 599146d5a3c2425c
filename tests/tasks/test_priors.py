"""Priors of random effects: their mean, a penalty in place of estimated variances,
and levels with too few judgments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from bead_sklearn import (
    BinaryClassifier,
    CategoricalClassifier,
    MagnitudeRegressor,
    MixedEffects,
    persistence,
)
from bead_sklearn.exceptions import SeparationWarning, SingularFitWarning

pd = pytest.importorskip("pandas")

pytestmark = pytest.mark.filterwarnings(
    "ignore::bead_sklearn.exceptions.SingularFitWarning"
)

MODELS = [BinaryClassifier, MagnitudeRegressor]
seeds = st.integers(0, 10_000)
models = st.sampled_from(MODELS)


def simulate(seed, model, sizes=(3, 5, 8, 12, 20, 30)):
    """Judgments of participants of different diligence, with slopes."""
    rng = np.random.RandomState(seed)
    g = np.repeat(np.arange(len(sizes)), sizes)
    frame = pd.DataFrame({"x": rng.normal(size=len(g)) + 1.0, "g": g})
    frame["h"] = rng.randint(4, size=len(g))
    u = rng.normal(size=(len(sizes), 2))
    eta = 0.3 + u[g, 0] + (0.5 + u[g, 1]) * frame["x"].to_numpy()
    if model is BinaryClassifier:
        y = (rng.uniform(size=len(g)) < 1 / (1 + np.exp(-eta))).astype(int)
        y[:2] = [0, 1]
    else:
        y = eta + 0.5 * rng.normal(size=len(g))
    return frame, np.asarray(y)


def fit(model, frame, y, *, alpha=0, sample_weight=None, **fields):
    effects = MixedEffects(**{"formula": "(1 | g)", **fields})
    estimator = model(mixed_effects=effects, alpha=alpha)
    return estimator.fit(frame, y, sample_weight=sample_weight)


def predictions(model, X):
    if isinstance(model, BinaryClassifier):
        return model.predict_proba(X)[:, 1]
    return np.concatenate(model.predict(X, return_std=True))


def strangers(frame):
    return frame.assign(g="nobody")


def columns_of(frame, effects):
    """Uncentred columns of the effects, by level: (n_rows, n_levels r)."""
    names = {"(Intercept)": np.ones(len(frame)), "x": frame["x"].to_numpy()}
    z = np.column_stack([names[name] for name in effects.effect_names])
    codes = effects.levels.tolist()
    blocks = np.zeros((len(frame), len(codes), z.shape[1]))
    for row, level in enumerate(frame[effects.grouping_factor]):
        blocks[row, codes.index(level)] = z[row]
    return blocks.reshape(len(frame), -1)


# Mean ---------------------------------------------------------------------------


@given(seeds, models, st.sampled_from(["(1 | g)", "(1 + x | g)", "(1 | g) + (1 | h)"]))
def test_an_unpenalised_fixed_effect_takes_up_the_mean(seed, model, formula):
    frame, y = simulate(seed, model)
    fields = {"formula": formula, "estimate_variance_components": False}
    zero = fit(model, frame, y, **fields)
    moved = fit(model, frame, y, prior_mean=0.7, **fields)
    assert moved.log_likelihood_ == pytest.approx(zero.log_likelihood_, abs=1e-6)
    for X in (frame, strangers(frame)):
        np.testing.assert_allclose(
            predictions(moved, X), predictions(zero, X), atol=1e-5
        )
    n_factors = len(zero.effects_)
    np.testing.assert_allclose(
        moved.intercept_, np.asarray(zero.intercept_) - 0.7 * n_factors, atol=1e-4
    )
    for name, effects in zero.effects_.items():
        np.testing.assert_allclose(
            moved.effects_[name].modes, effects.modes + 0.7, atol=1e-4
        )


@pytest.mark.parametrize("model", MODELS)
def test_the_mean_is_taken_up_where_variances_are_estimated(model):
    frame, y = simulate(1, model, sizes=[20] * 10)
    zero = fit(model, frame, y, formula="(1 + x | g)")
    moved = fit(model, frame, y, formula="(1 + x | g)", prior_mean=-2.0)
    assert moved.log_likelihood_ == pytest.approx(zero.log_likelihood_, abs=1e-5)
    np.testing.assert_allclose(
        predictions(moved, frame), predictions(zero, frame), atol=1e-4
    )
    np.testing.assert_allclose(
        moved.effects_["g"].modes, zero.effects_["g"].modes - 2.0, atol=1e-3
    )
    slopes = moved.coef_.ravel()[0], zero.coef_.ravel()[0]
    assert slopes[0] == pytest.approx(slopes[1] + 2.0, abs=1e-3)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("mean", [0.0, 1.5])
def test_slopes_shrink_to_the_mean_where_coefficients_are_penalised(model, mean):
    frame, y = simulate(2, model)
    fields = {"formula": "(0 + x | g)", "estimate_variance_components": False}
    fitted = fit(
        model, frame, y, alpha=1e9, prior_mean=mean, prior_variance=1e-6, **fields
    )
    np.testing.assert_allclose(fitted.effects_["g"].modes, mean, atol=1e-2)
    at = pd.DataFrame({"x": [0.0, 1.0], "g": ["nobody"] * 2, "h": [0, 0]})
    if model is BinaryClassifier:
        low, high = np.log(1 / (1 / predictions(fitted, at) - 1))
    else:
        low, high = fitted.predict(at)
    # Probabilities are averaged over the uncertainty of the intercept.
    assert high - low == pytest.approx(mean, abs=0.05)


def test_mean_is_that_of_the_normal_conditional_distribution():
    frame, y = simulate(3, MagnitudeRegressor)
    frame = frame[["x", "g"]]
    alpha, variance, mean = 30.0, 0.4, 0.8
    model = fit(
        MagnitudeRegressor,
        frame,
        y,
        alpha=alpha,
        formula="(1 + x | g)",
        prior_mean=mean,
        prior_variance=variance,
        estimate_variance_components=False,
    )
    x = frame["x"].to_numpy() - frame["x"].mean()
    Z = columns_of(frame, model.effects_["g"])
    sigma2 = model.sigma_**2
    prior = variance * Z @ Z.T + sigma2 / alpha * np.outer(x, x)
    total = prior + sigma2 * np.eye(len(y))
    inverse = np.linalg.inv(total)
    ones = np.ones(len(y))
    residual = y - Z.sum(axis=1) * mean
    intercept = ones @ inverse @ residual / (ones @ inverse @ ones)
    left = inverse @ (residual - intercept)
    modes = mean + variance * Z.T @ left
    np.testing.assert_allclose(model.effects_["g"].modes.ravel(), modes, atol=1e-6)
    expected = intercept + Z.sum(axis=1) * mean + prior @ left
    np.testing.assert_allclose(model.predict(frame), expected, atol=1e-6)


def test_rotated_slopes_have_no_mean():
    X = np.random.RandomState(0).normal(size=(20, 40))
    effects = MixedEffects("random_slopes", prior_mean=1.0)
    model = MagnitudeRegressor(mixed_effects=effects)
    with pytest.raises(ValueError, match=r"prior_mean must be 0.*more features"):
        model.fit(X, X[:, 0], groups=np.repeat(np.arange(4), 5))


# Penalty ------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_an_infinite_penalty_leaves_the_fixed_effects(model):
    frame, y = simulate(4, model)
    penalised = fit(model, frame, y, regularization_strength=1e12)
    fixed = model(mixed_effects="fixed", alpha=0).fit(frame[["x", "h"]], y)
    np.testing.assert_allclose(
        predictions(penalised, frame), predictions(fixed, frame[["x", "h"]]), atol=1e-6
    )


@given(seeds, models, st.floats(0.001, 10.0), st.booleans())
def test_penalty_of_equal_groups_is_a_held_variance(seed, model, strength, adaptive):
    frame, y = simulate(seed, model, sizes=[9] * 7)
    penalised = fit(
        model,
        frame,
        y,
        regularization_strength=strength,
        adaptive_regularization=adaptive,
        formula="(1 + x | g)",
    )
    variance = (9 if adaptive else 1) / (2 * len(y) * strength)
    held = fit(
        model,
        frame,
        y,
        prior_variance=variance,
        estimate_variance_components=False,
        formula="(1 + x | g)",
    )
    assert penalised.log_likelihood_ == pytest.approx(held.log_likelihood_, abs=1e-6)
    np.testing.assert_allclose(
        predictions(penalised, frame), predictions(held, frame), atol=1e-5
    )
    [found], [expected] = penalised.variance_components_, held.variance_components_
    np.testing.assert_allclose(found.covariance, expected.covariance)
    assert found.mean_square == pytest.approx(expected.mean_square)
    np.testing.assert_allclose(found.level_variances, variance)
    assert not found.is_estimated
    assert not expected.is_estimated


@pytest.mark.parametrize("adaptive", [None, True, False])
@pytest.mark.parametrize("formula", ["(1 | g)", "(1 + x | g)", "(1 | g) + (0 + x | h)"])
def test_penalised_least_squares(formula, adaptive):
    frame, y = simulate(5, MagnitudeRegressor)
    strength, smallest, mean = 0.05, 6, 0.4
    model = fit(
        MagnitudeRegressor,
        frame,
        y,
        formula=formula,
        regularization_strength=strength,
        adaptive_regularization=adaptive,
        min_samples_for_random_effects=smallest,
        prior_mean=mean,
    )
    n = len(y)
    Z = np.hstack([columns_of(frame, e) for e in model.effects_.values()])
    weights = np.concatenate(
        [
            np.repeat(
                np.ones(len(effects.levels))
                if adaptive is False
                else 1 / np.maximum(effects.n_observations, smallest),
                effects.modes.shape[1],
            )
            for effects in model.effects_.values()
        ]
    )
    # Mean negative log-likelihood |y - Xb - Zu|^2 / (2 n sigma^2) plus the penalty.
    X = np.column_stack([np.ones(n), frame["x"]] + [frame["h"]] * ("h" not in formula))
    columns = np.hstack([X, Z])
    penalty = np.concatenate([np.zeros(X.shape[1]), weights])
    gram = columns.T @ columns / (n * model.sigma_**2)
    right = columns.T @ y / (n * model.sigma_**2) + 2 * strength * penalty * mean
    solution = np.linalg.solve(gram + 2 * strength * np.diag(penalty), right)
    modes = np.concatenate([e.modes.ravel() for e in model.effects_.values()])
    np.testing.assert_allclose(modes, solution[X.shape[1] :], atol=1e-6)
    assert model.intercept_ == pytest.approx(solution[0], abs=1e-6)
    np.testing.assert_allclose(model.coef_, solution[1 : X.shape[1]], atol=1e-6)


def test_penalised_log_likelihood():
    frame, y = simulate(6, BinaryClassifier)
    model = fit(BinaryClassifier, frame, y, regularization_strength=0.02)
    fixed = model.intercept_[0] + frame[["x", "h"]].to_numpy() @ model.coef_[0]
    effects = model.effects_["g"]
    Z = columns_of(frame, effects)

    def objective(u):
        eta = fixed + Z @ u
        loss = np.mean(np.logaddexp(0.0, eta) - y * eta)
        return loss + 0.02 * (u**2 / effects.n_observations).sum()

    best = optimize.minimize(objective, np.zeros(Z.shape[1]), tol=1e-12).x
    np.testing.assert_allclose(effects.modes[:, 0], best, atol=1e-4)


@pytest.mark.parametrize("adaptive", [True, False])
def test_a_new_level_has_the_prior_variance_of_no_judgments(adaptive):
    frame, y = simulate(7, MagnitudeRegressor)
    options = {
        "regularization_strength": 0.01,
        "adaptive_regularization": adaptive,
        "min_samples_for_random_effects": 4,
    }
    model = fit(MagnitudeRegressor, frame, y, **options)
    conditional = fit(MagnitudeRegressor, frame, y, **options)
    conditional.population = "conditional"
    marginal_sd = model.predict(strangers(frame), return_std=True)[1]
    conditional_sd = conditional.predict(strangers(frame), return_std=True)[1]
    variance = (4 if adaptive else 1) / (2 * len(y) * 0.01)
    np.testing.assert_allclose(marginal_sd**2 - conditional_sd**2, variance)


@given(seeds, models)
def test_integer_weights_are_repetition(seed, model):
    frame, y = simulate(seed, model)
    weights = np.random.RandomState(seed).randint(0, 4, size=len(y))
    weights[:2] = 1
    rows = np.repeat(np.arange(len(y)), weights)
    options = {"regularization_strength": 0.03, "min_samples_for_random_effects": 9}
    first = fit(model, frame, y, sample_weight=weights, **options)
    second = fit(model, frame.iloc[rows], y[rows], **options)
    np.testing.assert_allclose(
        predictions(first, frame), predictions(second, frame), atol=1e-6
    )
    assert first.effects_["g"].known.tolist() == second.effects_["g"].known.tolist()


def test_the_summary_says_that_variances_are_held():
    frame, y = simulate(8, MagnitudeRegressor)
    summary = fit(MagnitudeRegressor, frame, y, regularization_strength=0.1).summary()
    assert "The variance of g is held; shown is the mean" in str(summary)
    held = fit(MagnitudeRegressor, frame, y, estimate_variance_components=False)
    assert "The variance of g is held\n" in str(held.summary()) + "\n"
    assert "held" not in str(fit(MagnitudeRegressor, frame, y).summary())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"regularization_strength": 0.0}, "'regularization_strength' parameter"),
        ({"regularization_strength": -1.0}, "'regularization_strength' parameter"),
        ({"adaptive_regularization": True}, "=True has no effect without a penalty"),
        ({"adaptive_regularization": False}, "=False has no effect without a penalty"),
        (
            {"regularization_strength": 1.0, "prior_variance": 2.0},
            "regularization_strength=1 takes the place of prior_variance=2",
        ),
        (
            {"prior_sd_scale": 1.0, "estimate_variance_components": False},
            "prior_sd_scale=1 has no effect where variances are held",
        ),
        (
            {"prior_sd_scale": 1.0, "regularization_strength": 1.0},
            "prior_sd_scale=1 has no effect where variances are held",
        ),
        ({"prior_sd_scale": 0.0}, "'prior_sd_scale' parameter"),
        ({"prior_mean": np.inf}, "'prior_mean' parameter"),
        ({"prior_mean": "0"}, "'prior_mean' parameter"),
        ({"min_samples_for_random_effects": 0}, "'min_samples_for_random_effects'"),
        ({"min_samples_for_random_effects": 2.5}, "'min_samples_for_random_effects'"),
    ],
)
def test_errors(fields, message):
    frame, y = simulate(0, MagnitudeRegressor)
    with pytest.raises(ValueError, match=message):
        fit(MagnitudeRegressor, frame, y, **fields)


# Half-normal priors of standard deviations ------------------------------------------


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("scale", [0.3, 1.0, 30.0])
def test_the_mode_of_likelihood_times_prior(model, scale):
    frame, y = simulate(3, model)

    def log_likelihood(sd, **fields):
        if model is BinaryClassifier:
            held = {"prior_variance": sd**2, "estimate_variance_components": False}
            return fit(model, frame, y, **held).log_likelihood_
        return gaussian_profile(sd, frame, y)

    found = optimize.minimize_scalar(
        lambda sd: 0.5 * (sd / scale) ** 2 - log_likelihood(sd),
        bounds=(0.01, 5.0),
        options={"xatol": 1e-6},
    )
    fitted = fit(
        model,
        frame,
        y,
        prior_sd_scale=scale,
        variance_estimation_method="ml",
    )
    sd = float(np.sqrt(fitted.variance_components_[0].variance[0]))
    unit = 1.0 if model is BinaryClassifier else fitted.sigma_
    assert sd / unit == pytest.approx(found.x, rel=1e-3)


def gaussian_profile(ratio, frame, y):
    """Log-likelihood with one ratio of standard deviations, sigma profiled."""
    X = np.column_stack([np.ones(len(y)), frame[["x", "h"]]])
    Z = np.equal.outer(frame["g"].to_numpy(), np.unique(frame["g"])).astype(float)
    root = np.linalg.cholesky(ratio**2 * Z @ Z.T + np.eye(len(y)))
    X, y = np.linalg.solve(root, X), np.linalg.solve(root, y)
    rss = np.sum((y - X @ np.linalg.lstsq(X, y, rcond=None)[0]) ** 2)
    return -0.5 * len(y) * np.log(rss) - np.log(np.diagonal(root)).sum()


def test_a_wide_prior_is_none():
    frame, y = simulate(3, BinaryClassifier)
    free = fit(BinaryClassifier, frame, y, formula="(1 + x | g)")
    wide = fit(BinaryClassifier, frame, y, formula="(1 + x | g)", prior_sd_scale=1e4)
    assert wide.log_likelihood_ == pytest.approx(free.log_likelihood_, abs=1e-6)


def test_a_prior_keeps_separated_responses_finite():
    frame = pd.DataFrame({"g": np.repeat(np.arange(8), 6)})
    y = (frame["g"].to_numpy() < 4).astype(int)
    with pytest.warns(SeparationWarning):
        fit(BinaryClassifier, frame[["g"]], y)
    model = fit(BinaryClassifier, frame[["g"]], y, prior_sd_scale=2.5)
    assert 2.0 < np.sqrt(model.variance_components_[0].variance[0]) < 10.0
    assert model.summary().fixed_effects[0].standard_error < 10.0


@pytest.mark.parametrize("formula", ["(1 | g)", "(1 + x | g)", "(1 | g) + (0 + x | g)"])
def test_the_prior_does_not_depend_on_the_reference_class(formula):
    frame, _ = simulate(5, BinaryClassifier, sizes=(15,) * 8)
    rng = np.random.RandomState(0)
    eta = rng.normal(size=(8, 3))[frame["g"]]
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)

    def probabilities(names):
        effects = MixedEffects(formula=formula, prior_sd_scale=0.5)
        model = CategoricalClassifier(mixed_effects=effects, alpha=0)
        model.fit(frame, np.array(names)[y])
        order = [list(model.classes_).index(name) for name in names]
        return model.predict_proba(frame)[:, order]

    np.testing.assert_allclose(
        probabilities(["a", "b", "c"]), probabilities(["b", "c", "a"]), atol=1e-4
    )


# Levels with few judgments --------------------------------------------------------


@given(seeds, models, st.sampled_from(["(1 | g)", "(1 + x || g)"]))
def test_small_levels_are_predicted_as_new_ones(seed, model, formula):
    frame, y = simulate(seed, model)
    all_levels = fit(model, frame, y, formula=formula)
    large = fit(model, frame, y, formula=formula, min_samples_for_random_effects=8)
    assert large.log_likelihood_ == all_levels.log_likelihood_
    small = frame["g"].isin([0, 1])  # 3 and 5 judgments
    np.testing.assert_array_equal(
        predictions(large, frame[small]), predictions(large, strangers(frame[small]))
    )
    np.testing.assert_array_equal(
        predictions(large, frame[~small]), predictions(all_levels, frame[~small])
    )
    effects = large.effects_["g"]
    assert effects.known.tolist() == [False, False, True, True, True, True]
    assert effects.n_observations.tolist() == [3, 5, 8, 12, 20, 30]
    np.testing.assert_array_equal(effects.modes, all_levels.effects_["g"].modes)
    assert "2 of 6 levels of g have too few judgments" in str(large.summary())


def test_groups_are_those_with_effects_of_their_own():
    frame, y = simulate(9, MagnitudeRegressor)
    effects = MixedEffects(min_samples_for_random_effects=10)
    model = MagnitudeRegressor(mixed_effects=effects)
    model.fit(frame[["x"]], y, groups=frame["g"])
    assert model.groups_.tolist() == [3, 4, 5]
    assert model.effects_["groups"].levels.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("model", MODELS)
def test_no_level_with_enough_judgments(model):
    frame, y = simulate(10, model)
    with pytest.warns(UserWarning, match="'g' has min.*=31 judgments .the most are 30"):
        fitted = fit(model, frame, y, min_samples_for_random_effects=31)
    np.testing.assert_array_equal(
        predictions(fitted, frame), predictions(fitted, strangers(frame))
    )


def test_one_judgment_is_enough_by_default_whatever_its_weight():
    frame, y = simulate(11, MagnitudeRegressor)
    weights = np.where(frame["g"] == 0, 0.1, 1.0)
    model = fit(MagnitudeRegressor, frame, y, sample_weight=weights)
    assert model.effects_["g"].known.all()


def test_options_survive_saving(tmp_path):
    frame, y = simulate(12, BinaryClassifier)
    model = fit(
        BinaryClassifier,
        frame,
        y,
        prior_mean=0.3,
        regularization_strength=0.02,
        min_samples_for_random_effects=6,
    )
    persistence.save(model, tmp_path / "model")
    loaded = persistence.load(tmp_path / "model")
    np.testing.assert_array_equal(predictions(loaded, frame), predictions(model, frame))
    assert loaded.get_params()["mixed_effects__regularization_strength"] == 0.02


def test_the_warning_of_singular_fits_is_not_for_held_variances():
    frame, y = simulate(13, MagnitudeRegressor)
    with pytest.warns(SingularFitWarning, match="one level only"):
        fit(MagnitudeRegressor, frame.assign(g=1), y)
    model = fit(MagnitudeRegressor, frame.assign(g=1), y, regularization_strength=1.0)
    assert model.variance_components_[0].variance[0] > 0


def test_a_covariance_over_outputs_needs_several():
    X, y, groups = np.ones((20, 1)), np.arange(20.0), np.repeat([0, 1, 2, 3], 5)
    effects = MixedEffects(output_covariance="full")
    with pytest.raises(ValueError, match="output_covariance='full' has no effect"):
        MagnitudeRegressor(mixed_effects=effects).fit(X, y, groups=groups)
