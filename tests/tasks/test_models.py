"""What the task models return, and where ids may stand."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bead_sklearn import BinaryClassifier, MagnitudeRegressor

pd = pytest.importorskip("pandas")

N_PARTICIPANTS, N_EACH = 20, 20
RNG = np.random.RandomState(0)
GROUPS = np.repeat([f"p{code:02d}" for code in range(N_PARTICIPANTS)], N_EACH)
U = np.repeat(RNG.normal(scale=2.0, size=N_PARTICIPANTS), N_EACH)
X = RNG.normal(size=(len(GROUPS), 3))
ETA = X @ [1.0, -0.5, 0.0] + U
Y = (RNG.uniform(size=len(ETA)) < 1 / (1 + np.exp(-ETA))).astype(int)
NUMBERS = ETA + RNG.normal(size=len(ETA))
FRAME = pd.DataFrame(X, columns=["a", "b", "c"]).assign(participant=GROUPS)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_fitted_attributes():
    model = BinaryClassifier().fit(X, Y, groups=GROUPS)
    assert model.coef_.shape == (1, 3)
    assert model.intercept_.shape == (1,)
    assert model.coef_names_ == ["x0", "x1", "x2"]
    assert model.groups_.tolist() == sorted(set(GROUPS))
    [component] = model.variance_components_
    assert component.grouping_factor == "groups"
    assert component.effect_type == "intercept"
    assert component.n_groups == N_PARTICIPANTS
    assert component.n_observations_per_group.tolist() == [20.0] * N_PARTICIPANTS
    assert model.n_iter_ >= 1
    assert len(model.variance_history_) >= 1
    assert model.aic_ == pytest.approx(10 - 2 * model.log_likelihood_)


def test_summary_prints_its_numbers():
    summary = (
        MagnitudeRegressor()
        .fit(FRAME[["a", "b", "c"]], NUMBERS, groups=GROUPS)
        .summary()
    )
    text = str(summary)
    assert text.startswith("MagnitudeRegressor, normal family, identity link")
    for effect in summary.fixed_effects:
        assert effect.name in text
        assert f"{effect.estimate:.4g}" in text
    assert f"{summary.variance_components[0].sd[0]:.4g}" in text
    assert "Residual" in text
    assert f"{summary.icc:.3f}" in text
    assert max(map(len, text.splitlines())) < 90


def test_known_participants_differ_and_unknown_ones_do_not():
    model = BinaryClassifier().fit(X, Y, groups=GROUPS)
    row = np.repeat(X[:1], N_PARTICIPANTS, axis=0)
    known = model.predict_proba(row, groups=GROUPS[::N_EACH])[:, 1]
    assert np.corrcoef(known, U[::N_EACH])[0, 1] > 0.9
    new = model.predict_proba(row, groups=[f"n{i}" for i in range(N_PARTICIPANTS)])
    assert np.ptp(new[:, 1]) == 0


def test_population_prediction_is_between_the_extremes_and_shrunk():
    marginal = BinaryClassifier().fit(X, Y, groups=GROUPS)
    conditional = clone(marginal).set_params(population="conditional")
    conditional.fit(X, Y, groups=GROUPS)
    a, b = marginal.predict_proba(X)[:, 1], conditional.predict_proba(X)[:, 1]
    assert (np.abs(a - 0.5) < np.abs(b - 0.5)).all()


def test_predictive_deviation_of_a_new_participant_is_larger():
    model = MagnitudeRegressor().fit(X, NUMBERS, groups=GROUPS)
    _, known = model.predict(X, groups=GROUPS, return_std=True)
    _, new = model.predict(X, return_std=True)
    sd = model.variance_components_[0].sd[0]
    assert known.mean() == pytest.approx(model.sigma_, rel=0.1)
    assert new.mean() == pytest.approx(np.hypot(sd, model.sigma_), rel=0.05)


def test_quantiles():
    model = MagnitudeRegressor().fit(X, NUMBERS, groups=GROUPS)
    lower, middle, upper = model.predict_dist(X, groups=GROUPS).T
    np.testing.assert_allclose(middle, model.predict(X, groups=GROUPS))
    assert np.mean((lower < NUMBERS) & (upper > NUMBERS)) == pytest.approx(
        0.95, abs=0.03
    )


def test_tables():
    table = BinaryClassifier().fit(X, Y, groups=GROUPS).predict_table(X, groups=GROUPS)
    assert list(table.columns) == ["id", "prediction", "p_0", "p_1", "confidence"]
    np.testing.assert_allclose(table["confidence"], table[["p_0", "p_1"]].max(axis=1))
    model = MagnitudeRegressor().fit(X, NUMBERS, groups=GROUPS)
    table = model.predict_table(X, groups=GROUPS, ids=[f"i{i}" for i in range(len(X))])
    assert list(table.columns) == ["id", "prediction", "lower", "upper", "std"]
    assert table["id"][3] == "i3"


def test_pickle_and_clone():
    model = BinaryClassifier().fit(X, Y, groups=GROUPS)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        again.predict_proba(X, groups=GROUPS), model.predict_proba(X, groups=GROUPS)
    )
    assert not hasattr(clone(model), "coef_")


def test_several_factors_in_groups():
    items = np.tile(np.arange(N_EACH), N_PARTICIPANTS)
    groups = pd.DataFrame({"participant": GROUPS, "item": items})
    y = NUMBERS + RNG.normal(size=N_EACH)[items]
    model = MagnitudeRegressor().fit(X, y, groups=groups)
    assert set(model.effects_) == {"participant", "item"}
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(
        item=items, participant=GROUPS
    )
    formula = "(1 | participant) + (1 | item)"
    inside = MagnitudeRegressor(mixed_effects=formula).fit(frame, y)
    np.testing.assert_allclose(inside.predict(frame), model.predict(X, groups=groups))
    only_items = model.predict(X, groups=groups[["item"]])
    assert not np.allclose(only_items, model.predict(X))


def test_nested_factors():
    school = np.repeat(["s", "t"], len(GROUPS) // 2)
    frame = pd.DataFrame({"school": school, "room": np.tile([1, 2], len(GROUPS) // 2)})
    y = NUMBERS + 3 * (school == "s") + 2 * (frame["room"] == 2)
    model = MagnitudeRegressor(mixed_effects="(1 | school/room)").fit(frame, y)
    assert model.effects_["school:room"].levels.tolist() == [
        ("s", 1),
        ("s", 2),
        ("t", 1),
        ("t", 2),
    ]


def test_no_feature_column_is_an_intercept_only_model():
    model = MagnitudeRegressor(mixed_effects="(1 | participant)")
    model.fit(FRAME[["participant"]], NUMBERS)
    assert model.coef_.shape == (0,)
    assert model.predict(FRAME[["participant"]]).std() > 1


def test_slopes_of_encoder_features_share_a_variance():
    nouns = ["dog", "cat", "bird", "tree", "house", "river", "stone", "cup"]
    texts = np.array([f"{word} {noun}" for word in ("good", "bad") for noun in nouns])
    texts = texts[RNG.randint(len(texts), size=len(Y))]
    liking = np.repeat(RNG.normal(size=N_PARTICIPANTS), N_EACH)
    good = np.char.startswith(texts, "good")
    y = U + (1 + liking) * np.where(good, 2.0, -2.0) + 0.3 * RNG.normal(size=len(Y))
    fitted = {
        effects: MagnitudeRegressor(mixed_effects=effects).fit(
            list(texts), y, groups=GROUPS
        )
        for effects in ("random_intercepts", "random_slopes")
    }
    scores = {
        name: model.score(list(texts), y, groups=GROUPS)
        for name, model in fitted.items()
    }
    assert scores["random_slopes"] > 0.95 > 0.7 > scores["random_intercepts"]


def test_cross_validation_with_routing(routing):
    scores = {}
    for name, cv in (
        ("known", KFold(5, shuffle=True, random_state=0)),
        ("new", GroupKFold(5)),
    ):
        scores[name] = cross_validate(
            BinaryClassifier(), X, Y, params={"groups": GROUPS}, cv=cv
        )["test_score"].mean()
    fixed = cross_val_score(BinaryClassifier(mixed_effects="fixed"), X, Y, cv=5).mean()
    assert scores["known"] > fixed + 0.05
    assert scores["known"] > scores["new"] + 0.05


def test_grid_search_in_a_pipeline_with_routing(routing):
    pipeline = make_pipeline(StandardScaler(), BinaryClassifier())
    grid = {"binaryclassifier__mixed_effects": ["fixed", "random_intercepts"]}
    cv = KFold(4, shuffle=True, random_state=0)
    search = GridSearchCV(pipeline, grid, cv=cv).fit(X, Y, groups=GROUPS)
    assert search.best_params_["binaryclassifier__mixed_effects"] == "random_intercepts"


def test_ids_in_a_column_work_without_routing():
    model = BinaryClassifier(mixed_effects="(1 | participant)")
    cv = KFold(5, shuffle=True, random_state=0)
    known = cross_val_score(model, FRAME, Y, cv=cv, scoring="neg_log_loss").mean()
    fixed = cross_val_score(
        BinaryClassifier(mixed_effects="fixed"), X, Y, cv=cv, scoring="neg_log_loss"
    ).mean()
    assert known > fixed + 0.05


def test_nested_parameters_are_searchable():
    from bead_sklearn import MixedEffects

    model = MagnitudeRegressor(mixed_effects=MixedEffects())
    model.set_params(mixed_effects__variance_estimation_method="reml")
    assert model.fit(X, NUMBERS, groups=GROUPS).is_reml_


def test_verbose_prints_iterations(capsys):
    BinaryClassifier(verbose=1).fit(X, Y, groups=GROUPS)
    assert "iteration 1: scales of the effects" in capsys.readouterr().out
