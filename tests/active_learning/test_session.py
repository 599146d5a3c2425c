from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from bead_sklearn.active_learning import (
    ActiveLearningSearch,
    Convergence,
    MaxIterations,
)

X, NUMBERS = load_iris(return_X_y=True)
Y = np.array(["setosa", "versicolor", "virginica"])[NUMBERS]
LR = LogisticRegression(max_iter=1000)


def session(strategy="margin", estimator=LR, **params):
    params = {"batch_size": 4, "n_initial": 6, "random_state": 0} | params
    return ActiveLearningSearch(estimator, strategy, **params)


def answer(search, n_batches, n=None):
    for _ in range(n_batches):
        rows = search.ask(n)
        search.tell(rows, Y[rows])
    return search


class TestAskAndTell:
    @pytest.mark.parametrize("strategy", ["margin", "random"])
    def test_asks_what_the_simulation_asks(self, strategy):
        simulated = session(strategy, max_labels=22).fit(X, Y)
        asked = answer(session(strategy, max_labels=22).start(X), 5)
        assert asked.queries_[0].tolist() == simulated.initial_.tolist()
        for ours, theirs in zip(asked.queries_[1:], simulated.queries_, strict=True):
            assert ours.tolist() == theirs.tolist()
        assert len(asked.ask()) == 0
        assert asked.stopped_by_ == "max_labels"
        np.testing.assert_array_equal(asked.predict(X), simulated.predict(X))
        for name in ("iteration", "n_labels", "utility_max"):
            np.testing.assert_array_equal(
                asked.history_[name], simulated.history_[name]
            )

    @pytest.mark.parametrize("strategy", ["margin", "random"])
    def test_asking_again_gives_the_same_rows(self, strategy):
        search = answer(session(strategy).start(X), 2)
        rows = search.ask(8)
        assert search.ask(8).tolist() == rows.tolist()
        assert search.ask(3).tolist() == rows[:3].tolist()
        assert search.ask(8).tolist() == rows.tolist()
        assert search.history_["n_labels"].tolist() == [6, 10]

    def test_first_rows(self):
        search = session().start(X)
        assert len(search.ask()) == 6
        assert search.ask(9)[:6].tolist() == search.ask().tolist()
        assert len(set(search.ask(150).tolist())) == 150

    def test_random_rows_until_two_classes_are_known(self):
        search = session(n_initial=2).start(X)
        search.tell(np.arange(5), ["setosa"] * 5)
        with pytest.raises(NotFittedError):
            search.predict(X)
        rows = search.ask(7)
        assert not set(rows.tolist()) & set(range(5))
        assert search.ask(7).tolist() == rows.tolist()
        assert len(search.ask()) == 1
        search.tell([149], ["virginica"])
        assert search.predict(X[:1]).tolist() == ["setosa"]
        assert len(search.ask()) == 4

    def test_any_rows_may_be_told(self):
        search = session().start(X)
        search.tell(range(0, 150, 15), Y[::15])
        expected = clone(LR).fit(X[::15], Y[::15])
        np.testing.assert_array_equal(
            search.predict_proba(X), expected.predict_proba(X)
        )
        assert np.flatnonzero(search.labeled_).tolist() == list(range(0, 150, 15))

    def test_predictions_know_every_label_told(self):
        search = answer(session().start(X), 2)
        before = search.estimator_
        assert search.estimator_ is before
        free = np.flatnonzero(~search.labeled_)[-1]
        search.tell([free], Y[[free]])
        assert search.estimator_ is not before
        rows = np.concatenate(search.queries_)
        np.testing.assert_array_equal(
            search.predict_proba(X), clone(LR).fit(X[rows], Y[rows]).predict_proba(X)
        )

    def test_labels_one_by_one_are_one_batch_of_learning(self):
        one = answer(session().start(X), 1)
        two = answer(session().start(X), 1)
        batch = one.ask()
        one.tell(batch, Y[batch])
        for row in two.ask():
            two.tell([row], [Y[row]])
        assert one.ask().tolist() == two.ask().tolist()
        assert two.history_["n_labels"].tolist() == [6, 10]

    def test_rows_known_at_the_start(self):
        labeled = np.zeros(150, dtype=bool)
        labeled[[0, 70, 140]] = True
        partial = np.where(labeled, Y, None)
        search = session().start(X, labeled=labeled, y=partial)
        assert len(search.ask()) == 3
        assert search.predict(X[[0, 70, 140]]).tolist() == Y[[0, 70, 140]].tolist()

    def test_to_the_last_row(self):
        search = session(batch_size=40).start(X)
        while len(rows := search.ask()):
            search.tell(rows, Y[rows])
        assert search.labeled_.all()
        assert search.stopped_by_ == "pool_exhausted"

    def test_rules(self):
        search = session(stopping=MaxIterations(2)).start(X)
        answer(search, 3)
        assert len(search.ask()) == 0
        assert search.stopped_by_ == "MaxIterations"
        search = session(
            stopping=Convergence(patience=1, min_delta=1.0), validation=(X, Y)
        ).start(X)
        answer(search, 2)
        assert len(search.ask()) == 0
        assert search.learning_curve_.n_labels.tolist() == [6, 10]

    def test_regressors_and_texts(self):
        search = session("random", Ridge(), n_initial=1).start(X[:, :3])
        search.tell(search.ask(), [1.0])
        assert search.predict(X[:2, :3]).tolist() == [1.0, 1.0]
        texts = [f"word{i} {'good' if i % 2 else 'bad'}" for i in range(30)]
        reader = make_pipeline(TfidfVectorizer(), LogisticRegression())
        search = session("entropy", reader).start(texts)
        while len(search.labeled_) and search.labeled_.sum() < 14:
            rows = search.ask()
            search.tell(rows, ["yes" if i % 2 else "no" for i in rows])
        assert search.score(texts, ["no", "yes"] * 15) > 0.9

    def test_pickle(self):
        search = answer(session().start(X), 2)
        again = pickle.loads(pickle.dumps(search))
        assert again.ask().tolist() == search.ask().tolist()

    def test_fit_ends_a_session_and_start_ends_a_fit(self):
        search = answer(session(max_labels=20).start(X), 2)
        search.fit(X, Y)
        with pytest.raises(NotFittedError, match="start"):
            search.ask()
        search.start(X)
        assert not search.labeled_.any()
        with pytest.raises(NotFittedError):
            search.predict(X)
        assert not hasattr(search, "runs_")


class Lookup(ClassifierMixin, BaseEstimator):
    """Remembers the groups it was fitted with."""

    def fit(self, X, y, groups=None):
        self.classes_ = np.unique(y)
        self.groups_ = None if groups is None else list(groups)
        return self

    def predict_proba(self, X, groups=None):
        p = np.linspace(0.5, 0.9, len(X))
        self.asked_ = None if groups is None else list(groups)
        return np.stack([p, 1 - p], axis=1)

    def predict(self, X, groups=None):
        return np.repeat(self.classes_[0], len(X))


class TestGroups:
    def test_known_from_the_start(self):
        g = np.arange(150) % 7
        search = session("entropy", Lookup(), n_initial=4).start(X, groups=g)
        answer(search, 1)
        rows = search.queries_[0]
        search.ask()
        assert search.estimator_.groups_ == g[rows].tolist()
        assert search.estimator_.asked_ == g[~search.labeled_].tolist()
        with pytest.raises(ValueError, match="given to start"):
            search.tell([149], ["x"], groups=[3])

    def test_arriving_with_the_labels(self):
        search = session("entropy", Lookup(), n_initial=4).start(X)
        search.tell([3, 80], ["a", "b"], groups=["ann", "ben"])
        search.tell([5, 81], ["a", "b"], groups=["ben", "cyn"])
        search.ask()
        assert search.estimator_.groups_ == ["ann", "ben", "ben", "cyn"]
        assert search.estimator_.asked_ is None
        with pytest.raises(ValueError, match="pass the groups"):
            search.tell([9], ["a"])
        with pytest.raises(ValueError, match="Got 1 groups for 2"):
            search.tell([9, 10], ["a", "b"], groups=["ann"])

    def test_all_or_none(self):
        search = session("entropy", Lookup()).start(X)
        search.tell([3], ["a"])
        with pytest.raises(ValueError, match="came without groups"):
            search.tell([4], ["a"], groups=["ann"])

    def test_an_estimator_without_groups_is_not_given_any(self):
        search = session().start(X)
        search.tell(range(0, 150, 15), Y[::15], groups=list("abcdeabcde"))
        assert search.score(X, Y) > 0.8


class TestErrors:
    @pytest.mark.parametrize(
        ("rows", "labels", "error", "message"),
        [
            ([3, 3], ["a", "b"], ValueError, r"\[3\] are given twice"),
            ([150], ["a"], ValueError, r"\[150\].*0 to 149"),
            ([-1], ["a"], ValueError, r"Unknown rows \[-1\]"),
            ([0], ["a"], ValueError, r"\[0\] are already labelled"),
            ([1, 2], ["a"], ValueError, "Got 1 labels for 2 rows"),
            ([1], "a", ValueError, "single label 'a'"),
            ([1, 2], ["a", None], ValueError, "row 2"),
            ([1], [np.nan], ValueError, "row 1"),
            ([1.0], ["a"], TypeError, "integers"),
            ([True, False], ["a", "b"], TypeError, "integers"),
            (["1"], ["a"], TypeError, "integers"),
            ([[1]], ["a"], ValueError, r"shape \(1, 1\)"),
            (1, ["a"], ValueError, r"shape \(\)"),
        ],
    )
    def test_tell_stores_nothing_on_an_error(self, rows, labels, error, message):
        search = session().start(X).tell([0, 149], ["setosa", "virginica"])
        before = search._session.to_json()
        with pytest.raises(error, match=message):
            search.tell(rows, labels)
        assert search._session.to_json() == before

    def test_nothing_to_tell(self):
        search = session().start(X)
        search.tell([], [])
        assert search.queries_ == []

    @pytest.mark.parametrize("n", [0, -2])
    def test_ask_for_a_positive_number(self, n):
        with pytest.raises(ValueError, match="n must be at least 1"):
            session().start(X).ask(n)

    @pytest.mark.parametrize("n", [1.5, "3", True])
    def test_ask_for_an_integer(self, n):
        with pytest.raises(TypeError, match="n must be an integer"):
            session().start(X).ask(n)

    def test_no_session(self):
        for call in (
            lambda s: s.ask(),
            lambda s: s.tell([1], ["a"]),
            lambda s: s.save("x"),
        ):
            with pytest.raises(NotFittedError, match="start"):
                call(session())

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"oracle": lambda rows: rows}, "oracle"),
            ({"n_repeats": 2}, "n_repeats=2"),
            ({"validation": 0.2}, "validation=0.2"),
        ],
    )
    def test_parameters_of_simulations(self, params, message):
        with pytest.raises(ValueError, match=message):
            session(**params).start(X)

    def test_labeled_and_y_go_together(self):
        with pytest.raises(ValueError, match="together"):
            session().start(X, y=Y)
        with pytest.raises(ValueError, match="together"):
            session().start(X, labeled=np.ones(150, bool))

    def test_labeled_has_an_entry_per_row(self):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            session().start(X, y=Y, labeled=[True] * 12)

    @pytest.mark.parametrize("missing", [None, np.nan, "", " "])
    def test_a_missing_id_stores_nothing(self, missing):
        search = session("entropy", Lookup()).start(X)
        with pytest.raises(ValueError, match="missing or empty in row 1"):
            search.tell([0, 60, 100], Y[[0, 60, 100]], groups=["p", missing, "q"])
        assert not search.labeled_.any()
        search.tell([0, 60, 100], Y[[0, 60, 100]])  # and none are needed
        assert search.classes_.tolist() == ["setosa", "versicolor", "virginica"]

    def test_strings_after_numbers_store_nothing(self):
        search = session().start(X).tell([0, 60], NUMBERS[[0, 60]])
        with pytest.raises(TypeError, match="Text and numbers"):
            search.tell([100], ["virginica"])
        assert search.tell([100], [2]).classes_.tolist() == [0, 1, 2]


class TestSaving:
    @pytest.mark.parametrize("strategy", ["margin", "random"])
    @pytest.mark.parametrize("n_batches", [0, 1, 2, 4])
    @pytest.mark.parametrize("asked", [False, True])
    def test_continues_where_it_was(self, tmp_path, strategy, n_batches, asked):
        path = tmp_path / "session.json"
        search = answer(session(strategy, random_state=None).start(X), n_batches)
        if asked:
            search.ask()
        search.save(path)
        resumed = session(strategy).start(X).load(path)
        for _ in range(3):
            rows = search.ask()
            assert resumed.ask().tolist() == rows.tolist()
            search.tell(rows, Y[rows])
            resumed.tell(rows, Y[rows])
        for name in ("iteration", "n_labels", "utility_max"):
            np.testing.assert_array_equal(resumed.history_[name], search.history_[name])
        assert [q.tolist() for q in resumed.queries_] == [
            q.tolist() for q in search.queries_
        ]

    def test_a_cold_start_of_ones_own_continues(self, tmp_path):
        def last(X, n, random_state):
            return np.arange(len(X))[-n:]

        search = session(cold_start=last).start(X)
        rows = search.ask()[:2]
        search.tell(rows, Y[rows])
        search.save(tmp_path / "s.json")
        resumed = session(cold_start=last).start(X).load(tmp_path / "s.json")
        assert resumed.ask().tolist() == search.ask().tolist() == [146, 147, 148, 149]

    @pytest.mark.parametrize(
        "labels",
        [
            np.array([0, 1, 2]),
            np.array([0.25, 1.0, 1e-17]),
            np.array([True, False, True]),
            np.array(["a", "ü", ""]),
            np.array(["a", "b", "c"], dtype=object),
            np.array([[0, 1], [1, 1], [0, 0]]),
            [["a"], ["a", "b"], []],
        ],
        ids=lambda v: (
            str(getattr(v, "dtype", "list"))
            + str(np.ndim(v) if hasattr(v, "dtype") else "")
        ),
    )
    def test_labels_keep_their_values_and_type(self, tmp_path, labels):
        search = session("random", Ridge()).start(X).tell([7, 3, 9], labels)
        search.save(tmp_path / "s.json")
        resumed = session("random", Ridge()).start(X).load(tmp_path / "s.json")
        ours, theirs = resumed._session.rounds.ledger, search._session.rounds.ledger
        assert ours.indices.tolist() == [7, 3, 9]
        assert type(ours.labels) is type(theirs.labels)
        if isinstance(labels, list):
            assert ours.labels == labels
        else:
            assert ours.labels.dtype == theirs.labels.dtype
            assert ours.labels.tolist() == labels.tolist()

    def test_groups_are_saved(self, tmp_path):
        search = session("entropy", Lookup()).start(X)
        search.tell([3, 80], ["a", "b"], groups=["ann", 7])
        search.save(tmp_path / "s.json")
        resumed = session("entropy", Lookup()).start(X).load(tmp_path / "s.json")
        resumed.tell([4], ["a"], groups=["ann"])
        assert resumed.estimator_.groups_ == ["ann", 7, "ann"]
        with pytest.raises(ValueError, match="without groups"):
            session("entropy", Lookup()).start(X, groups=Y).load(tmp_path / "s.json")

    def test_other_groups_are_refused(self, tmp_path):
        groups = np.arange(150) % 7
        search = session("entropy", Lookup()).start(X, groups=groups)
        search.tell([0, 60], Y[[0, 60]]).save(tmp_path / "s.json")
        resumed = session("entropy", Lookup())
        resumed.start(X, groups=groups.tolist()).load(tmp_path / "s.json")
        assert resumed.labeled_.sum() == 2
        for other in (None, groups[::-1]):
            with pytest.raises(ValueError, match="other groups"):
                resumed.start(X, groups=other).load(tmp_path / "s.json")

    def test_a_file_without_its_parts(self, tmp_path):
        search = session().start(X)
        search.save(tmp_path / "s.json")
        state = json.loads((tmp_path / "s.json").read_text())
        del state["seed"]
        (tmp_path / "s.json").write_text(json.dumps(state))
        with pytest.raises(ValueError, match=r"it lacks \['seed'\]"):
            search.load(tmp_path / "s.json")

    def test_frames_whose_columns_are_numbers(self, tmp_path):
        frame = pd.DataFrame(X)
        search = session().start(frame).tell([0, 60], Y[[0, 60]])
        search.save(tmp_path / "s.json")
        resumed = session().start(frame).load(tmp_path / "s.json")
        assert resumed.ask().tolist() == search.ask().tolist()

    def test_what_has_no_json_form(self, tmp_path):
        search = session("random", Ridge()).start(X).tell([1], [{"a"}])
        with pytest.raises(TypeError, match=r"got \{'a'\}"):
            search.save(tmp_path / "s.json")
        assert list(tmp_path.iterdir()) == []

    def test_is_replaced_in_one_step(self, tmp_path, monkeypatch):
        path = tmp_path / "session.json"
        search = answer(session().start(X), 1)
        search.save(path)
        old = path.read_text()
        answer(search, 1)

        synced = []
        fsync = os.fsync
        monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(fd), fsync(fd)))
        search.save(path)
        assert len(synced) == 2
        new = path.read_text()
        assert new != old

        def crash(fd):
            raise OSError("disk full")

        monkeypatch.setattr(os, "fsync", crash)
        answer(search, 1)
        with pytest.raises(OSError, match="disk full"):
            search.save(path)
        assert path.read_text() == new
        assert [p.name for p in tmp_path.iterdir()] == ["session.json"]

    def test_holds_no_rows_and_no_code(self, tmp_path):
        search = answer(session().start(X), 2)
        search.save(tmp_path / "s.json")
        state = json.loads((tmp_path / "s.json").read_text())
        assert state["n_rows"] == 150
        assert not {"X", "estimator", "params"} & set(state)
        assert len(state["labels"]["values"]) == len(state["indices"]) == 10

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "x"}', "null"])
    def test_other_files(self, tmp_path, text):
        (tmp_path / "s.json").write_text(text)
        with pytest.raises(ValueError, match=r"s\.json is not a saved session"):
            session().start(X).load(tmp_path / "s.json")

    def test_other_rows_and_versions(self, tmp_path):
        path = tmp_path / "s.json"
        answer(session().start(X), 1).save(path)
        for other in (X[::-1], X[:-1], X + 1e-9):
            search = session().start(other)
            with pytest.raises(ValueError, match="another X"):
                search.load(path)
            assert not search.labeled_.any()
        path.write_text(path.read_text().replace('"version": 3', '"version": 4'))
        with pytest.raises(ValueError, match="version 4"):
            session().start(X).load(path)
        with pytest.raises(FileNotFoundError):
            session().start(X).load(tmp_path / "none.json")
