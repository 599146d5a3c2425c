"""FreeTextGenerator with an encoder-decoder that writes."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_validate

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tiny_models import save_bert  # noqa: E402
from tiny_seq2seq import save_seq2seq, train_seq2seq  # noqa: E402

from bead_sklearn import FreeTextGenerator, persistence  # noqa: E402
from bead_sklearn.effects import MixedEffects  # noqa: E402
from bead_sklearn.exceptions import SingularFitWarning  # noqa: E402
from bead_sklearn.metrics import chrf_score  # noqa: E402
from bead_sklearn.model_selection import make_group_scorer  # noqa: E402
from bead_sklearn.nn import MixedEffectsNet, Seq2SeqNet  # noqa: E402

TEXTS = [f"the {a} {b}" for a in ("red", "blue") for b in ("cat", "dog", "bird")]
ANSWERS = ["good one", "bad one", "no idea", "not so good"]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    transformers.utils.logging.disable_progress_bar()


def study(n_people=12, n_each=15, seed=0):
    """Participants who prefer different answers, whatever they see."""
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(n_people), n_each)
    liking = rng.normal(scale=2.0, size=(n_people, len(ANSWERS)))
    p = np.exp(liking) / np.exp(liking).sum(axis=1, keepdims=True)
    y = [ANSWERS[rng.choice(len(ANSWERS), p=p[g])] for g in people]
    X = [TEXTS[i] for i in rng.integers(len(TEXTS), size=len(people))]
    return X, y, np.array([f"p{g}" for g in people])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A T5 that knows the answers, and not who gives which."""
    path = save_seq2seq(tmp_path_factory.mktemp("t5"), [*TEXTS, *ANSWERS])
    rng = np.random.default_rng(1)
    texts, answers = rng.choice(TEXTS, size=300), rng.choice(ANSWERS, size=300)
    train_seq2seq(path, texts.tolist(), answers.tolist(), steps=120)
    return path


@pytest.fixture(scope="module")
def fitted(folder):
    X, y, groups = study()
    model = FreeTextGenerator(generator=folder, random_state=0)
    return model.fit(X, y, groups=groups), X, y, groups


def test_participants_are_known_and_new_ones_are_not(fitted):
    model, X, y, groups = fitted
    favourite = pd.Series(y).groupby(groups).agg(lambda a: a.mode()[0])
    often = np.mean([favourite[g] == answer for g, answer in zip(groups, y)])  # noqa: B905
    assert model.score(X, y, groups=groups) > often - 0.1
    assert model.score(X, y, groups=groups) > model.score(X, y) + 0.15
    known = model.log_proba_of(X, y, groups=groups)
    new = model.log_proba_of(X, y, groups=np.full(len(y), "nobody"))
    assert known.mean() > new.mean() + 0.2
    assert np.array_equal(new, model.log_proba_of(X, y))
    [component] = model.variance_components_
    assert component.grouping_factor == "groups"
    assert 0.5 < component.sd[0] < 4.0
    assert model.groups_.tolist() == sorted(set(groups))


def test_probabilities_are_shares_of_whole_texts(fitted):
    model, X, _, groups = fitted
    who = groups[:20]
    p = model.predict_proba(X[:20], groups=who)
    assert model.classes_.tolist() == sorted(ANSWERS)
    assert p.shape == (20, 4)
    assert np.allclose(p.sum(axis=1), 1.0)
    logs = np.column_stack(
        [model.log_proba_of(X[:20], [text] * 20, groups=who) for text in model.classes_]
    )
    shares = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    assert np.allclose(p, shares, atol=1e-6)
    assert np.allclose(np.log(p), model.predict_log_proba(X[:20], groups=who))
    some = ["no idea", "good good bad"]
    few = model.predict_proba(X[:20], groups=who, candidates=some)
    assert few.shape == (20, 2)
    back = model.predict_proba(X[:20], groups=who, candidates=some[::-1])
    assert np.allclose(few, back[:, ::-1], atol=1e-6)


def test_length_normalisation_is_per_token(fitted):
    model, X, y, groups = fitted
    whole = model.log_proba_of(X, y, groups=groups)
    each = model.log_proba_of(X, y, groups=groups, per_token=True)
    n_tokens = np.array([len(text.split()) + 1 for text in y])
    assert np.allclose(each * n_tokens, whole)


def test_tables_and_effects(fitted):
    model, X, _, groups = fitted
    table = model.predict_table(X[:5], groups=groups[:5], ids=list("abcde"))
    assert table.columns.tolist() == [
        "id",
        "prediction",
        "log_probability",
        "n_tokens",
    ]
    assert (
        table["prediction"].tolist() == model.predict(X[:5], groups=groups[:5]).tolist()
    )
    logs = model.log_proba_of(X[:5], table["prediction"], groups=groups[:5])
    assert np.allclose(table["log_probability"], logs)
    effects = model.ranef()
    assert len(effects) == 12 * len(model.tokens_)
    assert set(effects["effect"]) == set(model.tokens_)
    assert {"good", "bad", "idea", "</s>"} <= set(model.tokens_)
    assert (effects["sd"] <= model.variance_components_[0].sd[0] + 1e-6).all()
    text = str(model.summary())
    assert "12 levels" in text
    assert "180, 4 distinct" in text
    for name in ("describe", "predict_linear", "sample_posterior"):
        assert not hasattr(model, name)
        assert hasattr(FreeTextGenerator(), name)


def test_simulated_responses(fitted):
    model, X, _, groups = fitted
    who = np.full(400, groups[0])
    kept = model.simulate(1, X[:1] * 400, who, 0, conditional=True)
    assert kept.shape == (1, 400)
    p = model.predict_proba(X[:1], groups=who[:1])[0]
    shares = np.array([np.mean(kept[0] == name) for name in model.classes_])
    assert np.allclose(shares / shares.sum(), p, atol=0.1)
    again = model.simulate(1, X[:1] * 400, who, 0, conditional=True)
    assert np.array_equal(kept, again)
    cold = model.simulate(
        1, X[:1] * 20, who[:20], 0, conditional=True, temperature=1e-3
    )
    assert set(cold[0]) == {model.predict(X[:1], groups=who[:1])[0]}
    # Participants that are drawn anew differ; rows of one do not.
    drawn = model.simulate(
        6, X[:1] * 20, np.repeat([0, 1], 10), 0, temperature=1e-3
    ).reshape(12, 10)
    assert all(len(set(rows)) == 1 for rows in drawn)
    assert len(set(drawn[:, 0])) > 1
    everyone = model.simulate(1, X[:1] * 60, None, 0, temperature=1e-3)
    assert len(set(everyone[0])) > 1
    assert all(text.strip() for text in kept[0])


def test_writing_as_it_is_asked_for(fitted):
    model, X, y, groups = fitted
    assert len(set(model.predict(X[:1] * 30, groups=groups[:30]))) == 1 + (
        groups[0] != groups[29]
    )
    sampled = clone(model).set_params(generation={"do_sample": True})
    sampled = sampled.fit(X, y, groups=groups)
    texts = sampled.predict(X[:1] * 30)
    assert len(set(texts)) > 1
    assert np.array_equal(texts, sampled.predict(X[:1] * 30))
    beams = (
        clone(model).set_params(generation={"num_beams": 4}).fit(X, y, groups=groups)
    )
    assert beams.score(X, y, groups=groups) >= model.score(X, y, groups=groups) - 0.1


def test_saved_models_predict_alike_in_another_process(fitted, tmp_path):
    model, X, _, groups = fitted
    persistence.save(model, tmp_path / "model")
    expected = model.predict_proba(X[:9], groups=groups[:9])
    np.save(tmp_path / "expected.npy", expected)
    np.save(tmp_path / "texts.npy", np.array(X[:9]))
    np.save(tmp_path / "groups.npy", groups[:9])
    np.save(
        tmp_path / "written.npy", model.predict(X[:9], groups=groups[:9]).astype(str)
    )
    code = f"""
        import numpy as np
        from bead_sklearn import persistence
        folder = {str(tmp_path)!r}
        model = persistence.load(folder + "/model")
        X = np.load(folder + "/texts.npy").tolist()
        groups = np.load(folder + "/groups.npy")
        p = model.predict_proba(X, groups=groups)
        assert np.array_equal(p, np.load(folder + "/expected.npy")), p
        written = model.predict(X, groups=groups).astype(str)
        assert np.array_equal(written, np.load(folder + "/written.npy")), written
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
    copy = pickle.loads(pickle.dumps(model))
    assert np.array_equal(copy.predict_proba(X[:9], groups=groups[:9]), expected)
    assert len(pickle.dumps(model)) < 60_000  # weights that did not change stay out


@pytest.mark.filterwarnings("ignore:Singular fit")
@pytest.mark.parametrize("fine_tune", ["full", "lora", 1])
def test_tuned_models_are_saved_whole(folder, fine_tune, tmp_path):
    X, y, groups = study(6, 10)
    model = FreeTextGenerator(
        generator=folder,
        fine_tune=fine_tune,
        mixed_effects="random_slopes",
        net=Seq2SeqNet(
            max_epochs=2, lr=0.01, train_split=None, module__participant_rank=2
        ),
        random_state=0,
    )
    model = clone(model).fit(X, y, groups=groups)
    assert len(model.tuning_.train_loss) == model.tuning_.best_epoch == 2
    assert "rank 2, per participant" in str(model.summary())
    persistence.save(model, tmp_path / "model")
    loaded = persistence.load(tmp_path / "model")
    p = model.predict_proba(X, groups=groups)
    assert np.array_equal(loaded.predict_proba(X, groups=groups), p)
    if fine_tune == "lora":
        np.savez(tmp_path / "data.npz", X=X, groups=groups, p=p)
        code = """
            import sys
            import numpy as np
            from bead_sklearn import persistence
            data = np.load(sys.argv[2])
            model = persistence.load(sys.argv[1])
            p = model.predict_proba(data["X"].tolist(), groups=data["groups"])
            assert np.array_equal(p, data["p"]), np.abs(p - data["p"]).max()
        """
        paths = [str(tmp_path / name) for name in ("model", "data.npz")]
        run = [sys.executable, "-c", textwrap.dedent(code), *paths]
        subprocess.run(run, check=True)
    assert not np.allclose(p, model.predict_proba(X), atol=1e-3)
    drawn = model.simulate(2, X, groups, random_state=0)
    assert drawn.shape == (2, len(X))
    assert (drawn == model.simulate(2, X, groups, random_state=0)).all()
    assert model.simulate(1, X[:3], groups[:3], conditional=True).shape == (1, 3)


def test_unique_responses_need_no_cv(folder):
    X, y, groups = study(6, 5)
    unique = [f"{text} {answer} {i}" for i, (text, answer) in enumerate(zip(X, y))]  # noqa: B905
    assert len(set(unique)) == len(unique)
    model = FreeTextGenerator(generator=folder, random_state=0, mixed_effects="fixed")
    scorer = make_group_scorer(chrf_score, response_method="predict")
    with config_context(enable_metadata_routing=True):
        found = cross_validate(
            model, X, unique, scoring=scorer, params={"groups": groups}
        )["test_score"]
    assert len(found) == 5
    assert ((found > 0) & (found < 1)).all()


def test_parameters_of_the_net_are_searched(folder):
    X, y, _ = study(6, 6)
    model = FreeTextGenerator(
        generator=folder,
        fine_tune="lora",
        mixed_effects="fixed",
        net=Seq2SeqNet(max_epochs=1),
        random_state=0,
    )
    grid = {"net__lr": [1e-5, 0.02], "net__module__lora_rank": [2]}
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()


def test_factors_may_be_columns(folder):
    X, y, groups = study(6, 8)
    frame = pd.DataFrame({"text": X, "who": groups})
    model = FreeTextGenerator(
        generator=folder, mixed_effects="(1 | who)", random_state=0
    ).fit(frame, y)
    by_groups = FreeTextGenerator(generator=folder, random_state=0)
    by_groups.fit(X, y, groups=groups)
    assert np.allclose(
        model.predict_proba(frame), by_groups.predict_proba(X, groups=groups), atol=1e-6
    )
    assert list(model.effects_) == ["who"]


def test_several_columns_are_one_text(folder):
    X, y, _ = study(6, 8)
    frame = pd.DataFrame({"what": X, "how": ["red"] * len(X)})
    model = FreeTextGenerator(generator=folder, random_state=0, mixed_effects="fixed")
    joined = [f"what: {text} how: red" for text in X]
    assert np.allclose(
        clone(model).fit(frame, y).predict_proba(frame),
        clone(model).fit(joined, y).predict_proba(joined),
    )


def test_weight_zero_is_absence(folder):
    X, y, groups = study(6, 8)
    weights = np.ones(len(y))
    weights[:10] = 0.0
    model = FreeTextGenerator(generator=folder, random_state=0)
    first = clone(model).fit(X, y, groups=groups, sample_weight=weights)
    second = clone(model).fit(X[10:], y[10:], groups=groups[10:])
    assert np.allclose(
        first.predict_proba(X, groups=groups),
        second.predict_proba(X, groups=groups),
        atol=1e-5,
    )


def test_no_differences_are_named(folder):
    X, _, groups = study(8, 10)
    y = np.resize(ANSWERS, len(X)).tolist()  # all participants alike
    with pytest.warns(SingularFitWarning, match="prefer different words"):
        model = FreeTextGenerator(generator=folder).fit(X, y, groups=groups)
    assert model.variance_components_[0].is_singular
    held = MixedEffects(estimate_variance_components=False, prior_variance=0.5)
    model = FreeTextGenerator(generator=folder, mixed_effects=held)
    model.fit(X, y, groups=groups)
    assert model.variance_components_[0].variance[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "model"}, "encoder='model' has no effect together with generator"),
        ({"n_alternatives": 9}, "n_alternatives=9 has no effect"),
        ({"population": "conditional"}, "population='conditional' has no effect"),
        ({"max_iter": 9}, "max_iter=9 has no effect"),
        ({"warm_start": True}, "warm_start=True has no effect"),
        ({"alpha": 0.0}, "alpha must be 'auto' or positive"),
        ({"mixed_effects": "(1 + x | groups)"}, "must name one factor"),
        ({"mixed_effects": MixedEffects(prior_mean=1.0)}, "prior_mean=1.0"),
        ({"mixed_effects": MixedEffects(prior_sd_scale=1.0)}, "prior_sd_scale=1.0"),
        ({"net": Seq2SeqNet(effects=None)}, "effects of net is decided by the task"),
        ({"net": Seq2SeqNet(module__tune="full")}, "tune of net is decided by"),
        ({"generation": {"beams": 2}}, "setting 'beams'"),
    ],
)
def test_what_has_no_effect_is_refused(folder, options, message):
    X, y, groups = study(4, 4)
    model = FreeTextGenerator(generator=folder, **options)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, groups=groups).predict(X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fine_tune": "lora"}, "fine_tune='lora' needs a model that writes"),
        ({"net": Seq2SeqNet()}, "needs a model that writes"),
        ({"generation": {"num_beams": 2}}, "generation=.* needs a model that writes"),
    ],
)
def test_what_needs_a_generator_is_refused_without(options, message):
    X, y, groups = study(4, 4)
    with pytest.raises(ValueError, match=message):
        FreeTextGenerator(**options).fit(X, y, groups=groups)


def test_bad_input(folder, tmp_path):
    X, y, groups = study(4, 4)
    model = FreeTextGenerator(generator=folder)
    with pytest.raises(NotFittedError):
        model.predict(X)
    with pytest.raises(ValueError, match="empty response in row 1"):
        model.fit(X[:2], ["good one", " "])
    with pytest.raises(TypeError, match="must hold texts"):
        model.fit(X[:2], ["good one", 3])
    with pytest.raises(ValueError, match="needs participant ids"):
        clone(model).set_params(mixed_effects="random_slopes").fit(X, y)
    with pytest.raises(ValueError, match="needs a column of text"):
        model.fit(pd.DataFrame({"x": [1.0, 2.0]}), y[:2])
    frame = pd.DataFrame({"text": X, "trial": np.arange(len(X))})
    with pytest.raises(ValueError, match="numeric column 'trial'"):
        model.fit(frame, y)
    both = pd.DataFrame({"a": groups, "b": groups})
    with pytest.raises(ValueError, match="belong to one factor"):
        model.fit(X, y, groups=both)
    with pytest.raises(OSError, match=r"no-such-model.*HF_HUB_OFFLINE.*generator=None"):
        FreeTextGenerator(generator="no-such-model").fit(X, y)
    bert = save_bert(tmp_path / "bert", TEXTS)
    with pytest.raises(ValueError, match="must be an encoder-decoder such as T5"):
        FreeTextGenerator(generator=bert).fit(X, y)
    with pytest.raises(TypeError, match="must be a Seq2SeqNet"):
        FreeTextGenerator(generator=folder, net=MixedEffectsNet()).fit(X, y)
    fitted = model.fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="y has 2 rows; X has 3"):
        fitted.log_proba_of(X[:3], y[:2])
    with pytest.raises(ValueError, match="must be distinct"):
        fitted.predict_proba(X, candidates=["a", "a"])
    ranked = FreeTextGenerator(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="per_token=True has no effect"):
        ranked.log_proba_of(X, y, per_token=True)


def test_one_estimator_does_both_in_turn(folder):
    X, y, _ = study(6, 8)
    model = FreeTextGenerator(random_state=0, mixed_effects="fixed")
    model.fit(X, y)
    ranked = model.predict_proba(X[:3])
    assert hasattr(model, "describe")
    model.set_params(generator=folder).fit(X, y)
    written = model.predict_proba(X[:3])
    assert not np.allclose(ranked, written)
    model.set_params(generator=None).fit(X, y)
    assert np.allclose(model.predict_proba(X[:3]), ranked)
