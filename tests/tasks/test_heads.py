"""Participant-specific heads in the span of each participant's rows (the dual form)
against one effect per feature (the primal form) and against dense algebra."""

from __future__ import annotations

import pickle
from unittest import mock

import numpy as np
import pytest

from bead_sklearn import BinaryClassifier, MagnitudeRegressor, MixedEffects, persistence
from bead_sklearn.inspection import EffectsDisplay, VarianceHistoryDisplay, bootstrap
from bead_sklearn.inspection._nesting import describe
from bead_sklearn.inspection._quantities import model_quantities

pd = pytest.importorskip("pandas")

pytestmark = pytest.mark.filterwarnings(
    "ignore::bead_sklearn.exceptions.SingularFitWarning"
)

D = 8
MODELS = [BinaryClassifier, MagnitudeRegressor]
HELD = {"estimate_variance_components": False, "prior_variance": 0.4}
FIELDS = [
    HELD,
    {**HELD, "prior_mean": 0.5},
    {**HELD, "min_samples_for_random_effects": 4},
    {"regularization_strength": 0.01},
    {"regularization_strength": 0.01, "adaptive_regularization": False},
    {"regularization_strength": 0.02, "min_samples_for_random_effects": 3},
]


def simulate(model, seed=0):
    """Judgments of 14 participants, 1 to 7 each, of texts of which some come twice."""
    rng = np.random.RandomState(seed)
    g = np.repeat(np.arange(14), np.arange(14) % 7 + 1)
    table = rng.normal(size=(25, D))
    X = table[rng.randint(25, size=len(g))]
    X[5] = X[4] = X[3]
    slopes = 0.6 * rng.normal(size=(14, D))
    eta = 0.3 + rng.normal(size=14)[g] + np.einsum("ij,ij->i", X, slopes[g])
    if model is BinaryClassifier:
        y = (rng.uniform(size=len(g)) < 1 / (1 + np.exp(-eta))).astype(int)
    else:
        y = eta + 0.5 * rng.normal(size=len(g))
    return X, y, g


def new_rows(seed=9):
    """Rows not seen in fit: of known, of two new, and of every kind of participant."""
    rng = np.random.RandomState(seed)
    return rng.normal(size=(9, D)), np.array([0, 3, 3, 13, 13, 90, 90, 91, 6])


def primal_form():
    return mock.patch("bead_sklearn.effects._structure.level_bases", return_value=None)


def both(model, X, y, groups, *, sample_weight=None, alpha=2.0, encoder=None, **fields):
    """The same model in both forms."""
    effects = MixedEffects("random_slopes", **fields)
    estimator = model(mixed_effects=effects, alpha=alpha, encoder=encoder, tol=1e-8)
    arguments = {"groups": groups, "sample_weight": sample_weight}
    dual = estimator.fit(X, y, **arguments)
    with primal_form():
        primal = model(**estimator.get_params(deep=False)).fit(X, y, **arguments)
    assert all(item.bases is not None for item in dual._structures)
    assert all(item.bases is None for item in primal._structures)
    return dual, primal


def assert_same(dual, primal, cases, atol=1e-8):
    """Likelihood, predictions and effects are the same."""
    assert dual.log_likelihood_ == pytest.approx(primal.log_likelihood_, abs=atol)
    assert dual.aic_ == pytest.approx(primal.aic_, abs=atol)
    np.testing.assert_allclose(dual.coef_, primal.coef_, atol=atol)
    for X, groups in cases:
        found = dual.predict_linear(X, groups=groups, return_std=True)
        expected = primal.predict_linear(X, groups=groups, return_std=True)
        np.testing.assert_allclose(found, expected, atol=atol)
    for name, effects in dual.effects_.items():
        expected = primal.effects_[name]
        assert effects.effect_names == expected.effect_names
        assert effects.modes.shape == (len(effects.levels), D + 1)
        np.testing.assert_allclose(effects.modes, expected.modes, atol=atol)
        np.testing.assert_allclose(effects.variances, expected.variances, atol=atol)
        np.testing.assert_allclose(effects.covariances, expected.covariances, atol=atol)
        diagonals = np.diagonal(effects.covariances, axis1=1, axis2=2)
        np.testing.assert_allclose(effects.sds**2, diagonals)
        one = effects.covariance(effects.levels[3])
        np.testing.assert_allclose(one, expected.covariances[3], atol=atol)
    pairs = zip(dual.variance_components_, primal.variance_components_, strict=True)
    for component, expected in pairs:
        assert component.effect_type == "intercept and slope"
        assert component.is_singular == expected.is_singular
        for field in ("variance", "covariance", "correlation", "mean_square"):
            np.testing.assert_allclose(
                getattr(component, field), getattr(expected, field), atol=atol
            )


def cases_of(X, groups):
    rows, ids = new_rows()
    return [(X, groups), (rows, ids), (rows, None), (X, np.full(len(X), 99))]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("fields", FIELDS)
def test_both_forms_are_the_same_model(model, fields):
    X, y, g = simulate(model)
    dual, primal = both(model, X, y, g, **fields)
    assert_same(dual, primal, cases_of(X, g))
    assert str(dual.summary()) == str(primal.summary())


@pytest.mark.parametrize("model", MODELS)
def test_both_forms_have_the_same_maximum(model):
    X, y, g = simulate(model, seed=2)
    dual, primal = both(model, X, y, g, alpha="auto")
    assert (dual.variance_components_[0].variance > 0.01).all()
    assert_same(dual, primal, cases_of(X, g), atol=1e-4)
    assert dual.log_likelihood_ == pytest.approx(primal.log_likelihood_, abs=1e-7)
    names = [quantity.name for quantity in model_quantities(dual)]
    assert names == [quantity.name for quantity in model_quantities(primal)]
    assert f"sd_{D} slopes|groups" in names
    assert describe(dual) == describe(primal)
    pd.testing.assert_frame_equal(dual.ranef(), primal.ranef(), rtol=1e-3)


@pytest.mark.parametrize("model", MODELS)
def test_weights_count_rows(model):
    X, y, g = simulate(model)
    weights = np.random.RandomState(1).randint(4, size=len(y))
    dual, primal = both(model, X, y, g, sample_weight=weights, **HELD)
    assert_same(dual, primal, cases_of(X, g))
    rows = np.repeat(np.arange(len(y)), weights)
    repeated, _ = both(model, X[rows], y[rows], g[rows], **HELD)
    assert repeated.log_likelihood_ == pytest.approx(dual.log_likelihood_)
    np.testing.assert_allclose(
        repeated.predict_linear(X, groups=g), dual.predict_linear(X, groups=g)
    )


@pytest.mark.parametrize("model", MODELS)
def test_several_factors(model):
    X, y, g = simulate(model, seed=4)
    ids = pd.DataFrame({"g": g, "h": np.random.RandomState(0).randint(9, size=len(g))})
    assert ids["h"].value_counts().max() > D
    # Distinct rows of each level of h are fewer than its rows.
    X = np.repeat(X[:14], -(-len(g) // 14), axis=0)[: len(g)]
    dual, primal = both(model, X, y, ids, **HELD)
    rows, g_new = new_rows()
    new = pd.DataFrame({"g": g_new, "h": g_new % 11})
    cases = [(X, ids), (rows, new), (rows, new[["h"]]), (rows, new[["g"]])]
    assert_same(dual, primal, cases)


def test_repeated_texts_are_one_direction():
    rng = np.random.RandomState(0)
    table = {f"text {i}": row for i, row in enumerate(rng.normal(size=(40, D)))}
    texts = np.array(list(table))[np.tile(np.arange(5), 20)]
    texts[50:] = np.array(list(table))[np.tile(np.arange(20, 26), 9)[:50]]
    g = np.repeat(["a", "b"], 50)
    y = rng.randint(2, size=100)

    def encode(values):
        return np.array([table[value] for value in values])

    dual, primal = both(BinaryClassifier, list(texts), y, g, encoder=encode, **HELD)
    assert dual._posterior.effects[0].shape == (2, 1 + 6)
    others = [f"text {i}" for i in range(40)]
    assert_same_predictions(dual, primal, others, ["a", "b"] * 20)


def assert_same_predictions(dual, primal, X, groups):
    for ids in (groups, None):
        np.testing.assert_allclose(
            dual.predict_linear(X, groups=ids, return_std=True),
            primal.predict_linear(X, groups=ids, return_std=True),
            atol=1e-8,
        )


def test_a_participant_with_many_texts_needs_the_primal_form():
    rng = np.random.RandomState(0)
    X, g = rng.normal(size=(30, D)), np.repeat([0, 1, 2], [D, 11, 11])
    model = MagnitudeRegressor(mixed_effects=MixedEffects("random_slopes", **HELD))
    model.fit(X, rng.normal(size=30), groups=g)
    assert model._structures[0].bases is None
    assert model._posterior.effects[0].shape == (3, 1 + D)


# Random draws --------------------------------------------------------------------


def levels_of(X, groups):
    """Columns of all effects of all participants, known or not: (n_rows, q (1 + D))."""
    z = np.column_stack([np.ones(len(X)), X])
    levels = sorted(set(groups))
    blocks = np.zeros((len(X), len(levels), D + 1))
    blocks[np.arange(len(X)), [levels.index(g) for g in groups]] = z
    return blocks.reshape(len(X), -1)


def exact_covariances(model, X, groups, n_fit):
    """Covariance of eta of all rows before and after the first ``n_fit`` are seen."""
    centred = X - X[:n_fit].mean(axis=0)
    effects = levels_of(centred, groups)
    ridge_variance = model.sigma_**2 / model.alpha_
    ridge = ridge_variance * centred @ centred.T
    prior = HELD["prior_variance"] * effects @ effects.T
    columns = np.hstack([np.ones((len(X), 1)), centred, effects])
    variances = np.r_[
        np.inf,
        np.full(D, ridge_variance),
        np.full(effects.shape[1], HELD["prior_variance"]),
    ]
    seen = columns[:n_fit]
    precision = seen.T @ seen / model.sigma_**2 + np.diag(1.0 / variances)
    return ridge, prior, columns @ np.linalg.inv(precision) @ columns.T


def deviation(draws, expected):
    """Largest deviation of covariances of draws in standard errors."""
    found = np.cov(draws, rowvar=False)
    variances = np.diagonal(expected)
    errors = np.sqrt((np.outer(variances, variances) + expected**2) / len(draws))
    return np.abs((found - expected) / errors).max()


N_DRAWS = 4000


@pytest.fixture(scope="module")
def drawn():
    """A model, rows of the fit and new ones, and covariances by dense algebra."""
    X, y, g = simulate(MagnitudeRegressor)
    dual, primal = both(MagnitudeRegressor, X, y, g, **HELD)
    rows, ids = new_rows()
    X_all, g_all = np.vstack([X, rows]), np.append(g, ids)
    ridge, prior, posterior = exact_covariances(dual, X_all, g_all, len(X))
    # Not all rows of the fit, for the sake of time.
    some = np.r_[0:6, len(X) : len(X_all)]
    block = np.ix_(some, some)
    return dual, primal, X_all[some], g_all[some], ridge, prior, posterior, block


def test_exact_variances(drawn):
    dual, _, X, groups, *_, posterior, block = drawn
    _, sd = dual.predict_linear(X, groups=groups, return_std=True)
    np.testing.assert_allclose(sd**2, np.diagonal(posterior[block]))


@pytest.mark.parametrize("form", [0, 1])
def test_posterior_draws_are_jointly_right(drawn, form):
    *_, X, groups, _, _, posterior, block = drawn
    model = drawn[form]
    draws = model.sample_posterior(N_DRAWS, X, groups, random_state=0)
    assert deviation(draws, posterior[block]) < 5.0
    mean, sd = model.predict_linear(X, groups=groups, return_std=True)
    assert np.abs((draws.mean(axis=0) - mean) / sd).max() < 5 / np.sqrt(N_DRAWS)


def test_rows_without_ids_are_drawn_apart(drawn):
    dual, _, X, *_ = drawn
    draws = dual.sample_posterior(N_DRAWS, X, random_state=0)
    _, sd = dual.predict_linear(X, return_std=True)
    assert np.abs(draws.var(axis=0) / sd**2 - 1).max() < 5 * np.sqrt(2 / N_DRAWS)
    # The participants of two rows are two: only coefficients are shared.
    shared = np.cov(draws, rowvar=False)[-1, -2]
    as_one = dual.sample_posterior(N_DRAWS, X, np.full(len(X), 99), random_state=0)
    effects = np.cov(as_one, rowvar=False)[-1, -2] - shared
    centred = X - dual._features.ridge_center_
    expected = HELD["prior_variance"] * (1 + centred[-1] @ centred[-2])
    assert effects == pytest.approx(expected, abs=0.5)


def test_conditional_population_has_no_effects_of_strangers():
    X, y, g = simulate(MagnitudeRegressor)
    effects = MixedEffects("random_slopes", **HELD)
    model = MagnitudeRegressor(
        mixed_effects=effects, alpha=2.0, population="conditional"
    ).fit(X, y, groups=g)
    with primal_form():
        primal = MagnitudeRegressor(**model.get_params(deep=False)).fit(X, y, groups=g)
    rows, ids = new_rows()
    assert_same_predictions(model, primal, rows, ids)
    draws = model.sample_posterior(N_DRAWS, rows, ids, random_state=0)
    _, sd = model.predict_linear(rows, groups=ids, return_std=True)
    assert np.abs(draws.var(axis=0) / sd**2 - 1).max() < 5 * np.sqrt(2 / N_DRAWS)


@pytest.mark.parametrize("form", [0, 1])
def test_simulations_have_new_effects(drawn, form):
    *_, X, groups, _, prior, _, block = drawn
    model = drawn[form]
    noise = model.sigma_**2 * np.eye(len(X))
    y = model.simulate(N_DRAWS, X, groups, random_state=0)
    # Coefficients under a ridge of a given precision are not drawn.
    assert deviation(y, prior[block] + noise) < 5.0


@pytest.mark.parametrize("form", [0, 1])
def test_conditional_simulations_keep_known_effects(drawn, form):
    *_, X, groups, _, prior, _, block = drawn
    model = drawn[form]
    new = groups >= 90
    expected = np.where(np.outer(new, new), prior[block], 0.0)
    expected += model.sigma_**2 * np.eye(len(X))
    y = model.simulate(N_DRAWS, X, groups, random_state=0, conditional=True)
    assert deviation(y, expected) < 5.0
    mean = model.predict(X[~new], groups=groups[~new])
    error = model.sigma_ / np.sqrt(N_DRAWS)
    assert np.abs(y.mean(axis=0)[~new] - mean).max() < 5 * error


def test_levels_with_few_judgments_are_drawn_as_new_ones():
    X, y, g = simulate(MagnitudeRegressor)
    fields = {**HELD, "min_samples_for_random_effects": 4}
    dual, primal = both(MagnitudeRegressor, X, y, g, **fields)
    some = np.flatnonzero(np.isin(g, [1, 5]))
    for model in (dual, primal):
        draws = model.sample_posterior(N_DRAWS, X[some], g[some], random_state=0)
        _, sd = primal.predict_linear(X[some], groups=g[some], return_std=True)
        assert np.abs(draws.var(axis=0) / sd**2 - 1).max() < 5 * np.sqrt(2 / N_DRAWS)


def test_a_penalty_of_each_level_scales_what_is_drawn():
    X, y, g = simulate(MagnitudeRegressor)
    dual, _ = both(MagnitudeRegressor, X, y, g, regularization_strength=0.02)
    rows, ids = new_rows()
    draws = dual.sample_posterior(N_DRAWS, rows, ids, random_state=0)
    _, sd = dual.predict_linear(rows, groups=ids, return_std=True)
    assert np.abs(draws.var(axis=0) / sd**2 - 1).max() < 5 * np.sqrt(2 / N_DRAWS)


# Everything around a fit -----------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    X, y, g = simulate(BinaryClassifier)
    effects = MixedEffects("random_slopes", **HELD)
    model = BinaryClassifier(mixed_effects=effects, alpha=2.0).fit(X, y, groups=g)
    return model, X, y, g


@pytest.mark.parametrize("way", ["pickle", "folder"])
def test_saved_models_come_back(fitted, way, tmp_path):
    model, X, _, g = fitted
    if way == "pickle":
        back = pickle.loads(pickle.dumps(model))
    else:
        back = persistence.load(persistence.save(model, tmp_path / "model"))
    rows, ids = new_rows()
    for these, who in ((X, g), (rows, ids), (rows, None)):
        np.testing.assert_array_equal(
            back.predict_linear(these, groups=who, return_std=True),
            model.predict_linear(these, groups=who, return_std=True),
        )
    found, expected = back.effects_["groups"], model.effects_["groups"]
    np.testing.assert_array_equal(found.modes, expected.modes)
    np.testing.assert_array_equal(found.covariances, expected.covariances)
    assert found.structure is back._structures[0]
    assert str(back.summary()) == str(model.summary())


def test_models_hold_no_covariances_of_all_coefficients():
    rng = np.random.RandomState(0)
    n_levels, d = 40, 60
    X, g = rng.normal(size=(120, d)), np.repeat(np.arange(n_levels), 3)
    effects = MixedEffects("random_slopes", **HELD)
    model = MagnitudeRegressor(mixed_effects=effects, alpha=1.0)
    model.fit(X, rng.normal(size=120), groups=g)
    assert len(pickle.dumps(model)) < n_levels * d * d * 8 / 2
    assert model.effects_["groups"].covariances.shape == (n_levels, d + 1, d + 1)


def test_unknown_levels_have_no_covariance(fitted):
    effects = fitted[0].effects_["groups"]
    with pytest.raises(ValueError, match="level of 'groups' that was seen in fit"):
        effects.covariance("nobody")


def test_intervals_and_simulations_refit_the_same_problem():
    X, y, g = simulate(MagnitudeRegressor, seed=2)
    dual, primal = both(MagnitudeRegressor, X, y, g)
    wanted = [f"sd_{D} slopes|groups"]
    arguments = {"groups": g, "parameters": wanted}
    found = dual.confidence_intervals(X, y, **arguments)
    expected = primal.confidence_intervals(X, y, **arguments)
    np.testing.assert_allclose(found.lower, expected.lower, atol=1e-3)
    np.testing.assert_allclose(found.upper, expected.upper, atol=1e-3)
    result = bootstrap(dual, X, y, groups=g, n_bootstrap=10, random_state=0)
    column = result.parameters.index(wanted[0])
    assert result.replicates[:, column].mean() == pytest.approx(
        np.sqrt(dual.variance_components_[0].variance[-1]), rel=0.5
    )


def test_pictures_know_all_coefficients(fitted):
    pytest.importorskip("matplotlib").use("Agg")
    model, X, _, g = fitted
    display = EffectsDisplay.from_estimator(model, effect="x3")
    assert display.axes_[0].get_title(loc="left") == "x3"
    y = simulate(MagnitudeRegressor)[1]
    estimated = MagnitudeRegressor(mixed_effects="random_slopes", alpha=2.0)
    history = VarianceHistoryDisplay.from_estimator(estimated.fit(X, y, groups=g))
    assert list(history.lines_) == ["sd_(Intercept)|groups", f"sd_{D} slopes|groups"]
