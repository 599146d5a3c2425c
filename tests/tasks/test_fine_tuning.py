"""Task models whose encoder is trained with head and effects."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

torch = pytest.importorskip("torch")
pd = pytest.importorskip("pandas")

from tiny_models import save_bert  # noqa: E402

from bead_sklearn import (  # noqa: E402
    BinaryClassifier,
    CategoricalClassifier,
    ForcedChoiceClassifier,
    MagnitudeRegressor,
    MixedEffects,
    MultiSelectClassifier,
    OrdinalScaleClassifier,
    OrdinalScaleRegressor,
)
from bead_sklearn.datasets import make_judgments  # noqa: E402
from bead_sklearn.encoders import TransformerEncoder  # noqa: E402
from bead_sklearn.exceptions import SingularFitWarning  # noqa: E402
from bead_sklearn.nn import MixedEffectsNet  # noqa: E402
from bead_sklearn.persistence import load, save  # noqa: E402
from bead_sklearn.query import get_query_strategy  # noqa: E402
from bead_sklearn.tasks._fine_tuning import _head_modes  # noqa: E402
from bead_sklearn.tasks._nets import default_net  # noqa: E402

TASKS = {
    "binary": BinaryClassifier,
    "categorical": CategoricalClassifier,
    "forced_choice": ForcedChoiceClassifier,
    "multi_select": MultiSelectClassifier,
    "ordinal": OrdinalScaleClassifier,
    "slider": OrdinalScaleRegressor,
    "magnitude": MagnitudeRegressor,
}

pytestmark = [
    pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SingularFitWarning"),
    pytest.mark.filterwarnings("ignore::bead_sklearn.exceptions.SeparationWarning"),
    pytest.mark.filterwarnings("ignore:The features under the ridge explain nothing"),
    pytest.mark.filterwarnings("ignore:.*taken to be ordered alphabetically"),
]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def judgments(tmp_path_factory):
    """Judgments of a task, and a BERT whose words are theirs."""
    made = {}

    def make(task):
        if task not in made:
            d = make_judgments(task, n_participants=8, n_items=12, random_state=0)
            strings = d.X.select_dtypes(exclude="number").to_numpy().ravel()
            folder = save_bert(tmp_path_factory.mktemp(task), map(str, strings))
            made[task] = d, folder
        return made[task]

    return make


def net(**options):
    return MixedEffectsNet(
        **{"lr": 1e-3, "head_lr": 1e-3, "max_epochs": 1, "patience": None, **options}
    )


@pytest.mark.parametrize("task", TASKS)
def test_every_task_can_be_tuned_saved_and_loaded(judgments, task, tmp_path):
    d, folder = judgments(task)
    model = TASKS[task](encoder=folder, fine_tune="full", net=net(), random_state=0)
    model.fit(d.X, d.y, groups=d.groups)
    assert model.tuning_.likelihood == "marginal"
    assert len(model.tuning_.valid_loss) == 2
    assert "participant" in str(model.summary()) or "groups" in str(model.summary())
    assert model.variance_components_[0].n_groups == 8
    predicted = model.predict(d.X, groups=d.groups)
    save(model, tmp_path / "model")
    assert np.array_equal(
        load(tmp_path / "model").predict(d.X, groups=d.groups), predicted
    )


@pytest.mark.parametrize("fine_tune", ["full", "lora", 1])
def test_tuning_changes_what_it_says_and_nothing_else(judgments, fine_tune):
    d, folder = judgments("binary")
    options = {"train_split": None, "max_epochs": 2}
    model = BinaryClassifier(
        encoder=folder, fine_tune=fine_tune, net=net(**options), random_state=0
    ).fit(d.X, d.y, groups=d.groups)
    (frozen,) = model._features.encoders_.values()
    names = set(frozen.estimator.weights_)
    attention = {
        f"encoder.layer.{k}.attention.self.{part}.weight"
        for k in (0, 1)
        for part in ("query", "value")
    }
    if fine_tune == "lora":
        assert names == attention
    elif fine_tune == 1:
        assert all(name.startswith("encoder.layer.1.") for name in names)
    else:
        assert "embeddings.word_embeddings.weight" in names
    texts = ["a dog", "the dog barked"]
    before = TransformerEncoder(folder).fit_transform(texts)
    assert not np.allclose(frozen.transform(texts), before, atol=1e-4)
    # The pretrained model itself is as it was.
    assert np.array_equal(TransformerEncoder(folder).fit_transform(texts), before)


def test_the_pretrained_model_reads_each_string_once(judgments, capsys):
    d, folder = judgments("binary")
    model = BinaryClassifier(
        encoder=TransformerEncoder(folder, verbose=1),
        fine_tune="full",
        net=net(max_epochs=0),
        random_state=0,
    ).fit(d.X, d.y, groups=d.groups)
    (column,) = d.X.select_dtypes(exclude="number")
    lines = capsys.readouterr().out.splitlines()
    read = [int(line.split()[1]) for line in lines if line.startswith("[Transf")]
    assert sum(read) == d.X[column].nunique()
    assert model.tuning_.best_epoch == 0


def test_without_steps_the_fit_is_the_frozen_one(judgments):
    d, folder = judgments("binary")
    still = net(lr=0.0, head_lr=0.0)
    tuned = BinaryClassifier(encoder=folder, fine_tune="full", net=still)
    tuned.fit(d.X, d.y, groups=d.groups)
    frozen = BinaryClassifier(encoder=folder).fit(d.X, d.y, groups=d.groups)
    assert tuned.tuning_.best_epoch == 0
    assert not hasattr(tuned.set_params(fine_tune="frozen").fit(d.X, d.y), "tuning_")
    tuned.set_params(fine_tune="full").fit(d.X, d.y, groups=d.groups)
    assert tuned.log_likelihood_ == pytest.approx(frozen.log_likelihood_, abs=1e-4)
    assert np.allclose(
        tuned.predict_proba(d.X, groups=d.groups),
        frozen.predict_proba(d.X, groups=d.groups),
        atol=1e-4,
    )


@pytest.mark.parametrize(
    ("task", "effects"),
    [
        ("binary", "auto"),
        ("categorical", "auto"),
        ("magnitude", "auto"),
        ("forced_choice", "auto"),
        ("binary", "random_slopes"),
        ("binary", "(1 | groups) + (1 | item)"),
    ],
)
def test_training_begins_at_the_frozen_fit(judgments, task, effects):
    """The loss before training is that of the frozen model's linear predictor."""
    d, folder = judgments(task)
    X = d.X
    if "item" in effects and "item" not in X:
        X = X.assign(item=pd.factorize(X.iloc[:, 0])[0].astype(str))
    model = TASKS[task](
        encoder=folder,
        fine_tune="full",
        mixed_effects=effects,
        net=net(lr=0.0, head_lr=0.0, effects_lr=0.0),
        random_state=0,
    )
    import bead_sklearn.tasks._fine_tuning as module

    caught = {}
    make = module._columns

    def spy(start, rows, net):
        caught.update(start=start, net=net, rows=rows)
        return make(start, rows, net)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_columns", spy)
        model.fit(X, d.y, groups=d.groups)
    start, trained, rows = (caught[key] for key in ("start", "net", "rows"))
    held_out = trained.train_split.rows
    name = next(iter(trained.terms_))
    if effects != "auto":
        assert model.tuning_.likelihood == "joint"
        design = start._build(rows, fitting=True)[1]
        eta = start._posterior.predict(design, marginal=())[0][held_out]
        values = rows.family.derivatives(rows.target[held_out], eta).log_likelihood
        assert model.tuning_.valid_loss[0] == pytest.approx(-values.mean(), rel=0.05)
        if effects != "random_slopes":
            for factor, found in start.effects_.items():
                own = trained.effects_of(f"factor:{factor}")
                assert np.allclose(own, found.modes, atol=1e-5)
        return
    # One participant is held out; their effects are integrated out.
    assert model.tuning_.likelihood == "marginal"
    assert len(np.unique(trained.whole_.X[name][held_out])) == 1
    from bead_sklearn.nn._marginal import (
        EffectState,
        marginal_log_likelihood,
        rows_family,
    )

    _, design = start._build(rows)
    fixed, ridge = start._posterior.fixed, start._posterior.ridge
    f = design.dense_matvec(design.fixed, fixed)
    if design.ridge is not None:
        f = f + design.dense_matvec(design.ridge, ridge)
    f = trained._shaped(f.reshape(design.n_rows, -1))[held_out]
    family = trained.family
    if family.sets is not None:
        family = rows_family(family, family.sets[held_out])
    value = marginal_log_likelihood(
        torch.as_tensor(f),
        rows.target[held_out],
        rows.weights[held_out],
        trained._row_factors(held_out),
        EffectState(family, {name: trained.effects[name].theta}),
    )
    n = trained.judgment_weights_[held_out].sum()
    assert model.tuning_.valid_loss[0] == pytest.approx(-float(value) / n, rel=1e-4)


def test_heads_begin_at_those_of_the_frozen_fit(judgments):
    d, folder = judgments("categorical")
    model = CategoricalClassifier(encoder=folder, mixed_effects="random_slopes")
    model.fit(d.X, d.y, groups=d.groups)
    rows = model._encode_rows(
        model._reader.read(model, d.X, reset=False), {"groups": d.groups}, d.y, None
    )
    _, design = model._build(rows, fitting=True)
    (factor,) = design.factors
    intercepts, slopes = _head_modes(model, rows, factor)
    features = model._features
    covariates = features._encode(rows.judgments.texts).rows()
    covariates = covariates - features.ridge_center_
    codes = factor.codes
    found = intercepts[codes] + np.einsum("nd,ndj->nj", covariates, slopes[codes])
    expected = factor.matvec(model._posterior.modes[0]).reshape(found.shape)
    assert np.allclose(found, expected, atol=1e-6)


def reversal(seed=0, n_participants=24, n_each=30):
    """Half of the participants like what the others do not."""
    rng = np.random.default_rng(seed)
    nouns = [f"noun{i}" for i in range(12)]
    texts = np.array(
        [f"a {kind} {noun}" for noun in nouns for kind in ("good", "bad")], dtype=object
    )
    groups = np.repeat(np.arange(n_participants), n_each)
    item = rng.integers(len(texts), size=len(groups))
    liked = (item % 2 == 0) == (groups % 2 == 0)
    y = np.where(rng.uniform(size=len(groups)) < 0.97, liked, ~liked).astype(int)
    test = rng.uniform(size=len(groups)) < 0.25
    return texts[item], y, groups, test


@pytest.fixture(scope="module")
def reversed_bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reversal")
    return save_bert(folder, reversal()[0], dropout=0.0)


def test_slopes_learn_a_reversal_that_the_fixed_model_cannot(reversed_bert):
    X, y, groups, test = reversal()
    found = {}
    for effects in ("fixed", "random_slopes"):
        model = BinaryClassifier(
            encoder=reversed_bert,
            fine_tune="full",
            mixed_effects=effects,
            net=net(max_epochs=3),
            random_state=0,
        ).fit(X[~test], y[~test], groups=groups[~test])
        found[effects] = model.score(X[test], y[test], groups=groups[test])
    assert found["fixed"] < 0.62
    assert found["random_slopes"] >= 0.9


def test_adapters_of_participants_learn_it_too(reversed_bert):
    X, y, groups, test = reversal()
    trained = MixedEffectsNet(
        module__model=reversed_bert,
        module__participant_rank=2,
        effects="lora",
        lr=0.01,
        effects_lr=0.02,
        max_epochs=12,
        patience=None,
        random_state=0,
    ).fit({"texts": X[~test], "groups": groups[~test]}, y[~test].astype(float))
    probabilities = trained.predict({"texts": X[test], "groups": groups[test]})
    assert np.mean((probabilities > 0.5) == y[test]) >= 0.9
    copy = pickle.loads(pickle.dumps(trained))
    again = copy.predict({"texts": X[test], "groups": groups[test]})
    assert np.array_equal(again, probabilities)
    # A new participant has no adapter.
    new = trained.predict({"texts": X[test]})
    assert np.mean((new > 0.5) == y[test]) < 0.62


def test_posterior_and_query_strategies_see_the_tuned_model(judgments):
    d, folder = judgments("binary")
    model = BinaryClassifier(encoder=folder, fine_tune="lora", net=net())
    model.fit(d.X, d.y, groups=d.groups)
    draws = model.sample_posterior(5, d.X, groups=d.groups, random_state=0)
    assert np.isfinite(np.asarray(draws)).all()
    scores = get_query_strategy("entropy")(model, d.X, groups=d.groups)
    assert scores.shape == (len(d.y),)


def test_parameters_of_the_net_are_searched(judgments):
    d, folder = judgments("binary")
    model = BinaryClassifier(
        encoder=folder, fine_tune="full", net=net(), random_state=0
    )
    grid = {"net__lr": [0.0, 1e-3], "net__module__pooling": ["mean"]}
    with pytest.raises(ValueError, match="pooling of net is decided by the task"):
        clone(model).set_params(net__module__pooling="cls").fit(d.X, d.y)
    del grid["net__module__pooling"]
    search = GridSearchCV(model, grid, cv=2, refit=False, error_score="raise")
    search.fit(d.X, d.y)
    assert len(search.cv_results_["mean_test_score"]) == 2
    tuned = [
        clone(model).set_params(**p).fit(d.X, d.y).tuning_.train_loss
        for p in search.cv_results_["params"]
    ]
    assert tuned[0] != tuned[1]


def test_weight_zero_is_absence(judgments):
    d, folder = judgments("binary")
    kept = np.random.default_rng(0).uniform(size=len(d.y)) < 0.8
    model = BinaryClassifier(
        encoder=folder, fine_tune="full", net=net(), random_state=0
    )
    weighted = clone(model).fit(
        d.X, d.y, groups=d.groups, sample_weight=kept.astype(float)
    )
    absent = clone(model).fit(d.X[kept], d.y[kept], groups=d.groups[kept])
    assert weighted.tuning_ == absent.tuning_
    assert np.allclose(
        weighted.predict_proba(d.X, groups=d.groups),
        absent.predict_proba(d.X, groups=d.groups),
    )


def test_variances_that_are_held_stay_so(judgments):
    d, folder = judgments("binary")
    effects = MixedEffects(
        mode="random_intercepts",
        prior_variance=0.25,
        estimate_variance_components=False,
    )
    model = BinaryClassifier(
        encoder=folder, fine_tune="full", net=net(), mixed_effects=effects
    ).fit(d.X, d.y, groups=d.groups)
    assert model.variance_components_[0].variance == pytest.approx(0.25)


def test_several_columns_and_missing_options(judgments):
    d, folder = judgments("forced_choice")
    X = d.X.copy()
    column = X.columns[0]
    X["third"] = X[column].iloc[::-1].to_numpy()
    X.loc[X.index[::3], "third"] = None
    y = np.where(np.arange(len(X)) % 3 == 1, "third", d.y)
    options = [*d.X.columns, "third"]
    model = ForcedChoiceClassifier(
        options=options, encoder=folder, fine_tune="full", net=net(), random_state=0
    ).fit(X, y, groups=d.groups)
    probabilities = model.predict_proba(X, groups=d.groups)
    assert np.allclose(probabilities.sum(axis=1), 1.0)
    assert model.tuning_.likelihood == "marginal"


def test_one_participant_is_trained_on_held_out_judgments(judgments):
    d, folder = judgments("binary")
    model = BinaryClassifier(encoder=folder, fine_tune=1, net=net(), random_state=0)
    model.fit(d.X, d.y, groups=np.zeros(len(d.y), dtype=int))
    assert len(model.tuning_.valid_loss) == 2


def test_an_interrupt_in_the_first_epoch_leaves_the_pretrained_weights(judgments):
    d, folder = judgments("binary")

    class Interrupt(Callback):
        def on_batch_begin(self, net, training=None, **kwargs):
            if training and net.history[-1]["batches"]:
                raise KeyboardInterrupt

    options = {"callbacks": [Interrupt()], "batch_size": 16}
    model = BinaryClassifier(
        encoder=folder, fine_tune="full", net=net(**options), random_state=0
    ).fit(d.X, d.y, groups=d.groups)
    assert (model.tuning_.best_epoch, model.tuning_.train_loss) == (0, [])
    assert len(model.tuning_.valid_loss) == 1
    frozen = BinaryClassifier(encoder=folder).fit(d.X, d.y, groups=d.groups)
    assert model.log_likelihood_ == pytest.approx(frozen.log_likelihood_, abs=1e-4)


def test_texts_that_are_all_alike_are_named(judgments):
    d, folder = judgments("binary")
    model = BinaryClassifier(encoder=folder, fine_tune=1, net=net(), random_state=0)
    with pytest.warns(SingularFitWarning, match="features under the ridge explain"):
        model.fit(["a dog"] * len(d.y), d.y, groups=d.groups)


FRESH = """
import sys, numpy as np, pandas as pd
from bead_sklearn.persistence import load
model = load(sys.argv[1])
X = pd.read_json(sys.argv[2], orient="split")
np.save(sys.argv[3], model.predict_proba(X, groups=np.load(sys.argv[4])))
"""


def test_a_fresh_process_predicts_the_same(judgments, tmp_path):
    d, folder = judgments("binary")
    model = BinaryClassifier(encoder=folder, fine_tune=1, net=net(), random_state=0)
    groups = np.asarray(d.groups).astype(str)
    model.fit(d.X, d.y, groups=groups)
    save(model, tmp_path / "model")
    d.X.to_json(tmp_path / "X.json", orient="split")
    np.save(tmp_path / "groups.npy", groups)
    paths = [tmp_path / name for name in ("model", "X.json", "p.npy", "groups.npy")]
    subprocess.run([sys.executable, "-c", FRESH, *map(str, paths)], check=True)
    expected = model.predict_proba(d.X, groups=groups)
    assert np.array_equal(np.load(tmp_path / "p.npy"), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs the name or path of a Hugging Face model.*Got None"),
        ({"encoder": len}, "needs the name or path of a Hugging Face model"),
        ({"encoder": "FOLDER", "fine_tune": 3}, "The last 3 layers cannot be trained"),
        (
            {"encoder": "FOLDER", "net": net(family="normal")},
            "family of net is decided by the task",
        ),
        (
            {"encoder": "FOLDER", "net": net(effects=None)},
            "effects of net is decided by the task",
        ),
    ],
)
def test_what_cannot_be_tuned_is_refused(judgments, options, message):
    d, folder = judgments("binary")
    if options.get("encoder") == "FOLDER":
        options = {**options, "encoder": folder}
    model = BinaryClassifier(**{"fine_tune": "full", **options})
    with pytest.raises(ValueError, match=message):
        model.fit(d.X, d.y, groups=d.groups)


def test_numbers_alone_cannot_be_tuned(judgments):
    folder = judgments("binary")[1]
    model = BinaryClassifier(encoder=folder, fine_tune="full")
    with pytest.raises(ValueError, match="needs a column of text in X"):
        model.fit(np.eye(4), [0, 1, 0, 1])


def test_texts_cut_in_parts_cannot_be_tuned(judgments):
    d, folder = judgments("binary")
    encoder = TransformerEncoder(folder, overflow="mean")
    with pytest.raises(ValueError, match="needs an encoder with overflow='truncate'"):
        BinaryClassifier(encoder=encoder, fine_tune="full").fit(d.X, d.y)


def test_adapters_take_larger_steps():
    assert default_net("lora").lr == 10 * default_net("full").lr


def test_no_warning_of_the_frozen_fit_is_shown_twice(judgments):
    d, folder = judgments("binary")
    model = BinaryClassifier(encoder=folder, fine_tune="full", net=net())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(d.X, d.y, groups=np.zeros(len(d.y), dtype=int))
    about = [w for w in caught if "it has one level only" in str(w.message)]
    assert len(about) == 1
