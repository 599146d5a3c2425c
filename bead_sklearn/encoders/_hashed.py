"""Dense features of text from hashed n-grams, without a download."""

from __future__ import annotations

import numbers
from typing import Any, ClassVar

import numpy as np
from numpy.random import RandomState
from scipy import linalg, sparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from bead_sklearn._sklearn import Interval, _fit_context
from bead_sklearn._threads import blas_threads
from bead_sklearn.inputs import read_text

#: Words, and each punctuation mark by itself: a mark such as *this* is seen.
_TOKEN = r"\w+|[^\w\s]"

#: Extra directions and passes of the randomized decomposition.
_OVERSAMPLING = 16
_N_PASSES = 2


class HashedTextEncoder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    r"""Encode text by hashed word and character n-grams, reduced to dense features.

    Word n-grams and character n-grams (within words, padded with spaces) are counted
    in two blocks of signed hash buckets [1]_. With :math:`c` the count of a bucket in
    a text, its weight is :math:`\mathrm{sign}(c)(1 + \log |c|)`, with ``use_idf``
    times :math:`1 + \log\frac{1 + n}{1 + m}` if the bucket occurs in m of the n
    training texts. Each block of a text is scaled to length :math:`\sqrt{1/2}`, so a
    text has length 1 over both. The features are the scores :math:`X V` on the leading
    right singular vectors V of the training texts' weights X, found by subspace
    iteration from a random start [2]_.

    Features are neither centred nor whitened. Their inner products approximate those
    of X, their mean squared length is at most 1, and an isotropic normal prior on
    coefficients is one on a smooth function of the n-grams.

    Parameters
    ----------
    n_components : int, default=256
        Number of features; fewer if the distinct training texts are fewer or span
        fewer dimensions. More features keep more of what rare n-grams say, at the
        price of larger models.
    word_ngrams : (int, int) or None, default=(1, 2)
        Shortest and longest word n-gram. Punctuation marks are words. None leaves
        them out.
    char_ngrams : (int, int) or None, default=(2, 4)
        Shortest and longest character n-gram. None leaves them out.
    n_hash : int, default=2**14
        Number of hash buckets of each block.
    use_idf : bool, default=False
        Whether rare n-grams weigh more. The leading features then describe fewer of
        the differences between texts, since those of rare n-grams are shared by few.
    random_state : int, RandomState instance or None, default=0
        Start of the decomposition. An int gives the same features at every fit.

    Attributes
    ----------
    components_ : ndarray of float32 of shape (n_columns, n_components)
        Right singular vectors.
    singular_values_ : ndarray of shape (n_components,)
        Approximate singular values, in decreasing order.
    columns_ : ndarray of int of shape (n_columns,)
        Hash buckets that occur in the training texts.
    idf_ : ndarray of shape (n_columns,)
        Factors of the weights of these buckets; 1 without ``use_idf``.

    See Also
    --------
    TransformerEncoder : Features from a pretrained language model.

    Notes
    -----
    Each distinct string counts once, and strings are sorted before anything is
    learned: repeating or reordering rows changes nothing.

    References
    ----------
    .. [1] Weinberger, Dasgupta, Langford, Smola & Attenberg (2009). Feature hashing
       for large scale multitask learning. ICML. doi:10.1145/1553374.1553516
    .. [2] Halko, Martinsson & Tropp (2011). Finding structure with randomness. SIAM
       Review 53(2), 217-288. doi:10.1137/090771806

    Examples
    --------
    >>> encoder = HashedTextEncoder(n_components=2)
    >>> features = encoder.fit_transform(["a dog barks", "a cat", "a dog barks"])
    >>> features.shape
    (3, 2)
    >>> encoder.get_feature_names_out().tolist()
    ['hashedtextencoder0', 'hashedtextencoder1']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(numbers.Integral, 1, None, closed="left")],
        "word_ngrams": [tuple, list, None],
        "char_ngrams": [tuple, list, None],
        "n_hash": [Interval(numbers.Integral, 1, 2**30, closed="both")],
        "use_idf": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        n_components: int = 256,
        word_ngrams: tuple[int, int] | None = (1, 2),
        char_ngrams: tuple[int, int] | None = (2, 4),
        n_hash: int = 2**14,
        use_idf: bool = False,
        random_state: int | RandomState | None = 0,
    ) -> None:
        self.n_components = n_components
        self.word_ngrams = word_ngrams
        self.char_ngrams = char_ngrams
        self.n_hash = n_hash
        self.use_idf = use_idf
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> HashedTextEncoder:
        """Learn the weights of n-grams and the directions of the features.

        Parameters
        ----------
        X : list, array or Series of str, or DataFrame with one column
            Training texts.
        y : None
            Ignored.

        Returns
        -------
        self : HashedTextEncoder
            The fitted encoder.
        """
        self._check_ngrams()
        counts = self._count(sorted(read_text(X).values))
        frequencies = np.bincount(counts.indices, minlength=counts.shape[1])
        self.columns_ = np.flatnonzero(frequencies)
        if not len(self.columns_):  # texts without a character: one feature, 0
            self.columns_ = np.zeros(1, dtype=np.intp)
        n = counts.shape[0]
        self.idf_ = np.ones(len(self.columns_))
        if self.use_idf:
            self.idf_ += np.log((1 + n) / (1 + frequencies[self.columns_]))
        self.components_, self.singular_values_ = _right_singular_vectors(
            self._weigh(counts),
            self.n_components,
            check_random_state(self.random_state),
        )
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Encode texts.

        Parameters
        ----------
        X : list, array or Series of str, or DataFrame with one column
            Texts; n-grams that no training text has are ignored.

        Returns
        -------
        features : ndarray of float64 of shape (n_rows, n_components)
            Scores of each text, whatever the other texts.
        """
        check_is_fitted(self)
        text = read_text(X)
        weights = self._weigh(self._count(text.values)).astype(np.float32)
        features = np.asarray(weights @ self.components_, dtype=np.float64)
        rows: np.ndarray = features[text.index]
        return rows

    def _check_ngrams(self) -> None:
        if self.word_ngrams is None and self.char_ngrams is None:
            raise ValueError("word_ngrams and char_ngrams cannot both be None.")
        for name in ("word_ngrams", "char_ngrams"):
            value = getattr(self, name)
            if value is None:
                continue
            if (
                len(value) != 2
                or not all(isinstance(length, numbers.Integral) for length in value)
                or not 1 <= value[0] <= value[1]
            ):
                raise ValueError(
                    f"The {name!r} parameter of HashedTextEncoder must be (shortest, "
                    f"longest) with 1 <= shortest <= longest. Got {value!r} instead."
                )

    def _count(self, values: list[str]) -> sparse.csr_array:
        """Signed counts per bucket, words first."""
        options = {"n_features": self.n_hash, "norm": None}
        blocks = []
        if self.word_ngrams is not None:
            words = HashingVectorizer(
                ngram_range=tuple(self.word_ngrams), token_pattern=_TOKEN, **options
            )
            blocks.append(words.transform(values))
        if self.char_ngrams is not None:
            chars = HashingVectorizer(
                analyzer="char_wb", ngram_range=tuple(self.char_ngrams), **options
            )
            blocks.append(chars.transform(values))
        counts = sparse.csr_array(sparse.hstack(blocks, format="csr"))
        counts.eliminate_zeros()
        return counts

    def _weigh(self, counts: sparse.csr_array) -> sparse.csr_array:
        """Weights of the buckets kept, each text's blocks scaled."""
        kept = counts[:, self.columns_]
        kept.data = np.sign(kept.data) * (1 + np.log(np.abs(kept.data)))
        kept.data *= self.idf_[kept.indices]
        if self.word_ngrams is None or self.char_ngrams is None:
            return normalize(kept)
        first = int(np.searchsorted(self.columns_, self.n_hash))
        blocks = [kept[:, :first], kept[:, first:]]
        scaled = [normalize(block) for block in blocks if block.shape[1]]
        return sparse.csr_array(sparse.hstack(scaled, format="csr") * np.sqrt(0.5))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.components_.shape[1])


def _right_singular_vectors(
    X: sparse.csr_array, n_components: int, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Return leading right singular vectors and singular values of X.

    Subspace iteration on the smaller side, the rows, so that nothing of the size of
    the columns is orthogonalised. Vectors of zero singular values are left out, but
    at least one vector is returned.
    """
    with blas_threads(n_components):
        return _subspace_iteration(X, n_components, random)


def _subspace_iteration(
    X: sparse.csr_array, n_components: int, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    n = X.shape[0]
    size = n_components + _OVERSAMPLING
    if n <= size:
        basis = np.eye(n)
    else:  # single precision: only the space that the basis spans matters
        rough = X.astype(np.float32)
        transposed = rough.T.tocsr()
        basis = random.standard_normal((n, size)).astype(np.float32)
        for _ in range(_N_PASSES):
            product = rough @ (transposed @ np.ascontiguousarray(basis))
            basis = linalg.qr(product, mode="economic", overwrite_a=True)[0]
    image = X.T.tocsr() @ np.ascontiguousarray(basis, dtype=np.float64)
    squares, rotation = linalg.eigh(image.T @ image)
    squares, rotation = squares[::-1], rotation[:, ::-1]
    rank = int((squares > 1e-10 * squares[0]).sum()) if squares[0] > 0 else 0
    kept = min(n_components, rank)
    if kept == 0:
        return np.zeros((X.shape[1], 1), np.float32), np.zeros(1)
    values = np.sqrt(squares[:kept])
    vectors = image @ (rotation[:, :kept] / values)
    largest = np.abs(vectors).argmax(axis=0)
    vectors *= np.sign(vectors[largest, np.arange(kept)])
    return vectors.astype(np.float32), values
