"""What InputReader makes of each form of X."""

from __future__ import annotations

import datetime
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from bead_sklearn.inputs import InputReader

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")


def read(X, **options):
    return InputReader(**options).read(BaseEstimator(), X, reset=True)


def assert_same(first, second):
    assert first.n_rows == second.n_rows
    assert list(first.texts) == list(second.texts)
    for name, text in first.texts.items():
        assert text.values == second.texts[name].values
        np.testing.assert_array_equal(text.index, second.texts[name].index)
    assert first.numeric_names == second.numeric_names
    assert (first.numeric is None) == (second.numeric is None)
    if first.numeric is not None:
        np.testing.assert_array_equal(first.numeric, second.numeric)
        assert first.numeric.dtype == second.numeric.dtype == np.float64
    assert list(first.factors) == list(second.factors)
    for name, ids in first.factors.items():
        assert ids.dtype == object
        assert ids.tolist() == second.factors[name].tolist()


strings = st.lists(st.text(max_size=4), min_size=1, max_size=12)


@given(strings)
def test_containers_of_one_text_column_agree(values):
    expected = read(values)
    assert expected.texts["text"].values == list(dict.fromkeys(values))
    got = [expected.texts["text"].values[i] for i in expected.texts["text"].index]
    assert got == values
    for same in (
        tuple(values),
        np.array(values, dtype=object),
        pd.Series(values, dtype="str"),
        pd.Series(values, dtype=object),
        pd.Series(values, dtype="category"),
        pl.Series("any", values),
        pd.DataFrame({"text": values}),
        pl.DataFrame({"text": values}),
        [{"text": value} for value in values],
    ):
        assert_same(read(same), expected)


CELLS = {
    "participant": st.integers(0, 5),
    "sentence": st.text(max_size=3),
    "length": st.floats(-1e6, 1e6),
    "gold": st.booleans(),
    "trial": st.integers(-10, 10),
}
rows = st.lists(
    st.tuples(*CELLS.values()).map(lambda cells: dict(zip(CELLS, cells, strict=True))),
    min_size=1,
    max_size=12,
)


@given(rows)
def test_records_and_frames_agree(records):
    options = {"factors": ["participant"], "optional_factors": ["item"]}
    expected = read(records, **options)
    assert list(expected.texts) == ["sentence"]
    assert expected.numeric_names == ["length", "gold", "trial"]
    assert expected.numeric.tolist() == [
        [r["length"], float(r["gold"]), float(r["trial"])] for r in records
    ]
    assert expected.factors["participant"].tolist() == [
        r["participant"] for r in records
    ]
    assert_same(read(pd.DataFrame(records), **options), expected)
    assert_same(read(pl.DataFrame(records), **options), expected)
    assert_same(read(pd.DataFrame(records).astype(object), **options), expected)
    assert_same(read(np.array(records, dtype=object), **options), expected)


@given(rows, st.randoms(use_true_random=False))
def test_permuting_rows_permutes(records, random):
    order = list(range(len(records)))
    random.shuffle(order)
    first = read(records, factors=["participant"])
    second = read([records[i] for i in order], factors=["participant"])
    text, permuted = first.texts["sentence"], second.texts["sentence"]
    assert [text.values[i] for i in text.index[order]] == [
        permuted.values[i] for i in permuted.index
    ]
    np.testing.assert_array_equal(first.numeric[order], second.numeric)
    assert (
        first.factors["participant"][order].tolist()
        == second.factors["participant"].tolist()
    )


def test_matrices_of_numbers_pass_through():
    X = np.arange(6).reshape(3, 2)
    for same in (X, X.tolist(), X.astype(object), pd.DataFrame(X), X.astype(bool) * X):
        judgments = read(same)
        assert judgments.texts == {}
        np.testing.assert_array_equal(judgments.numeric, X)
        assert judgments.numeric.dtype == np.float64
    assert read(X).numeric_names == ["x0", "x1"]
    assert read(pd.DataFrame(X)).numeric_names == ["0", "1"]
    assert read(pd.DataFrame(X, columns=["b", "a"])).numeric_names == ["b", "a"]


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "dok", "lil"])
def test_sparse_stays_sparse(form):
    X = sparse.eye_array(3).asformat(form)
    numeric = read(X).numeric
    assert numeric.format == "csr"
    np.testing.assert_array_equal(numeric.toarray(), np.eye(3))


@pytest.mark.parametrize(
    "X",
    [
        [["a", "x"], ["b", "x"]],
        np.array([["a", "x"], ["b", "x"]]),
        np.array([["a", "x"], ["b", "x"]], dtype=object),
        np.array([["a", "x"], ["b", "x"]], dtype=np.dtypes.StringDType()),
    ],
    ids=["lists", "str", "object", "StringDType"],
)
def test_text_matrix_has_made_up_names(X):
    judgments = read(X)
    assert {name: text.values for name, text in judgments.texts.items()} == {
        "x0": ["a", "b"],
        "x1": ["x"],
    }
    assert all(type(v) is str for v in judgments.texts["x0"].values)


def test_object_matrix_is_read_by_column():
    judgments = read(np.array([["a", 1], ["b", 2.5]], dtype=object))
    assert list(judgments.texts) == ["x0"]
    assert judgments.numeric_names == ["x1"]
    assert judgments.numeric.tolist() == [[1.0], [2.5]]


def test_object_column_mixing_text_and_numbers_is_refused():
    X = np.array([["a", 1], ["b", 2], [3, 4]], dtype=object)
    with pytest.raises(TypeError, match=r"'x0' of X mixes text .* row 2 has a int"):
        read(X)
    with pytest.raises(TypeError, match=r"'text' of X mixes .* row 1 has a int"):
        read(["a", 1])
    with pytest.raises(TypeError, match=r"'a' of X mixes .* row 1 has a float"):
        read(pd.DataFrame({"a": np.array(["a", 1.5], dtype=object)}))


def test_categories_of_strings_are_text():
    values = ["b", "a", "b"]
    for frame in (
        pd.DataFrame({"c": pd.Categorical(values)}),
        pl.DataFrame({"c": pl.Series(values, dtype=pl.Categorical)}),
        pl.DataFrame({"c": pl.Series(values, dtype=pl.Enum(["a", "b"]))}),
    ):
        assert read(frame).texts["c"].values == ["b", "a"]
    with pytest.raises(TypeError, match="'c' of X has categories that are not strings"):
        read(pd.DataFrame({"c": pd.Categorical([1, 2])}))


def test_numbers_of_every_dtype():
    frame = pd.DataFrame(
        {
            "a": pd.array([1, 2], dtype="Int64"),
            "b": pd.array([True, False], dtype="boolean"),
            "c": np.array([1, 2], dtype=np.uint8),
            "d": np.array([True, 0.5], dtype=object),
            "e": np.array([1.5, 2], dtype=np.float32),
        }
    )
    expected = [[1, 1, 1, 1, 1.5], [2, 0, 2, 0.5, 2]]
    assert read(frame).numeric.tolist() == expected
    decimals = pl.DataFrame({"d": pl.Series([1, 2], dtype=pl.Decimal(10, 2))})
    assert read(decimals).numeric.tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), "Datetime"),
        (pd.to_timedelta([1, 2], unit="s"), "Duration"),
        (np.array([1j, 2]), "complex128"),
    ],
)
def test_other_dtypes_name_the_column(column, dtype):
    with pytest.raises(TypeError, match=f"'when' of X has dtype {dtype}"):
        read(pd.DataFrame({"when": column}))


def test_other_cells_name_column_and_type():
    with pytest.raises(TypeError, match="'when' of X has dtype Date"):
        read(pl.DataFrame({"when": [datetime.date(2020, 1, 1)]}))
    with pytest.raises(TypeError, match=r"'tags' of X has dtype List\(String\)"):
        read(pl.DataFrame({"tags": [["a"], ["b"]]}))
    with pytest.raises(TypeError, match="'tags' of X has a list in row 0"):
        read(pd.DataFrame({"tags": [["a"], ["b"]]}))
    with pytest.raises(TypeError, match="'tags' of X has a list in row 1"):
        read([{"tags": 1}, {"tags": ["b"]}])
    with pytest.raises(TypeError, match="decode"):
        read(np.array([b"a", b"b"]))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT], ids=str)
def test_missing_text_names_column_and_row(missing):
    match = r"'{}' of X has a missing text in 2 rows, first in row 1"
    with pytest.raises(ValueError, match=match.format("text")):
        read(["a", missing, "b", missing])
    with pytest.raises(ValueError, match=match.format("s")):
        read([{"s": "a"}, {"s": missing}, {"s": missing}])
    for dtype in ("str", object, "string", "category"):
        frame = pd.DataFrame({"s": pd.Series(["a", missing, missing], dtype=dtype)})
        with pytest.raises(ValueError, match=match.format("s")):
            read(frame)


def test_missing_text_in_polars():
    with pytest.raises(ValueError, match="'s' of X has a missing text in row 1"):
        read(pl.DataFrame({"s": ["a", None]}))
    with pytest.raises(ValueError, match="'s' of X has only missing values"):
        read(pl.DataFrame({"s": [None, None]}))
    with pytest.raises(ValueError, match="'s' of X has a missing text in 2 rows"):
        read(pd.DataFrame({"s": [None, None]}))
    with pytest.raises(ValueError, match="'s' of X has only missing values"):
        read([{"s": None}])


def test_empty_text_is_text():
    assert read(["", " ", ""]).texts["text"].values == ["", " "]


@pytest.mark.parametrize(
    ("value", "what"), [(np.nan, "NaN"), (None, "NaN"), (np.inf, "infinity")]
)
def test_numbers_must_be_finite(value, what):
    match = f"Input X contains {what}: column 'n', in row 1"
    for frame in (
        pd.DataFrame({"s": ["a", "b"], "n": [1.0, value]}),
        pd.DataFrame({"n": [1.0, value]}),
        pl.DataFrame({"s": ["a", "b"], "n": [1.0, value]}),
        [{"n": 1.0}, {"n": value}],
    ):
        with pytest.raises(ValueError, match=match):
            read(frame)
    with pytest.raises(ValueError, match=match):
        read(pd.DataFrame({"n": pd.array([1, None], dtype="Int64")})) if (
            what == "NaN"
        ) else read(pl.DataFrame({"n": [1.0, value]}))
    if value is not None:
        with pytest.raises(ValueError, match=f"Input X contains {what}"):
            read(np.array([[1.0], [value]]))


class TestFactors:
    frame = pd.DataFrame({"p": [3, 1], "s": ["a", "b"], "item": ["i", "j"]})

    def test_taken_out_first(self):
        judgments = read(self.frame, factors=["p"], optional_factors=["item", "q"])
        assert list(judgments.factors) == ["p", "item"]
        assert judgments.factors["p"].tolist() == [3, 1]
        assert type(judgments.factors["p"][0]) is int
        assert list(judgments.texts) == ["s"]
        assert judgments.numeric is None

    def test_are_not_counted_as_features(self):
        estimator = BaseEstimator()
        InputReader(factors=["p"]).read(estimator, self.frame, reset=True)
        assert estimator.n_features_in_ == 2
        assert list(estimator.feature_names_in_) == ["s", "item"]

    @pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
    def test_no_column_left_is_an_intercept(self, make):
        estimator = BaseEstimator()
        reader = InputReader(factors=["p"])
        X = make({"p": [3, 1, 3]})
        for reset in (True, False):
            judgments = reader.read(estimator, X, reset=reset)
            assert judgments.n_rows == 3
            assert judgments.texts == {}
            assert judgments.numeric is None
            assert judgments.numeric_names == []
        assert estimator.n_features_in_ == 0
        records = reader.read(estimator, [{"p": 9}], reset=False)
        assert records.factors["p"].tolist() == [9]

    def test_absent_column(self):
        with pytest.raises(ValueError, match=r"no column 'q' .* \['p', 's', 'item'\]"):
            read(self.frame, factors=["p", "q"])

    @pytest.mark.parametrize("X", [np.eye(2), ["a", "b"], sparse.eye_array(2)])
    def test_arrays_have_no_factors(self, X):
        with pytest.raises(ValueError, match=r"\['p'\].* DataFrame .* groups="):
            read(X, factors=["p"])
        assert read(X, optional_factors=["p", "text", "x0"]).factors == {}

    def test_tuples_and_dates_are_ids(self):
        records = [{"p": (1, "a"), "x": 1}, {"p": (2, "b"), "x": 2}]
        assert read(records, factors=["p"]).factors["p"].tolist() == [
            (1, "a"),
            (2, "b"),
        ]
        days = pl.DataFrame({"d": [datetime.date(2020, 1, 1)] * 2, "x": [1, 2]})
        assert read(days, factors=["d"]).factors["d"][1] == datetime.date(2020, 1, 1)

    @pytest.mark.parametrize("bad", [None, np.nan, "", "  ", pd.NA, pd.NaT], ids=repr)
    def test_missing_ids(self, bad):
        ids = np.array(["a", bad, "b", bad], dtype=object)
        frame = pd.DataFrame({"p": ids, "x": 1.0})
        match = "'p' are missing or empty in 2 rows, first in row 1"
        with pytest.raises(ValueError, match=match):
            read(frame, factors=["p"])

    def test_a_text_column_may_be_a_factor_too(self):
        judgments = read(self.frame, text_columns=["s"], factors=["s", "item"])
        assert judgments.factors["s"].tolist() == ["a", "b"]
        assert judgments.texts["s"].values == ["a", "b"]


class TestTextColumns:
    frame = pd.DataFrame({"premise": ["a"], "hypothesis": ["b"], "n": [1]})

    def test_order_is_the_users(self):
        names = ["hypothesis", "premise"]
        assert list(read(self.frame, text_columns=names).texts) == names
        assert list(read(self.frame).texts) == names[::-1]

    def test_unknown(self):
        with pytest.raises(ValueError, match=r"names 'context', which X does not have"):
            read(self.frame, text_columns=["context"])

    def test_numeric(self):
        with pytest.raises(
            ValueError, match=r"text_columns names 'n', which holds num"
        ):
            read(self.frame, text_columns=["premise", "hypothesis", "n"])
        with pytest.raises(ValueError, match="X is a matrix of numbers"):
            read(np.eye(2), text_columns=["premise"])

    def test_other_strings_are_refused(self):
        with pytest.raises(
            ValueError, match=r"not name: 'hypothesis'\. Drop .*formula"
        ):
            read(self.frame, text_columns=["premise"])

    def test_one_string_is_refused(self):
        with pytest.raises(TypeError, match=r"write \['premise'\]"):
            InputReader(text_columns="premise")

    def test_list_has_the_column_text(self):
        assert list(read(["a"], text_columns=["text"]).texts) == ["text"]
        with pytest.raises(ValueError, match="names 'sentence'"):
            read(["a"], text_columns=["sentence"])


class TestRecords:
    def test_same_keys_everywhere(self):
        match = r"row 2 misses \['b'\] and has \['c'\] besides"
        with pytest.raises(ValueError, match=match):
            read([{"a": 1, "b": 2}, {"b": 1, "a": 2}, {"a": 1, "c": 2}])

    def test_order_of_keys_is_free(self):
        estimator, reader = BaseEstimator(), InputReader()
        reader.read(estimator, [{"a": 1, "b": 2}, {"b": 4, "a": 3}], reset=True)
        assert list(estimator.feature_names_in_) == ["a", "b"]
        judgments = reader.read(estimator, [{"b": 6, "a": 5}], reset=False)
        assert judgments.numeric.tolist() == [[5.0, 6.0]]
        frame = reader.read(estimator, pd.DataFrame({"a": [5], "b": [6]}), reset=False)
        assert_same(frame, judgments)

    def test_keys_of_fit(self):
        estimator, reader = BaseEstimator(), InputReader()
        reader.read(estimator, pd.DataFrame({"a": [1], "b": [2]}), reset=True)
        with pytest.raises(ValueError, match=r"missing: \['b'\]\. .* time: \['c'\]"):
            reader.read(estimator, [{"a": 1, "c": 2}], reset=False)

    def test_not_all_dicts(self):
        with pytest.raises(TypeError, match="row 1 is a str"):
            read([{"a": 1}, "b"])
        with pytest.raises(TypeError, match="row 0 is a str"):
            read(["b", {"a": 1}])

    def test_keys_are_strings(self):
        with pytest.raises(TypeError, match=r"must be strings. Got 1, a int"):
            read([{1: 2}])

    def test_fit_without_names_warns_as_scikit_learn_does(self):
        estimator, reader = BaseEstimator(), InputReader()
        reader.read(estimator, np.eye(2), reset=True)
        with pytest.warns(UserWarning, match="fitted without feature names"):
            judgments = reader.read(estimator, [{"a": 1, "b": 2}], reset=False)
        assert judgments.numeric_names == ["x0", "x1"]
        with pytest.raises(ValueError, match=r"X has 1 features, .* expecting 2"):
            reader.read(estimator, [{"a": 1}], reset=False)


class TestSecondReading:
    def test_frame_must_have_the_same_columns(self):
        estimator, reader = BaseEstimator(), InputReader()
        frame = pd.DataFrame({"s": ["a"], "n": [1]})
        reader.read(estimator, frame, reset=True)
        for other in (frame[["n", "s"]], frame[["s"]], frame.assign(more=1)):
            with pytest.raises(ValueError, match="feature names should match"):
                reader.read(estimator, other, reset=False)
        polars = reader.read(
            estimator, pl.DataFrame({"s": ["a"], "n": [1]}), reset=False
        )
        assert_same(polars, reader.read(estimator, frame, reset=False))

    def test_roles_must_stay(self):
        estimator, reader = BaseEstimator(), InputReader()
        reader.read(estimator, pd.DataFrame({"s": ["a"], "n": [1]}), reset=True)
        with pytest.raises(ValueError, match="'n' of X was numeric in fit and is text"):
            reader.read(estimator, pd.DataFrame({"s": ["a"], "n": ["1"]}), reset=False)
        estimator, reader = BaseEstimator(), InputReader()
        reader.read(estimator, ["a"], reset=True)
        with pytest.raises(ValueError, match="'text' of X was text in fit"):
            reader.read(estimator, np.eye(1), reset=False)
        estimator, reader = BaseEstimator(), InputReader()
        reader.read(estimator, np.eye(1), reset=True)
        with pytest.raises(ValueError, match="'x0' of X was numeric in fit"):
            reader.read(estimator, ["a"], reset=False)

    def test_list_after_a_frame_with_one_text_column(self):
        estimator, reader = BaseEstimator(), InputReader()
        reader.read(estimator, pd.DataFrame({"sentence": ["a", "b"]}), reset=True)
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            judgments = reader.read(estimator, ["b"], reset=False)
        assert judgments.texts["sentence"].values == ["b"]

    def test_number_of_features(self):
        estimator, reader = BaseEstimator(), InputReader()
        reader.read(estimator, np.eye(2), reset=True)
        assert estimator.n_features_in_ == 2
        with pytest.raises(ValueError, match="X has 3 features"):
            reader.read(estimator, np.eye(3), reset=False)
        reader.read(estimator, ["a"], reset=True)
        assert estimator.n_features_in_ == 1
        with pytest.raises(ValueError, match="X has 2 features"):
            reader.read(estimator, [["a", "b"]], reset=False)

    def test_unlearned(self):
        with pytest.raises(NotFittedError):
            InputReader().read(BaseEstimator(), ["a"], reset=False)

    def test_learning_again_forgets_names(self):
        estimator, reader = BaseEstimator(), InputReader()
        reader.read(estimator, [{"a": 1}], reset=True)
        assert list(estimator.feature_names_in_) == ["a"]
        reader.read(estimator, ["b"], reset=True)
        assert not hasattr(estimator, "feature_names_in_")

    def test_pickles(self):
        estimator, reader = BaseEstimator(), InputReader(factors=["p"])
        X = pd.DataFrame({"p": [1], "s": ["a"]})
        first = reader.read(estimator, X, reset=True)
        again = pickle.loads(pickle.dumps(reader))
        assert_same(again.read(estimator, X, reset=False), first)


class TestContainers:
    def test_one_entry_per_judgment(self):
        for X in ("a sentence", b"bytes", {"a": [1, 2]}):
            with pytest.raises(TypeError, match="one entry per judgment"):
                read(X)

    def test_no_rows(self):
        for X in (pd.DataFrame({"s": pd.Series([], dtype="str")}), pl.DataFrame()):
            with pytest.raises(ValueError, match="X has 0 rows"):
                read(X)
        for X in ([], np.empty((0, 2)), np.empty((3, 0))):
            with pytest.raises(ValueError, match=r"X is empty|Found array with 0"):
                read(X)

    def test_lazy_frames(self):
        with pytest.raises(TypeError, match="collect"):
            read(pl.LazyFrame({"a": [1]}))

    def test_ragged_rows(self):
        with pytest.raises(ValueError, match="row 0 has 1 cells, row 1 has 2"):
            read([["a"], ["b", "c"]])

    def test_duplicate_names(self):
        with pytest.raises(ValueError, match="unique column names"):
            read(pd.DataFrame([["a", "b"]], columns=["s", "s"]))

    def test_1d_numbers(self):
        for X in (np.arange(3.0), [1, 2], pd.Series([1, 2]), pl.Series([1, 2])):
            with pytest.raises(ValueError, match=r"Expected (2D array|a 2-dim)"):
                read(X)
