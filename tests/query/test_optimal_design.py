"""Designs on the solver's posterior, against refits and dense matrices."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from bead_sklearn import (
    BinaryClassifier,
    CategoricalClassifier,
    ForcedChoiceClassifier,
    MagnitudeRegressor,
    MixedEffects,
    MultiSelectClassifier,
    OrdinalScaleClassifier,
    OrdinalScaleRegressor,
)
from bead_sklearn.datasets import make_judgments
from bead_sklearn.query import (
    AOptimal,
    ExpectedInformationGain,
    JointAOptimal,
    get_query_strategy,
)
from bead_sklearn.query._design import InformationPlan, TracePlan
from bead_sklearn.query._expected_curvature import expected_curvature
from bead_sklearn.query._latent import read_judgments

pytestmark = [
    pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning"),
    pytest.mark.filterwarnings("ignore:.*taken to be ordered alphabetically"),
]

STRATEGIES = [
    AOptimal(),
    JointAOptimal(),
    ExpectedInformationGain("all"),
    ExpectedInformationGain("population"),
    ExpectedInformationGain("participant"),
]
IDS = ["a", "joint", "all", "population", "participant"]


def world(n_people=4, n_items=6, seed=0):
    """Judgments of every pair, with two features, some of them made."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_items, 2))
    people = [f"p{k}" for k in range(n_people)]
    frame = pd.DataFrame(
        [
            {"x": x[0], "z": x[1], "participant": who, "item": f"i{i}"}
            for i, x in enumerate(features)
            for who in people
        ]
    )
    y = frame["x"] - 0.5 * frame["z"] + rng.normal(size=len(frame))
    made = rng.permutation(len(frame))[: len(frame) // 2]
    return frame, y.to_numpy(), np.sort(made)


def normal_model(formula="(1 | participant)"):
    """Effects and noise of known size, so that a posterior is exactly normal."""
    return MagnitudeRegressor(
        sigma=0.7,
        alpha=0.5,
        mixed_effects=MixedEffects(
            formula=formula, prior_variance=1.5, estimate_variance_components=False
        ),
    )


def columns(frame, formula):
    names = [n for n in ("participant", "item") if n in formula]
    return frame[["x", "z", *names]]


FORMULAS = [
    "(1 | participant)",
    "(1 + x | participant)",
    "(1 | participant) + (1 | item)",
]


def refitted(frame, y, rows, formula):
    X = columns(frame, formula)
    return normal_model(formula).fit(X.iloc[rows], y[rows])


def mean_variance(model, frame, formula):
    """Mean variance of the items' predictors, nobody judging."""
    X = columns(frame, formula)
    latent = read_judgments(model, X, None, "participant").population
    return latent.variance().mean()


@pytest.mark.parametrize("formula", FORMULAS)
def test_joint_a_optimal_equals_refit_and_recompute(formula):
    frame, y, made = world()
    # Levels must be the same in every fit: a pool of levels that are all known.
    model = refitted(frame, y, made, formula)
    pool = np.setdiff1d(np.arange(len(frame)), made)
    candidates = columns(frame, formula).iloc[pool]
    scored = JointAOptimal(participant="participant").score_pool(model, candidates)
    here = frame.iloc[pool]
    before = mean_variance(model, here, formula)
    for k, row in enumerate(pool):
        after = mean_variance(refitted(frame, y, [*made, row], formula), here, formula)
        assert scored.utilities[k] == pytest.approx(before - after, rel=1e-6, abs=1e-10)
    # Batches: each pick is the best after a refit with those before it.
    picks = scored.select(4)
    known = list(made)
    for position in range(3):
        known.append(pool[picks[position]])
        model = refitted(frame, y, known, formula)
        again = JointAOptimal(participant="participant")(model, candidates)
        left = np.setdiff1d(np.arange(len(pool)), picks[: position + 1])
        best = left[again[left] >= again[left].max() - 1e-9]
        assert picks[position + 1] in best


@pytest.mark.parametrize("formula", FORMULAS[:2])
def test_information_equals_determinants_of_refits(formula):
    frame, y, made = world()
    model = refitted(frame, y, made, formula)
    X = columns(frame, formula)
    pool = np.setdiff1d(np.arange(len(frame)), made)
    found = {
        target: ExpectedInformationGain(target)(model, X.iloc[pool])
        for target in ("all", "population", "participant")
    }
    people = model._structures[0].levels.tolist()

    def entropies(fit):
        joint = fit._posterior.exact_joint()
        root = np.linalg.slogdet(joint.rest)[1]
        back = np.linalg.inv(joint.rest)
        left = joint.own - joint.cross @ back @ joint.cross.transpose(0, 2, 1)
        own = np.linalg.slogdet(joint.own)[1]
        return root, np.linalg.slogdet(left)[1].sum(), own

    rest, left, own = entropies(model)
    for k, row in enumerate(pool):
        new = entropies(refitted(frame, y, [*made, row], formula))
        assert found["population"][k] == pytest.approx((rest - new[0]) / 2, abs=1e-7)
        total = (rest + left - new[0] - new[1]) / 2
        assert found["all"][k] == pytest.approx(total, abs=1e-7)
        who = people.index(X["participant"].iloc[row])
        assert found["participant"][k] == pytest.approx(
            (own[who] - new[2][who]) / 2, abs=1e-7
        )


def test_population_information_with_items_eliminated():
    """The other factor is larger: the same numbers from a dense matrix."""
    formula = "(1 | participant) + (1 | item)"
    frame, y, made = world(n_people=3, n_items=7)
    model = refitted(frame, y, made, formula)
    assert model._posterior.factor_names[0] == "item"
    X = columns(frame, formula)
    judgments = read_judgments(model, X, None, "participant", conditional=True)
    # Cov of everything, from rows that stand for single effects of participants.
    full = judgments.rows.covariance(judgments.rows)
    rest = judgments.population.covariance(judgments.population)
    cross = judgments.rows.covariance(judgments.population)
    left = full - cross @ np.linalg.pinv(rest, rcond=1e-10, hermitian=True) @ cross.T
    given = judgments.given_population
    np.testing.assert_allclose(given.covariance(given), left, atol=1e-7)


@pytest.mark.parametrize("target", ["all", "population", "participant"])
def test_batches_add_up(target):
    """Chain rule: information of picks in order is that of the batch, in any order."""
    frame, y, made = world(n_people=3)
    model = refitted(frame, y, made, "(1 | participant)")
    X = columns(frame, "(1 | participant)")
    strategy = ExpectedInformationGain(target)
    judgments = read_judgments(model, X, None, conditional=target == "population")
    totals = []
    for order in ([0, 5, 9], [9, 0, 5]):
        plan = strategy._plan(judgments)
        total = 0.0
        for row in order:
            total += plan.utilities()[row]
            plan.observe(row)
        totals.append(total)
    if target == "participant":  # of three people: no chain over different targets
        assert min(totals) > 0
    else:
        assert totals[0] == pytest.approx(totals[1], rel=1e-9)


def models():
    yield "binary", BinaryClassifier()
    yield "binary", BinaryClassifier(mixed_effects="random_slopes")
    yield "magnitude", MagnitudeRegressor()
    yield "categorical", CategoricalClassifier()
    yield "multi_select", MultiSelectClassifier()
    yield "forced_choice", ForcedChoiceClassifier()
    yield "ordinal", OrdinalScaleClassifier()
    yield "slider", OrdinalScaleRegressor()


@pytest.mark.parametrize(("kind", "model"), list(models()), ids=str)
def test_covariances_are_those_of_predictions(kind, model):
    d = make_judgments(kind, n_participants=9, n_items=12, random_state=1)
    groups = np.asarray(d.groups, dtype=object)
    known = groups != groups[0]
    index = np.flatnonzero(known)
    X = d.X.iloc[index] if hasattr(d.X, "iloc") else [d.X[i] for i in index]
    y = [d.y[i] for i in index] if isinstance(d.y, list) else np.asarray(d.y)[index]
    model.fit(X, y, groups=groups[index])
    # One participant is new.
    rows, mean, variance = model._predict_eta(d.X, groups)
    judgments = read_judgments(model, d.X, groups)
    np.testing.assert_allclose(judgments.rows.mean, np.ravel(mean), atol=1e-10)
    blocks = InformationPlan(judgments).covariance
    if rows.family.pairs is not None:
        left, right = rows.family.pairs
        own, expected = judgments.rows.variance(), variance[left == right]
    elif np.ndim(variance) == 3:
        own, expected = blocks, variance
    else:
        own, expected = np.einsum("njj->nj", blocks).ravel(), np.ravel(variance)
    np.testing.assert_allclose(own, expected, rtol=1e-7, atol=1e-9)
    curvature = expected_curvature(
        judgments.family, judgments.rows.mean, judgments.index
    )
    assert (np.linalg.eigvalsh(curvature) > -1e-12).all()
    for strategy in STRATEGIES:
        scored = strategy.score_pool(model, d.X, groups=groups)
        assert np.isfinite(scored.utilities).all()
        assert (scored.utilities > -1e-12).all()
        assert len(set(scored.select(5).tolist())) == 5


def test_rank_one_updates_equal_the_formula_on_updated_matrices():
    d = make_judgments("categorical", n_participants=6, n_items=12, random_state=2)
    model = CategoricalClassifier().fit(d.X, d.y, groups=d.groups)
    judgments = read_judgments(model, d.X, d.groups)
    plan = TracePlan(judgments, judgments.population)
    rows, targets = judgments.rows, judgments.population
    both = rows.joined(targets)
    dense = both.covariance(both)
    n = len(rows)
    curvature = plan.root @ plan.root.transpose(0, 2, 1)
    for pick in (3, 40, 17):
        plan.observe(pick)
        at = judgments.index[pick]
        column = dense[:, at]
        noise = np.linalg.inv(curvature[pick])
        dense = dense - column @ np.linalg.inv(noise + dense[np.ix_(at, at)]) @ column.T
    for k in (0, 7, 25):
        at = judgments.index[k]
        cross = dense[n:, at]
        inner = np.linalg.inv(np.linalg.inv(curvature[k]) + dense[np.ix_(at, at)])
        expected = np.einsum("ta,ab,tb->", cross, inner, cross) / len(targets)
        expected *= judgments.index.shape[1]
        # Targets are predictors; the mean is over all of them.
        got = plan.utilities()[k] * judgments.index.shape[1]
        assert got == pytest.approx(expected, rel=1e-8)


def test_targets_with_effects_of_items():
    formula = "(1 | participant) + (1 | item)"
    frame, y, made = world(n_people=3, n_items=7)
    model = refitted(frame, y, made, formula)
    judgments = read_judgments(model, columns(frame, formula), None, "participant")
    plan = TracePlan(judgments, judgments.population)
    cross = judgments.population.covariance(judgments.rows)
    np.testing.assert_allclose(
        plan.squares[:, 0, 0], np.square(cross).mean(axis=0), rtol=1e-10
    )
    plan.observe(5)
    move = plan.posterior._moves[0]
    n = len(judgments.rows)
    here = judgments.population.covariance(judgments.rows.take(np.array([5])))[:, 0]
    scale = np.sqrt(1 + np.square(plan.root[5, 0, 0]) * judgments.rows.variance()[5])
    on_targets = here * plan.root[5, 0, 0] / scale
    left = cross - np.outer(on_targets, move[:n])
    np.testing.assert_allclose(
        plan.squares[:, 0, 0], np.square(left).mean(axis=0), rtol=1e-8, atol=1e-12
    )


def test_information_is_averaged_over_the_posterior():
    d = make_judgments("binary", n_participants=5, n_items=8, random_state=0)
    model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    judgments = read_judgments(model, d.X, d.groups)
    plan = InformationPlan(judgments)
    draws = np.random.default_rng(0).normal(size=(20_000, 1))
    sd = np.sqrt(judgments.rows.variance())
    eta = judgments.rows.mean + draws * sd
    chance = 1 / (1 + np.exp(-eta))
    expected = (chance * (1 - chance)).mean(axis=0)
    np.testing.assert_allclose(np.square(plan.root[:, 0, 0]), expected, rtol=0.02)


def test_a_optimal_does_not_depend_on_who_judges():
    d = make_judgments("binary", n_participants=8, n_items=20, random_state=0)
    model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    groups = np.asarray(d.groups, dtype=object)
    strategy = AOptimal()
    np.testing.assert_allclose(
        strategy(model, d.X, groups=groups),
        strategy(model, d.X, groups=np.roll(groups, 1)),
        rtol=1e-10,
    )
    joint = JointAOptimal()
    moved = joint(model, d.X, groups=np.roll(groups, 1))
    assert not np.allclose(joint(model, d.X, groups=groups), moved)


def test_spreads_a_batch_over_items_and_people():
    """Twins of the best row are no longer best once it is asked."""
    frame, y, made = world(n_people=4, n_items=8)
    model = refitted(frame, y, made, "(1 | participant)")
    X = columns(frame, "(1 | participant)")
    scored = JointAOptimal().score_pool(model, pd.concat([X] * 3))
    top = set(np.argsort(-scored.utilities)[:6] % len(X))
    batch = scored.select(6) % len(X)
    assert len(set(batch.tolist())) > len(top)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=IDS)
def test_behind_a_pipeline_and_in_pickles(strategy):
    frame, y, made = world()
    X = columns(frame, "(1 | participant)")
    model = normal_model()
    pipe = make_pipeline(FunctionTransformer(), model).fit(X.iloc[made], y[made])
    alone = normal_model().fit(X.iloc[made], y[made])
    scored = pickle.loads(pickle.dumps(strategy.score_pool(pipe, X)))
    np.testing.assert_allclose(scored.utilities, strategy(alone, X), rtol=1e-12)
    first = scored.select(6)
    assert first.tolist() == scored.select(6).tolist()
    assert first[:3].tolist() == scored.select(3).tolist()


@pytest.mark.parametrize(
    "formula",
    [*FORMULAS, "(1 + x | participant) + (1 | item)"],
)
def test_pairs_equal_a_pool_of_every_pair(formula):
    frame, y, made = world()
    model = refitted(frame, y, made, formula)
    # One participant and one item are new.
    extra = frame.drop_duplicates("item").assign(participant="new")
    new = frame.drop_duplicates("participant").assign(x=0.4, z=-1.0, item="i_new")
    both = extra.iloc[:1].assign(x=0.4, z=-1.0, item="i_new")
    full = pd.concat([frame, extra, new, both], ignore_index=True)
    X = columns(full, formula)
    items = X.drop_duplicates(["x", "z"]).drop(columns="participant")
    people = ["p2", "new", "p0", "p1", "p3"]
    strategy = JointAOptimal(participant="participant")
    pairs = strategy.select_pairs(model, items, people, 6)
    scored = strategy.score_pool(model, X)
    place = {x: k for k, x in enumerate(items["x"])}
    expected = [
        (place[X["x"].iloc[row]], people.index(X["participant"].iloc[row]))
        for row in scored.select(6)
    ]
    assert [tuple(pair) for pair in pairs.tolist()] == expected


def test_pairs_of_binary_judgments_and_groups():
    d = make_judgments("binary", n_participants=6, n_items=12, random_state=0)
    model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    items = d.X.drop_duplicates().reset_index(drop=True)
    people = list(dict.fromkeys(d.groups))
    whole = items.loc[np.repeat(np.arange(len(items)), len(people))]
    groups = people * len(items)
    rows = JointAOptimal().score_pool(model, whole, groups=groups).select(8)
    pairs = JointAOptimal().select_pairs(model, items, people, 8)
    expected = np.column_stack(np.divmod(rows, len(people)))
    np.testing.assert_array_equal(pairs, expected)
    again = JointAOptimal().select_pairs(model, items, people, 5, asked=pairs)
    assert not set(map(tuple, again.tolist())) & set(map(tuple, pairs.tolist()))


def test_pairs_within_limits():
    d = make_judgments("binary", n_participants=6, n_items=12, random_state=0)
    model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    items = d.X.drop_duplicates()
    people = list(dict.fromkeys(d.groups))
    pairs = JointAOptimal().select_pairs(
        model, items, people, 99, asked=[[0, 0]], max_per_participant=3, max_per_item=2
    )
    counts = np.bincount(pairs[:, 1], minlength=6)
    assert counts.tolist() == [2, 3, 3, 3, 3, 3]
    assert np.bincount(pairs[:, 0]).max() <= 2
    assert len({tuple(pair) for pair in pairs.tolist()}) == len(pairs) == 17


def test_errors_of_pairs():
    d = make_judgments("categorical", n_participants=6, n_items=12, random_state=0)
    model = CategoricalClassifier().fit(d.X, d.y, groups=d.groups)
    items, people = d.X.drop_duplicates(), list(dict.fromkeys(d.groups))
    strategy = JointAOptimal()
    with pytest.raises(ValueError, match="one linear predictor"):
        strategy.select_pairs(model, items, people, 2)
    with pytest.raises(ValueError, match="each participant once"):
        strategy.select_pairs(model, items, ["a", "a"], 2)
    with pytest.raises(ValueError, match="at least one item and one participant"):
        strategy.select_pairs(model, items, [], 2)
    d = make_judgments("binary", n_participants=6, n_items=12, random_state=0)
    model = BinaryClassifier().fit(d.X, d.y, groups=d.groups)
    items = d.X.drop_duplicates()
    with pytest.raises(ValueError, match=r"asked must hold positions.*\(2,\)"):
        strategy.select_pairs(model, items, people, 2, asked=[0, 1])
    with pytest.raises(ValueError, match="asked must hold positions among"):
        strategy.select_pairs(model, items, people, 2, asked=[[0, 99]])
    slopes = BinaryClassifier(mixed_effects="fixed").fit(d.X, d.y)
    with pytest.raises(ValueError, match="one factor of participants, got 0"):
        strategy.select_pairs(slopes, items, people, 2)


def test_errors():
    frame, y, made = world()
    model = refitted(frame, y, made, FORMULAS[2])
    X = columns(frame, FORMULAS[2])
    with pytest.raises(ValueError, match=r"factors.*Say which"):
        JointAOptimal()(model, X)
    with pytest.raises(ValueError, match=r"participant='worker' is no factor"):
        JointAOptimal(participant="worker")(model, X)
    with pytest.raises(ValueError, match=r"task model.*LogisticRegression is none"):
        get_query_strategy("a_optimal").check(LogisticRegression())


@pytest.mark.parametrize("name", ["a_optimal", "joint_a_optimal"])
def test_a_model_that_found_nothing_leaves_the_order_to_chance(name):
    # Ridge and variance are estimated as zero: no judgment promises anything.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 6))
    y, groups = rng.permutation(np.arange(40) % 3), np.arange(40) % 8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = OrdinalScaleClassifier().fit(X, y, groups=groups)
    assert np.isinf(model.alpha_)
    assert model.variance_components_[0].variance[0] == 0
    pool = get_query_strategy(name).score_pool(model, X, groups=groups)
    assert not pool.utilities.any()
    order = rng.permutation(40)
    assert pool.select(5, order).tolist() == order[:5].tolist()


def test_sparsely_crossed_factors(monkeypatch):
    # People and items that meet rarely are solved with sparse cross-products.
    d = make_judgments("binary", n_participants=180, n_items=160, random_state=0)
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"participant": d.groups, "item": d.items})
    X["x"] = rng.normal(size=len(X))
    rows = rng.choice(len(X), 1500, replace=False)
    pool = X.iloc[rng.choice(len(X), 300, replace=False)]
    model = BinaryClassifier(mixed_effects="(1 | participant) + (1 | item)")
    kinds, utilities = [], []
    for smallest in (10**9, 0):
        monkeypatch.setattr("bead_sklearn.solvers._algebra._SMALL_CROSS", smallest)
        fitted = model.fit(X.iloc[rows], d.y[rows])
        kinds.append(type(fitted._posterior.joint).__name__)
        utilities.append(
            [
                strategy(fitted, pool)
                for strategy in (
                    AOptimal(participant="participant"),
                    JointAOptimal(participant="participant"),
                    ExpectedInformationGain("population", participant="participant"),
                )
            ]
        )
    assert kinds == ["Covariances", "SparseCovariances"]
    np.testing.assert_allclose(*utilities, rtol=1e-4)
