"""Answers in words in contexts that nobody answered in fit."""

from __future__ import annotations

import copy
import pickle
from itertools import permutations

import numpy as np
import pytest

from bead_sklearn import ClozeClassifier, FreeTextGenerator
from bead_sklearn.persistence import load, save

pd = pytest.importorskip("pandas")

pytestmark = pytest.mark.filterwarnings(
    "ignore::bead_sklearn.exceptions.SingularFitWarning"
)

FILLERS = np.array(["oak", "elm", "fir", "ash", "yew"])
FAVOURITES = np.log(np.array([0.6, 0.2, 0.1, 0.06, 0.04]))
COLOURS = ("red", "green", "blue")
NEW = ["Brand ___ new.", "Never ___ heard of."]


def contexts(rng, n):
    """Names that have nothing in common."""
    return ["".join(rng.choice(list("abcdefghijklm"), size=8)) for _ in range(n)]


def similar_contexts(seed, n_contexts=60, n_each=20, n_fillers=20):
    """Contexts that vary around what is usual after their last word.

    The truth in a new context is what is usual after this word.
    """
    rng = np.random.RandomState(seed)
    fillers = np.array([f"w{i:02}" for i in range(n_fillers)])
    usual = rng.dirichlet(np.ones(n_fillers), size=3)
    X, y = [], []
    for c, name in enumerate(contexts(rng, n_contexts)):
        own = rng.dirichlet(3.0 * usual[c % 3])
        X += [f"{name} {COLOURS[c % 3]} ___"] * n_each
        y += fillers[rng.choice(n_fillers, size=n_each, p=own)].tolist()
    return X, y, fillers, usual


def unrelated_contexts(seed, n_contexts=60, n_each=40, n_people=20, liking=2.0):
    """Contexts with favourites of their own, at random; people who like some fillers.

    What is usual elsewhere says nothing about a context: the truth in a new one is the
    mean over all orders of favourites, (n_people, n_fillers).
    """
    rng = np.random.RandomState(seed)
    likes = liking * rng.normal(size=(n_people, len(FILLERS)))
    order = np.array([rng.permutation(len(FILLERS)) for _ in range(n_contexts)])
    context = np.repeat(np.arange(n_contexts), n_each)
    person = np.tile(np.arange(n_people), len(context) // n_people)
    eta = FAVOURITES[order[context]] + likes[person]
    answer = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    names = contexts(rng, n_contexts)
    orders = np.array(list(permutations(range(len(FILLERS)))))
    weights = np.exp(FAVOURITES[orders] + likes[:, None, :])
    truth = (weights / weights.sum(axis=2, keepdims=True)).mean(axis=1)
    return [f"{names[c]} ___" for c in context], FILLERS[answer], person, truth


def divergence(truth, fillers, model, X, groups=None):
    """Mean Kullback-Leibler divergence of predictions from the truth."""
    order = [fillers.tolist().index(name) for name in model.classes_]
    truth = truth[:, order] / truth[:, order].sum(axis=1, keepdims=True)
    p = model.predict_proba(X, groups=groups)
    return float((truth * np.log(truth / p)).sum(axis=1).mean())


def as_before(model):
    """The same model with the coefficients of contexts that were answered."""
    before = copy.copy(model)
    before._learned = (model._learned[0], model._learned[0])
    return before


def test_new_contexts_are_nearer_to_what_is_usual_in_similar_ones():
    new = [f"unheard {colour} ___" for colour in COLOURS]
    now, before, nothing = [], [], []
    for seed in range(3):
        X, y, fillers, usual = similar_contexts(seed)
        model = ClozeClassifier(mixed_effects="fixed", random_state=0).fit(X, y)
        now.append(divergence(usual, fillers, model, new))
        before.append(divergence(usual, fillers, as_before(model), new))
        nothing.append((usual * np.log(usual / usual.mean(axis=0))).sum(axis=1).mean())
    assert np.less(now, before).all()
    assert sum(now) < 0.95 * sum(before)
    assert sum(now) < 0.55 * sum(nothing)


@pytest.fixture(scope="module", params=range(3))
def people_differ(request):
    X, y, groups, truth = unrelated_contexts(request.param)
    model = ClozeClassifier(random_state=0).fit(X, y, groups=groups)
    return model, X, groups, truth


def test_people_are_known_by_their_answers_in_new_contexts(people_differ):
    model, _, _, truth = people_differ
    people, X = np.arange(len(truth)), NEW[:1] * len(truth)
    known = divergence(truth, FILLERS, model, X, people)
    assert known < divergence(truth, FILLERS, as_before(model), X, people)
    assert known < 0.1 * divergence(truth, FILLERS, model, X, ["new"] * len(truth))
    everyone = truth.mean(axis=0)[None]
    assert divergence(everyone, FILLERS, model, NEW[:1]) < 0.02
    # A log ratio of shares counts as it is where nothing else is known.
    own = model.coef_names_.index("own_words")
    assert model.new_contexts_.coef[0, own] == pytest.approx(1.0, abs=0.1)
    assert model.coef_[0, own] > 1.15


def test_each_context_is_predicted_as_by_itself(people_differ):
    model, X, groups, _ = people_differ
    rows, people = [X[0], NEW[0], X[70], NEW[1]], [*groups[:2], "new", "other"]
    mixed = model.predict_proba(rows, groups=people)
    eta, std = model.predict_linear(rows, groups=people, return_std=True)
    for i in range(4):
        one, who = rows[i : i + 1], people[i : i + 1]
        np.testing.assert_allclose(
            mixed[i : i + 1], model.predict_proba(one, groups=who)
        )
        own, own_std = model.predict_linear(one, groups=who, return_std=True)
        np.testing.assert_allclose(eta[i : i + 1], own)
        np.testing.assert_allclose(std[i : i + 1], own_std)
    # Contexts that were answered have the coefficients that they had.
    seen = [0, 2]
    before = as_before(model).predict_proba(rows, groups=people)
    np.testing.assert_array_equal(mixed[seen], before[seen])
    assert (np.abs(mixed - before).max(axis=1)[[1, 3]] > 1e-3).all()


def test_draws_and_simulated_answers_follow_the_probabilities(people_differ):
    model, X, groups, _ = people_differ
    rows, people = [NEW[0], X[0], NEW[0]], [groups[0], groups[0], "new"]
    p = model.predict_proba(rows, groups=people)
    draws = model.sample_posterior(600, rows, people, 0, response=True)
    np.testing.assert_allclose(draws.mean(axis=0), p, atol=0.03)
    y = model.simulate(4000, rows, people, 0, conditional=True)
    share = (y[:, :, None] == model.classes_).mean(axis=0)
    np.testing.assert_allclose(share, p, atol=0.04)


def test_simulated_people_are_the_same_in_known_and_in_new_contexts():
    """Who goes with the others here goes with them there."""
    rng = np.random.RandomState(0)
    people = np.tile(np.arange(40), 50)
    follows = np.repeat([0.2, 2.0], 20)
    # The word before the blank says which fillers are usual, in new contexts too.
    kind = rng.randint(3, size=(50, 40)).ravel()
    usual = np.array([np.roll(FAVOURITES, k) for k in range(3)])
    eta = follows[people, None] * usual[kind]
    y = FILLERS[(eta + rng.gumbel(size=eta.shape)).argmax(axis=1)]
    before = np.array(["red", "green", "blue"])[kind]
    X = [
        f"{w} {b} ___"
        for w, b in zip(rng.randint(40, size=len(y)), before, strict=True)
    ]
    model = ClozeClassifier(random_state=0).fit(X, y, groups=people)
    sd = [model.variance_components_[0].sd[0]]
    sd.append(model.new_contexts_.variance_components[0].sd[0])
    assert min(sd) > 0.2
    rows = [X[0], f"unheard {before[0]} ___"]
    best = model.classes_[model.predict_proba(rows).argmax(axis=1)]
    assert best[0] == best[1]
    seen, new = (
        np.stack(
            [
                model.simulate(40, [row] * 30, [who] * 30, seed) == best[0]
                for seed, who in enumerate(["a", "b", "c"])
            ]
        ).mean(axis=2)
        for row in rows
    )
    assert np.corrcoef(seen.ravel(), new.ravel())[0, 1] > 0.8


def test_summaries_show_both_kinds_of_coefficients(people_differ):
    model, *_ = people_differ
    new, summary = model.new_contexts_, model.summary()
    assert new.coef.shape == model.coef_.shape
    names = [effect.name for effect in new.fixed_effects]
    values = [effect.estimate for effect in new.fixed_effects]
    by_name = dict(zip(model.coef_names_, new.coef[0], strict=True))
    np.testing.assert_allclose(values, [by_name[name] for name in names])
    assert summary.new_contexts is new
    text = str(summary)
    assert text.index("Fixed effects:") < text.index("In contexts that nobody answered")
    assert len(new.effects["groups"].modes) == len(model.effects_["groups"].modes)
    assert "new_contexts_" in model.describe()
    typicality = model.coef_names_.index("typicality")
    assert new.coef[0, typicality] != model.coef_[0, typicality]


def test_copies_predict_alike_in_new_contexts(people_differ, tmp_path):
    model, _, groups, _ = people_differ
    people = [groups[0], "new"]
    expected = model.predict_proba(NEW, groups=people)
    save(model, tmp_path / "model")
    for other in (pickle.loads(pickle.dumps(model)), load(tmp_path / "model")):
        np.testing.assert_array_equal(other.predict_proba(NEW, groups=people), expected)
        assert str(other.new_contexts_) == str(model.new_contexts_)


@pytest.mark.parametrize("which", ["apart", "one"])
def test_nothing_is_learned_of_new_contexts_without_common_answers(which):
    rng = np.random.RandomState(0)
    where = rng.randint(3, size=90) * (which == "apart")
    X = [f"What is in box {name}?" for name in np.array(["A", "B", "C"])[where]]
    y = [
        f"a {'abc'[w]}{k}" for w, k in zip(where, rng.randint(3, size=90), strict=True)
    ]
    model = FreeTextGenerator(random_state=0).fit(X, y)
    assert model.new_contexts_ is None
    assert model.summary().new_contexts is None
    assert "could not be learned" in " ".join(model.describe().split())
    p = model.predict_proba(["What is in box D?"])
    np.testing.assert_allclose(p.sum(), 1.0)


def test_features_that_are_the_same_in_new_contexts_have_one_coefficient():
    """Contexts are as good as unrelated, so typical is what is frequent."""
    X, y, groups, _ = unrelated_contexts(2, 20, 40, 20, liking=0.5)
    model = ClozeClassifier(random_state=0).fit(X, y, groups=groups)
    told = {effect.name for effect in model.new_contexts_.fixed_effects}
    assert told == {"typicality", "own_words"}
    assert model.new_contexts_.coef[0, model.coef_names_.index("frequency")] == 0.0
    rows, people = [NEW[0], X[0], NEW[0]], [groups[0], groups[0], "new"]
    p = model.predict_proba(rows, groups=people)
    draws = model.sample_posterior(400, rows, people, 0, response=True)
    np.testing.assert_allclose(draws.mean(axis=0), p, atol=0.04)


def test_coefficients_under_a_ridge():
    X = [f"{name} ___" for name in ("red", "green", "blue", "gray") for _ in range(4)]
    y = ["oak", "elm", "oak", "fir"] * 4
    model = ClozeClassifier(random_state=0).fit(X, y)
    new = model.new_contexts_
    assert new.fixed_effects == []
    assert f"{new.n_ridge} coefficients under a ridge" in str(model.summary())
    assert new.coef.shape == model.coef_.shape
    np.testing.assert_allclose(model.predict_proba(NEW).sum(axis=1), 1.0)


def test_new_contexts_of_real_answers(shared):
    """Pictures that nobody described: who describes them says something."""
    path = shared / "data" / "ft_sails" / "data.csv.gz"
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    table = table.dropna(subset=["item", "question", "participant", "response"])
    table = table[table["participant"] < "p0150"]
    items = sorted(table["item"].unique())
    held = table["item"].isin(items[::5])
    known = set(table.loc[~held, "response"])
    train, test = table[~held], table[held & table["response"].isin(known)]
    model = FreeTextGenerator(random_state=0).fit(
        train[["item", "question"]], train["response"], groups=train["participant"]
    )
    given = test[["item", "question"]], test["response"]
    who = test["participant"].to_numpy()
    now = model.log_proba_of(*given, groups=who).mean()
    assert now > as_before(model).log_proba_of(*given, groups=who).mean() + 0.1
