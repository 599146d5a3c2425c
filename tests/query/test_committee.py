"""Committees: measures of disagreement, and members that know different classes."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from bead_sklearn import BinaryClassifier
from bead_sklearn.datasets import make_judgments
from bead_sklearn.query import (
    CommitteeClassifier,
    ConsensusEntropySampling,
    EntropySampling,
    MaxKLSampling,
    MeanKLSampling,
    VoteEntropySampling,
    align_classes,
    get_query_strategy,
)

SHARED = Path(__file__).resolve().parents[3] / "shared"
NAMES = ["vote_entropy", "consensus_entropy", "max_kl", "mean_kl"]

# Members of a committee on five rows, and what they give in nats (seed 001).
MEMBERS = np.array(
    [
        [[0.5, 0.5], [1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.34, 0.66]],
        [[0.5, 0.5], [0.0, 1.0], [0.9, 0.1], [0.4, 0.6], [0.51, 0.49]],
        [[0.5, 0.5], [1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.52, 0.48]],
    ]
)
TWO_TO_ONE = np.log(3) - 2 * np.log(2) / 3
GOLDEN = {
    "vote_entropy": [0, TWO_TO_ONE, 0, TWO_TO_ONE, TWO_TO_ONE],
    "max_kl": [0, np.log(3), 0, 0.03571582798783132, 0.028078349461019864],
    "mean_kl": [0, TWO_TO_ONE, 0, 0.01791164230456166, 0.013943705357818033],
}


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_values(name):
    scores = get_query_strategy(name).compute_scores(MEMBERS)
    np.testing.assert_allclose(scores, GOLDEN[name], rtol=0, atol=1e-14)


def test_golden_file():
    path = SHARED / "golden" / "seed001.json"
    if not path.exists():
        pytest.skip(f"{path} is not there: it lies beside the project, not in it")
    golden = json.loads(path.read_text())["committee"]
    members = np.array(golden["member_proba"])
    for name, key in {
        "consensus_entropy": "consensus_entropy",
        "vote_entropy": "vote_entropy_nats",
        "max_kl": "max_kl_disagreement",
        "mean_kl": "mean_kl_disagreement(=BALD mutual information)",
    }.items():
        scores = get_query_strategy(name).compute_scores(members)
        np.testing.assert_allclose(scores, golden[key], rtol=0, atol=1e-9)


def test_agreement_scores_exactly_zero():
    same = np.array([[[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]] * 4)
    for strategy in (VoteEntropySampling(), MaxKLSampling(), MeanKLSampling()):
        assert (strategy.compute_scores(same) == 0).all()


def test_mean_kl_is_what_of_the_uncertainty_is_disagreement():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), size=(6, 30))
    within = np.mean([EntropySampling().compute_scores(m) for m in p], axis=0)
    np.testing.assert_allclose(
        MeanKLSampling().compute_scores(p),
        ConsensusEntropySampling().compute_scores(p) - within,
        rtol=1e-12,
    )
    assert (
        MaxKLSampling().compute_scores(p) >= MeanKLSampling().compute_scores(p)
    ).all()


@pytest.mark.parametrize("name", NAMES)
def test_relabelling_changes_nothing(name):
    p = np.random.default_rng(1).dirichlet(np.ones(4), size=(5, 40))
    strategy = get_query_strategy(name)
    np.testing.assert_allclose(
        strategy.compute_scores(p[:, :, [2, 0, 3, 1]]),
        strategy.compute_scores(p),
        rtol=1e-12,
        atol=1e-15,
    )


def committees(X, y):
    some = slice(None, None, 4)
    names = np.array(["setosa", "versicolor", "virginica"])
    members = [("lr", LogisticRegression(max_iter=500)), ("nb", GaussianNB())]
    # Labels that are numbers, but not those by which members are numbered.
    shifted = y[some] + 5
    yield CommitteeClassifier(random_state=0).fit(X[some], names[y[some]])
    yield VotingClassifier(members, voting="soft").fit(X[some], shifted)
    yield BaggingClassifier(
        LogisticRegression(max_iter=500), max_features=3, random_state=0
    ).fit(X[some], shifted)
    yield RandomForestClassifier(10, random_state=0).fit(X[some], shifted)
    yield make_pipeline(
        StandardScaler(), BaggingClassifier(GaussianNB(), random_state=0)
    ).fit(X[some], names[y[some]])


def test_consensus_is_the_uncertainty_of_the_committee(iris):
    X, y = iris
    for committee in committees(X, y):
        np.testing.assert_allclose(
            ConsensusEntropySampling()(committee, X),
            EntropySampling()(committee, X),
            rtol=1e-9,
            atol=1e-9,
        )


def test_members_with_different_classes(iris):
    X, y = iris
    two = LogisticRegression(max_iter=500).fit(X[y < 2], y[y < 2])
    three = LogisticRegression(max_iter=500).fit(X, y)
    p = np.stack([align_classes(two.predict_proba(X), [0, 1], [0, 1, 2])])
    expected = np.concatenate([p, three.predict_proba(X)[None]])
    for name in NAMES:
        strategy = get_query_strategy(name)
        np.testing.assert_allclose(
            strategy([two, three], X), strategy.compute_scores(expected), rtol=1e-12
        )


def test_align_classes_names_the_stranger():
    with pytest.raises(ValueError, match=r"\['d'\].*\['a', 'b'\]"):
        align_classes([[0.5, 0.5]], ["a", "d"], ["a", "b"])


def test_multi_label_committees_sum_over_labels():
    X, Y = make_multilabel_classification(n_samples=60, n_classes=3, random_state=0)
    forest = RandomForestClassifier(5, random_state=0).fit(X, Y)
    per_label = np.zeros(60)
    for label in range(3):
        members = [tree.predict_proba(X)[label] for tree in forest.estimators_]
        per_label += MeanKLSampling().compute_scores(members)
    np.testing.assert_allclose(MeanKLSampling()(forest, X), per_label)


def test_large_pools_are_scored_in_parts(iris):
    X, y = iris
    committee = CommitteeClassifier(random_state=0).fit(X, y)
    large = np.repeat(X, 150, axis=0)
    np.testing.assert_allclose(
        MeanKLSampling()(committee, large),
        np.repeat(MeanKLSampling()(committee, X), 150),
        rtol=1e-9,
        atol=1e-14,
    )


@pytest.mark.parametrize("name", NAMES)
def test_who_is_no_committee(name, iris):
    X, y = iris
    strategy = get_query_strategy(name)
    with pytest.raises(ValueError, match=r"committee.*LogisticRegression has none"):
        strategy.check(LogisticRegression())
    strategy.check(CommitteeClassifier())
    with pytest.raises(ValueError, match="has 1 fitted member"):
        strategy([GaussianNB().fit(X, y)], X)


class TestCommitteeClassifier:
    def test_predictions_are_the_mean_of_the_members(self, iris):
        X, y = iris
        committee = CommitteeClassifier(n_estimators=4, random_state=1).fit(X, y)
        said = np.stack([m.predict_proba(X) for m in committee.estimators_])
        np.testing.assert_allclose(committee.predict_proba(X), said.mean(axis=0))
        assert committee.vote_proba(X).shape == (150, 4, 3)
        assert committee.vote(X).shape == (150, 4)
        assert committee.score(X, y) > 0.9

    def test_members_of_different_kinds_learn_from_all_rows(self, iris):
        X, y = iris
        tree = DecisionTreeClassifier(random_state=0)
        committee = CommitteeClassifier([GaussianNB(), tree]).fit(X, y)
        np.testing.assert_array_equal(
            committee.vote_proba(X)[:, 0], GaussianNB().fit(X, y).predict_proba(X)
        )

    def test_bootstrap_members_may_miss_classes(self):
        X = np.arange(12.0)[:, None]
        y = np.array(list("aaaaabbbbbbc"))
        committee = CommitteeClassifier(n_estimators=9, random_state=0).fit(X, y)
        known = {tuple(m.classes_) for m in committee.estimators_}
        assert len(known) > 1
        np.testing.assert_allclose(committee.predict_proba(X).sum(axis=1), 1.0)
        assert np.isfinite(MaxKLSampling()(committee, X)).all()

    def test_same_seed_same_committee(self, iris):
        X, y = iris
        one, two = (
            CommitteeClassifier(random_state=3).fit(X, y).predict_proba(X)
            for _ in range(2)
        )
        np.testing.assert_array_equal(one, two)
        other = CommitteeClassifier(random_state=4).fit(X, y)
        assert (other.predict_proba(X) != one).any()
        again = pickle.loads(pickle.dumps(other))
        np.testing.assert_array_equal(again.predict_proba(X), other.predict_proba(X))

    def test_text_and_sparse(self):
        texts = ["good film", "bad film", "good", "awful", "bad", "good good"]
        y = ["+", "-", "+", "-", "-", "+"]
        reader = make_pipeline(TfidfVectorizer(), LogisticRegression())
        committee = CommitteeClassifier(reader, random_state=0).fit(texts, y)
        assert MeanKLSampling()(committee, ["film", "good"]).shape == (2,)
        X = TfidfVectorizer().fit_transform(texts)
        committee = CommitteeClassifier(random_state=0).fit(sparse.csr_matrix(X), y)
        assert MeanKLSampling()(committee, X).shape == (6,)

    @pytest.mark.parametrize("routing", [False, True])
    def test_participants_reach_members_and_are_drawn_whole(self, routing):
        d = make_judgments("binary", n_participants=8, n_items=10, random_state=0)
        with config_context(enable_metadata_routing=routing):
            committee = CommitteeClassifier(
                Recorder(), n_estimators=6, random_state=0
            ).fit(d.X, d.y, groups=d.groups)
            sizes = {
                who: sum(np.asarray(d.groups) == who) for who in np.unique(d.groups)
            }
            for member in committee.estimators_:
                assert member.asked_ == {"fit"}
                who, counts = np.unique(member.groups_, return_counts=True)
                for one, count in zip(who, counts, strict=True):
                    assert count % sizes[one] == 0
            groups = np.asarray(d.groups)
            MeanKLSampling()(committee, d.X, groups=groups)
            assert all("predict_proba" in m.asked_ for m in committee.estimators_)

    def test_members_of_the_suite(self):
        d = make_judgments("binary", n_participants=10, n_items=30, random_state=0)
        committee = CommitteeClassifier(
            BinaryClassifier(), n_estimators=3, random_state=0
        ).fit(d.X, d.y, groups=d.groups)
        utilities = MeanKLSampling()(committee, d.X, groups=d.groups)
        assert utilities.std() > 0

    def test_errors(self, iris):
        X, y = iris
        with pytest.raises(ValueError, match="at least two members, got 1"):
            CommitteeClassifier([GaussianNB()]).fit(X, y)
        with pytest.raises(ValueError, match=r"'bootstrap' parameter.*Got 'yes'"):
            CommitteeClassifier(bootstrap="yes").fit(X, y)
        assert clone(CommitteeClassifier(n_estimators=7)).n_estimators == 7


class Recorder(ClassifierMixin, BaseEstimator):
    """Notes which participants it is given."""

    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__predict_proba: ClassVar[dict[str, bool]] = {"groups": True}

    def fit(self, X, y, groups=None):
        self.asked_ = {"fit"}
        self.groups_ = np.asarray(groups)
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X, groups=None):
        if groups is not None:
            self.asked_.add("predict_proba")
        return np.full((len(X), 2), 0.5)

    def predict(self, X):
        return np.repeat(self.classes_[0], len(X))


def test_weights_that_a_member_does_not_take():
    X, y = load_iris(return_X_y=True)
    committee = CommitteeClassifier([GaussianNB(), KNeighborsClassifier()])
    with pytest.raises(ValueError, match=r"KNeighborsClassifier, .* no sample_weight"):
        committee.fit(X, y, sample_weight=np.ones(len(y)))
    committee.fit(X, y)
