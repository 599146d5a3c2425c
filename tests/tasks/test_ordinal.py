"""Judgments on ordered categories."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone

from bead_sklearn import OrdinalScaleClassifier, persistence
from bead_sklearn.datasets import make_judgments
from bead_sklearn.exceptions import SeparationWarning
from bead_sklearn.families import Bernoulli, CumulativeLogit

pd = pytest.importorskip("pandas")

N_PARTICIPANTS, N_EACH = 40, 25
GROUPS = np.repeat([f"p{code:02d}" for code in range(N_PARTICIPANTS)], N_EACH)
CUTS = np.array([-1.5, -0.2, 0.6, 2.0])
WORDS = ["never", "seldom", "at times", "often", "always"]


def world(seed=0, link="logit", sd=1.0):
    rng = np.random.RandomState(seed)
    X = rng.normal([3.0, 0.0], 1.0, size=(len(GROUPS), 2))
    u = sd * rng.normal(size=N_PARTICIPANTS)
    eta = X @ [0.8, -0.5] - 2.4 + np.repeat(u, N_EACH)
    noise = (
        rng.logistic(size=len(eta)) if link == "logit" else rng.normal(size=len(eta))
    )
    return X, np.digitize(eta + noise, CUTS), u


X, Y, U = world()


@pytest.fixture(scope="module")
def fitted():
    return OrdinalScaleClassifier().fit(X, Y, groups=GROUPS)


@pytest.mark.parametrize("family", ["cumulative_logit", "cumulative_probit"])
def test_truth_is_recovered(family):
    found = []
    for seed in range(12):
        features, y, u = world(seed, "logit" if family.endswith("logit") else "probit")
        model = OrdinalScaleClassifier(family=family).fit(features, y, groups=GROUPS)
        modes = model.effects_["groups"].modes[:, 0]
        assert np.corrcoef(modes, u)[0, 1] > 0.85
        sd = model.variance_components_[0].sd[0]
        found.append([*model.coef_[0], *(model.thresholds_ - 2.4), sd / u.std()])
    truth = np.array([0.8, -0.5, *CUTS, 1.0])
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - truth) < 4.0 * error).all()
    assert (error < 0.15).all()


def test_standard_errors_are_those_of_repetitions():
    estimates, errors = [], []
    for seed in range(25):
        features, y, _ = world(seed)
        model = OrdinalScaleClassifier().fit(features, y, groups=GROUPS)
        estimates.append(model.coef_[0])
        errors.append([e.standard_error for e in model.summary().fixed_effects])
    ratio = np.std(estimates, axis=0, ddof=1) / np.mean(errors, axis=0)
    assert ((ratio > 0.65) & (ratio < 1.45)).all()


def test_thresholds_are_those_of_the_columns_of_x(fitted):
    # Without uncertainty and effects the probabilities follow from public numbers.
    model = OrdinalScaleClassifier(mixed_effects="fixed", population="conditional")
    model.fit(X, Y)
    eta = X @ model.coef_[0]
    below = 1 / (1 + np.exp(-(model.thresholds_ - eta[:, None])))
    expected = np.diff(below, axis=1, prepend=0.0, append=1.0)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=4e-3)
    shifted = OrdinalScaleClassifier().fit(X + 5.0, Y, groups=GROUPS)
    np.testing.assert_allclose(
        shifted.thresholds_, fitted.thresholds_ + 5.0 * fitted.coef_.sum(), atol=1e-4
    )


def test_predictions(fitted):
    p = fitted.predict_proba(X, groups=GROUPS)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert (fitted.predict(X, groups=GROUPS) == p.argmax(axis=1)).all()
    expected = p @ np.arange(5.0)
    np.testing.assert_allclose(fitted.predict_mean(X, groups=GROUPS), expected)
    assert fitted.score(X, Y, groups=GROUPS) > fitted.score(X, Y) > 0.3
    table = fitted.predict_table(X, groups=GROUPS)
    assert list(table.columns)[2:7] == [f"p_{k}" for k in range(5)]


def test_new_participants_are_integrated():
    held = np.isin(GROUPS, np.unique(GROUPS)[::4])
    log_loss = {}
    for population in ("marginal", "conditional"):
        scores = []
        for seed in range(6):
            features, y, _ = world(seed, sd=2.0)
            model = OrdinalScaleClassifier(population=population)
            model.fit(features[~held], y[~held], groups=GROUPS[~held])
            p = model.predict_proba(features[held], groups=GROUPS[held])
            scores.append(-np.log(p[np.arange(held.sum()), y[held]]).mean())
        log_loss[population] = np.mean(scores)
    assert log_loss["marginal"] < log_loss["conditional"]


def test_marginal_probabilities_are_averages_over_participants(fitted):
    rng = np.random.RandomState(1)
    sd = fitted.variance_components_[0].sd[0]
    eta = X[:3] @ fitted.coef_[0]
    draws = eta + sd * rng.normal(size=(40_000, 3))
    below = 1 / (1 + np.exp(-(fitted.thresholds_ - draws[..., None])))
    expected = np.diff(below, axis=2, prepend=0.0, append=1.0).mean(axis=0)
    np.testing.assert_allclose(fitted.predict_proba(X[:3]), expected, atol=0.01)


def test_summary_names_thresholds():
    labels = np.array(WORDS)[Y]
    model = OrdinalScaleClassifier(categories=WORDS).fit(X, labels, groups=GROUPS)
    parameters = model.summary().family_parameters
    assert next(iter(parameters)) == "never|seldom"
    assert list(parameters.values()) == model.thresholds_.tolist()
    assert "often|always" in str(model.summary())
    assert "(Intercept)" not in {e.name for e in model.summary().fixed_effects}


def test_order_of_strings(fitted):
    labels = np.array(WORDS)[Y]
    declared = OrdinalScaleClassifier(categories=WORDS).fit(X, labels, groups=GROUPS)
    assert declared.classes_.tolist() == WORDS
    np.testing.assert_allclose(declared.thresholds_, fitted.thresholds_, atol=1e-6)
    with pytest.warns(
        UserWarning, match="ordered alphabetically: 'always', 'at times'"
    ):
        sorted_ = OrdinalScaleClassifier().fit(X, labels, groups=GROUPS)
    assert sorted_.log_likelihood_ < declared.log_likelihood_ - 50
    ordered = pd.Series(pd.Categorical(labels, WORDS, ordered=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        series = OrdinalScaleClassifier().fit(X, ordered, groups=GROUPS)
        two = OrdinalScaleClassifier().fit(X, np.where(Y > 2, "yes", "no"))
    assert series.classes_.tolist() == WORDS
    np.testing.assert_allclose(series.coef_, declared.coef_)
    assert two.classes_.tolist() == ["no", "yes"]
    assert set(series.predict(X)) <= set(WORDS)
    # The mean of words is that of their positions.
    positions = series.predict_proba(X) @ np.arange(1.0, 6.0)
    np.testing.assert_allclose(series.predict_mean(X), positions)


def test_order_of_a_polars_enum():
    pl = pytest.importorskip("polars")
    y = pl.Series(np.array(WORDS)[Y], dtype=pl.Enum(WORDS))
    model = OrdinalScaleClassifier().fit(X, y, groups=GROUPS)
    assert model.classes_.tolist() == WORDS


def test_reversed_scale_reverses_everything(fitted):
    model = OrdinalScaleClassifier(categories=[4, 3, 2, 1, 0]).fit(X, Y, groups=GROUPS)
    assert model.log_likelihood_ == pytest.approx(fitted.log_likelihood_, abs=1e-5)
    np.testing.assert_allclose(model.coef_, -fitted.coef_, atol=1e-5)
    np.testing.assert_allclose(
        model.thresholds_, -fitted.thresholds_[::-1], rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(
        model.predict_proba(X)[:, ::-1], fitted.predict_proba(X), atol=1e-5
    )


@pytest.mark.parametrize("missing", [[0], [2], [4], [0, 4], [1, 2], [3, 4]])
def test_declared_categories_without_judgments(missing):
    kept = ~np.isin(Y, missing)
    features, y, groups = X[kept], Y[kept], GROUPS[kept]
    model = OrdinalScaleClassifier(categories=range(5))
    with pytest.warns(UserWarning, match=r"No judgment is in the categories"):
        model.fit(features, y, groups=groups)
    observed = OrdinalScaleClassifier().fit(features, y, groups=groups)
    p = model.predict_proba(features, groups=groups)
    assert p.shape[1] == 5
    assert not p[:, missing].any()
    np.testing.assert_allclose(
        np.delete(p, missing, axis=1), observed.predict_proba(features, groups=groups)
    )
    assert model.aic_ == observed.aic_
    # Thresholds give the same probabilities.
    cuts = np.concatenate([[-np.inf], model.thresholds_, [np.inf]])
    assert len(model.thresholds_) == 4
    assert (cuts[1:] >= cuts[:-1]).all()
    with np.errstate(over="ignore"):
        below = 1 / (1 + np.exp(-cuts))
    assert not np.diff(below)[missing].any()
    assert set(np.unique(model.simulate(1, X, GROUPS, 0))) <= set(y.tolist())
    draws = model.sample_posterior(2, X[:4], random_state=0, response=True)
    assert draws.shape == (2, 4, 5)


def test_equidistant_thresholds():
    model = OrdinalScaleClassifier(thresholds="equidistant", categories=range(5))
    model.fit(X, Y, groups=GROUPS)
    np.testing.assert_allclose(np.diff(model.thresholds_, 2), 0.0, atol=1e-9)
    free = OrdinalScaleClassifier().fit(X, Y, groups=GROUPS)
    assert free.log_likelihood_ > model.log_likelihood_
    assert free.aic_ / 2 + free.log_likelihood_ == pytest.approx(
        model.aic_ / 2 + model.log_likelihood_ + 2
    )
    # A category that nobody chose has a probability.
    kept = Y != 2
    model.fit(X[kept], Y[kept], groups=GROUPS[kept])
    assert (model.predict_proba(X)[:, 2] > 0.01).mean() > 0.5
    neighbours = np.isin(Y, [1, 2])
    with pytest.raises(ValueError, match=r"two neighbouring categories only, \[1, 2\]"):
        model.fit(X[neighbours], Y[neighbours])


def test_two_categories_are_a_binary_judgment():
    from bead_sklearn import BinaryClassifier

    y = (Y > 2).astype(int)
    ordinal = OrdinalScaleClassifier().fit(X, y, groups=GROUPS)
    binary = BinaryClassifier().fit(X, y, groups=GROUPS)
    assert ordinal.log_likelihood_ == pytest.approx(binary.log_likelihood_, abs=1e-5)
    np.testing.assert_allclose(ordinal.coef_, binary.coef_, atol=1e-4)
    np.testing.assert_allclose(ordinal.thresholds_, -binary.intercept_, atol=1e-4)
    np.testing.assert_allclose(
        ordinal.predict_proba(X), binary.predict_proba(X), atol=2e-3
    )  # but for the uncertainty of the threshold


def test_quadrature_agrees_with_laplace_for_many_judgments(fitted):
    model = OrdinalScaleClassifier(n_quadrature=10).fit(X, Y, groups=GROUPS)
    np.testing.assert_allclose(model.thresholds_, fitted.thresholds_, atol=0.02)
    assert "10 nodes" in model.summary().likelihood


def test_weights_are_repetitions():
    weights = np.random.RandomState(0).randint(0, 3, len(Y))
    model = OrdinalScaleClassifier().fit(X, Y, groups=GROUPS, sample_weight=weights)
    rows = np.repeat(np.arange(len(Y)), weights)
    again = OrdinalScaleClassifier().fit(X[rows], Y[rows], groups=GROUPS[rows])
    np.testing.assert_allclose(model.thresholds_, again.thresholds_, atol=1e-5)


def test_texts_under_a_ridge():
    d = make_judgments("ordinal", n_participants=40, n_items=80, random_state=1)
    model = OrdinalScaleClassifier(random_state=0).fit(d.X, d.y, groups=d.groups)
    rows = np.arange(len(d.y))
    p = model.predict_proba(d.X, groups=d.groups)
    truth = np.log(d.truth.probabilities[rows, d.y - 1]).mean()
    assert np.log(p[rows, d.y - 1]).mean() > truth - 0.05
    assert np.corrcoef(p @ d.classes, d.truth.probabilities @ d.classes)[0, 1] > 0.85


def test_simulation_has_the_shares_of_the_fit(fitted):
    y = fitted.simulate(40, X, GROUPS, random_state=0)
    assert y.shape == (40, len(Y))
    simulated = [(y == k).mean() for k in range(5)]
    np.testing.assert_allclose(simulated, np.bincount(Y) / len(Y), atol=0.03)
    draws = fitted.sample_posterior(300, X[:5], GROUPS[:5], 0, response=True)
    p = fitted.predict_proba(X[:5], groups=GROUPS[:5])
    np.testing.assert_allclose(draws.mean(axis=0), p, atol=0.02)


def test_intervals_and_effects(fitted):
    intervals = fitted.confidence_intervals(
        X, Y, groups=GROUPS, parameters=["x0", "sd_(Intercept)|groups"]
    )
    assert intervals["x0"][0] < 0.8 < intervals["x0"][1]
    assert intervals["sd_(Intercept)|groups"][0] < U.std()
    assert len(fitted.ranef()) == N_PARTICIPANTS


def test_slopes_and_crossed_factors():
    rng = np.random.RandomState(3)
    item = np.tile(np.arange(N_EACH), N_PARTICIPANTS)
    v, s = rng.normal(size=N_EACH), 0.8 * rng.normal(size=N_PARTICIPANTS)
    eta = X @ [0.8, -0.5] - 2.4 + np.repeat(U, N_EACH) + v[item]
    eta = eta + np.repeat(s, N_EACH) * X[:, 1]
    y = np.digitize(eta + rng.logistic(size=len(eta)), CUTS)
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(item=item, who=GROUPS)
    model = OrdinalScaleClassifier(mixed_effects="(1 + b | who) + (1 | item)")
    model.fit(frame, y)
    slopes = model.effects_["who"].modes[:, 1]
    assert np.corrcoef(slopes, s)[0, 1] > 0.6
    assert np.corrcoef(model.effects_["item"].modes[:, 0], v)[0, 1] > 0.9


def test_saved_and_copied_models(fitted, tmp_path):
    p = fitted.predict_proba(X, groups=GROUPS)
    persistence.save(fitted, tmp_path / "model")
    again = persistence.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(X, groups=GROUPS), p)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(X, groups=GROUPS), p)
    assert not hasattr(clone(fitted), "thresholds_")


def test_warm_start_after_a_new_category_appears():
    few = np.arange(len(Y)) < 600
    low = few & (Y < 4)
    model = OrdinalScaleClassifier(warm_start=True).fit(
        X[low], Y[low], groups=GROUPS[low]
    )
    for rows in (few, slice(None)):
        model.fit(X[rows], Y[rows], groups=GROUPS[rows])
        cold = OrdinalScaleClassifier().fit(X[rows], Y[rows], groups=GROUPS[rows])
        assert model.log_likelihood_ == pytest.approx(cold.log_likelihood_, abs=1e-5)
        np.testing.assert_allclose(model.thresholds_, cold.thresholds_, atol=1e-3)


# Bad input -----------------------------------------------------------------------


def test_values_that_are_no_category():
    y = Y.copy()
    y[7] = 9
    with pytest.raises(
        ValueError, match=r"\[0, 1, 2, 3, 4\]: \[9\], the first in row 7"
    ):
        OrdinalScaleClassifier(categories=range(5)).fit(X, y)
    labels = np.array(WORDS, dtype=object)[Y]
    with pytest.raises(ValueError, match=r"\['yes', 'no'\]: \['always'.*in row"):
        OrdinalScaleClassifier(categories=["yes", "no"]).fit(X, labels)


@pytest.mark.parametrize(
    "categories", [[1], [1, 1, 2], ["a", 1, 2], [[1, 2], [3, 4]], []]
)
def test_bad_categories(categories):
    with pytest.raises((ValueError, TypeError), match=r"categories|unhashable"):
        OrdinalScaleClassifier(categories=categories).fit(X, Y)


def test_one_category():
    with pytest.raises(ValueError, match=r"only one class.*\[3\]"):
        OrdinalScaleClassifier().fit(X, np.full(len(Y), 3))
    with pytest.raises(ValueError, match="only one class"):
        OrdinalScaleClassifier(categories=range(5)).fit(
            X, Y, sample_weight=(Y == 2).astype(float)
        )


@pytest.mark.parametrize("bad", [np.nan, None])
def test_missing_category(bad):
    y = Y.astype(object)
    y[3] = bad
    with pytest.raises(ValueError, match=r"missing values .* in row 3"):
        OrdinalScaleClassifier().fit(X, y)


def test_families_that_do_not_fit():
    with pytest.raises(ValueError, match=r"Unknown family 'normal'.*cumulative_probit"):
        OrdinalScaleClassifier(family="normal").fit(X, Y)
    with pytest.raises(ValueError, match="for binary responses"):
        OrdinalScaleClassifier(family=Bernoulli()).fit(X, Y)
    with pytest.raises(ValueError, match=r"has 3 categories, but the scale has 5"):
        OrdinalScaleClassifier(family=CumulativeLogit(3)).fit(X, Y)
    own = OrdinalScaleClassifier(family=CumulativeLogit(5, equidistant=True)).fit(X, Y)
    np.testing.assert_allclose(np.diff(own.thresholds_, 2), 0.0, atol=1e-9)


may_not_converge = pytest.mark.filterwarnings(
    "ignore:The optimizer did not converge:sklearn.exceptions.ConvergenceWarning"
)


@may_not_converge
@pytest.mark.parametrize("thresholds", ["flexible", "equidistant"])
def test_separation_by_a_column(thresholds):
    frame = pd.DataFrame({"a": X[:, 1]})
    y = np.digitize(X[:, 1], [-1.0, 0.0, 1.0])
    with pytest.warns(SeparationWarning, match="a combination of 'a' predicts"):
        OrdinalScaleClassifier(thresholds=thresholds, alpha=0).fit(frame, y)


@may_not_converge
def test_separation_of_part_of_the_scale():
    only_top = ((Y == 4) & (np.arange(len(Y)) % 3 == 0)).astype(float)
    splits = (Y >= 2).astype(float)
    for column in (only_top, splits):
        frame = pd.DataFrame({"a": X[:, 1], "flag": column})
        with pytest.warns(SeparationWarning, match="a combination of 'flag' predicts"):
            OrdinalScaleClassifier(alpha=0).fit(frame, Y)


def test_strong_predictors_are_no_separation():
    rng = np.random.RandomState(0)
    eta = 12.0 * X[:, 1]
    y = np.digitize(eta + rng.logistic(size=len(eta)), [-9.0, 0.0, 9.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = OrdinalScaleClassifier(alpha=0).fit(X[:, 1:], y)
    assert model.coef_[0, 0] == pytest.approx(12.0, rel=0.3)
