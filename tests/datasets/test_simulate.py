"""The stated truth is the model that the judgments were drawn from."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from bead_sklearn.datasets import make_judgments
from bead_sklearn.datasets._lexicon import WORDS
from bead_sklearn.datasets._tasks import TASKS

CHOICES = ["categorical", "forced_choice", "cloze", "free_text"]
SINGLE = ["binary", "ordinal", "slider", "magnitude"]


def positions(d):
    """Positions of each judgment's participant and item among their levels."""
    t = d.truth
    return (
        np.searchsorted(t.participant_ids.astype(str), d.groups.astype(str)),
        np.searchsorted(t.item_ids.astype(str), d.items.astype(str)),
    )


def codes(d):
    """Position of each response among the classes."""
    if d.task == "free_text":
        _, item = positions(d)
        return (d.truth.candidates[item] == d.y[:, None]).argmax(axis=1)
    lookup = {label: k for k, label in enumerate(d.classes)}
    return np.array([lookup[label] for label in d.y.tolist()])


@pytest.mark.parametrize("task", TASKS)
def test_shapes_and_columns(task):
    d = make_judgments(task, n_participants=7, n_items=12, random_state=0)
    assert len(d) == len(d.X) == len(d.frame) == len(d.groups) == len(d.items) == 84
    assert d.task == task
    expected = {
        "categorical": ["premise", "hypothesis"],
        "forced_choice": ["option_a", "option_b"],
    }.get(task, ["text"])
    assert list(d.X.columns) == expected
    assert list(d.frame.columns) == [
        "participant",
        "item",
        "trial",
        "progress",
        *expected,
        "response",
    ]
    assert d.frame["participant"].tolist() == d.groups.tolist()
    assert d.frame["item"].tolist() == d.items.tolist()
    # Texts belong to items.
    texts = d.frame.groupby("item")[expected].nunique()
    assert (texts == 1).all(axis=None)
    assert set(d.frame.groupby("participant")["trial"].apply(tuple)) == {
        tuple(range(1, 13))
    }
    if task == "multi_select":
        assert d.y.shape == (84, len(d.classes))
        joined = ["|".join(np.array(d.classes)[row == 1].tolist()) for row in d.y]
        assert d.frame["response"].tolist() == joined
    else:
        assert d.frame["response"].tolist() == d.y.tolist()
    if d.classes is not None and task not in ("free_text", "multi_select"):
        assert set(d.y.tolist()) <= set(d.classes)
    assert task in d.DESCR
    assert repr(d) == (
        f"Judgments(task={task!r}, n_judgments=84, n_items=12, n_participants=7)"
    )


@pytest.mark.parametrize("task", TASKS)
def test_linear_predictor_is_the_sum_of_the_stated_parts(task):
    n_outputs = 1 if task in SINGLE else 3
    more = {} if task in SINGLE else {"n_categories": 3}
    intercept = 0.3 if task in SINGLE else [0.1, -0.2, 0.4]
    slope = 0.7 if task in SINGLE else [0.5, 0.0, -1.0]
    d = make_judgments(
        task,
        n_participants=9,
        n_items=14,
        n_per_participant=10,
        intercept=intercept,
        slope=slope,
        slope_sd=0.5,
        slope_correlation=-0.4,
        random_state=3,
        **more,
    )
    t = d.truth
    p, i = positions(d)
    time = d.frame["progress"].to_numpy()
    if n_outputs > 1:
        time = time[:, None]
    np.testing.assert_array_equal(t.intercept, intercept)
    fixed = t.intercept + t.slope * time + t.text_effects[i]
    random = (
        t.item_effects[i] + t.participant_effects[p] + t.participant_slopes[p] * time
    )
    np.testing.assert_allclose(t.eta_fixed, fixed, atol=1e-12)
    np.testing.assert_allclose(t.eta, fixed + random, atol=1e-12)
    assert t.participant_covariance.shape == (2 * n_outputs, 2 * n_outputs)
    assert t.item_covariance.shape == (n_outputs, n_outputs)


@pytest.mark.parametrize("task", TASKS)
def test_text_effects_are_sums_of_word_weights(task):
    d = make_judgments(task, n_participants=1, n_items=30, n_per_participant=30)
    weights = dict(zip(d.truth.words, d.truth.word_weights, strict=True))
    item = positions(d)[1]
    columns = list(d.X.columns)
    texts = [d.X[name].str.lower() for name in columns]
    if task != "forced_choice":
        texts = [texts[0]]
    # Longest first, so that "clean" is not found in "cleaned".
    by_length = sorted(weights, key=len, reverse=True)
    for k, column in enumerate(texts):
        for text, which in zip(column, item, strict=True):
            total, rest = 0.0, f" {text} ".replace(".", " ").replace(",", " ")
            for word in by_length:
                if f" {word.lower()} " in rest:
                    total = total + weights[word]
                    rest = rest.replace(f" {word.lower()} ", "  ")
            effect = d.truth.text_effects[which]
            expected = effect[k] if task == "forced_choice" else effect
            np.testing.assert_allclose(total, expected, atol=1e-10)


@pytest.mark.parametrize("task", ["binary", "ordinal", *CHOICES])
def test_responses_have_the_stated_probabilities(task):
    d = make_judgments(task, n_participants=300, n_items=100, random_state=1)
    chosen = codes(d)
    probabilities = d.truth.probabilities
    assert probabilities.shape == (len(d), len(d.classes))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    for k in range(len(d.classes)):
        assert_calibrated(chosen == k, probabilities[:, k])


def test_multi_select_responses_have_the_stated_probabilities():
    d = make_judgments("multi_select", n_participants=300, random_state=1)
    for k in range(len(d.classes)):
        assert_calibrated(d.y[:, k] == 1, d.truth.probabilities[:, k])


def assert_calibrated(happened, probability):
    """Frequencies in five bins of the probability, within Monte-Carlo error."""
    edges = np.quantile(probability, [0.2, 0.4, 0.6, 0.8])
    which = np.digitize(probability, edges)
    for b in range(5):
        p = probability[which == b]
        error = np.sqrt((p * (1 - p)).sum())
        assert abs(happened[which == b].sum() - p.sum()) < 4.5 * error


@pytest.mark.parametrize(
    ("task", "distribution"),
    [
        ("slider", "ordered_beta"),
        ("slider", "truncated_normal"),
        ("slider", "beta"),
        ("magnitude", "lognormal"),
        ("magnitude", "normal"),
    ],
)
def test_numbers_have_the_stated_mean(task, distribution):
    d = make_judgments(
        task, distribution=distribution, n_participants=300, random_state=1
    )
    residual = d.y - d.truth.mean
    standard_error = residual.std() / np.sqrt(len(d))
    assert abs(residual.mean()) < 4.5 * standard_error
    # No trend in eta either.
    eta = d.truth.eta - d.truth.eta.mean()
    error = np.sqrt(np.sum((eta * residual) ** 2))
    assert abs(eta @ residual) < 4.5 * error
    assert d.truth.family == distribution
    assert d.truth.probabilities is None
    if task == "slider":
        assert ((d.y >= 0) & (d.y <= 1)).all()
        at_ends = np.mean((d.y == 0) | (d.y == 1))
        assert (at_ends > 0.05) == (distribution == "ordered_beta")


def test_magnitude_residuals_have_the_stated_sigma():
    d = make_judgments("magnitude", sigma=0.25, n_participants=200, random_state=0)
    residual = np.log(d.y) - d.truth.eta
    assert stats.kstest(residual, stats.norm(0, 0.25).cdf).pvalue > 1e-4
    assert d.truth.link == "log"


@pytest.mark.parametrize("task", TASKS)
def test_effects_have_the_stated_covariance(task):
    d = make_judgments(
        task,
        n_participants=2000,
        n_items=2000,
        n_per_participant=1,
        participant_sd=0.8,
        item_sd=0.6,
        slope_sd=0.5,
        slope_correlation=0.5,
        random_state=0,
    )
    t = d.truth
    u = t.participant_effects.reshape(2000, -1)
    v = t.participant_slopes.reshape(2000, -1)
    stacked = np.column_stack([u, v])
    for drawn, stated in (
        (stacked, t.participant_covariance),
        (t.item_effects.reshape(2000, -1), t.item_covariance),
    ):
        observed = np.cov(drawn.T).reshape(stated.shape)
        scale = np.sqrt(np.outer(np.diag(stated), np.diag(stated)))
        np.testing.assert_allclose(observed / scale, stated / scale, atol=0.13)
    share = 0.5 if task in CHOICES else 1.0
    g = t.participant_covariance
    k = u.shape[1]
    np.testing.assert_allclose(np.diag(g)[:k], 0.64 * share)
    np.testing.assert_allclose(np.diag(g)[k:], 0.25 * share)
    np.testing.assert_allclose(np.diag(g, k), 0.5 * 0.8 * 0.5 * share)
    np.testing.assert_allclose(np.diag(t.item_covariance), 0.36 * share)
    if task in CHOICES:  # the convention: sd of a difference
        assert abs((u[:, 0] - u[:, 1]).std() - 0.8) < 0.06


@pytest.mark.parametrize("task", TASKS)
def test_words_explain_the_stated_share(task):
    d = make_judgments(
        task, n_participants=1, n_items=4000, n_per_participant=1, text_sd=0.7
    )
    effects = d.truth.text_effects.reshape(4000, -1)
    if task in CHOICES:
        k = effects.shape[1]
        pairs = [(a, b) for a in range(k) for b in range(a)]
        variances = [np.var(effects[:, a] - effects[:, b]) for a, b in pairs]
    else:
        variances = effects.var(axis=0)
    assert abs(np.sqrt(np.mean(variances)) - 0.7) < 0.05


@pytest.mark.parametrize("task", ["binary", "categorical", "cloze"])
def test_a_bag_of_words_learns_the_item_effects(task):
    d = make_judgments(
        task, n_participants=1, n_items=1000, n_per_participant=1000, random_state=0
    )
    _, item = positions(d)
    effect = (d.truth.text_effects + d.truth.item_effects)[item]
    if effect.ndim == 2:
        effect = effect[:, 0] - effect[:, -1]
    model = make_pipeline(CountVectorizer(), RidgeCV(np.logspace(-2, 3, 6)))
    predicted = cross_val_predict(model, d.X.iloc[:, 0].tolist(), effect, cv=5)
    assert 1 - np.var(effect - predicted) / np.var(effect) > 0.6


@pytest.mark.parametrize("task", TASKS)
def test_same_seed_same_judgments(task):
    first = make_judgments(task, n_items=20, random_state=5)
    make_judgments("binary", n_items=15, random_state=7)
    np.random.default_rng(0).random()
    again = make_judgments(task, n_items=20, random_state=5)
    other = make_judgments(task, n_items=20, random_state=6)
    assert first.frame.equals(again.frame)
    np.testing.assert_array_equal(first.y, again.y)
    assert not first.frame.equals(other.frame)


def test_global_random_state_is_neither_read_nor_written():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    make_judgments("binary", n_items=5, random_state=0)
    make_judgments("binary", n_items=5, random_state=np.random.RandomState(0))
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_random_state_instance_is_consumed():
    random_state = np.random.RandomState(0)
    first = make_judgments("binary", random_state=random_state)
    second = make_judgments("binary", random_state=random_state)
    seeded = make_judgments("binary", random_state=0)
    assert first.frame.equals(seeded.frame)
    assert not first.frame.equals(second.frame)


def test_effects_sd_changes_neither_texts_nor_design():
    a = make_judgments("binary", participant_sd=0.0, random_state=0)
    b = make_judgments("binary", participant_sd=3.0, random_state=0)
    columns = ["participant", "item", "trial", "text"]
    assert a.frame[columns].equals(b.frame[columns])
    assert (a.truth.participant_effects == 0).all()
    np.testing.assert_array_equal(a.truth.item_effects, b.truth.item_effects)


def test_result_does_not_share_memory_with_later_results():
    first = make_judgments("binary", random_state=0)
    first.truth.eta[:] = 99
    first.y[:] = 5
    again = make_judgments("binary", random_state=0)
    assert not (again.truth.eta == 99).any()
    assert set(again.y.tolist()) == {0, 1}


def test_probit():
    d = make_judgments("binary", link="probit", random_state=0)
    np.testing.assert_allclose(
        d.truth.probabilities[:, 1], stats.norm.cdf(d.truth.eta), rtol=1e-10
    )


def test_given_thresholds_and_scale_are_used():
    d = make_judgments("ordinal", thresholds=[-1, 0.5], n_categories=3, random_state=0)
    assert d.truth.thresholds.tolist() == [-1, 0.5]
    assert d.classes == (1, 2, 3)
    d = make_judgments("slider", scale=(-50, 50), n_participants=60, random_state=0)
    assert d.y.min() == -50
    assert d.y.max() == 50


@pytest.mark.parametrize(
    ("task", "most"), [("categorical", 6), ("forced_choice", 5), ("cloze", 20)]
)
def test_number_of_categories(task, most):
    for n in (2, most):
        d = make_judgments(task, n_categories=n, n_participants=200, random_state=0)
        assert len(d.classes) == len(set(d.classes)) == n
        assert set(codes(d).tolist()) == set(range(n))


def test_free_text_responses_describe_their_item():
    d = make_judgments("free_text", n_categories=8, random_state=0)
    _, item = positions(d)
    assert (d.truth.candidates[item] == d.y[:, None]).any(axis=1).all()
    assert all(len(set(row)) == 8 for row in d.truth.candidates.tolist())
    prompt, plain = d.X["text"][0], d.truth.candidates[item[0], 0]
    person = plain.split(" is ")[0].split(" ", 1)[1]
    assert f" {person} " in prompt


def test_cloze_texts_have_one_blank_and_fillers_fit():
    d = make_judgments("cloze", random_state=0)
    assert (d.X["text"].str.count("___") == 1).all()
    assert set(d.classes) <= set(WORDS)


def test_extra_columns():
    d = make_judgments("binary", extra_columns=["progress", "item"], random_state=0)
    assert list(d.X.columns) == ["text", "progress", "item"]
    progress = d.X["progress"].to_numpy().reshape(50, 40)
    np.testing.assert_allclose(progress, np.tile(np.linspace(-1, 1, 40), (50, 1)))


def test_containers_hold_the_same():
    pandas = make_judgments("multi_select", container="pandas", random_state=0)
    polars = make_judgments("multi_select", container="polars", random_state=0)
    records = make_judgments("multi_select", container="records", random_state=0)
    automatic = make_judgments("multi_select", random_state=0)
    assert type(pandas.X).__module__.startswith("pandas")
    assert type(polars.X).__module__.startswith("polars")
    assert type(automatic.X) is type(pandas.X)
    assert pandas.frame.to_dict("records") == polars.frame.to_dicts()
    assert records.frame == polars.frame.to_dicts()
    assert [{"text": text} for text in polars.X["text"]] == records.X


@pytest.mark.parametrize(
    ("hidden", "expected"), [(["pandas"], "DataFrame"), (["pandas", "polars"], "list")]
)
def test_automatic_container_without(hidden, expected, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in hidden else find(name)
    )
    d = make_judgments("binary", n_items=5, random_state=0)
    assert type(d.X).__name__ == expected
    assert not type(d.X).__module__.startswith("pandas")


def test_neither_pandas_nor_polars_nor_torch_is_needed():
    code = (
        "import sys;"
        "sys.modules.update(pandas=None, polars=None);"
        "from bead_sklearn.datasets import make_judgments;"
        "d = make_judgments('binary', n_items=5);"
        "assert isinstance(d.X, list), type(d.X);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_one_judgment():
    d = make_judgments("binary", n_participants=1, n_items=1, random_state=0)
    assert len(d) == 1
    assert d.frame["progress"].tolist() == [0.0]


@pytest.mark.parametrize(
    ("task", "parameters", "message"),
    [
        ("ordinal_scale", {}, r"task must be one of 'binary', 'categorical', .*'free_"),
        ("binary", {"n_items": 0}, "'n_items' parameter of make_judgments must be"),
        ("binary", {"n_participants": 2.5}, "'n_participants' parameter"),
        ("binary", {"participant_sd": -1}, "'participant_sd' parameter"),
        ("binary", {"item_sd": float("nan")}, "'item_sd' parameter"),
        ("binary", {"slope_correlation": 2}, "'slope_correlation' parameter"),
        ("binary", {"slope_correlation": 0.5}, "no effect when slope_sd is 0"),
        ("binary", {"link": "log"}, "'link' parameter"),
        ("binary", {"random_state": "x"}, "'random_state' parameter"),
        ("binary", {"n_per_participant": 201}, "exceeds n_items=200"),
        ("binary", {"n_categories": 3}, "no effect for task 'binary'"),
        ("binary", {"sigma": 1.0}, "sigma=1.0 has no effect for task 'binary'"),
        ("binary", {"distribution": "beta"}, "must be one of 'bernoulli'. Got 'beta'"),
        ("magnitude", {"link": "logit"}, "link='logit' has no effect"),
        ("slider", {"sigma": 1.0}, "distribution 'ordered_beta'"),
        ("slider", {"scale": (1, 1)}, "the lower end first"),
        ("slider", {"scale": (0, float("inf"))}, "two finite numbers"),
        ("slider", {"thresholds": [1, 0]}, "2 finite, strictly increasing"),
        ("ordinal", {"thresholds": [0, 1]}, "must be 4 finite, strictly increasing"),
        ("ordinal", {"thresholds": [0, 1, 1, 2]}, "strictly increasing"),
        ("categorical", {"n_categories": 1}, "'n_categories' parameter"),
        ("categorical", {"n_categories": 51}, "from 2 to 50. Got 51"),
        ("free_text", {"n_categories": 9}, "from 2 to 8"),
        ("categorical", {"intercept": 1.0}, "changes no probability. Give 3 numbers"),
        ("categorical", {"slope": [1.0]}, "slope of task 'categorical' must be 3"),
        ("binary", {"intercept": [1, 2]}, "must be 1 finite"),
        ("binary", {"extra_columns": ["nope"]}, r"Got \['nope'\]"),
        ("binary", {"extra_columns": "item"}, "must be a list of names"),
        ("binary", {"container": "arrow"}, "container must be one of 'auto'"),
        ("free_text", {"n_items": 9000}, "9000 different texts were asked for"),
    ],
)
def test_errors(task, parameters, message):
    with pytest.raises(ValueError, match=message):
        make_judgments(task, **parameters)
