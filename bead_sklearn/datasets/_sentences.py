"""Sentences from templates, and the part of an item's effect that its words carry."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from bead_sklearn.datasets._lexicon import CLASS_RANGES, RATINGS, WORDS

#: Standard deviation of the part of a word's weight that its rating does not give.
_JITTER_SD = 0.25
#: Classes whose words count for less than the 1.0 of the others.
_CLASS_SCALES = {"person": 0.3, "object": 0.3, "time": 0.4, "place": 0.4}
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])")


@dataclass(frozen=True)
class Template:
    """Texts with numbered slots, and the word class that fills each slot.

    Attributes
    ----------
    patterns : tuple of str
        One pattern per text column, with fields ``{0}``, ``{1}``, ...
    slots : tuple of str
        Name of the word class of each field.
    """

    patterns: tuple[str, ...]
    slots: tuple[str, ...]

    def size(self) -> int:
        """Return how many different fillings there are."""
        return math.prod(
            math.perm(len(CLASS_RANGES[name]), count)
            for name, count in Counter(self.slots).items()
        )

    def draw(self, n: int, random_state: np.random.RandomState) -> np.ndarray:
        """Draw ``n`` fillings as word positions; no word is used twice in one."""
        filled = np.empty((n, len(self.slots)), dtype=np.intp)
        for name, count in Counter(self.slots).items():
            members = CLASS_RANGES[name]
            columns = [j for j, slot in enumerate(self.slots) if slot == name]
            keys = random_state.random_sample((n, len(members)))
            chosen = np.argpartition(keys, count - 1, axis=1)[:, :count]
            order = np.argsort(np.take_along_axis(keys, chosen, axis=1), axis=1)
            chosen = np.take_along_axis(chosen, order, axis=1)
            filled[:, columns] = members.start + chosen
        return filled

    def render(self, filling: Sequence[int]) -> tuple[str, ...]:
        """Write out the texts of one filling."""
        words = [WORDS[position] for position in filling]
        return tuple(_write(pattern, words) for pattern in self.patterns)


@dataclass(frozen=True)
class Sentences:
    """Distinct stimuli.

    Attributes
    ----------
    columns : list of ndarray of shape (n,)
        One array of str (dtype object) per text column.
    slots : ndarray of shape (n, n_slots)
        Positions in ``WORDS`` of the words used, -1 where a stimulus has fewer.
    """

    columns: list[np.ndarray]
    slots: np.ndarray


def _write(pattern: str, words: list[str]) -> str:
    text = _ARTICLE.sub(r"\1n ", pattern.format(*words))
    return text[0].upper() + text[1:]


def draw_sentences(
    templates: Sequence[Template], n: int, random_state: np.random.RandomState
) -> Sentences:
    """Draw ``n`` distinct stimuli, each template being equally likely.

    Raises
    ------
    ValueError
        If the templates yield too few different stimuli.
    """
    smallest = min(template.size() for template in templates)
    if n > smallest * len(templates) // 2:
        raise ValueError(
            f"{n} different texts were asked for (n_items times the options of an "
            f"item), but only {smallest * len(templates) // 2} can be made for this "
            "task."
        )
    width = max(len(template.slots) for template in templates)
    slots: dict[tuple[str, ...], np.ndarray] = {}
    while len(slots) < n:
        missing = n - len(slots)
        which = random_state.randint(len(templates), size=missing)
        fillings = np.full((missing, width), -1, dtype=np.intp)
        for t, template in enumerate(templates):
            rows = np.flatnonzero(which == t)
            drawn = template.draw(len(rows), random_state)
            fillings[rows[:, None], np.arange(len(template.slots))] = drawn
        for t, filling in zip(which, fillings, strict=True):
            template = templates[t]
            texts = template.render(filling[: len(template.slots)].tolist())
            slots.setdefault(texts, filling)
    columns = list(zip(*slots, strict=True))
    return Sentences(
        [np.array(column, dtype=object) for column in columns],
        np.array(list(slots.values())),
    )


def word_weights(
    outputs: Sequence[str], directions: np.ndarray, templates: Sequence[Template]
) -> np.ndarray:
    """Return the weight of each word for each output, the same in every call.

    A weight is the word's rating times the output's direction plus a number that
    depends on the word and the output's name alone; nouns, times and places count
    for less than other words. Weights are centred within each word class, and zero
    for words that no template uses.

    Parameters
    ----------
    outputs : sequence of str
        Names of the outputs.
    directions : ndarray of shape (n_outputs,)
        How much, and with which sign, a rating counts for each output.
    templates : sequence of Template
        Templates of the task.

    Returns
    -------
    weights : ndarray of shape (n_words + 1, n_outputs)
        The last row is zero: position -1 is "no word".
    """
    weights = np.zeros((len(WORDS) + 1, len(outputs)))
    for name in {slot for template in templates for slot in template.slots}:
        positions = list(CLASS_RANGES[name])
        jitter = _jitter([WORDS[position] for position in positions], outputs)
        values = RATINGS[positions, None] * directions + jitter
        values *= _CLASS_SCALES.get(name, 1.0)
        weights[positions] = values - values.mean(axis=0)
    return weights


def _jitter(words: Sequence[str], outputs: Sequence[str]) -> np.ndarray:
    """Return scaled normal quantiles of a hash of each word and output."""
    digests = b"".join(
        hashlib.sha256(f"{word}\0{output}".encode()).digest()[:4]
        for word in words
        for output in outputs
    )
    uniform = (np.frombuffer(digests, dtype=">u4") + 0.5) / 2.0**32
    jitter: np.ndarray = _JITTER_SD * ndtri(uniform)
    return jitter.reshape(len(words), len(outputs))


def text_covariance(weights: np.ndarray, templates: Sequence[Template]) -> np.ndarray:
    """Return the covariance over all stimuli of their summed word weights.

    For ``c`` different words of a class of ``n`` words with covariance ``S`` the
    covariance of the sum is ``c S (1 - (c - 1) / (n - 1))``.
    """
    total = np.zeros((weights.shape[1],) * 2)
    for template in templates:
        for name, count in Counter(template.slots).items():
            values = weights[list(CLASS_RANGES[name])]
            factor = count * (1 - (count - 1) / (len(values) - 1))
            total += factor * values.T @ values / len(values)
    return total / len(templates)
