"""ClozeClassifier and FreeTextGenerator."""

from __future__ import annotations

import pickle
import re
import warnings

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold, cross_validate

from bead_sklearn import ClozeClassifier, FreeTextGenerator
from bead_sklearn.datasets import make_judgments
from bead_sklearn.datasets._tasks import get_task
from bead_sklearn.exceptions import SingularFitWarning

pd = pytest.importorskip("pandas")

MODELS = {"cloze": ClozeClassifier, "free_text": FreeTextGenerator}
every_task = pytest.mark.parametrize("task", MODELS)

pytestmark = pytest.mark.filterwarnings(
    "ignore::bead_sklearn.exceptions.SingularFitWarning"
)

SENTENCES = ["She drank the ___.", "He read the ___.", "They sold a ___ today."]
FILLERS = [["tea", "coffee", "milk"], ["book", "paper", "tea"], ["car", "book", "milk"]]


def small(n=60, seed=0):
    """Answers whose context matters, and participants who do not differ."""
    rng = np.random.RandomState(seed)
    item = rng.randint(3, size=n)
    texts = [SENTENCES[i] for i in item]
    fillers = [str(rng.choice(FILLERS[i], p=[0.6, 0.3, 0.1])) for i in item]
    return texts, fillers, np.arange(n) % 10


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    d = make_judgments(request.param, n_participants=12, n_items=24, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        model = MODELS[request.param](random_state=0).fit(d.X, d.y, groups=d.groups)
    return model, d


def test_probabilities(fitted):
    model, d = fitted
    X, groups = d.X[:7], d.groups[:7]
    p = model.predict_proba(X, groups=groups)
    assert p.shape == (7, len(model.classes_))
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert (p > 0).all()
    best = model.classes_[p.argmax(axis=1)]
    assert model.predict(X, groups=groups).tolist() == best.tolist()
    log_p = model.predict_log_proba(X, groups=groups)
    np.testing.assert_allclose(log_p, np.log(p))
    places = [model.classes_.tolist().index(answer) for answer in d.y[:7]]
    given = model.log_proba_of(X, d.y[:7], groups=groups)
    np.testing.assert_allclose(given, log_p[np.arange(7), places])
    assert model.score(X, d.y[:7], groups=groups) == (best == d.y[:7]).mean()


def test_candidates_in_another_order_and_fewer_of_them(fitted):
    model, d = fitted
    X, groups = d.X[:4], d.groups[:4]
    p = model.predict_proba(X, groups=groups)
    order = np.random.RandomState(0).permutation(len(model.classes_))
    names = model.classes_[order].tolist()
    other = model.predict_proba(X, groups=groups, candidates=names)
    np.testing.assert_allclose(other, p[:, order])
    three = model.predict_proba(X, groups=groups, candidates=[*names[:2], "zebra"])
    np.testing.assert_allclose(three.sum(axis=1), 1.0)
    assert (three > 0).all()


def test_unknown_participants_are_the_population(fitted):
    model, d = fitted
    X = d.X[:5]
    population = model.predict_proba(X)
    new = model.predict_proba(X, groups=["new"] * 5)
    np.testing.assert_allclose(new, population)
    known = model.predict_proba(X, groups=d.groups[:5])
    assert np.abs(known - population).max() > 1e-4


@pytest.fixture(scope="module", params=MODELS)
def asked_newcomers(request):
    """A model, one without participants, and questions to newcomers."""
    task = request.param
    d = make_judgments(task, n_participants=30, n_items=24, random_state=1)
    fixed = MODELS[task](mixed_effects="fixed", random_state=0).fit(d.X, d.y)
    model = MODELS[task](random_state=0).fit(d.X, d.y, groups=d.groups)
    assert "own_words" in model.coef_names_
    return model, fixed, d


def test_newcomers_are_predicted_about_as_by_a_model_without_participants(
    asked_newcomers,
):
    """Coefficients beside features of known people would be the wrong ones."""
    model, fixed, d = asked_newcomers
    X, new = d.X[:20], ["new"] * 20
    eta = model.predict_linear(X)
    np.testing.assert_allclose(model.predict_linear(X, groups=new), eta)
    p, expected = model.predict_proba(X), fixed.predict_proba(X)
    np.testing.assert_allclose(p, expected, atol=0.02)
    # Side by side with people who are known each is predicted as alone.
    both = model.predict_linear(X, groups=[*d.groups[:10], *new[10:]])
    known = model.predict_linear(X[:10], groups=d.groups[:10])
    np.testing.assert_allclose(both[:10], known)
    np.testing.assert_allclose(both[10:], eta[10:], atol=1e-8)
    draws = model.sample_posterior(300, X[:2], random_state=0, response=True)
    np.testing.assert_allclose(draws.mean(axis=0), p[:2], atol=0.03)


def test_newcomers_of_zero_effects_have_the_coefficients_shown(asked_newcomers):
    model, _, d = asked_newcomers
    asked = clone(model).set_params(population="conditional")
    asked.fit(d.X, d.y, groups=d.groups)
    X = d.X[:20]
    assert np.abs(asked.predict_linear(X) - model.predict_linear(X)).max() > 1e-3


@pytest.mark.parametrize("conditional", [True, False])
def test_simulated_newcomers_answer_as_predicted_and_differ(
    asked_newcomers, conditional
):
    model, _, d = asked_newcomers
    X, new = d.X[:2], ["new"] * 2
    p = model.predict_proba(X, groups=new)
    answers = model.simulate(3000, X, new, random_state=0, conditional=conditional)
    top = p.argmax(axis=1)
    share = (answers == model.classes_[top]).mean(axis=0)
    np.testing.assert_allclose(share, p[[0, 1], top], atol=0.03)
    # How much they follow others varies from one to the next, with G of newcomers.
    people = np.array([f"new{i}" for i in range(400)])
    rows = model._unit_rows({"groups": people}, 400)
    _, design = model._build(rows)
    _, newcomers = model._learned[0]
    own = model._columns_for(newcomers, design)
    random = np.random.RandomState(0)
    eta = model._draw_new(20, conditional, newcomers, own, rows, random)
    table = eta.reshape(20, -1, rows.n_options)
    theta = table[:, :, 1:] - table[:, :, :1]
    [variance] = newcomers.posterior.covariances[0].ravel()
    column = model._column_names.index("typicality")
    found = theta[:, :, column].var(axis=1).mean()
    assert variance > 0
    assert found == pytest.approx(variance, rel=0.05)


def test_newcomers_keep_what_is_known_of_the_item():
    texts, fillers, groups = small(n=240, seed=2)
    X = pd.DataFrame({"text": texts, "who": groups.astype(str), "item": texts})
    X["item"] = X["item"].str[:3]
    formula = "(1 | who) + (1 | item)"
    model = ClozeClassifier(mixed_effects=formula, text_columns=["text"])
    model.set_params(random_state=0).fit(X, fillers)
    new = X.assign(who="new")
    newcomers = model._learned[0][1].posterior
    assert set(newcomers.factor_names) == {"who", "item"}
    p = model.predict_proba(new)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)


def test_an_answer_never_seen_is_one_more_candidate(fitted):
    model, d = fitted
    X = d.X[:2]
    log_p = model.log_proba_of(X, ["zebra", "quagga"])
    assert np.isfinite(log_p).all()
    p = model.predict_proba(X, candidates=[*model.classes_.tolist(), "zebra"])
    assert log_p[0] == pytest.approx(np.log(p[0, -1]))


def test_predict_table(fitted):
    model, d = fitted
    table = model.predict_table(d.X[:3], groups=d.groups[:3], ids=["a", "b", "c"])
    p = np.sort(model.predict_proba(d.X[:3], groups=d.groups[:3]), axis=1)
    assert table["id"].tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(table["confidence"], p[:, -1])
    np.testing.assert_allclose(table["p_runner_up"], p[:, -2])
    np.testing.assert_allclose(table["log_probability"], np.log(p[:, -1]))
    assert (table["prediction"] != table["runner_up"]).all()


def test_simulated_answers_and_draws_follow_the_probabilities(fitted):
    model, d = fitted
    X, groups = d.X[:2], d.groups[:2]
    p = model.predict_proba(X, groups=groups)
    draws = model.sample_posterior(400, X, groups, random_state=0, response=True)
    assert draws.shape == (400, 2, len(model.classes_))
    np.testing.assert_allclose(draws.mean(axis=0), p, atol=0.03)
    answers = model.simulate(2000, X, groups, random_state=0, conditional=True)
    assert answers.shape == (2000, 2)
    top = p.argmax(axis=1)
    share = (answers == model.classes_[top]).mean(axis=0)
    np.testing.assert_allclose(share, p[[0, 1], top], atol=0.06)
    eta, std = model.predict_linear(X, groups=groups, return_std=True)
    assert eta.shape == std.shape == p.shape
    assert (std >= 0).all()


def test_copies_predict_alike(fitted):
    model, d = fitted
    again = pickle.loads(pickle.dumps(model))
    p = model.predict_proba(d.X[:3], groups=d.groups[:3])
    np.testing.assert_array_equal(again.predict_proba(d.X[:3], groups=d.groups[:3]), p)
    assert clone(model).get_params() == model.get_params()
    assert model.groups_.tolist() == sorted(set(d.groups))
    assert "typicality" in str(model.summary())


def test_containers_agree():
    texts, fillers, groups = small()
    p = []
    for X in (texts, np.array(texts), pd.DataFrame({"text": texts})):
        model = ClozeClassifier(random_state=0).fit(X, fillers, groups=groups)
        p.append(model.predict_proba(X[:5], groups=groups[:5]))
    np.testing.assert_allclose(p[1], p[0])
    np.testing.assert_allclose(p[2], p[0])


def test_weights_are_repetitions():
    texts, fillers, groups = small()
    weights = np.random.RandomState(0).randint(3, size=len(texts))
    weighted = ClozeClassifier(random_state=0).fit(
        texts, fillers, groups=groups, sample_weight=weights
    )
    at = np.repeat(np.arange(len(texts)), weights)
    repeated = ClozeClassifier(random_state=0).fit(
        [texts[i] for i in at], [fillers[i] for i in at], groups=groups[at]
    )
    np.testing.assert_allclose(
        weighted.predict_proba(SENTENCES), repeated.predict_proba(SENTENCES)
    )


def test_sampling_alternatives_does_not_bias_coefficients():
    rng = np.random.RandomState(0)
    names = [f"word{i:03d}" for i in range(60)]
    texts, fillers = [], []
    for c in range(20):
        shares = rng.dirichlet(np.full(60, 0.1))
        fillers += rng.choice(names, size=25, p=shares).tolist()
        texts += [f"context {c} has a ___"] * 25
    full = ClozeClassifier(n_alternatives=60).fit(texts, fillers)
    sampled = ClozeClassifier(n_alternatives=8, random_state=0).fit(texts, fillers)
    assert full.coef_names_ == sampled.coef_names_
    effects = zip(
        full.summary().fixed_effects, sampled.summary().fixed_effects, strict=True
    )
    for one, other in effects:
        assert abs(one.estimate - other.estimate) < 3 * other.standard_error
    assert full.coef_[0, 0] == pytest.approx(1.0, abs=0.1)


@every_task
def test_cross_validation(task):
    d = make_judgments(task, n_participants=10, n_items=16, random_state=1)
    scores = cross_validate(
        MODELS[task](random_state=0, mixed_effects="fixed"),
        d.X,
        d.y,
        groups=d.groups,
        cv=GroupKFold(2),
    )
    assert (scores["test_score"] >= 0).all()


def test_unique_responses_need_no_cv():
    n = 24
    prompts = [f"Describe picture {i % 4}." for i in range(n)]
    responses = [f"A {'big ' * (i % 3)}dog number {i}" for i in range(n)]
    scores = cross_validate(
        FreeTextGenerator(random_state=0), prompts, responses, error_score="raise"
    )
    assert scores["test_score"].tolist() == [0.0] * 5


def test_several_blanks():
    texts = ["The ___ drank ___.", "The ___ read a ___."] * 20
    rng = np.random.RandomState(0)
    y = [
        [str(rng.choice(["boy", "girl"])), "tea" if i % 2 == 0 else "book"]
        for i in range(40)
    ]
    model = ClozeClassifier(random_state=0).fit(texts, y)
    predicted = model.predict(texts[:2])
    assert [row[1] for row in predicted] == ["tea", "book"]
    first, second = model.predict_proba(texts[:3])
    assert first.shape == second.shape == (3, 4)
    boys = first[:, [model.classes_.tolist().index(w) for w in ("boy", "girl")]]
    assert (boys.sum(axis=1) > 0.8).all()
    table = model.predict_table(texts[:2], ids=["a", "b"])
    assert table["id"].tolist() == ["a", "a", "b", "b"]
    assert table["blank"].tolist() == [0, 1, 0, 1]
    total = np.log(first[:, 0]) + np.log(second[:, 0])
    name = str(model.classes_[0])
    np.testing.assert_allclose(model.log_proba_of(texts[:3], [[name] * 2] * 3), total)
    assert model.simulate(2, texts[:3], random_state=0).shape == (2, 3)
    with pytest.raises(ValueError, match="differ in their number of blanks"):
        model.predict_proba(["The ___.", texts[0]])
    with pytest.raises(ValueError, match=r"Row 1 of y has 1 answer\(s\) for 2"):
        ClozeClassifier().fit(texts, [y[0], ["boy"], *y[2:]])


def test_participants_who_prefer_long_responses():
    rng = np.random.RandomState(0)
    responses = ["A dog.", "A big dog.", "A big dog runs.", "A big dog runs home now."]
    preference = rng.normal(scale=1.5, size=20)
    words = np.log([3, 4, 5, 7])
    prompts, y, groups = [], [], []
    for person in range(20):
        p = np.exp(preference[person] * words)
        y += rng.choice(responses, size=20, p=p / p.sum()).tolist()
        prompts += [f"Picture {i}" for i in range(20)]
        groups += [person] * 20
    model = FreeTextGenerator(random_state=0).fit(prompts, y, groups=groups)
    p = model.predict_proba(["Picture 0"] * 20, groups=range(20), candidates=responses)
    lengths = words[[responses.index(response) for response in y]]
    means = np.bincount(groups, lengths) / np.bincount(groups)
    assert np.corrcoef(p @ words, means)[0, 1] > 0.95
    one = model.log_proba_of(prompts, y, groups=groups).mean()
    fixed = FreeTextGenerator(random_state=0, mixed_effects="fixed").fit(prompts, y)
    assert one > fixed.log_proba_of(prompts, y).mean() + 0.05


def test_formula_and_numbers():
    texts, fillers, groups = small(120)
    X = pd.DataFrame(
        {"text": texts, "trial": np.arange(120) / 120, "person": groups.astype(str)}
    )
    model = ClozeClassifier(
        mixed_effects="(0 + typicality | person)", random_state=0
    ).fit(X, fillers)
    assert model.variance_components_[0].effect_names == ("typicality",)
    assert "trial:length" in model.coef_names_
    assert model.predict_proba(X[:2]).shape == (2, len(set(fillers)))
    with pytest.raises(ValueError, match="names the covariate 'speed'"):
        ClozeClassifier(mixed_effects="(0 + speed | person)").fit(X, fillers)
    # All candidates have the trial in common; their frequency they have not.
    formula = "(1 + trial:frequency | person)"
    with pytest.raises(ValueError, match=re.escape(f"write {formula} or")):
        ClozeClassifier(mixed_effects="(1 + trial | person)").fit(X, fillers)
    model = ClozeClassifier(mixed_effects=formula, random_state=0).fit(X, fillers)
    names = model.variance_components_[0].effect_names
    assert names == ("typicality", "trial:frequency")


def test_bad_input():
    texts, fillers, _ = small()
    model = ClozeClassifier(random_state=0)
    with pytest.raises(ValueError, match="Row 1 of X has no blank '___'"):
        model.fit([texts[0], "Nothing here.", *texts[2:]], fillers)
    with pytest.raises(ValueError, match=r"Row 0 of y has 2 answer\(s\) for 1"):
        model.fit(texts, [["tea", "book"], *fillers[1:]])
    with pytest.raises(ValueError, match="y has an empty filler in row 2"):
        model.fit(texts, [*fillers[:2], " ", *fillers[3:]])
    with pytest.raises(TypeError, match=r"y must hold texts\. Got 3"):
        model.fit(texts, [*fillers[:2], 3, *fillers[3:]])
    with pytest.raises(ValueError, match="missing values"):
        model.fit(texts, [*fillers[:2], None, *fillers[3:]])
    with pytest.raises(ValueError, match="missing or empty in row 1"):
        model.fit(texts, fillers, groups=["a", "", *["b"] * 58])
    with pytest.raises(ValueError, match="y has only one class, 'tea'"):
        model.fit(texts, ["tea"] * 60)
    with pytest.raises(ValueError, match="needs a column of text in X"):
        model.fit(np.zeros((60, 2)), fillers)
    with pytest.raises(ValueError, match="needs participant ids"):
        ClozeClassifier(mixed_effects="random_slopes").fit(texts, fillers)
    with pytest.raises(ValueError, match="'tea', which is not among candidates"):
        ClozeClassifier(candidates=["book", "car"]).fit(
            SENTENCES * 2, ["tea", "book", "car"] * 2
        )
    with pytest.raises(ValueError, match="blank must be a mark"):
        ClozeClassifier(blank=" ").fit(texts, fillers)
    with pytest.raises(ValueError, match="y has an empty response in row 0"):
        FreeTextGenerator().fit(texts, ["", *fillers[1:]])
    with pytest.raises(ValueError, match="too few, or too different"):
        FreeTextGenerator().fit(texts[:2], ["one", "two"])
    model.fit(texts, fillers)
    with pytest.raises(ValueError, match=r"candidates must be distinct\. Got 'tea'"):
        model.predict_proba(texts[:1], candidates=["tea", "tea"])
    with pytest.raises(TypeError, match="candidates must be a list of str"):
        model.predict_proba(texts[:1], candidates="tea")
    with pytest.raises(ValueError, match="y has 1 rows with 1 answers"):
        model.score(texts[:2], ["tea"])


def test_offered_candidates_are_classes():
    texts, fillers, _ = small()
    offered = sorted({*fillers, "wine", "cup of tea"})
    model = ClozeClassifier(candidates=offered, random_state=0).fit(texts, fillers)
    assert model.classes_.tolist() == offered
    p = model.predict_proba(texts[:3])
    assert (p > 0).all()
    assert p[0, offered.index("wine")] < p[0, offered.index(fillers[0])]


def test_saved_models_predict_alike(fitted, tmp_path):
    from bead_sklearn.persistence import load, save

    model, d = fitted
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(
        again.predict_proba(d.X[:3], groups=d.groups[:3]),
        model.predict_proba(d.X[:3], groups=d.groups[:3]),
    )


def test_participants_are_recovered():
    d = make_judgments(
        "cloze", n_participants=40, n_items=40, participant_sd=2.0, random_state=0
    )
    rows = np.random.RandomState(0).permutation(len(d.y))
    test, train = rows[:400], rows[400:]
    labels = get_task("cloze").labels(8)
    codes = np.array([labels.index(answer) for answer in d.y[test]])
    losses = {"truth": -np.log(d.truth.probabilities[test, codes]).mean()}
    for effects in ("fixed", "auto"):
        model = ClozeClassifier(mixed_effects=effects, random_state=0)
        model.fit(d.X.iloc[train], d.y[train], groups=d.groups[train])
        X, groups = d.X.iloc[test], d.groups[test]
        losses[effects] = -model.log_proba_of(X, d.y[test], groups=groups).mean()
    # Thirty answers of each participant tell more than half of what it is like.
    gap = losses["fixed"] - losses["truth"]
    assert 0 < losses["auto"] - losses["truth"] < 0.5 * gap


def test_new_contexts_borrow_from_similar_ones():
    nouns = {"drank": ["tea", "milk"], "read": ["book", "paper"]}
    rng = np.random.RandomState(0)
    texts, fillers = [], []
    for i in range(120):
        verb = ["drank", "read"][i % 2]
        texts.append(f"Person {i % 12} {verb} the ___.")
        fillers.append(str(rng.choice(nouns[verb])))
    model = ClozeClassifier(random_state=0).fit(texts, fillers)
    p = model.predict_proba(["Somebody else drank the ___."])[0]
    drinks = [model.classes_.tolist().index(word) for word in nouns["drank"]]
    assert p[drinks].sum() > 0.7  # half of all answers are drinks


def test_metadata_routing():
    texts, fillers, groups = small()
    with config_context(enable_metadata_routing=True):
        scores = cross_validate(
            ClozeClassifier(random_state=0),
            np.array(texts, dtype=object),
            np.array(fillers, dtype=object),
            params={"groups": groups},
            cv=KFold(2),
        )
    train, test = slice(30, 60), slice(30)
    model = ClozeClassifier(random_state=0)
    model.fit(texts[train], fillers[train], groups=groups[train])
    expected = model.score(texts[test], fillers[test], groups=groups[test])
    assert scores["test_score"][0] == expected


@pytest.mark.parametrize("task", ["cloze_devarda_a", "ft_sails"])
def test_real_answers(task, shared):
    """Better than shares by item and overall; participants improve it further."""
    frame = pd.read_csv(shared / "data" / task / "data.csv.gz", keep_default_na=False)
    people = frame["participant"].unique()[:60]
    frame = frame[frame["participant"].isin(people)]
    is_cloze = task.startswith("cloze")
    X = frame[["text"]] + " ___" if is_cloze else frame[["item", "question"]]
    y, groups = frame["response"].to_numpy(object), frame["participant"].to_numpy()
    rows = np.random.RandomState(0).permutation(len(y))
    test, train = rows[:400], rows[400:]
    test = test[np.isin(y[test], y[train])]
    classes, codes = np.unique(y[train], return_inverse=True)
    items, places = np.unique(frame["item"], return_inverse=True)
    counts = np.zeros((len(items), len(classes)))
    np.add.at(counts, (places[train], codes), 1.0)
    overall = counts.sum(axis=0) / counts.sum()
    answer = np.searchsorted(classes, y[test])
    baselines = [
        -np.log((counts[place] + k * overall) / (counts[place].sum() + k))[code]
        for k in (3.0, 10.0, 30.0)
        for place, code in zip(places[test], answer, strict=True)
    ]
    by_item = np.reshape(baselines, (3, -1)).mean(axis=1).min()
    losses = {}
    for effects in ("fixed", "auto"):
        model = (ClozeClassifier if is_cloze else FreeTextGenerator)(
            mixed_effects=effects, random_state=0, n_alternatives=8
        ).fit(X.iloc[train], y[train], groups=groups[train])
        logs = model.log_proba_of(X.iloc[test], y[test], groups=groups[test])
        losses[effects] = -logs.mean()
    assert losses["auto"] < losses["fixed"] < by_item < -np.log(overall[answer]).mean()


@every_task
def test_warnings_name_the_line_that_fits(task):
    d = make_judgments(task, n_participants=12, n_items=24, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        MODELS[task](random_state=0).fit(d.X, d.y, groups=d.groups)
    assert [item.filename for item in caught] == [__file__] * len(caught)
    assert SingularFitWarning in {item.category for item in caught}
