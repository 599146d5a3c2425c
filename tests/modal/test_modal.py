"""A script for modAL runs after its import is changed, and its numbers are the same."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import bead_sklearn.modal as ours
from bead_sklearn import BinaryClassifier
from bead_sklearn.modal.batch import ranked_batch
from bead_sklearn.modal.density import information_density
from bead_sklearn.modal.disagreement import (
    KL_max_disagreement,
    consensus_entropy,
    vote_entropy,
)
from bead_sklearn.modal.models import ActiveLearner, Committee
from bead_sklearn.modal.uncertainty import (
    classifier_entropy,
    classifier_margin,
    classifier_uncertainty,
)
from bead_sklearn.modal.utils import (
    make_linear_combination,
    make_product,
    make_query_strategy,
    multi_argmax,
    multi_argmin,
    shuffled_argmax,
    shuffled_argmin,
    weighted_random,
)

X, Y = load_iris(return_X_y=True)
START = np.arange(0, 150, 15)
POOL = np.setdiff1d(np.arange(150), START)
LR = LogisticRegression(max_iter=1000)

# The loops of modAL's documentation: pool-based sampling, query by committee, ranked
# batches and information density.
SCRIPT = """
import numpy as np
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from modAL.batch import uncertainty_batch_sampling
from modAL.density import information_density
from modAL.disagreement import (
    consensus_entropy_sampling, max_disagreement_sampling, vote_entropy_sampling,
)
from modAL.models import ActiveLearner, Committee
from modAL.uncertainty import (
    classifier_entropy, entropy_sampling, margin_sampling, uncertainty_sampling,
)
from modAL.utils.combination import make_product, make_query_strategy
from modAL.utils.selection import multi_argmax

np.random.seed(0)
X_raw, y_raw = load_iris(return_X_y=True)
log = []
for strategy in (uncertainty_sampling, margin_sampling, entropy_sampling):
    training = np.random.choice(len(X_raw), 9, replace=False)
    X_pool, y_pool = (np.delete(a, training, axis=0) for a in (X_raw, y_raw))
    learner = ActiveLearner(
        estimator=KNeighborsClassifier(n_neighbors=3), query_strategy=strategy,
        X_training=X_raw[training], y_training=y_raw[training],
    )
    for _ in range(10):
        query_idx, query_instance = learner.query(X_pool)
        learner.teach(X=X_pool[query_idx].reshape(1, -1),
                      y=y_pool[query_idx].reshape(1,))
        X_pool = np.delete(X_pool, query_idx, axis=0)
        y_pool = np.delete(y_pool, query_idx)
    assert learner.X_training.shape == (19, 4)
    log.append(learner.score(X_raw, y_raw))

for strategy in (vote_entropy_sampling, consensus_entropy_sampling,
                 max_disagreement_sampling):
    X_pool, y_pool, learners = X_raw.copy(), y_raw.copy(), []
    for k in range(3):
        training = np.random.choice(len(X_pool), 5, replace=False)
        learners.append(ActiveLearner(
            estimator=RandomForestClassifier(10, random_state=k),
            X_training=X_pool[training], y_training=y_pool[training],
        ))
        X_pool = np.delete(X_pool, training, axis=0)
        y_pool = np.delete(y_pool, training)
    committee = Committee(learner_list=learners, query_strategy=strategy)
    for _ in range(8):
        query_idx, query_instance = committee.query(X_pool)
        committee.teach(X=X_pool[query_idx].reshape(1, -1),
                        y=y_pool[query_idx].reshape(1,))
        X_pool = np.delete(X_pool, query_idx, axis=0)
        y_pool = np.delete(y_pool, query_idx)
    committee.rebag()
    for learner in committee:
        assert len(learner.X_training) == 13
    log.append(committee.score(X_raw, y_raw))

batch_learner = ActiveLearner(
    LogisticRegression(max_iter=1000), uncertainty_batch_sampling,
    X_training=X_raw[::15], y_training=y_raw[::15],
)
query_idx, query_instances = batch_learner.query(X_raw, n_instances=6)
log.append(query_idx.tolist())
density = make_query_strategy(
    utility_measure=make_product(
        classifier_entropy, lambda learner, X: information_density(X, "euclidean")
    ),
    selector=multi_argmax,
)
density_learner = ActiveLearner(
    LogisticRegression(max_iter=1000), density,
    X_training=X_raw[::15], y_training=y_raw[::15],
)
query_idx, query_instances, metrics = density_learner.query(
    X_raw, return_metrics=True)
assert metrics.shape == (1,)
density_learner.teach(query_instances, y_raw[query_idx], only_new=False)
log.append(query_idx.tolist())
"""


def test_a_script_runs_after_its_import_is_changed():
    space = {}
    exec(SCRIPT.replace("from modAL", "from bead_sklearn.modal"), space)
    scores = space["log"][:6]
    assert all(score > 0.6 for score in scores)
    assert np.mean(scores) > 0.85


def learner(strategy=ours.uncertainty_sampling, estimator=LR, **params):
    return ActiveLearner(
        clone(estimator), strategy, X_training=X[START], y_training=Y[START], **params
    )


def committee(strategy=ours.vote_entropy_sampling):
    rows = [START, START[:7], START[3:]]  # the second has seen two classes only
    models = [LR, GaussianNB(), KNeighborsClassifier(3)]
    return Committee(
        [
            ActiveLearner(clone(model), X_training=X[r], y_training=Y[r])
            for model, r in zip(models, rows, strict=True)
        ],
        strategy,
    )


class TestActiveLearner:
    def test_query_and_teach(self):
        model = learner(ours.margin_sampling)
        rows, instances = model.query(X[POOL], n_instances=4)
        np.testing.assert_array_equal(instances, X[POOL][rows])
        p = np.sort(model.predict_proba(X[POOL]), axis=1)
        assert (
            rows.tolist() == np.argsort(p[:, -1] - p[:, -2], kind="stable")[:4].tolist()
        )
        assert model.teach(instances, Y[POOL][rows]) is None
        known = np.concatenate([START, POOL[rows]])
        by_hand = clone(LR).fit(X[known], Y[known])
        np.testing.assert_array_equal(model.predict_proba(X), by_hand.predict_proba(X))
        np.testing.assert_array_equal(model.X_training, X[known])

    def test_only_new(self):
        model = learner()
        new = np.array([0, 60, 120])
        model.teach(X[new], Y[new], only_new=True)
        by_hand = clone(LR).fit(X[new], Y[new])
        np.testing.assert_array_equal(model.predict_proba(X), by_hand.predict_proba(X))
        assert len(model.X_training) == len(START) + 3
        model.teach(X[[3]], Y[[3]])
        known = np.concatenate([START, new, [3]])
        by_hand = clone(LR).fit(X[known], Y[known])
        np.testing.assert_array_equal(model.predict_proba(X), by_hand.predict_proba(X))

    def test_metrics_and_strategies_of_the_suite(self):
        for strategy in ("margin", ours.margin_sampling):
            rows, _, metrics = learner(strategy).query(
                X[POOL], n_instances=3, return_metrics=True
            )
            assert metrics.shape == rows.shape == (3,)
        both = [
            learner(s).query(X[POOL], n_instances=9)[0]
            for s in ("margin", ours.margin_sampling)
        ]
        assert both[0].tolist() == both[1].tolist()

    @pytest.mark.parametrize(
        "returned", [lambda n: np.arange(n), lambda n: list(range(n)), np.int64]
    )
    def test_indices_only(self, returned):
        """Two indices are not taken for indices and metrics, nor called twice."""
        calls = []

        def strategy(model, X_pool, n_instances=1):
            calls.append(n_instances)
            return returned(n_instances)

        rows, instances, metrics = learner(strategy).query(
            X[POOL], n_instances=2, return_metrics=True
        )
        assert rows.shape == ((1,) if returned is np.int64 else (2,))
        assert len(instances) == len(rows)
        assert metrics is None
        assert calls == [2]

    def test_errors_are_not_swallowed(self):
        def broken(model, X_pool, n_instances=1):
            raise KeyError("column")

        with pytest.raises(KeyError, match="column"):
            learner(broken).query(X[POOL])
        with pytest.raises(TypeError, match="must return positions"):
            learner(lambda model, X: "first").query(X[POOL])
        with pytest.raises(ValueError, match="NaN"):
            learner().teach(X[[0]] * np.nan, Y[[0]])
        assert len(learner(force_all_finite=False).X_training) == len(START)

    def test_containers(self):
        frame = pd.DataFrame(X, columns=list("abcd"))
        model = ActiveLearner(
            clone(LR), X_training=frame.iloc[START], y_training=Y[START]
        )
        rows, instances = model.query(frame.iloc[POOL], n_instances=2)
        model.teach(instances, Y[POOL][rows])
        assert model.X_training.shape == (12, 4)
        matrix = sparse.csr_matrix(X)
        model = ActiveLearner(
            clone(LR), ours.uncertainty_batch_sampling, matrix[START], Y[START]
        )
        rows, instances = model.query(matrix[POOL], n_instances=3)
        model.teach(instances, Y[POOL][rows])
        dense = ActiveLearner(
            clone(LR), ours.uncertainty_batch_sampling, X[START], Y[START]
        )
        assert dense.query(X[POOL], n_instances=3)[0].tolist() == rows.tolist()
        texts = np.array(["a dog", "a cat", "two dogs", "one cat"], dtype=object)
        model = ActiveLearner(
            make_pipeline(TfidfVectorizer(), LogisticRegression()),
            X_training=texts[:2],
            y_training=np.array(["dog", "cat"]),
        )
        rows, instances = model.query(texts[2:])
        model.teach(instances, np.array(["dog", "cat"])[rows])
        assert len(model.X_training) == 3

    def test_without_training_data(self):
        model = ActiveLearner(clone(LR))
        rows, _ = model.query(X[POOL], n_instances=3)  # all equally uncertain
        assert rows.tolist() == [0, 1, 2]
        model = ActiveLearner(clone(LR), ours.uncertainty_batch_sampling)
        rows, _ = model.query(X, n_instances=3)
        assert rows[0] == pairwise_distances(X).mean(axis=0).argmin()
        model.teach(X[START], Y[START])
        assert model.score(X, Y) > 0.8

    def test_clone_search_and_pickle(self):
        model = learner(ours.entropy_sampling)
        rows, instances = model.query(X[POOL], n_instances=5)
        copy = pickle.loads(pickle.dumps(model))
        assert copy.query(X[POOL], n_instances=5)[0].tolist() == rows.tolist()
        other = clone(model)
        assert other.estimator is not model.estimator
        assert other.query(X[POOL], n_instances=5)[0].tolist() == rows.tolist()
        other.teach(instances, Y[POOL][rows])
        assert len(model.X_training) == len(START)
        grid = GridSearchCV(
            ActiveLearner(LogisticRegression(max_iter=1000)),
            {
                "estimator__C": [1e-4, 1.0],
                "query_strategy": [ours.margin_sampling, "entropy"],
            },
        ).fit(X, Y)
        assert grid.best_params_["estimator__C"] == 1.0
        assert cross_val_score(ActiveLearner(clone(LR)), X, Y).mean() > 0.9
        assert "ActiveLearner" in repr(model)

    def test_models_of_the_suite(self):
        y = np.where(Y > 0, "yes", "no")
        model = ActiveLearner(
            BinaryClassifier(), "entropy", X_training=X[START], y_training=y[START]
        )
        rows, instances = model.query(X[POOL], n_instances=2)
        model.teach(instances, y[POOL][rows])
        assert model.score(X, y) > 0.9

    def test_bootstrap(self):
        np.random.seed(1)  # noqa: NPY002
        one = learner(
            bootstrap_init=True, estimator=RandomForestClassifier(3, random_state=0)
        )
        two = learner(estimator=RandomForestClassifier(3, random_state=0))
        assert not np.array_equal(one.predict_proba(X), two.predict_proba(X))

    def test_on_transformed(self):
        pipe = make_pipeline(StandardScaler(), LogisticRegression())
        model = learner(ours.uncertainty_batch_sampling, pipe, on_transformed=True)
        rows, _ = model.query(X[POOL], n_instances=5)
        scaler = StandardScaler().fit(X[START])
        inner = ActiveLearner(
            LogisticRegression(),
            ours.uncertainty_batch_sampling,
            scaler.transform(X[START]),
            Y[START],
        )
        expected, _ = inner.query(scaler.transform(X[POOL]), n_instances=5)
        assert rows.tolist() == expected.tolist()


class TestCommittee:
    def test_members_that_know_different_classes(self):
        model = committee()
        said = model.vote_proba(X)
        assert said.shape == (150, 3, 3)
        np.testing.assert_allclose(said.sum(axis=2), 1.0)
        assert (said[:, 1, 2] == 0).all()
        np.testing.assert_allclose(model.predict_proba(X), said.mean(axis=1))
        assert model.n_classes_ == 3
        assert len(model) == 3

    def test_loop(self):
        for strategy in (
            ours.vote_entropy_sampling,
            ours.consensus_entropy_sampling,
            ours.max_disagreement_sampling,
            "vote_entropy",
            "max_kl",
        ):
            model = committee(strategy)
            rows, instances = model.query(X[POOL], n_instances=3)
            model.teach(instances, Y[POOL][rows])
            assert [len(member.X_training) for member in model] == [13, 10, 10]
            assert model.score(X, Y) > 0.6

    def test_labels_of_any_kind(self):
        names = np.array(["setosa", "versicolor", "virginica"])[Y]
        model = Committee([ActiveLearner(clone(m)) for m in (LR, GaussianNB())]).fit(
            X[START], names[START]
        )
        assert model.classes_.tolist() == sorted(set(names))
        assert set(model.vote(X).ravel()) <= set(names)
        assert model.query(X[POOL])[0].shape == (1,)

    def test_clone_and_pickle(self):
        model = committee()
        rows = model.query(X[POOL], n_instances=5)[0].tolist()
        for copy in (pickle.loads(pickle.dumps(model)), clone(model)):
            assert copy.query(X[POOL], n_instances=5)[0].tolist() == rows
        grid = GridSearchCV(
            Committee([ActiveLearner(LR), ActiveLearner(GaussianNB())]),
            {"query_strategy": [ours.vote_entropy_sampling]},
            error_score="raise",
        ).fit(X, Y)
        assert grid.best_score_ > 0.9

    def test_not_fitted(self):
        model = Committee([ActiveLearner(LogisticRegression()) for _ in range(2)])
        assert model.classes_ is None
        assert model.n_classes_ == 0
        assert vote_entropy(model, X).tolist() == [0.0] * 150


class TestUtilities:
    values = np.array([0.3, 0.9, 0.1, 0.9, 0.5])

    def test_selection(self):
        assert multi_argmax(self.values, 3)[0].tolist() == [1, 3, 4]
        assert multi_argmin(self.values, 2)[0].tolist() == [2, 0]
        assert multi_argmin(self.values, 2)[1].tolist() == [0.1, 0.3]
        first = {shuffled_argmax(self.values)[0][0] for _ in range(50)}
        assert first == {1, 3}
        first = {shuffled_argmin(-self.values)[0][0] for _ in range(50)}
        assert first == {1, 3}
        assert len(multi_argmax(self.values, 99)[0]) == 5
        assert set(weighted_random([0, 1, 1], 2)) == {1, 2}
        with pytest.raises(ValueError, match="positive for 2"):
            weighted_random([0, 0, 1], 2)

    def test_combinations(self):
        def double(x):
            return 2 * x

        total = make_linear_combination(np.abs, double, weights=[1.0, 3.0])
        np.testing.assert_allclose(total(self.values), 7 * self.values)
        product = make_product(np.abs, double, exponents=[2.0, 1.0])
        np.testing.assert_allclose(product(self.values), 2 * self.values**3)
        with pytest.raises(ValueError, match="one per function, got 1 for 2"):
            make_product(np.abs, double, exponents=[1.0])
        strategy = make_query_strategy(classifier_entropy, multi_argmax)
        rows, _ = learner(strategy).query(X[POOL], n_instances=3)
        assert rows.tolist() == (
            learner(ours.entropy_sampling).query(X[POOL], n_instances=3)[0].tolist()
        )


@pytest.fixture(scope="module")
def theirs():
    """Functions of the real modAL."""
    pytest.importorskip("modAL", reason="needs modAL-python (install with --no-deps)")
    import modAL.batch
    import modAL.density
    import modAL.disagreement
    import modAL.models
    import modAL.uncertainty

    return modAL


class TestAgainstModal:
    def test_uncertainty(self, theirs):
        model = learner()
        for mine, name in (
            (classifier_uncertainty, "classifier_uncertainty"),
            (classifier_margin, "classifier_margin"),
            (classifier_entropy, "classifier_entropy"),
        ):
            other = getattr(theirs.uncertainty, name)
            np.testing.assert_allclose(mine(model, X), other(model, X), atol=1e-12)
        for name in ("uncertainty_sampling", "margin_sampling", "entropy_sampling"):
            mine, metrics = getattr(ours, name)(model, X[POOL], n_instances=7)
            other, others = getattr(theirs.uncertainty, name)(
                model, X[POOL], n_instances=7
            )
            assert set(mine) == set(other)
            np.testing.assert_allclose(np.sort(metrics), np.sort(others), atol=1e-12)

    def test_disagreement(self, theirs):
        model = committee()
        for mine, name in (
            (vote_entropy, "vote_entropy"),
            (consensus_entropy, "consensus_entropy"),
            (KL_max_disagreement, "KL_max_disagreement"),
        ):
            other = getattr(theirs.disagreement, name)
            np.testing.assert_allclose(mine(model, X), other(model, X), atol=1e-12)

    @pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine"])
    def test_ranked_batches(self, theirs, metric):
        model = learner()
        scores = classifier_uncertainty(model, X[POOL])
        mine = ranked_batch(model, X[POOL], scores, 12, metric)
        other = theirs.batch.ranked_batch(model, X[POOL], scores, 12, metric, None)
        assert mine[0].tolist() == other[0].tolist()
        np.testing.assert_array_equal(mine[1], other[1])
        model.X_training = None
        mine = ranked_batch(model, X[POOL], scores, 5, metric)
        other = theirs.batch.ranked_batch(model, X[POOL], scores, 5, metric, None)
        assert mine[0].tolist() == other[0].tolist()

    @pytest.mark.parametrize("metric", ["euclidean", "cosine"])
    def test_density(self, theirs, metric):
        np.testing.assert_allclose(
            information_density(X, metric),
            theirs.density.information_density(X, metric),
            rtol=1e-10,
        )

    @pytest.mark.parametrize(
        "name", ["margin", "entropy", "random", "consensus_entropy"]
    )
    def test_our_strategies_in_their_learner(self, theirs, name):
        from bead_sklearn.query import get_query_strategy

        fitted = (
            RandomForestClassifier(8, random_state=0)
            if name == "consensus_entropy"
            else clone(LR)
        ).fit(X[START], Y[START])
        model = theirs.models.ActiveLearner(
            fitted, query_strategy=get_query_strategy(name).as_modal()
        )
        for n in (1, 2, 3):
            rows, instances = model.query(X[POOL], n_instances=n)
            assert rows.shape == (n,)
            np.testing.assert_array_equal(instances, X[POOL][rows])
        if name != "random":
            expected, _ = get_query_strategy(name)(fitted, X[POOL], n_instances=3)
            assert rows.tolist() == expected.tolist()

    def test_the_script_needs_us(self, theirs):
        """What the successor is for: their own teach no longer works."""
        space = {}
        with pytest.raises(TypeError, match="force_all_finite"):
            exec(SCRIPT, space)
