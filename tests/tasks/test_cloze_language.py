"""ClozeClassifier on masked language models, frozen and tuned."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score

torch = pytest.importorskip("torch")
pd = pytest.importorskip("pandas")

from tiny_models import save_bert  # noqa: E402

from bead_sklearn import ClozeClassifier  # noqa: E402
from bead_sklearn.encoders import MaskedLMEncoder, TransformerEncoder  # noqa: E402
from bead_sklearn.nn import HeadStart, MaskedPredictor, MixedEffectsNet  # noqa: E402
from bead_sklearn.persistence import load, save  # noqa: E402
from bead_sklearn.query import get_query_strategy  # noqa: E402
from bead_sklearn.tasks._language import LanguageFeatures  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning"),
]

FILLERS = ["tea", "milk", "green tea", "juice"]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def net(**options):
    return MixedEffectsNet(
        **{"lr": 1e-3, "head_lr": 1e-3, "max_epochs": 1, "patience": None, **options}
    )


def biased(n_participants=24, n_each=30, seed=0):
    """Answers of participants who like some fillers more, in all contexts."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(8, len(FILLERS)))
    bias = rng.normal(size=(n_participants, len(FILLERS)))
    groups = np.repeat(np.arange(n_participants), n_each)
    item = rng.integers(8, size=len(groups))
    eta = base[item] + bias[groups] + rng.gumbel(size=(len(groups), len(FILLERS)))
    y = np.array(FILLERS, dtype=object)[eta.argmax(axis=1)]
    X = np.array([f"the noun{i} drank ___ today" for i in item], dtype=object)
    bias = bias - bias.mean(axis=1, keepdims=True)
    return X, y, groups, bias - bias.mean(axis=0)


def deviations(model, groups):
    """What participants like more than the average does, as the model has it."""
    eta = model.predict_linear(
        ["the noun0 drank ___ today"] * len(groups), groups=groups
    )
    eta = eta[:, [model.classes_.tolist().index(filler) for filler in FILLERS]]
    return eta - eta.mean(axis=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    words = "a good bad noun8 noun9 water yesterday last year and then ."
    texts = [*biased()[0], *FILLERS, words]
    folder = tmp_path_factory.mktemp("cloze")
    return save_bert(folder, texts, masked=True, dropout=0.0)


@pytest.fixture(scope="module")
def few():
    X, y, groups, _ = biased(n_participants=10, n_each=12)
    return X, y, groups.astype(str)


@pytest.fixture(scope="module")
def tuned(few, folder):
    X, y, groups = few
    model = ClozeClassifier(
        language_model=folder, fine_tune="full", net=net(), random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y, groups=groups)


def test_bias_of_participants_is_recovered_frozen_and_tuned(folder):
    X, y, groups, bias = biased()
    found = {}
    for fine_tune in ("frozen", "full"):
        model = ClozeClassifier(
            language_model=folder,
            fine_tune=fine_tune,
            net=net(max_epochs=2),
            random_state=0,
        ).fit(X, y, groups=groups)
        estimated = deviations(model, np.arange(len(bias)))
        found[fine_tune] = np.corrcoef(estimated.ravel(), bias.ravel())[0, 1]
        (component,) = model.variance_components_
        sd = np.sqrt(np.atleast_1d(component.variance)[-1])
        assert sd == pytest.approx(bias.std(), rel=0.15)
    assert model.tuning_.likelihood == "marginal"
    assert len(model.tuning_.valid_loss) == 3
    assert found["frozen"] > 0.85
    assert found["full"] == pytest.approx(found["frozen"], abs=0.02)


def reversal(seed=0, n_participants=16, n_each=24):
    """Half of the participants answer in each kind of context what the others do not.

    All answer both fillers alike often.
    """
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_participants), n_each)
    kind, noun = rng.integers(2, size=len(groups)), rng.integers(8, size=len(groups))
    first = (kind == groups % 2) != (rng.uniform(size=len(groups)) < 0.03)
    X = [
        f"a {('good', 'bad')[k]} noun{i} drank ___ today"
        for k, i in zip(kind, noun, strict=True)
    ]
    y = np.where(first, "tea", "milk").astype(object)
    return np.array(X, dtype=object), y, groups, rng.uniform(size=len(groups)) < 0.25


@pytest.mark.parametrize("fine_tune", ["full", "lora"])
def test_heads_learn_a_reversal_that_the_fixed_model_cannot(folder, fine_tune):
    X, y, groups, test = reversal()
    found = {}
    for effects in ("fixed", "random_slopes"):
        model = ClozeClassifier(
            language_model=folder,
            fine_tune=fine_tune,
            mixed_effects=effects,
            net=net(lr=3e-3, max_epochs=4),
            random_state=0,
        ).fit(X[~test], y[~test], groups=groups[~test])
        found[effects] = model.score(X[test], y[test], groups=groups[test])
    assert found["fixed"] < 0.62
    assert found["random_slopes"] >= 0.9
    assert model.tuning_.likelihood == "joint"
    # A new participant may be of either kind.
    assert model.score(X[test], y[test], groups=[-1] * test.sum()) < 0.65


def test_several_blanks_and_fillers_of_several_tokens(few, folder):
    X, y, groups = few
    X = np.array([f"{text} , ___ ." for text in X], dtype=object)
    when = np.array(["today", "last year"])[np.arange(len(y)) % 2]
    y = [list(parts) for parts in zip(y, when, strict=True)]
    model = ClozeClassifier(
        language_model=folder,
        fine_tune=1,
        net=net(),
        mixed_effects="auto",
        random_state=0,
    ).fit(X, y, groups=groups)
    first, second = model.predict_proba(X[:5], groups=groups[:5])
    assert np.allclose(first.sum(axis=1), 1.0)
    named = [set(model.classes_[p.argmax(axis=1)]) for p in (first, second)]
    assert named[0] <= set(FILLERS)
    assert named[1] <= {"today", "last year"}
    columns = model.classes_.tolist()
    places = np.array([[columns.index(part) for part in parts] for parts in y[:5]])
    each = np.arange(5)
    expected = np.log(first[each, places[:, 0]]) + np.log(second[each, places[:, 1]])
    assert np.allclose(model.log_proba_of(X[:5], y[:5], groups=groups[:5]), expected)


def test_scores_of_pairs_tables_and_the_network_agree(few, folder):
    """Three ways to the same features, the first by brute force."""
    encoder = MaskedLMEncoder(folder).fit()
    language = LanguageFeatures(encoder, "___")
    names = [
        (("the noun0 drank ___ today",), 0),
        (("the noun1 drank ___ today , ___ .",), 1),
        (("___ and then", "water"), 0),
    ]
    fillers = ["tea", "green tea", "last year and then", "milk"]
    index, codes = np.divmod(np.arange(12), 4)
    [pairs] = language.fit(names, [(index, codes)], fillers, index)
    table = language.table(names, fillers)
    assert np.allclose(table.reshape(12, -1), pairs, atol=1e-5)
    model = encoder.language_model()
    tokenizer, network = model.tokenizer, model.network
    texts = ["the noun0 drank {} today", "the noun1 drank [MASK] today , {} ."]
    for row, (text, filler) in enumerate(
        (text, filler) for text in [*texts, "{} and then water"] for filler in fillers
    ):
        tokens = tokenizer(filler, add_special_tokens=False)["input_ids"]
        # The blank of the second text comes after another mask.
        n_before = text.split("{}")[0].count("[MASK]")
        inputs = tokenizer(text.format("[MASK]" * len(tokens)), return_tensors="pt")
        with torch.no_grad():
            logs = torch.log_softmax(network(**inputs).logits[0], dim=1)
        places = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero()[:, 0]
        places = places[n_before : n_before + len(tokens)]
        expected = logs[places, tokens].sum().item()
        assert pairs[row, 0] == pytest.approx(expected, abs=1e-4)
    heads = len(language.head_names)
    start = HeadStart(
        np.zeros(1),
        np.zeros((1, 0)),
        np.linspace(-1, 1, heads)[None],
        language.head_.center @ language.head_.basis,
        1.0,
        np.eye(1),
    )
    module = MaskedPredictor(
        folder,
        start=start,
        basis=language.head_.basis,
        mean_states=language.states_,
        log_weight=0.5,
    ).eval()
    column, tokens = language.token_columns(names, index, fillers, codes)
    rows = np.array([7, 2, 9, 0])
    eta, features = module(column.take(rows).batch(), torch.as_tensor(tokens[rows]))
    scores, own = pairs[rows, :1], pairs[rows, 1 : 1 + heads]
    assert np.allclose(features.detach(), own, atol=1e-4)
    assert np.allclose(eta.detach(), 0.5 * scores + own @ start.text.T, atol=1e-4)
    eta.sum().backward()
    embeddings = module.network.get_input_embeddings().weight
    assert embeddings.grad.abs().sum() > 0


def test_without_steps_the_fit_is_nearly_the_frozen_one(few, folder):
    """Only that the weights of counted shares are held."""
    X, y, _ = few
    still = net(lr=0.0, head_lr=0.0, train_split=None)
    first = ClozeClassifier(
        language_model=folder, fine_tune="full", net=still, random_state=0
    ).fit(X, y)
    second = clone(first).set_params(fine_tune="frozen").fit(X, y)
    assert np.allclose(first.predict_proba(X), second.predict_proba(X), atol=0.01)
    coefficients = dict(zip(second.coef_names_, second.coef_[0], strict=True))
    held = dict(zip(first.coef_names_, first.coef_[0], strict=True))
    for name in ("typicality", "frequency"):
        assert held[name] == pytest.approx(coefficients[name])


FRESH = """
import sys, numpy as np
from bead_sklearn.persistence import load
model = load(sys.argv[1])
X, groups = np.load(sys.argv[2], allow_pickle=True)
np.save(sys.argv[3], model.predict_proba(X.tolist(), groups=groups.tolist()))
"""


def test_copies_and_a_fresh_process_predict_the_same(few, tuned, tmp_path):
    X, _, groups = few
    expected = tuned.predict_proba(X, groups=groups)
    copy = pickle.loads(pickle.dumps(tuned))
    assert np.array_equal(copy.predict_proba(X, groups=groups), expected)
    save(tuned, tmp_path / "model")
    again = load(tmp_path / "model").predict_proba(X, groups=groups)
    assert np.array_equal(again, expected)
    np.save(tmp_path / "data.npy", np.array([X, groups], dtype=object))
    paths = [str(tmp_path / name) for name in ("model", "data.npy", "p.npy")]
    subprocess.run([sys.executable, "-c", FRESH, *paths], check=True)
    assert np.array_equal(np.load(tmp_path / "p.npy"), expected)
    assert not hasattr(clone(tuned), "tuning_")


def test_what_else_can_be_asked_of_a_tuned_model(few, tuned):
    X, y, groups = few
    new = np.array(["somebody new"] * 4)
    p = tuned.predict_proba(X[:4], groups=new)
    assert np.allclose(p, tuned.predict_proba(X[:4]))
    assert np.abs(p - tuned.predict_proba(X[:4], groups=groups[:4])).max() > 1e-3
    for ids in (groups[:4], new):
        draws = tuned.sample_posterior(400, X[:4], ids, random_state=0, response=True)
        assert np.allclose(
            draws.mean(axis=0), tuned.predict_proba(X[:4], groups=ids), atol=0.04
        )
    drawn = tuned.simulate(400, X[:4], groups[:4], random_state=0, conditional=True)
    shares = [(drawn == name).mean(axis=0) for name in tuned.classes_]
    known = tuned.predict_proba(X[:4], groups=groups[:4])
    assert np.allclose(np.transpose(shares), known, atol=0.12)
    assert "filler0" in str(tuned.summary())
    assert len(tuned.predict_table(X[:4], groups=groups[:4])) == 4
    scores = get_query_strategy("entropy")(tuned, X, groups=groups)
    assert scores.shape == (len(X),)
    answers = ["water", *y[:3]]
    logs = tuned.log_proba_of(X[:4], answers, groups=groups[:4])
    assert np.isfinite(logs).all()


def test_frozen_models_have_coefficients_of_new_contexts_and_tuned_ones_have_none(
    few, folder, tuned
):
    X, y, groups = few
    frozen = ClozeClassifier(language_model=folder, random_state=0)
    frozen.fit(X, y, groups=groups)
    score = frozen.coef_names_.index("log_probability")
    assert frozen.new_contexts_.coef[0, score] != frozen.coef_[0, score]
    assert "filler0" in str(frozen.new_contexts_)
    assert tuned.new_contexts_ is None
    new = ["nobody ever drank the ___ there"]
    for model in (frozen, tuned):
        for ids in (groups[:1], ["somebody new"]):
            p = model.predict_proba(new, groups=ids)
            draws = model.sample_posterior(400, new, ids, 0, response=True)
            assert np.allclose(draws.mean(axis=0), p, atol=0.04)


def test_words_of_the_vocabulary_are_candidates(few, folder):
    X, y, groups = (part[:72] for part in few)
    model = ClozeClassifier(
        language_model=folder, candidates="vocabulary", random_state=0
    )
    model.fit(X, y, groups=groups)
    words = set(MaskedLMEncoder(folder).fit().language_model().words())
    assert set(model.classes_) == words | {"green tea"}
    p = model.predict_proba(X[:3], groups=groups[:3])
    assert (p > 0).all()
    assert set(model.predict(X, groups=groups)) <= set(FILLERS)
    # In other contexts and among words never given, the language model decides.
    unseen = ["water", "year", "good"]
    asked = model.predict_proba(["a bad noun9 drank ___ ."], candidates=unseen)
    assert np.ptp(asked) > 0
    with pytest.raises(ValueError, match="'vocabulary' needs a masked language model"):
        ClozeClassifier(candidates="vocabulary").fit(X, y)


def test_effects_of_items_weights_and_columns(few, folder):
    X, y, groups = few
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"text": X, "trial": rng.normal(size=len(X)), "item": X, "who": groups}
    )
    frame["item"] = frame["item"].str[4:9]
    options = {
        "language_model": folder,
        "fine_tune": "lora",
        "net": net(),
        "random_state": 0,
    }
    crossed = ClozeClassifier(mixed_effects="(1 + frequency | who)", **options).fit(
        frame, y
    )
    names = crossed.effects_["who"].structure.column_names
    assert "filler0" in names
    assert "frequency" not in names  # its coefficient is held
    assert "trial:frequency" in crossed.coef_names_
    p = crossed.predict_proba(frame)
    assert np.allclose(p.sum(axis=1), 1.0)
    weights = rng.integers(3, size=len(X))
    model = ClozeClassifier(**options)
    weighted = clone(model).fit(X, y, groups=groups, sample_weight=weights)
    kept = np.repeat(np.arange(len(X)), weights)
    repeated = clone(model).fit(X[kept], y[kept], groups=groups[kept])
    assert weighted.tuning_ == repeated.tuning_
    assert np.allclose(
        weighted.predict_proba(X, groups=groups),
        repeated.predict_proba(X, groups=groups),
    )


def test_items_have_no_bias_beside_what_is_usual_in_their_contexts(few, folder):
    """It would tell an answer from the shares that were counted without it."""
    X, y, groups = few
    frame = pd.DataFrame({"text": X, "who": groups, "item": X})
    model = ClozeClassifier(
        language_model=folder,
        mixed_effects="(1 | who) + (1 | item)",
        net=net(),
        random_state=0,
    ).fit(frame, y)
    assert model.effects_["item"].structure.column_names == ("typicality",)
    assert "filler0" in model.effects_["who"].structure.column_names
    assert 0.5 < model.coef_[0, model.coef_names_.index("typicality")] < 2.5
    with pytest.warns(UserWarning, match="'item' has no effects in a tuned model"):
        model.set_params(fine_tune="full").fit(frame, y)
    assert list(model.effects_) == ["who"]


def test_searches_and_cross_validation(few, folder):
    X, y, groups = few
    model = ClozeClassifier(language_model=folder, net=net(), random_state=0)
    grid = {"fine_tune": ["frozen", "lora"], "net__lr": [1e-3]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert (search.cv_results_["mean_test_score"] > 0.2).all()
    scores = cross_val_score(model, X, y, cv=GroupKFold(2), groups=groups)
    assert np.isfinite(scores).all()


def test_one_context_and_encoders_that_compare_contexts_only(few, folder):
    X, y, groups = few
    alike = np.array([X[0]] * len(X), dtype=object)
    model = ClozeClassifier(
        language_model=MaskedLMEncoder(folder),
        mixed_effects="random_slopes",
        random_state=0,
    ).fit(alike, y, groups=groups)
    assert not any(name.startswith("head") for name in model.coef_names_)
    for encoder in (folder, TransformerEncoder(folder), MaskedLMEncoder(folder)):
        other = ClozeClassifier(encoder=encoder, random_state=0)
        other.fit(X, y, groups=groups)
        assert "own_words" in other.coef_names_
        assert "log_probability" not in other.coef_names_
    with pytest.raises(ValueError, match="'full' needs a masked language model"):
        other.set_params(fine_tune="full").fit(X, y, groups=groups)


def test_models_that_cannot_score_fillers(few, tmp_path):
    X, y, _ = few
    with pytest.raises(OSError, match=r"'no-such/model' cannot be loaded.*HF_HUB_OFF"):
        ClozeClassifier(language_model="no-such/model").fit(X, y)
    plain = save_bert(tmp_path, X)
    with pytest.raises(ValueError, match="is no masked language model"):
        ClozeClassifier(language_model=plain, fine_tune="lora").fit(X, y)
