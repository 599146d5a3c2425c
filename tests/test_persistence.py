"""Saved models: everything comes back, and nothing but data is ever built."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import fractions
import functools
import hashlib
import json
import os
import stat
import subprocess
import sys
import uuid
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import (
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import Bunch

from bead_sklearn import (
    ActiveLearningSearch,
    BinaryClassifier,
    MagnitudeRegressor,
    MixedEffects,
    persistence,
)
from bead_sklearn.datasets import make_judgments
from bead_sklearn.encoders import HashedTextEncoder
from bead_sklearn.persistence._arrays import from_tensor, to_tensor
from bead_sklearn.persistence._decode import Decoder
from bead_sklearn.persistence._encode import Encoder

HERE = [__name__]


def round_trip(value, trusted=()):
    """Through JSON text and tensors, as in a file, without the disk."""
    encoder = Encoder()
    text = json.dumps(encoder.encode(value, "model"), allow_nan=False)
    return Decoder(encoder.tensors, tuple(trusted)).decode(json.loads(text))


def same(left, right) -> bool:
    """Equal in type and value, all the way down; nan equals nan."""
    if type(left) is not type(right):
        return False
    if isinstance(left, np.ndarray):
        return (
            left.dtype == right.dtype
            and left.shape == right.shape
            and left.flags.f_contiguous == right.flags.f_contiguous
            and (
                all(map(same, left.ravel().tolist(), right.ravel().tolist()))
                if left.dtype == object
                else left.tobytes() == right.tobytes()
            )
        )
    if isinstance(left, np.generic):
        return left.dtype == right.dtype and left.tobytes() == right.tobytes()
    if isinstance(left, float):
        return np.float64(left).tobytes() == np.float64(right).tobytes() or (
            left != left and right != right
        )
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same(list(left), list(right)) and same(
            list(left.values()), list(right.values())
        )
    return left == right


# Values of every kind that estimators hold.

DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?"),
    npst.complex_number_dtypes(),
    npst.unicode_string_dtypes(),
    npst.byte_string_dtypes(),
    npst.datetime64_dtypes(),
    npst.array_dtypes(npst.integer_dtypes(), allow_subarrays=True),
)
ARRAYS = npst.arrays(
    DTYPES, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
)
KEYS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.tuples(st.integers(), st.text(max_size=2)),
    st.floats(allow_nan=False).map(np.float64),
    st.text(max_size=4).map(np.str_),
)
LEAVES = st.one_of(
    KEYS,
    st.floats(),
    st.complex_numbers(allow_nan=False),
    st.floats(width=32).map(np.float32),
    st.binary(max_size=4).map(bytearray),
    st.frozensets(KEYS, max_size=3),
    st.sets(st.integers(), max_size=3),
    ARRAYS,
)
TREES = st.recursive(
    LEAVES,
    lambda children: st.one_of(
        st.lists(children, max_size=3),
        st.lists(children, max_size=3).map(tuple),
        st.dictionaries(KEYS, children, max_size=3),
        st.dictionaries(st.text(max_size=4), children, max_size=3),
    ),
    max_leaves=10,
)


@given(TREES)
def test_trees_come_back_equal(tree):
    assert same(round_trip(tree), tree)


@given(ARRAYS, st.booleans())
def test_arrays_come_back_equal_in_either_order(array, fortran):
    array = np.asfortranarray(array) if fortran and array.ndim > 1 else array
    back = round_trip(array)
    assert same(back, array)
    assert back.flags.writeable
    assert back.flags.owndata or back.base.flags.owndata


def test_trees_come_back_equal_from_disk(tmp_path):
    tree = {
        "text": "one \u00e9\u4e2d \ud800 line\nnext",
        "numbers": [0.1, -0.0, float("nan"), float("inf"), 10**40, True, None],
        "array": np.array([[1.5, np.nan], [np.inf, -0.0]], order="F"),
        "": np.array("x"),
        1: (np.float32(0.1), np.int8(-3), np.datetime64("2020-02-02"), b"\x00\xff"),
        "bool": np.array([True, False]),
        "words": np.array(["a", "long word"]),
        "ids": np.array(["p1", 7, None, ("a", 1)], dtype=object),
        "nothing": np.empty((0, 3)),
    }
    assert same(persistence.load(persistence.save(tree, tmp_path / "tree")), tree)


def test_other_kinds_of_array_are_refused():
    record = np.zeros(1, dtype=[("a", object)])
    for value in (record, record[0], np.eye(2).view(np.recarray)):
        with pytest.raises(TypeError, match=r"^model"):
            round_trip(value)


def test_slices_of_an_array_come_back_as_they_look():
    array = np.arange(24.0).reshape(4, 6)
    for view in (array[::2], array[:, 1::2], array[::-1], array.T[1:]):
        np.testing.assert_array_equal(round_trip(view), view)


@pytest.mark.parametrize(
    "value",
    [
        slice(1, None, 2),
        range(3, 9, 2),
        Path("some") / "where",
        np.dtype("float32"),
        np.dtype([("a", "<i4"), ("b", "<f8", (2,))]),
        np.float64,
        str,
        Ridge,
        np.longdouble("0.1"),
        np.complex64(1 + 2j),
        datetime.date(2020, 2, 3),
        datetime.datetime(2020, 2, 3, 4, tzinfo=datetime.UTC),
        datetime.timedelta(days=1, seconds=3),
        decimal.Decimal("1.10"),
        fractions.Fraction(1, 3),
        uuid.UUID(int=5),
    ],
)
def test_plain_values(value):
    assert same(round_trip(value), value)


def test_masked_arrays():
    for data in (np.array([1.0, 2.0]), np.array(["a", 3], dtype=object)):
        array = np.ma.MaskedArray(data, mask=[True, False], fill_value=data[1])
        back = round_trip(array)
        assert isinstance(back, np.ma.MaskedArray)
        assert same(back.data, array.data)
        assert back.mask.tolist() == [True, False]
        assert back.fill_value == array.fill_value


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("form", ["csr", "csc", "bsr", "coo", "dia", "lil", "dok"])
def test_sparse(form, kind):
    dense = np.array([[0.0, 1.0, 0.0], [2.0, 0.0, np.inf]])
    matrix = getattr(sp, f"{form}_{kind}")(dense)
    back = round_trip(matrix)
    assert type(back) is type(matrix)
    assert back.dtype == matrix.dtype
    np.testing.assert_array_equal(back.toarray(), dense)


def test_sparse_keeps_long_indices_and_explicit_zeros():
    matrix = sp.csr_array(np.array([[0.0, 1.0]]))
    matrix.indices = matrix.indices.astype(np.int64)
    matrix.indptr = matrix.indptr.astype(np.int64)
    matrix.data[0] = 0.0
    back = round_trip(matrix)
    assert back.nnz == 1
    assert back.indices.dtype == back.indptr.dtype == np.int64


def test_sparse_indices_out_of_range_are_refused():
    encoder = Encoder()
    node = encoder.encode(sp.csr_array(np.eye(2)), "model")
    encoder.tensors["model.indices"] = np.array([0, 900], dtype=np.int32)
    with pytest.raises(ValueError, match="indices"):
        Decoder(encoder.tensors, ()).decode(node)


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_random_generators_continue(make):
    generator = make(3)
    generator.normal(size=3)
    back = round_trip(generator)
    np.testing.assert_array_equal(back.normal(size=5), generator.normal(size=5))


@pytest.mark.parametrize("name", ["MT19937", "PCG64DXSM", "Philox", "SFC64"])
def test_bit_generators(name):
    generator = np.random.Generator(getattr(np.random, name)(3))
    back = round_trip(generator)
    assert back.integers(10**9) == generator.integers(10**9)


# Identity.


def test_what_is_shared_stays_shared():
    array, words, matrix = np.arange(3), ["a"], sp.csr_array(np.eye(2))
    scaler = StandardScaler()
    values = [array, words, matrix, scaler, {"k": words}]
    model = {"first": values, "second": list(values), "copy": array.copy()}
    back = round_trip(model)
    for left, right in zip(back["first"], back["second"], strict=True):
        assert left is right
    assert back["first"][4]["k"] is back["first"][1]
    assert back["copy"] is not back["first"][0]


def test_one_array_is_stored_once():
    encoder = Encoder()
    array = np.arange(3)
    encoder.encode([array, array, (array,)], "model")
    assert list(encoder.tensors) == ["model[0]"]


def test_cycles():
    node = SimpleNode()
    node.itself = node
    node.children = [node]
    back = round_trip(node, HERE)
    assert back.itself is back
    assert back.children[0] is back
    words: list = []
    words.append(words)
    back = round_trip(words)
    assert back[0] is back
    array = np.empty(1, dtype=object)
    array[0] = array
    back = round_trip(array)
    assert back[0] is back


def test_a_tuple_that_contains_itself_is_refused():
    words: list = []
    pair = (words,)
    words.append(pair)
    with pytest.raises(ValueError, match=r"model\[0\]\[0\] is a tuple that contains"):
        round_trip(pair)


def test_paths_that_read_alike_are_two_arrays():
    tree = {"a": {1: np.zeros(1), "1": np.ones(1)}, "a]": 0, "a'": np.full(1, 2.0)}
    tree["x"] = {np.str_("1"): np.full(1, 4.0), "1": np.full(1, 3.0)}
    assert same(round_trip(tree), tree)


# Objects.


class SimpleNode:
    pass


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: int
    b: np.ndarray


@dataclasses.dataclass(frozen=True, slots=True)
class Slots:
    a: int
    b: str = "x"


class PlainSlots:
    __slots__ = ("__dict__", "a")


class Stateful:
    def __init__(self):
        self.kept, self.dropped = 1, open  # a function, not for the file

    def __getstate__(self):
        return {"kept": self.kept}

    def __setstate__(self, state):
        self.kept, self.dropped = state["kept"], "rebuilt"


class NeedsItsConstructor:
    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        return (NeedsItsConstructor, (self.value,))


Pair = collections.namedtuple("Pair", ["left", "right"])


class Words(list):
    pass


def test_objects():
    frozen = round_trip(Frozen(1, np.arange(2)), HERE)
    assert (frozen.a, frozen.b.tolist()) == (1, [0, 1])
    slots = Slots(3, "y")
    assert round_trip(slots, HERE) == slots
    plain = PlainSlots()
    plain.a, plain.b = 1, 2
    back = round_trip(plain, HERE)
    assert (back.a, back.b) == (1, 2)
    assert round_trip(Stateful(), HERE).dropped == "rebuilt"
    assert same(round_trip(Pair(1, [2]), HERE), Pair(1, [2]))
    words = Words(["a", "b"])
    words.note = "n"
    back = round_trip(words, HERE)
    assert (list(back), back.note, type(back)) == (["a", "b"], "n", Words)
    bunch = round_trip(Bunch(data=[1], name="n"))
    assert isinstance(bunch, Bunch)
    assert bunch.data == [1]


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (FunctionTransformer(np.log1p), "model.func"),
        (FunctionTransformer(np.mean), "model.func"),
        (TfidfVectorizer(analyzer=str.split), "model.analyzer"),
        (FunctionTransformer(lambda x: x), "model.func"),
        (FunctionTransformer(len), "model.func"),
        (FunctionTransformer(functools.partial(max, 0)), "model.func"),
        (
            Pipeline([("a", StandardScaler()), ("b", FunctionTransformer(max))]),
            r"model.steps\[1\]\[1\].func",
        ),
        ({"list": [1, {(1, 2): max}]}, r"model\['list'\]\[1\]\[\(1, 2\)\]"),
        ([StandardScaler().fit], r"model\[0\]"),
    ],
)
def test_functions_are_refused_by_their_path(model, path, tmp_path):
    with pytest.raises(TypeError, match=f"Functions cannot be saved: {path} is"):
        persistence.save(model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_data_is_refused_by_its_path(tmp_path):
    class Local:
        pass

    with (tmp_path / "file").open("w") as file:
        for value, message in [
            (file, "cannot pickle"),
            (np, "cannot pickle"),
            (Local(), "inside a function"),
            (Local, "inside a function"),
            (NeedsItsConstructor(1), "only rebuilt"),
            (collections.OrderedDict(a=1), "only rebuilt"),
        ]:
            with pytest.raises(TypeError, match=r"^model\['x'\] .*" + message):
                round_trip({"x": value})


# scikit-learn.

X, Y = make_classification(n_samples=60, n_features=6, random_state=0)
TEXTS = ["a cat sat", "a dog ran", "the cat ran", "no dog", "cat", "a a dog"] * 10


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        RandomForestClassifier(n_estimators=3, random_state=0),
        MLPClassifier(4, max_iter=300, tol=0.1, random_state=0),
        make_pipeline(StandardScaler(), Ridge(alpha=np.float32(2.0))),
        KNeighborsClassifier(algorithm="brute"),
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=KFold(2)),
        KMeans(2, n_init=1, random_state=0),
        make_pipeline(
            ColumnTransformer(
                [("a", StandardScaler(), slice(0, 3)), ("b", "passthrough", [4, 5])]
            ),
            LogisticRegression(),
        ),
    ],
    ids=lambda model: type(model).__name__,
)
def test_sklearn_estimators_predict_the_same(model, tmp_path):
    model.fit(X, Y)
    back = persistence.load(persistence.save(model, tmp_path / "m"))
    for method in ("predict", "predict_proba", "decision_function"):
        if hasattr(model, method):
            expected = getattr(model, method)(X)
            np.testing.assert_array_equal(getattr(back, method)(X), expected)
    assert repr(back) == repr(model)


def test_boosted_trees_predict_the_same(tmp_path):
    model = HistGradientBoostingClassifier(max_iter=2).fit(X, Y)
    back = persistence.load(persistence.save(model, tmp_path / "m"))
    np.testing.assert_array_equal(back.predict_proba(X), model.predict_proba(X))


def test_sklearn_text_pipelines_transform_the_same(tmp_path):
    model = make_pipeline(
        FeatureUnion(
            [
                ("words", make_pipeline(HashingVectorizer(n_features=64))),
                ("chars", TfidfVectorizer(analyzer="char", dtype=np.float32)),
            ]
        ),
        TfidfTransformer(norm="l1"),
        TruncatedSVD(4, random_state=0),
        StandardScaler().set_output(transform="pandas"),
    )
    model.fit(TEXTS)
    back = persistence.load(persistence.save(model, tmp_path / "m"))
    expected = model.transform(TEXTS)
    assert hasattr(expected, "columns")
    assert back.transform(TEXTS).equals(expected)


def test_one_hot_encoder_of_mixed_ids(tmp_path):
    ids = np.array([["p1", 1], ["p2", 2]], dtype=object)
    model = OneHotEncoder(dtype=np.float32).fit(ids)
    back = persistence.load(persistence.save(model, tmp_path / "m"))
    assert (back.transform(ids) != model.transform(ids)).nnz == 0


def test_unfitted_estimators_come_back_unfitted(tmp_path):
    back = persistence.load(persistence.save(LogisticRegression(C=3), tmp_path / "m"))
    assert back.C == 3
    assert not hasattr(back, "coef_")


# The package's own.


@pytest.fixture(scope="module")
def judgments():
    sizes = {"n_participants": 8, "n_items": 20, "n_per_participant": 15}
    return make_judgments("binary", participant_sd=2.0, **sizes, random_state=0)


@pytest.mark.parametrize("slopes", [False, True])
def test_binary_classifier(judgments, slopes, tmp_path):
    X = judgments.frame[["text", "progress", "participant", "item"]]
    model = BinaryClassifier(
        mixed_effects=MixedEffects(formula="(1 + progress || participant)")
        if slopes
        else "(1 | participant) + (1 | item)"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, judgments.y)
    saved = persistence.save(model, tmp_path / "m")
    back = persistence.load(saved)
    new = X.assign(participant="new")
    for rows in (X, new):
        expected = model.predict_proba(rows)
        np.testing.assert_array_equal(back.predict_proba(rows), expected)
    assert str(back.summary()) == str(model.summary())
    card = (saved / "README.md").read_text()
    assert str(model.summary()) in card
    assert "- levels of participant: 8" in card


def test_magnitude_regressor_in_a_pipeline(tmp_path):
    d = make_judgments("magnitude", n_participants=8, n_items=20, random_state=0)
    model = make_pipeline(HashedTextEncoder(), MagnitudeRegressor())
    texts = d.X["text"].tolist()
    model.fit(texts, d.y, magnituderegressor__groups=d.groups)
    back = persistence.load(persistence.save(model, tmp_path / "m"))
    np.testing.assert_array_equal(back.predict(texts), model.predict(texts))
    X = model[0].transform(texts)
    for expected, found in zip(
        model[1].predict(X, groups=d.groups, return_std=True),
        back[1].predict(X, groups=d.groups, return_std=True),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_active_learning_search(judgments, tmp_path):
    search = ActiveLearningSearch(
        BinaryClassifier(mixed_effects="fixed"), max_labels=40, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(judgments.X, judgments.y)
    back = persistence.load(persistence.save(search, tmp_path / "m"))
    expected = search.predict_proba(judgments.X)
    np.testing.assert_array_equal(back.predict_proba(judgments.X), expected)
    for left, right in zip(search.queries_, back.queries_, strict=True):
        np.testing.assert_array_equal(left, right)


# Trust.


def test_untrusted_classes_are_named_and_not_imported(tmp_path, monkeypatch):
    module = tmp_path / "unheard_of.py"
    module.write_text("import sys\nsys.touched = True\nclass A:\n    x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import unheard_of  # type: ignore[import-not-found]

    path = persistence.save([unheard_of.A(), Frozen(1, np.eye(1))], tmp_path / "m")
    del sys.modules["unheard_of"], sys.touched
    with pytest.raises(
        ValueError, match=r"unheard_of\.A\. If .* trusted=\['unheard"
    ) as e:
        persistence.load(path, trusted=HERE)
    assert __name__ not in str(e.value)
    assert not hasattr(sys, "touched")
    with pytest.raises(ValueError, match=rf"{__name__}\.Frozen, unheard_of\.A"):
        persistence.load(path)
    back = persistence.load(path, trusted=[*HERE, "unheard_of"])
    assert back[0].x == 1
    del sys.touched


def test_the_list_of_classes_is_not_what_protects(tmp_path):
    path = persistence.save(Frozen(1, np.eye(1)), tmp_path / "m")
    edit(path, lambda document: document.update(classes=[]))
    with pytest.raises(ValueError, match="not trusted"):
        persistence.load(path)


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "builtins:eval",
        "builtins:type",
        "subprocess:Popen",
        "numpy:ndarray",
        "numpy:vectorize",
        "numpy.random:RandomState",
        "sklearn_evil:A",
        "bead_sklearnx:A",
        "joblib.memory:Memory",
        "",
    ],
)
def test_classes_outside_the_list_are_refused(name):
    with pytest.raises(ValueError, match="not trusted"):
        Decoder({}, ()).decode({"type": "object", "class": name})


@pytest.mark.parametrize(
    "name",
    [
        "bead_sklearn.persistence._folder:Path",
        "bead_sklearn.persistence._folder:os.system",
        "bead_sklearn.persistence._folder:save",
        "bead_sklearn.persistence._classes:importlib",
        "sklearn.utils:os.PathLike",
        "sklearn.linear_model:LogisticRegression",
        "sklearn.no_such_module:A",
        "sklearn.linear_model._logistic:NoSuchClass",
        "sklearn.linear_model._logistic:",
    ],
)
def test_a_trusted_module_does_not_lend_its_imports(name):
    with pytest.raises(ValueError, match="model names"):
        Decoder({}, ()).decode({"type": "object", "class": name})


def test_trusted_must_be_a_collection_of_names(tmp_path):
    path = persistence.save([1], tmp_path / "m")
    with pytest.raises(TypeError, match=r"trusted=\['mine'\]"):
        persistence.load(path, trusted="mine")
    with pytest.raises(TypeError, match=r"names of modules\. Got 3"):
        persistence.load(path, trusted=[3])


def test_trust_covers_what_is_below_a_module_only():
    from bead_sklearn.persistence._classes import is_trusted

    assert is_trusted("mine.sub:A", ("mine",))
    assert not is_trusted("mine2:A", ("mine",))
    assert not is_trusted("mine:A", ("mine.sub",))


# Damage.


def edit(path: Path, change) -> None:
    document = json.loads((path / "model.json").read_text())
    change(document)
    (path / "model.json").write_text(json.dumps(document))


def resign(path: Path) -> None:
    """Make the checksum fit again, as somebody who means harm would."""
    digest = hashlib.sha256((path / "arrays.safetensors").read_bytes()).hexdigest()
    edit(path, lambda document: document.update(arrays_sha256=digest))


@pytest.fixture
def saved(tmp_path) -> Path:
    return persistence.save({"a": np.arange(6.0).reshape(2, 3)}, tmp_path / "model")


def test_no_model_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        persistence.load(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match=r"not the folder .* no model\.json"):
        persistence.load(tmp_path)


def test_missing_arrays(saved):
    (saved / "arrays.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks arrays\.safetensors"):
        persistence.load(saved)


def test_changed_arrays(saved):
    file = saved / "arrays.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match="SHA-256"):
        persistence.load(saved)
    file.write_bytes(b"not tensors")
    resign(saved)
    with pytest.raises(ValueError, match="is damaged"):
        persistence.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [3, 3]}, "must be stored with shape"),
        ({"dtype": "<f4"}, "must be stored with shape"),
        ({"dtype": "|O"}, "plain values"),
        ({"dtype": "<U3"}, "must be stored with shape"),
        ({"dtype": "nonsense"}, "does not exist"),
        ({"name": "b"}, "no array 'b'"),
    ],
)
def test_arrays_that_do_not_fit_their_description(saved, change, message):
    edit(saved, lambda document: document["model"]["entries"]["a"].update(change))
    with pytest.raises(ValueError, match=message):
        persistence.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format version 99"),
        ({"format_version": "1"}, "format version '1'"),
        ({"format": "something"}, "not written by"),
        ({"model": {"type": "eval"}}, "unknown type of node 'eval'"),
        ({"model": [1]}, "unexpected list"),
        ({"model": {"type": "list"}}, "'items' is missing"),
        ({"model": {"type": "ref", "id": 0}}, "missing node 0"),
        ({"model": {"type": "bytes", "base64": "%"}}, "damaged"),
        (
            {"model": {"type": "Generator", "state": {"type": "dict", "entries": {}}}},
            "bit",
        ),
    ],
)
def test_damaged_documents(saved, change, message):
    edit(saved, lambda document: document.update(change))
    with pytest.raises(ValueError, match=message):
        persistence.load(saved)


def test_a_tree_that_makes_no_sense(saved):
    for node in ({"type": "dict", "entries": 3}, {"type": "array"}, {"type": "list"}):
        edit(saved, lambda document, node=node: document.update(model=node))
        with pytest.raises(ValueError, match="is damaged"):
            persistence.load(saved)


def test_tables_are_refused_by_name(tmp_path):
    pandas = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match=r"model\['X'\] is a .*DataFrame; of tables"):
        persistence.save({"X": pandas.DataFrame({"a": [1]})}, tmp_path / "m")


def test_text_that_is_not_json(saved):
    (saved / "model.json").write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        persistence.load(saved)


def test_another_version_of_the_suite_warns(saved):
    edit(saved, lambda document: document["versions"].update(bead_sklearn="0.0.1"))
    with pytest.warns(UserWarning, match=r"saved by bead_sklearn 0\.0\.1"):
        persistence.load(saved)


def test_tensors_keep_the_dtype_of_foreign_byte_order():
    array = np.arange(3, dtype=">i4")
    tensor = to_tensor(array)
    back = from_tensor(tensor, "a", dtype=array.dtype, shape=(3,), order="C")
    assert back.dtype == array.dtype
    assert back.tolist() == [0, 1, 2]


# Folders.


def test_an_existing_model_is_replaced_only_when_asked(tmp_path):
    path = persistence.save([1], tmp_path / "m")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        persistence.save([2], path)
    assert persistence.load(path) == [1]
    persistence.save([2], path, overwrite=True)
    assert persistence.load(path) == [2]
    assert os.listdir(tmp_path) == ["m"]


def test_what_is_not_a_model_is_never_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("years")
    (tmp_path / "file").write_text("x")
    model = persistence.save([1], tmp_path / "model")
    (tmp_path / "link").symlink_to(model)
    for name in ("folder", "file", "link"):
        with pytest.raises(FileExistsError, match="not replaced"):
            persistence.save([1], tmp_path / name, overwrite=True)
    assert (tmp_path / "folder" / "thesis.txt").read_text() == "years"


def test_the_parent_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        persistence.save([1], tmp_path / "a" / "b")


@pytest.mark.parametrize("step", ["save_file", "model_card", "_write_text", "flush"])
@pytest.mark.parametrize("existing", [False, True])
def test_a_failed_save_leaves_everything_as_it_was(
    tmp_path, monkeypatch, step, existing
):
    path = tmp_path / "m"
    if existing:
        persistence.save([1], path)

    def fail(*args):
        raise OSError("No space left on device")

    for module in (persistence._folder, persistence._atomic):
        monkeypatch.setattr(module, step, fail, raising=False)
    with pytest.raises(OSError, match="No space"):
        persistence.save([2], path, overwrite=True)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == (["m"] if existing else [])
    if existing:
        assert persistence.load(path) == [1]


def test_a_failed_rename_puts_the_old_model_back(tmp_path, monkeypatch):
    path = persistence.save([1], tmp_path / "m")
    rename = Path.rename

    def fail(self, target):
        if self.suffix == ".tmp":
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="no"):
        persistence.save([2], path, overwrite=True)
    assert os.listdir(tmp_path) == ["m"]
    assert persistence.load(path) == [1]


def test_relative_paths_and_permissions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o022)
    try:
        persistence.save([1], "m/")
    finally:
        os.umask(before)
    assert persistence.load("m") == [1]
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o755
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "m").iterdir()}
    assert modes == {0o644}


def test_equal_models_give_equal_files(tmp_path):
    """Also in interpreters that order sets differently."""
    script = (
        "import sys; import numpy as np; from bead_sklearn import persistence\n"
        "words = {'stop': {'the', 'a', 'an', 'of'}, 'w': np.arange(3.0)}\n"
        "persistence.save(words, sys.argv[1])"
    )
    contents = []
    for seed in ("1", "2"):
        path = tmp_path / seed
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", script, path]
        subprocess.run(command, check=True, env=environment)
        contents.append({file.name: file.read_bytes() for file in path.iterdir()})
    assert contents[0] == contents[1]


def test_metadata(tmp_path):
    roles = {"text": ["sentence"], "participant": "worker", "n": 3}
    path = persistence.save([1], tmp_path / "m", metadata=roles)
    assert persistence.read_metadata(path) == roles
    bare = persistence.save([1], tmp_path / "bare")
    assert persistence.read_metadata(bare) == {}
    with pytest.raises(TypeError, match="JSON"):
        persistence.save([1], tmp_path / "bad", metadata={"f": max})


def test_the_card_says_what_the_model_is(tmp_path):
    model = LogisticRegression(C=2.5).fit(X, np.where(Y == 1, "yes", "no"))
    card = (persistence.save(model, tmp_path / "m") / "README.md").read_text()
    assert card.startswith("# LogisticRegression\n")
    for line in (
        "- columns of X: 6",
        "- labels (2): no, yes",
        "LogisticRegression(C=2.5)",
    ):
        assert line in card.splitlines()
    described = SimpleNode()
    component = SimpleNode()
    component.grouping_factor, component.n_groups = "w", 9
    described.variance_components_ = [component]
    card = (persistence.save(described, tmp_path / "n") / "README.md").read_text()
    assert "- levels of w: 9" in card
    assert f"trusted={[__name__]!r}" in card


def test_importing_needs_no_torch():
    script = (
        "import sys; import bead_sklearn.persistence\n"
        "assert not {'torch', 'transformers', 'skorch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
