"""chrF against values of sacreBLEU 2.6.0."""

from __future__ import annotations

import numpy as np
import pytest

from bead_sklearn.metrics import chrf_score

PREDICTED = [
    "the cat sat on the mat",
    "A baby is crying.",
    "abc",
    "hello",
    "a",
    "He eats.",
    "",
]
TRUE = [
    "the cat is on the mat",
    "The baby is crying.",
    "abc",
    "goodbye",
    "ab",
    "A man is eating pizza in the kitchen.",
    "abc",
]
#: By word_order: sentence scores and the score of the corpus, times 100.
SACREBLEU = {
    0: ([64.577942, 79.811063, 100.0, 6.060606, 55.555556, 6.01784, 0.0], 38.931624),
    2: ([66.360671, 79.290895, 100.0, 5.050505, 27.777778, 6.127253, 0.0], 40.068525),
}


@pytest.mark.parametrize("word_order", SACREBLEU)
def test_scores_are_those_of_sacrebleu(word_order):
    sentences, corpus = SACREBLEU[word_order]
    scores = [
        100 * chrf_score([true], [predicted], word_order=word_order)
        for true, predicted in zip(TRUE, PREDICTED, strict=True)
    ]
    np.testing.assert_allclose(scores, sentences, atol=1e-5)
    whole = chrf_score(TRUE, PREDICTED, word_order=word_order)
    assert 100 * whole == pytest.approx(corpus, abs=1e-5)
    mean = chrf_score(TRUE, PREDICTED, word_order=word_order, average="sentence")
    assert 100 * mean == pytest.approx(np.mean(sentences), abs=1e-5)


def test_orders_and_beta():
    score = chrf_score(TRUE[:1], PREDICTED[:1], char_order=3, beta=1.0)
    assert 100 * score == pytest.approx(79.09821667661633)


@pytest.mark.parametrize("average", ["corpus", "sentence"])
def test_weights_are_repetitions(average):
    weights = np.array([2, 0, 1, 3, 1, 1, 1])
    weighted = chrf_score(TRUE, PREDICTED, average=average, sample_weight=weights)
    repeated = chrf_score(
        np.repeat(TRUE, weights), np.repeat(PREDICTED, weights), average=average
    )
    assert weighted == pytest.approx(repeated)


def test_bad_input():
    with pytest.raises(ValueError, match="average must be 'corpus' or 'sentence'"):
        chrf_score(["a"], ["a"], average="macro")
    with pytest.raises(TypeError, match=r"y_pred must hold texts\. Got 3"):
        chrf_score(["a"], [3])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        chrf_score(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="y_true has no texts"):
        chrf_score([], [])
