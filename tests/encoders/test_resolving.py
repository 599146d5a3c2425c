"""From the encoder parameter to a transformer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from bead_sklearn.encoders import (
    CallableEncoder,
    HashedTextEncoder,
    TransformerEncoder,
    resolve_encoder,
)


def lengths(texts):
    return np.array([[len(text), text.count("a")] for text in texts])


class TestResolve:
    def test_none(self):
        assert resolve_encoder(None).get_params() == HashedTextEncoder().get_params()
        assert resolve_encoder(None, random_state=3).random_state == 3

    def test_name(self):
        encoder = resolve_encoder("some/model", device="cpu", random_state=0)
        assert isinstance(encoder, TransformerEncoder)
        assert (encoder.model, encoder.device) == ("some/model", "cpu")

    def test_transformer_is_cloned(self):
        given = TfidfVectorizer(min_df=2).fit(["a dog", "a dog"])
        encoder = resolve_encoder(given)
        assert encoder is not given
        assert encoder.min_df == 2
        assert not hasattr(encoder, "vocabulary_")

    def test_callable(self):
        assert isinstance(resolve_encoder(lengths), CallableEncoder)

    def test_anything_else(self):
        with pytest.raises(TypeError, match=r"write encoder=HashedTextEncoder\(\)"):
            resolve_encoder(HashedTextEncoder)
        with pytest.raises(TypeError, match="Got 3"):
            resolve_encoder(3)


class TestCallable:
    def test_each_distinct_string_once(self):
        seen = []

        def encode(texts):
            seen.append(texts)
            return lengths(texts)

        encoder = CallableEncoder(encode).fit(["abc", "b", "abc"])
        features = encoder.transform(["abc", "b", "abc"])
        assert features.tolist() == [[3, 1], [1, 0], [3, 1]]
        assert features.dtype == np.float64
        assert seen == [["abc"], ["abc", "b"]]
        assert list(encoder.get_feature_names_out()) == [
            "callableencoder0",
            "callableencoder1",
        ]

    def test_sparse_is_made_dense(self):
        encoder = CallableEncoder(lambda texts: sparse.csr_array(lengths(texts)))
        assert encoder.fit_transform(["a"]).tolist() == [[1, 1]]

    @pytest.mark.parametrize(
        "returned", [[1, 2], [[1]], np.zeros((2, 0)), np.zeros((3, 1))], ids=str
    )
    def test_shape(self, returned):
        encoder = CallableEncoder(lengths).fit(["a", "b"])
        encoder.function = lambda texts: returned
        with pytest.raises(ValueError, match=r"must return .* shape \(2, d\)"):
            encoder.transform(["a", "b"])

    def test_width_is_that_of_fit(self):
        encoder = CallableEncoder(lambda texts: np.zeros((len(texts), len(texts))))
        with pytest.raises(ValueError, match="2 features per text and 1 in fit"):
            encoder.fit_transform(["a", "b"])

    def test_finite(self):
        encoder = CallableEncoder(
            lambda texts: [[np.nan if t == "b" else 1] for t in texts]
        )
        with pytest.raises(ValueError, match="1 texts, first for 'b'"):
            encoder.fit_transform(["a", "b"])
