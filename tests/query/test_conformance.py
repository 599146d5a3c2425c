"""What every strategy must do, whatever it computes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from kit import capabilities, context, fitted, iris, make
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from bead_sklearn.query import get_query_strategy, get_query_strategy_names

NAMES = get_query_strategy_names()
#: They draw at random, from a seed in the order of the pool.
RANDOM = {name for name in NAMES if capabilities(name).is_random}
#: They draw nothing from a pool of this size.
SMALL = {"uncertainty_herding", "expected_error_reduction", "bald", "batch_bald"}
FOLLOWS_ORDER = sorted((set(NAMES) - RANDOM) | SMALL)
NESTED = [name for name in NAMES if capabilities(name).nested_batches]


@pytest.fixture(scope="module")
def data():
    return iris()


@pytest.fixture(scope="module")
def scored(data):
    """Score the same pool with every strategy, once."""
    X, y = data
    made = {}

    def score(name):
        if name not in made:
            made[name] = make(name).score_pool(fitted(name, X, y), X, **context(X, y))
        return made[name]

    return score


@pytest.mark.parametrize("name", NAMES)
class TestEveryStrategy:
    def test_utilities_are_finite(self, name, data, scored):
        utilities = scored(name).utilities
        assert utilities.shape == (len(data[0]),)
        assert utilities.dtype == np.float64
        assert np.isfinite(utilities).all()
        assert utilities.std() > 0

    def test_batches(self, name, data, scored):
        n = len(data[0])
        batch = scored(name).select(20)
        assert len(set(batch.tolist())) == 20
        assert batch.dtype.kind == "i"
        assert scored(name).select(20).tolist() == batch.tolist()
        assert scored(name).select(0).shape == scored(name).select(-2).shape == (0,)
        assert sorted(scored(name).select(9999)) == list(range(n))
        with pytest.raises(TypeError, match="n must be an integer"):
            scored(name).select(2.0)

    def test_calling_gives_the_same(self, name, data, scored):
        X, y = data
        model, strategy = fitted(name, X, y), make(name)
        np.testing.assert_array_equal(
            strategy(model, X, **context(X, y)), scored(name).utilities
        )
        indices, rows = strategy(model, X, n_instances=6, **context(X, y))
        assert indices.tolist() == scored(name).select(6).tolist()
        np.testing.assert_array_equal(rows, X[indices])

    def test_copies_agree(self, name, data, scored):
        X, y = data
        strategy = pickle.loads(pickle.dumps(clone(make(name))))
        again = strategy.score_pool(fitted(name, X, y), X, **context(X, y))
        again = pickle.loads(pickle.dumps(again))
        assert again.select(7).tolist() == scored(name).select(7).tolist()

    def test_nothing_is_changed(self, name, data):
        X, y = data[0].copy(), data[1].copy()
        model = fitted(name, X, y)
        before = pickle.dumps(model)
        X.setflags(write=False)
        y.setflags(write=False)
        make(name).score_pool(model, X, **context(X, y)).select(5)
        assert pickle.dumps(model) == before
        np.testing.assert_array_equal(X, data[0])

    def test_twins_are_told_apart_by_position(self, name, data):
        X, y = data
        pool = np.repeat(X[1:5], 5, axis=0)
        batch = make(name).score_pool(fitted(name, X, y), pool, **context(X, y))
        assert sorted(batch.select(20).tolist()) == list(range(20))
        assert len(set(batch.select(8).tolist())) == 8

    def test_one_row(self, name, data):
        X, y = data
        pool = make(name).score_pool(fitted(name, X, y), X[:1], **context(X, y))
        assert pool.select(3).tolist() == [0]

    def test_ties_follow_the_order_given(self, name, data):
        X, y = data
        pool = np.repeat(X[1:2], 6, axis=0)
        order = np.array([4, 2, 0, 5, 1, 3])
        scored = make(name).score_pool(fitted(name, X, y), pool, **context(X, y))
        # Sums over draws of twins differ in their last digits.
        if name in (RANDOM - SMALL - {"typiclust"}) | {"batch_bald"}:
            assert sorted(scored.select(6, order).tolist()) == list(range(6))
        elif scored.utilities.std() == 0:
            assert scored.select(1, order).tolist() == [4]
            assert scored.select(1).tolist() == [0]

    def test_missing_features_are_refused(self, name, data):
        X, y = data
        bad = X.copy()
        bad[3, 1] = np.nan
        if name == "random":
            return
        with pytest.raises(ValueError, match=r"NaN|finite"):
            make(name)(fitted(name, X, y), bad, **context(X, y))

    def test_unsuitable_estimators_are_refused_before_fitting(self, name):
        strategy = get_query_strategy(name)
        needs = strategy.capabilities.needs
        unfit = {
            "predict_proba": LinearSVC(),
            "std": Ridge(),
            "committee": LogisticRegression(),
            "linear": LinearSVC(),
            "draws": LinearSVC(),
            "posterior": LogisticRegression(),
        }
        if needs is None:
            strategy.check(LinearSVC())
            return
        kind = type(unfit[needs]).__name__
        with pytest.raises(ValueError, match=rf"{type(strategy).__name__}.*{kind}"):
            strategy.check(unfit[needs])


@pytest.mark.parametrize("name", FOLLOWS_ORDER)
def test_a_permuted_pool_gives_permuted_picks(name, data, scored):
    X, y = data
    order = np.random.default_rng(0).permutation(len(X))
    model = fitted(name, X, y)
    moved = make(name).score_pool(model, X[order], **context(X, y))
    np.testing.assert_allclose(
        moved.utilities, scored(name).utilities[order], rtol=1e-7, atol=1e-12
    )
    # Draws of configurations; votes that are tied.
    if name not in ("batch_bald", "vote_entropy"):
        assert order[moved.select(12)].tolist() == scored(name).select(12).tolist()


@pytest.mark.parametrize("name", NESTED)
def test_batches_are_nested(name, scored):
    batch = scored(name).select(15)
    for size in (1, 4, 14):
        assert scored(name).select(size).tolist() == batch[:size].tolist()


@pytest.mark.parametrize("name", FOLLOWS_ORDER)
def test_other_labels_for_the_classes_change_nothing(name, data, scored):
    X, y = data
    if capabilities(name).needs in ("std", "posterior", "committee"):
        return  # numbers; other reference classes; members seeded by position
    names = np.array(["z", "m", "a"])[y]
    model = fitted(name, X, names)
    utilities = make(name)(model, X, **context(X, names))
    if name in ("bald", "batch_bald"):  # draws belong to classes
        assert np.corrcoef(utilities, scored(name).utilities)[0, 1] > 0.8
        return
    np.testing.assert_allclose(utilities, scored(name).utilities, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"random", "predictive_std"}))
def test_float32_gives_the_same_picks(name, data):
    X, y = data
    single = X.astype(np.float32)
    double = single.astype(np.float64)
    model = fitted(name, double, y)
    one = make(name).score_pool(model, single, **context(single, y)).select(8)
    two = make(name).score_pool(model, double, **context(double, y)).select(8)
    assert one.tolist() == two.tolist()


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"predictive_std"}))
def test_sparse_rows_give_the_same_picks(name, data):
    X, y = data
    if name == "uncertainty_herding":
        return  # sparse rows are not centred
    model = fitted(name, X, y)
    csr = sparse.csr_matrix(X)
    dense = make(name).score_pool(model, X, **context(X, y))
    thin = make(name).score_pool(model, csr, X_labeled=csr[::5], y_labeled=y[::5])
    np.testing.assert_allclose(thin.utilities, dense.utilities, rtol=1e-6, atol=1e-9)
    if name != "typiclust":
        assert thin.select(6).tolist() == dense.select(6).tolist()


def test_large_pools_of_arrays_are_predicted_in_parts(data):
    X, y = data
    large = np.tile(X, (600, 1))
    for name in ("entropy", "margin", "expected_gradient_length"):
        model = fitted(name, X, y)
        whole = make(name)(model, large)
        np.testing.assert_allclose(
            whole, np.tile(make(name)(model, X), 600), rtol=1e-9, atol=1e-12
        )
