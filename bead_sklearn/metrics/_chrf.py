"""Overlap of texts in character n-grams."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length

from bead_sklearn._sklearn import _check_sample_weight


def chrf_score(
    y_true: Sequence[str],
    y_pred: Sequence[str],
    *,
    char_order: int = 6,
    word_order: int = 0,
    beta: float = 2.0,
    average: str = "corpus",
    sample_weight: Any = None,
) -> float:
    r"""Return chrF, the F-score of character n-grams of predicted texts.

    For n-grams of each length n, precision is the share of those of the prediction
    that the true text has too, and recall the share of those of the true text that
    the prediction has. With P and R their means over n,

    .. math:: \mathrm{chrF} = (1 + \beta^2) \frac{P R}{\beta^2 P + R}.

    White space does not count. Lengths n of which either text has no n-gram are left
    out of the means.

    Parameters
    ----------
    y_true, y_pred : sequence of str of length n_samples
        True and predicted texts.
    char_order : int, default=6
        Longest character n-gram.
    word_order : int, default=0
        Longest word n-gram; 2 is chrF++ [2]_. Punctuation at an end of a word is a
        word.
    beta : float, default=2.0
        How many times recall counts as much as precision.
    average : {"corpus", "sentence"}, default="corpus"
        Whether n-grams are counted over all texts, or the scores of the texts are
        averaged.
    sample_weight : array-like of shape (n_samples,), default=None
        How many times each text counts.

    Returns
    -------
    score : float
        Between 0 and 1; sacreBLEU [3]_ gives 100 times this.

    Raises
    ------
    ValueError
        If lengths differ, there is no text, or ``average`` is another word.
    TypeError
        If a text is not a string.

    References
    ----------
    .. [1] Popovic (2015). chrF: character n-gram F-score for automatic MT evaluation.
       WMT, 392-395. doi:10.18653/v1/W15-3049
    .. [2] Popovic (2017). chrF++: words helping character n-grams. WMT, 612-618.
       doi:10.18653/v1/W17-4770
    .. [3] Post (2018). A call for clarity in reporting BLEU scores. WMT, 186-191.
       doi:10.18653/v1/W18-6319

    Examples
    --------
    >>> from bead_sklearn.metrics import chrf_score
    >>> round(chrf_score(["the cat is on the mat"], ["the cat sat on the mat"]), 4)
    0.6458
    """
    if average not in ("corpus", "sentence"):
        raise ValueError(f"average must be 'corpus' or 'sentence'. Got {average!r}.")
    check_consistent_length(y_true, y_pred)
    if len(y_true) == 0:
        raise ValueError("y_true has no texts; at least one is needed.")
    matches = np.stack(
        [
            _count_matches(
                _text(a, "y_true"), _text(b, "y_pred"), char_order, word_order
            )
            for a, b in zip(y_true, y_pred, strict=True)
        ]
    )
    weights = _check_sample_weight(
        sample_weight, np.arange(len(matches)), dtype=np.float64
    )
    if average == "corpus":
        return float(_f_score(np.tensordot(weights, matches, axes=1), beta))
    return float(np.average(_f_score(matches, beta), weights=weights))


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must hold texts. Got {value!r}.")
    return value


def _count_matches(
    true: str, predicted: str, char_order: int, word_order: int
) -> np.ndarray:
    """Return numbers of n-grams of the true text, the predicted one, and both."""
    characters = ["".join(text.split()) for text in (true, predicted)]
    words = [_split_words(text) for text in (true, predicted)]
    rows = [_overlap(characters, n) for n in range(1, char_order + 1)]
    rows += [_overlap(words, n) for n in range(1, word_order + 1)]
    return np.array(rows, dtype=float)


def _overlap(texts: Sequence[Sequence[str]], n: int) -> tuple[int, int, int]:
    """Return the numbers of n-grams of two texts and of both."""
    counts = [
        Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))
        for text in texts
    ]
    shared = (counts[0] & counts[1]).total()
    return counts[0].total(), counts[1].total(), shared


def _split_words(text: str) -> list[str]:
    """Split at white space, and a punctuation mark off one end of each word."""
    words: list[str] = []
    for word in text.split():
        if len(word) > 1 and word[-1] in string.punctuation:
            words += [word[:-1], word[-1]]
        elif len(word) > 1 and word[0] in string.punctuation:
            words += [word[0], word[1:]]
        else:
            words.append(word)
    return words


def _f_score(matches: np.ndarray, beta: float) -> np.ndarray:
    """F-scores from counts of shape (..., n_orders, 3)."""
    true, predicted, shared = np.moveaxis(matches, -1, 0)
    valid = (true > 0) & (predicted > 0)
    n_orders = np.maximum(valid.sum(axis=-1), 1)
    recall = (shared / np.where(valid, true, 1.0) * valid).sum(axis=-1) / n_orders
    precision = shared / np.where(valid, predicted, 1.0) * valid
    precision = precision.sum(axis=-1) / n_orders
    denominator = beta**2 * precision + recall
    numerator = (1.0 + beta**2) * precision * recall
    return np.where(
        denominator > 0, numerator / np.where(denominator > 0, denominator, 1.0), 0.0
    )
