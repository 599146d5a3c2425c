"""Hashed n-gram features."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import (
    check_no_attributes_set_in_init,
    check_param_validation,
    check_parameters_default_constructible,
)

from bead_sklearn.encoders import HashedTextEncoder
from bead_sklearn.encoders._hashed import _right_singular_vectors

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

WORDS = np.array(
    ["the", "a", "dog", "cat", "bird", "saw", "heard", "big", "small", "red"]
)


def sentences(n, seed=0, length=6):
    random = np.random.RandomState(seed)
    return [" ".join(random.choice(WORDS, length)) for _ in range(n)]


class TestFeatures:
    def test_all_components_keep_the_inner_products(self):
        texts = sentences(40)
        encoder = HashedTextEncoder()
        features = encoder.fit_transform(texts)
        assert features.shape == (40, 40)
        assert features.dtype == np.float64
        weights = encoder._weigh(encoder._count(texts)).toarray()
        gram = weights @ weights.T
        np.testing.assert_allclose(features @ features.T, gram, atol=1e-5)
        np.testing.assert_allclose(np.diag(gram), 1)

    @pytest.mark.parametrize("block", ["word_ngrams", "char_ngrams"])
    def test_one_block_alone_has_length_one(self, block):
        features = HashedTextEncoder(**{block: None}).fit_transform(sentences(20))
        np.testing.assert_allclose((features**2).sum(axis=1), 1, atol=1e-5)

    def test_weights_by_hand(self):
        encoder = HashedTextEncoder(
            word_ngrams=(1, 1), char_ngrams=None, use_idf=True, n_hash=2**20
        ).fit(["x x x y", "y"])
        weights = encoder._weigh(encoder._count(["x x x y"])).toarray()
        x = (1 + np.log(3)) * (1 + np.log(3 / 2))  # 3 times, in 1 text of 2
        y = 1 + np.log(3 / 3)
        expected = np.sort([x, y]) / np.hypot(x, y)
        np.testing.assert_allclose(np.sort(np.abs(weights[weights != 0])), expected)
        np.testing.assert_allclose(
            np.linalg.norm(encoder.transform(["x x x y"])), 1, atol=1e-6
        )

    def test_scores_are_those_of_the_exact_decomposition(self):
        texts = sorted(set(sentences(400)))
        encoder = HashedTextEncoder(n_components=20)
        features = encoder.fit_transform(texts)
        weights = encoder._weigh(encoder._count(texts)).toarray()
        left, values, _ = np.linalg.svd(weights, full_matrices=False)
        exact = left[:, :20] * values[:20]
        assert (features**2).sum() > 0.98 * (exact**2).sum()
        first = exact[:, 0] * np.sign(exact[0, 0] * features[0, 0])
        np.testing.assert_allclose(features[:, 0], first, atol=1e-5)
        np.testing.assert_allclose(
            np.linalg.norm(features, axis=0), encoder.singular_values_, rtol=0.03
        )

    def test_punctuation_is_seen(self):
        texts = ["the *dog* saw the cat", "the dog saw the *cat*"]
        features = HashedTextEncoder(char_ngrams=None).fit_transform(texts)
        assert np.linalg.norm(features[0] - features[1]) > 0.3

    def test_case_is_not(self):
        features = HashedTextEncoder().fit_transform(["The Dog", "the dog", "a cat"])
        np.testing.assert_array_equal(features[0], features[1])


@given(
    st.lists(st.text(alphabet="ab *", max_size=5), min_size=1, max_size=15),
    st.randoms(use_true_random=False),
)
def test_order_and_repetition_change_nothing(texts, random):
    first = HashedTextEncoder(n_components=3).fit(texts)
    shuffled = [*texts, *texts[:3]]
    random.shuffle(shuffled)
    second = HashedTextEncoder(n_components=3).fit(shuffled)
    features = first.transform(texts)
    np.testing.assert_allclose(features, second.transform(texts), atol=1e-10)
    alone = np.vstack([first.transform([text]) for text in texts])
    np.testing.assert_array_equal(features, alone)


def test_order_changes_nothing_when_the_decomposition_is_random():
    texts = sentences(300)
    first = HashedTextEncoder(n_components=10).fit(texts)
    second = HashedTextEncoder(n_components=10).fit(texts[::-1])
    np.testing.assert_array_equal(first.transform(texts), second.transform(texts))
    third = HashedTextEncoder(n_components=10, random_state=1).fit(texts)
    assert not np.array_equal(first.components_, third.components_)


@pytest.mark.parametrize(
    ("texts", "n_components"),
    [
        (["a dog"], 1),
        (["a dog", "a dog"], 1),
        (["a dog", "a cat", "a bird"], 3),
        ([""], 1),
        (["", " "], 1),
        (["", "a"], 1),
        (["!"], 1),
    ],
)
def test_few_strings_give_few_components(texts, n_components):
    encoder = HashedTextEncoder()
    features = encoder.fit_transform(texts)
    assert features.shape == (len(texts), n_components)
    assert np.isfinite(features).all()
    assert len(encoder.get_feature_names_out()) == n_components
    assert encoder.transform(["something else"]).shape == (1, n_components)


def test_singular_vectors_are_orthonormal():
    from scipy import sparse

    X = sparse.random_array((300, 500), density=0.05, rng=0, format="csr")
    vectors, values = _right_singular_vectors(X, 30, np.random.RandomState(0))
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(30), atol=1e-5)
    exact = np.linalg.svd(X.toarray(), compute_uv=False)[:30]
    np.testing.assert_allclose(values, exact, rtol=0.1)  # a flat spectrum
    assert (values <= exact * (1 + 1e-6)).all()


def test_containers_agree():
    texts = sentences(10)
    encoder = HashedTextEncoder(n_components=4).fit(texts)
    features = encoder.transform(texts)
    for same in (
        tuple(texts),
        np.array(texts),
        pd.Series(texts),
        pl.Series(texts),
        pd.DataFrame({"s": texts}),
        pl.DataFrame({"s": texts}),
    ):
        np.testing.assert_array_equal(encoder.transform(same), features)
    with pytest.raises(TypeError, match="one column of text"):
        encoder.transform(np.eye(3))
    with pytest.raises(ValueError, match="missing text in row 1"):
        encoder.fit(["a", None])


class TestEstimator:
    def test_clone_and_pickle(self):
        encoder = HashedTextEncoder(n_components=3).fit(sentences(10))
        again = pickle.loads(pickle.dumps(encoder))
        np.testing.assert_array_equal(
            again.transform(sentences(5)), encoder.transform(sentences(5))
        )
        fresh = clone(encoder)
        assert fresh.get_params() == encoder.get_params()
        with pytest.raises(NotFittedError):
            fresh.transform(["a"])

    def test_set_output(self):
        texts = pd.Series(sentences(4), index=[7, 5, 3, 1])
        encoder = HashedTextEncoder(n_components=2).set_output(transform="pandas")
        frame = encoder.fit(texts).transform(texts)
        assert list(frame.columns) == ["hashedtextencoder0", "hashedtextencoder1"]
        assert list(frame.index) == [7, 5, 3, 1]
        assert encoder.transform(list(texts)).shape == (4, 2)
        encoder.set_output(transform="polars")
        assert encoder.transform(texts).shape == (4, 2)

    def test_parameters(self):
        name = HashedTextEncoder.__name__
        check_param_validation(name, HashedTextEncoder())
        check_parameters_default_constructible(name, HashedTextEncoder())
        check_no_attributes_set_in_init(name, HashedTextEncoder())
        for bad in ((2, 1), (0, 1), (1,), (1.5, 2)):
            with pytest.raises(ValueError, match=r"'char_ngrams' .* Got"):
                HashedTextEncoder(char_ngrams=bad).fit(["a"])
        with pytest.raises(ValueError, match="cannot both be None"):
            HashedTextEncoder(word_ngrams=None, char_ngrams=None).fit(["a"])
