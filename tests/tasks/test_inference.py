"""Effects, linear predictor, draws and simulations of task models."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from bead_sklearn import BinaryClassifier, MagnitudeRegressor, MixedEffects
from bead_sklearn.persistence import load, save

pd = pytest.importorskip("pandas")

RNG = np.random.RandomState(0)
N_PARTICIPANTS, N_ITEMS = 20, 12
P = np.repeat([f"p{i:02d}" for i in range(N_PARTICIPANTS)], N_ITEMS)
ITEM = np.tile(np.arange(N_ITEMS), N_PARTICIPANTS)
CODES = np.repeat(np.arange(N_PARTICIPANTS), N_ITEMS)
X = RNG.normal(size=len(P))
ETA = X + 1.5 * RNG.normal(size=N_PARTICIPANTS)[CODES] + RNG.normal(size=N_ITEMS)[ITEM]
Y = ETA + RNG.normal(size=len(P))
LABELS = np.where(ETA + RNG.logistic(size=len(P)) > 0, "yes", "no")
FRAME = pd.DataFrame({"x": X, "participant": P, "item": ITEM})
FORMULA = "(1 | participant) + (1 | item)"


@pytest.fixture(scope="module")
def binary():
    return BinaryClassifier(mixed_effects=FORMULA, alpha=0).fit(FRAME, LABELS)


@pytest.fixture(scope="module")
def magnitude():
    return MagnitudeRegressor(mixed_effects=FORMULA, alpha=0).fit(FRAME, Y)


# ----------------------------------------------------------------------- ranef


def test_ranef(magnitude):
    table = magnitude.ranef(level=0.8)
    assert list(table.columns) == [
        "factor",
        "level",
        "effect",
        "mode",
        "sd",
        "lower",
        "upper",
    ]
    assert len(table) == N_PARTICIPANTS + N_ITEMS
    of_items = table[table["factor"] == "item"]
    effects = magnitude.effects_["item"]
    # Strings and numbers in one column become strings.
    assert of_items["level"].tolist() == [str(level) for level in effects.levels]
    np.testing.assert_array_equal(of_items["mode"], effects.modes[:, 0])
    np.testing.assert_array_equal(of_items["sd"], effects.sds[:, 0])
    half = norm.ppf(0.9) * of_items["sd"]
    np.testing.assert_allclose(of_items["upper"] - of_items["mode"], half)
    np.testing.assert_allclose(of_items["mode"] - of_items["lower"], half)
    with pytest.raises(ValueError, match="level must lie strictly"):
        magnitude.ranef(level=0)


def test_ranef_of_slopes_and_combinations():
    formula = "(1 + x || participant) + (1 | participant:item)"
    frame = pd.concat([FRAME, FRAME.assign(x=-X)], ignore_index=True)
    cell, slope = RNG.normal(size=len(Y)), RNG.normal(size=N_PARTICIPANTS)[CODES]
    y = np.concatenate([Y + cell + slope * X, Y + cell - slope * X - 2 * X])
    y += 0.3 * RNG.normal(size=len(y))
    table = MagnitudeRegressor(mixed_effects=formula, alpha=0).fit(frame, y).ranef()
    slopes = table[table["factor"] == "participant"]
    assert slopes["effect"].tolist() == ["(Intercept)", "x"] * N_PARTICIPANTS
    assert slopes["level"].tolist()[:4] == ["p00", "p00", "p01", "p01"]
    assert "p03:7" in set(table["level"])


def test_ranef_keeps_the_type_of_levels():
    table = MagnitudeRegressor(mixed_effects="(1 | item)").fit(FRAME, Y, groups=P)
    levels = table.ranef()["level"]
    assert levels.tolist() == list(range(N_ITEMS))


def test_ranef_without_random_effects():
    assert len(MagnitudeRegressor().fit(FRAME[["x"]], Y).ranef()) == 0


# ------------------------------------------------------------ linear predictor


def test_linear_predictor(binary, magnitude):
    eta, std = binary.predict_linear(FRAME, return_std=True)
    np.testing.assert_array_equal(binary.predict_linear(FRAME), eta)
    np.testing.assert_array_equal(binary.predict(FRAME), np.where(eta > 0, "yes", "no"))
    np.testing.assert_allclose(
        binary.predict_proba(FRAME)[:, 1],
        binary._family.mean_over(eta, std**2),
    )
    eta, std = magnitude.predict_linear(FRAME, return_std=True)
    mean, predictive = magnitude.predict(FRAME, return_std=True)
    np.testing.assert_array_equal(eta, mean)
    np.testing.assert_allclose(std**2 + magnitude.sigma_**2, predictive**2)


def test_linear_predictor_needs_a_fit():
    for model in (BinaryClassifier(), MagnitudeRegressor()):
        for ask in (
            lambda m=model: m.predict_linear(FRAME),
            lambda m=model: m.ranef(),
            lambda m=model: m.simulate(1, FRAME),
            lambda m=model: m.sample_posterior(1, FRAME),
        ):
            with pytest.raises(NotFittedError):
                ask()


# ------------------------------------------------------------------ population


def test_population_by_factor(magnitude):
    G = {c.grouping_factor: c.variance[0] for c in magnitude.variance_components_}
    new = FRAME[:1].assign(participant="new", item=-1)

    def variance(population):
        model = clone(magnitude).set_params(population=population).fit(FRAME, Y)
        return model.predict_linear(new, return_std=True)[1][0] ** 2

    neither = variance("conditional")
    both = variance("marginal")
    assert both - neither == pytest.approx(sum(G.values()))
    for population, expected in (
        ({"participant": "marginal", "item": "conditional"}, G["participant"]),
        ({"participant": "conditional"}, G["item"]),
        ({"participant": "conditional", "item": "conditional"}, 0.0),
        ({}, sum(G.values())),
    ):
        assert variance(population) - neither == pytest.approx(expected, abs=1e-9)


def test_population_changes_nothing_for_known_levels(binary):
    other = clone(binary).set_params(population={"item": "conditional"})
    np.testing.assert_array_equal(
        other.fit(FRAME, LABELS).predict_proba(FRAME), binary.predict_proba(FRAME)
    )


def test_population_is_checked(binary):
    model = clone(binary).set_params(population={"worker": "marginal"})
    with pytest.raises(ValueError, match=r"factor 'worker'.*'item', 'participant'"):
        model.fit(FRAME, LABELS)
    model.set_params(population={"item": "all"})
    with pytest.raises(ValueError, match="Got 'all' for 'item'"):
        model.fit(FRAME, LABELS)
    model.set_params(population={"item": "conditional"}).fit(FRAME, LABELS)
    model.set_params(population={"worker": "marginal"})
    with pytest.raises(ValueError, match="factor 'worker'"):
        model.predict(FRAME)


# ---------------------------------------------------------------------- draws


def test_posterior_draws_have_the_moments_of_the_linear_predictor(binary):
    rows = FRAME[::7]
    draws = binary.sample_posterior(4000, rows, random_state=0)
    assert draws.shape == (4000, len(rows))
    eta, std = binary.predict_linear(rows, return_std=True)
    np.testing.assert_allclose(draws.mean(axis=0), eta, atol=5 * std.max() / 63)
    np.testing.assert_allclose(draws.std(axis=0), std, rtol=0.08)
    same = binary.sample_posterior(4000, rows, random_state=0, response=True)
    np.testing.assert_allclose(same, expit(draws))
    # Averaged over the draws, the probability is the prediction.
    np.testing.assert_allclose(
        same.mean(axis=0), binary.predict_proba(rows)[:, 1], atol=0.03
    )


def test_rows_of_one_participant_share_its_draw(magnitude):
    # The difference of two participants does not depend on the item.
    rows = pd.DataFrame(
        {"x": 0.0, "participant": ["p00", "p01"] * 2, "item": [0, 0, 5, 5]}
    )
    draws = magnitude.sample_posterior(500, rows, random_state=0)
    np.testing.assert_allclose(
        draws[:, 0] - draws[:, 1], draws[:, 2] - draws[:, 3], atol=1e-9
    )


def test_new_ids_share_a_draw_and_no_ids_do_not():
    model = MagnitudeRegressor().fit(X[:, None], Y, groups=P)
    rows = np.zeros((4, 1))
    draws = model.sample_posterior(3000, rows, ["a", "a", "b", "p03"], random_state=0)
    np.testing.assert_allclose(draws[:, 0], draws[:, 1])
    correlation = np.corrcoef(draws.T)
    assert abs(correlation[0, 2]) < 0.25
    _, std = model.predict_linear(rows, groups=["a", "a", "b", "p03"], return_std=True)
    np.testing.assert_allclose(draws.std(axis=0), std, rtol=0.08)
    alone = model.sample_posterior(3000, rows, random_state=0)
    assert np.abs(np.corrcoef(alone.T) - np.eye(4)).max() < 0.25
    model.set_params(population="conditional")
    draws = model.sample_posterior(3000, rows, ["a", "a", "b", "p03"], random_state=0)
    np.testing.assert_allclose(draws[:, 0], draws[:, 2])


def test_features_outside_the_span_of_the_judged_ones():
    rng = np.random.RandomState(0)
    features = rng.normal(size=(60, 90))
    y = features @ rng.normal(scale=0.2, size=90) + rng.normal(size=60)
    groups = np.repeat(np.arange(6), 10)
    y += 2 * rng.normal(size=6)[groups]
    model = MagnitudeRegressor().fit(features, y, groups=groups)
    assert model._features.ridge_basis_.shape[1] < 90
    new = rng.normal(size=(5, 90))
    rows = np.vstack([new, new])
    known = np.zeros(10)
    draws = model.sample_posterior(3000, rows, known, random_state=0)
    _, std = model.predict_linear(rows, groups=known, return_std=True)
    np.testing.assert_allclose(draws.std(axis=0), std, rtol=0.08)
    np.testing.assert_allclose(draws[:, :5], draws[:, 5:])
    # Without the part outside the span the deviation would be too small.
    inside = model._posterior.predict(model._build(model._read_rows(rows, known))[1])[1]
    assert (np.sqrt(inside) < 0.9 * std).all()
    # A simulation of new coefficients spans all directions too.
    simulated = model.simulate(3000, rows, known, random_state=0)
    centre = model._features.ridge_center_
    tau = model.sigma_ / np.sqrt(model.alpha_)
    expected = tau**2 * ((new - centre) ** 2).sum(axis=1) + model.sigma_**2
    expected += model.variance_components_[0].variance[0]
    np.testing.assert_allclose(simulated[:, :5].var(axis=0), expected, rtol=0.12)


@pytest.mark.parametrize("value", [0, -1, 1.5, "10"])
def test_numbers_of_draws_are_checked(binary, value):
    with pytest.raises(ValueError, match="n_draws must be a positive integer"):
        binary.sample_posterior(value, FRAME)
    with pytest.raises(ValueError, match="n_simulations must be a positive integer"):
        binary.simulate(value, FRAME)


# ------------------------------------------------------------------ simulation


def test_simulated_responses_look_like_y(binary, magnitude):
    labels = binary.simulate(3, FRAME, random_state=0)
    assert labels.shape == (3, len(FRAME))
    assert set(np.unique(labels)) == {"no", "yes"}
    numbers = magnitude.simulate(3, FRAME, random_state=0)
    assert numbers.dtype == np.float64
    np.testing.assert_array_equal(numbers, magnitude.simulate(3, FRAME, random_state=0))
    positive = MagnitudeRegressor(family="lognormal").fit(X[:, None], np.exp(Y))
    assert (positive.simulate(2, X[:, None], random_state=0) > 0).all()


def test_simulations_follow_the_model(magnitude):
    draws = magnitude.simulate(3000, FRAME, random_state=0)
    G = {c.grouping_factor: c.variance[0] for c in magnitude.variance_components_}
    covariance = np.cov(draws[:, [0, 1, N_ITEMS]].T)
    total = G["participant"] + G["item"] + magnitude.sigma_**2
    np.testing.assert_allclose(np.diagonal(covariance), total, rtol=0.1)
    # The same participant, the same item, neither.
    tolerance = 0.08 * total
    assert covariance[0, 1] == pytest.approx(G["participant"], abs=tolerance)
    assert covariance[0, 2] == pytest.approx(G["item"], abs=tolerance)
    assert covariance[1, 2] == pytest.approx(0.0, abs=tolerance)
    fixed = magnitude.intercept_ + magnitude.coef_[0] * X
    np.testing.assert_allclose(
        draws.mean(axis=0), fixed, atol=5 * np.sqrt(total / 3000)
    )


def test_conditional_simulations_keep_known_effects(magnitude):
    rows = pd.concat([FRAME[:5], FRAME[:2].assign(participant="new")])
    draws = magnitude.simulate(3000, rows, random_state=0, conditional=True)
    np.testing.assert_allclose(
        draws.mean(axis=0)[:5],
        magnitude.predict(rows)[:5],
        atol=5 * magnitude.sigma_ / np.sqrt(3000),
    )
    sd = {c.grouping_factor: c.sd[0] for c in magnitude.variance_components_}
    np.testing.assert_allclose(draws.std(axis=0)[:5], magnitude.sigma_, rtol=0.08)
    expected = np.hypot(magnitude.sigma_, sd["participant"])
    np.testing.assert_allclose(draws.std(axis=0)[5:], expected, rtol=0.08)
    shared = np.cov(draws[:, 5:].T)[0, 1]
    assert shared == pytest.approx(sd["participant"] ** 2, rel=0.2)


def test_conditional_simulations_of_labels_stay_at_the_modes(binary):
    labels = binary.simulate(2000, FRAME[:9], random_state=0, conditional=True)
    modes = binary.ranef().set_index("level")["mode"]
    eta = binary.intercept_[0] + binary.coef_[0, 0] * X[:9]
    eta = eta + modes["p00"] + np.array([modes[str(i)] for i in range(9)])
    np.testing.assert_allclose(
        (labels == "yes").mean(axis=0), expit(eta), atol=5 * 0.5 / np.sqrt(2000)
    )


# ------------------------------------------------------------- priors of effects


def few_for_some(method="ml"):
    """The last two participants have two judgments each."""
    rows = np.flatnonzero((CODES < 18) | (ITEM < 2))
    effects = MixedEffects(
        formula="(1 | participant)",
        variance_estimation_method=method,
        min_samples_for_random_effects=3,
    )
    model = MagnitudeRegressor(mixed_effects=effects, alpha=0)
    X, y = FRAME.iloc[rows].drop(columns="item"), Y[rows]
    return model.fit(X, y), X, y


def test_intervals_with_levels_of_few_judgments():
    model, X, y = few_for_some()
    assert (~model.effects_["participant"].known).sum() == 2
    everyone = MagnitudeRegressor(mixed_effects="(1 | participant)", alpha=0)
    found = model.confidence_intervals(X, y)
    expected = everyone.fit(X, y).confidence_intervals(X, y)
    np.testing.assert_allclose(found.lower, expected.lower, rtol=1e-4)


def test_draws_for_levels_of_few_judgments_are_those_of_new_ones():
    model, _, _ = few_for_some()
    rows = pd.DataFrame({"x": 0.0, "participant": ["p18", "p18", "p19", "p00"]})
    draws = model.sample_posterior(3000, rows, random_state=0)
    np.testing.assert_allclose(draws[:, 0], draws[:, 1])
    _, std = model.predict_linear(rows, return_std=True)
    np.testing.assert_allclose(draws.std(axis=0), std, rtol=0.08)
    assert np.abs(np.corrcoef(draws[:, [0, 2]].T)[0, 1]) < 0.1


def test_mean_of_the_prior_is_in_draws_and_simulations():
    effects = MixedEffects(
        formula="(0 + x | participant)",
        prior_mean=3.0,
        prior_variance=0.25,
        estimate_variance_components=False,
    )
    model = MagnitudeRegressor(mixed_effects=effects, alpha=0)
    model.fit(FRAME.drop(columns="item"), Y)
    rows = pd.DataFrame({"x": [-1.0, 2.0], "participant": ["p00", "new"]})
    for draws in (
        model.sample_posterior(4000, rows, random_state=0),
        model.simulate(4000, rows, random_state=0, conditional=True),
    ):
        np.testing.assert_allclose(
            draws.mean(axis=0), model.predict_linear(rows), atol=0.2
        )
    draws = model.simulate(4000, rows, random_state=0)
    population = model.intercept_ + (model.coef_[0] + 3.0) * rows["x"]
    np.testing.assert_allclose(draws.mean(axis=0), population, atol=0.2)


def test_penalty_instead_of_a_variance():
    effects = MixedEffects(formula="(1 | participant)", regularization_strength=0.01)
    model = MagnitudeRegressor(mixed_effects=effects, alpha=0)
    X = FRAME.drop(columns="item")
    model.fit(X, Y)
    assert model.confidence_intervals(X, Y).parameters == ["sigma", "(Intercept)", "x"]
    rows = pd.DataFrame({"x": 0.0, "participant": ["p00", "new"]})
    draws = model.sample_posterior(4000, rows, random_state=0)
    _, std = model.predict_linear(rows, return_std=True)
    np.testing.assert_allclose(draws.std(axis=0), std, rtol=0.08)
    simulated = model.simulate(4000, rows, random_state=0)
    [component] = model.variance_components_
    expected = np.hypot(model.sigma_, component.level_variances[0] ** 0.5)
    assert simulated[:, 0].std() == pytest.approx(expected, rel=0.08)


# ----------------------------------------------------------------- persistence


def test_pickles_and_folders_answer_the_same(binary, tmp_path):
    save(binary, tmp_path / "model")
    for copy in (pickle.loads(pickle.dumps(binary)), load(tmp_path / "model")):
        assert copy.ranef().equals(binary.ranef())
        np.testing.assert_array_equal(
            copy.sample_posterior(3, FRAME, random_state=0),
            binary.sample_posterior(3, FRAME, random_state=0),
        )
        found = copy.confidence_intervals(FRAME, LABELS, parameters=["x"])
        expected = binary.confidence_intervals(FRAME, LABELS, parameters=["x"])
        np.testing.assert_allclose(found["x"], expected["x"])
