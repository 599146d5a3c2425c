"""Ids of factors, their levels, and missing targets."""

from __future__ import annotations

import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from bead_sklearn.inputs import (
    check_target_present,
    encode_levels,
    match_levels,
    read_groups,
)

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

hashables = st.one_of(
    st.integers(-5, 5),
    st.text(max_size=2),
    st.floats(allow_nan=False),
    st.booleans(),
    st.tuples(st.integers(0, 2), st.text(max_size=1)),
    st.frozensets(st.integers(0, 2)),
    st.binary(max_size=1),
)


@given(st.lists(hashables))
def test_levels_round_trip(ids):
    levels, codes = encode_levels(ids)
    assert levels.dtype == object
    assert codes.dtype == np.intp
    assert [levels[code] for code in codes] == ids
    assert len(set(levels.tolist())) == len(levels) == len(set(ids))
    assert match_levels(levels, ids).tolist() == codes.tolist()


@given(st.lists(hashables), st.lists(hashables))
def test_unknown_levels_are_minus_one(known, asked):
    levels, _ = encode_levels(known)
    codes = match_levels(levels, asked)
    for code, value in zip(codes, asked, strict=True):
        assert code == (levels.tolist().index(value) if value in known else -1)


def test_levels_are_sorted_if_they_can_be():
    assert encode_levels(["b", "a", "b"])[0].tolist() == ["a", "b"]
    assert encode_levels(np.array([10, 9, -3]))[0].tolist() == [-3, 9, 10]
    assert encode_levels([2**70, 5, 2**70])[0].tolist() == [5, 2**70]
    assert encode_levels([2**70, 5, 2**70])[1].tolist() == [1, 0, 1]
    assert encode_levels(np.array([10, 9, 9.5]))[0].tolist() == [9, 9.5, 10]
    assert encode_levels([(2, "a"), (1, "z")])[0].tolist() == [(1, "z"), (2, "a")]
    assert encode_levels(["10", 9])[0].tolist() == ["10", 9]
    assert encode_levels([(1, "a"), (1, 2)])[0].tolist() == [(1, "a"), (1, 2)]
    sets = [frozenset({2}), frozenset({1})]
    assert encode_levels(sets)[0].tolist() == sets


def test_ids_are_compared_as_dict_keys():
    levels, codes = encode_levels([1, "1", 1.0, True, np.int64(1), np.str_("1")])
    assert levels.tolist() == [1, "1"]
    assert codes.tolist() == [0, 1, 0, 0, 0, 1]
    assert match_levels(levels, np.array(["1", "2"])).tolist() == [1, -1]


@pytest.mark.parametrize("kind", ["int", "str"])
def test_a_million_ids(kind):
    ids = np.random.RandomState(0).randint(5000, size=1_000_000)
    groups = ids if kind == "int" else ids.astype(str)
    factor = read_groups(groups, len(groups))["groups"]
    levels, codes = encode_levels(factor)
    matched = match_levels(levels, factor)
    np.testing.assert_array_equal(levels[codes], factor)
    np.testing.assert_array_equal(matched, codes)


class TestReadGroups:
    @pytest.mark.parametrize(
        "groups",
        [
            [2, 1, 2],
            (2, 1, 2),
            np.array([2, 1, 2]),
            np.array([[2], [1], [2]]),
            pd.Series([2, 1, 2], index=[5, 6, 7], name="who"),
            pd.Index([2, 1, 2]),
            pl.Series("who", [2, 1, 2]),
            pd.Series([2, 1, 2], dtype="category"),
            array.array("l", [2, 1, 2]),
        ],
        ids=lambda groups: type(groups).__name__,
    )
    def test_one_factor(self, groups):
        factors = read_groups(groups, 3)
        assert list(factors) == ["groups"]
        assert factors["groups"].dtype == object
        assert factors["groups"].tolist() == [2, 1, 2]
        assert type(factors["groups"][0]) is int

    @pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
    def test_frame_of_factors(self, make):
        frame = make({"participant": ["a", "b"], "item": [1, 1]})
        factors = read_groups(frame, 2)
        assert {n: ids.tolist() for n, ids in factors.items()} == {
            "participant": ["a", "b"],
            "item": [1, 1],
        }
        assert list(read_groups(frame, 2, names=["item"])) == ["item"]
        with pytest.raises(ValueError, match="no column 'list'; its columns are"):
            read_groups(frame, 2, names=["list"])

    def test_named_columns_of_an_array(self):
        ids = np.array([["a", "x"], ["b", "y"]])
        factors = read_groups(ids, 2, names=["p", "i"])
        assert factors["i"].tolist() == ["x", "y"]
        assert list(read_groups(["a", "b"], 2, names=["p"])) == ["p"]
        with pytest.raises(ValueError, match="2 columns, whose names are not known"):
            read_groups(ids, 2)
        with pytest.raises(ValueError, match=r"1 column\(s\) and there are 2 factors"):
            read_groups(["a", "b"], 2, names=["p", "i"])

    def test_tuples_are_ids(self):
        ids = [("a", 1), ("b", 2)]
        assert read_groups(ids, 2)["groups"].tolist() == ids

    def test_lengths(self):
        with pytest.raises(ValueError, match="groups has 2 ids and X has 3 rows"):
            read_groups(["a", "b"], 3)
        frame = pd.DataFrame({"p": [1], "i": [2]})
        with pytest.raises(ValueError, match="Factor 'p' of groups has 1 ids"):
            read_groups(frame, 3)

    @pytest.mark.parametrize(
        "groups", ["abc", {"a": 1}, 3, None, {1, 2, 3}, sparse.eye_array(3)], ids=str
    )
    def test_no_sequence_of_ids(self, groups):
        with pytest.raises(TypeError, match="groups must be a 1-D array"):
            read_groups(groups, 3)

    def test_dimensions(self):
        with pytest.raises(ValueError, match="3 dimensions"):
            read_groups(np.zeros((2, 2, 2)), 2)
        with pytest.raises(ValueError, match="without columns"):
            read_groups(pd.DataFrame(index=[0, 1]), 2)

    def test_unhashable(self):
        with pytest.raises(TypeError, match=r"must be hashable .* row 1 has a list"):
            read_groups(["a", ["b"]], 2)

    @pytest.mark.parametrize(
        "bad",
        [
            None,
            np.nan,
            np.float32("nan"),
            np.datetime64("NaT"),
            pd.NA,
            pd.NaT,
            "",
            "\t",
        ],
        ids=repr,
    )
    def test_missing(self, bad):
        with pytest.raises(ValueError, match=r"'groups' .* 2 rows, first in row 1"):
            read_groups(["a", bad, "b", bad], 4)
        with pytest.raises(ValueError, match=r"'groups' .* in row 0"):
            read_groups([bad, "b"], 2)

    def test_missing_in_arrays(self):
        with pytest.raises(ValueError, match="in row 1"):
            read_groups(np.array([1.0, np.nan]), 2)
        with pytest.raises(ValueError, match="in row 1"):
            read_groups(np.array(["2020-01-01", "NaT"], dtype="M8[D]"), 2)
        with pytest.raises(ValueError, match="'p' are missing"):
            read_groups(pl.DataFrame({"p": [1, None]}), 2)


class TestTarget:
    @pytest.mark.parametrize(
        "y",
        [
            ["a", "b", "a"],
            [0, 1, 2],
            np.array([0.0, 1.0]),
            np.array([[0, 1], [1, 0]]),
            [["a", "b"], [], ["c"]],
            [{"a"}, set()],
            pd.Series(["a", "b"]),
            pl.Series([1, 2]),
            pd.DataFrame({"a": [1, 0]}),
            sparse.eye_array(3).tocsr(),
            np.array([np.inf]),
            None,
            3,
        ],
        ids=str,
    )
    def test_present(self, y):
        check_target_present(y)

    @pytest.mark.parametrize(
        "y",
        [
            ["a", None, "b", None],
            ["a", np.nan, "b", np.nan],
            [0, pd.NaT, 1, pd.NA],
            np.array([0, np.nan, 1, np.nan]),
            np.array(["a", None, "b", np.nan], dtype=object),
            np.array([[0, 1], [np.nan, 0], [0, 1], [0, np.nan]]),
            np.array([[0, 1], [None, 0], [0, 1], [0, None]], dtype=object),
            np.array(["2020", "NaT", "2021", "NaT"], dtype="M8[Y]"),
            pd.Series(["a", None, "b", None], dtype="str"),
            pd.Series([1, None, 1, None], dtype="Int64"),
            pl.Series([1, None, 2, None]),
            pd.DataFrame({"a": [1, np.nan, 1, 1], "b": [1, 1, 1, np.nan]}),
            sparse.csr_array(np.array([[0, 1], [np.nan, 0], [0, 1], [0, np.nan]])),
            [["a"], ["a", None], [], [np.nan]],
        ],
        ids=str,
    )
    def test_missing(self, y):
        match = "Input y contains missing .* in 2 rows, first in row 1"
        with pytest.raises(ValueError, match=match):
            check_target_present(y)
