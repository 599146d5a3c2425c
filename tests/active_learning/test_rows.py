from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from bead_sklearn.active_learning import ActiveLearningSearch
from bead_sklearn.active_learning._curve import area_under_curve, learning_curve
from bead_sklearn.active_learning._rows import (
    as_groups,
    as_labels,
    check_labels,
    concatenate_rows,
    fingerprint,
    group_codes,
)

X, Y = load_iris(return_X_y=True)
NAMES = ["a", "b", "c", "d"]
FRAME = pd.DataFrame(X, columns=NAMES)


@pytest.mark.parametrize(
    "rows",
    [
        sparse.csr_matrix(X),
        sparse.coo_array(X),
        FRAME.set_index(np.arange(150)[::-1]),
        pl.from_pandas(FRAME),
        X.tolist(),
        np.asfortranarray(X),
    ],
    ids=["csr", "coo", "pandas", "polars", "lists", "fortran"],
)
@pytest.mark.parametrize(
    "labels",
    [Y, pd.Series(Y[::1], index=np.arange(150)[::-1]), pl.Series(Y), Y.tolist()],
)
def test_containers_give_the_same_search(rows, labels):
    options = {"batch_size": 5, "max_labels": 25, "random_state": 0, "validation": 0.2}
    model = ActiveLearningSearch(LogisticRegression(max_iter=1000), "margin", **options)
    expected = model.fit(X, Y).history_["score"].tolist()
    queries = np.concatenate(model.queries_).tolist()
    model.fit(rows, labels)
    assert model.history_["score"].tolist() == pytest.approx(expected)
    assert np.concatenate(model.queries_).tolist() == queries
    if hasattr(rows, "columns"):
        assert model.feature_names_in_.tolist() == NAMES


@pytest.mark.parametrize("wrap", [list, np.array, pd.Series, pl.Series])
def test_texts(wrap):
    texts = [f"word{i} {'good' if i % 2 else 'bad'}" for i in range(40)]
    labels = ["yes" if i % 2 else "no" for i in range(40)]
    reader = make_pipeline(TfidfVectorizer(), LogisticRegression())
    model = ActiveLearningSearch(reader, batch_size=4, max_labels=22, random_state=0)
    model.fit(wrap(texts), wrap(labels))
    assert model.score(texts, labels) > 0.9


@pytest.mark.parametrize(
    "rows",
    [X, sparse.csr_matrix(X), FRAME, pl.from_pandas(FRAME), X.tolist()],
    ids=["array", "sparse", "pandas", "polars", "list"],
)
def test_concatenation_keeps_kind_and_values(rows):
    def part(slice_):
        return rows.iloc[slice_] if isinstance(rows, pd.DataFrame) else rows[slice_]

    joined = concatenate_rows([part(slice(0, 4)), part(slice(4, 5)), part(slice(5, 9))])
    if sparse.issparse(joined):
        assert joined.format == "csr"
        joined = joined.toarray()
    else:
        assert type(joined) is type(rows)
    np.testing.assert_array_equal(np.asarray(joined), X[:9])


def test_concatenation_of_different_kinds():
    with pytest.raises(TypeError, match=r"\['array', 'list'\]"):
        concatenate_rows([X, X.tolist()])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
@pytest.mark.parametrize("labels", [["no", "yes"], [0, 1], [0.0, 1.0]])
def test_missing_labels_of_any_spelling(missing, labels):
    for wrap in (list, tuple):
        y = as_labels(wrap([labels[0], missing, labels[1]]))
        with pytest.raises(ValueError, match="1 labels are missing, the first at row"):
            check_labels(y, [4, 5, 6])


def test_a_string_beside_numbers_is_refused():
    with pytest.raises(TypeError, match="all strings or all something else"):
        check_labels(as_labels(["yes", 1, 0]), [0, 1, 2])
    assert as_labels(["yes", "no"]).dtype.kind == "U"


def test_ids_that_are_tuples():
    ids = [("lab", i % 3) for i in range(9)]
    assert as_groups(ids).tolist() == ids
    assert group_codes(ids).tolist() == [0, 1, 2] * 3


class TestFingerprint:
    def test_same_values_same_print(self):
        assert fingerprint(X) == fingerprint(X.copy(order="F"))
        assert fingerprint(FRAME) == fingerprint(pl.from_pandas(FRAME))
        coo = sparse.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(2, 3))
        assert fingerprint(coo) == fingerprint(
            sparse.csr_array([[0, 3.0, 0], [0, 0, 0]])
        )
        texts = pd.DataFrame({"text": ["a", "b"]})
        assert fingerprint(texts) == fingerprint(pl.DataFrame({"text": ["a", "b"]}))

    @pytest.mark.parametrize(
        ("one", "two"),
        [
            (X, X[::-1]),
            (np.zeros((2, 3)), np.zeros((3, 2))),
            (["ab", "c"], ["a", "bc"]),
            (["ab"], ["ab", ""]),
            (FRAME, FRAME[["b", "a", "c", "d"]]),
            (FRAME, FRAME.rename(columns={"a": "x"})),
            (sparse.csr_array([[1.0, 0.0]]), sparse.csr_array([[0.0, 1.0]])),
            (np.array(["a", "bc"], dtype=object), np.array(["ab", "c"], dtype=object)),
        ],
    )
    def test_other_values_other_print(self, one, two):
        assert fingerprint(one) != fingerprint(two)


class TestCurve:
    def test_runs_with_different_labels(self):
        curve = learning_curve(
            [
                {
                    "n_labels": np.array([10, 20, 30]),
                    "score": np.array([0.0, 0.4, 0.6]),
                },
                {"n_labels": np.array([15, 25]), "score": np.array([0.2, 0.4])},
            ]
        )
        assert curve.n_labels.tolist() == [10, 15, 20, 25, 30]
        np.testing.assert_allclose(
            curve.scores,
            [[0.0, 0.2, 0.4, 0.5, 0.6], [np.nan, 0.2, 0.3, 0.4, np.nan]],
        )
        np.testing.assert_allclose(curve.mean, [0.0, 0.2, 0.35, 0.45, 0.6])
        np.testing.assert_allclose(
            curve.std, [np.nan, 0.0, np.sqrt(0.005), np.sqrt(0.005), np.nan], atol=1e-15
        )

    @given(st.lists(st.floats(-1, 1), min_size=1, max_size=8))
    def test_area_lies_between_the_scores(self, scores):
        area = area_under_curve(np.arange(len(scores)) * 7 + 3, np.array(scores))
        assert min(scores) - 1e-12 <= area <= max(scores) + 1e-12

    def test_area_of_a_line(self):
        assert area_under_curve(
            np.array([10, 20, 60]), np.array([0.1, 0.2, 0.6])
        ) == pytest.approx(0.35)
        assert area_under_curve(np.array([10]), np.array([0.3])) == 0.3
